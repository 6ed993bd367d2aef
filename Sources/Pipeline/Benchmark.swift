public import Measure
public import Media
public import Network
internal import Resampling
internal import Tensor
internal import Threads
public import Weights

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// What `Benchmark` measured. Encodes to the JSON of `upframe bench --json`.
public struct BenchmarkReport: Sendable, Codable {
    public struct Size: Sendable, Codable {
        public var width: Int
        public var height: Int
    }

    /// The network alone, from host memory to host memory.
    public struct Network: Sendable, Codable {
        public struct Milliseconds: Sendable, Codable {
            public var median: Double
            public var min: Double
        }
        public var milliseconds: Milliseconds
        public var runs: Int
        /// Work of a frame counted as direct convolution, two operations a multiply-add.
        public var gigaflopsPerFrame: Double
        /// That work over the median time.
        public var effectiveGigaflopsPerSecond: Double
        /// What the compiled plan holds, weights included.
        public var planBytes: Int
        public var tiles: Int
    }

    /// One stage, alone on the machine.
    public struct Stage: Sendable, Codable {
        public var name: String
        public var framesPerSecond: Double
    }

    public struct Pipeline: Sendable, Codable {
        public var frames: Int
        public var framesPerSecond: Double
        public var slowestStage: String
        /// Throughput as a share of the slowest stage alone.
        public var shareOfSlowestStage: Double
        /// How often the network alone was timed in between, see `BenchmarkTurns`.
        public var networkTurns: Int
        /// The largest resident memory in the second and in the last third of the run: equal when nothing leaks. The plan
        /// with which the network alone is timed counts in it.
        public var residentBytesEarly: Int
        public var residentBytesLate: Int
    }

    public var model: String
    public var device: String
    public var input: Size
    public var output: Size
    public var network: Network
    /// Nil where the device cannot time them. Of a part of the picture where the whole is cut into tiles.
    public var layers: LayerReport?
    /// Empty when only the network was measured.
    public var stages: [Stage] = []
    public var pipeline: Pipeline?
    /// Largest resident memory of the process so far.
    public var peakBytes = 0
}

/// Measures a model on a device: the network alone, every stage of the pipeline alone, and all together.
public struct Benchmark {
    private let model: Model
    private let modelName: String
    private let executor: any Executor
    private let tiling: Tiling

    public init(model: Model, name: String, executor: any Executor, tiling: Tiling = .automatic) {
        (self.model, modelName, self.executor, self.tiling) = (model, name, executor, tiling)
    }

    /// Times the network on pictures of uniform noise: one run to warm up, then `runs`, or as many as fit into
    /// `seconds`, at least three.
    public func network(width: Int, height: Int, runs: Int? = nil, seconds: Double = 5) throws -> BenchmarkReport {
        let shape = Shape.nhwc(1, height, width, model.descriptor.inputChannels)
        var random = Philox(key: 1)
        let picture = HostTensor(shape, random.uniform(shape.count))
        let upscaler = Upscaler(model: model, executor: executor, tiling: tiling)
        var result = HostTensor(upscaler.outputShape(shape))
        try upscaler.upscale(picture, into: &result)

        var times: [Double] = []
        let start = monotonicSeconds()
        while times.count < (runs ?? 3) || (runs == nil && monotonicSeconds() - start < seconds && times.count < 1000) {
            let begin = monotonicSeconds()
            try upscaler.upscale(picture, into: &result)
            times.append((monotonicSeconds() - begin) * 1000)
        }
        times.sort()
        let median = (times[times.count / 2] + times[(times.count - 1) / 2]) / 2
        let gigaflops = Double(2 * model.architecture.graph(shape).multiplyAdds) / 1e9
        var report = BenchmarkReport(
            model: modelName, device: executor.name, input: .init(width: width, height: height),
            output: .init(width: result.shape.width, height: result.shape.height),
            network: .init(
                milliseconds: .init(median: median, min: times[0]), runs: times.count, gigaflopsPerFrame: gigaflops,
                effectiveGigaflopsPerSecond: gigaflops / (median / 1000), planBytes: upscaler.memoryBytes,
                tiles: upscaler.tileCount),
            peakBytes: ProcessMemory.current.peakBytes)
        report.layers = try layers(width: width, height: height, whole: upscaler.tileCount == 1)
        report.peakBytes = ProcessMemory.current.peakBytes
        return report
    }

