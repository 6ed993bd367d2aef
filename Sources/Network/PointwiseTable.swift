#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// All that is known of a pointwise function: its meaning, its kernels' text, its derivative, and what planners and tests ask.
public struct PointwiseRow: Sendable {
    /// The meaning, in double precision; written by itself, not made from `body`. The second number is not used by functions
    /// of one operand.
    let meaning: @Sendable (_ x: Double, _ y: Double) -> Double
    /// The same in single precision, as kernels compute it.
    public let body: Scalar
    /// What a kernel in C calls instead of `body`, with the operands as arguments, where that is more exact.
    public var cFunction: String?
    /// The derivative with respect to an operand, which is multiplied into that of the result.
    public let slope: @Sendable (_ b: inout GraphBuilder, _ at: AppliedFunction, _ operand: Int) -> Slope
    /// The operands of which `body` may hide that they are not a number. The result then is that operand.
    public var hidesNotANumber: [Int] = []
    /// Whether finite operands give finite results: kernels compute on padding too, whose numbers are finite and of no
    /// meaning.
    public var isSafeOnPadding = true
    /// Whether the result may be large, or small differences of it count: it is kept in single precision.
    public var needsSinglePrecision = false
    /// Operands that tests try, and where the function or its derivative jumps.
    public var range: ClosedRange<Float> = -3...3
    public var kinks: [Float] = []

    /// The function's value; not a number where an operand is none, but for comparisons.
    public func value(_ x: Double, _ y: Double = 0) -> Double {
        for (index, operand) in [x, y].enumerated() where operand.isNaN && hidesNotANumber.contains(index) {
            return operand
        }
        return meaning(x, y)
    }
}

/// A pointwise function as the backward walk sees it.
public struct AppliedFunction {
    public let operands: [Value]
    public let result: Value

    public init(operands: [Value], result: Value) { (self.operands, self.result) = (operands, result) }
}

/// A derivative with respect to an operand.
public enum Slope {
    case zero
    case number(Float)
    /// Of the result's shape, or a vector for every pixel.
    case value(Value)
}

