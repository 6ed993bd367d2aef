// The tile's primitives with cooperative matrices (VK_KHR_cooperative_matrix): half-float operands, single-precision
// sums, fragments of 16 x 16 x 16. See tile.glsl for what they mean.
//
// A fragment's 16 pixels are one row of the tile, so TILE_WIDTH is 16. A subgroup sums up PIXELS rows by QUADS
// fragments of 16 output channels, which are all that the block has; there are TILE_HEIGHT / PIXELS subgroups. Vulkan
// wants rows of a matrix in memory aligned to 16 bytes: STAGE_PITCH and WEIGHT_QUADS are even.
//
// With HALF_SUMS the products of one chunk of channels are summed up in half floats, which many GPUs do twice as fast, and
// added to the sums in single precision after each chunk: nine matrix products of a 3x3 kernel round to half floats before
// that, not all of a layer's. HalfSums.swift says which layers bear it.
//
// With MATRICES_EMULATED the matrices are arrays, so that all the rest of this file can be tested where there are none.

#define FRAGMENT 16

#ifdef MATRICES_EMULATED
#include "matrices_emulated.glsl"
#else
#define STAGED4 f16vec4
#define AS_STAGED(VALUE) f16vec4(unpackFloat2x16((VALUE).x), unpackFloat2x16((VALUE).y))
#define MATRIX_A coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT, FRAGMENT, gl_MatrixUseA>
#define MATRIX_B coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT, FRAGMENT, gl_MatrixUseB>
#define MATRIX_SUM coopmat<float, gl_ScopeSubgroup, FRAGMENT, FRAGMENT, gl_MatrixUseAccumulator>
#define LOAD_A(M, DATA, AT, STRIDE) coopMatLoad(M, DATA, AT, STRIDE, gl_CooperativeMatrixLayoutRowMajor)
#define LOAD_B LOAD_A
#define STORE_SUM(M, DATA, AT, STRIDE) coopMatStore(M, DATA, AT, STRIDE, gl_CooperativeMatrixLayoutRowMajor)
#define CLEAR_SUM(M) M = MATRIX_SUM(0.0)
#define MULTIPLY_ADD(A, B, M) M = coopMatMulAdd(A, B, M)
#define MATRIX_PARTIAL coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT, FRAGMENT, gl_MatrixUseAccumulator>
#define CLEAR_PARTIAL(M) M = MATRIX_PARTIAL(0.0)
#define MULTIPLY_ADD_PARTIAL MULTIPLY_ADD
#define ADD_PARTIAL(M, SUM) SUM = SUM + MATRIX_SUM(M)
#endif

shared STAGED4 staged[STAGED_WIDTH * STAGED_HEIGHT * STAGE_PITCH];
// One fragment of sums a subgroup, on its way to the invocations.
shared vec4 exchanged[TILE_HEIGHT / PIXELS * FRAGMENT * FRAGMENT / 4];

MATRIX_SUM sums[PIXELS * QUADS];
#ifdef HALF_SUMS
MATRIX_PARTIAL partial[PIXELS * QUADS];
#endif

void tileClear()
{
    [[unroll]] for (uint i = 0u; i < PIXELS * QUADS; ++i) {
        CLEAR_SUM(sums[i]);
#ifdef HALF_SUMS
        CLEAR_PARTIAL(partial[i]);
#endif
    }
}

void tileEndChunk()
{
#ifdef HALF_SUMS
    [[unroll]] for (uint i = 0u; i < PIXELS * QUADS; ++i) {
        ADD_PARTIAL(partial[i], sums[i]);
        CLEAR_PARTIAL(partial[i]);
    }
#endif
}

void tileStage(uint pixel, uint quad, STORED value)
{
    staged[pixel * STAGE_PITCH + quad] = AS_STAGED(value);
}

void tileMultiplyAdd(uint tap, uint weight)
{
    MATRIX_A a;
    MATRIX_B b;
    for (uint k = 0u; k < CHUNK_QUADS; k += FRAGMENT / 4u) {
        [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
            LOAD_B(b, weights, weight + k * 4u * WEIGHT_QUADS + j * (FRAGMENT / 4u), WEIGHT_QUADS);
            [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
                uint row = gl_SubgroupID * PIXELS + i;
                LOAD_A(a, staged, (row * STAGED_WIDTH + tap) * STAGE_PITCH + k, STAGE_PITCH);
#ifdef HALF_SUMS
                MULTIPLY_ADD_PARTIAL(a, b, partial[i * QUADS + j]);
#else
                MULTIPLY_ADD(a, b, sums[i * QUADS + j]);
#endif
            }
        }
    }
}

// Which invocation has which element of a fragment is the driver's secret, so fragments pass through shared memory.
void tileFinish()
{
    uint base = gl_SubgroupID * (FRAGMENT * FRAGMENT / 4u);
    [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
        [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
            barrier();
            STORE_SUM(sums[i * QUADS + j], exchanged, base, FRAGMENT / 4u);
            barrier();
            for (uint e = gl_SubgroupInvocationID; e < FRAGMENT * FRAGMENT / 4u; e += gl_SubgroupSize) {
                uint pixel = (gl_SubgroupID * PIXELS + i) * TILE_WIDTH + e / (FRAGMENT / 4u);
                finish(pixel, j * (FRAGMENT / 4u) + e % (FRAGMENT / 4u), exchanged[base + e]);
            }
        }
    }
}
