internal import Media
internal import Pipeline
internal import Threads

/// A video or image file made larger, from end to end: sound, subtitles, chapters and tags are copied, timestamps kept.
public struct UpscalingJob: Sendable {
    /// How large the output shall be.
    public enum Size: Sendable, Hashable {
        /// What the model makes of the input.
        case model
        /// So many times the input's sides.
        case scale(Double)
        /// Exactly so many pixels.
        case pixels(width: Int, height: Int)
        /// As large as fits, keeping the shape.
        case fit(width: Int, height: Int)
    }

    /// How far a job is.
    public struct Progress: Sendable {
        /// Frames written.
        public var frames: Int
        /// What the container promises; nil where it does not say.
        public var expectedFrames: Int?
        public var framesPerSecond: Double
        /// Nil where the end is unknown.
        public var remainingSeconds: Double?
    }

    /// What a job did.
    public struct Result: Sendable {
        /// Frames written.
        public var frames: Int
        public var elapsedSeconds: Double
        /// False after a cancellation: the output is playable and ends early.
        public var isComplete: Bool
        /// The output's path: after a cancellation that of a part beside an older file; nil where no frame was written.
        public var output: String?
        /// Lines for people: what the target could not hold, formats chosen.
        public var notes: [String]
    }

    /// Paths. The output's extension says which container or image format it is.
    public var input: String
    public var output: String
    public var model: UpscalingModel
    public var device = Device.automatic
    public var size = Size.model
    /// FFmpeg's name of an encoder or codec; nil chooses by the output's container.
    public var codec: String?
    /// Constant quality of the encoder, lower is better; nil is 18 where the encoder has such a scale.
    public var quality: Double?
    /// Seconds of the input's beginning to leave out, and seconds to take; nil for all.
    public var start: Double?
    public var duration: Double?
    /// Whether an existing output is replaced.
    public var replacesOutput = false
    /// Whether damage in the input is passed over; else it ends the job with an error.
    public var toleratesDamage = false

    public init(input: String, output: String, model: UpscalingModel) {
        (self.input, self.output, self.model) = (input, output, model)
    }

    /// Does the work. Cancelling the task ends it early: what was computed so far is written, and the call returns.
    ///
    /// - Parameter progress: called before the first frame and after every one, on a thread of the job.
    /// - Throws: `UpframeError`; nothing half-written stays behind then.
    @discardableResult
    public func run(
        progress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws(UpframeError) -> Result {
        let cancellation = Cancellation()
        return try await offPool(otherwise: .media, cancellation: cancellation) {
            try check()
            let job = try UpscaleJob(options())
            cancellation.attach { job.interrupt() }
            let notes = Notes(job.notes)
            let summary = try job.run(progress: { progress(Progress($0)) }, note: notes.add)
            return Result(
                frames: summary.frames, elapsedSeconds: summary.elapsedSeconds, isComplete: !summary.interrupted,
                output: summary.writtenTo, notes: notes.lines)
        }
    }

    private func check() throws(UpframeError) {
        func require(_ value: Double?, _ range: ClosedRange<Double>, _ what: String) throws(UpframeError) {
            guard let value, !range.contains(value) else { return }
            throw UpframeError(
                .settings, "\(what) is \(value); it lies between \(range.lowerBound) and \(range.upperBound)")
        }
        switch size {
        case .model: break
        case .scale(let factor): try require(factor, 0.001...64, "the output's scale")
        case .pixels(let width, let height), .fit(let width, let height):
            try require(Double(width), 1...65536, "the output's width")
            try require(Double(height), 1...65536, "the output's height")
        }
        try require(quality, 0...63, "the quality")
        try require(start, 0...1e9, "the start in seconds")
        try require(duration, 0...1e9, "the duration in seconds")
    }

    private func options() throws -> UpscaleOptions {
        var options = UpscaleOptions(input: input, output: output, model: model.model, executor: try device.open())
        options.target =
            switch size {
            case .model: .model
            case .scale(let factor): .scale(factor)
            case .pixels(let width, let height): .size(width: width, height: height)
            case .fit(let width, let height): .fit(width: width, height: height)
            }
        options.reader = ReaderOptions(start: start, duration: duration, toleratesDamage: toleratesDamage)
        options.encoder = EncoderSettings(codec: codec, crf: quality)
        options.overwrite = replacesOutput
        return options
    }
}

extension UpscalingJob.Progress {
    init(_ progress: Pipeline.Progress) {
        (frames, expectedFrames) = (progress.frames, progress.expectedFrames)
        (framesPerSecond, remainingSeconds) = (progress.framesPerSecond, progress.remainingSeconds)
    }
}

/// Lines that any thread may add to.
final class Notes: Sendable {
    private let monitor = Monitor()
    // Touched inside the monitor only.
    private nonisolated(unsafe) var all: [String]

    init(_ lines: [String] = []) { all = lines }

    var lines: [String] { monitor.change { all } }
    func add(_ line: String) { monitor.change { all.append(line) } }
}
