// Convolution as an implicit matrix product, with all that is fused into it: the input's nearest upsampling, the bias,
// the pixel shuffle (output channels are packed pixel by pixel, so it is only a matter of addresses) and the stages.
//
// A workgroup computes a tile of pixels by a block of output channels. Per chunk of input channels it stages the pixels
// that it needs in shared memory: with a halo, once for all taps (stride 1), or else anew for every tap (any stride).
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef TILE_COOPERATIVE
#extension GL_KHR_shader_subgroup_basic : require
#endif
#if defined(TILE_COOPERATIVE) && !defined(MATRICES_EMULATED)
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#include "precision.glsl"
#include "views.glsl"
#include "stages.glsl"
#include "tile.glsl"

#include "convolution.glsl"

// Stages input quads from `firstQuad` on, for the tap (ky, kx) or, with a halo, for all of them.
void stage(uint firstQuad, uint ky, uint kx)
{
    uint height = source.height * UPSAMPLING;
    uint width = source.width * UPSAMPLING;
    for (uint i = gl_LocalInvocationIndex; i < STAGED_WIDTH * STAGED_HEIGHT * CHUNK_QUADS; i += GROUP) {
        uint pixel = i / CHUNK_QUADS;
        uint quad = i % CHUNK_QUADS;
        // Outside above or left the subtraction wraps, which is outside below or right.
        uint y = (tileOrigin.y + pixel / STAGED_WIDTH) * STRIDE + ky - PADDING;
        uint x = (tileOrigin.x + pixel % STAGED_WIDTH) * STRIDE + kx - PADDING;
        STORED value = STORED_ZERO;
        if (y < height && x < width && firstQuad + quad < SOURCE_QUADS) {
            value = sourceData[address(source, imageIndex, y / UPSAMPLING, x / UPSAMPLING) + firstQuad + quad];
        }
        tileStage(pixel, quad, value);
    }
}

void main()
{
    tileOrigin = uvec2(gl_WorkGroupID.x * TILE_WIDTH, rowBegin + gl_WorkGroupID.y * TILE_HEIGHT);
    imageIndex = image + gl_WorkGroupID.z / BLOCKS;
    blockQuad = gl_WorkGroupID.z % BLOCKS * BLOCK_QUADS;

    uint firstChunk = 0u;
    uint endChunk = CHUNKS;
    if (GROUP_INPUTS > 0u) {
        uint firstGroup = blockQuad * 4u / GROUP_OUTPUTS;
        uint lastGroup = (blockQuad * 4u + BLOCK_QUADS * 4u - 1u) / GROUP_OUTPUTS;
        firstChunk = firstGroup * GROUP_INPUTS / (CHUNK_QUADS * 4u);
        endChunk = min(CHUNKS, ((lastGroup + 1u) * GROUP_INPUTS + CHUNK_QUADS * 4u - 1u) / (CHUNK_QUADS * 4u));
    }

    const uint chunkWeights = CHUNK_QUADS * 4u * WEIGHT_QUADS;
    tileClear();
    for (uint chunk = firstChunk; chunk < endChunk; ++chunk) {
        uint weight = chunk * KERNEL_HEIGHT * KERNEL_WIDTH * chunkWeights + blockQuad;
        if (HALO) {
            barrier();
            stage(chunk * CHUNK_QUADS, 0u, 0u);
            barrier();
        }
        for (uint ky = 0u; ky < KERNEL_HEIGHT; ++ky) {
            for (uint kx = 0u; kx < KERNEL_WIDTH; ++kx) {
                if (!HALO) {
                    barrier();
                    stage(chunk * CHUNK_QUADS, ky, kx);
                    barrier();
                }
                tileMultiplyAdd(HALO ? ky * STAGED_WIDTH + kx : 0u, weight);
                weight += chunkWeights;
            }
        }
        tileEndChunk();
    }
    tileFinish();
}
