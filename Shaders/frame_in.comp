// A decoder's picture to RGB in the arena. One invocation a pixel.
#version 450
#extension GL_GOOGLE_include_directive : require
#define DENSE_SOURCE
#define NO_OPERANDS
#include "precision.glsl"
#include "views.glsl"
#include "frame.glsl"

layout(binding = 0, std430) restrict readonly buffer Source { uint sourceData[]; };
// The frame's first byte.
layout(binding = 2, std430) restrict readonly buffer Place { uint place; };

// Per component its first byte, and bytes from row to row and from sample to sample.
layout(constant_id = 55) const uint START0 = 0;
layout(constant_id = 56) const uint STRIDE0 = 0;
layout(constant_id = 57) const uint STEP0 = 1;
layout(constant_id = 58) const uint START1 = 0;
layout(constant_id = 59) const uint STRIDE1 = 0;
layout(constant_id = 60) const uint STEP1 = 1;
layout(constant_id = 61) const uint START2 = 0;
layout(constant_id = 62) const uint STRIDE2 = 0;
layout(constant_id = 63) const uint STEP2 = 1;

float code(uint at)
{
    at += place;
    uint word = sourceData[at / 4u];
    uint sampled = SAMPLE_BYTES == 1u ? word >> at % 4u * 8u & 0xFFu : word >> (at & 2u) * 8u & 0xFFFFu;
    return float(swappedBytes(sampled) >> SHIFT & LARGEST_CODE);
}

// Both chroma codes at a chroma position.
vec2 chromaCodes(uint y, uint x)
{
    return vec2(code(START1 + y * STRIDE1 + x * STEP1), code(START2 + y * STRIDE2 + x * STEP2));
}

uint neighbour(uint at, uint tap, uint size) { return uint(clamp(int(at + tap) - 2, 0, int(size) - 1)); }

vec2 chromaRow(uint y, uint x)
{
    if (CHROMA_X == 1u) return chromaCodes(y, x);
    vec2 sum = vec2(0.0);
    for (uint tap = 0u; tap < 5u; ++tap) {
        float w = weight(6u + x % 2u * 2u, tap);
        if (w != 0.0) sum += w * chromaCodes(y, neighbour(x / 2u, tap, halves(target.width, 2u)));
    }
    return sum;
}

vec2 chroma(uint y, uint x)
{
    vec2 sum = vec2(0.0);
    if (CHROMA_Y == 1u) {
        sum = chromaRow(y, x);
    } else {
        for (uint tap = 0u; tap < 5u; ++tap) {
            float w = weight(10u + y % 2u * 2u, tap);
            if (w != 0.0) sum += w * chromaRow(neighbour(y / 2u, tap, halves(target.height, 2u)), x);
        }
    }
    // The filters' weights sum up to 1, so scale and bias may come last.
    return sum * constants[0].z + constants[0].w;
}

void main()
{
    uint x = gl_GlobalInvocationID.x;
    uint y = rowBegin + gl_WorkGroupID.y;
    if (x >= target.width) return;
    float first = code(START0 + y * STRIDE0 + x * STEP0) * constants[0].x + constants[0].y;
    vec4 rgb = vec4(first);
    if (KIND == KIND_RGB) {
        rgb.g = code(START1 + y * STRIDE1 + x * STEP1) * constants[0].x + constants[0].y;
        rgb.b = code(START2 + y * STRIDE2 + x * STEP2) * constants[0].x + constants[0].y;
    } else if (KIND == KIND_CHROMA) {
        vec2 uv = chroma(y, x);
        rgb += vec4(dot(constants[3].xy, uv), dot(constants[4].xy, uv), dot(constants[5].xy, uv), 0.0);
    }
    storeTarget(0u, y, x, 0u, limited(rgb));
    // A view of more than one quad is padding beyond the first.
    for (uint c = 1u; c < TARGET_QUADS; ++c) storeTarget(0u, y, x, c, vec4(0.0));
}
