internal import Network
internal import TrainingRun

/// A model trained from a recipe (YAML: data, degradation, networks, losses, optimisers, schedule; samples/recipes holds
/// some), in a folder that holds the weights, a checkpoint to go on from, a log and a report.
public struct TrainingJob: Sendable {
    /// How far a run is.
    public struct Progress: Sendable {
        /// Steps taken, and in all.
        public var step: Int
        public var steps: Int
        public var remainingSeconds: Double
        /// Losses by name, in the mean since the last line of the log.
        public var losses: [String: Float]
        /// What the latest validation measured, by name; empty before it.
        public var validation: [String: Float]
    }

    /// What a run did.
    public struct Result: Sendable {
        public var step: Int
        /// False after a cancellation: a job with `resumes` set goes on from there.
        public var isComplete: Bool
        /// The best value of the recipe's measure; nil without a validation.
        public var best: Double?
        /// Paths: of the weights, which `UpscalingModel.load` reads (the best ones where there is a validation), and of the
        /// report.
        public var model: String
        public var report: String
        /// Lines for people: warnings, what was found.
        public var notes: [String]
    }

    /// The recipe's path.
    public var recipe: String
    /// The run's folder: new, empty, or, with `resumes`, one that holds a run.
    public var folder: String
    /// Changes of the recipe, as "data.batch=8".
    public var changes: [String] = []
    /// Whether to go on from the folder's checkpoint.
    public var resumes = false
    public var device = Device.cpu()

    public init(recipe: String, folder: String) { (self.recipe, self.folder) = (recipe, folder) }

    /// Trains until the recipe's steps are taken. Cancelling the task ends the run after the step that it is in; it then
    /// saves, and the call returns.
    ///
    /// - Parameter progress: called after every step, on the job's thread.
    /// - Throws: `UpframeError`: of kind `recipe` or `training` before anything is written; `deviceLost` with the last
    ///   checkpoint as it was, so that another device can go on from it.
    @discardableResult
    public func run(
        progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws(UpframeError) -> Result {
        let cancellation = Cancellation()
        return try await offPool(otherwise: .training, cancellation: cancellation) {
            let executor = try device.open()
            guard let executor = executor as? any TrainingExecutor else {
                throw TrainingRunError.noTraining(device: executor.name)
            }
            let notes = Notes()
            let run = try TrainingRun(
                Recipe(path: recipe, overrides: changes), executor: executor, folder: folder, resume: resumes,
                note: notes.add)
            // Owned by this thread but for `interrupt`, which any may call.
            nonisolated(unsafe) let interruptible = run
            cancellation.attach { interruptible.interrupt() }
            let summary = try run.run { progress(Progress($0)) }
            return Result(
                step: summary.step, isComplete: !summary.interrupted, best: summary.best, model: summary.model,
                report: summary.report, notes: notes.lines)
        }
    }
}

extension TrainingJob.Progress {
    init(_ progress: TrainingProgress) {
        (step, steps, remainingSeconds) = (progress.step, progress.steps, progress.remainingSeconds)
        (losses, validation) = (progress.losses, progress.validation)
    }
}
