public import Media
public import Network
internal import Tensor
internal import Threads
public import Weights

/// What a job is to do.
public struct UpscaleOptions: Sendable {
    /// Paths of the source and the target; `-` for standard input and output.
    public var input: String
    public var output: String
    public var model: Model
    /// Models to fall back on when `realtime` finds `model` too slow, each cheaper than the one before. Their results
    /// are resized to the same output.
    public var cheaperModels: [Model] = []
    /// Hold the source's frame rate and keep every frame's latency below so many seconds, at the price of quality; nil
    /// computes every frame with `model`, however long it takes.
    public var realtime: Double?
    public var executor: any Executor
    /// Devices that take a share of the frames, by their speed. Not in real time.
    public var moreExecutors: [any Executor] = []
    public var target = TargetSize.model
    public var tiling = Tiling.automatic
    /// Bytes for activations when tiling is automatic; nil is half of the machine's memory.
    public var memoryBudget: Int?
    /// Whether what did not change since the last frame is taken from its result (the same but for rounding).
    public var reuses = true
    public var reader = ReaderOptions()
    public var encoder = EncoderSettings()
    public var overwrite = false
    /// Whether `UpscaleJob.run` waits, after an interruption, until the frame that the network is in the middle of is
    /// done and every thread has ended. A program that ends at once may leave them behind.
    public var waitsForThreads = true

    public init(input: String, output: String, model: Model, executor: any Executor) {
        (self.input, self.output, self.model, self.executor) = (input, output, model, executor)
    }
}

/// What a finished job did.
public struct UpscaleSummary: Sendable {
    public var frames: Int
    public var elapsedSeconds: Double
    public var stages: [StageReading]
    /// From the arrival of a frame's last byte; see `isLive`.
    public var latency: LatencyReading
    /// What `realtime` decided; nil without it.
    public var governor: Governor.Count?
    /// What was not computed again; nil when reuse was off.
    public var reuse: ReuseCount?
    /// Ended by `UpscaleJob.interrupt` before the source did; the output holds the frames up to there.
    public var interrupted: Bool
    /// The output's name: after an interruption that of a part beside an older file; nil where not one frame was written.
    public var writtenTo: String?
    /// Whoever read the output at the other end of a pipe stopped reading; that ended the job, and is no failure.
    public var readerGone = false
    /// Whether somebody waited for each frame at the other end of a pipe; `latency` then counts to the writing of a
    /// frame's last byte, otherwise to its handing over to the encoder.
    public var isLive = false
}

/// What goes wrong in the pipeline itself; other rooms' errors pass through unchanged.
public enum PipelineError: Error, Sendable, CustomStringConvertible {
    case frameCount(path: String, read: Int, written: Int)
    case channels(model: String, count: Int)
    case notFinite(path: String, frame: Int, executor: String)
    /// The system refuses another thread.
    case noThread
    /// Frames of a network would have to be cut into tiles, and an operation of it needs them whole.
    ///
    /// - Parameter bytes: that a whole frame takes.
    case wholeFramesOnly(network: String, operation: String, bytes: Int)

    public var description: String {
        switch self {
        case .frameCount(let path, let read, let written):
            "\(path): \(read) frames were read but \(written) written; the output was discarded, please report this"
        case .channels(let model, let count):
            "\(model): reads \(count) channels a pixel; only colour (3-channel) models upscale pictures and video"
        case .notFinite(let path, let frame, let executor):
            "\(path): frame \(frame) came out of \(executor) with numbers that are not finite; "
                + "try single precision or another device"
        case .noThread:
            "no thread can be started; free memory, or raise the limits on it and on processes (ulimit -v, ulimit -u)."
        case .wholeFramesOnly(let network, let operation, let bytes):
            "\(network): '\(operation)' needs the whole frame, which cannot be cut into tiles; compute whole frames, "
                + "with \(max(1, bytes >> 20)) MiB of memory for each"
        }
    }
}

/// A video or picture from end to end.
///
/// `init` opens both ends and checks all that can be checked, so that bad input is told before any work; `run` does the
/// work on four threads and blocks. `interrupt` may be called from any thread.
public final class UpscaleJob: @unchecked Sendable {
    let options: UpscaleOptions
    let reader: MediaReader
    let writer: MediaWriter
    /// The models that a frame may be computed with, the best first; more than one only in real time.
    let ladder: [Upscaler]
    /// The model on the other devices.
    let helpers: [Upscaler]
    private let interruption = FirstError()

