/// Watches what the steps of adversarial training say, and warns in words when the two networks fall out of balance.
///
/// Fed with the values of every step. It keeps running means, since single batches say little; a warning is given once when
/// its condition has become true, and again only after things were clearly well in between.
public struct BalanceMonitor: Codable, Hashable, Sendable {
    public enum Condition: String, Codable, Hashable, Sendable, CaseIterable {
        /// The discriminator tells nearly everything: its gradient no longer says where to go.
        case discriminatorWins
        /// The discriminator says the same of everything, or no better than a coin.
        case discriminatorCollapsed
        /// The generator draws the same details everywhere.
        case modeCollapse
        /// Mean colours leave those of the input.
        case colourDrift
    }

    public struct Warning: Hashable, Sendable {
        public let condition: Condition
        /// What is wrong, by how much, and what helps.
        public let text: String
    }

    /// Over about so many steps means are taken. Twice as many are waited for before anything is said: networks that have just
    /// begun know nothing.
    public let window: Int
    /// What is wrong at the moment.
    public private(set) var conditions: Set<Condition> = []
    private var means: [String: RunningMean] = [:]

    public init(window: Int = 200) {
        precondition(window >= 1, "a window of \(window) steps")
        self.window = window
    }

    /// The running mean of a value, once enough steps have told it.
    public func mean(_ name: String) -> Float? {
        guard let mean = means[name], mean.count >= 2 * window else { return nil }
        return Float(mean.value)
    }

    /// Takes in one step's values ("d.accuracy.real", "d.accuracy.fake", "g.diversity", "g.drift"; others are not read, and
    /// missing or infinite ones do not count).
    ///
    /// - Returns: warnings whose conditions have just become true.
    public mutating func record(_ values: [String: Float]) -> [Warning] {
        for name in ["d.accuracy.real", "d.accuracy.fake", "g.diversity", "g.drift"] {
            guard let value = values[name], value.isFinite else { continue }
            means[name, default: RunningMean()].add(Double(value), window: window)
        }
        var warnings: [Warning] = []
        func check(_ condition: Condition, _ isWrong: Bool, isWell: Bool, _ text: @autoclosure () -> String) {
            if isWrong && conditions.insert(condition).inserted {
                warnings.append(Warning(condition: condition, text: text()))
            } else if isWell {
                conditions.remove(condition)
            }
        }
        if let real = mean("d.accuracy.real"), let fake = mean("d.accuracy.fake") {
            let both = (real + fake) / 2
            check(
                .discriminatorWins, both > 0.97, isWell: both < 0.93,
                "the discriminator wins: it tells real from fake in \(percent(both)) of all cases, and what it teaches "
                    + "fades; lower its rate, raise the generator's, add a gradient penalty or augmentation, or give it "
                    + "fewer features")
            let oneSided = abs(real - fake) > 0.9
            check(
                .discriminatorCollapsed, oneSided || both < 0.51, isWell: both > 0.55 && abs(real - fake) < 0.8,
                "the discriminator has collapsed: it is right on \(percent(real)) of real and \(percent(fake)) of "
                    + "fake pictures"
                    + (oneSided ? ", since it calls everything \(real > fake ? "real" : "fake")" : ", like a coin")
                    + "; raise its rate or its steps for each of the generator's, or lower the weight of the "
                    + "adversarial loss")
        }
        if let diversity = mean("g.diversity") {
            check(
                .modeCollapse, diversity < 0.3, isWell: diversity > 0.45,
                "the generator's outputs hardly differ: their details are \(percent(diversity)) as unlike as those of "
                    + "the targets; lower the weight of the adversarial loss, raise that of the pixels' or features', "
                    + "or go back to a checkpoint before the collapse")
        }
        if let drift = mean("g.drift") {
            check(
                .colourDrift, drift > 0.02, isWell: drift < 0.012,
                "colours drift: the mean colour of outputs is \(tenths(drift * 255)) of 255 steps away from the "
                    + "input's; add the pixel loss 'colour', or lower the generator's rate")
        }
        return warnings
    }

    private func percent(_ share: Float) -> String { "\(Int((share * 100).rounded())) %" }
    private func tenths(_ x: Float) -> String { "\((x * 10).rounded() / 10)" }
}

/// An exponential mean that does not lean to where it began.
struct RunningMean: Codable, Hashable, Sendable {
    private var sum = 0.0
    private var weight = 0.0
    private(set) var count = 0

    var value: Double { weight > 0 ? sum / weight : 0 }

    mutating func add(_ x: Double, window: Int) {
        let decay = 1 - 1 / Double(window)
        sum = sum * decay + x
        weight = weight * decay + 1
        count += 1
    }
}
