internal import Media
internal import Network
internal import Tensor
internal import Threads
internal import VulkanExecutor

/// One run of a job: its threads, and what lies between them.
///
/// Decode → network → convert → encode, joined by bounded channels; where a device takes frames as they are, there is
/// nothing to convert, and where there are several devices, each has a thread. The end of the source travels down; an
/// error, an interruption or a reader that leaves travels up, by cancelling the channels. Pictures are bounded by pools
/// of buffers that go round.
final class UpscaleRun: @unchecked Sendable {
    /// Buffers between decoding and the network, and between the network and conversion. Two keep both sides busy; the
    /// third takes up unevenness.
    private static let picturesInFlight = 3
    /// Packets are small and many; pictures are bounded by the pools.
    private static let itemsInFlight = 256
    /// Encoded-size frames that wait for the encoder.
    private static let framesInFlight = 2

    private let job: UpscaleJob
    private let progress: @Sendable (Progress) -> Void
    private let note: @Sendable (String) -> Void
    private let decoded = Channel<Item<Picture>>(capacity: itemsInFlight)
    private let plain = Channel<Item<VideoFrame>>(capacity: itemsInFlight)
    private let upscaled = Channel<Item<Picture>>(capacity: itemsInFlight)
    private let converted: Channel<Item<Finished>>
    private let pictures: Int
    private let places: Pool<Int>
    private let inputs: Pool<HostTensor>
    private let outputs: Pool<HostTensor>
    /// Waiting for the source, where it is live: then it may well be the slowest of all.
    private let sourceClock: StageClock?
    private let decodeClock = StageClock("decode")
    private let networkClock = StageClock("network")
    private let convertClock = StageClock("convert")
    private let encodeClock = StageClock("encode")
    private var clocks: [StageClock] {
        [sourceClock, decodeClock, networkClock, convertClock, encodeClock].compactMap { $0 }
    }
    private let failure = FirstError()
    /// The source broke off, but what came before is worth keeping: it is already on its way to somebody, or it came from
    /// where nobody can get it again.
    private let sourceFailure = FirstError()
    private let start = monotonicSeconds()
    // What the stages tell in the end.
    private var encode: EncodeStage?
    private var network: NetworkStage?
    private var direct: DirectStage?
    /// Of the devices that take frames as they are; for tests.
    private(set) var plans: [any FramePlan] = []

    init(
        _ job: UpscaleJob, _ progress: @escaping @Sendable (Progress) -> Void,
        _ note: @escaping @Sendable (String) -> Void
    ) {
        (self.job, self.progress, self.note) = (job, progress, note)
        sourceClock = job.reader.isLive ? StageClock("source") : nil
        // Every further device has a picture at work and one waiting. A still picture is alone.
        let pictures = job.source.isStillPicture ? 1 : Self.picturesInFlight + 2 * job.helpers.count
        self.pictures = pictures
        inputs = Pool([])
        outputs = Pool([])
        places = Pool((0..<pictures + 1).map { $0 })
        converted = Channel(capacity: Self.framesInFlight)
    }

    func run() throws -> UpscaleSummary {
        job.setInterruptHandler { [self] in
            // What is decoded or in the network is dropped; what is converted is still encoded.
            job.reader.interrupter.interrupt()
            stopReading()
        }
        defer {
            job.setInterruptHandler(nil)
            job.reader.decode(into: nil)
        }
        do {
            return try runStages()
        } catch MediaError.readerGone where !job.isInterrupted {
            job.writer.abandon()
            return summary(writtenTo: job.options.output, readerGone: true)
        } catch {
            job.writer.abandon()
            throw error
        }
    }

    /// What threads do: reading, and the rest in order.
    private struct Threads {
        var decode: () throws -> Void
        var compute: [(name: String, body: () throws -> Void)]
        var convert: (() throws -> Void)?
    }