extension PointwiseFunction {
    /// The function's row.
    public var row: PointwiseRow {
        switch self {
        case .add:
            PointwiseRow(meaning: { $0 + $1 }, body: .x + .y, slope: { _, _, _ in .number(1) })
        case .multiply:
            PointwiseRow(meaning: { $0 * $1 }, body: .x * .y, slope: { _, at, index in .value(at.operands[1 - index]) })
        case .maximum:
            PointwiseRow(
                meaning: { Swift.max($0, $1) }, body: .whereLess(.x, .y, .y, .x),
                slope: { b, at, index in .value(b.share(at, index, ofGreater: true)) }, hidesNotANumber: [0, 1])
        case .minimum:
            PointwiseRow(
                meaning: { Swift.min($0, $1) }, body: .whereLess(.y, .x, .y, .x),
                slope: { b, at, index in .value(b.share(at, index, ofGreater: false)) }, hidesNotANumber: [0, 1])
        case .greater:
            PointwiseRow(meaning: { $0 > $1 ? 1 : 0 }, body: .whereLess(.y, .x, 1, 0), slope: { _, _, _ in .zero })
        case .prelu:
            PointwiseRow(
                meaning: { $0 < 0 ? $1 * $0 : $0 }, body: .whereLess(.x, 0, .y * .x, .x),
                slope: { b, at, index in
                    let x = at.operands[0]
                    // The part below zero belongs to the slopes.
                    let below = b.step(x, 1, 1, 0)
                    if index == 1 { return .value(b.apply(.multiply, below, x)) }
                    let slopes = b.repeated(at.operands[1], like: x)
                    return .value(b.apply(.add, b.apply(.multiply, below, slopes), b.step(x, 0, 0, 1)))
                }, kinks: [0])
        case .affine(let scale, let offset):
            PointwiseRow(
                meaning: { x, _ in x * Double(scale) + Double(offset) }, body: .x * .a + .b,
                slope: { _, _, _ in .number(scale) })
        case .clamp(let low, let high):
            PointwiseRow(
                meaning: { x, _ in Swift.min(Swift.max(x, Double(low)), Double(high)) },
                body: .min(.max(.x, .a), .b),
                slope: { b, at, _ in
                    let above = b.step(b.apply(.affine(scale: 1, offset: -low), at.operands[0]), 0, 1, 1)
                    let below = b.step(b.apply(.affine(scale: -1, offset: high), at.operands[0]), 0, 1, 1)
                    return .value(b.apply(.multiply, above, below))
                }, hidesNotANumber: [0], kinks: [low, high])
        case .leakyReLU(let slope):
            PointwiseRow(
                meaning: { x, _ in x < 0 ? Double(slope) * x : x }, body: .whereLess(.x, 0, .x * .a, .x),
                slope: { b, at, _ in .value(b.step(at.operands[0], slope, slope, 1)) }, kinks: [0])
        case .elu(let alpha):
            PointwiseRow(
                meaning: { x, _ in x > 0 ? x : Double(alpha) * expm1(x) },
                body: .whereLess(0, .x, .x, .a * (.exp(.min(.x, 0)) - 1)),
                slope: { b, at, _ in
                    // Below zero the derivative is alpha * exp(x), which is y + alpha.
                    let below = b.apply(.affine(scale: 1, offset: alpha), at.result)
                    let masked = b.apply(.multiply, b.step(at.operands[0], 1, 1, 0), below)
                    return .value(b.apply(.add, masked, b.step(at.operands[0], 0, 0, 1)))
                }, hidesNotANumber: [0], kinks: [0])
        case .power(let exponent):
            PointwiseRow(
                meaning: { x, _ in pow(x, Double(exponent)) }, body: .whereLess(.x, 0, .log(.x), .exp(.a * .log(.x))),
                slope: { b, at, _ in
                    .value(b.scaled(b.apply(.pointwise(.power(exponent: exponent - 1)), at.operands[0]), exponent))
                }, hidesNotANumber: [0], isSafeOnPadding: false, needsSinglePrecision: true, range: 0.05...4)
        case .step(let negative, let zero, let positive):
            PointwiseRow(
                meaning: { x, _ in Double(x < 0 ? negative : x > 0 ? positive : zero) },
                body: .whereLess(.x, 0, .a, .whereLess(0, .x, .c, .b)), slope: { _, _, _ in .zero }, kinks: [0])
        case .sigmoid, .silu, .tanh, .exponential, .logarithm, .squareRoot, .reciprocalSquareRoot, .reciprocal,
            .absolute, .floor,
            .softplus, .erf, .gelu, .mish, .hardSigmoid, .hardSwish:
            smooth
        }
    }

