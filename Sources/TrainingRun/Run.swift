internal import Catalogue
internal import Datasets
internal import Degradation
internal import FoundationEssentials
public import Network
internal import RunRecords
internal import Synchronization
internal import Tensor
internal import Training
internal import Weights

/// How far a run is.
public struct TrainingProgress: Sendable {
    /// Steps taken, and in all.
    public var step: Int
    public var steps: Int
    /// Steps a second of this session, and what is left at that rate.
    public var stepsPerSecond: Double
    public var remainingSeconds: Double
    /// Losses since the last line of the log, in the mean.
    public var losses: [String: Float]
    /// Of the latest validation; empty before it.
    public var validation: [String: Float]
    /// The share of this session's time in which training waited for data.
    public var waitedShare: Double
}

public struct TrainingSummary: Sendable {
    public var step: Int
    public var steps: Int
    public var interrupted: Bool
    public var best: Double?
    public var bestStep: Int?
    public var seconds: Double
    public var waitedShare: Double
    /// Where the weights lie: the best ones where there is a validation.
    public var model: String
    public var report: String
}

/// One run of a recipe, in a folder. Owned by one thread; `interrupt` may be called from any.
public final class TrainingRun {
    public let recipe: Recipe
    public let dataSummary: String
    private let executor: any TrainingExecutor
    private let folder: RunFolder
    private let trainer: Trainer
    private let maker: SampleMaker
    private let crops: CropSchedule
    private let validation: Validation
    private let interrupted = Atomic(false)
    private let note: (String) -> Void

    private let log: RunLog
    private let events: TensorBoardWriter
    /// Seconds of earlier sessions.
    private let earlierSeconds: Double
    private let earlierWaited: Double
    private var monitor: BalanceMonitor
    private var warnings: [String] = []
    private var best: Double?
    private var bestStep: Int?
    private var latestValidation: [String: Float] = [:]
    private var sums: [String: (sum: Double, count: Int)] = [:]
    private var clock = ContinuousClock.now
    private var loader: Loader<TrainingBatch>?

    /// Opens data, networks and the folder, and compiles nothing yet. Blocks while headers are read.
    ///
    /// - Parameters:
    ///   - folder: made where there is none.
    ///   - resume: goes on from the folder's checkpoint; without it a folder that holds a run is refused.
    ///   - scalesLoss: for devices that store activations as half floats.
    ///   - note: told what a person should know: warnings, what was found. Called on this thread.
    /// - Throws: `TrainingRunError`, `DatasetError`, `WeightError`, `CatalogueError`, `MemoryShortage`, `ExecutionError`:
    ///   all before anything is written but the folder itself.
    public init(
        _ recipe: Recipe, executor: any TrainingExecutor, folder path: String, resume: Bool = false,
        scalesLoss: Bool = false, note: @escaping (String) -> Void = { _ in }
    ) throws {
        (self.recipe, self.executor, self.note) = (recipe, executor, note)
        var rules = recipe.rules
        if scalesLoss { rules.lossScale = LossScale() }
        let scale = recipe.generator.descriptor.scale
        // What can be wrong with data is found first: it takes longest to mend.
        let source = try recipe.data.openTraining(scale: scale)
        dataSummary = source.summary
        try TrainingEstimate(recipe).check(processorComputes: !(executor is any MemoryBoundExecutor))
        maker = SampleMaker(
            source: source, degrader: Degrader(recipe.degradation, scale: scale), scale: scale, seed: recipe.seed)
        crops = try recipe.cropSchedule
        validation = try Validation(recipe, scale: scale)
        let networks = try StartingNetworks(recipe, note: note)

        folder = try RunFolder(path, resume: resume)
        let generatorName = description(of: recipe.generator, name: type(of: recipe.generator).name)
        let discriminatorName = recipe.discriminator.map { description(of: $0, name: type(of: $0).name) }
        var start = Trainer.Progress()
        var parameters = networks.parameters
        monitor = BalanceMonitor()
        if resume {
            let checkpoint = try Checkpoint(path: folder.checkpoint)
            let counts = checkpoint.counts
            guard counts.generator == generatorName else {
                throw TrainingRunError.otherNetwork(
                    path: folder.checkpoint, role: "generator", found: counts.generator, expected: generatorName)
            }
            guard counts.discriminator == discriminatorName else {
                throw TrainingRunError.otherNetwork(
                    path: folder.checkpoint, role: "discriminator", found: counts.discriminator ?? "absent",
                    expected: discriminatorName ?? "absent")
            }
            guard counts.trainer.step < recipe.steps else {
                throw TrainingRunError.alreadyFinished(
                    path: folder.path, step: counts.trainer.step, steps: recipe.steps)
            }
            start = counts.trainer
            (best, bestStep, monitor) = (counts.best, counts.bestStep, counts.monitor)
            parameters.merge(checkpoint.tensors) { _, stored in stored }
        }
        trainer = try Trainer(rules, executor: executor, parameters: parameters, seed: recipe.seed, resuming: start)
        // What a person wrote there stays as long as it says the same.
        if (try? Recipe(path: folder.recipe))?.digest != recipe.digest { try folder.write(recipe: recipe.yaml) }
        log = try RunLog(path: folder.log, after: resume ? start.step : nil)
        events = try TensorBoardWriter(folder: folder.path, resumedAt: resume ? start.step : nil)
        let before = try RunLog.read(path: folder.log).last
        (earlierSeconds, earlierWaited) = (before?.seconds ?? 0, before?.waited ?? 0)
    }

