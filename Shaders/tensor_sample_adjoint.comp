// Pixels added up at the nearest places to their positions (column, row). One invocation a channel of an image, so that every
// sum is taken in the order of the pixels.
#version 450

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 256;
// Positions outside are moved to the border; otherwise what lies outside is left out.
layout(constant_id = 1) const bool CLAMPS = false;

layout(binding = 0, std430) readonly buffer Source { float source[]; };
layout(binding = 1, std430) readonly buffer Positions { float positions[]; };
layout(binding = 2, std430) buffer Target { float target[]; };

layout(push_constant) uniform Push
{
    // Images times channels.
    uint count;
    // Pixels of one image of the source.
    uint pixels;
    uint channels;
    uint height;
    uint width;
};

void main()
{
    uint w = gl_WorkGroupID.x + gl_WorkGroupID.y * gl_NumWorkGroups.x;
    uint at = w * THREADS + gl_LocalInvocationIndex;
    if (at >= count) return;
    uint channel = at % channels;
    uint image = at / channels;
    uint begin = image * height * width;
    for (uint i = 0u; i < height * width; ++i) target[(begin + i) * channels + channel] = 0.0;
    for (uint i = 0u; i < pixels; ++i) {
        uint pixel = image * pixels + i;
        vec2 place = vec2(positions[2u * pixel], positions[2u * pixel + 1u]);
        if (any(isnan(place))) continue;
        if (CLAMPS) place = clamp(place, vec2(0.0), vec2(float(width), float(height)) - 1.0);
        place = roundEven(place);
        bool isInside = all(greaterThanEqual(place, vec2(0.0))) && place.x < float(width) && place.y < float(height);
        if (!isInside) continue;
        target[(begin + uint(place.y) * width + uint(place.x)) * channels + channel] += source[pixel * channels + channel];
    }
}
