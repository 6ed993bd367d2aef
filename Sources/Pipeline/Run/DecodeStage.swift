internal import Media
internal import Tensor
internal import Threads

/// Reads and decodes: frames to a sink, packets as they are. Runs on a thread of its own.
final class DecodeStage<Sink: FrameSink> {
    private let job: UpscaleJob
    private let clock: StageClock
    /// Counts the waiting for a live source; nil for files.
    private let sourceClock: StageClock?
    private let sink: Sink
    private let note: (String) -> Void
    private var pace: Pace
    private var size: (width: Int, height: Int)
    private var aspect: Rational?
    private var hasNotedShape = false

    init(
        _ job: UpscaleJob, clock: StageClock, sourceClock: StageClock?, sink: Sink, note: @escaping (String) -> Void
    ) {
        (self.job, self.clock, self.sourceClock, self.sink, self.note) = (job, clock, sourceClock, sink, note)
        pace = Pace(job.reader.video.timeBase)
        size = (job.source.width, job.source.height)
    }

    /// Until the end of the source, an interruption, or nobody takes what comes.
    func run() throws {
        while !job.isInterrupted {
            let event: MediaEvent?
            do { event = try read() } catch MediaError.interrupted { return }
            switch event {
            case nil:
                noteDamage()
                sink.output.finish()
                return
            case .packet(let packet):
                guard sink.output.send(.packet(packet)) else { return }
            case .frame(let frame):
                guard try pass(frame) else { return }
            }
        }
    }

    private func read() throws -> MediaEvent? {
        let (start, waited) = (monotonicSeconds(), job.reader.waitedSeconds)
        let event = try job.reader.next()
        let waiting = job.reader.waitedSeconds - waited
        clock.add(monotonicSeconds() - start - waiting)
        if case .frame = event { sourceClock?.add(waiting, frames: 1) } else { sourceClock?.add(waiting) }
        return event
    }

    /// False when nobody takes it.
    private func pass(_ frame: VideoFrame) throws -> Bool {
        noteSize(of: frame)
        noteShape(of: frame)
        let frame = frame.arrived(at: frame.arrival ?? monotonicSeconds())
        guard job.options.realtime != nil else { return try sink.take(frame, clock: clock, waits: true) }
        // A file comes as fast as it is read: its frames arrive when they are due. And a stream does not wait: a frame for
        // which there is no room is passed over.
        let due = pace.wait(for: frame.timestamp, notBefore: frame.arrival!)
        return try sink.take(frame.arrived(at: due), clock: clock, waits: false)
    }

    private func noteSize(of frame: VideoFrame) {
        guard (frame.width, frame.height) != size else { return }
        if !job.writer.takesAnySize, size == (job.source.width, job.source.height) {
            note(
                "\(job.options.input): the picture changes its size from \(size.width)x\(size.height) to "
                    + "\(frame.width)x\(frame.height) at \(decimal(frame)) s; it is scaled to the same output.")
        }
        size = (frame.width, frame.height)
    }

    /// A broadcast that changes from 4:3 to 16:9 keeps its size and changes the shape of its samples.
    private func noteShape(of frame: VideoFrame) {
        let aspect = frame.sampleAspectRatio
        guard aspect.isKnown else { return }
        defer { self.aspect = aspect }
        guard let first = self.aspect, !hasNotedShape, !job.writer.takesAnySize,
            first.numerator * aspect.denominator != aspect.numerator * first.denominator
        else { return }
        hasNotedShape = true
        note(
            "\(job.options.input): the shape of its pixels changes from \(first.numerator):\(first.denominator) to "
                + "\(aspect.numerator):\(aspect.denominator) at \(decimal(frame)) s; the output keeps the first aspect ratio."
        )
    }

    /// What reading showed is said: what `toleratesDamage` let pass, a clock that jumps.
    private func noteDamage() {
        for text in job.reader.notes { note(text) }
        guard !job.reader.damage.isEmpty else { return }
        note(job.reader.damage.description(of: job.options.input))
    }

    private func decimal(_ frame: VideoFrame) -> String {
        let hundredths = Int((Double(frame.timestamp) * job.source.timeBase.value * 100).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }
}

/// What becomes of decoded frames.
protocol FrameSink {
    associatedtype Content
    var output: Channel<Item<Content>> { get }

    /// Sends a frame on.
    ///
    /// - Parameter waits: for room; otherwise, where there is none, the result before is shown again.
    /// - Returns: false when nobody takes it.
    func take(_ frame: VideoFrame, clock: StageClock, waits: Bool) throws -> Bool
}

/// Frames as RGB floats, in buffers that go round.
final class PictureSink: FrameSink {
    let output: Channel<Item<Picture>>
    private let inputs: Pool<HostTensor>
    private let converter: PixelConverter
    /// Knows whether anybody wants a frame's opacity.
    private let factory: FrameFactory

    init(_ job: UpscaleJob, inputs: Pool<HostTensor>, output: Channel<Item<Picture>>) {
        (self.inputs, self.output) = (inputs, output)
        converter = PixelConverter(decoding: job.reader.video)
        factory = job.writer.frameFactory()
    }

    func take(_ frame: VideoFrame, clock: StageClock, waits: Bool) throws -> Bool {
        let free = waits ? inputs.take() : inputs.takeIfFree()
        guard var pixels = free else { return waits ? false : output.send(.repeated(frame)) }
        let shape = Shape.nhwc(1, frame.height, frame.width, 3)
        // A stream that changes its size midway.
        if pixels.shape != shape { pixels = HostTensor(shape) }
        var alpha: HostTensor?
        try clock.measure {
            try pixels.withUnsafeMutableValues { try converter.rgb(from: frame, into: $0) }
            if factory.hasAlpha(for: frame) { alpha = try opacity(of: frame) }
        }
        return output.send(.content(Picture(pixels: pixels, alpha: alpha, source: frame)))
    }

    /// nil where the whole frame is opaque.
    private func opacity(of frame: VideoFrame) throws -> HostTensor? {
        var alpha = HostTensor(.nhwc(1, frame.height, frame.width, 1))
        try alpha.withUnsafeMutableValues { try converter.alpha(from: frame, into: $0) }
        return alpha.withUnsafeValues { $0.allSatisfy { $0 >= 1 } } ? nil : alpha
    }
}

/// Frames as they are, for a device that converts them itself.
final class PlainSink: FrameSink {
    let output: Channel<Item<VideoFrame>>
    /// Bounds the frames that are decoded and not yet done.
    private let places: Pool<Int>

    init(places: Pool<Int>, output: Channel<Item<VideoFrame>>) { (self.places, self.output) = (places, output) }

    func take(_ frame: VideoFrame, clock: StageClock, waits: Bool) -> Bool {
        guard (waits ? places.take() : places.takeIfFree()) != nil else {
            return waits ? false : output.send(.repeated(frame))
        }
        clock.add(0, frames: 1)
        return output.send(.content(frame))
    }
}
