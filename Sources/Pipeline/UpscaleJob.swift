public import Media
public import Network
internal import Tensor
public import Weights

/// What a job is to do.
public struct UpscaleOptions: Sendable {
    /// Paths of the source and the target; `-` for standard input and output.
    public var input: String
    public var output: String
    public var model: Model
    public var executor: any Executor
    public var target = TargetSize.model
    public var tiling = Tiling.automatic
    /// Bytes for activations when tiling is automatic; nil is half of the machine's memory.
    public var memoryBudget: Int?
    /// Whether what did not change since the last frame is taken from its result (bit-identical).
    public var reuses = true
    public var reader = ReaderOptions()
    public var encoder = EncoderSettings()
    public var overwrite = false

    public init(input: String, output: String, model: Model, executor: any Executor) {
        (self.input, self.output, self.model, self.executor) = (input, output, model, executor)
    }
}

/// What a finished job did.
public struct UpscaleSummary: Sendable {
    public var frames: Int
    public var elapsedSeconds: Double
    public var stages: [StageReading]
    /// What was not computed again; nil when reuse was off.
    public var reuse: ReuseCount?
    /// Ended by `UpscaleJob.interrupt` before the source did; the output holds the frames up to there.
    public var interrupted: Bool
    /// Whether there is an output: false only after an interruption before the first frame.
    public var wroteOutput: Bool
}

/// What goes wrong in the pipeline itself; other rooms' errors pass through unchanged.
public enum PipelineError: Error, Sendable, CustomStringConvertible {
    case frameCount(path: String, read: Int, written: Int)
    case channels(model: String, count: Int)
    case notFinite(path: String, frame: Int, executor: String)

    public var description: String {
        switch self {
        case .frameCount(let path, let read, let written):
            "\(path): \(read) frames were read but \(written) written; the output was discarded, please report this"
        case .channels(let model, let count):
            "\(model): reads \(count) channels a pixel; only colour (3-channel) models upscale pictures and video"
        case .notFinite(let path, let frame, let executor):
            "\(path): frame \(frame) came out of \(executor) with numbers that are not finite; "
                + "try --precision fp32 or --device cpu"
        }
    }
}

/// A video or picture from end to end.
///
/// `init` opens both ends and checks all that can be checked, so that bad input is told before any work; `run` does the
/// work on four threads and blocks. `interrupt` may be called from any thread.
public final class UpscaleJob: @unchecked Sendable {
    private let options: UpscaleOptions
    private let reader: MediaReader
    private let writer: MediaWriter
    private let upscaler: Upscaler
    private let outputShape: Shape
    private let interruption = FirstError()

    /// What a person should know before: streams that stay behind, formats chosen.
    public var notes: [String] { writer.notes }
    public var source: VideoDescription { reader.video }
    public var outputWidth: Int { writer.width }
    public var outputHeight: Int { writer.height }
    public var outputPixelFormat: String { writer.pixelFormat }
    public var encoderName: String { writer.encoderName }

    /// - Throws: `MediaError`, `PipelineError`.
    public init(_ options: UpscaleOptions) throws {
        let descriptor = options.model.descriptor
        guard descriptor.inputChannels == 3, descriptor.outputChannels == 3 else {
            throw PipelineError.channels(model: descriptor.architecture, count: descriptor.inputChannels)
        }
        self.options = options
        reader = try MediaReader(path: options.input, options: options.reader)
        let video = reader.video
        let size = options.target.pixels(
            width: video.width, height: video.height, modelScale: descriptor.scale, even: !video.isStillPicture)
        writer = try MediaWriter(
            path: options.output, source: reader, width: size.width, height: size.height, settings: options.encoder,
            overwrite: options.overwrite)
        outputShape = .nhwc(1, size.height, size.width, 3)
        upscaler = Upscaler(
            model: options.model, executor: options.executor, tiling: options.tiling,
            memoryBudget: options.memoryBudget, reuses: options.reuses && !reader.video.isStillPicture)
    }

    private struct Interrupted: Error {}
    private var onInterrupt: (() -> Void)?
    private let interruptMonitor = Monitor()

