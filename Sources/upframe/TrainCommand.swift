internal import ArgumentParser
internal import Catalogue
internal import Degradation
internal import FoundationEssentials
internal import Media
internal import Network
internal import Pipeline
internal import Tensor
internal import TrainingRun

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a model: for pixels alone, or against a discriminator.",
        discussion: """
            A recipe (YAML) names data, degradation, networks, losses, optimisers and schedule; samples/recipes holds some.
            The run's folder holds the weights (best.safetensors, last.safetensors: models as any other), a checkpoint to
            go on from, a log, TensorBoard events, pictures and a report. Ctrl-C saves first.
            """)

    @Argument(help: "The recipe.") var recipe: String
    @Option(
        name: [.short, .long], help: ArgumentHelp("The run's folder; runs/NAME if not given.", valueName: "folder"))
    var output: String?
    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("Change the recipe: --set data.batch=8. May be given often.", valueName: "key=value"))
    var changes: [String] = []
    @Flag(help: "Go on from the folder's checkpoint.") var resume = false
    @Flag(help: "Print the whole recipe, sizes and estimates, and train nothing.") var dryRun = false
    @Flag(help: "With --dry-run: run a few steps to tell how long they take.") var measure = false
    @Option(
        help: ArgumentHelp("Write a picture of degraded samples, and train nothing.", valueName: "file.png"))
    var previewDegradations: String?

    @Option(help: ArgumentHelp("auto, cpu, vulkan or vulkan:N ('upframe devices' lists them).", valueName: "device"))
    var device = "cpu"
    @Option(
        help: ArgumentHelp(
            "How a GPU stores activations: fp32, or fp16 with scaled losses.", valueName: "fp16|fp32"))
    var precision = "fp32"
    @Option(
        help: ArgumentHelp("Worker threads on the CPU.", valueName: "n"), transform: number(in: OptionRange.threads))
    var threads: Int?
    @Option(help: ArgumentHelp("auto, bar, plain, json or none, on standard error.", valueName: "style"))
    var progress = "auto"
    @Flag(help: "No progress; errors only.") var quiet = false

    func validate() throws {
        guard Device(device) != nil else {
            throw ValidationError("--device \(device): expected auto, cpu, vulkan or vulkan:N")
        }
        guard ProgressStyle(rawValue: progress) != nil else {
            throw ValidationError("--progress \(progress): expected auto, bar, plain, json or none")
        }
        guard let stored = StoragePrecision(rawValue: precision) else {
            throw ValidationError("--precision \(precision): expected fp16 or fp32")
        }
        if stored == .fp16, Device(device) == .cpu {
            throw ValidationError("--precision fp16 is for Vulkan devices: name one with --device")
        }
        if measure && !dryRun { throw ValidationError("--measure goes with --dry-run") }
        if resume && dryRun { throw ValidationError("--resume and --dry-run exclude one another") }
    }

    func run() throws {
        let display = TrainingDisplay(ProgressStyle(rawValue: progress)!, isQuiet: quiet)
        let recipe: Recipe
        do { recipe = try Recipe(path: self.recipe, overrides: changes) } catch {
            throw CommandFailure.usage((changes.contains(error.path) ? "--set " : "") + error.description)
        }
        if let previewDegradations {
            try preview(recipe, path: previewDegradations)
            return
        }
        var estimate = TrainingEstimate(recipe)
        if dryRun, !measure {
            print(recipe.yaml)
            print(table(estimate.rows.map { $0 == ["time", "not measured"] ? $0.dropLast() + [Self.unmeasured] : $0 }))
            // Told even where this machine is not the one.
            try estimate.check(processorComputes: Device(device) == .cpu)
            return
        }
        let opened = try Device(device)!.open(precision: StoragePrecision(rawValue: precision), threads: threads)
        guard let executor = opened as? any TrainingExecutor else {
            throw TrainingRunError.noTraining(device: opened.name)
        }
        if !recipe.startFrom.isEmpty {
            _ = try fetching { try ModelCatalogue().load(recipe.startFrom) { display.note($0.description) } }
        }
        if measure {
            try estimate.measure(recipe, executor: executor)
            print(recipe.yaml)
            print(table(estimate.rows))
            return
        }
        let run = try TrainingRun(
            recipe, executor: executor, folder: output ?? "runs/\(recipe.name)", resume: resume,
            scalesLoss: precision == "fp16", note: display.note)
        display.note("\(run.dataSummary); on \(executor.name)")
        // Owned by this thread but for `interrupt`, which any may call.
        nonisolated(unsafe) let interruptible = run
        Interruption.handle { interruptible.interrupt() }
        let summary: TrainingSummary
        do { summary = try run.run(progress: display.show) } catch {
            display.clear()
            throw error
        }
        display.finish(summary)
        if summary.interrupted { throw ExitCode(130) }
    }

    private static let unmeasured = "not measured; --measure runs a few steps"

    private func preview(_ recipe: Recipe, path: String) throws {
        if fileExists(path) {
            throw CommandFailure(code: 1, message: "\(path): exists already; choose another name.")
        }
        try TrainingEstimate(recipe).check(processorComputes: false)
        let sheet = try DegradationPreview(recipe)
        let format: PictureCodec.Format =
            path.lowercased().hasSuffix(".jpg") || path.lowercased().hasSuffix(".jpeg") ? .jpeg(quality: 90) : .png
        let bytes = try PictureCodec.encode(
            sheet.picture.values, width: sheet.picture.shape.width, height: sheet.picture.shape.height, as: format)
        do { try Data(bytes).write(to: URL(filePath: path), options: .atomic) } catch {
            throw CommandFailure(code: 1, message: "\(path): cannot be written; choose another name.")
        }
        for line in sheet.traces { print(shown(line)) }
    }
}
