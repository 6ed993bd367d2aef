internal import ArgumentParser
internal import Catalogue
internal import Media
internal import Network
internal import Pipeline
internal import Weights

struct UpscaleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "upscale",
        abstract: "Upscale a video or a picture (the default command).",
        discussion: "Sound is copied, timestamps are kept, and an existing output is never overwritten unasked.")

    @Argument(help: "A video or picture.") var input: String
    @Argument(help: "Where the result goes; its extension says which container or picture format.") var output: String

    @OptionGroup var model: ModelOptions

    @Option(help: ArgumentHelp("Output size as a factor of the input's, such as 1.5.", valueName: "factor"))
    var scale: Double?
    @Option(help: ArgumentHelp("Exact output size.", valueName: "WxH")) var size: String?
    @Option(help: ArgumentHelp("Largest output size; the shape of the picture is kept.", valueName: "WxH"))
    var fit: String?

    @Option(help: ArgumentHelp("Start here: seconds or [h:]m:s.", valueName: "time")) var start: String?
    @Option(help: ArgumentHelp("Stop after so long: seconds or [h:]m:s.", valueName: "time")) var duration: String?

    @Option(help: ArgumentHelp("FFmpeg's name of the encoder: libx264, libx265, …", valueName: "name"))
    var videoCodec: String?
    @Option(help: ArgumentHelp("Constant quality, lower is better; 18 where the encoder has it.", valueName: "n"))
    var crf: Double?
    @Option(help: ArgumentHelp("The encoder's preset.", valueName: "name")) var preset: String?
    @Option(help: ArgumentHelp("Any option of the encoder; may be given again.", valueName: "k=v"))
    var encoderOption: [String] = []
    @Option(help: ArgumentHelp("FFmpeg's name of the output's pixel format.", valueName: "name"))
    var pixelFormat: String?

    @Option(
        help: ArgumentHelp(
            "auto: the whole picture if its memory allows; off: always; N: tiles of N input pixels.",
            valueName: "auto|off|N"))
    var tile = "auto"

    @Option(
        help: ArgumentHelp("Whether unchanged parts of a frame are computed again: auto or off.", valueName: "auto|off")
    )
    var reuse = "auto"

    @Flag(help: "Hold the source's frame rate: use --cheaper-model, or show a result again, rather than be late.")
    var realtime = false
    @Option(
        help: ArgumentHelp("With --realtime: the longest that a frame may take from end to end.", valueName: "seconds"))
    var maxLatency = 0.5
    @Option(
        help: ArgumentHelp(
            "With --realtime: a model to fall back on when --model is too slow; may be given again, cheaper each time.",
            valueName: "name|file"))
    var cheaperModel: [String] = []

    @Flag(help: "Replace an existing output.") var overwrite = false
    @Flag(help: "Go on after damage in the input, with what can be decoded.") var keepGoing = false
    @Option(help: ArgumentHelp("auto, bar, plain, json or none, on standard error.", valueName: "style"))
    var progress = "auto"
    @Flag(help: "No progress; errors only.") var quiet = false
    @Flag(help: "Say what was found and chosen.") var verbose = false

    func validate() throws {
        if [scale != nil, size != nil, fit != nil].filter({ $0 }).count > 1 {
            throw ValidationError("--scale, --size and --fit exclude one another")
        }
        if let scale, !(scale > 0 && scale <= 64) { throw ValidationError("--scale \(scale): expected 0 to 64") }
        for (name, text) in [("--size", size), ("--fit", fit)] {
            if let text, parseSize(text) == nil { throw ValidationError("\(name) \(text): expected WxH, as 1920x1080") }
        }
        for (name, text) in [("--start", start), ("--duration", duration)] {
            if let text, parseTime(text) == nil { throw ValidationError("\(name) \(text): expected seconds or h:m:s") }
        }
        for option in encoderOption where !option.contains("=") || option.hasPrefix("=") {
            throw ValidationError("--encoder-option \(option): expected k=v")
        }
        guard tiling != nil else {
            throw ValidationError("--tile \(tile): expected auto, off or a number of at least 16")
        }
        guard maxLatency > 0, maxLatency.isFinite else {
            throw ValidationError("--max-latency \(maxLatency): expected seconds, more than 0")
        }
        guard realtime || cheaperModel.isEmpty else { throw ValidationError("--cheaper-model goes with --realtime") }
        guard ["auto", "off"].contains(reuse) else { throw ValidationError("--reuse \(reuse): expected auto or off") }
        guard ProgressStyle(rawValue: progress) != nil else {
            throw ValidationError("--progress \(progress): expected auto, bar, plain, json or none")
        }
    }

    private var tiling: Tiling? {
        switch tile {
        case "auto": .automatic
        case "off": .off
        default: Int(tile).flatMap { $0 >= 16 ? .size($0) : nil }
        }
    }

    private var target: TargetSize {
        if let scale { return .scale(scale) }
        if let size = size.flatMap(parseSize) { return .size(width: size.width, height: size.height) }
        if let fit = fit.flatMap(parseSize) { return .fit(width: fit.width, height: fit.height) }
        return .model
    }

    func run() throws {
        let display = ProgressDisplay(quiet ? .none : ProgressStyle(rawValue: progress)!)
        // The input first: a wrong name should not cost a download.
        _ = try MediaReader(path: input)
        let loaded = try loadModel(model.model ?? defaultModel(for: scale), display)
        let executor = try model.openExecutor()

        var options = UpscaleOptions(input: input, output: output, model: loaded, executor: executor)
        options.target = target
        options.realtime = realtime ? maxLatency : nil
        options.cheaperModels = try cheaperModel.map { try loadModel($0, display) }
        options.tiling = tiling!
        options.reuses = reuse == "auto"
        options.reader.start = start.flatMap(parseTime)
        options.reader.duration = duration.flatMap(parseTime)
        options.reader.toleratesDamage = keepGoing
        options.encoder = EncoderSettings(
            codec: videoCodec, crf: crf, preset: preset,
            options: encoderOption.map { option in
                let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), String(parts[1]))
            }, pixelFormat: pixelFormat)
        options.overwrite = overwrite

        let job = try UpscaleJob(options)
        for note in job.notes { display.note(note) }
        if verbose {
            let source = job.source
            display.note(
                "\(input): \(source.width)x\(source.height) \(source.pixelFormat), \(source.codec); "
                    + "\(source.color.isGuessed ? "colour tags missing, guessed" : "colour by its tags")")
            display.note("network: \(loaded.descriptor.architecture) x\(loaded.descriptor.scale) on \(executor.name)")
            display.note(
                "\(output): \(job.outputWidth)x\(job.outputHeight) \(job.outputPixelFormat), \(job.encoderName)")
        }
        Interruption.handle { job.interrupt() }
        let summary: UpscaleSummary
        do { summary = try job.run(progress: display.show) } catch {
            display.clear()
            throw error
        }
        display.finish(summary, output: output)
        if summary.interrupted { throw ExitCode(130) }
    }
}

/// The model for a wanted factor: animevideov3 exists for two, three and four times.
func defaultModel(for scale: Double?) -> String {
    switch scale {
    case let scale? where scale > 3: "animevideov3-x4"
    case let scale? where scale > 2: "animevideov3-x3"
    default: "animevideov3-x2"
    }
}
