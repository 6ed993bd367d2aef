// The tile's primitives with cooperative matrices (VK_KHR_cooperative_matrix): half-float operands, single-precision
// sums, fragments of 16 x 16 x 16. See tile.glsl for what they mean.
//
// A fragment's 16 pixels are one row of the tile, so TILE_WIDTH is 16. A subgroup sums up PIXELS rows by QUADS
// fragments of 16 output channels, which are all that the block has; there are TILE_HEIGHT / PIXELS subgroups. Vulkan
// wants rows of a matrix in memory aligned to 16 bytes: STAGE_PITCH and WEIGHT_QUADS are even.

#define FRAGMENT 16

shared f16vec4 staged[STAGED_WIDTH * STAGED_HEIGHT * STAGE_PITCH];
// One fragment of sums a subgroup, on its way to the invocations.
shared vec4 exchanged[TILE_HEIGHT / PIXELS * FRAGMENT * FRAGMENT / 4];

coopmat<float, gl_ScopeSubgroup, FRAGMENT, FRAGMENT, gl_MatrixUseAccumulator> sums[PIXELS * QUADS];

void tileClear()
{
    [[unroll]] for (uint i = 0u; i < PIXELS * QUADS; ++i) {
        sums[i] = coopmat<float, gl_ScopeSubgroup, FRAGMENT, FRAGMENT, gl_MatrixUseAccumulator>(0.0);
    }
}

void tileStage(uint pixel, uint quad, STORED value)
{
    staged[pixel * STAGE_PITCH + quad] = f16vec4(unpackFloat2x16(value.x), unpackFloat2x16(value.y));
}

void tileMultiplyAdd(uint tap, uint weight)
{
    coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT, FRAGMENT, gl_MatrixUseA> a;
    coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT, FRAGMENT, gl_MatrixUseB> b;
    for (uint k = 0u; k < CHUNK_QUADS; k += FRAGMENT / 4u) {
        [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
            coopMatLoad(
                b, weights, weight + k * 4u * WEIGHT_QUADS + j * (FRAGMENT / 4u), WEIGHT_QUADS,
                gl_CooperativeMatrixLayoutRowMajor);
            [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
                uint row = gl_SubgroupID * PIXELS + i;
                coopMatLoad(
                    a, staged, (row * STAGED_WIDTH + tap) * STAGE_PITCH + k, STAGE_PITCH,
                    gl_CooperativeMatrixLayoutRowMajor);
                sums[i * QUADS + j] = coopMatMulAdd(a, b, sums[i * QUADS + j]);
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
            coopMatStore(
                sums[i * QUADS + j], exchanged, base, FRAGMENT / 4u, gl_CooperativeMatrixLayoutRowMajor);
            barrier();
            for (uint e = gl_SubgroupInvocationID; e < FRAGMENT * FRAGMENT / 4u; e += gl_SubgroupSize) {
                uint pixel = (gl_SubgroupID * PIXELS + i) * TILE_WIDTH + e / (FRAGMENT / 4u);
                finish(pixel, j * (FRAGMENT / 4u) + e % (FRAGMENT / 4u), exchanged[base + e]);
            }
        }
    }
}
