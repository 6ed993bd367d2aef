internal import CFFmpeg

/// A fraction, as time bases, frame rates and aspect ratios are given. 0/1 means "not known".
public struct Rational: Sendable, Hashable, CustomStringConvertible {
    public var numerator: Int
    public var denominator: Int

    public init(_ numerator: Int, _ denominator: Int) {
        self.numerator = numerator
        self.denominator = denominator
    }

    /// The fraction as a number; 0 where the denominator is 0.
    public var value: Double {
        denominator == 0 ? 0 : Double(numerator) / Double(denominator)
    }

    public var isKnown: Bool { numerator > 0 && denominator > 0 }

    public var description: String { "\(numerator)/\(denominator)" }
}

extension Rational {
    internal init(_ value: AVRational) {
        self.init(Int(value.num), Int(value.den))
    }

    internal var av: AVRational {
        AVRational(num: Int32(clamping: numerator), den: Int32(clamping: denominator))
    }
}
