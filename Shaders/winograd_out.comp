// The last of Winograd's kernels (winograd.glsl): an invocation transforms one quad of outputs of one tile back and ends its
// pixels.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define TEXELS
#include "precision.glsl"
#include "views.glsl"
#include "stages.glsl"
#include "tile.glsl"
#include "winograd.glsl"
#include "convolution.glsl"

void main()
{
    uint quad = gl_GlobalInvocationID.x % WEIGHT_QUADS;
    uvec2 tile = uvec2(gl_GlobalInvocationID.x / WEIGHT_QUADS, gl_GlobalInvocationID.y);
    uvec2 tiles = uvec2(source.width, source.height);
    if (tile.x >= tiles.x) return;
    uint stride = tiles.x * tiles.y * WEIGHT_QUADS;
    uint from = (tile.y * tiles.x + tile.x) * WEIGHT_QUADS + quad;
    vec4 columns[24];
    [[unroll]] for (uint j = 0u; j < 6u; ++j) {
        vec4 m[6];
        vec4 y[4];
        [[unroll]] for (uint i = 0u; i < 6u; ++i) {
            m[i] = texelFetch(sourceTexels, int(from + (i * 6u + j) * stride));
        }
        winogradInverse(m, y);
        [[unroll]] for (uint i = 0u; i < 4u; ++i) columns[i * 6u + j] = y[i];
    }
    imageIndex = image;
    tileOrigin = uvec2(tile.x * 4u, rowBegin + tile.y * 4u);
    blockQuad = 0u;
    [[unroll]] for (uint i = 0u; i < 4u; ++i) {
        vec4 m[6];
        vec4 y[4];
        [[unroll]] for (uint j = 0u; j < 6u; ++j) m[j] = columns[i * 6u + j];
        winogradInverse(m, y);
        [[unroll]] for (uint j = 0u; j < 4u; ++j) finish(i * TILE_WIDTH + j, quad, y[j]);
    }
    if (overflowed) status = 1u;
}
