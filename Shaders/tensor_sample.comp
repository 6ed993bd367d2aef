// An image at positions (column, row): the nearest pixel, or the mean of four by distance. One invocation an element.
#version 450

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 256;
layout(constant_id = 1) const bool IS_NEAREST = false;
// Positions outside are moved to the border; otherwise what lies outside is zero.
layout(constant_id = 2) const bool CLAMPS = false;

layout(binding = 0, std430) readonly buffer Source { float source[]; };
layout(binding = 1, std430) readonly buffer Positions { float positions[]; };
layout(binding = 2, std430) writeonly buffer Target { float target[]; };

layout(push_constant) uniform Push
{
    uint count;
    // Pixels of one image of the target.
    uint pixels;
    uint channels;
    uint height;
    uint width;
};

float corner(uint image, vec2 at, float weight, uint channel)
{
    bool isInside = all(greaterThanEqual(at, vec2(0.0))) && at.x < float(width) && at.y < float(height);
    // A weight of zero must not bring in what is not a number.
    if (!isInside || weight == 0.0) return 0.0;
    return weight * source[((image * height + uint(at.y)) * width + uint(at.x)) * channels + channel];
}

void main()
{
    uint w = gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x;
    uint at = w * THREADS + gl_LocalInvocationIndex;
    if (at >= count) return;
    uint channel = at % channels;
    uint pixel = at / channels;
    uint image = pixel / pixels;
    vec2 place = vec2(positions[2u * pixel], positions[2u * pixel + 1u]);
    if (any(isnan(place))) {
        target[at] = place.x + place.y;
        return;
    }
    if (CLAMPS) place = clamp(place, vec2(0.0), vec2(float(width), float(height)) - 1.0);
    if (IS_NEAREST) {
        target[at] = corner(image, roundEven(place), 1.0, channel);
        return;
    }
    vec2 first = floor(place);
    vec2 share = place - first;
    target[at] = corner(image, first, (1.0 - share.x) * (1.0 - share.y), channel)
        + corner(image, first + vec2(1.0, 0.0), share.x * (1.0 - share.y), channel)
        + corner(image, first + vec2(0.0, 1.0), (1.0 - share.x) * share.y, channel)
        + corner(image, first + vec2(1.0, 1.0), share.x * share.y, channel);
}
