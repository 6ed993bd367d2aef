internal import Media
internal import Network
internal import Tensor
internal import Threads
internal import Weights

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The network on a device that takes and gives frames as codecs have them: the CPU converts nothing, and what has to be
/// copied is copied while the device computes another frame. Runs on a thread of its own.
final class DirectStage {
    private let clock: StageClock
    private let places: Pool<Int>
    private let input: Channel<Item<VideoFrame>>
    private let output: Channel<Item<Finished>>
    /// One for each model that a frame may be computed with, the best first; more than one only in real time.
    private let ladder: [DirectWorker]
    private let downstream: () -> Double
    private let isInterrupted: () -> Bool
    private var repetition: Repetition?
    /// What real time allows; nil without it. Read when the stage has ended.
    private(set) var governor: Governor?
    /// What is under way, in order.
    private var queue: [Entry] = []
    /// Packets and repeated frames that may wait behind frames under way.
    private static let itemsBehind = 64
    private var computing = 0
    private var lastRung = 0
    private var lastCollection = 0.0
    /// Smoothed seconds that a frame takes.
    private var pace = 0.0

    private enum Entry {
        case computing(FrameTicket, VideoFrame, rung: Int, since: Double)
        case item(Item<Finished>)
    }

    /// What was saved by not computing identical frames again; nil when reuse is off.
    var reuse: ReuseCount? { repetition?.count }

    init(
        _ ladder: [DirectWorker], reuses: Bool, clock: StageClock, places: Pool<Int>, input: Channel<Item<VideoFrame>>,
        output: Channel<Item<Finished>>, downstream: @escaping () -> Double, isInterrupted: @escaping () -> Bool
    ) {
        (self.ladder, self.clock, self.places) = (ladder, clock, places)
        (self.input, self.output, self.downstream) = (input, output, downstream)
        self.isInterrupted = isInterrupted
        repetition = reuses ? Repetition(ladder[0].transfer.input) : nil
    }

    /// In real time: measures every rung before the stream begins.
    func prepare(_ job: UpscaleJob) throws {
        guard let bound = job.options.realtime else { return }
        let costs = try ladder.map { try $0.measure() }
        let rate = job.source.averageFrameRate
        governor = Governor(costs: costs, interval: rate.isKnown ? 1 / rate.value : 0, maximumLatency: bound)
        pace = costs[0]
    }

    func run() throws {
        while true {
            guard sendReady() else { return }
            let worker = ladder[lastRung]
            let started = computing - worker.framesWaiting
            // What comes behind frames waits too.
            let mayTake = queue.count - computing < DirectStage.itemsBehind
            // A batch that is not full is nothing to wait for: the device has not begun with it.
            if started == 0, mayTake, let item = input.receive() {
                try begin(item)
            } else if computing == 0 || started == 0 && isInterrupted() {
                break
            } else if worker.hasRoom, mayTake, let item = input.receiveIfThere() {
                try begin(item)
            } else {
                try collect()
            }
        }
        output.finish()
    }

    private func begin(_ item: Item<VideoFrame>) throws {
        switch item {
        case .packet(let packet): queue.append(.item(.packet(packet)))
        case .repeated(let frame):
            governor?.countSkipped()
            queue.append(.item(.repeated(frame)))
        case .content(let frame):
            guard repetition?.isRepeated(frame) != true, let rung = rung(for: frame) else {
                places.put(0)
                queue.append(.item(.repeated(frame)))
                return
            }
            // Plans of two models share the device, but the queue of each is its own: they take turns.
            if rung != lastRung { while computing > 0 { try collectKeepingOrder() } }
            lastRung = rung
            let worker = ladder[rung]
            if worker.fits(frame) {
                let since = monotonicSeconds()
                let ticket = try clock.measure(frames: 0) { try worker.submit(frame) }
                queue.append(.computing(ticket, frame, rung: rung, since: since))
                computing += 1
            } else {
                // Nothing to wait behind: it may be that no frame fits any more.
                while computing > 0 { try collectKeepingOrder() }
                let made = try clock.measure { try worker.computeSlowly(frame) }
                places.put(0)
                queue.append(.item(.content(Finished(frame: made, arrival: frame.arrival!))))
            }
        }
    }

    /// The model to compute a frame with; nil when there is no time for any.
    private func rung(for frame: VideoFrame) -> Int? {
        guard governor != nil else { return 0 }
        // Those before it have to be done first.
        let age = monotonicSeconds() - frame.arrival! + Double(computing) * pace
        guard case .rung(let rung) = governor!.decide(age: age, downstream: downstream()) else {
            // The next frame is compared with one that was seen but not computed: what is shown for both is older.
            repetition?.forget()
            return nil
        }
        return rung
    }

    private func collectKeepingOrder() throws {
        guard let index = queue.firstIndex(where: { if case .computing = $0 { true } else { false } }) else { return }
        try collect(at: index)
    }