    /// The network's layers, against the device's measured peak.
    private func layers(width: Int, height: Int, whole: Bool) throws -> LayerReport? {
        let shape = Shape.nhwc(
            1, whole ? height : min(height, 360), whole ? width : min(width, 640), model.descriptor.inputChannels)
        var random = Philox(key: 1)
        let timer = try NetworkTimer(
            model.architecture.graph(shape), parameters: model.parameters,
            inputs: [HostTensor(shape, random.uniform(shape.count))], executor: executor)
        return try timer.layers(peak: try (executor as? any PeakMeasuringExecutor)?.measurePeak())
    }

    /// Times every stage alone on frames of `input`, then the whole job writing to `output`, and adds both to `report`.
    /// The network alone takes turns with the job; its rate in `report` is the one of these turns.
    ///
    /// - Parameters:
    ///   - input: a video file.
    ///   - output: overwritten; its extension chooses container and encoder.
    ///   - stageFrames: frames that each stage alone is timed on.
    public func pipeline(
        _ report: inout BenchmarkReport, input: String, output: String, reader options: ReaderOptions,
        encoder: EncoderSettings, target: TargetSize, stageFrames: Int = 24,
        progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) throws {
        var job = UpscaleOptions(input: input, output: output, model: model, executor: executor)
        (job.reader, job.encoder, job.target, job.tiling, job.overwrite) = (options, encoder, target, tiling, true)
        // Every frame costs the same, so that rates compare.
        job.reuses = false
        report.stages = try stagesAlone(job, frames: stageFrames, report)

        let turns = try turns(job, report)
        let samples = MemorySamples()
        let summary = try UpscaleJob(job).run { reading in
            samples.add(ProcessMemory.current.residentBytes)
            progress(reading)
            turns.afterFrame(reading.frames)
        }
        try turns.check()
        let alone = turns.seconds
        if !alone.isEmpty, let network = report.stages.firstIndex(where: { $0.name == "network" }) {
            report.stages[network].framesPerSecond = Double(alone.count) / alone.reduce(0, +)
        }
        let framesPerSecond = Double(summary.frames) / (summary.elapsedSeconds - turns.heldSeconds)
        let slowest = report.stages.min { $0.framesPerSecond < $1.framesPerSecond }!
        let (early, late) = samples.thirds
        report.pipeline = .init(
            frames: summary.frames, framesPerSecond: framesPerSecond, slowestStage: slowest.name,
            shareOfSlowestStage: framesPerSecond / slowest.framesPerSecond, networkTurns: alone.count,
            residentBytesEarly: early, residentBytesLate: late)
        report.peakBytes = ProcessMemory.current.peakBytes
    }

    /// Turns of at least half a second, about five seconds apart.
    private func turns(_ job: UpscaleOptions, _ report: BenchmarkReport) throws -> BenchmarkTurns {
        let video = try MediaReader(path: job.input, options: job.reader).video
        let upscaler = Upscaler(model: model, executor: executor, tiling: tiling)
        var random = Philox(key: 1)
        let shape = Shape.nhwc(1, video.height, video.width, 3)
        let picture = HostTensor(shape, random.uniform(shape.count))
        var result = HostTensor(upscaler.outputShape(shape))
        try upscaler.upscale(picture, into: &result)
        let seconds = report.network.milliseconds.median / 1000
        return BenchmarkTurns(every: max(6, Int(5 / seconds)), runs: max(1, Int(0.5 / seconds))) {
            try upscaler.upscale(picture, into: &result)
        }
    }

