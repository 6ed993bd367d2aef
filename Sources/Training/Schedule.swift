/// A learning rate as a function of the step.
public struct Schedule: Codable, Hashable, Sendable {
    public enum Shape: Codable, Hashable, Sendable {
        case constant
        /// Multiplied by `factor` from each of these steps on.
        case multiStep(milestones: [Int], factor: Double)
        /// Half a cosine from the full rate to `floor` times it over `steps`, and constant after.
        ///
        /// With more than one of `cycles`, warm restarts (SGDR, Loshchilov and Hutter 2017): `steps` are divided into so
        /// many equal parts, and in each the rate goes from full to the floor again. What is full is `cycleFactor` times as
        /// much as in the cycle before, but never below the floor, which stays where it is.
        ///
        /// - Parameters:
        ///   - floor: 0 to 1, a share of `rate`.
        ///   - cycles: 1 to `steps`; where `steps` are no multiple of it, cycles begin between steps.
        ///   - cycleFactor: more than 0, at most 1.
        case cosine(steps: Int, floor: Double, cycles: Int = 1, cycleFactor: Double = 1)
    }

    public var rate: Double
    public var shape: Shape
    /// The rate grows linearly to its full size over so many steps, at the very beginning and not after restarts.
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
        case .cosine(let steps, let floor, let cycles, let cycleFactor):
            let position = Double(step) * Double(cycles) / Double(max(1, steps))
            let cycle = min(position.rounded(.down), Double(cycles - 1))
            let done = min(1, position - cycle)
            let full = max(floor, power(cycleFactor, cycle))
            factor = floor + (full - floor) * (1 + cosine(Double.pi * done)) / 2
        }
        return rate * factor * (step < warmUp ? Double(step + 1) / Double(warmUp) : 1)
    }
}