    /// Waits for the oldest frame.
    private func collect(at index: Int = 0) throws {
        guard case .computing(let ticket, let source, let rung, let since) = queue[index] else {
            preconditionFailure("the rest was sent")
        }
        let made = try clock.measure { try ladder[rung].collect(ticket, source) }
        places.put(0)
        computing -= 1
        let now = monotonicSeconds()
        let seconds = now - max(since, lastCollection)
        lastCollection = now
        pace += 0.25 * (seconds - pace)
        governor?.measured(rung, seconds: seconds)
        queue[index] = .item(.content(Finished(frame: made, arrival: source.arrival!)))
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
    let plan: any FramePlan
    private let upscaler: Upscaler
    /// For frames that are not like the first: a stream that changes its size or format.
    private lazy var decoder = PixelConverter(decoding: job.reader.video)
    private lazy var converter = ResultConverter(job)
    /// What `begin` began, in order.
    private var begun: [(frame: VideoFrame, work: Begun)] = []

    private enum Begun {
        case computing(FrameTicket)
        case made(VideoFrame)
    }

    /// nil where this job's frames cannot go straight to the device: it cannot convert them, they are resized, turned or
    /// have opacity, or the whole picture does not fit into its memory.
    ///
    /// - Parameters:
    ///   - batches: whether several frames may wait for each other, where that fills the device.
    ///   - lends: whether the decoder shall write into the plan's memory.
    init?(_ job: UpscaleJob, _ upscaler: Upscaler, batches: Bool, lends: Bool = true) throws {
        let (video, writer) = (job.source, job.writer)
        let shape = Shape.nhwc(1, video.height, video.width, 3)
        let result = upscaler.outputShape(shape)
        guard let executor = upscaler.executor as? any FrameExecutor,
            !video.isStillPicture, !writer.takesAnySize, !writer.laysFrames, !(video.hasAlpha && writer.hasAlpha),
            (writer.width, writer.height) == (result.width, result.height), upscaler.takesWhole(shape),
            let transfer = FrameTransfer(
                from: video, arrangement: lends ? job.reader.arrangement : nil, toWidth: result.width,
                height: result.height,
                pixelFormat: writer.pixelFormat, color: writer.color)
        else { return nil }
        func compile(_ frames: Int) throws -> any FramePlan {
            try executor.compile(
                upscaler.model.graph(.nhwc(frames, shape.height, shape.width, shape.channels)),
                parameters: upscaler.model.parameters, input: transfer.input, output: transfer.output,
                arrangement: transfer.arrangement)
        }
        let most = batches ? min(upscaler.picturesAtOnce(shape), max(1, job.source.frameCountEstimate ?? .max)) : 1
        var compiled: (any FramePlan)?
        for frames in most > 1 ? [most, 1] : [1] where compiled == nil {
            do { compiled = try compile(frames) } catch ExecutionError.outOfMemory {}
        }
        guard let compiled else { return nil }
        plan = compiled
        (self.job, self.upscaler, self.transfer) = (job, upscaler, transfer)
    }

    var name: String { upscaler.executor.name }
    var framesInFlight: Int { plan.framesInFlight }
    var framesWaiting: Int { plan.framesWaiting }
    var hasRoom: Bool { plan.hasRoom }

    func fits(_ frame: VideoFrame) -> Bool { transfer.fits(frame, in: job.source) }

    func submit(_ frame: VideoFrame) throws -> FrameTicket {
        try plan.submit(transfer.planes(of: frame), owner: frame)
    }

    func collect(_ ticket: FrameTicket, _ source: VideoFrame) throws -> VideoFrame {
        do { return try transfer.frame(from: plan.wait(ticket), like: source) } catch ExecutionError.outOfMemory {
            // A frame that overflows half precision is computed again in single precision, which takes more room than
            // there may be: such frames go through tiles.
            return try computeSlowly(source)
        }
    }

    func computeSlowly(_ frame: VideoFrame) throws -> VideoFrame {
        var pixels = HostTensor(.nhwc(1, frame.height, frame.width, 3))
        try pixels.withUnsafeMutableValues { try decoder.rgb(from: frame, into: $0) }
        return try converter.frame(of: Picture(pixels: try upscaler.upscaleApart(pixels), alpha: nil, source: frame))
    }

    /// Seconds that a frame takes, measured on a grey one after another to warm up.
    func measure() throws -> Double {
        let video = job.source
        let grey = [Float](repeating: 0.5, count: video.width * video.height * 3)
        let maker = try PixelConverter(
            encodingWidth: video.width, height: video.height, pixelFormat: video.pixelFormat, color: video.color)
        let frame = try grey.withUnsafeBufferPointer {
            try maker.frame(fromRGB: $0, width: video.width, height: video.height, timestamp: 0, duration: 0)
        }
        try run([frame], count: 1) { _ in }
        let start = monotonicSeconds()
        try run([frame], count: 1) { _ in }
        return monotonicSeconds() - start
    }

    /// Frames one after the other, as many in flight as there can be; for measuring. They begin anew after the last one.
    func run(_ frames: [VideoFrame], count: Int, _ body: (VideoFrame) throws -> Void) throws {
        var under: [(ticket: FrameTicket, frame: VideoFrame)] = []
        var next = 0
        while next < count || !under.isEmpty {
            if next < count && hasRoom {
                let frame = frames[next % frames.count]
                under.append((try submit(frame), frame))
                next += 1
            } else {
                let (ticket, frame) = under.removeFirst()
                try body(collect(ticket, frame))
            }
        }
    }

    /// Starts a frame, whatever it is like.
    ///
    /// - Precondition: made without batches, so that there is room for every frame up to `framesInFlight`.
    func begin(_ frame: VideoFrame) throws {
        precondition(plan.framesAtOnce == 1, "a batch may have to be started before it is full")
        begun.append((frame, fits(frame) ? .computing(try submit(frame)) : .made(try computeSlowly(frame))))
    }

    /// Waits for the oldest frame that was begun.
    func end() throws -> (made: VideoFrame, source: VideoFrame) {
        let (frame, work) = begun.removeFirst()
        switch work {
        case .computing(let ticket): return (try collect(ticket, frame), frame)
        case .made(let made): return (made, frame)
        }
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

    /// The last frame is not what is shown.
    mutating func forget() { last = nil }

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
