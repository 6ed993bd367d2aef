// The inner product of the convolution, as a few primitives on a tile of TILE_PIXELS pixels by BLOCK_QUADS quads of
// output channels that a workgroup computes together:
//
//   blockWeight()            where the weights of the block begin within those of a tap
//   tileBegin()              the sums become the bias
//   tileStage(p, q, value)   puts the staged pixel p's STAGED_VALUE q, of STAGE_QUADS quads, where the products find it
//   tileMultiplyAdd(w)       adds the product of the pixels that are staged for a tap with its weights from `w` on
//   tileMultiplyAddColumn(kx, w, step)  adds the products of the column kx of taps, with pixels that are staged with their
//                            halo; the weights of its first tap begin at `w`, those of the next one at `w` + `step`
//   tileEndChunk()           says that all taps of a chunk of channels were added
//   tileFinish()             calls finish(pixel, quad, sum) or finishPair(...) for every pixel and quad of the tile
//
// There are two implementations: plain vector multiply-adds here, and cooperative matrices in tile_cooperative.glsl. The
// kernel's body does not know which it has. The constants are in convolution.glsl.

// The staged pixel under pixel `m` of the tile, for tap (0, 0).
uint stagedPixel(uint m) { return m / TILE_WIDTH * STAGED_WIDTH + m % TILE_WIDTH; }

#ifdef TILE_COOPERATIVE
#define STAGE_QUADS 2u
#define STAGED_VALUE uvec4
#define STAGED_ZERO uvec4(0u)
#include "tile_cooperative.glsl"
#else
#define STAGE_QUADS 1u
#define STAGED_VALUE STORED
#define STAGED_ZERO STORED_ZERO

shared ARITHMETIC4 staged[STAGED_WIDTH * STAGED_HEIGHT * STAGE_PITCH];

ACCUMULATOR4 sums[PIXELS * QUADS];

// Invocations are laid out as columns of pixels by quads: neighbours read neighbouring pixels and the same weights.
uint pixelLane() { return gl_LocalInvocationIndex % (TILE_WIDTH * TILE_HEIGHT / PIXELS); }
uint quadLane() { return gl_LocalInvocationIndex / (TILE_WIDTH * TILE_HEIGHT / PIXELS); }
uint pixelOf(uint i) { return pixelLane() + i * (TILE_WIDTH * TILE_HEIGHT / PIXELS); }
uint quadOf(uint j) { return quadLane() + j * (BLOCK_QUADS / QUADS); }

// Weights of a tap and a chunk of input channels.
const uint TAP_WEIGHTS = CHUNK_QUADS * 4u * WEIGHT_QUADS;
uint blockWeight() { return blockQuad; }

void tileBegin()
{
    [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
        ACCUMULATOR4 first = ACCUMULATOR4(bias(quadOf(j)));
        [[unroll]] for (uint i = 0u; i < PIXELS; ++i) sums[i * QUADS + j] = first;
    }
}

void tileStage(uint pixel, uint quad, STORED value)
{
    staged[pixel * STAGE_PITCH + quad] = ARITHMETIC4(unpacked(value));
}

// With the staged pixels moved by `tap` pixels.
void multiplyAdd(uint tap, uint weight)
{
    for (uint k = 0u; k < CHUNK_QUADS; ++k) {
        ARITHMETIC4 w[QUADS * 4u];
        [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
            [[unroll]] for (uint r = 0u; r < 4u; ++r) {
                w[j * 4u + r] = ARITHMETIC4(weights[weight + (k * 4u + r) * WEIGHT_QUADS + quadOf(j)]);
            }
        }
        [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
            ARITHMETIC4 a = staged[(stagedPixel(pixelOf(i)) + tap) * STAGE_PITCH + k];
            [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
                ACCUMULATOR4 sum = sums[i * QUADS + j];
                sum = fma(ACCUMULATOR4(a.x), ACCUMULATOR4(w[j * 4u]), sum);
                sum = fma(ACCUMULATOR4(a.y), ACCUMULATOR4(w[j * 4u + 1u]), sum);
                sum = fma(ACCUMULATOR4(a.z), ACCUMULATOR4(w[j * 4u + 2u]), sum);
                sums[i * QUADS + j] = fma(ACCUMULATOR4(a.w), ACCUMULATOR4(w[j * 4u + 3u]), sum);
            }
        }
    }
}

void tileMultiplyAdd(uint weight) { multiplyAdd(0u, weight); }

void tileMultiplyAddColumn(uint kx, uint weight, uint step)
{
    for (uint ky = 0u; ky < KERNEL_HEIGHT; ++ky) multiplyAdd(ky * STAGED_WIDTH + kx, weight + ky * step);
}

void tileEndChunk() {}

void tileFinish()
{
    [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
        [[unroll]] for (uint j = 0u; j < QUADS; ++j) finish(pixelOf(i), quadOf(j), vec4(sums[i * QUADS + j]));
    }
}

#endif
