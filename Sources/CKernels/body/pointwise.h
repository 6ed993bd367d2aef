// Made by upframe-generate from Network/PointwiseTable.swift; do not edit.
// Functions of vectors: operands x and y, and numbers a, b and c in all lanes. CK_KEEP_NAN(x, v) is v, or x where
// that is not a number and has to stay so.

CK_INLINE vf CK_NAME(add)(vf x, vf y, vf a, vf b, vf c) {
    return (x + y);
}

CK_INLINE vf CK_NAME(multiply)(vf x, vf y, vf a, vf b, vf c) {
    return (x * y);
}

CK_INLINE vf CK_NAME(maximum)(vf x, vf y, vf a, vf b, vf c) {
    return CK_KEEP_NAN(y, CK_KEEP_NAN(x, (x < y ? y : x)));
}

CK_INLINE vf CK_NAME(minimum)(vf x, vf y, vf a, vf b, vf c) {
    return CK_KEEP_NAN(y, CK_KEEP_NAN(x, (y < x ? y : x)));
}

CK_INLINE vf CK_NAME(greater)(vf x, vf y, vf a, vf b, vf c) {
    return (y < x ? vf_all(1.0f) : vf_all(0.0f));
}

CK_INLINE vf CK_NAME(prelu)(vf x, vf y, vf a, vf b, vf c) {
    return (x < vf_all(0.0f) ? (y * x) : x);
}

CK_INLINE vf CK_NAME(affine)(vf x, vf a, vf b, vf c) {
    return ((x * a) + b);
}

CK_INLINE vf CK_NAME(clamp)(vf x, vf a, vf b, vf c) {
    return CK_KEEP_NAN(x, vf_min(vf_max(x, a), b));
}

CK_INLINE vf CK_NAME(leaky_relu)(vf x, vf a, vf b, vf c) {
    return (x < vf_all(0.0f) ? (x * a) : x);
}

CK_INLINE vf CK_NAME(elu)(vf x, vf a, vf b, vf c) {
    return CK_KEEP_NAN(x, (vf_all(0.0f) < x ? x : (a * (vf_exp(vf_min(x, vf_all(0.0f))) - vf_all(1.0f)))));
}

CK_INLINE vf CK_NAME(power)(vf x, vf a, vf b, vf c) {
    const vf t0 = vf_log(x);
    return CK_KEEP_NAN(x, (x < vf_all(0.0f) ? t0 : vf_exp((a * t0))));
}

CK_INLINE vf CK_NAME(step)(vf x, vf a, vf b, vf c) {
    return (x < vf_all(0.0f) ? a : (vf_all(0.0f) < x ? c : b));
}

CK_INLINE vf CK_NAME(sigmoid)(vf x, vf a, vf b, vf c) {
    return CK_KEEP_NAN(x, vf_inverse((vf_all(1.0f) + vf_exp((vf_all(0.0f) - x)))));
}

CK_INLINE vf CK_NAME(silu)(vf x, vf a, vf b, vf c) {
    return CK_KEEP_NAN(x, (x * vf_inverse((vf_all(1.0f) + vf_exp((vf_all(0.0f) - x))))));
}

CK_INLINE vf CK_NAME(tanh)(vf x, vf a, vf b, vf c) {
    return CK_KEEP_NAN(x, (vf_all(1.0f) - (vf_all(2.0f) * vf_inverse((vf_all(1.0f) + vf_exp((x + x)))))));
}

CK_INLINE vf CK_NAME(exponential)(vf x, vf a, vf b, vf c) {
    return CK_KEEP_NAN(x, vf_exp(x));
}

CK_INLINE vf CK_NAME(logarithm)(vf x, vf a, vf b, vf c) {
    return vf_log(x);
}

CK_INLINE vf CK_NAME(square_root)(vf x, vf a, vf b, vf c) {
    return vf_sqrt(x);
}

CK_INLINE vf CK_NAME(reciprocal_square_root)(vf x, vf a, vf b, vf c) {
    return (vf_all(1.0f) / vf_sqrt(x));
}

CK_INLINE vf CK_NAME(reciprocal)(vf x, vf a, vf b, vf c) {
    return (vf_all(1.0f) / x);
}

CK_INLINE vf CK_NAME(absolute)(vf x, vf a, vf b, vf c) {
    return vf_abs(x);
}

CK_INLINE vf CK_NAME(softplus)(vf x, vf a, vf b, vf c) {
    return CK_KEEP_NAN(x, vf_softplus(x));
}

CK_INLINE vf CK_NAME(erf)(vf x, vf a, vf b, vf c) {
    const vf t0 = (vf_all(1.0f) / (vf_all(1.0f) + (vf_all(0.3275911f) * vf_abs(x))));
    const vf t1 = (vf_all(1.0f) - ((((((((((vf_all(1.0614054f) * t0) - vf_all(1.4531521f)) * t0) + vf_all(1.4214138f)) * t0) - vf_all(0.28449672f)) * t0) + vf_all(0.2548296f)) * t0) * vf_exp((vf_all(0.0f) - (x * x)))));
    return CK_KEEP_NAN(x, (x < vf_all(0.0f) ? (vf_all(0.0f) - t1) : t1));
}

