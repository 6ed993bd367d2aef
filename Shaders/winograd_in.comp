// The first of Winograd's kernels (winograd.glsl): an invocation transforms two neighbouring quads of channels of
// one tile, because a write of both is hardly dearer than of one.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define TEXELS
#define DENSE_TARGET
#include "precision.glsl"
#include "views.glsl"
#include "winograd.glsl"

layout(constant_id = 62) const uint UPSAMPLING = 1;
// Quads of input channels.
layout(constant_id = 64) const uint CHUNKS = 1;

const uint PAIR = CHUNKS % 2u == 0u ? 2u : 1u;

layout(binding = 1, std430) restrict writeonly buffer Transformed { WIDE4 transformed[]; };

void main()
{
    uint quad = gl_GlobalInvocationID.x % (CHUNKS / PAIR) * PAIR;
    uvec2 tile = uvec2(gl_GlobalInvocationID.x / (CHUNKS / PAIR), gl_GlobalInvocationID.y);
    uvec2 tiles = uvec2(target.width, target.height);
    if (tile.x >= tiles.x) return;
    uint height = source.height * UPSAMPLING;
    uint width = source.width * UPSAMPLING;
    vec4 rows[36 * PAIR];
    [[unroll]] for (uint i = 0u; i < 6u; ++i) {
        // Outside above or left the subtraction wraps, which is outside below or right.
        uint y = rowBegin + tile.y * 4u + i - 1u;
        [[unroll]] for (uint q = 0u; q < PAIR; ++q) {
            vec4 d[6];
            vec4 t[6];
            [[unroll]] for (uint j = 0u; j < 6u; ++j) {
                uint x = tile.x * 4u + j - 1u;
                bool inside = y < height && x < width;
                uint at = inside ? address(source, image, y / UPSAMPLING, x / UPSAMPLING) + quad + q : 0u;
                d[j] = mix(vec4(0.0), texelFetch(sourceTexels, int(at)), bvec4(inside));
            }
            winogradForward(d, t);
            [[unroll]] for (uint j = 0u; j < 6u; ++j) rows[(i * 6u + j) * PAIR + q] = t[j];
        }
    }
    uint stride = tiles.x * tiles.y * CHUNKS;
    uint to = (tile.y * tiles.x + tile.x) * CHUNKS + quad;
    [[unroll]] for (uint j = 0u; j < 6u; ++j) {
        vec4 t[6 * PAIR];
        [[unroll]] for (uint q = 0u; q < PAIR; ++q) {
            vec4 d[6];
            vec4 column[6];
            [[unroll]] for (uint i = 0u; i < 6u; ++i) d[i] = rows[(i * 6u + j) * PAIR + q];
            winogradForward(d, column);
            [[unroll]] for (uint i = 0u; i < 6u; ++i) t[i * PAIR + q] = column[i];
        }
        [[unroll]] for (uint i = 0u; i < 6u; ++i) {
            [[unroll]] for (uint q = 0u; q < PAIR; ++q) transformed[to + (i * 6u + j) * stride + q] = wide(t[i * PAIR + q]);
        }
    }
}
