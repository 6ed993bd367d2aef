internal import Media
internal import Tensor

/// One run of a job: its four threads, and what lies between them.
///
/// Decode → network → convert → encode, joined by bounded channels. The end of the source travels down; an error, an
/// interruption or a reader that leaves travels up, by cancelling the channels. Pictures are bounded by two pools of
/// buffers that go round.
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
    private let upscaled = Channel<Item<Picture>>(capacity: itemsInFlight)
    private let converted = Channel<Item<Finished>>(capacity: framesInFlight)
    private let inputs: Pool<HostTensor>
    private let outputs: Pool<HostTensor>
    private let decodeClock = StageClock("decode")
    private let networkClock = StageClock("network")
    private let convertClock = StageClock("convert")
    private let encodeClock = StageClock("encode")
    private var clocks: [StageClock] { [decodeClock, networkClock, convertClock, encodeClock] }
    private let failure = FirstError()
    /// The source broke off, but what came before is worth delivering: it is already on its way to somebody.
    private let sourceFailure = FirstError()
    private let start = monotonicSeconds()

    init(
        _ job: UpscaleJob, _ progress: @escaping @Sendable (Progress) -> Void, _ note: @escaping @Sendable (String) -> Void
    ) {
        (self.job, self.progress, self.note) = (job, progress, note)
        let shape = Shape.nhwc(1, job.source.height, job.source.width, 3)
        inputs = Pool((0..<Self.picturesInFlight).map { _ in HostTensor(shape) })
        outputs = Pool((0..<Self.picturesInFlight).map { _ in HostTensor(job.ladder[0].outputShape(shape)) })
    }

    func run() throws -> UpscaleSummary {
        job.setInterruptHandler { [self] in
            // What is decoded or in the network is dropped; what is converted is still encoded.
            job.reader.interrupter.interrupt()
            stopReading()
        }
        defer { job.setInterruptHandler(nil) }
        do {
            return try runStages()
        } catch MediaError.readerGone where !job.isInterrupted {
            job.writer.abandon()
            return summary(readerGone: true)
        } catch {
            job.writer.abandon()
            throw error
        }
    }

    private var network: NetworkStage?
    private var encode: EncodeStage?

    private func runStages() throws -> UpscaleSummary {
        let decode = DecodeStage(job, clock: decodeClock, inputs: inputs, output: decoded, note: note)
        let network = NetworkStage(
            job, clock: networkClock, inputs: inputs, outputs: outputs, input: decoded, output: upscaled,
            downstream: { [convertClock, encodeClock] in
                convertClock.reading.secondsPerFrame + encodeClock.reading.secondsPerFrame
            })
        let convert = ConvertStage(job, clock: convertClock, outputs: outputs, input: upscaled, output: converted)
        let encode = EncodeStage(
            job, clock: encodeClock, input: converted, report: { [self] in report($0) }, note: note)
        (self.network, self.encode) = (network, encode)
        try network.prepare()

        let decoding = thread("decode") { [self] in
            do { try decode.run() } catch {
                guard job.writer.isLive, sourceFailure.record(error) else { throw error }
                decoded.finish()
            }
        }
        let computing = thread("network") { try network.run() }
        let converting = thread("convert") { try convert.run() }
        let encoding = thread("encode") { try encode.run() }
        converting.join()
        encoding.join()
        // After an interruption the network may be in the middle of a long frame: nobody waits for it.
        if !job.isInterrupted {
            decoding.join()
            computing.join()
        }
        if let error = failure.value { throw error }
        if job.isInterrupted {
            let wrote = try encodeClock.measure(frames: 0) { try job.writer.finishInterrupted() }
            return summary(wroteOutput: wrote)
        }
        if let error = sourceFailure.value {
            // The source's error says more than one about an empty output.
            if job.writer.writtenFrames > 0 { try encode.finish() }
            throw error
        }
        guard job.reader.deliveredFrames == job.writer.writtenFrames else {
            throw PipelineError.frameCount(
                path: job.options.output, read: job.reader.deliveredFrames, written: job.writer.writtenFrames)
        }
        try encode.finish()
        return summary()
    }

    private func summary(wroteOutput: Bool = true, readerGone: Bool = false) -> UpscaleSummary {
        let isInterrupted = job.isInterrupted
        return UpscaleSummary(
            frames: job.writer.writtenFrames, elapsedSeconds: monotonicSeconds() - start,
            stages: clocks.map(\.reading), latency: (encode?.latencies ?? LatencyHistogram()).reading,
            // After an interruption the network's thread may still be at work.
            governor: isInterrupted ? nil : network?.governor?.count,
            reuse: isInterrupted ? nil : job.ladder[0].reuse, interrupted: isInterrupted, wroteOutput: wroteOutput,
            readerGone: readerGone, isLive: job.writer.isLive)
    }

    private func thread(_ name: String, _ body: @escaping () throws -> Void) -> WorkerThread {
        // Each body is owned by the thread that runs it; the stages' results are read after it was joined.
        nonisolated(unsafe) let body = body
        return WorkerThread("upframe \(name)") { [self] in
            do { try body() } catch {
                guard failure.record(error) else { return }
                // A reader of a pipe may be waiting for bytes that never come.
                job.reader.interrupter.interrupt()
                stopReading()
                converted.cancel()
            }
        }
    }

    private func stopReading() {
        decoded.cancel()
        upscaled.cancel()
        inputs.cancel()
        outputs.cancel()
    }

    private func report(_ frames: Int) {
        progress(
            Progress(
                frames: frames, expectedFrames: job.source.frameCountEstimate,
                elapsedSeconds: monotonicSeconds() - start, stages: clocks.map(\.reading)))
    }
}
