public import Degradation
public import Network
public import Training

/// All that a training run is made of. See `Recipe.init(yaml:)` for the file's form; every member has a default there.
public struct Recipe: Sendable {
    /// Names the run's folder and the model.
    public var name = "model"
    /// Every random number is a function of it.
    public var seed: UInt64 = 1
    /// Steps of the loop in all.
    public var steps = 10_000

    public var generator: any Architecture = SRVGGNetCompact(upscale: 2)
    /// A weight file or catalogue name to start from; empty for drawn weights.
    public var startFrom = ""
    public var discriminator: (any Discriminator)?

    public var data = DataSettings()
    public var degradation = DegradationRecipe.preset("bicubic")!
    /// What validation makes low-resolution pictures with, where the data have none of their own.
    public var validationDegradation = DegradationRecipe.preset("bicubic")!

    public var losses = LossSettings()
    public var perceptual = PerceptualSettings()
    public var adversarial = AdversarialSettings()
    public var optimizer = OptimizerSettings()
    public var discriminatorOptimizer = OptimizerSettings(rate: 1e-4)
    public var validation = ValidationSettings()
    public var checkpoint = CheckpointSettings()

    public init() {}
}

/// Where samples come from and how they are cut.
public struct DataSettings: Codable, Hashable, Sendable {
    public var train: [SourceSettings] = []
    public var validation: [SourceSettings] = []
    /// Side of the target's crop in pixels; a multiple of the network's scale.
    public var crop = 128
    /// Side that training begins with when the crop grows; 0 for no growth.
    public var firstCrop = 0
    /// The step at which the crop has its full side.
    public var growUntil = 0
    public var batch = 16
    /// Flips and quarter turns.
    public var flips = true
    public var rotations = true
    /// Threads that make samples.
    public var threads = 1
    /// Batches made ahead.
    public var ahead = 4
    /// Memory for decoded pictures.
    public var cacheMegabytes = 1024

    public init() {}
}

/// One source of samples: pictures, pairs or videos.
public struct SourceSettings: Codable, Hashable, Sendable {
    /// Pictures, or folders of them.
    public var pictures: [String] = []
    /// Folders of pairs of the same names…
    public var low = ""
    public var high = ""
    /// …or a file with one pair a line.
    public var list = ""
    /// Video files, or folders of them.
    public var videos: [String] = []
    /// Consecutive frames that are degraded together; the network sees the last.
    public var frames = 1
    /// Pictures are shrunk by a factor between these first: most are published with compression's traces at full size.
    public var shrink: [Double] = [1, 1]
    /// 0 to 1: the share of crops that are the most detailed of four places; skies and walls teach little.
    public var detail: Float = 0
    /// How often it is drawn from, relative to the others.
    public var weight = 1.0

    public init() {}
}

/// Weights of the objectives; 0 leaves one out.
public struct LossSettings: Codable, Hashable, Sendable {
    public var l1: Float = 1
    public var squared: Float = 0
    public var charbonnier: Float = 0
    public var msSSIM: Float = 0
    public var focalFrequency: Float = 0
    public var colour: Float = 0
    /// L1 between the discriminator's features.
    public var featureMatching: Float = 0

    public init() {}
}

/// Distance between VGG19's features.
public struct PerceptualSettings: Codable, Hashable, Sendable {
    public var weight: Float = 0
    /// torchvision's VGG19 as safetensors (`features.0.weight` …).
    public var weights = ""
    public var conv1Layer2: Float = 0.1
    public var conv2Layer2: Float = 0.1
    public var conv3Layer4: Float = 1
    public var conv4Layer4: Float = 1
    public var conv5Layer4: Float = 1

    private enum CodingKeys: String, CodingKey {
        case weight, weights
        case conv1Layer2 = "conv1_2"
        case conv2Layer2 = "conv2_2"
        case conv3Layer4 = "conv3_4"
        case conv4Layer4 = "conv4_4"
        case conv5Layer4 = "conv5_4"
    }

    public init() {}
}

public struct AdversarialSettings: Codable, Hashable, Sendable {
    public var loss = AdversarialLoss.nonSaturating
    public var weight: Float = 0.1
    /// Steps of the discriminator for each of the generator.
    public var discriminatorSteps = 1
    /// Steps in which only the discriminator is trained, at the beginning.
    public var warmUp = 0
    /// Wasserstein by clipping: weights are kept in plus or minus this; 0 for none.
    public var clipWeights: Float = 0
    /// Wasserstein with gradient penalty: its weight, usually 10; 0 for none.
    public var gradientPenalty: Float = 0
    /// R1's gamma; 0 for none.
    public var r1: Float = 0
    /// R1 counts in every so many steps.
    public var r1Interval = 16
    /// Adaptive augmentation's target for the discriminator's sureness; 0 for none.
    public var augmentationTarget: Float = 0

    public init() {}
}

public struct OptimizerSettings: Codable, Hashable, Sendable {
    public enum Decay: String, Codable, Sendable { case constant, multiStep, cosine }

