internal import Media
internal import Network
internal import Tensor
internal import Weights

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The network on a device that takes and gives frames as codecs have them: no pixel is touched by the CPU, and copying
/// one frame goes on while the device computes another. Runs on a thread of its own.
final class DirectStage {
    private let clock: StageClock
    private let places: Pool<Int>
    private let input: Channel<Item<VideoFrame>>
    private let output: Channel<Item<Finished>>
    private let worker: DirectWorker
    private var repetition: Repetition?
    /// What is under way, in order.
    private var queue: [Entry] = []
    private var computing = 0

    private enum Entry {
        case computing(FrameTicket, VideoFrame)
        case item(Item<Finished>)
    }

    /// What was saved by not computing identical frames again; nil when reuse is off.
    var reuse: ReuseCount? { repetition?.count }

    init(
        _ worker: DirectWorker, reuses: Bool, clock: StageClock, places: Pool<Int>, input: Channel<Item<VideoFrame>>,
        output: Channel<Item<Finished>>
    ) {
        (self.worker, self.clock, self.places, self.input, self.output) = (worker, clock, places, input, output)
        repetition = reuses ? Repetition(worker.transfer.input) : nil
    }

    func run() throws {
        while true {
            guard sendReady() else { return }
            let next: Item<VideoFrame>
            if computing == 0 {
                guard let item = input.receive() else { break }
                next = item
            } else if computing < worker.framesInFlight, let item = input.receiveIfThere() {
                next = item
            } else {
                try collect()
                continue
            }
            try begin(next)
        }
        output.finish()
    }

    private func begin(_ item: Item<VideoFrame>) throws {
        switch item {
        case .packet(let packet): queue.append(.item(.packet(packet)))
        case .repeated(let frame): queue.append(.item(.repeated(frame)))
        case .content(let frame):
            if repetition?.isRepeated(frame) == true {
                places.put(0)
                queue.append(.item(.repeated(frame)))
            } else if worker.fits(frame) {
                queue.append(.computing(try clock.measure(frames: 0) { try worker.submit(frame) }, frame))
                computing += 1
            } else {
                let made = try clock.measure { try worker.computeSlowly(frame) }
                places.put(0)
                queue.append(.item(.content(Finished(frame: made, arrival: frame.arrival!))))
            }
        }
    }

    /// Waits for the oldest frame.
    private func collect() throws {
        guard case .computing(let ticket, let source) = queue.first else { preconditionFailure("the rest was sent") }
        let made = try clock.measure { try worker.collect(ticket, source) }
        places.put(0)
        computing -= 1
        queue[0] = .item(.content(Finished(frame: made, arrival: source.arrival!)))
    }

    /// Sends what comes before the oldest frame under way; false when nobody takes it.
    private func sendReady() -> Bool {
        while case .item(let item) = queue.first {
            queue.removeFirst()
            guard output.send(item) else { return false }
        }
        return true
    }
}

/// One device with a plan from frames to frames. One thread at a time.
final class DirectWorker {
    let transfer: FrameTransfer
    private let job: UpscaleJob
    private let plan: any FramePlan
    private let upscaler: Upscaler
    /// For frames that are not like the first: a stream that changes its size or format.
    private lazy var decoder = PixelConverter(decoding: job.reader.video)
    private lazy var converter = ResultConverter(job)

    /// nil where this job's frames cannot go straight to the device: it cannot convert them, they are resized, turned or
    /// have opacity, or the whole picture does not fit into its memory.
    init?(_ job: UpscaleJob, _ upscaler: Upscaler) throws {
        let (video, writer) = (job.source, job.writer)
        let shape = Shape.nhwc(1, video.height, video.width, 3)
        let result = upscaler.outputShape(shape)
        guard let executor = upscaler.executor as? any FrameExecutor, job.options.realtime == nil,
            !video.isStillPicture, !writer.takesAnySize, !writer.laysFrames, !(video.hasAlpha && writer.hasAlpha),
            (writer.width, writer.height) == (result.width, result.height), upscaler.takesWhole(shape),
            let transfer = FrameTransfer(
                from: video, toWidth: result.width, height: result.height, pixelFormat: writer.pixelFormat,
                color: writer.color)
        else { return nil }
        do {
            plan = try executor.compile(
                upscaler.model.architecture.graph(shape), parameters: upscaler.model.parameters, input: transfer.input,
                output: transfer.output)
        } catch ExecutionError.outOfMemory {
            return nil
        }
        (self.job, self.upscaler, self.transfer) = (job, upscaler, transfer)
    }

    var name: String { upscaler.executor.name }
    var framesInFlight: Int { plan.framesInFlight }

    func fits(_ frame: VideoFrame) -> Bool { transfer.fits(frame, in: job.source) }

    func submit(_ frame: VideoFrame) throws -> FrameTicket {
        try plan.submit { transfer.write(frame, to: $0) }
    }

    func collect(_ ticket: FrameTicket, _ source: VideoFrame) throws -> VideoFrame {
        var made: VideoFrame?
        try plan.wait(ticket) { made = transfer.frame(from: $0, like: source) }
        return made!
    }

    func computeSlowly(_ frame: VideoFrame) throws -> VideoFrame {
        var pixels = HostTensor(.nhwc(1, frame.height, frame.width, 3))
        try pixels.withUnsafeMutableValues { try decoder.rgb(from: frame, into: $0) }
        return try converter.frame(of: Picture(pixels: try upscaler.upscaleApart(pixels), alpha: nil, source: frame))
    }

    /// One frame from end to end.
    func compute(_ frame: VideoFrame) throws -> VideoFrame {
        fits(frame) ? try collect(try submit(frame), frame) : try computeSlowly(frame)
    }
}

/// Tells frames that are the same, bit for bit, as the one before.
struct Repetition {
    private(set) var count = ReuseCount()
    private let format: FrameFormat
    private var last: VideoFrame?

    init(_ format: FrameFormat) { self.format = format }

    mutating func isRepeated(_ frame: VideoFrame) -> Bool {
        defer { last = frame }
        count.pictures += 1
        guard let last, isSame(last, frame) else { return false }
        count.identicalPictures += 1
        return true
    }

    private func isSame(_ a: VideoFrame, _ b: VideoFrame) -> Bool {
        guard (a.width, a.height, a.pixelFormat) == (b.width, b.height, b.pixelFormat), a.color == b.color,
            (a.width, a.height) == (format.width, format.height), a.planeCount >= format.planeCount
        else { return false }
        return (0..<format.planeCount).allSatisfy { plane in
            let (rows, bytes) = (format.extent(plane: plane).height, format.rowBytes(plane: plane))
            return a.withPlane(plane) { first, stride in
                b.withPlane(plane) { second, otherStride in
                    (0..<rows).allSatisfy { memcmp(first + $0 * stride, second + $0 * otherStride, bytes) == 0 }
                }
            }
        }
    }
}
