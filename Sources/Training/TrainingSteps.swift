internal import Autodiff
public import Network
public import Tensor

/// Objectives between the generator's pictures and the targets.
public enum PixelLoss: String, Codable, Hashable, Sendable, CaseIterable {
    case l1, squared, charbonnier, msSSIM, focalFrequency, colour
}

/// What a generator is trained for, and how. The steps are graphs; `Trainer` takes turns with them.
public struct TrainingRules: Sendable {
    public var generator: any Architecture
    public var pixelLosses: [PixelLoss: Float] = [.l1: 1]
    /// Whether all losses but the adversarial one compare with a target of its own, the sharpened picture (Real-ESRGAN).
    public var sharpensTargets = false
    /// Weight of each layer, by VGG19's names; empty for no perceptual loss. The weights of `VGGFeatures` lie in the state
    /// under "vgg.".
    public var perceptualWeights: [String: Float] = [:]
    public var generatorOptimizer = Optimizer()
    public var generatorRate = Schedule(rate: 1e-4)
    /// The share of the old weights in the average of the generator; nil for no average.
    public var averageDecay: Float? = 0.999
    /// Gradients of a larger norm are shortened.
    public var largestNorm: Float?
    /// Into how many parts the generator's step is cut so that activations need not be kept: most of them are computed
    /// again on the way back, for a fraction of the memory and about a third more time. 1 keeps everything.
    public var segments = 1
    /// Where a device stores activations as half floats: the loss's factor to begin with; nil for none.
    public var lossScale: LossScale?
    /// Nil trains for the pixels alone.
    public var adversarial: AdversarialRules?

    public init(generator: any Architecture) { self.generator = generator }
}

/// The other side.
public struct AdversarialRules: Sendable {
    public var discriminator: any Discriminator
    public var loss = AdversarialLoss.nonSaturating
    /// Weight of the generator's objective.
    public var weight: Float = 0.1
    /// Weight of feature matching (Salimans et al. 2016, Wang et al. 2018): generated pictures shall look like their targets
    /// to every layer of the discriminator. Nil for none.
    public var featureWeight: Float?
    public var optimizer = Optimizer()
    public var rate = Schedule(rate: 1e-4)
    /// Steps of the discriminator for each of the generator.
    public var stepsPerGeneratorStep = 1
    /// So many steps the discriminator is trained alone first.
    public var warmUp = 0
    /// Clips the discriminator's weights: Wasserstein's first way.
    public var weightLimit: Float?
    /// WGAN-GP's weight, usually 10.
    public var lipschitzWeight: Float?
    /// R1's gamma.
    public var gradientPenalty: Float?
    /// R1 counts every so many steps, so many times as much.
    public var penaltyInterval = 16
    /// Random changes to all pictures that the discriminator sees; nil for none.
    public var augmentation: Augmentation?

    public init(discriminator: any Discriminator) { self.discriminator = discriminator }
}

extension TrainingRules {
    /// What one step does.
    public struct Parts: Hashable, Sendable {
        public var trainsGenerator: Bool
        public var trainsDiscriminator: Bool
        /// Whether R1 is part of it.
        public var penalises: Bool

        public init(trainsGenerator: Bool, trainsDiscriminator: Bool, penalises: Bool = false) {
            (self.trainsGenerator, self.trainsDiscriminator) = (trainsGenerator, trainsDiscriminator)
            self.penalises = penalises
        }
    }

    /// One step on pictures of shape `low`; targets are `scale` times as large.
    ///
    /// Both networks see each other as they were before the step. Inputs: "low", "high", "target" as `sharpensTargets`
    /// says, "share" `[N, 1, 1, 1]` with WGAN-GP, "augment.…" as `Augmentation` draws them, "scale" `[2]` (the loss's factor
    /// and its inverse) with a loss scale, and the optimisers' coefficients.
    ///
    /// Outputs, besides losses and the norms of gradients: "g.drift" and, of batches, "g.diversity"; "d.accuracy.real" and
    /// "d.accuracy.fake" (see `Monitors`).
    public func step(low shape: Shape, _ parts: Parts) -> TrainingStep {
        precondition(parts.trainsGenerator || parts.trainsDiscriminator, "a step that trains nothing")
        var builder = StepBuilder()
        if lossScale != nil { builder.scale = builder.input("scale", [2]) }
        let low = builder.input("low", shape)
        let descriptor = generator.descriptor
        let scale = descriptor.scale
        let high = builder.input(
            "high", .nhwc(shape.batch, shape.height * scale, shape.width * scale, descriptor.outputChannels))
        var draws: [String: Value] = [:]
        for (name, shape) in adversarial?.augmentation?.inputShapes(builder.b.shape(high)) ?? [] {
            draws[name] = builder.input(name, shape)
        }
        let fake = builder.scoped("g.") { b, _ in generator.build(&b, low) }
        if parts.trainsGenerator {
            let target = sharpensTargets ? builder.input("target", builder.b.shape(high)) : high
            trainGenerator(&builder, fake: fake, high: high, target: target, draws)
            watchGenerator(&builder, low: low, fake: fake, high: high, scale: scale)
        }
        if parts.trainsDiscriminator, let adversarial {
            adversarial.train(&builder, real: high, fake: builder.b.apply(.detach, fake), parts, draws)
        }
        return builder.finish()
    }