    /// The rows of functions without numbers.
    private var smooth: PointwiseRow {
        switch self {
        case .sigmoid:
            PointwiseRow(
                meaning: { x, _ in 1 / (1 + exp(-x)) }, body: .sigmoid(.x),
                slope: { b, at, _ in
                    .value(b.apply(.multiply, at.result, b.apply(.affine(scale: -1, offset: 1), at.result)))
                }, hidesNotANumber: [0], range: -20...20)
        case .silu:
            PointwiseRow(
                meaning: { x, _ in x / (1 + exp(-x)) }, body: .x * .sigmoid(.x),
                slope: { b, at, _ in
                    // s + x s (1 - s) = s + y (1 - s)
                    let s = b.apply(.pointwise(.sigmoid), at.operands[0])
                    let rest = b.apply(.multiply, at.result, b.apply(.affine(scale: -1, offset: 1), s))
                    return .value(b.apply(.add, s, rest))
                }, hidesNotANumber: [0], range: -20...20)
        case .tanh:
            PointwiseRow(
                meaning: { x, _ in 1 - 2 / (1 + exp(2 * x)) },
                // Right at both ends, where the exponential is not finite.
                body: 1 - 2 * .inverse(1 + .exp(.x + .x)),
                slope: { b, at, _ in
                    .value(b.apply(.affine(scale: -1, offset: 1), b.apply(.multiply, at.result, at.result)))
                }, hidesNotANumber: [0], range: -20...20)
        case .exponential:
            PointwiseRow(
                meaning: { x, _ in exp(x) }, body: .exp(.x), slope: { _, at, _ in .value(at.result) },
                hidesNotANumber: [0], isSafeOnPadding: false, needsSinglePrecision: true)
        case .logarithm:
            PointwiseRow(
                meaning: { x, _ in log(x) }, body: .log(.x),
                slope: { b, at, _ in .value(b.apply(.pointwise(.reciprocal), at.operands[0])) },
                isSafeOnPadding: false, needsSinglePrecision: true, range: 0.001...50)
        case .squareRoot:
            PointwiseRow(
                meaning: { x, _ in x.squareRoot() }, body: .sqrt(.x),
                slope: { b, at, _ in .value(b.scaled(b.apply(.pointwise(.reciprocal), at.result), 0.5)) },
                isSafeOnPadding: false, needsSinglePrecision: true, range: 0.01...50)
        case .reciprocalSquareRoot:
            PointwiseRow(
                meaning: { x, _ in 1 / x.squareRoot() }, body: 1 / .sqrt(.x),
                slope: { b, at, _ in
                    .value(b.scaled(b.apply(.multiply, b.square(at.result), at.result), -0.5))
                }, isSafeOnPadding: false, needsSinglePrecision: true, range: 0.1...5)
        case .reciprocal:
            PointwiseRow(
                meaning: { x, _ in 1 / x }, body: 1 / .x,
                slope: { b, at, _ in .value(b.scaled(b.apply(.multiply, at.result, at.result), -1)) },
                isSafeOnPadding: false, needsSinglePrecision: true, range: 0.1...5)
        case .absolute:
            PointwiseRow(
                meaning: { x, _ in abs(x) }, body: .abs(.x),
                slope: { b, at, _ in .value(b.step(at.operands[0], -1, 0, 1)) }, kinks: [0])
        case .floor:
            PointwiseRow(
                meaning: { x, _ in x.rounded(.down) }, body: .floor(.x), slope: { _, _, _ in .zero },
                kinks: [-2, -1, 0, 1, 2])
        case .softplus:
            PointwiseRow(
                meaning: { x, _ in Swift.max(x, 0) + log1p(exp(-abs(x))) },
                body: .max(.x, 0) + .log(1 + .exp(-.abs(.x))), cFunction: "vf_softplus",
                slope: { b, at, _ in .value(b.apply(.pointwise(.sigmoid), at.operands[0])) }, hidesNotANumber: [0],
                range: -30...30)
        case .erf:
            PointwiseRow(
                meaning: { x, _ in erfOf(x) }, body: .erf(.x),
                slope: { b, at, _ in .value(b.bell(at.operands[0], exponent: -1, height: 2 / Float.pi.squareRoot())) },
                hidesNotANumber: [0])
        case .gelu:
            PointwiseRow(
                meaning: { x, _ in x * 0.5 * (1 + erfOf(x * 0.5.squareRoot())) },
                body: .x * (0.5 + 0.5 * .erf(.x * 0.70710678)),
                slope: { b, at, _ in
                    let (x, root) = (at.operands[0], Float(0.5).squareRoot())
                    let share = b.apply(
                        .affine(scale: 0.5, offset: 0.5), b.apply(.pointwise(.erf), b.scaled(x, root)))
                    let density = b.bell(x, exponent: -0.5, height: 1 / (2 * Float.pi).squareRoot())
                    return .value(b.apply(.add, share, b.apply(.multiply, x, density)))
                }, hidesNotANumber: [0], range: -6...6)
        case .mish:
            PointwiseRow(
                meaning: { x, _ in x * tanhOf(Swift.max(x, 0) + log1p(exp(-abs(x)))) },
                // With n = exp(x), tanh(log(1 + n)) is n (n + 2) / (n (n + 2) + 2); from 20 on it is 1.
                body: .x * .tanhOfSoftplus(.exp(.min(.x, 20))),
                slope: { b, at, _ in
                    let t = b.apply(.pointwise(.tanh), b.apply(.pointwise(.softplus), at.operands[0]))
                    let bend = b.apply(.affine(scale: -1, offset: 1), b.square(t))
                    let s = b.apply(.multiply, bend, b.apply(.pointwise(.sigmoid), at.operands[0]))
                    return .value(b.apply(.add, t, b.apply(.multiply, at.operands[0], s)))
                }, hidesNotANumber: [0], range: -20...20)
        case .hardSigmoid:
            PointwiseRow(
                meaning: { x, _ in Swift.min(Swift.max(x / 6 + 0.5, 0), 1) }, body: .hardSigmoid(.x),
                slope: { b, at, _ in .value(b.insideOfThree(at.operands[0])) }, hidesNotANumber: [0], range: -4...4,
                kinks: [-3, 3])
        case .hardSwish:
            PointwiseRow(
                meaning: { x, _ in x * Swift.min(Swift.max(x / 6 + 0.5, 0), 1) }, body: .x * .hardSigmoid(.x),
                slope: { b, at, _ in
                    let x = at.operands[0]
                    let rising = b.apply(.multiply, x, b.insideOfThree(x))
                    return .value(b.apply(.add, b.apply(.pointwise(.hardSigmoid), x), rising))
                }, hidesNotANumber: [0], range: -4...4, kinks: [-3, 3])
        default: preconditionFailure("\(name) has its row with those that have numbers")
        }
    }
}

