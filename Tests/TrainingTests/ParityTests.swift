import CPUExecutor
import FoundationEssentials
import Network
import Reference
import Tensor
import TestSupport
import Testing
import VulkanExecutor
import Weights

@testable import Training

/// Twenty steps of small recipes beside PyTorch: the same weights, the same batches. See Tests/Golden/make_training.py.
struct ParityCase: CustomStringConvertible, Sendable {
    let name: String
    let rules: TrainingRules
    /// Biases in front of a normalisation: their derivative is zero, and Adam makes steps of the rounding errors.
    var ignored: Set<String> = []
    var description: String { name }

    init(
        _ name: String, _ generator: any Architecture, ignored: Set<String> = [],
        _ change: (inout TrainingRules) -> Void
    ) {
        (self.name, self.ignored) = (name, ignored)
        var rules = TrainingRules(generator: generator)
        change(&rules)
        self.rules = rules
    }

    static let all: [ParityCase] = [
        ParityCase("psnr", SRVGGNetCompact(features: 8, convolutions: 2, upscale: 2)) {
            $0.generatorRate = Schedule(rate: 2e-4)
        },
        ParityCase("gan", RRDBNet(features: 8, growth: 4, blocks: 1)) {
            $0.perceptualWeights = ["conv1_2": 0.1, "conv2_2": 0.1]
            $0.adversarial = AdversarialRules(discriminator: UNetDiscriminatorSN(features: 4))
        },
        ParityCase("wgan-gp", SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2)) {
            let adam = Optimizer(beta1: 0.5, beta2: 0.9)
            $0.generatorOptimizer = adam
            var other = AdversarialRules(
                discriminator: PatchGAN(features: 6, layers: 2, normalisation: .none))
            (other.loss, other.weight, other.lipschitzWeight) = (.wasserstein, 1e-2, 10)
            (other.stepsPerGeneratorStep, other.optimizer) = (2, adam)
            $0.adversarial = other
        },
        ParityCase("r1", SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2)) {
            var other = AdversarialRules(discriminator: UNetDiscriminatorSN(features: 4))
            (other.gradientPenalty, other.penaltyInterval) = (10, 4)
            $0.adversarial = other
        },
        ParityCase(
            "hinge-instance", SRVGGNetCompact(features: 6, convolutions: 1, upscale: 2),
            ignored: ["weight.d.model.2.bias", "weight.d.model.5.bias"]
        ) {
            var other = AdversarialRules(
                discriminator: PatchGAN(features: 6, layers: 2, normalisation: .instance))
            other.loss = .hinge
            $0.largestNorm = 0.5
            $0.adversarial = other
        },
        ParityCase("squares-batch", SRVGGNetCompact(features: 6, convolutions: 1, upscale: 2)) {
            var other = AdversarialRules(discriminator: PatchGAN(features: 6, layers: 2, normalisation: .batch))
            other.loss = .leastSquares
            $0.adversarial = other
        },
        ParityCase("wgan-clip", SRVGGNetCompact(features: 6, convolutions: 1, upscale: 2)) {
            var other = AdversarialRules(
                discriminator: PatchGAN(features: 6, layers: 2, normalisation: .none))
            (other.loss, other.weight, other.weightLimit) = (.wasserstein, 1e-2, 0.05)
            $0.adversarial = other
        },
        matching("features-unet", UNetDiscriminatorSN(features: 4), weight: 0.5),
        matching(
            "features-patch", PatchGAN(features: 6, layers: 2, normalisation: .batch), loss: .leastSquares, weight: 0.25
        ),
        matching("features-vgg", VGGDiscriminator(features: 2, size: 64), weight: 0.25),
    ]

    private static func matching(
        _ name: String, _ discriminator: any Discriminator, loss: AdversarialLoss = .nonSaturating, weight: Float
    ) -> ParityCase {
        ParityCase(name, SRVGGNetCompact(features: 6, convolutions: 1, upscale: 2)) {
            var other = AdversarialRules(discriminator: discriminator)
            (other.loss, other.featureWeight) = (loss, weight)
            $0.adversarial = other
        }
    }

    struct Description: Decodable {
        var seed: UInt64
        var names: [String]
        var low: [Int]
    }

    /// The state's tensors as the script draws them.
    func initialParameters(_ description: Description) -> Parameters {
        let low = Shape(description.low)
        var shapes: [String: Shape] = [:]
        for trainsGenerator in [true, false] where trainsGenerator || rules.adversarial != nil {
            let step = rules.step(
                low: low,
                TrainingRules.Parts(
                    trainsGenerator: trainsGenerator, trainsDiscriminator: rules.adversarial != nil))
            for (name, shape) in step.parameters { shapes[name] = shape }
        }
        var parameters: Parameters = [:]
        for (index, name) in description.names.enumerated() {
            guard let shape = shapes[name] else { continue }
            let fanIn = shape.dimensions.dropFirst().reduce(1, *)
            let limit = shape.rank >= 2 ? Float((3 / Double(fanIn)).squareRoot()) : 0.1
            if name.hasSuffix("running_var") {
                parameters[name] = HostTensor(shape, repeating: 1)
            } else if name.hasSuffix("running_mean") {
                parameters[name] = HostTensor(shape)
            } else {
                parameters[name] = randomTensor(shape, seed: description.seed + UInt64(index), in: -limit..<limit)
            }
        }
        return parameters
    }

    /// - Parameter steps: how many of the golden steps to take; weights are compared after all of them.
    func check(_ executor: any TrainingExecutor, steps: Int = 20) throws {
        let file = try SafetensorsFile(path: "\(goldenFolder)/training-\(name).safetensors")
        let description = try JSONDecoder().decode(Description.self, from: Data(file.metadata["golden"]!.utf8))
        let low = Shape(description.low)
        let parameters = initialParameters(description)
        #expect(parameters.keys.sorted() == description.names, "the networks have the same tensors")
        let trainer = try Trainer(rules, executor: executor, parameters: parameters, seed: 77)
        let scale = rules.generator.descriptor.scale
        let high = Shape.nhwc(low.batch, low.height * scale, low.width * scale, 3)
        var expected: [String: [Float]] = [:]
        for name in file.entries.keys where name.hasPrefix("loss.") {
            expected[String(name.dropFirst(5))] = try file.tensor(name).values
        }
        var worst: (Float, String) = (0, "nothing")
        for step in 0..<steps {
            let report = try trainer.step(
                low: randomTensor(low, seed: UInt64(9000 + step), in: 0..<1),
                high: randomTensor(high, seed: UInt64(9500 + step), in: 0..<1))
            #expect(report.failed == nil)
            let due = expected.filter { !$0.value[step].isNaN }
            #expect(report.values.keys.sorted() == due.keys.sorted(), "step \(step)")
            for (name, values) in due {
                guard let found = report.values[name] else { continue }
                // Shares of logits on one side of a border jump when one is very near to it.
                let slack: Float = name.hasPrefix("d.accuracy") ? 0.05 : 1
                let difference = slack * abs(found - values[step]) / max(abs(values[step]), 1e-2)
                if difference > worst.0 || difference.isNaN { worst = (difference, "\(name) in step \(step)") }
            }
        }
        #expect(worst.0 < 1e-3, "\(worst.1)")
        guard steps == 20 else { return }
        var worstWeight: (Float, String) = (0, "nothing")
        for name in file.entries.keys.sorted() where name.hasPrefix("weight.") && !ignored.contains(name) {
            let right = try file.tensor(name)
            let found = try trainer.state.read(String(name.dropFirst(7)))
            let size = right.values.reduce(1e-3) { max($0, abs($1)) }
            let difference = largestDifference(found, right) / size
            if difference > worstWeight.0 { worstWeight = (difference, name) }
        }
        #expect(worstWeight.0 < 1e-3, "\(worstWeight.1)")
        print("\(name) on \(executor.name): losses within \(worst), weights within \(worstWeight)")
    }
}

@Suite struct ParityTests {
    @Test(arguments: ParityCase.all)
    func cpu(_ test: ParityCase) throws { try test.check(CPUExecutor(threads: 2)) }

    /// On a device: the GPU if there is one, else the software driver.
    @Test(.serialized, arguments: ParityCase.all)
    func vulkan(_ test: ParityCase) throws {
        let executor = try sharedVulkan.get()
        try test.check(executor)
        #expect(executor.validationMessages.first == nil)
    }

    @Test(arguments: ParityCase.all.filter { $0.name != "gan" })
    func reference(_ test: ParityCase) throws { try test.check(ReferenceExecutor(), steps: 5) }
}