    /// Asks the run to stop after the step that it is in; it then saves first.
    public func interrupt() { interrupted.store(true, ordering: .relaxed) }

    /// Trains until the recipe's steps are taken or somebody interrupts. Blocks.
    ///
    /// - Parameter progress: called after every step, on this thread.
    /// - Throws: `TrainingError.notFinite`, `ExecutionError`, `DatasetError`, or what writing files throws. The last
    ///   checkpoint is then as it was.
    public func run(progress: (TrainingProgress) -> Void = { _ in }) throws -> TrainingSummary {
        clock = .now
        let loader = Loader(
            batches: trainer.step, threads: recipe.data.threads, depth: recipe.data.ahead,
            make: { [maker, crops, count = recipe.data.batch] number in
                try maker.batch(number, count: count, side: crops.side(at: number))
            })
        self.loader = loader
        defer { loader.cancel() }
        let firstStep = trainer.step
        while trainer.step < recipe.steps, !interrupted.load(ordering: .relaxed) {
            let batch = try loader.next()
            let report = try trainer.step(low: batch.low, high: batch.high, target: batch.sharpened)
            try record(report)
            let step = trainer.step
            let isLast = step == recipe.steps
            let validates =
                !validation.isEmpty && recipe.validation.every > 0 && (step % recipe.validation.every == 0 || isLast)
            if validates { try validate() }
            if step % recipe.checkpoint.logEvery == 0 || validates || isLast { try writeLog() }
            if step % recipe.checkpoint.every == 0 && !isLast { try save() }
            let rate = Double(step - firstStep) / seconds
            progress(
                TrainingProgress(
                    step: step, steps: recipe.steps, stepsPerSecond: rate,
                    remainingSeconds: Double(recipe.steps - step) / rate, losses: means, validation: latestValidation,
                    waitedShare: loader.waitedSeconds / seconds))
        }
        if !sums.isEmpty { try writeLog() }
        try save()
        try writeReport()
        return TrainingSummary(
            step: trainer.step, steps: recipe.steps, interrupted: trainer.step < recipe.steps, best: best,
            bestStep: bestStep, seconds: seconds, waitedShare: loader.waitedSeconds / max(seconds, 1e-9),
            model: best == nil ? folder.last : folder.best, report: folder.report)
    }

    /// Of this session.
    private var seconds: Double {
        let (seconds, rest) = (ContinuousClock.now - clock).components
        return Double(seconds) + Double(rest) * 1e-18
    }

    // MARK: What is told

