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

    /// The network alone.
    public struct Network: Sendable, Codable {
        public struct Milliseconds: Sendable, Codable {
            public var median: Double
            public var min: Double
        }
        /// From host memory to host memory, pictures of floats.
        public var milliseconds: Milliseconds
        public var runs: Int
        /// From the device's memory to the device's memory; nil where there is no device, or no room there.
        public var onDevice: Milliseconds?
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
    let model: Model
    let modelName: String
    let executor: any Executor
    let tiling: Tiling

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
        let middle = median(times)
        let gigaflops = Double(2 * (try model.graph(shape)).multiplyAdds) / 1e9
        var report = BenchmarkReport(
            model: modelName, device: executor.name, input: .init(width: width, height: height),
            output: .init(width: result.shape.width, height: result.shape.height),
            network: .init(
                milliseconds: .init(median: middle, min: times.min()!), runs: times.count,
                gigaflopsPerFrame: gigaflops, effectiveGigaflopsPerSecond: gigaflops / (middle / 1000),
                planBytes: upscaler.memoryBytes,
                tiles: upscaler.tileCount),
            peakBytes: ProcessMemory.current.peakBytes)
        let isWhole = upscaler.tileCount == 1
        let part = Shape.nhwc(1, isWhole ? height : min(height, 360), isWhole ? width : min(width, 640), shape.channels)
        let timer = try NetworkTimer(
            model.graph(part), parameters: model.parameters,
            inputs: [HostTensor(part, random.uniform(part.count))], executor: executor)
        if isWhole { report.network.onDevice = try onDevice(timer, runs, seconds) }
        report.layers = try timer.layers(peak: try (executor as? any PeakMeasuringExecutor)?.measurePeak())
        report.peakBytes = ProcessMemory.current.peakBytes
        return report
    }

    private func onDevice(_ timer: NetworkTimer, _ runs: Int?, _ seconds: Double) throws
        -> BenchmarkReport.Network.Milliseconds?
    {
        do {
            return try timer.timesOnDevice(runs: runs, seconds: seconds).map {
                .init(median: median($0), min: $0.min()!)
            }
        } catch ExecutionError.outOfMemory {
            return nil
        }
    }

    /// Times every stage alone on frames of `input` (where the device takes frames as they are: decoding, the way from
    /// frame to frame on the device, encoding), then the whole job writing to `output`, and adds both to `report`.
    /// Where the network takes turns with the job, its rate in `report` is the one of these turns; on hardware it is the mean
    /// of before and after.
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
        let direct = try directStages(job, frames: stageFrames)
        report.stages = try direct ?? stagesAlone(job, frames: stageFrames, report)
        let turns = try direct == nil ? turns(job, report) : directTurns(job, report)
        let samples = MemorySamples()
        let first = FirstTime()
        let summary = try UpscaleJob(job).run { reading in
            if reading.frames == 1 { first.note() }
            samples.add(ProcessMemory.current.residentBytes)
            progress(reading)
            turns?.afterFrame(reading.frames)
        }
        // Making plans ready is no part of the pace.
        let seconds = first.secondsSince - (turns?.heldSeconds ?? 0)
        let framesPerSecond = Double(max(1, summary.frames - 1)) / seconds
        try turns?.check()
        let alone = turns?.seconds ?? []
        if let network = report.stages.firstIndex(where: { $0.name == "network" }) {
            if !alone.isEmpty {
                report.stages[network].framesPerSecond = Double(alone.count) / alone.reduce(0, +)
            } else if direct != nil, turns == nil, let after = try directRate(job) {
                report.stages[network].framesPerSecond = (report.stages[network].framesPerSecond + after) / 2
            }
        }
        let slowest = report.stages.min { $0.framesPerSecond < $1.framesPerSecond }!
        let (early, late) = samples.thirds
        report.pipeline = .init(
            frames: summary.frames, framesPerSecond: framesPerSecond, slowestStage: slowest.name,
            shareOfSlowestStage: framesPerSecond / slowest.framesPerSecond, networkTurns: alone.count,
            residentBytesEarly: early, residentBytesLate: late)
        report.peakBytes = ProcessMemory.current.peakBytes
    }
}

/// When the first frame was done.
private final class FirstTime: @unchecked Sendable {
    private let monitor = Monitor()
    private var time: Double?

    func note() { monitor.change { time = time ?? monotonicSeconds() } }

    var secondsSince: Double { monotonicSeconds() - (monitor.change { time } ?? monotonicSeconds() - 1e-9) }
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
