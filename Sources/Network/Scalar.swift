/// An expression of single numbers: what a pointwise function is made of in every language that kernels are written in.
public indirect enum Scalar: Hashable, Sendable {
    /// An operand of the function.
    case operand(Int)
    /// One of the function's own numbers.
    case constant(Int)
    case number(Float)
    case unary(Unary, Scalar)
    case binary(Binary, Scalar, Scalar)
    /// The third where the first is less than the second, else the fourth (also where one of the two is not a number).
    case whereLess(Scalar, Scalar, Scalar, Scalar)

    public enum Unary: Sendable {
        case exponential, logarithm, squareRoot, absolute, floor
        /// `1 / x` for x from 1 up, which has not to be right in the last bit.
        case inverse
    }
    public enum Binary: Sendable { case add, subtract, multiply, divide, minimum, maximum }

    static let x = Scalar.operand(0)
    static let y = Scalar.operand(1)
    static let a = Scalar.constant(0)
    static let b = Scalar.constant(1)
    static let c = Scalar.constant(2)

    static func + (left: Scalar, right: Scalar) -> Scalar { .binary(.add, left, right) }
    static func - (left: Scalar, right: Scalar) -> Scalar { .binary(.subtract, left, right) }
    static func * (left: Scalar, right: Scalar) -> Scalar { .binary(.multiply, left, right) }
    static func / (left: Scalar, right: Scalar) -> Scalar { .binary(.divide, left, right) }
    static prefix func - (x: Scalar) -> Scalar { 0 - x }
    static func min(_ left: Scalar, _ right: Scalar) -> Scalar { .binary(.minimum, left, right) }
    static func max(_ left: Scalar, _ right: Scalar) -> Scalar { .binary(.maximum, left, right) }
    static func exp(_ x: Scalar) -> Scalar { .unary(.exponential, x) }
    static func log(_ x: Scalar) -> Scalar { .unary(.logarithm, x) }
    static func sqrt(_ x: Scalar) -> Scalar { .unary(.squareRoot, x) }
    static func inverse(_ x: Scalar) -> Scalar { .unary(.inverse, x) }
    static func floor(_ x: Scalar) -> Scalar { .unary(.floor, x) }
    static func abs(_ x: Scalar) -> Scalar { .unary(.absolute, x) }

    /// The expressions that this one is made of directly.
    public var parts: [Scalar] {
        switch self {
        case .operand, .constant, .number: []
        case .unary(_, let x): [x]
        case .binary(_, let x, let y): [x, y]
        case .whereLess(let x, let y, let yes, let no): [x, y, yes, no]
        }
    }

    /// Whether it takes more than a few instructions.
    public var isLong: Bool {
        switch self {
        case .unary(.exponential, _), .unary(.logarithm, _), .unary(.squareRoot, _), .unary(.floor, _): true
        default: parts.contains(where: \.isLong)
        }
    }

    /// What occurs more than once and is worth a name, in an order in which each only contains earlier ones.
    public var repeated: [Scalar] {
        var counts: [Scalar: Int] = [:]
        var order: [Scalar] = []
        func visit(_ expression: Scalar) {
            counts[expression, default: 0] += 1
            if counts[expression]! > 1 { return }
            for part in expression.parts { visit(part) }
            if !expression.parts.isEmpty { order.append(expression) }
        }
        visit(self)
        return order.filter { counts[$0]! > 1 }
    }
}

extension Scalar: ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
    public init(floatLiteral value: Float) { self = .number(value) }
    public init(integerLiteral value: Int) { self = .number(Float(value)) }
}
