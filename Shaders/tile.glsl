// The inner product of the convolution, as a few primitives on a tile of TILE_PIXELS pixels by BLOCK_QUADS quads of
// output channels that a workgroup computes together:
//
//   tileClear()              the sums become 0
//   tileStage(p, q, value)   puts quad q of the staged pixel p where the products find it
//   tileMultiplyAdd(tap, w)  adds the product of the staged pixels, moved by `tap` pixels, with CHUNK_QUADS * 4 rows of
//                            weights from quad `w` on
//   tileEndChunk()           says that all taps of a chunk of channels were added
//   tileFinish()             calls finish(pixel, quad, sum) for every pixel and quad of the tile
//
// There are two implementations: plain vector multiply-adds here, and cooperative matrices in tile_cooperative.glsl. The
// kernel's body does not know which it has. convolution_texels.comp has the constants in common only.

// The tile: pixels across and down, quads of output channels.
layout(constant_id = 48) const uint TILE_WIDTH = 16;
layout(constant_id = 49) const uint TILE_HEIGHT = 8;
layout(constant_id = 50) const uint BLOCK_QUADS = 8;
// What one invocation sums up: so many pixels by so many quads.
layout(constant_id = 51) const uint PIXELS = 8;
layout(constant_id = 52) const uint QUADS = 1;
// Quads of input channels that are staged at a time, and their distance from pixel to pixel (one more where that avoids
// bank conflicts).
layout(constant_id = 53) const uint CHUNK_QUADS = 4;
layout(constant_id = 54) const uint STAGE_PITCH = 5;
// The staged pixels: the tile, with its halo where the kernel has one.
layout(constant_id = 55) const uint STAGED_WIDTH = 18;
layout(constant_id = 56) const uint STAGED_HEIGHT = 10;
// Quads in a row of weights.
layout(constant_id = 57) const uint WEIGHT_QUADS = 8;

#ifdef TEXELS
layout(binding = 4) uniform samplerBuffer weightTexels;
#else
layout(binding = 4, std430) restrict readonly buffer Weights { STORED weights[]; };
#endif

void finish(uint pixel, uint quad, vec4 sum);

#ifndef TEXELS

// The staged pixel under pixel `m` of the tile, for tap (0, 0).
uint stagedPixel(uint m) { return m / TILE_WIDTH * STAGED_WIDTH + m % TILE_WIDTH; }

#ifdef TILE_COOPERATIVE
#include "tile_cooperative.glsl"
#else

shared ARITHMETIC4 staged[STAGED_WIDTH * STAGED_HEIGHT * STAGE_PITCH];

ACCUMULATOR4 sums[PIXELS * QUADS];

// Invocations are laid out as columns of pixels by quads: neighbours read neighbouring pixels and the same weights.
uint pixelLane() { return gl_LocalInvocationIndex % (TILE_WIDTH * TILE_HEIGHT / PIXELS); }
uint quadLane() { return gl_LocalInvocationIndex / (TILE_WIDTH * TILE_HEIGHT / PIXELS); }
uint pixelOf(uint i) { return pixelLane() + i * (TILE_WIDTH * TILE_HEIGHT / PIXELS); }
uint quadOf(uint j) { return quadLane() + j * (BLOCK_QUADS / QUADS); }

void tileClear()
{
    [[unroll]] for (uint i = 0u; i < PIXELS * QUADS; ++i) sums[i] = ACCUMULATOR4(0.0);
}

void tileStage(uint pixel, uint quad, STORED value)
{
    staged[pixel * STAGE_PITCH + quad] = ARITHMETIC4(unpacked(value));
}

void tileMultiplyAdd(uint tap, uint weight)
{
    for (uint k = 0u; k < CHUNK_QUADS; ++k) {
        ARITHMETIC4 w[QUADS * 4u];
        [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
            [[unroll]] for (uint r = 0u; r < 4u; ++r) {
                w[j * 4u + r] = ARITHMETIC4(unpacked(weights[weight + (k * 4u + r) * WEIGHT_QUADS + quadOf(j)]));
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

void tileEndChunk() {}

void tileFinish()
{
    [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
        [[unroll]] for (uint j = 0u; j < QUADS; ++j) finish(pixelOf(i), quadOf(j), vec4(sums[i * QUADS + j]));
    }
}

#endif

#endif
