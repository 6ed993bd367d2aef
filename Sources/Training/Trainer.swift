public import Network
public import Tensor

/// Takes the steps of a training run in turn: which networks, at which rates, with which penalties.
///
/// Owned by one thread at a time. Batches come from the caller; random numbers from a counter-based generator.
public final class Trainer {
    /// What one step said.
    public struct Report: Sendable {
        /// Losses and norms by name ("g.l1", "d.real", …).
        public let values: [String: Float]
        /// The first value that was no finite number; the step then changed nothing.
        public let failed: String?
    }

    /// All that changes from step to step besides the state's tensors; a run that is resumed needs both.
    public struct Progress: Codable, Hashable, Sendable {
        /// Steps of the loop taken so far, failed ones included.
        public var step = 0
        /// Steps in a row that changed nothing.
        public var failures = 0
        public var generatorSteps = 0
        public var discriminatorSteps = 0
        public var generatorHistory = OptimizerHistory()
        public var discriminatorHistory = OptimizerHistory()
        /// Of the generator of random numbers.
        public var randomCounter: UInt64 = 0
        /// How likely the discriminator's pictures are changed, where the rules ask for that.
        public var augmentation: AugmentationController?
        /// What losses are multiplied with now, where the rules ask for that. A step that fails halves it, and counts as a
        /// failure only where it cannot become smaller.
        public var lossScale: LossScale?

        public init() {}
    }

    public let rules: TrainingRules
    public let state: any ParameterState
    public private(set) var progress: Progress
    public var step: Int { progress.step }
    public var failures: Int { progress.failures }
    /// After so many failures in a row a run is lost.
    public static let mostFailures = 10

    private let executor: any TrainingExecutor
    private let seed: UInt64
    private var plans: [TrainingRules.Parts: (step: TrainingStep, plan: any Plan)] = [:]
    /// The shape of the low pictures that the plans are for.
    private var planned: Shape?

    /// - Parameters:
    ///   - parameters: the networks' tensors with their prefixes ("g.", "d.", "vgg."). Moments begin at zero and averages
    ///     at the weights, unless they are given too.
    ///   - resuming: where an earlier trainer of the same rules and seed was when `parameters` were its state's tensors.
    /// - Throws: `ExecutionError` when tensors are missing or misshapen, or memory is.
    public init(
        _ rules: TrainingRules, executor: any TrainingExecutor, parameters: Parameters, seed: UInt64 = 0,
        resuming progress: Progress = Progress()
    ) throws {
        (self.rules, self.executor, self.seed, self.progress) = (rules, executor, seed, progress)
        if progress.augmentation == nil {
            self.progress.augmentation = rules.adversarial?.augmentation.map(AugmentationController.init)
        }
        if progress.lossScale == nil { self.progress.lossScale = rules.lossScale }
        var all = parameters
        let trained = parameters.filter { $0.key.hasPrefix("g.") }
        all.merge(rules.generatorOptimizer.initialMoments(trained)) { old, _ in old }
        if rules.averageDecay != nil {
            for (name, tensor) in trained where all["ema." + name] == nil { all["ema." + name] = tensor }
        }
        if let adversarial = rules.adversarial {
            let judges = parameters.filter { $0.key.hasPrefix("d.") }
            all.merge(adversarial.optimizer.initialMoments(judges)) { old, _ in old }
        }
        state = try executor.makeState(all)
    }

    /// Bytes that the plans of all kinds of steps so far hold, the state counted in each.
    public var memoryBytes: Int { plans.values.reduce(0) { $0 + $1.plan.memoryBytes } }

    /// What the steps of the plans did in their latest runs, and for how many milliseconds; empty where the executor
    /// does not say.
    public var timings: [(name: String, milliseconds: Double)] {
        plans.values.flatMap { ($0.plan as? any TimedPlan)?.stepTimings ?? [] }
    }

    /// What the next step trains.
    var nextParts: TrainingRules.Parts {
        guard let adversarial = rules.adversarial else {
            return TrainingRules.Parts(trainsGenerator: true, trainsDiscriminator: false)
        }
        let after = step - adversarial.warmUp
        let trainsGenerator = after >= 0 && after % adversarial.stepsPerGeneratorStep == 0
        let penalises = adversarial.gradientPenalty != nil && step % adversarial.penaltyInterval == 0
        return TrainingRules.Parts(
            trainsGenerator: trainsGenerator, trainsDiscriminator: true, penalises: penalises)
    }

