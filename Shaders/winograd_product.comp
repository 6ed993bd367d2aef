// The second of Winograd's kernels (winograd.glsl): one matrix product for each of the 36 places of a tile. TILE_WIDTH
// lanes are tiles; an invocation sums up PIXELS tiles by QUADS quads of outputs, as convolution_texels.comp does with
// pixels. What else is in a workgroup takes the next outputs of the same tiles, which are in the cache then.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define TEXELS
#define DENSE_TARGET
#include "precision.glsl"
#include "views.glsl"
#include "tile_constants.glsl"

// Quads of input channels.
layout(constant_id = 64) const uint CHUNKS = 1;

layout(binding = 1, std430) restrict writeonly buffer Sums { WIDE4 products[]; };

void main()
{
    uint tiles = source.width * source.height;
    uint first = gl_WorkGroupID.x * TILE_WIDTH * PIXELS + gl_LocalInvocationIndex % TILE_WIDTH;
    uint firstQuad = (gl_WorkGroupID.y * (GROUP / TILE_WIDTH) + gl_LocalInvocationIndex / TILE_WIDTH) * QUADS;
    uint xi = gl_WorkGroupID.z;

    float sums[QUADS * 4u * PIXELS];
    [[unroll]] for (uint i = 0u; i < QUADS * 4u * PIXELS; ++i) sums[i] = 0.0;
    int at[PIXELS];
    [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
        at[i] = int((xi * tiles + min(first + i * TILE_WIDTH, tiles - 1u)) * CHUNKS);
    }
    int weight = int((xi * WEIGHT_QUADS + firstQuad) * CHUNKS * 4u);
    for (int k = 0; k < int(CHUNKS); ++k) {
        vec4 a[PIXELS];
        vec4 w[QUADS * 4u];
        [[unroll]] for (uint i = 0u; i < PIXELS; ++i) a[i] = texelFetch(sourceTexels, at[i] + k);
        [[unroll]] for (uint j = 0u; j < QUADS * 4u; ++j) w[j] = texelFetch(weightTexels, weight + int(j));
        [[unroll]] for (uint j = 0u; j < QUADS * 4u; ++j) {
            [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
                sums[j * PIXELS + i] += (a[i].x * w[j].x + a[i].y * w[j].y) + (a[i].z * w[j].z + a[i].w * w[j].w);
            }
        }
        weight += int(QUADS * 4u);
    }
    [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
        uint tile = first + i * TILE_WIDTH;
        if (tile < tiles) {
            uint to = (xi * tiles + tile) * WEIGHT_QUADS + firstQuad;
            [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
                vec4 sum;
                [[unroll]] for (uint c = 0u; c < 4u; ++c) sum[c] = sums[(j * 4u + c) * PIXELS + i];
                products[to + j] = wide(sum);
            }
        }
    }
}