CK_INLINE vf CK_NAME(gelu)(vf x, vf a, vf b, vf c) {
    const vf t0 = (x * vf_all(0.70710677f));
    const vf t1 = (vf_all(1.0f) / (vf_all(1.0f) + (vf_all(0.3275911f) * vf_abs(t0))));
    const vf t2 = (vf_all(1.0f) - ((((((((((vf_all(1.0614054f) * t1) - vf_all(1.4531521f)) * t1) + vf_all(1.4214138f)) * t1) - vf_all(0.28449672f)) * t1) + vf_all(0.2548296f)) * t1) * vf_exp((vf_all(0.0f) - (t0 * t0)))));
    return CK_KEEP_NAN(x, (x * (vf_all(0.5f) + (vf_all(0.5f) * (t0 < vf_all(0.0f) ? (vf_all(0.0f) - t2) : t2)))));
}

CK_INLINE vf CK_NAME(mish)(vf x, vf a, vf b, vf c) {
    const vf t0 = vf_exp(vf_min(x, vf_all(20.0f)));
    const vf t1 = (t0 * (t0 + vf_all(2.0f)));
    return CK_KEEP_NAN(x, (x * (t1 * vf_inverse((t1 + vf_all(2.0f))))));
}

CK_INLINE vf CK_NAME(hard_sigmoid)(vf x, vf a, vf b, vf c) {
    return CK_KEEP_NAN(x, vf_min(vf_max(((x * vf_all(0.16666667f)) + vf_all(0.5f)), vf_all(0.0f)), vf_all(1.0f)));
}

CK_INLINE vf CK_NAME(hard_swish)(vf x, vf a, vf b, vf c) {
    return CK_KEEP_NAN(x, (x * vf_min(vf_max(((x * vf_all(0.16666667f)) + vf_all(0.5f)), vf_all(0.0f)), vf_all(1.0f))));
}

CK_INLINE vf CK_NAME(floor)(vf x, vf a, vf b, vf c) {
    return vf_floor(x);
}

// All functions of one operand, those of them that take more than a few instructions, and those that do not.

#define CK_UNARY_FUNCTIONS(X) \
    X(CK_AFFINE, affine) \
    X(CK_CLAMP, clamp) \
    X(CK_LEAKY_RELU, leaky_relu) \
    X(CK_ELU, elu) \
    X(CK_POWER, power) \
    X(CK_STEP, step) \
    X(CK_SIGMOID, sigmoid) \
    X(CK_SILU, silu) \
    X(CK_TANH, tanh) \
    X(CK_EXPONENTIAL, exponential) \
    X(CK_LOGARITHM, logarithm) \
    X(CK_SQUARE_ROOT, square_root) \
    X(CK_RECIPROCAL_SQUARE_ROOT, reciprocal_square_root) \
    X(CK_RECIPROCAL, reciprocal) \
    X(CK_ABSOLUTE, absolute) \
    X(CK_SOFTPLUS, softplus) \
    X(CK_ERF, erf) \
    X(CK_GELU, gelu) \
    X(CK_MISH, mish) \
    X(CK_HARD_SIGMOID, hard_sigmoid) \
    X(CK_HARD_SWISH, hard_swish) \
    X(CK_FLOOR, floor)

#define CK_LONG_FUNCTIONS(X) \
    X(CK_ELU, elu) \
    X(CK_POWER, power) \
    X(CK_SIGMOID, sigmoid) \
    X(CK_SILU, silu) \
    X(CK_TANH, tanh) \
    X(CK_EXPONENTIAL, exponential) \
    X(CK_LOGARITHM, logarithm) \
    X(CK_SQUARE_ROOT, square_root) \
    X(CK_RECIPROCAL_SQUARE_ROOT, reciprocal_square_root) \
    X(CK_SOFTPLUS, softplus) \
    X(CK_ERF, erf) \
    X(CK_GELU, gelu) \
    X(CK_MISH, mish) \
    X(CK_FLOOR, floor)

#define CK_SHORT_FUNCTIONS(X) \
    X(CK_AFFINE, affine) \
    X(CK_CLAMP, clamp) \
    X(CK_LEAKY_RELU, leaky_relu) \
    X(CK_STEP, step) \
    X(CK_RECIPROCAL, reciprocal) \
    X(CK_ABSOLUTE, absolute) \
    X(CK_HARD_SIGMOID, hard_sigmoid) \
    X(CK_HARD_SWISH, hard_swish)

// All functions of two operands.

#define CK_BINARY_FUNCTIONS(X) \
    X(CK_ADD, add) \
    X(CK_MULTIPLY, multiply) \
    X(CK_MAXIMUM, maximum) \
    X(CK_MINIMUM, minimum) \
    X(CK_GREATER, greater) \
    X(CK_PRELU, prelu)
