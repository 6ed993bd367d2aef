/// The factor that a loss is multiplied with, so that small gradients are not lost where activations and their gradients
/// are stored as half floats (Micikevicius et al. 2018). Gradients are divided by it before anything else is done with
/// them. It is a power of two, so nothing but the range of numbers changes.
public struct LossScale: Codable, Hashable, Sendable {
    public private(set) var value: Float
    /// After so many good steps in a row it doubles.
    public let interval: Int
    private var goodSteps = 0

    /// Beyond these it does not go.
    private static let range: ClosedRange<Float> = 1...16_777_216

    /// - Precondition: `value` is a power of two from 1 to 2²⁴.
    public init(_ value: Float = 65536, interval: Int = 2000) {
        precondition(value.significand == 1 && Self.range.contains(value), "a loss scale of \(value)")
        precondition(interval >= 1, "an interval of \(interval) steps")
        (self.value, self.interval) = (value, interval)
    }

    /// Whether a step that fails may do better with a smaller scale.
    var canShrink: Bool { value > Self.range.lowerBound }

    /// Notes whether a step's numbers were finite: doubles after `interval` good ones, halves after a bad one.
    mutating func note(isGood: Bool) {
        goodSteps = isGood ? goodSteps + 1 : 0
        if !isGood {
            value = max(value / 2, Self.range.lowerBound)
        } else if goodSteps == interval {
            value = min(value * 2, Self.range.upperBound)
            goodSteps = 0
        }
    }
}
