internal import ArgumentParser
internal import FoundationEssentials
internal import Measure
internal import Media
internal import Network
internal import Pipeline
internal import Tensor
internal import Weights

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure a model on a device: the network alone, each stage alone, and the whole pipeline.",
        discussion: """
            Without --input the pipeline runs on a clip that is made for it. Encoding in the background of the network
            takes cores from it: on a machine where the CPU does both, the stages share what there is. On the CPU the
            network alone takes turns with the pipeline, so that a machine whose speed changes does not spoil the
            comparison; on a GPU it is timed before and after.
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: ArgumentHelp("Input size.", valueName: "WxH")) var size: String?
    @Option(help: ArgumentHelp("A video for the pipeline; its size is used unless --size is given.", valueName: "file"))
    var input: String?
    @Option(
        help: ArgumentHelp("Where the pipeline's output goes; kept. A temporary file if not given.", valueName: "file"))
    var output: String?
    @Option(help: ArgumentHelp("Start here in the input.", valueName: "time")) var start: String?
    @Option(help: ArgumentHelp("Read so much of the input.", valueName: "time")) var duration: String?
    @Option(help: ArgumentHelp("The encoder's preset.", valueName: "name")) var preset: String?
    @Option(
        help: ArgumentHelp("Timed runs of the network; as many as fit into 5 s if not given.", valueName: "n"),
        transform: number(in: OptionRange.runs))
    var runs: Int?
    @Option(help: ArgumentHelp("auto, off or N, as for upscale.", valueName: "auto|off|N")) var tile = "auto"
    @Flag(help: "Only the network.") var networkOnly = false
    @Flag(help: "Print JSON.") var json = false

    func validate() throws {
        if let size, parseSize(size) == nil {
            throw ValidationError("--size \(size): expected WxH, as 640x360, 65536 at most")
        }
        for (name, text) in [("--start", start), ("--duration", duration)] {
            if let text, parseTime(text) == nil {
                throw ValidationError("\(name) \(text): expected seconds or h:m:s, 1e9 s at most")
            }
        }
        guard parseTiling(tile) != nil else {
            throw ValidationError("--tile \(tile): expected auto, off or a number between 16 and 65536")
        }
    }

    func run() throws {
        let display = ProgressDisplay(.auto, isQuiet: json)
        if let output, fileExists(output), !output.hasPrefix("/dev/") {
            throw CommandFailure(code: 1, message: "\(output): exists already; choose another name.")
        }
        let name = model.model ?? defaultModel(for: nil)
        if let input { _ = try MediaReader(path: input) }
        let loaded = try loadModel(name, display)
        let executor = try model.openExecutor()
        let benchmark = Benchmark(model: loaded, name: name, executor: executor, tiling: parseTiling(tile)!)

        var width = 640
        var height = 360
        if let size = size.flatMap(parseSize) {
            (width, height) = size
        } else if let input {
            let video = try MediaReader(path: input).video
            (width, height) = (video.width, video.height)
        }
        try checkMemory(loaded, width: width, height: height)
        var report = try benchmark.network(width: width, height: height, runs: runs)
        if !networkOnly {
            let folder =
                FileManager.default.temporaryDirectory.path()
                + "/upframe-bench-\(ProcessInfo.processInfo.processIdentifier)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            Interruption.handle {
                try? FileManager.default.removeItem(atPath: folder)
                Interruption.end()
            }
            var clip = input
            if clip == nil {
                // Five to ten seconds of work, so that filling and draining the pipeline weigh little.
                var frames = max(12, min(240, Int(5000 / report.network.milliseconds.median)))
                if let device = report.network.onDevice {
                    frames = max(frames, min(1500, Int(10_000 / device.median)))
                }
                clip = folder + "/clip.mp4"
                try SyntheticClip.write(clip!, width: width, height: height, frames: frames)
            }
            var reader = ReaderOptions()
            reader.start = start.flatMap(parseTime)
            reader.duration = duration.flatMap(parseTime)
            try benchmark.pipeline(
                &report, input: clip!, output: output ?? folder + "/out.mp4", reader: reader,
                encoder: EncoderSettings(preset: preset), target: .model, progress: display.show)
            display.clear()
        }
        print(json ? try jsonText(report) : text(report))
    }

    /// Pictures of floats, the network's input and result and what is made of them, must fit before they are made.
    private func checkMemory(_ model: Model, width: Int, height: Int) throws {
        let scale = Double(model.descriptor.scale * model.descriptor.scale)
        let channels = Double(model.descriptor.inputChannels) + scale * Double(model.descriptor.outputChannels)
        try HostMemory.require(
            Double(width) * Double(height) * channels * 8, for: "a picture of \(width)x\(height) pixels",
            remedy: "choose a smaller --size")
    }

    private func text(_ report: BenchmarkReport) -> String {
        let network = report.network
        var rows = [
            ["model", report.model], ["device", report.device],
            [
                "size",
                "\(report.input.width)x\(report.input.height) to \(report.output.width)x\(report.output.height)",
            ],
            [
                "network",
                "\(decimals(network.milliseconds.median)) ms a frame (median of \(network.runs), min "
                    + "\(decimals(network.milliseconds.min))), \(decimals(1000 / network.milliseconds.median)) fps",
            ],
        ]
        if let device = network.onDevice {
            rows.append([
                "on the device",
                "\(decimals(device.median)) ms a frame without copies (min \(decimals(device.min))), "
                    + "\(decimals(1000 / device.median)) fps, "
                    + "\(decimals(network.gigaflopsPerFrame / device.median * 1000)) GFLOP/s",
            ])
        }
        rows += [
            [
                "work",
                "\(decimals(network.gigaflopsPerFrame)) GFLOP a frame, "
                    + "\(decimals(network.effectiveGigaflopsPerSecond)) GFLOP/s counted as direct convolution",
            ],
            ["plan", "\(mebibytes(network.planBytes)) in \(network.tiles) \(network.tiles == 1 ? "tile" : "tiles")"],
        ]
        for stage in report.stages { rows.append(["\(stage.name) alone", "\(decimals(stage.framesPerSecond)) fps"]) }
        if let pipeline = report.pipeline {
            rows.append([
                "pipeline",
                "\(decimals(pipeline.framesPerSecond)) fps over \(pipeline.frames) frames, "
                    + "\(decimals(pipeline.shareOfSlowestStage)) of \(pipeline.slowestStage) alone"
                    + (pipeline.networkTurns > 0 ? " (the network alone in \(pipeline.networkTurns) turns)" : ""),
            ])
            rows.append([
                "memory",
                "\(mebibytes(pipeline.residentBytesEarly)) in the middle of the run, "
                    + "\(mebibytes(pipeline.residentBytesLate)) at its end",
            ])
        }
        rows.append(["peak memory", mebibytes(report.peakBytes)])
        guard let layers = report.layers else { return table(rows) }
        if let peak = layers.peak {
            rows.append(["arithmetic", "\(decimals(peak.gigaflopsPerSecond)) GFLOP/s at most (\(peak.unit))"])
        }
        return table(rows) + "\n\n" + table(layers.rows)
            + "\n\nRates are counted as direct convolution: a kernel that multiplies less may exceed the peak."
    }
}