    /// Trains on one batch.
    ///
    /// - Parameters:
    ///   - low: `[N, h, w, C]`. Another shape than the last one's means other plans, which take a moment to make.
    ///   - high: what it should become, `scale` times as large.
    ///   - target: what losses other than the adversarial one compare with, where the rules ask for one
    ///     (`sharpensTargets`); `high` if nil.
    /// - Throws: `TrainingError.notFinite` after ten steps in a row that changed nothing; `ExecutionError`.
    public func step(low: HostTensor, high: HostTensor, target: HostTensor? = nil) throws -> Report {
        let parts = nextParts
        let (graph, plan) = try plan(parts, low.shape)
        var next = progress
        var random = Philox(key: seed, counter: progress.randomCounter)
        let drawn = progress.augmentation?.inputs(shape: high.shape, random: &random) ?? [:]
        let inputs = graph.inputNames.enumerated().map { index, name in
            switch name {
            case "low": low
            case "high": high
            case "target": target ?? high
            case "share":
                HostTensor(plan.inputShapes[index], random.uniform(plan.inputShapes[index].count))
            case "scale":
                HostTensor([2], [progress.lossScale!.value, 1 / progress.lossScale!.value])
            case "g.coefficients":
                rules.generatorOptimizer.coefficients(
                    step: next.generatorSteps + 1, rate: rules.generatorRate.rate(at: next.generatorSteps),
                    history: &next.generatorHistory)
            case "d.coefficients":
                rules.adversarial!.optimizer.coefficients(
                    step: next.discriminatorSteps + 1,
                    rate: rules.adversarial!.rate.rate(at: next.discriminatorSteps),
                    history: &next.discriminatorHistory)
            default: drawn[name] ?? unknown(name)
            }
        }
        let outputs = try plan.run(inputs)
        let values = Dictionary(
            uniqueKeysWithValues: zip(graph.outputNames, outputs.map { $0.values[0] }))
        let failed = graph.outputNames.first { !values[$0]!.isFinite }
        let isExcused = failed != nil && progress.lossScale?.canShrink == true
        if failed == nil {
            progress = next
            progress.failures = 0
            if let accuracy = values["d.accuracy.real"] {
                progress.augmentation?.record(accuracy: accuracy, pictures: high.shape.batch)
            }
            if parts.trainsGenerator { progress.generatorSteps += 1 }
            if parts.trainsDiscriminator { progress.discriminatorSteps += 1 }
        } else if !isExcused {
            progress.failures += 1
        }
        progress.lossScale?.note(isGood: failed == nil)
        progress.step += 1
        progress.randomCounter = random.counter
        if let failed, !isExcused, failures == Self.mostFailures {
            throw TrainingError.notFinite(loss: failed, step: step)
        }
        return Report(values: values, failed: failed)
    }

    /// Plans are kept for one shape: crops that grow do not come back.
    private func plan(_ parts: TrainingRules.Parts, _ low: Shape) throws -> (step: TrainingStep, plan: any Plan) {
        if planned != low {
            plans = [:]
            planned = low
        }
        if let plan = plans[parts] { return plan }
        let step = rules.step(low: low, parts)
        let made = (step: step, plan: try executor.compile(step.graph, state: state))
        plans[parts] = made
        return made
    }

    /// The generator to test and to keep, under its own names: the moving average where there is one, else what its
    /// optimiser says. Reads the state, and blocks meanwhile.
    ///
    /// - Throws: what the device reports; its parameters are lost with it.
    public func generatorParameters() throws(ExecutionError) -> Parameters {
        var result: Parameters = [:]
        for name in state.names where name.hasPrefix("g.") {
            let key = String(name.dropFirst(2))
            if rules.averageDecay != nil {
                result[key] = try state.read("ema." + name)
            } else if rules.generatorOptimizer.rule == .scheduleFree {
                let tensors = [name: try state.read(name), "free.z." + name: try state.read("free.z." + name)]
                result[key] = rules.generatorOptimizer.averaged(name, in: tensors)
            } else {
                result[key] = try state.read(name)
            }
        }
        return result
    }
}

private func unknown(_ input: String) -> HostTensor { preconditionFailure("no step reads '\(input)'") }

/// What a caller of training cannot foresee.
public enum TrainingError: Error, CustomStringConvertible {
    case notFinite(loss: String, step: Int)

    public var description: String {
        switch self {
        case .notFinite(let loss, let step):
            "'\(loss)' was no finite number in \(Trainer.mostFailures) steps in a row, the last being step \(step): "
                + "lower the learning rate, or shorten gradients"
        }
    }
}
