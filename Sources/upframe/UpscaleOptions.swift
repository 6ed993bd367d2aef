internal import ArgumentParser
internal import Media
internal import Pipeline

/// How large the output shall be.
struct SizeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Output size as a factor of the input's, such as 1.5.", valueName: "factor"),
        transform: number(in: OptionRange.scale))
    var scale: Double?
    @Option(help: ArgumentHelp("Exact output size (with raw input: the input's).", valueName: "WxH"))
    var size: String?
    @Option(help: ArgumentHelp("Largest output size; the shape of the picture is kept.", valueName: "WxH"))
    var fit: String?

    func validate() throws {
        if scale != nil, fit != nil { throw ValidationError("--scale and --fit exclude one another") }
        for (name, text) in [("--size", size), ("--fit", fit)] {
            if let text, parseSize(text) == nil {
                throw ValidationError("\(name) \(text): expected WxH, as 1920x1080, 65536 at most")
            }
        }
    }

    func target(isRaw: Bool) -> TargetSize {
        if let scale { return .scale(scale) }
        if let fit = fit.flatMap(parseSize) { return .fit(width: fit.width, height: fit.height) }
        if !isRaw, let size = size.flatMap(parseSize) { return .size(width: size.width, height: size.height) }
        return .model
    }
}

/// What is read, and how.
struct InputOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Start here: seconds or [h:]m:s.", valueName: "time")) var start: String?
    @Option(help: ArgumentHelp("Stop after so long: seconds or [h:]m:s.", valueName: "time")) var duration: String?
    @Option(
        help: ArgumentHelp(
            """
            FFmpeg's name of the input's format, where it does not show. For rawvideo, --pixel-format and --size say \
            what comes in.
            """, valueName: "name"))
    var inputFormat: String?
    @Option(help: ArgumentHelp("Frames a second of raw video or pictures, as 25 or 30000/1001.", valueName: "rate"))
    var rate: String?
    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Only these streams, as FFmpeg's -map: 0:1, a, s:0, -d …; may be given again.", valueName: "stream"))
    var map: [String] = []
    @Flag(help: "Leave all sound out.") var noAudio = false
    @Flag(help: "Leave all subtitles out.") var noSubtitles = false
    @Option(
        help: ArgumentHelp(
            "auto: frames that are flagged as interlaced; on: every frame; off: none.", valueName: "auto|off|on"))
    var deinterlace = "auto"
    @Flag(help: "Go on after damage in the input, with what can be decoded.") var keepGoing = false

    var isRaw: Bool { ["rawvideo", "raw", "yuv"].contains(inputFormat?.lowercased()) }

    func validate() throws {
        for (name, text) in [("--start", start), ("--duration", duration)] {
            if let text, parseTime(text) == nil {
                throw ValidationError("\(name) \(text): expected seconds or h:m:s, 1e9 s at most")
            }
        }
        if let rate, parseRate(rate) == nil {
            throw ValidationError("--rate \(rate): expected 0.001 to 1000 frames a second, as 25 or 30000/1001")
        }
        guard Deinterlacing(rawValue: deinterlace) != nil else {
            throw ValidationError("--deinterlace \(deinterlace): expected auto, off or on")
        }
        for text in map where StreamSpecifier(text) == nil {
            throw ValidationError(
                "--map \(text): expected a stream as 0:1, v, a, s:0, t, with - in front to leave it out")
        }
    }

    var readerOptions: ReaderOptions {
        var options = ReaderOptions(
            start: start.flatMap(parseTime), duration: duration.flatMap(parseTime), inputFormat: inputFormat,
            toleratesDamage: keepGoing)
        options.frameRate = rate.flatMap(parseRate)
        options.deinterlace = Deinterlacing(rawValue: deinterlace)!
        options.selection = StreamSelection(audio: !noAudio, subtitles: !noSubtitles)
        options.selection.specifiers = map.compactMap(StreamSpecifier.init)
        return options
    }
}

/// What is written, and how.
struct OutputOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The output's container, where its name does not say: matroska, mpegts, nut, mp4, y4m, rawvideo, …",
            valueName: "name"))
    var outputFormat: String?
    @Option(help: ArgumentHelp("FFmpeg's name of the encoder: libx264, libx265, …", valueName: "name"))
    var videoCodec: String?
    @Option(
        help: ArgumentHelp("Constant quality, lower is better; 18 where the encoder has it.", valueName: "n"),
        transform: number(in: OptionRange.crf))
    var crf: Double?
    @Option(help: ArgumentHelp("The encoder's preset.", valueName: "name")) var preset: String?
    @Option(help: ArgumentHelp("Any option of the encoder; may be given again.", valueName: "k=v"))
    var encoderOption: [String] = []
    @Option(
        help: ArgumentHelp(
            "FFmpeg's name of the output's pixel format (with raw input: the input's).", valueName: "name")
    )
    var pixelFormat: String?
    @Flag(help: "Convert sound that the container cannot hold to a codec that it can, rather than leave it out.")
    var convertSound = false

    func validate() throws {
        for option in encoderOption where !option.contains("=") || option.hasPrefix("=") {
            throw ValidationError("--encoder-option \(option): expected k=v")
        }
    }

    func settings(isRaw: Bool) -> EncoderSettings {
        var settings = EncoderSettings(
            codec: videoCodec, crf: crf, preset: preset,
            options: encoderOption.map { option in
                let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(parts[0]), String(parts[1]))
            }, pixelFormat: isRaw ? nil : pixelFormat, container: outputFormat)
        settings.convertsSound = convertSound
        return settings
    }
}

/// A stream that does not wait.
struct RealtimeOptions: ParsableArguments {
    @Flag(help: "Hold the source's frame rate: use --cheaper-model, or show a result again, rather than be late.")
    var realtime = false
    @Option(
        help: ArgumentHelp("With --realtime: the longest that a frame may take from end to end.", valueName: "seconds"),
        transform: number(in: OptionRange.latency))
    var maxLatency = 0.5
    @Option(
        help: ArgumentHelp(
            "With --realtime: a model to fall back on when --model is too slow; may be given again, cheaper each time.",
            valueName: "name|file"))
    var cheaperModel: [String] = []

    func validate() throws {
        guard realtime || cheaperModel.isEmpty else { throw ValidationError("--cheaper-model goes with --realtime") }
    }
}

/// What the work may take, and what it may spare itself.
struct WorkOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            auto: the whole picture if its memory allows; off: always; N: tiles of N input pixels. A network that takes \
            means over the picture goes over its tiles several times; one that needs the picture whole has no tiles.
            """,
            valueName: "auto|off|N"))
    var tile = "auto"
    @Option(
        help: ArgumentHelp(
            "What the network's pictures may take with --tile auto: 800M, 4G. Half of the memory if not given.",
            valueName: "bytes"))
    var memoryLimit: String?
    @Option(
        help: ArgumentHelp("Whether unchanged parts of a frame are computed again: auto or off.", valueName: "auto|off")
    )
    var reuse = "auto"

    var tiling: Tiling? { parseTiling(tile) }

    func validate() throws {
        guard tiling != nil else {
            throw ValidationError("--tile \(tile): expected auto, off or a number between 16 and 65536")
        }
        if let memoryLimit, parseBytes(memoryLimit) == nil {
            throw ValidationError("--memory-limit \(memoryLimit): expected bytes, as 800M or 4G, 1e15 at most")
        }
        guard ["auto", "off"].contains(reuse) else { throw ValidationError("--reuse \(reuse): expected auto or off") }
    }
}