extension Scalar {
    fileprivate static func sigmoid(_ x: Scalar) -> Scalar { .inverse(1 + .exp(-x)) }
    fileprivate static func hardSigmoid(_ x: Scalar) -> Scalar { .min(.max(x * 0.16666667 + 0.5, 0), 1) }

    fileprivate static func tanhOfSoftplus(_ n: Scalar) -> Scalar { n * (n + 2) * .inverse(n * (n + 2) + 2) }

    /// Abramowitz and Stegun 7.1.26: at most 1.5e-7 away.
    fileprivate static func erf(_ x: Scalar) -> Scalar {
        let t = 1 / (1 + 0.3275911 * .abs(x))
        let polynomial =
            ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
        let magnitude = 1 - polynomial * .exp(-(x * x))
        return .whereLess(x, 0, -magnitude, magnitude)
    }
}

extension GraphBuilder {
    /// The derivative of a maximum or minimum: 1 where the operand is the result, a half where both are (PyTorch's way).
    fileprivate mutating func share(_ at: AppliedFunction, _ index: Int, ofGreater: Bool) -> Value {
        let x = at.operands[0]
        let y = shape(at.operands[1]) == shape(x) ? at.operands[1] : repeated(at.operands[1], like: x)
        let isFirst = (index == 0) == ofGreater
        return step(difference(x, y), isFirst ? 0 : 1, 0.5, isFirst ? 1 : 0)
    }

    /// `height * exp(exponent * x²)`
    fileprivate mutating func bell(_ x: Value, exponent: Float, height: Float) -> Value {
        scaled(apply(.pointwise(.exponential), scaled(square(x), exponent)), height)
    }

    /// The derivative of `hardSigmoid`: 1 / 6 between -3 and 3.
    fileprivate mutating func insideOfThree(_ x: Value) -> Value {
        step(apply(.affine(scale: -1, offset: 3), apply(.pointwise(.absolute), x)), 0, 0, 1 / 6)
    }
}

/// C's, which cases of `PointwiseFunction` hide.
private func erfOf(_ x: Double) -> Double { erf(x) }
private func tanhOf(_ x: Double) -> Double { tanh(x) }