    public var rule = Optimizer.Rule.adam
    public var rate: Double
    public var beta1: Float = 0.9
    public var beta2: Float = 0.99
    public var epsilon: Float = 1e-8
    public var weightDecay: Float = 0
    /// The rate grows linearly over so many steps, at the beginning of the run.
    public var warmUp = 0
    public var decay = Decay.constant
    /// For `multiStep`: the rate is multiplied by `factor` at each.
    public var milestones: [Int] = []
    public var factor = 0.5
    /// For `cosine`: the last rate as a share of the first, 0 to 1.
    public var floor = 0.0
    /// For `cosine`: into how many equal parts the steps are divided, in each of which the rate falls to the floor anew.
    public var cycles = 1
    /// For `cosine`: the full rate of each cycle is this times the one before; more than 0, at most 1.
    public var cycleFactor = 1.0
    /// Gradients of a larger norm are shortened; 0 for none. The generator's only.
    public var clipNorm: Float = 0
    /// The share of the old weights in the moving average; 0 for none. The generator's only.
    public var average: Float = 0.999
    /// Into how many parts the way is cut whose activations are computed again instead of kept. The generator's only.
    public var recompute = 1

    public init(rate: Double = 2e-4) { self.rate = rate }

    /// - Parameter steps: in which a cosine's last cycle comes to the floor.
    func schedule(steps: Int) -> Schedule {
        let shape: Schedule.Shape =
            switch decay {
            case .constant: .constant
            case .multiStep: .multiStep(milestones: milestones, factor: factor)
            case .cosine: .cosine(steps: steps, floor: floor, cycles: cycles, cycleFactor: cycleFactor)
            }
        return Schedule(rate: rate, shape, warmUp: warmUp)
    }

    /// The key that has a bad value in a run of so many steps, and what is wrong with it; nil if all is well.
    func problem(steps: Int) -> (key: String, words: String)? {
        if rule == .scheduleFree, beta1 < 0.1 {
            return ("beta1", "is \(beta1); with 'rule: scheduleFree' it must be between 0.1 and 0.9999")
        }
        return cycles <= steps
            ? nil : ("cycles", "is \(cycles); it must be between 1 and the number of steps, \(steps)")
    }

    var optimizer: Optimizer {
        Optimizer(rule, beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
    }
}

public struct ValidationSettings: Codable, Hashable, Sendable {
    public enum Metric: String, Codable, Sendable { case psnr, psnrY, ssim }

    /// Steps between two validations; 0 for none.
    public var every = 1000
    /// Pictures of each source, from its beginning.
    public var pictures = 8
    /// Side of the crops.
    public var side = 256
    /// By what the best weights are chosen.
    public var metric = Metric.psnrY

    public init() {}
}

public struct CheckpointSettings: Codable, Hashable, Sendable {
    /// Steps between two checkpoints.
    public var every = 1000
    /// Steps between two lines of the log.
    public var logEvery = 50

    public init() {}
}

extension Recipe {
    /// The rules of its steps. Perceptual weights are the layers'; the network's weights are the run's business.
    public var rules: TrainingRules {
        var rules = TrainingRules(generator: generator)
        let pixel: [(PixelLoss, Float)] = [
            (.l1, losses.l1), (.squared, losses.squared), (.charbonnier, losses.charbonnier), (.msSSIM, losses.msSSIM),
            (.focalFrequency, losses.focalFrequency), (.colour, losses.colour),
        ]
        rules.pixelLosses = Dictionary(uniqueKeysWithValues: pixel.filter { $0.1 != 0 })
        if perceptual.weight != 0 {
            let layers: [(String, Float)] = [
                ("conv1_2", perceptual.conv1Layer2), ("conv2_2", perceptual.conv2Layer2),
                ("conv3_4", perceptual.conv3Layer4),
                ("conv4_4", perceptual.conv4Layer4), ("conv5_4", perceptual.conv5Layer4),
            ]
            rules.perceptualWeights = Dictionary(
                uniqueKeysWithValues: layers.filter { $0.1 != 0 }.map { ($0.0, $0.1 * perceptual.weight) })
        }
        rules.generatorOptimizer = optimizer.optimizer
        rules.generatorRate = optimizer.schedule(steps: steps)
        rules.averageDecay = optimizer.average > 0 ? optimizer.average : nil
        rules.largestNorm = optimizer.clipNorm > 0 ? optimizer.clipNorm : nil
        rules.segments = optimizer.recompute
        rules.sharpensTargets = degradation.sharpen.enabled
        if let discriminator {
            var other = AdversarialRules(discriminator: discriminator)
            (other.loss, other.weight) = (adversarial.loss, adversarial.weight)
            other.optimizer = discriminatorOptimizer.optimizer
            other.rate = discriminatorOptimizer.schedule(steps: steps)
            other.stepsPerGeneratorStep = adversarial.discriminatorSteps
            other.warmUp = adversarial.warmUp
            other.weightLimit = adversarial.clipWeights > 0 ? adversarial.clipWeights : nil
            other.lipschitzWeight = adversarial.gradientPenalty > 0 ? adversarial.gradientPenalty : nil
            other.gradientPenalty = adversarial.r1 > 0 ? adversarial.r1 : nil
            other.penaltyInterval = adversarial.r1Interval
            other.featureWeight = losses.featureMatching > 0 ? losses.featureMatching : nil
            if adversarial.augmentationTarget > 0 {
                var augmentation = Augmentation()
                augmentation.target = adversarial.augmentationTarget
                other.augmentation = augmentation
            }
            rules.adversarial = other
        }
        return rules
    }
}
