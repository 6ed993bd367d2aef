/// A positive rational number in lowest terms.
public struct Ratio: Hashable, Sendable, ExpressibleByIntegerLiteral, CustomStringConvertible {
    public let numerator: Int
    public let denominator: Int

    /// - Precondition: both are positive.
    public init(_ numerator: Int, _ denominator: Int = 1) {
        precondition(numerator > 0 && denominator > 0, "\(numerator)/\(denominator) is no positive ratio")
        let divisor = greatestCommonDivisor(numerator, denominator)
        (self.numerator, self.denominator) = (numerator / divisor, denominator / divisor)
    }

    public init(integerLiteral value: Int) { self.init(value) }

    /// The number where it is whole.
    public var whole: Int? { denominator == 1 ? numerator : nil }
    public var inverse: Ratio { Ratio(denominator, numerator) }
    public var description: String { denominator == 1 ? "\(numerator)" : "\(numerator)/\(denominator)" }

    /// The product; nil where it does not fit.
    public func multiplied(by other: Ratio) -> Ratio? {
        // Crosswise first: what cancels need not fit.
        let (a, b) = (Ratio(numerator, other.denominator), Ratio(other.numerator, denominator))
        let (top, overflow) = a.numerator.multipliedReportingOverflow(by: b.numerator)
        let (bottom, overflow2) = a.denominator.multipliedReportingOverflow(by: b.denominator)
        return overflow || overflow2 ? nil : Ratio(top, bottom)
    }

    /// `count` times this number; nil where it is not whole or does not fit.
    public func times(_ count: Int) -> Int? {
        guard count > 0 else { return nil }
        return multiplied(by: Ratio(count))?.whole
    }
}

/// - Precondition: both are positive.
func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return a
}

/// The least common multiple of two positive numbers; nil where it does not fit.
func leastCommonMultiple(_ a: Int, _ b: Int) -> Int? {
    let (product, overflow) = (a / greatestCommonDivisor(a, b)).multipliedReportingOverflow(by: b)
    return overflow ? nil : product
}

/// Height and width of a frame in pixels.
public struct Extent: Hashable, Sendable, CustomStringConvertible {
    public var height, width: Int
    public init(height: Int, width: Int) { (self.height, self.width) = (height, width) }
    public var description: String { "\(height)x\(width)" }
}