    /// Ends the job early: frames already computed are written, and the output becomes a playable file.
    public func interrupt() {
        guard interruption.record(Interrupted()) else { return }
        interruptMonitor.change { onInterrupt }?()
    }

    private var isInterrupted: Bool { interruption.value != nil }

    // MARK: Running

    /// What travels between stages.
    private enum Item<Picture> {
        /// A packet of another stream; it keeps its place between frames.
        case packet(EncodedPacket)
        case picture(Picture)
    }

    /// Pixels and the frame whose times and tags they carry.
    private struct Picture {
        var pixels: HostTensor
        var frame: VideoFrame
    }

    /// Buffers between decoding and the network, and between the network and conversion. Two keep both sides busy; the
    /// third takes up unevenness.
    private static let picturesInFlight = 3
    /// Packets are small and many; pictures are bounded by the pools.
    private static let itemsInFlight = 256
    /// Encoded-size frames that wait for the encoder.
    private static let framesInFlight = 2

    /// Does the work and blocks until the output is complete.
    ///
    /// - Parameter progress: called on the encoding thread, before the first frame and after every one.
    /// - Throws: the first error of any stage (`MediaError`, `ExecutionError`, `PipelineError`). Nothing half-written
    ///   stays behind then.
    public func run(progress: @escaping @Sendable (Progress) -> Void = { _ in }) throws -> UpscaleSummary {
        let video = reader.video
        let inputShape = Shape.nhwc(1, video.height, video.width, 3)
        let decoded = Channel<Item<Picture>>(capacity: Self.itemsInFlight)
        let upscaled = Channel<Item<Picture>>(capacity: Self.itemsInFlight)
        let converted = Channel<Item<VideoFrame>>(capacity: Self.framesInFlight)
        let inputs = Pool((0..<Self.picturesInFlight).map { _ in HostTensor(inputShape) })
        let outputs = Pool((0..<Self.picturesInFlight).map { _ in HostTensor(upscaler.outputShape(inputShape)) })
        let clocks = ["decode", "network", "convert", "encode"].map(StageClock.init)
        let failure = FirstError()
        let start = monotonicSeconds()

        @Sendable func stop() {
            decoded.cancel()
            upscaled.cancel()
            inputs.cancel()
            outputs.cancel()
            converted.cancel()
        }
        @Sendable func stage(_ name: String, _ body: @escaping @Sendable () throws -> Void) -> WorkerThread {
            WorkerThread("upframe \(name)") {
                do { try body() } catch { if failure.record(error) { stop() } }
            }
        }
        let stopReading = reader.interrupter
        interruptMonitor.change {
            onInterrupt = {
                // What is decoded or in the network is dropped; what is converted is still encoded.
                stopReading.interrupt()
                decoded.cancel()
                upscaled.cancel()
                inputs.cancel()
                outputs.cancel()
            }
        }
        if isInterrupted { interruptMonitor.change { onInterrupt }?() }

        let decode = stage("decode") { [self] in
            let converter = PixelConverter(decoding: reader.video)
            while !isInterrupted {
                let event: MediaEvent?
                do { event = try clocks[0].measure(frames: 0) { try reader.next() } } catch MediaError.interrupted {
                    return
                }
                switch event {
                case nil:
                    decoded.finish()
                    return
                case .packet(let packet):
                    guard decoded.send(.packet(packet)) else { return }
                case .frame(let frame):
                    guard var pixels = inputs.take() else { return }
                    let shape = Shape.nhwc(1, frame.height, frame.width, 3)
                    // A stream that changes its size midway.
                    if pixels.shape != shape { pixels = HostTensor(shape) }
                    try clocks[0].measure {
                        try pixels.withUnsafeMutableValues { try converter.rgb(from: frame, into: $0) }
                    }
                    guard decoded.send(.picture(Picture(pixels: pixels, frame: frame))) else { return }
                }
            }
        }
        let network = stage("network") { [self] in
            var count = 0
            while let item = decoded.receive() {
                switch item {
                case .packet(let packet):
                    guard upscaled.send(.packet(packet)) else { return }
                case .picture(let picture):
                    guard var result = outputs.take() else { return }
                    let shape = upscaler.outputShape(picture.pixels.shape)
                    if result.shape != shape { result = HostTensor(shape) }
                    try clocks[1].measure { try upscaler.upscale(picture.pixels, into: &result) }
                    guard Self.isFinite(result) else {
                        throw PipelineError.notFinite(
                            path: options.input, frame: count, executor: upscaler.executor.name)
                    }
                    count += 1
                    inputs.put(picture.pixels)
                    guard upscaled.send(.picture(Picture(pixels: result, frame: picture.frame))) else { return }
                }
            }
            upscaled.finish()
        }
        let convert = stage("convert") { [self] in
            let converter = try PixelConverter(
                encodingWidth: writer.width, height: writer.height, pixelFormat: writer.pixelFormat,
                color: writer.color)
            var resampler: Resampler?
            var resized = HostTensor([0], [])
            while let item = upscaled.receive() {
                switch item {
                case .packet(let packet):
                    guard converted.send(.packet(packet)) else { return }
                case .picture(let picture):
                    let frame = try clocks[2].measure {
                        let shape = picture.pixels.shape
                        if shape == outputShape {
                            return try Self.frame(picture.pixels, like: picture.frame, converter)
                        }
                        if resampler?.source != shape {
                            resampler = Resampler(from: shape, to: outputShape)
                            resized = HostTensor(outputShape)
                        }
                        resampler!.resize(picture.pixels, into: &resized)
                        return try Self.frame(resized, like: picture.frame, converter)
                    }
                    outputs.put(picture.pixels)
                    guard converted.send(.picture(frame)) else { return }
                }
            }
            converted.finish()
        }
        let encode = stage("encode") { [self] in
            var frames = 0
            @Sendable func report(_ frames: Int) {
                progress(
                    Progress(
                        frames: frames, expectedFrames: video.frameCountEstimate,
                        elapsedSeconds: monotonicSeconds() - start, stages: clocks.map(\.reading)))
            }
            report(0)
            while let item = converted.receive() {
                switch item {
                case .packet(let packet): try clocks[3].measure(frames: 0) { try writer.write(packet) }
                case .picture(let frame):
                    try clocks[3].measure { try writer.write(frame) }
                    frames += 1
                    report(frames)
                }
            }
        }

        convert.join()
        encode.join()
        // After an interruption the network may be in the middle of a long frame: nobody waits for it.
        if !isInterrupted {
            decode.join()
            network.join()
        }
        interruptMonitor.change { onInterrupt = nil }

        do {
            if let error = failure.value { throw error }
            var wroteOutput = true
            if isInterrupted {
                wroteOutput = try clocks[3].measure(frames: 0) { try writer.finishInterrupted() }
            } else {
                guard reader.deliveredFrames == writer.writtenFrames else {
                    throw PipelineError.frameCount(
                        path: options.output, read: reader.deliveredFrames, written: writer.writtenFrames)
                }
                try clocks[3].measure(frames: 0) { try writer.finish() }
            }
            return UpscaleSummary(
                frames: writer.writtenFrames, elapsedSeconds: monotonicSeconds() - start,
                stages: clocks.map(\.reading), reuse: isInterrupted ? nil : upscaler.reuse,
                interrupted: isInterrupted, wroteOutput: wroteOutput)
        } catch {
            writer.abandon()
            throw error
        }
    }

    private static func frame(_ pixels: HostTensor, like frame: VideoFrame, _ converter: PixelConverter) throws
        -> VideoFrame
    {
        try pixels.withUnsafeValues {
            try converter.frame(
                fromRGB: $0, width: pixels.shape.width, height: pixels.shape.height, timestamp: frame.timestamp,
                duration: frame.duration)
        }
    }

    /// Whether every number is finite: one not finite makes the sum so.
    private static func isFinite(_ tensor: HostTensor) -> Bool {
        tensor.withUnsafeValues { values in
            var sums = SIMD16<Float>.zero
            var index = 0
            while index + 16 <= values.count {
                for lane in 0..<16 { sums[lane] += values[index + lane] * 0 }
                index += 16
            }
            var sum = sums.sum()
            while index < values.count {
                sum += values[index] * 0
                index += 1
            }
            return sum == 0
        }
    }
}
