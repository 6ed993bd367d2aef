public import Network
public import Tensor

/// Takes the steps of a training run in turn: which networks, at which rates, with which penalties.
///
/// Owned by one thread at a time. Batches come from the caller; random shares from a counter-based generator.
public final class Trainer {
    /// What one step said.
    public struct Report: Sendable {
        /// Losses and norms by name ("g.l1", "d.real", …).
        public let values: [String: Float]
        /// The first value that was no finite number; the step then changed nothing.
        public let failed: String?
    }

    public let rules: TrainingRules
    public let state: any ParameterState
    /// Steps of the loop taken so far, failed ones included.
    public private(set) var step = 0
    /// Steps in a row that changed nothing.
    public private(set) var failures = 0
    /// What losses are multiplied with now, where the rules ask for that. A step that fails halves it, and counts as a
    /// failure only where it cannot become smaller.
    public private(set) var lossScale: LossScale?
    /// After so many failures in a row a run is lost.
    public static let mostFailures = 10

    private let executor: any TrainingExecutor
    private let low: Shape
    private var plans: [TrainingRules.Parts: (step: TrainingStep, plan: any Plan)] = [:]
    private var random: Philox
    private var generatorSteps = 0
    private var discriminatorSteps = 0
    private var histories = (generator: OptimizerHistory(), discriminator: OptimizerHistory())

    /// - Parameters:
    ///   - parameters: the networks' tensors with their prefixes ("g.", "d.", "vgg."). Moments begin at zero and averages
    ///     at the weights, unless they are given too.
    ///   - low: the shape of the batches that the generator reads.
    /// - Throws: `ExecutionError` when tensors are missing or misshapen, or memory is.
    public init(
        _ rules: TrainingRules, executor: any TrainingExecutor, parameters: Parameters, low: Shape, seed: UInt64 = 0
    ) throws {
        (self.rules, self.executor, self.low) = (rules, executor, low)
        random = Philox(key: seed)
        lossScale = rules.lossScale
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
    ///   - low: of the shape that the trainer was made for.
    ///   - high: its target, `scale` times as large.
    /// - Throws: `TrainingError.notFinite` after ten steps in a row that changed nothing; `ExecutionError`.
    public func step(low: HostTensor, high: HostTensor) throws -> Report {
        let parts = nextParts
        if plans[parts] == nil {
            let step = rules.step(low: self.low, parts)
            plans[parts] = (step, try executor.compile(step.graph, state: state))
        }
        let (graph, plan) = plans[parts]!
        var histories = histories
        let inputs = graph.inputNames.enumerated().map { index, name in
            switch name {
            case "low": low
            case "high": high
            case "share":
                HostTensor(plan.inputShapes[index], random.uniform(plan.inputShapes[index].count))
            case "scale":
                HostTensor([2], [lossScale!.value, 1 / lossScale!.value])
            case "g.coefficients":
                rules.generatorOptimizer.coefficients(
                    step: generatorSteps + 1, rate: rules.generatorRate.rate(at: generatorSteps),
                    history: &histories.generator)
            case "d.coefficients":
                rules.adversarial!.optimizer.coefficients(
                    step: discriminatorSteps + 1, rate: rules.adversarial!.rate.rate(at: discriminatorSteps),
                    history: &histories.discriminator)
            default: preconditionFailure("no step reads '\(name)'")
            }
        }
        let outputs = try plan.run(inputs)
        let values = Dictionary(
            uniqueKeysWithValues: zip(graph.outputNames, outputs.map { $0.values[0] }))
        let failed = graph.outputNames.first { !values[$0]!.isFinite }
        step += 1
        let isExcused = failed != nil && lossScale?.canShrink == true
        lossScale?.note(isGood: failed == nil)
        if isExcused { return Report(values: values, failed: failed) }
        if let failed {
            failures += 1
            if failures == Self.mostFailures { throw TrainingError.notFinite(loss: failed, step: step) }
        } else {
            failures = 0
            self.histories = histories
            if parts.trainsGenerator { generatorSteps += 1 }
            if parts.trainsDiscriminator { discriminatorSteps += 1 }
        }
        return Report(values: values, failed: failed)
    }
}

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
