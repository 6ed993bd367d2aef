// Made by upframe-generate from Network/PointwiseTable.swift; do not edit.
// Functions of quads: operands x and y, and numbers a, b and c. The function is a specialisation constant, so only
// its own text is left.

vec4 pointwise(uint function, vec4 x, vec4 y, float a, float b, float c)
{
    // add
    if (function == 1u) return (x + y);
    // multiply
    if (function == 2u) return (x * y);
    // maximum
    if (function == 3u) return mix(x, y, lessThan(x, y));
    // minimum
    if (function == 4u) return mix(x, y, lessThan(y, x));
    // greater
    if (function == 5u) return mix(vec4(0.0), vec4(1.0), lessThan(y, x));
    // prelu
    if (function == 6u) return mix(x, (y * x), lessThan(x, vec4(0.0)));
    // affine
    if (function == 7u) return ((x * vec4(a)) + vec4(b));
    // clamp
    if (function == 8u) return min(max(x, vec4(a)), vec4(b));
    // leakyReLU
    if (function == 9u) return mix(x, (x * vec4(a)), lessThan(x, vec4(0.0)));
    // elu
    if (function == 10u) return mix((vec4(a) * (exp(min(x, vec4(0.0))) - vec4(1.0))), x, lessThan(vec4(0.0), x));
    // power
    if (function == 11u) {
        const vec4 t0 = log(x);
        return mix(exp((vec4(a) * t0)), t0, lessThan(x, vec4(0.0)));
    }
    // step
    if (function == 12u) return mix(mix(vec4(b), vec4(c), lessThan(vec4(0.0), x)), vec4(a), lessThan(x, vec4(0.0)));
    // sigmoid
    if (function == 13u) return (vec4(1.0) / (vec4(1.0) + exp((vec4(0.0) - x))));
    // silu
    if (function == 14u) return (x * (vec4(1.0) / (vec4(1.0) + exp((vec4(0.0) - x)))));
    // tanh
    if (function == 15u) return (vec4(1.0) - (vec4(2.0) * (vec4(1.0) / (vec4(1.0) + exp((x + x))))));
    // exponential
    if (function == 16u) return exp(x);
    // logarithm
    if (function == 17u) return log(x);
    // squareRoot
    if (function == 18u) return sqrt(x);
    // reciprocalSquareRoot
    if (function == 19u) return (vec4(1.0) / sqrt(x));
    // reciprocal
    if (function == 20u) return (vec4(1.0) / x);
    // absolute
    if (function == 21u) return abs(x);
    // softplus
    if (function == 22u) return (max(x, vec4(0.0)) + log((vec4(1.0) + exp((vec4(0.0) - abs(x))))));
    // erf
    if (function == 23u) {
        const vec4 t0 = (vec4(1.0) / (vec4(1.0) + (vec4(0.3275911) * abs(x))));
        const vec4 t1 = (vec4(1.0) - ((((((((((vec4(1.0614054) * t0) - vec4(1.4531521)) * t0) + vec4(1.4214138)) * t0) - vec4(0.28449672)) * t0) + vec4(0.2548296)) * t0) * exp((vec4(0.0) - (x * x)))));
        return mix(t1, (vec4(0.0) - t1), lessThan(x, vec4(0.0)));
    }
    // gelu
    if (function == 24u) {
        const vec4 t0 = (x * vec4(0.70710677));
        const vec4 t1 = (vec4(1.0) / (vec4(1.0) + (vec4(0.3275911) * abs(t0))));
        const vec4 t2 = (vec4(1.0) - ((((((((((vec4(1.0614054) * t1) - vec4(1.4531521)) * t1) + vec4(1.4214138)) * t1) - vec4(0.28449672)) * t1) + vec4(0.2548296)) * t1) * exp((vec4(0.0) - (t0 * t0)))));
        return (x * (vec4(0.5) + (vec4(0.5) * mix(t2, (vec4(0.0) - t2), lessThan(t0, vec4(0.0))))));
    }
    // mish
    if (function == 25u) {
        const vec4 t0 = exp(min(x, vec4(20.0)));
        const vec4 t1 = (t0 * (t0 + vec4(2.0)));
        return (x * (t1 * (vec4(1.0) / (t1 + vec4(2.0)))));
    }
    // hardSigmoid
    if (function == 26u) return min(max(((x * vec4(0.16666667)) + vec4(0.5)), vec4(0.0)), vec4(1.0));
    // hardSwish
    if (function == 27u) return (x * min(max(((x * vec4(0.16666667)) + vec4(0.5)), vec4(0.0)), vec4(1.0)));
    // floor
    if (function == 28u) return floor(x);
    return x;
}
