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
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#endif
#include "precision.glsl"
#include "views.glsl"
#include "stages.glsl"
#include "convolution.glsl"
#include "tile.glsl"

// STAGE_QUADS quads of the source from quad `quad` of the pixel at `at` on; zeros past its last one.
#ifdef TILE_COOPERATIVE
uvec4 sourceValue(uint at, uint quad)
{
    if (SOURCE_PAIRS) return quad < SOURCE_QUADS ? sourcePairs[(at + quad) / 2u] : uvec4(0u);
    return uvec4(
        quad < SOURCE_QUADS ? sourceData[at + quad] : uvec2(0u),
        quad + 1u < SOURCE_QUADS ? sourceData[at + quad + 1u] : uvec2(0u));
}
#else
STORED sourceValue(uint at, uint quad) { return quad < SOURCE_QUADS ? sourceData[at + quad] : STORED_ZERO; }
#endif

const uint NOWHERE = 0xFFFFFFFFu;
// STAGED_VALUEs of a pixel, and how many of them an invocation stages.
const uint PIXEL_VALUES = CHUNK_QUADS / STAGE_QUADS;
const uint STAGED_VALUES = STAGED_WIDTH * STAGED_HEIGHT * PIXEL_VALUES;
const uint FETCHES = (STAGED_VALUES + GROUP - 1u) / GROUP;

// Address of the source's pixel that is staged as `pixel` for the tap (ky, kx), or with a halo for all taps; NOWHERE outside
// of the picture.
uint sourcePlace(uint pixel, uint ky, uint kx)
{
    // Outside above or left the subtraction wraps, which is outside below or right.
    uint y = (tileOrigin.y + pixel / STAGED_WIDTH) * STRIDE + ky - PADDING;
    uint x = (tileOrigin.x + pixel % STAGED_WIDTH) * STRIDE + kx - PADDING;
    if (y >= source.height * UPSAMPLING || x >= source.width * UPSAMPLING) return NOWHERE;
    return address(source, imageIndex, y / UPSAMPLING, x / UPSAMPLING);
}

// Stages input quads from `firstQuad` on.
void stage(uint firstQuad, uint ky, uint kx)
{
    for (uint i = gl_LocalInvocationIndex; i < STAGED_VALUES; i += GROUP) {
        uint at = sourcePlace(i / PIXEL_VALUES, ky, kx);
        uint value = i % PIXEL_VALUES;
        tileStage(
            i / PIXEL_VALUES, value,
            at == NOWHERE ? STAGED_ZERO : sourceValue(at, firstQuad + value * STAGE_QUADS));
    }
}

#ifdef TILE_COOPERATIVE
// Prefetch: the next chunk's pixels are read into registers before the products of this chunk, which hides the latency of
// memory. Only with matrices: vector kernels have no registers to spare.
uint places[FETCHES];
STAGED_VALUE fetched[FETCHES];

void findPlaces()
{
    [[unroll]] for (uint f = 0u; f < FETCHES; ++f) {
        uint i = gl_LocalInvocationIndex + f * GROUP;
        places[f] = i < STAGED_VALUES ? sourcePlace(i / PIXEL_VALUES, 0u, 0u) : NOWHERE;
    }
}

void fetch(uint firstQuad)
{
    [[unroll]] for (uint f = 0u; f < FETCHES; ++f) {
        uint value = (gl_LocalInvocationIndex + f * GROUP) % PIXEL_VALUES;
        fetched[f] = STAGED_ZERO;
        if (places[f] != NOWHERE) fetched[f] = sourceValue(places[f], firstQuad + value * STAGE_QUADS);
    }
}

void stageFetched()
{
    [[unroll]] for (uint f = 0u; f < FETCHES; ++f) {
        uint i = gl_LocalInvocationIndex + f * GROUP;
        if (i < STAGED_VALUES) tileStage(i / PIXEL_VALUES, i % PIXEL_VALUES, fetched[f]);
    }
}
#define BEGIN_FETCHES(QUAD) findPlaces(); fetch(QUAD)
#define STAGE_HALO(QUAD) stageFetched()
#define FETCH_NEXT(QUAD) fetch(QUAD)
#else
#define BEGIN_FETCHES(QUAD)
#define STAGE_HALO(QUAD) stage(QUAD, 0u, 0u)
#define FETCH_NEXT(QUAD)
#endif

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

    tileBegin();
    if (HALO) { BEGIN_FETCHES(firstChunk * CHUNK_QUADS); }
    for (uint chunk = firstChunk; chunk < endChunk; ++chunk) {
        uint weight = chunk * KERNEL_HEIGHT * KERNEL_WIDTH * TAP_WEIGHTS + blockWeight();
        if (HALO) {
            barrier();
            STAGE_HALO(chunk * CHUNK_QUADS);
            barrier();
            if (chunk + 1u < endChunk) { FETCH_NEXT((chunk + 1u) * CHUNK_QUADS); }
            for (uint kx = 0u; kx < KERNEL_WIDTH; ++kx) {
                tileMultiplyAddColumn(kx, weight + kx * TAP_WEIGHTS, KERNEL_WIDTH * TAP_WEIGHTS);
            }
        } else {
            for (uint ky = 0u; ky < KERNEL_HEIGHT; ++ky) {
                for (uint kx = 0u; kx < KERNEL_WIDTH; ++kx) {
                    barrier();
                    stage(chunk * CHUNK_QUADS, ky, kx);
                    barrier();
                    tileMultiplyAdd(weight);
                    weight += TAP_WEIGHTS;
                }
            }
        }
        tileEndChunk();
    }
    tileFinish();
}
