// RGB in the arena to one plane of an encoder's picture. One invocation a word of a row, so that memory is written in
// words whatever the samples are.
#version 450
#extension GL_GOOGLE_include_directive : require
#define DENSE_TARGET
#include "precision.glsl"
#include "views.glsl"
#include "frame.glsl"

layout(binding = 1, std430) restrict writeonly buffer Target { uint targetData[]; };

// The plane: bytes from sample to sample of a component; words of a row that hold samples, and from row to row.
layout(constant_id = 55) const uint STEP = 1;
layout(constant_id = 56) const uint ROW_WORDS = 1;
layout(constant_id = 57) const uint STRIDE_WORDS = 1;
// What lies at each place of a step: components 0 to 2, 3 for opacity, 4 for nothing.
layout(constant_id = 58) const uint PLACE0 = 0;
layout(constant_id = 59) const uint PLACE1 = 4;
layout(constant_id = 60) const uint PLACE2 = 4;
layout(constant_id = 61) const uint PLACE3 = 4;
// Whether the plane is of chroma's size.
layout(constant_id = 62) const bool IS_CHROMA = false;

vec4 rgb(uint y, uint x) { return limited(loadSource(0u, y, x, 0u)); }

uint neighbour(uint at, uint tap, uint size) { return uint(clamp(int(2u * at + tap) - 2, 0, int(size) - 1)); }

vec4 rgbRow(uint y, uint x)
{
    if (!IS_CHROMA || CHROMA_X == 1u) return rgb(y, x);
    vec4 sum = vec4(0.0);
    for (uint tap = 0u; tap < 6u; ++tap) {
        float w = weight(6u, tap);
        if (w != 0.0) sum += w * rgb(y, neighbour(x, tap, source.width));
    }
    return sum;
}

// The colour under a sample of the plane. Filtering it is filtering the chroma that is made of it.
vec4 colour(uint y, uint x)
{
    if (!IS_CHROMA || CHROMA_Y == 1u) return rgbRow(y, x);
    vec4 sum = vec4(0.0);
    for (uint tap = 0u; tap < 6u; ++tap) {
        float w = weight(10u, tap);
        if (w != 0.0) sum += w * rgbRow(neighbour(y, tap, source.height), x);
    }
    return sum;
}

uint code(vec4 rgb, uint place)
{
    if (place == 4u) return 0u;
    if (place == 3u) return LARGEST_CODE;
    float value = KIND == KIND_RGB ? rgb[place] : dot(constants[3u + place].xyz, rgb.xyz);
    bool isChroma = KIND == KIND_CHROMA && place > 0u;
    vec2 scale = isChroma ? constants[0].zw : constants[0].xy;
    // Codes at and beyond the ends are cut off before they are made whole numbers.
    return uint(clamp(value * scale.x + scale.y + 0.5, 0.0, float(LARGEST_CODE)));
}

void main()
{
    uint word = gl_GlobalInvocationID.x;
    uint y = rowBegin + gl_WorkGroupID.y;
    if (word >= ROW_WORDS) return;
    uint columns = IS_CHROMA ? halves(source.width, CHROMA_X) : source.width;
    uint bits = 0u;
    uint last = 0xFFFFFFFFu;
    vec4 v = vec4(0.0);
    for (uint i = 0u; i < 4u; i += SAMPLE_BYTES) {
        uint x = (word * 4u + i) / STEP;
        uint place = (word * 4u + i) % STEP / SAMPLE_BYTES;
        if (x >= columns) break;
        if (x != last) v = colour(y, x);
        last = x;
        uint component = place == 0u ? PLACE0 : place == 1u ? PLACE1 : place == 2u ? PLACE2 : PLACE3;
        bits |= swappedBytes(code(v, component) << SHIFT) << 8u * i;
    }
    targetData[y * STRIDE_WORDS + word] = bits;
}
