// The tile's primitives with cooperative matrices (VK_KHR_cooperative_matrix): half-float operands, single-precision
// sums, fragments of FRAGMENT_PIXELS pixels by FRAGMENT_CHANNELS output channels by FRAGMENT_DEPTH input channels, one of
// the sizes that the device lists. See tile.glsl for what the primitives mean.
//
// A fragment's pixels are one row of the tile, so TILE_WIDTH is FRAGMENT_PIXELS. A subgroup sums up PIXELS rows by QUADS
// fragments of output channels, which are all that the block has; there are TILE_HEIGHT / PIXELS subgroups.
//
// Weights lie as [chunk][tap][output channel][16 input channels] and are loaded by columns: the input channels of a column
// are side by side, which is what a lane keeps of B on most devices, so a fragment takes one or two wide loads a lane.
// Staged pixels are loaded once for all rows of taps and all output channels: A's fragments of a column of taps stay in
// registers. The sums begin as the bias. Vulkan wants rows and columns of a matrix in memory aligned to 16 bytes, so all
// memory here is counted in units of 16 bytes.
//
// With HALF_SUMS the products of one chunk of channels are summed up in half floats, which many GPUs do twice as fast, and
// added to the sums in single precision after each chunk: nine matrix products of a 3x3 kernel round to half floats before
// that, not all of a layer's. HalfSums.swift says which layers bear it.

layout(constant_id = 69) const uint FRAGMENT_PIXELS = 16;
layout(constant_id = 70) const uint FRAGMENT_CHANNELS = 16;
layout(constant_id = 71) const uint FRAGMENT_DEPTH = 16;
// Units of shared memory: what the staged pixels take, or the sums on their way out, whichever is more.
layout(constant_id = 72) const uint SHARED_UNITS = 1024;
// Invocations of a subgroup. gl_SubgroupSize is the same, but no constant.
const uint LANES = GROUP / (TILE_HEIGHT / PIXELS);
// Units from staged pixel to staged pixel, of the 16 input channels of a column of weights, and of one pixel's sums.
const uint PIXEL_UNITS = STAGE_PITCH / 2u;
const uint COLUMN_UNITS = CHUNK_QUADS / 2u;
const uint SUM_UNITS = QUADS * FRAGMENT_CHANNELS / 4u;

// Units of the weights of a tap and a chunk of input channels.
const uint TAP_WEIGHTS = WEIGHT_QUADS * 4u * COLUMN_UNITS;

shared uvec4 pool[SHARED_UNITS];

#define MATRIX_A coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_PIXELS, FRAGMENT_DEPTH, gl_MatrixUseA>
#define MATRIX_B coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_DEPTH, FRAGMENT_CHANNELS, gl_MatrixUseB>
#define MATRIX_SUM coopmat<float, gl_ScopeSubgroup, FRAGMENT_PIXELS, FRAGMENT_CHANNELS, gl_MatrixUseAccumulator>

MATRIX_SUM sums[PIXELS * QUADS];
#ifdef HALF_SUMS
#define MATRIX_PARTIAL coopmat<float16_t, gl_ScopeSubgroup, FRAGMENT_PIXELS, FRAGMENT_CHANNELS, gl_MatrixUseAccumulator>
MATRIX_PARTIAL partial[PIXELS * QUADS];
#define ADD_PRODUCT(A, B, I) partial[I] = coopMatMulAdd(A, B, partial[I])
#else
#define ADD_PRODUCT(A, B, I) sums[I] = coopMatMulAdd(A, B, sums[I])
#endif

// Row-major: a row of A is a pixel's input channels. Column-major: a column of B is an output channel's weights.
#define LOAD_A(M, AT) coopMatLoad(M, pool, AT, PIXEL_UNITS, gl_CooperativeMatrixLayoutRowMajor)
#define LOAD_B(M, AT) coopMatLoad(M, weightUnits, AT, COLUMN_UNITS, gl_CooperativeMatrixLayoutColumnMajor)

uint blockWeight() { return blockQuad * 4u * COLUMN_UNITS; }

void tileBegin()
{
    [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
        MATRIX_SUM bias;
        // A stride of 0: every row of the matrix is the same.
        coopMatLoad(
            bias, constants, blockQuad + j * (FRAGMENT_CHANNELS / 4u), 0u, gl_CooperativeMatrixLayoutRowMajor);
        [[unroll]] for (uint i = 0u; i < PIXELS; ++i) sums[i * QUADS + j] = bias;
    }
#ifdef HALF_SUMS
    [[unroll]] for (uint i = 0u; i < PIXELS * QUADS; ++i) partial[i] = MATRIX_PARTIAL(0.0);
#endif
}

