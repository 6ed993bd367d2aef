internal import Media
internal import Tensor

/// Reads and decodes: frames as RGB, packets as they are. Runs on a thread of its own.
final class DecodeStage {
    private let job: UpscaleJob
    private let clock: StageClock
    private let inputs: Pool<HostTensor>
    private let output: Channel<Item<Picture>>
    private let note: (String) -> Void
    private let converter: PixelConverter
    /// Knows whether anybody wants a frame's opacity.
    private let factory: FrameFactory
    private var pace: Pace
    private var size: (width: Int, height: Int)

    init(
        _ job: UpscaleJob, clock: StageClock, inputs: Pool<HostTensor>, output: Channel<Item<Picture>>,
        note: @escaping (String) -> Void
    ) {
        (self.job, self.clock, self.inputs, self.output, self.note) = (job, clock, inputs, output, note)
        converter = PixelConverter(decoding: job.reader.video)
        factory = job.writer.frameFactory()
        pace = Pace(job.reader.video.timeBase)
        size = (job.source.width, job.source.height)
    }

    /// Until the end of the source, an interruption, or nobody takes what comes.
    func run() throws {
        while !job.isInterrupted {
            let event: MediaEvent?
            do { event = try clock.measure(frames: 0) { try job.reader.next() } } catch MediaError.interrupted {
                return
            }
            switch event {
            case nil:
                output.finish()
                return
            case .packet(let packet):
                guard output.send(.packet(packet)) else { return }
            case .frame(let frame):
                guard try pass(frame) else { return }
            }
        }
    }

    /// False when nobody takes it.
    private func pass(_ frame: VideoFrame) throws -> Bool {
        noteSize(of: frame)
        var frame = frame.arrived(at: frame.arrival ?? monotonicSeconds())
        var free: HostTensor?
        if job.options.realtime != nil {
            // A file comes as fast as it is read: its frames arrive when they are due. And a stream does not wait:
            // without a free buffer the frame is passed over.
            frame = frame.arrived(at: pace.wait(for: frame.timestamp, notBefore: frame.arrival!))
            free = inputs.takeIfFree()
            if free == nil { return output.send(.repeated(frame)) }
        } else {
            free = inputs.take()
        }
        guard var pixels = free else { return false }
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

    private func noteSize(of frame: VideoFrame) {
        guard (frame.width, frame.height) != size else { return }
        if !job.writer.takesAnySize, size == (job.source.width, job.source.height) {
            note(
                "\(job.options.input): the picture changes its size from \(size.width)x\(size.height) to "
                    + "\(frame.width)x\(frame.height) at \(decimal(frame)) s; it is scaled to the same output.")
        }
        size = (frame.width, frame.height)
    }

    private func decimal(_ frame: VideoFrame) -> String {
        let hundredths = Int((Double(frame.timestamp) * job.source.timeBase.value * 100).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100)"
    }
}

/// Lets frames arrive when they are due, counted from the first one.
struct Pace {
    private let secondsPerTick: Double
    /// When tick zero is due.
    private var origin: Double?
    private var last: Int64 = 0
    /// A live source's clock may run faster than ours; so much of a frame's distance is taken for that and not waited
    /// for, or it would be later and later.
    private static let drift = 0.001

    init(_ timeBase: Rational) { secondsPerTick = timeBase.value }

    /// Waits until the frame is due; the time at which it is taken to have arrived.
    mutating func wait(for timestamp: Int64, notBefore arrival: Double) -> Double {
        let offset = Double(timestamp) * secondsPerTick
        guard let start = origin else {
            (origin, last) = (arrival - offset, timestamp)
            return arrival
        }
        let early = start + offset - arrival
        let step = Double(max(timestamp - last, 0)) * secondsPerTick
        last = timestamp
        guard early > 0 else { return arrival }
        let allowance = min(early, step * Self.drift)
        origin = start - allowance
        let due = start + offset - allowance
        let left = due - monotonicSeconds()
        if left > 0 { sleepSeconds(left) }
        return due
    }
}
