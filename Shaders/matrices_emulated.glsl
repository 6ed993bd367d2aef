// Cooperative matrices as plain arrays, for subgroups of 8 (llvmpipe's): slow, and only for tests. An invocation has two
// rows of A and of the sums, and all of B.

#define LANE_ROWS 2u
#define STAGED4 uvec2
#define AS_STAGED(VALUE) (VALUE)

struct EmulatedRows { vec4 quads[2 * FRAGMENT / 4]; };
struct EmulatedMatrix { vec4 quads[FRAGMENT * FRAGMENT / 4]; };

#define MATRIX_A EmulatedRows
#define MATRIX_B EmulatedMatrix
#define MATRIX_SUM EmulatedRows

uint laneRow(uint r) { return gl_SubgroupInvocationID * LANE_ROWS + r; }

#define LOAD_A(M, DATA, AT, STRIDE)                                                              \
    for (uint r = 0u; r < LANE_ROWS; ++r) {                                                      \
        for (uint q = 0u; q < 4u; ++q) M.quads[r * 4u + q] = unpacked(DATA[(AT) + laneRow(r) * (STRIDE) + q]); \
    }

#define LOAD_B(M, DATA, AT, STRIDE)                                                              \
    for (uint r = 0u; r < FRAGMENT; ++r) {                                                       \
        for (uint q = 0u; q < 4u; ++q) M.quads[r * 4u + q] = unpacked(DATA[(AT) + r * (STRIDE) + q]); \
    }

#define STORE_SUM(M, DATA, AT, STRIDE)                                                           \
    for (uint r = 0u; r < LANE_ROWS; ++r) {                                                      \
        for (uint q = 0u; q < 4u; ++q) DATA[(AT) + laneRow(r) * (STRIDE) + q] = M.quads[r * 4u + q]; \
    }

#define CLEAR_SUM(M) for (uint q = 0u; q < LANE_ROWS * 4u; ++q) M.quads[q] = vec4(0.0)

#define MULTIPLY_ADD(A, B, M)                                                                    \
    for (uint r = 0u; r < LANE_ROWS; ++r) {                                                      \
        for (uint k = 0u; k < FRAGMENT; ++k) {                                                   \
            float factor = A.quads[r * 4u + k / 4u][k % 4u];                                     \
            for (uint q = 0u; q < 4u; ++q) {                                                     \
                M.quads[r * 4u + q] = fma(vec4(factor), B.quads[k * 4u + q], M.quads[r * 4u + q]); \
            }                                                                                    \
        }                                                                                        \
    }

// A matrix product rounds to half floats once, at its end.
#define MATRIX_PARTIAL EmulatedRows
#define CLEAR_PARTIAL CLEAR_SUM
#define MULTIPLY_ADD_PARTIAL(A, B, M)                                                            \
    MULTIPLY_ADD(A, B, M)                                                                        \
    for (uint q = 0u; q < LANE_ROWS * 4u; ++q) {                                                 \
        vec4 v = M.quads[q];                                                                     \
        M.quads[q] = vec4(unpackHalf2x16(packHalf2x16(v.xy)), unpackHalf2x16(packHalf2x16(v.zw))); \
    }
#define ADD_PARTIAL(M, SUM) for (uint q = 0u; q < LANE_ROWS * 4u; ++q) SUM.quads[q] += M.quads[q]
