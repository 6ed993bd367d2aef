/// A pointwise function: each element of the result depends on the same element of every operand, and on numbers that
/// belong to the function. `PointwiseTable.swift` has a row for each, from which all executors make their kernels.
public enum PointwiseFunction: Hashable, Sendable {
    // Two operands: equal shapes, or the second a vector `[C]` for every pixel ("every pixel" is every index but the last).
    /// `x + y`
    case add
    /// `x * y`
    case multiply
    case maximum
    case minimum
    /// 1 where `x > y`, else 0. Its derivative is zero.
    case greater
    /// `x < 0 ? y * x : x`: x `[N, H, W, C]` and y `[C]`, or `[1]` for all channels.
    case prelu

    // One operand and numbers.
    /// `x * scale + offset`
    case affine(scale: Float, offset: Float)
    /// `min(max(x, low), high)`
    case clamp(low: Float, high: Float)
    /// `x < 0 ? slope * x : x`; `slope` 0 is ReLU.
    case leakyReLU(slope: Float)
    /// `x > 0 ? x : alpha * (exp(x) - 1)`
    case elu(alpha: Float)
    /// `x` to the power of `exponent`, for x > 0.
    case power(exponent: Float)
    /// One of three numbers by the sign of x: the derivatives of kinked functions, `sign`, and masks. Its own derivative
    /// is zero.
    case step(negative: Float, zero: Float, positive: Float)

    // One operand.
    /// `1 / (1 + exp(-x))`
    case sigmoid
    /// `x * sigmoid(x)`
    case silu
    case tanh
    case exponential
    /// The natural logarithm.
    case logarithm
    case squareRoot
    /// `1 / sqrt(x)`
    case reciprocalSquareRoot
    /// `1 / x`
    case reciprocal
    case absolute
    /// The largest whole number that is not greater than x. Its derivative is zero.
    case floor
    /// `log(1 + exp(x))`
    case softplus
    /// The error function, `2 / sqrt(pi) * integral of exp(-t²) from 0 to x`.
    case erf
    /// `x * (1 + erf(x / sqrt(2))) / 2`
    case gelu
    /// `x * tanh(softplus(x))`
    case mish
    /// `clamp(x / 6 + 1 / 2, 0, 1)`
    case hardSigmoid
    /// `x * hardSigmoid(x)`
    case hardSwish

    public static let relu = PointwiseFunction.leakyReLU(slope: 0)

    /// The functions without their numbers. A function's code in kernels is its place here plus one.
    public enum Name: String, CaseIterable, Sendable {
        case add, multiply, maximum, minimum, greater, prelu, affine, clamp, leakyReLU, elu, power, step, sigmoid, silu,
            tanh, exponential, logarithm, squareRoot, reciprocalSquareRoot, reciprocal, absolute, softplus, erf, gelu,
            mish, hardSigmoid, hardSwish, floor
    }

    public var name: Name {
        switch self {
        case .add: .add
        case .multiply: .multiply
        case .maximum: .maximum
        case .minimum: .minimum
        case .greater: .greater
        case .prelu: .prelu
        case .affine: .affine
        case .clamp: .clamp
        case .leakyReLU: .leakyReLU
        case .elu: .elu
        case .power: .power
        case .step: .step
        case .sigmoid: .sigmoid
        case .silu: .silu
        case .tanh: .tanh
        case .exponential: .exponential
        case .logarithm: .logarithm
        case .squareRoot: .squareRoot
        case .reciprocalSquareRoot: .reciprocalSquareRoot
        case .reciprocal: .reciprocal
        case .absolute: .absolute
        case .softplus: .softplus
        case .erf: .erf
        case .gelu: .gelu
        case .mish: .mish
        case .hardSigmoid: .hardSigmoid
        case .hardSwish: .hardSwish
        case .floor: .floor
        }
    }

    /// What kernels call the function: 1, 2, … in the order of `Name`; 0 stands for none.
    public var code: Int { Name.allCases.firstIndex(of: name)! + 1 }

    public var operandCount: Int {
        switch self {
        case .add, .multiply, .maximum, .minimum, .greater, .prelu: 2
        default: 1
        }
    }

    /// Whether operands may change places.
    public var isCommutative: Bool {
        switch self {
        case .add, .multiply, .maximum, .minimum: true
        default: false
        }
    }

    /// The numbers that belong to the function, at most three.
    public var numbers: [Float] {
        switch self {
        case .affine(let scale, let offset): [scale, offset]
        case .clamp(let low, let high): [low, high]
        case .leakyReLU(let number), .elu(let number), .power(let number): [number]
        case .step(let negative, let zero, let positive): [negative, zero, positive]
        default: []
        }
    }
}

extension PointwiseFunction.Name {
    /// An example of the function, for tables and tests.
    public var example: PointwiseFunction {
        switch self {
        case .add: .add
        case .multiply: .multiply
        case .maximum: .maximum
        case .minimum: .minimum
        case .greater: .greater
        case .prelu: .prelu
        case .affine: .affine(scale: 1.7, offset: -0.3)
        case .clamp: .clamp(low: -0.25, high: 0.5)
        case .leakyReLU: .leakyReLU(slope: 0.2)
        case .elu: .elu(alpha: 0.8)
        case .power: .power(exponent: 1.5)
        case .step: .step(negative: -0.25, zero: 3, positive: 2)
        case .sigmoid: .sigmoid
        case .silu: .silu
        case .tanh: .tanh
        case .exponential: .exponential
        case .logarithm: .logarithm
        case .squareRoot: .squareRoot
        case .reciprocalSquareRoot: .reciprocalSquareRoot
        case .reciprocal: .reciprocal
        case .absolute: .absolute
        case .softplus: .softplus
        case .erf: .erf
        case .gelu: .gelu
        case .mish: .mish
        case .hardSigmoid: .hardSigmoid
        case .hardSwish: .hardSwish
        case .floor: .floor
        }
    }
}

// As operations.
extension Operation {
    public static let add = Operation.pointwise(.add)
    public static let multiply = Operation.pointwise(.multiply)
    public static let prelu = Operation.pointwise(.prelu)
    public static func affine(scale: Float, offset: Float) -> Operation {
        .pointwise(.affine(scale: scale, offset: offset))
    }
    public static func clamp(low: Float, high: Float) -> Operation { .pointwise(.clamp(low: low, high: high)) }
}