    /// Tells what nothing is trained for.
    private func watchGenerator(_ builder: inout StepBuilder, low: Value, fake: Value, high: Value, scale: Int) {
        let shape = builder.b.shape(fake)
        if builder.b.shape(low).channels == shape.channels {
            builder.report("g.drift", builder.b.drift(fake, from: low))
        }
        let factor = max(2, scale)
        if shape.batch > 1 && shape.height % factor == 0 && shape.width % factor == 0 {
            builder.report("g.diversity", builder.b.diversity(fake, high, factor: factor))
        }
    }

    private func trainGenerator(
        _ builder: inout StepBuilder, fake: Value, high: Value, target: Value, _ draws: [String: Value]
    ) {
        var sum: Value?
        func count(_ name: String, _ loss: Value, _ weight: Float) {
            builder.report("g." + name, loss)
            let weighted = builder.b.scaled(loss, weight)
            sum = sum.map { builder.b.apply(.add, $0, weighted) } ?? weighted
        }
        for loss in PixelLoss.allCases {
            guard let weight = pixelLosses[loss] else { continue }
            count(loss.rawValue, builder.b.pixelLoss(loss, fake, target), weight)
        }
        if !perceptualWeights.isEmpty {
            let layers = VGGFeatures.layerNames.filter { perceptualWeights[$0] != nil }
            let network = VGGFeatures(layers: layers)
            let (ours, theirs) = builder.scoped("vgg.") { b, _ in (network.build(&b, fake), network.build(&b, target)) }
            count("perceptual", builder.b.featureLoss(ours, theirs, weights: layers.map { perceptualWeights[$0]! }), 1)
        }
        if let adversarial {
            let looksAtReal = adversarial.loss == .relativisticAverage || adversarial.featureWeight != nil
            let real = looksAtReal ? adversarial.judge(&builder, high, draws) : nil
            let judged = adversarial.judge(&builder, fake, draws)
            count(
                "adversarial",
                builder.b.generatorLoss(adversarial.loss, fake: judged.logits, real: real?.logits),
                adversarial.weight)
            if let weight = adversarial.featureWeight, let real {
                let each = [Float](repeating: 1, count: real.features.count)
                count("features", builder.b.featureLoss(judged.features, real.features, weights: each), weight)
            }
        }
        guard let sum else { preconditionFailure("no loss to train for") }
        builder.train(
            "g.", toReduce: sum,
            StepBuilder.Rules(
                optimizer: generatorOptimizer, largestNorm: largestNorm, averageDecay: averageDecay,
                segments: segments))
    }
}

extension AdversarialRules {
    /// The discriminator's word on pictures, as they are drawn to look.
    fileprivate func judge(
        _ builder: inout StepBuilder, _ pictures: Value, _ draws: [String: Value]
    ) -> Judgement {
        let seen = builder.b.augmented(pictures, draws)
        return builder.scoped("d.") { b, buffers in discriminator.judge(&b, seen, &buffers) }
    }

    /// - Parameters:
    ///   - real, fake: pictures; no gradient goes further back.
    fileprivate func train(
        _ builder: inout StepBuilder, real: Value, fake: Value, _ parts: TrainingRules.Parts,
        _ draws: [String: Value]
    ) {
        let realLogits = judge(&builder, real, draws).logits
        let fakeLogits = judge(&builder, fake, draws).logits
        let losses = builder.b.discriminatorLoss(loss, real: realLogits, fake: fakeLogits)
        builder.report("d.real", losses.real)
        builder.report("d.fake", losses.fake)
        var sum = builder.b.apply(.add, losses.real, losses.fake)
        if let lipschitzWeight {
            let share = builder.input("share", [builder.b.shape(real).batch, 1, 1, 1])
            let between = builder.b.interpolated(real, fake, share: share)
            let logits = judge(&builder, between, draws).logits
            let penalty = builder.b.lipschitzPenalty(logits: logits, pictures: between)
            builder.report("d.lipschitz", penalty)
            sum = builder.b.apply(.add, sum, builder.b.scaled(penalty, lipschitzWeight))
        }
        if parts.penalises, let gradientPenalty {
            let penalty = builder.b.gradientPenalty(logits: realLogits, pictures: real, gamma: gradientPenalty)
            builder.report("d.r1", penalty)
            sum = builder.b.apply(.add, sum, builder.b.scaled(penalty, Float(penaltyInterval)))
        }
        builder.train(
            "d.", toReduce: sum, StepBuilder.Rules(optimizer: optimizer, weightLimit: weightLimit))
        let accuracy = builder.b.accuracy(loss, real: realLogits, fake: fakeLogits)
        builder.report("d.accuracy.real", accuracy.real)
        builder.report("d.accuracy.fake", accuracy.fake)
    }
}

extension GraphBuilder {
    mutating func pixelLoss(_ loss: PixelLoss, _ x: Value, _ y: Value) -> Value {
        switch loss {
        case .l1: l1Loss(x, y)
        case .squared: squaredLoss(x, y)
        case .charbonnier: charbonnierLoss(x, y)
        case .msSSIM: msSSIMLoss(x, y)
        case .focalFrequency: focalFrequencyLoss(x, y)
        case .colour: colourLoss(x, y)
        }
    }
}