    /// What a person should know before: streams that stay behind, formats chosen, passes over a frame's tiles.
    public var notes: [String] { writer.notes + tileNotes }
    private let tileNotes: [String]
    public var source: VideoDescription { reader.video }
    /// Pixels, as written: after a turn that the target cannot say.
    public var outputWidth: Int { writer.appliedRotation % 180 == 0 ? writer.width : writer.height }
    public var outputHeight: Int { writer.appliedRotation % 180 == 0 ? writer.height : writer.width }
    public var outputPixelFormat: String { writer.pixelFormat }
    public var encoderName: String { writer.encoderName }

    /// - Parameter reader: the source, if it is open already: standard input can be opened only once. It must have been
    ///   opened with `options.input` and `options.reader`, and nothing been read from it.
    /// - Throws: `MediaError`, `PipelineError`.
    public init(_ options: UpscaleOptions, reader: MediaReader? = nil) throws {
        let descriptor = options.model.descriptor
        for descriptor in ([options.model] + options.cheaperModels).map(\.descriptor)
        where descriptor.inputChannels != 3 || descriptor.outputChannels != 3 {
            throw PipelineError.channels(model: descriptor.architecture, count: descriptor.inputChannels)
        }
        self.options = options
        let reader = try reader ?? MediaReader(path: options.input, options: options.reader)
        self.reader = reader
        let video = reader.video
        let size = options.target.pixels(
            width: video.width, height: video.height, modelScale: descriptor.scale, even: !video.isStillPicture)
        ladder = ([options.model] + (options.realtime == nil ? [] : options.cheaperModels)).map { model in
            Upscaler(
                model: model, executor: options.executor, tiling: options.tiling,
                memoryBudget: options.memoryBudget ?? Self.budget(of: video, model, on: options.executor),
                reuses: options.reuses && !video.isStillPicture)
        }
        helpers = (options.realtime == nil && !video.isStillPicture ? options.moreExecutors : []).map { executor in
            Upscaler(
                model: options.model, executor: executor, tiling: options.tiling, memoryBudget: options.memoryBudget)
        }
        let shape = Shape.nhwc(1, video.height, video.width, 3)
        tileNotes = try (ladder + helpers).reduce(into: []) { notes, upscaler in
            if let note = try upscaler.note(for: shape), !notes.contains(note) { notes.append(note) }
        }
        writer = try MediaWriter(
            path: options.output, source: reader, width: size.width, height: size.height, settings: options.encoder,
            overwrite: options.overwrite)
    }

    /// A still picture is computed once: tiles cost it next to nothing, and spare the memory that a film's frames share; but
    /// not where tiles take several passes, or cannot be. Nil for the executor's own budget.
    private static func budget(of video: VideoDescription, _ model: Model, on executor: any Executor) -> Int? {
        let isTiled = (try? model.definition.traits().frameReads.isEmpty) ?? false
        return video.isStillPicture && isTiled && !(executor is any MemoryBoundExecutor) ? 512 << 20 : nil
    }

    /// The size to which the result of a frame is brought, before it is turned.
    func outputSize(for frame: VideoFrame) -> (width: Int, height: Int) {
        guard writer.takesAnySize else { return (writer.width, writer.height) }
        return options.target.pixels(
            width: frame.width, height: frame.height, modelScale: ladder[0].scale, even: false)
    }

    private struct Interrupted: Error {}
    private var onInterrupt: (() -> Void)?
    private let interruptMonitor = Monitor()

    /// Ends the job early: frames already computed are written, and the output becomes a playable file.
    public func interrupt() {
        guard interruption.record(Interrupted()) else { return }
        interruptMonitor.change { onInterrupt }?()
    }

    var isInterrupted: Bool { interruption.value != nil }

    /// What an interruption does while the job runs; nil before and after.
    func setInterruptHandler(_ handler: (() -> Void)?) {
        interruptMonitor.change { onInterrupt = handler }
        if isInterrupted { handler?() }
    }

    /// Does the work and blocks until the output is complete.
    ///
    /// - Parameters:
    ///   - progress: called on the encoding thread, before the first frame and after every one.
    ///   - note: what a person should know and only showed itself on the way; called on any thread.
    /// - Throws: the first error of any stage (`MediaError`, `ExecutionError`, `PipelineError`). Nothing half-written
    ///   stays behind then; into a pipe, all that was read before the error was written.
    public func run(
        progress: @escaping @Sendable (Progress) -> Void = { _ in },
        note: @escaping @Sendable (String) -> Void = { _ in }
    ) throws -> UpscaleSummary {
        try UpscaleRun(self, progress, note).run()
    }
}
