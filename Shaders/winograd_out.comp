// The last of Winograd's kernels (winograd.glsl): an invocation transforms two neighbouring quads of outputs of one tile
// back and ends their pixels.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define TEXELS
#include "precision.glsl"
#include "views.glsl"
#include "stages.glsl"
#include "winograd.glsl"
#include "convolution.glsl"

const uint PAIR = WEIGHT_QUADS % 2u == 0u ? 2u : 1u;

void main()
{
    uint quad = gl_GlobalInvocationID.x % (WEIGHT_QUADS / PAIR) * PAIR;
    uvec2 tile = uvec2(gl_GlobalInvocationID.x / (WEIGHT_QUADS / PAIR), gl_GlobalInvocationID.y);
    uvec2 tiles = uvec2(source.width, source.height);
    if (tile.x >= tiles.x) return;
    uint stride = tiles.x * tiles.y * WEIGHT_QUADS;
    uint from = (tile.y * tiles.x + tile.x) * WEIGHT_QUADS + quad;
    vec4 columns[24 * PAIR];
    [[unroll]] for (uint j = 0u; j < 6u; ++j) {
        [[unroll]] for (uint q = 0u; q < PAIR; ++q) {
            vec4 m[6];
            vec4 y[4];
            [[unroll]] for (uint i = 0u; i < 6u; ++i) {
                m[i] = texelFetch(sourceTexels, int(from + (i * 6u + j) * stride + q));
            }
            winogradInverse(m, y);
            [[unroll]] for (uint i = 0u; i < 4u; ++i) columns[(i * 6u + j) * PAIR + q] = y[i];
        }
    }
    imageIndex = image;
    tileOrigin = uvec2(tile.x * 4u, rowBegin + tile.y * 4u);
    blockQuad = 0u;
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        vec4 results[4 * PAIR];
        [[unroll]] for (uint q = 0u; q < PAIR; ++q) {
            vec4 m[6];
            vec4 y[4];
            [[unroll]] for (uint j = 0u; j < 6u; ++j) m[j] = columns[(i * 6u + j) * PAIR + q];
            winogradInverse(m, y);
            [[unroll]] for (uint j = 0u; j < 4u; ++j) results[j * PAIR + q] = y[j];
        }
        [[unroll]] for (uint j = 0u; j < 4u; ++j) {
            vec4 first = results[j * PAIR] + bias(quad);
            if (PAIR == 2u) {
                finishPair(i * TILE_WIDTH + j, quad, first, results[j * PAIR + PAIR - 1u] + bias(quad + 1u));
            } else {
                finish(i * TILE_WIDTH + j, quad, first);
            }
        }
    }
    if (overflowed) status = 1u;
}
