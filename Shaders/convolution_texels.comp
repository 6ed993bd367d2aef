// Convolution for drivers whose invocations are the lanes of a processor's vectors (llvmpipe).
//
// There, storage and shared memory are read lane by lane, and so is what a subgroup broadcasts; barriers make coroutines of
// a workgroup. Only a fetch from a texel buffer is a handful of vector loads and shuffles for four channels of all lanes.
// So there is no shared memory here: lanes are pixels, every invocation sums up PIXELS pixels by QUADS quads of output
// channels in registers, and fetches both pixels and weights, the latter with one address for all lanes. Weights lie as
// [tap][quad of inputs][output][4 inputs].
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#define TEXELS
#include "precision.glsl"
#include "views.glsl"
#include "stages.glsl"
#include "convolution.glsl"

const uint LANES = TILE_WIDTH * TILE_HEIGHT / PIXELS;

void main()
{
    tileOrigin = uvec2(gl_WorkGroupID.x * TILE_WIDTH, rowBegin + gl_WorkGroupID.y * TILE_HEIGHT);
    imageIndex = image + gl_WorkGroupID.z / BLOCKS;
    blockQuad = gl_WorkGroupID.z % BLOCKS * BLOCK_QUADS;
    uint lane = gl_LocalInvocationIndex % LANES;
    uint quad = gl_LocalInvocationIndex / LANES * QUADS;
    uint height = source.height * UPSAMPLING;
    uint width = source.width * UPSAMPLING;

    float sums[QUADS * 4u * PIXELS];
    [[unroll]] for (uint i = 0u; i < QUADS * 4u * PIXELS; ++i) sums[i] = 0.0;
    int weight = int((blockQuad + quad) * 4u);
    for (uint ky = 0u; ky < KERNEL_HEIGHT; ++ky) {
        for (uint kx = 0u; kx < KERNEL_WIDTH; ++kx) {
            int at[PIXELS];
            bool inside[PIXELS];
            [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
                // Outside above or left the subtraction wraps, which is outside below or right.
                uint pixel = lane + i * LANES;
                uint y = (tileOrigin.y + pixel / TILE_WIDTH) * STRIDE + ky - PADDING;
                uint x = (tileOrigin.x + pixel % TILE_WIDTH) * STRIDE + kx - PADDING;
                inside[i] = y < height && x < width;
                at[i] = inside[i] ? int(address(source, imageIndex, y / UPSAMPLING, x / UPSAMPLING)) : 0;
            }
            for (int k = 0; k < int(CHUNKS); ++k) {
                vec4 a[PIXELS];
                vec4 w[QUADS * 4u];
                [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
                    // Selected, not branched around: control flow costs more than a fetch.
                    a[i] = mix(vec4(0.0), texelFetch(sourceTexels, at[i] + k), bvec4(inside[i]));
                }
                [[unroll]] for (uint j = 0u; j < QUADS * 4u; ++j) w[j] = texelFetch(weightTexels, weight + int(j));
                [[unroll]] for (uint j = 0u; j < QUADS * 4u; ++j) {
                    [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
                        sums[j * PIXELS + i] +=
                            (a[i].x * w[j].x + a[i].y * w[j].y) + (a[i].z * w[j].z + a[i].w * w[j].w);
                    }
                }
                weight += int(WEIGHT_QUADS * 4u);
            }
        }
    }
    [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
        [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
            vec4 sum;
            [[unroll]] for (uint c = 0u; c < 4u; ++c) sum[c] = sums[(j * 4u + c) * PIXELS + i];
            finish(lane + i * LANES, quad + j, sum + bias(quad + j));
        }
    }
    if (overflowed) status = 1u;
}
