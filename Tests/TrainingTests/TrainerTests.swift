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
            rules, executor: CPUExecutor(threads: 2), parameters: parameters(rules, low: low))
        var trained: [Bool] = []
        var penalised: [Bool] = []
        for step in 0..<8 {
            let before = try trainer.state.read("g.body.0.weight")
            let report = try trainer.step(
                low: randomTensor(low, seed: UInt64(step), in: 0..<1),
                high: randomTensor(.nhwc(1, 16, 16, 3), seed: UInt64(50 + step), in: 0..<1))
            trained.append(report.values["g.l1"] != nil)
            penalised.append(report.values["d.r1"] != nil)
            #expect(try (trainer.state.read("g.body.0.weight") != before) == trained.last!)
        }
        #expect(trained == [false, false, false, true, false, true, false, true])
        #expect(penalised == [true, false, false, false, true, false, false, false])
    }

    /// The adversarial gradient reaches the generator; spectral norm's vectors move; the average follows.
    @Test func everythingMoves() throws {
        var rules = rules { $0.weight = 1 }
        rules.pixelLosses = [:]
        let start = parameters(rules, low: low)
        let trainer = try Trainer(rules, executor: CPUExecutor(threads: 2), parameters: start)
        _ = try trainer.step(
            low: randomTensor(low, seed: 1, in: 0..<1), high: randomTensor(.nhwc(1, 16, 16, 3), seed: 2, in: 0..<1))
        for (name, tensor) in start {
            #expect(try trainer.state.read(name) != tensor, "\(name) did not move")
            if name.hasPrefix("g.") {
                #expect(try trainer.state.read("ema." + name) != tensor, "the average of \(name)")
            }
        }
    }

    /// A batch that gives no finite loss changes nothing and is named; the tenth in a row ends the run.
    @Test func notANumber() throws {
        let executors: [any TrainingExecutor] = [CPUExecutor(threads: 2), ReferenceExecutor(), try sharedVulkan.get()]
        for executor in executors {
            let rules = rules { _ in }
            let trainer = try Trainer(rules, executor: executor, parameters: parameters(rules, low: low))
            let high = Shape.nhwc(1, 16, 16, 3)
            let good = (low: randomTensor(low, seed: 1, in: 0..<1), high: randomTensor(high, seed: 2, in: 0..<1))
            _ = try trainer.step(low: good.low, high: good.high)
            let before = try trainer.state.tensors
            for _ in 0..<9 {
                let report = try trainer.step(low: good.low, high: HostTensor(high, repeating: .infinity))
                #expect(report.failed == "g.l1")
            }
            #expect(try trainer.state.tensors == before)
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

/// Losses that are multiplied while they are differentiated.
@Suite struct LossScaleTests {
    private let low = Shape.nhwc(1, 8, 8, 3)

    private func rules() -> TrainingRules {
        var rules = TrainingRules(generator: SRVGGNetCompact(features: 8, convolutions: 2, upscale: 2))
        rules.generatorRate = Schedule(rate: 1e-3)
        return rules
    }

    private func parameters(_ rules: TrainingRules) -> Parameters {
        let step = rules.step(
            low: low, TrainingRules.Parts(trainsGenerator: true, trainsDiscriminator: false))
        var parameters: Parameters = [:]
        for (index, (name, shape)) in step.parameters.enumerated() where name.hasPrefix("g.") {
            parameters[name] = randomTensor(shape, seed: UInt64(index), in: -0.2..<0.2)
        }
        return parameters
    }

    private func batch(_ step: Int) -> (low: HostTensor, high: HostTensor) {
        (
            randomTensor(low, seed: UInt64(step), in: 0..<1),
            randomTensor(.nhwc(1, 16, 16, 3), seed: UInt64(50 + step), in: 0..<1)
        )
    }

    @Test func doublesAndHalves() {
        var scale = LossScale(4, interval: 3)
        for _ in 0..<3 { scale.note(isGood: true) }
        #expect(scale.value == 8)
        for _ in 0..<2 { scale.note(isGood: true) }
        scale.note(isGood: false)
        #expect(scale.value == 4 && scale.canShrink)
        for _ in 0..<2 { scale.note(isGood: true) }
        #expect(scale.value == 4, "good steps before the bad one do not count")
        for _ in 0..<9 { scale.note(isGood: false) }
        #expect(scale.value == 1 && !scale.canShrink)
        for _ in 0..<300 { scale.note(isGood: true) }
        #expect(scale.value == 16_777_216)
    }

    /// Powers of two change no bit of a step in single precision.
    @Test func changesNothingInSinglePrecision() throws {
        let plain = rules()
        var scaled = plain
        scaled.lossScale = LossScale(1024, interval: 2)
        let executors: [any TrainingExecutor] = [CPUExecutor(threads: 2), try sharedVulkan.get()]
        for executor in executors {
            let trainers = try [plain, scaled].map {
                try Trainer($0, executor: executor, parameters: parameters($0))
            }
            for step in 0..<4 {
                let (low, high) = batch(step)
                for trainer in trainers { #expect(try trainer.step(low: low, high: high).failed == nil) }
            }
            #expect(trainers[1].progress.lossScale?.value == 4096)
            for name in trainers[0].state.names {
                let difference = try largestDifference(trainers[0].state.read(name), trainers[1].state.read(name))
                #expect(difference < 1e-6, "\(name) on \(executor.name)")
            }
        }
    }

    /// A scale that is too large for half floats is found out, and the run goes on; what really is no number is not
    /// excused for ever.
    @Test func shrinksUntilItFits() throws {
        var rules = rules()
        rules.lossScale = LossScale(16_777_216, interval: 100)
        rules.pixelLosses = [.squared: 1]
        let executor = try VulkanExecutor(
            precision: .fp16, allowSoftware: true, validation: true, cacheDirectory: nil)
        let trainer = try Trainer(rules, executor: executor, parameters: parameters(rules))
        let (low, high) = batch(1)
        // Far away: gradients of the order of the scale times 2 * 500 / 768 for each number.
        let far = HostTensor(high.shape, high.values.map { $0 * 1000 })
        let before = try trainer.state.tensors
        var failed: [String] = []
        while let name = try trainer.step(low: low, high: far).failed {
            failed.append(name)
            #expect(try trainer.state.tensors == before && trainer.failures == 0)
        }
        #expect(failed.count > 3 && failed.allSatisfy { $0 == "g.norm" })
        #expect(trainer.progress.lossScale!.value == 16_777_216 / Float(1 << failed.count))
        #expect(try trainer.state.tensors != before)

        let poisoned = HostTensor(high.shape, repeating: .nan)
        while trainer.progress.lossScale!.value > 1 { _ = try trainer.step(low: low, high: poisoned) }
        #expect(trainer.failures == 0)
        #expect(try trainer.step(low: low, high: poisoned).failed == "g.squared" && trainer.failures == 1)
        #expect(executor.validationMessages.first == nil)
    }

    /// Twenty steps with activations in half floats stay near those in single precision; in less memory.
    @Test func halfFloatsFollowSinglePrecision() throws {
        var rules = rules()
        rules.lossScale = LossScale()
        let half = try VulkanExecutor(precision: .fp16, allowSoftware: true, validation: true, cacheDirectory: nil)
        let trainers = try [half, try sharedVulkan.get()].map {
            try Trainer(rules, executor: $0, parameters: parameters(rules))
        }
        var losses: [[Float]] = [[], []]
        for _ in 0..<20 {
            let (low, high) = batch(1)
            for (index, trainer) in trainers.enumerated() {
                let report = try trainer.step(low: low, high: high)
                #expect(report.failed == nil)
                losses[index].append(report.values["g.l1"]!)
            }
        }
        #expect(losses[0] != losses[1], "half floats are used")
        for (found, expected) in zip(losses[0], losses[1]) { #expect(abs(found - expected) < 0.01 * expected) }
        #expect(losses[0].last! < losses[0][0] * 0.9, "it learns")
        #expect(half.validationMessages.first == nil)

        // Where activations are most of the memory, it is about half.
        var large = rules
        large.generator = SRVGGNetCompact(features: 32, convolutions: 6, upscale: 2)
        let parts = TrainingRules.Parts(trainsGenerator: true, trainsDiscriminator: false)
        let graph = large.step(low: .nhwc(1, 64, 64, 3), parts).graph
        let bytes = try [half, try sharedVulkan.get()].map { executor in
            let state = try executor.makeState(randomParameters(graph, seed: 1))
            return try executor.compile(graph, state: state).memoryBytes
        }
        #expect(bytes[0] * 10 < bytes[1] * 7, "\(bytes[0] >> 10) KiB instead of \(bytes[1] >> 10)")
    }
}
