// Pointwise stages on a quad that is still in registers. What each stage does is a specialisation constant, so after
// specialisation only the stages that a step has are left.

#include "pointwise.glsl"

// Sources of a stage's second operand: a vector in `constants`, one of two activations, or a register; 0 for none.
#define SOURCE_VECTOR 1u
#define SOURCE_FIRST 2u
#define SOURCE_SECOND 3u
#define SOURCE_REGISTER 4u

// Per stage its function (0 loads the source) and, from bits 8, 12, 16 and 20 on, its source and the registers of its result
// and operands; where its vector begins in `constants`, or the bits of its third number; and two numbers. Register 0 holds the
// value before the first stage and after the last one.
#define DECLARE_STAGE(I, KIND_ID, VECTOR_ID, A_ID, B_ID)         \
    layout(constant_id = KIND_ID) const uint STAGE##I = 0u;      \
    layout(constant_id = VECTOR_ID) const uint VECTOR##I = 0u;   \
    layout(constant_id = A_ID) const float A##I = 0.0;           \
    layout(constant_id = B_ID) const float B##I = 0.0;

DECLARE_STAGE(0, 16, 17, 18, 19)
DECLARE_STAGE(1, 20, 21, 22, 23)
DECLARE_STAGE(2, 24, 25, 26, 27)
DECLARE_STAGE(3, 28, 29, 30, 31)
DECLARE_STAGE(4, 32, 33, 34, 35)
DECLARE_STAGE(5, 36, 37, 38, 39)
DECLARE_STAGE(6, 40, 41, 42, 43)
DECLARE_STAGE(7, 44, 45, 46, 47)

vec4 one(uint register, vec4 r0, vec4 r1, vec4 r2) { return register == 0u ? r0 : register == 1u ? r1 : r2; }

vec4 stage(uint kind, uint vector, float a, float b, vec4 r0, vec4 r1, vec4 r2, uint n, uint y, uint x, uint c)
{
    uint source = kind >> 8u & 15u;
    vec4 other = vec4(0.0);
    if (source == SOURCE_VECTOR) other = constant(vector + c);
    if (source == SOURCE_FIRST) other = loadFirst(n, y / FIRST_UPSAMPLING, x / FIRST_UPSAMPLING, c);
    if (source == SOURCE_SECOND) other = loadSecond(n, y / SECOND_UPSAMPLING, x / SECOND_UPSAMPLING, c);
    if (source == SOURCE_REGISTER) other = one(kind >> 20u, r0, r1, r2);
    if ((kind & 255u) == 0u) return other;
    return pointwise(kind & 255u, one(kind >> 16u & 15u, r0, r1, r2), other, a, b, uintBitsToFloat(vector));
}

#define APPLY_STAGE(I)                                                                    \
    if (STAGE##I != 0u) {                                                                 \
        vec4 result = stage(STAGE##I, VECTOR##I, A##I, B##I, v, r1, r2, n, y, x, c);      \
        uint target = STAGE##I >> 12u & 15u;                                              \
        if (target == 0u) v = result;                                                     \
        if (target == 1u) r1 = result;                                                    \
        if (target == 2u) r2 = result;                                                    \
    }

// All stages on the quad `c` of pixel (n, y, x) of the target.
vec4 stages(vec4 v, uint n, uint y, uint x, uint c)
{
    vec4 r1 = vec4(0.0), r2 = vec4(0.0);
    APPLY_STAGE(0)
    APPLY_STAGE(1)
    APPLY_STAGE(2)
    APPLY_STAGE(3)
    APPLY_STAGE(4)
    APPLY_STAGE(5)
    APPLY_STAGE(6)
    APPLY_STAGE(7)
    return v;
}
