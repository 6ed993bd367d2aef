internal import ArgumentParser
internal import Catalogue
internal import Media
internal import Network
internal import Pipeline
internal import Weights

struct UpscaleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upscale",
        abstract: "Upscale a video, a picture or a live stream (the default command).",
        discussion: """
            Sound, subtitles, chapters and tags are copied, timestamps are kept; an
            existing output is never overwritten unasked. '-' is standard input or output:

            ffmpeg -i in.mp4 -f matroska - | upframe - - --output-format matroska | ffplay -
            """)

    @Argument(
        help: "A video or picture, a folder or numbered sequence of pictures (frame_%05d.png), an address, or '-'.")
    var input: String
    @Argument(
        help: """
            Where the result goes: a file whose extension says which container or picture format, a pattern or a \
            folder/ for pictures, an address, or '-'.
            """)
    var output: String

    @OptionGroup var model: ModelOptions
    @OptionGroup(title: "Size") var size: SizeOptions
    @OptionGroup(title: "Input") var source: InputOptions
    @OptionGroup(title: "Output") var target: OutputOptions
    @OptionGroup(title: "Real time") var live: RealtimeOptions
    @OptionGroup(title: "Memory and work") var work: WorkOptions

    @Flag(help: "Replace an existing output.") var overwrite = false
    @Option(help: ArgumentHelp("auto, bar, plain, json or none, on standard error.", valueName: "style"))
    var progress = "auto"
    @Flag(help: "No progress; errors only.") var quiet = false
    @Flag(help: "Say what was found and chosen.") var verbose = false

    func validate() throws {
        guard ProgressStyle(rawValue: progress) != nil else {
            throw ValidationError("--progress \(progress): expected auto, bar, plain, json or none")
        }
        if source.isRaw, target.pixelFormat == nil || size.size == nil {
            throw ValidationError(
                "--input-format \(source.inputFormat!) needs --pixel-format and --size: raw video "
                    + "says nothing of itself")
        }
        if !source.isRaw, size.size != nil, size.scale != nil || size.fit != nil {
            throw ValidationError("--scale, --size and --fit exclude one another")
        }
    }

    func run() throws {
        let display = ProgressDisplay(ProgressStyle(rawValue: progress)!, isQuiet: quiet)
        var readerOptions = source.readerOptions
        if source.isRaw {
            // For raw video these two say what comes in.
            readerOptions.pixelFormat = target.pixelFormat
            (readerOptions.width, readerOptions.height) = size.size.flatMap(parseSize)!
        }
        // The input first: a wrong name should not cost a download.
        let reader = try MediaReader(path: input, options: readerOptions)
        if source.rate != nil, !source.isRaw, source.inputFormat != "image2pipe", !reader.video.isPictureList {
            throw CommandFailure.usage("\(input): has times of its own; --rate goes with raw video and pictures")
        }
        let loaded = try loadModel(model.model ?? defaultModel(for: size.scale), display)
        let executors = try model.openExecutors(memoryLimit: work.memoryLimit.flatMap(parseBytes))
        if live.realtime, executors.count > 1 {
            throw CommandFailure.usage("--realtime takes one device, \(model.device) names \(executors.count)")
        }

        var options = UpscaleOptions(input: input, output: output, model: loaded, executor: executors[0])
        options.moreExecutors = Array(executors.dropFirst())
        options.reader = readerOptions
        options.target = size.target(isRaw: source.isRaw)
        options.realtime = live.realtime ? live.maxLatency : nil
        options.cheaperModels = try live.cheaperModel.map { try loadModel($0, display) }
        options.tiling = work.tiling!
        options.memoryBudget = work.memoryLimit.flatMap(parseBytes)
        options.reuses = work.reuse == "auto"
        options.encoder = target.settings(isRaw: source.isRaw)
        options.overwrite = overwrite
        // The process ends at once.
        options.waitsForThreads = false

        let job: UpscaleJob
        do { job = try UpscaleJob(options, reader: reader) } catch MediaError.readerGone { return }
        for note in job.notes { display.note(note) }
        if verbose { describe(job, loaded, executors, display) }
        Interruption.handle { job.interrupt() }
        let summary: UpscaleSummary
        do { summary = try job.run(progress: display.show, note: display.note) } catch {
            display.clear()
            throw error
        }
        if let part = summary.writtenTo, part != output {
            display.note("\(output): is still the older file; what was done before the interruption is \(part).")
        }
        display.finish(summary, output: output == "-" ? "standard output" : summary.writtenTo ?? output)
        if summary.interrupted { throw ExitCode(130) }
    }

    private func describe(_ job: UpscaleJob, _ model: Model, _ executors: [any Executor], _ display: ProgressDisplay) {
        let video = job.source
        display.note("\(input): \(video.width)x\(video.height) \(video.pixelFormat), \(video.codec)")
        display.note("colour: \(video.color.summary)")
        display.note(
            "network: \(model.descriptor.architecture) x\(model.descriptor.scale) on "
                + executors.map(\.name).joined(separator: " and "))
        display.note("\(output): \(job.outputWidth)x\(job.outputHeight) \(job.outputPixelFormat), \(job.encoderName)")
    }
}

/// The model for a wanted factor: the built-in one doubles; for more, animevideov3 exists for three and four times.
func defaultModel(for scale: Double?) -> String {
    switch scale {
    case let scale? where scale > 3: "animevideov3-x4"
    case let scale? where scale > 2: "animevideov3-x3"
    default: BuiltInModel.all[0].name
    }
}
