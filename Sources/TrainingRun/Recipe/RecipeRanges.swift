/// What each number of a recipe may be, by its key. Networks and degradations say it themselves (`Architecture.problem`,
/// `DegradationRecipe.validate`); a test fails as long as any other number has no range here.
enum RecipeRanges {
    /// The range of the number at `place`, as "data.train.0.weight"; nil where it is no number or any number is right.
    static func range(of place: String) -> ClosedRange<Double>? {
        let parts = place.split(separator: ".", omittingEmptySubsequences: false)
        // Places in lists have one range.
        return table[parts.map { Int($0) == nil ? String($0) : "*" }.joined(separator: ".")]
    }

    /// Keys of numbers that may be anything which their type holds.
    static let free: Set<String> = ["seed"]

    // Upper bounds are far beyond what trains anything, and small enough that what is computed from them fits its type.
    private static let counts = 0.0...1e9
    private static let countsFromOne = 1.0...1e9
    private static let weights = 0.0...1e6
    private static let shares = 0.0...1.0

    private static let table: [String: ClosedRange<Double>] = {
        var table = [
            "steps": countsFromOne,
            "data.crop": 1...4096, "data.firstCrop": 0...4096, "data.growUntil": counts, "data.batch": 1...1024,
            "data.threads": 1...256, "data.ahead": 1...1024, "data.cacheMegabytes": 0...1_048_576,
            "losses.l1": weights, "losses.squared": weights, "losses.charbonnier": weights, "losses.msSSIM": weights,
            "losses.focalFrequency": weights, "losses.colour": weights, "losses.featureMatching": weights,
            "perceptual.weight": weights, "perceptual.conv1_2": weights, "perceptual.conv2_2": weights,
            "perceptual.conv3_4": weights, "perceptual.conv4_4": weights, "perceptual.conv5_4": weights,
            "adversarial.weight": weights, "adversarial.discriminatorSteps": 1...1000, "adversarial.warmUp": counts,
            "adversarial.clipWeights": weights, "adversarial.gradientPenalty": weights, "adversarial.r1": weights,
            "adversarial.r1Interval": 1...1e6, "adversarial.augmentationTarget": shares,
            "validation.every": counts, "validation.pictures": 0...10_000, "validation.side": 1...4096,
            "checkpoint.every": countsFromOne, "checkpoint.logEvery": countsFromOne,
        ]
        for list in ["data.train.*.", "data.validation.*."] {
            table[list + "frames"] = 1...256
            table[list + "shrink.*"] = 1...64
            table[list + "detail"] = shares
            table[list + "weight"] = 1e-6...1e6
        }
        for optimizer in ["optimizer.", "discriminatorOptimizer."] {
            table[optimizer + "rate"] = 1e-12...10
            table[optimizer + "beta1"] = 0...0.9999
            table[optimizer + "beta2"] = 0...0.999999
            table[optimizer + "epsilon"] = 1e-37...1
            table[optimizer + "weightDecay"] = 0...10
            table[optimizer + "warmUp"] = counts
            table[optimizer + "milestones.*"] = counts
            table[optimizer + "factor"] = 1e-6...1
            table[optimizer + "floor"] = shares
            table[optimizer + "cycles"] = 1...1e6
            table[optimizer + "cycleFactor"] = 1e-6...1
            table[optimizer + "clipNorm"] = 0...1e9
            table[optimizer + "average"] = 0...0.999999
            table[optimizer + "recompute"] = 1...1000
        }
        return table
    }()

    /// A range in words: "1 and 4096".
    static func words(_ range: ClosedRange<Double>) -> String {
        "\(plain(range.lowerBound)) and \(plain(range.upperBound))"
    }

    /// A number as people write it.
    private static func plain(_ number: Double) -> String { Int(exactly: number).map(String.init) ?? "\(number)" }
}