    /// Each stage on its own, as the job runs it, with the machine to itself.
    private func stagesAlone(_ job: UpscaleOptions, frames limit: Int, _ report: BenchmarkReport) throws
        -> [BenchmarkReport.Stage]
    {
        var stages: [BenchmarkReport.Stage] = []
        func time(_ name: String, frames: Int, _ body: () throws -> Void) rethrows {
            let start = monotonicSeconds()
            try body()
            let seconds = monotonicSeconds() - start
            stages.append(.init(name: name, framesPerSecond: Double(frames) / max(seconds, 1e-9)))
        }

        // Decode: demux, decode, to RGB.
        let reader = try MediaReader(path: job.input, options: job.reader)
        let converter = PixelConverter(decoding: reader.video)
        let shape = Shape.nhwc(1, reader.video.height, reader.video.width, 3)
        var pixels = HostTensor(shape)
        var decoded: [VideoFrame] = []
        let begin = monotonicSeconds()
        while decoded.count < limit, let event = try reader.next() {
            guard case .frame(let frame) = event else { continue }
            try pixels.withUnsafeMutableValues { try converter.rgb(from: frame, into: $0) }
            decoded.append(frame)
        }
        guard !decoded.isEmpty else { throw MediaError.nothingWritten(path: job.output) }
        stages.append(
            .init(name: "decode", framesPerSecond: Double(decoded.count) / (monotonicSeconds() - begin)))

        // Network: the same picture again and again; its time does not depend on the content.
        let upscaler = Upscaler(model: model, executor: executor, tiling: tiling)
        var result = HostTensor(upscaler.outputShape(shape))
        try upscaler.upscale(pixels, into: &result)
        let runs = max(3, min(limit, Int(5000 / report.network.milliseconds.median)))
        try time("network", frames: runs) {
            for _ in 0..<runs { try upscaler.upscale(pixels, into: &result) }
        }

        // Convert: to the output's size and the encoder's format.
        let size = job.target.pixels(
            width: shape.width, height: shape.height, modelScale: upscaler.scale, even: true)
        let writer = try MediaWriter(
            path: job.output, source: reader, width: size.width, height: size.height, settings: job.encoder,
            overwrite: true)
        defer { writer.abandon() }
        let encoding = try PixelConverter(
            encodingWidth: writer.width, height: writer.height, pixelFormat: writer.pixelFormat, color: writer.color)
        let target = Shape.nhwc(1, size.height, size.width, 3)
        let resampler = target == result.shape ? nil : Resampler(from: result.shape, to: target)
        var resized = HostTensor(target)
        let conversions = min(decoded.count, 8)
        func convert(_ frame: VideoFrame) throws -> VideoFrame {
            resampler?.resize(result, into: &resized)
            return try (resampler == nil ? result : resized).withUnsafeValues {
                try encoding.frame(
                    fromRGB: $0, width: size.width, height: size.height, timestamp: frame.timestamp,
                    duration: frame.duration)
            }
        }
        try time("convert", frames: conversions) { for frame in decoded[..<conversions] { _ = try convert(frame) } }

        // Encode: real, moving pictures of the output's size (the decoded frames, enlarged by resampling).
        let enlarge = Resampler(from: shape, to: target)
        var encodeSeconds = 0.0
        var lookaheadFrames = 0
        for frame in decoded {
            try frameToRGB(converter, frame, &pixels)
            enlarge.resize(pixels, into: &resized)
            let picture = try resized.withUnsafeValues {
                try encoding.frame(
                    fromRGB: $0, width: size.width, height: size.height, timestamp: frame.timestamp,
                    duration: frame.duration)
            }
            let start = monotonicSeconds()
            try writer.write(picture)
            encodeSeconds += monotonicSeconds() - start
            lookaheadFrames += 1
        }
        // What waits in the encoder's lookahead is work of these frames too.
        let start = monotonicSeconds()
        try writer.finish()
        encodeSeconds += monotonicSeconds() - start
        stages.append(.init(name: "encode", framesPerSecond: Double(lookaheadFrames) / encodeSeconds))
        return stages
    }

    private func frameToRGB(_ converter: PixelConverter, _ frame: VideoFrame, _ pixels: inout HostTensor) throws {
        try pixels.withUnsafeMutableValues { try converter.rgb(from: frame, into: $0) }
    }
}

/// Resident memory over a run.
private final class MemorySamples: @unchecked Sendable {
    private let monitor = Monitor()
    private var samples: [Int] = []

    func add(_ bytes: Int) { monitor.change { samples.append(bytes) } }

    /// The largest of the middle third and of the last: the first third still fills queues and the encoder's lookahead.
    var thirds: (early: Int, late: Int) {
        monitor.change {
            let third = samples.count / 3
            let early = samples.dropFirst(third).prefix(max(third, 1)).max() ?? 0
            return (early, samples.suffix(max(third, 1)).max() ?? 0)
        }
    }
}