    private func runStages() throws -> UpscaleSummary {
        let threads = try self.threads()
        let encode = EncodeStage(
            job, clock: encodeClock, input: converted, report: { [self] in report($0) }, note: note)
        self.encode = encode
        let decoding = thread("decode") { [self] in
            do { try threads.decode() } catch {
                guard job.writer.isLive || job.reader.isLive, sourceFailure.record(error) else { throw error }
                decoded.finish()
                plain.finish()
            }
        }
        let computing = threads.compute.map { thread($0.name, $0.body) }
        let converting = threads.convert.map { thread("convert", $0) }
        let encoding = thread("encode") { try encode.run() }
        converting??.join()
        encoding?.join()
        func joinOthers() {
            decoding?.join()
            for thread in computing { thread?.join() }
        }
        // After an interruption the network may be in the middle of a long frame: the output is finished before it is.
        let isCutShort = job.isInterrupted
        if !isCutShort { joinOthers() }
        defer { if isCutShort, job.options.waitsForThreads { joinOthers() } }
        if let error = failure.value { throw error }
        if job.isInterrupted {
            let part = try encodeClock.measure(frames: 0) { try job.writer.finishInterrupted() }
            return summary(writtenTo: part)
        }
        if let error = sourceFailure.value {
            // The source's error says more than one about an empty output.
            if job.writer.writtenFrames > 0 {
                try encode.finish()
                if !job.writer.isLive {
                    note("\(job.options.output): holds the \(job.writer.writtenFrames) frames that came before.")
                }
            }
            throw error
        }
        guard job.reader.deliveredFrames == job.writer.writtenFrames else {
            throw PipelineError.frameCount(
                path: job.options.output, read: job.reader.deliveredFrames, written: job.writer.writtenFrames)
        }
        try encode.finish()
        return summary(writtenTo: job.options.output)
    }

    private func threads() throws -> Threads {
        let upscalers = [job.ladder[0]] + job.helpers
        let hardware = upscalers.allSatisfy { ($0.executor as? VulkanExecutor)?.isSoftware == false }
        // A device that is quick takes frames as they are. On a slow one more is won by computing only those tiles that
        // changed, which needs the pictures here.
        if hardware || !job.options.reuses {
            let models = job.options.realtime == nil ? upscalers : job.ladder
            // Nobody waits for a single frame of a file that one device computes.
            let batches = models.count == 1 && job.options.realtime == nil && !job.reader.isLive
            // A decoder writes into the memory of one plan: that of the best model, or of the first device. Where that leaves
            // no room for the others, they matter more.
            for lends in models.count > 1 ? [true, false] : [true] {
                let workers = try models.enumerated().compactMap { index, upscaler in
                    try DirectWorker(job, upscaler, batches: batches, lends: lends && index == 0)
                }
                if workers.count == models.count { return try directThreads(workers) }
            }
        }
        try makeFloats()
        let sink = PictureSink(job, inputs: inputs, output: decoded)
        let decode = DecodeStage(job, clock: decodeClock, sourceClock: sourceClock, sink: sink, note: note)
        let convert = ConvertStage(job, clock: convertClock, outputs: outputs, input: upscaled, output: converted)
        guard job.helpers.isEmpty else {
            let shared = try SharedStage(
                names: upscalers.map(\.executor.name), window: pictures, clock: networkClock, input: decoded,
                output: upscaled,
                works: upscalers.map { upscaler in DeviceWork { [self] in try compute($0, upscaler) } })
            return Threads(
                decode: decode.run, compute: [("feed", shared.feed), ("collect", shared.drain)], convert: convert.run)
        }
        let network = NetworkStage(
            job, clock: networkClock, inputs: inputs, outputs: outputs, input: decoded, output: upscaled,
            downstream: { [convertClock, encodeClock] in
                convertClock.reading.secondsPerFrame + encodeClock.reading.secondsPerFrame
            })
        self.network = network
        try network.prepare()
        return Threads(decode: decode.run, compute: [("network", network.run)], convert: convert.run)
    }

    /// Fills the pools: only where pictures are converted here.
    ///
    /// - Throws: `MemoryShortage`, where there is no room for them and for a frame on its way to the encoder.
    private func makeFloats() throws {
        let shape = Shape.nhwc(1, job.source.height, job.source.width, 3)
        let result = job.ladder[0].outputShape(shape)
        let floats = Double(pictures) * (Double(shape.count) + Double(result.count))
        let frame = Double(job.writer.width) * Double(job.writer.height) * 3
        try HostMemory.require(
            floats * 4 + 2 * frame + Self.leastWork,
            for: "\(job.options.input): \(shape.width)x\(shape.height) to \(job.writer.width)x\(job.writer.height)",
            remedy: "free some, or take a smaller picture or factor.")
        for _ in 0..<pictures {
            inputs.put(HostTensor(shape))
            outputs.put(HostTensor(result))
        }
    }