void tileEndChunk()
{
#ifdef HALF_SUMS
    [[unroll]] for (uint i = 0u; i < PIXELS * QUADS; ++i) {
        sums[i] += MATRIX_SUM(partial[i]);
        partial[i] = MATRIX_PARTIAL(0.0);
    }
#endif
}

void tileStage(uint pixel, uint pair, uvec4 value) { pool[pixel * PIXEL_UNITS + pair] = value; }

// The products of one tap, with the pixels that were staged for it.
void tileMultiplyAdd(uint weight)
{
    uint row = gl_SubgroupID * PIXELS;
    [[unroll]] for (uint part = 0u; part < CHUNK_QUADS * 4u / FRAGMENT_DEPTH; ++part) {
        uint k = part * FRAGMENT_DEPTH;
        MATRIX_A a[PIXELS];
        [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
            LOAD_A(a[i], (row + i) * STAGED_WIDTH * PIXEL_UNITS + k / 8u);
        }
        [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
            MATRIX_B b;
            LOAD_B(b, weight + j * FRAGMENT_CHANNELS * COLUMN_UNITS + k / 8u);
            [[unroll]] for (uint i = 0u; i < PIXELS; ++i) ADD_PRODUCT(a[i], b, i * QUADS + j);
        }
    }
}

// The products of a column of taps, with pixels that were staged with their halo: a fragment of A is the same for row i and
// tap ky as for row i + 1 and tap ky - 1.
void tileMultiplyAddColumn(uint kx, uint weight, uint tapRow)
{
    uint row = gl_SubgroupID * PIXELS;
    [[unroll]] for (uint part = 0u; part < CHUNK_QUADS * 4u / FRAGMENT_DEPTH; ++part) {
        uint k = part * FRAGMENT_DEPTH;
        MATRIX_A a[PIXELS + KERNEL_HEIGHT - 1u];
        [[unroll]] for (uint i = 0u; i < PIXELS + KERNEL_HEIGHT - 1u; ++i) {
            LOAD_A(a[i], ((row + i) * STAGED_WIDTH + kx) * PIXEL_UNITS + k / 8u);
        }
        [[unroll]] for (uint ky = 0u; ky < KERNEL_HEIGHT; ++ky) {
            [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
                MATRIX_B b;
                LOAD_B(b, weight + ky * tapRow + j * FRAGMENT_CHANNELS * COLUMN_UNITS + k / 8u);
                [[unroll]] for (uint i = 0u; i < PIXELS; ++i) ADD_PRODUCT(a[i + ky], b, i * QUADS + j);
            }
        }
    }
}

vec4 exchanged(uint at) { return uintBitsToFloat(pool[at]); }

// Which invocation has which element of a fragment is the driver's secret, so the sums pass through shared memory, a row of
// pixels with all its channels at a time. Subgroups exchange nothing with each other.
void tileFinish()
{
    // The staged pixels are read no more.
    barrier();
    const uint pairs = SUM_UNITS / 2u;
    uint base = gl_SubgroupID * FRAGMENT_PIXELS * SUM_UNITS;
    [[unroll]] for (uint i = 0u; i < PIXELS; ++i) {
        [[unroll]] for (uint j = 0u; j < QUADS; ++j) {
            coopMatStore(
                sums[i * QUADS + j], pool, base + j * (FRAGMENT_CHANNELS / 4u), SUM_UNITS,
                gl_CooperativeMatrixLayoutRowMajor);
        }
        subgroupBarrier();
        uint firstPixel = (gl_SubgroupID * PIXELS + i) * TILE_WIDTH;
        [[unroll]] for (uint e = 0u; e < (FRAGMENT_PIXELS * pairs + LANES - 1u) / LANES; ++e) {
            uint place = gl_SubgroupInvocationID + e * LANES;
            // Mostly an invocation keeps its output channels, and so what the stages read for them.
            uint pair = (LANES % pairs == 0u ? gl_SubgroupInvocationID : place) % pairs;
            if (place < FRAGMENT_PIXELS * pairs) {
                uint at = base + place / pairs * SUM_UNITS + pair * 2u;
                finishPair(firstPixel + place / pairs, pair * 2u, exchanged(at), exchanged(at + 1u));
            }
        }
        subgroupBarrier();
    }
}