    private func record(_ report: Trainer.Report) throws {
        if let failed = report.failed {
            warn("step \(trainer.step): '\(failed)' was no finite number; the step changed nothing")
            return
        }
        for (name, value) in report.values {
            let before = sums[name] ?? (0, 0)
            sums[name] = (before.sum + Double(value), before.count + 1)
        }
        for warning in monitor.record(report.values) { warn("step \(trainer.step): \(warning.text)") }
    }

    private func warn(_ text: String) {
        warnings.append(text)
        note(text)
    }

    private var means: [String: Float] { sums.mapValues { Float($0.sum / Double($0.count)) } }

    private func writeLog() throws {
        let losses = means
        sums = [:]
        let rate = recipe.optimizer.schedule(steps: recipe.steps).rate(at: max(0, trainer.progress.generatorSteps - 1))
        let isValidated = trainer.step == validatedStep
        try log.append(
            RunRecord(
                step: trainer.step, losses: losses, validation: isValidated ? latestValidation : [:],
                seconds: earlierSeconds + seconds, rate: rate, waited: earlierWaited + (loader?.waitedSeconds ?? 0)))
        try log.flush()
        var scalars = losses
        scalars["rate"] = Float(rate)
        if isValidated { for (name, value) in latestValidation { scalars["validation/" + name] = value } }
        try events.add(scalars, step: trainer.step)
        try events.flush()
    }

    // MARK: Validation

    private var validatedStep = -1

    private func validate() throws {
        let parameters = try trainer.generatorParameters()
        let (values, strip) = try validation.measure(recipe.generator, parameters, on: executor)
        (latestValidation, validatedStep) = (values, trainer.step)
        let png = try folder.write(strip: strip, step: trainer.step)
        try events.add(picture: png, "validation", step: trainer.step)
        let value = Double(values[recipe.validation.metric.rawValue]!)
        if value > best ?? -.infinity {
            (best, bestStep) = (value, trainer.step)
            try model(parameters, validated: values).save(path: folder.best)
        }
    }

    private func model(_ parameters: Parameters, validated: [String: Float]) -> Model {
        Model(
            architecture: recipe.generator, parameters: parameters,
            metadata: ModelMetadata(
                provenance: ModelMetadata.Provenance(name: recipe.name, source: "upframe train"),
                training: ModelMetadata.Training(
                    recipeHash: recipe.digest, iterations: trainer.step, dataset: dataSummary,
                    metrics: validated.isEmpty ? nil : validated.mapValues(Double.init))))
    }

    // MARK: Files

    private func save() throws {
        try model(trainer.generatorParameters(), validated: validatedStep == trainer.step ? latestValidation : [:])
            .save(path: folder.last)
        // The checkpoint last: it says that all before it is there.
        try Checkpoint(
            counts: Checkpoint.Counts(
                generator: description(of: recipe.generator, name: type(of: recipe.generator).name),
                discriminator: recipe.discriminator.map { description(of: $0, name: type(of: $0).name) },
                trainer: trainer.progress, monitor: monitor, best: best, bestStep: bestStep),
            tensors: trainer.state.tensors.filter { !$0.key.hasPrefix("vgg.") }
        ).write(path: folder.checkpoint)
    }

    private func writeReport() throws {
        let records = try RunLog.read(path: folder.log)
        var report = RunReport(
            title: recipe.name,
            lead: "\(type(of: recipe.generator).name) x\(recipe.generator.descriptor.scale), trained by upframe",
            records: records)
        // Not every strip: a report should load at once.
        let steps = records.filter { !$0.validation.isEmpty }.map(\.step)
        let stride = max(1, (steps.count + 5) / 6)
        let chosen = steps.enumerated().filter { ($0.offset + 1) % stride == 0 || $0.offset == steps.count - 1 }
        report.strips = folder.strips(of: chosen.map(\.element))
        report.recipe = recipe.yaml
        report.facts = [
            ("Parameters", "\(recipe.generator.parameterShapes.reduce(0) { $0 + $1.shape.count })"),
            ("Data", dataSummary), ("Device", executor.name),
        ]
        if let best, let bestStep {
            report.facts.append(("Best \(recipe.validation.metric.rawValue)", "\(best) at step \(bestStep)"))
        }
        report.warnings = warnings
        try report.write(path: folder.report)
    }
}