    /// Bytes that a network in small tiles, a decoder and an encoder take in any case.
    private static let leastWork = 192e6

    private func directThreads(_ workers: [DirectWorker]) throws -> Threads {
        // At least one frame more than the devices can have; in real time they take turns, and none shall wait.
        let inFlight = job.options.realtime == nil ? workers.reduce(0) { $0 + $1.framesInFlight } : 0
        for place in 0..<max(0, inFlight - pictures) { places.put(place) }
        plans = workers.map(\.plan)
        FrameTransfer.decode(job.reader, into: plans[0])
        let sink = PlainSink(places: places, output: plain)
        let decode = DecodeStage(job, clock: decodeClock, sourceClock: sourceClock, sink: sink, note: note)
        guard workers.count > 1, job.options.realtime == nil else {
            let direct = DirectStage(
                workers, reuses: job.options.reuses, clock: networkClock, places: places, input: plain,
                output: converted, downstream: { [encodeClock] in encodeClock.reading.secondsPerFrame },
                isInterrupted: { [job] in job.isInterrupted })
            self.direct = direct
            try direct.prepare(job)
            return Threads(decode: decode.run, compute: [("network", direct.run)], convert: nil)
        }
        let shared = try SharedStage(
            names: workers.map(\.name), window: max(pictures, inFlight) + 1, clock: networkClock, input: plain,
            output: converted,
            works: workers.map { worker in
                DeviceWork(capacity: worker.framesInFlight, begin: worker.begin) { [places] in
                    defer { places.put(0) }
                    let (made, source) = try worker.end()
                    return Finished(frame: made, arrival: source.arrival!)
                }
            })
        return Threads(decode: decode.run, compute: [("feed", shared.feed), ("collect", shared.drain)], convert: nil)
    }

    /// A picture on one of several devices.
    private func compute(_ picture: Picture, _ upscaler: Upscaler) throws -> Picture {
        let shape = upscaler.outputShape(picture.pixels.shape)
        var result = outputs.take() ?? HostTensor(shape)
        if result.shape != shape { result = HostTensor(shape) }
        try upscaler.upscale(picture.pixels, into: &result)
        guard result.isFinite else {
            throw PipelineError.notFinite(
                path: job.options.input, frame: job.writer.writtenFrames, executor: upscaler.executor.name)
        }
        let alpha = try picture.alpha.map { try upscaler.upscaleOpacity($0) }
        inputs.put(picture.pixels)
        return Picture(pixels: result, alpha: alpha, source: picture.source)
    }

    private func summary(writtenTo part: String?, readerGone: Bool = false) -> UpscaleSummary {
        let isInterrupted = job.isInterrupted
        return UpscaleSummary(
            frames: job.writer.writtenFrames, elapsedSeconds: monotonicSeconds() - start,
            stages: clocks.map(\.reading), latency: (encode?.latencies ?? LatencyHistogram()).reading,
            // After an interruption the network's thread may still be at work.
            governor: isInterrupted ? nil : (network?.governor ?? direct?.governor)?.count,
            reuse: isInterrupted ? nil : direct?.reuse ?? job.ladder[0].reuse, interrupted: isInterrupted,
            writtenTo: part,
            readerGone: readerGone, isLive: job.writer.isLive)
    }

    /// Nil, and the run ends with an error, where the system has no room for another thread.
    private func thread(_ name: String, _ body: @escaping () throws -> Void) -> WorkerThread? {
        // Each body is owned by the thread that runs it; the stages' results are read after it was joined.
        nonisolated(unsafe) let body = body
        let thread = WorkerThread(ifPossible: "upframe \(name)") { [self] in
            do { try body() } catch { fail(error) }
        }
        if thread == nil { fail(PipelineError.noThread) }
        return thread
    }

    private func fail(_ error: any Error) {
        guard failure.record(error) else { return }
        // A reader of a pipe may be waiting for bytes that never come.
        job.reader.interrupter.interrupt()
        stopReading()
        converted.cancel()
    }

    private func stopReading() {
        decoded.cancel()
        plain.cancel()
        upscaled.cancel()
        inputs.cancel()
        outputs.cancel()
        places.cancel()
    }

    private func report(_ frames: Int) {
        progress(
            Progress(
                frames: frames, expectedFrames: job.source.frameCountEstimate,
                elapsedSeconds: monotonicSeconds() - start, stages: clocks.map(\.reading)))
    }
}
