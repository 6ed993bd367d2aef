import CPUExecutor
import Network
import Reference
import Tensor
import TestSupport
import Testing
import VulkanExecutor

@testable import Training

/// The first device of this machine, with validation and synchronisation checks. Made once, so that kernels are compiled
/// once.
let sharedVulkan = Result {
    try VulkanExecutor(precision: .fp32, allowSoftware: true, validation: true, cacheDirectory: nil)
}

@Suite struct TrainerTests {
    private func parameters(_ rules: TrainingRules, low: Shape) -> Parameters {
        let step = rules.step(
            low: low,
            TrainingRules.Parts(trainsGenerator: true, trainsDiscriminator: rules.adversarial != nil))
        var parameters: Parameters = [:]
        for (index, (name, shape)) in step.parameters.enumerated()
        where name.hasPrefix("g.") || name.hasPrefix("d.") {
            parameters[name] = randomTensor(shape, seed: UInt64(index), in: -0.2..<0.2)
        }
        return parameters
    }

    private let low = Shape.nhwc(1, 8, 8, 3)

    private func rules(_ change: (inout AdversarialRules) -> Void) -> TrainingRules {
        var rules = TrainingRules(generator: SRVGGNetCompact(features: 4, convolutions: 1, upscale: 2))
        var other = AdversarialRules(discriminator: UNetDiscriminatorSN(features: 2))
        change(&other)
        rules.adversarial = other
        return rules
    }

    /// Warm-up, several discriminator steps for each of the generator, and lazy penalties take the turns that they should.
    @Test func turns() throws {
        let rules = rules {
            ($0.warmUp, $0.stepsPerGeneratorStep) = (3, 2)
            ($0.gradientPenalty, $0.penaltyInterval) = (1, 4)
        }
        let trainer = try Trainer(
            rules, executor: CPUExecutor(threads: 2), parameters: parameters(rules, low: low), low: low)
        var trained: [Bool] = []
        var penalised: [Bool] = []
        for step in 0..<8 {
            let before = trainer.state.read("g.body.0.weight")
            let report = try trainer.step(
                low: randomTensor(low, seed: UInt64(step), in: 0..<1),
                high: randomTensor(.nhwc(1, 16, 16, 3), seed: UInt64(50 + step), in: 0..<1))
            trained.append(report.values["g.l1"] != nil)
            penalised.append(report.values["d.r1"] != nil)
            #expect((trainer.state.read("g.body.0.weight") != before) == trained.last!)
        }
        #expect(trained == [false, false, false, true, false, true, false, true])
        #expect(penalised == [true, false, false, false, true, false, false, false])
    }

    /// The adversarial gradient reaches the generator; spectral norm's vectors move; the average follows.
    @Test func everythingMoves() throws {
        var rules = rules { $0.weight = 1 }
        rules.pixelLosses = [:]
        let start = parameters(rules, low: low)
        let trainer = try Trainer(rules, executor: CPUExecutor(threads: 2), parameters: start, low: low)
        _ = try trainer.step(
            low: randomTensor(low, seed: 1, in: 0..<1), high: randomTensor(.nhwc(1, 16, 16, 3), seed: 2, in: 0..<1))
        for (name, tensor) in start {
            #expect(trainer.state.read(name) != tensor, "\(name) did not move")
            if name.hasPrefix("g.") { #expect(trainer.state.read("ema." + name) != tensor, "the average of \(name)") }
        }
    }

    /// A batch that gives no finite loss changes nothing and is named; the tenth in a row ends the run.
    @Test func notANumber() throws {
        let executors: [any TrainingExecutor] = [CPUExecutor(threads: 2), ReferenceExecutor(), try sharedVulkan.get()]
        for executor in executors {
            let rules = rules { _ in }
            let trainer = try Trainer(rules, executor: executor, parameters: parameters(rules, low: low), low: low)
            let high = Shape.nhwc(1, 16, 16, 3)
            let good = (low: randomTensor(low, seed: 1, in: 0..<1), high: randomTensor(high, seed: 2, in: 0..<1))
            _ = try trainer.step(low: good.low, high: good.high)
            let before = trainer.state.tensors
            for _ in 0..<9 {
                let report = try trainer.step(low: good.low, high: HostTensor(high, repeating: .infinity))
                #expect(report.failed == "g.l1")
            }
            #expect(trainer.state.tensors == before)
            #expect(try trainer.step(low: good.low, high: good.high).failed == nil && trainer.failures == 0)
            for _ in 0..<9 { _ = try trainer.step(low: HostTensor(low, repeating: .nan), high: good.high) }
            #expect {
                _ = try trainer.step(low: HostTensor(low, repeating: .nan), high: good.high)
            } throws: { "\($0)".contains("'g.l1'") && "\($0)".contains("lower the learning rate") }
        }
    }

    /// Published sizes, and that every discriminator has a derivative with respect to its input.
    @Test func discriminators() {
        func parameters(_ network: some Discriminator, _ side: Int) -> Int {
            var b = GraphBuilder()
            let x = b.input("x", .nhwc(1, side, side, 3))
            var buffers = NetworkBuffers(isTraining: true)
            _ = network.build(&b, x, &buffers)
            return b.allParameters.filter { !buffers.names.contains($0.name) }
                .reduce(0) { $0 + b.shape($1.value).count }
        }
        #expect(parameters(UNetDiscriminatorSN(), 64) == 4_376_897)
        #expect(parameters(PatchGAN(), 64) == 2_764_737)
        #expect(parameters(VGGDiscriminator(), 128) == 14_499_401)
        #expect(VGGFeatures.layerNames.count == 16)
    }
}
