/// A learning rate as a function of the step.
public struct Schedule: Codable, Hashable, Sendable {
    public enum Shape: Codable, Hashable, Sendable {
        case constant
        /// Multiplied by `factor` from each of these steps on.
        case multiStep(milestones: [Int], factor: Double)
        /// Half a cosine from the full rate to `floor` times it over `steps`, and constant after.
        case cosine(steps: Int, floor: Double)
    }

    public var rate: Double
    public var shape: Shape
    /// The rate grows linearly to its full size over so many steps.
    public var warmUp: Int

    public init(rate: Double, _ shape: Shape = .constant, warmUp: Int = 0) {
        (self.rate, self.shape, self.warmUp) = (rate, shape, warmUp)
    }

    /// The rate of step `step`, counted from 0.
    public func rate(at step: Int) -> Double {
        let factor: Double
        switch shape {
        case .constant: factor = 1
        case .multiStep(let milestones, let each):
            factor = power(each, Double(milestones.count { $0 <= step }))
        case .cosine(let steps, let floor):
            let done = min(1, Double(step) / Double(max(1, steps)))
            factor = floor + (1 - floor) * (1 + cosine(Double.pi * done)) / 2
        }
        return rate * factor * (step < warmUp ? Double(step + 1) / Double(warmUp) : 1)
    }
}
