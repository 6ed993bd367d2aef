// Pointwise stages on a quad that is still in registers. What each stage does is a specialisation constant, so after
// specialisation only the stages that a step has are left.

#define STAGE_NONE 0u
#define STAGE_LEAKY 1u
#define STAGE_SIGMOID 2u
#define STAGE_SILU 3u
#define STAGE_TANH 4u
#define STAGE_PRELU 5u
#define STAGE_AFFINE 6u
#define STAGE_CLAMP 7u
#define STAGE_ADD_VECTOR 8u
#define STAGE_MULTIPLY_VECTOR 9u
#define STAGE_ADD_FIRST 10u
#define STAGE_ADD_SECOND 11u
#define STAGE_MULTIPLY_FIRST 12u
#define STAGE_MULTIPLY_SECOND 13u

// Per stage its kind, where its vector begins in `constants`, and two numbers.
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

vec4 sigmoid(vec4 v) { return 1.0 / (1.0 + exp(-v)); }

vec4 stage(uint kind, uint vector, float a, float b, vec4 v, uint n, uint y, uint x, uint c)
{
    if (kind == STAGE_LEAKY) return mix(v, v * a, lessThan(v, vec4(0.0)));
    if (kind == STAGE_SIGMOID) return sigmoid(v);
    if (kind == STAGE_SILU) return v * sigmoid(v);
    // Beyond 15 the result is 1 in single precision; some drivers' tanh overflows there.
    if (kind == STAGE_TANH) return tanh(clamp(v, vec4(-15.0), vec4(15.0)));
    if (kind == STAGE_PRELU) return mix(v, v * constant(vector + c), lessThan(v, vec4(0.0)));
    if (kind == STAGE_AFFINE) return v * a + b;
    if (kind == STAGE_CLAMP) return clamp(v, vec4(a), vec4(b));
    if (kind == STAGE_ADD_VECTOR) return v + constant(vector + c);
    if (kind == STAGE_MULTIPLY_VECTOR) return v * constant(vector + c);
    if (kind == STAGE_ADD_FIRST) return v + loadFirst(n, y / FIRST_UPSAMPLING, x / FIRST_UPSAMPLING, c);
    if (kind == STAGE_ADD_SECOND) return v + loadSecond(n, y / SECOND_UPSAMPLING, x / SECOND_UPSAMPLING, c);
    if (kind == STAGE_MULTIPLY_FIRST) return v * loadFirst(n, y / FIRST_UPSAMPLING, x / FIRST_UPSAMPLING, c);
    if (kind == STAGE_MULTIPLY_SECOND) return v * loadSecond(n, y / SECOND_UPSAMPLING, x / SECOND_UPSAMPLING, c);
    return v;
}

#define APPLY_STAGE(I) \
    if (STAGE##I != STAGE_NONE) v = stage(STAGE##I, VECTOR##I, A##I, B##I, v, n, y, x, c);

// All stages on the quad `c` of pixel (n, y, x) of the target.
vec4 stages(vec4 v, uint n, uint y, uint x, uint c)
{
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
