internal import Media
internal import Network
internal import Threads
internal import VulkanExecutor

/// The same where a device takes frames as they are (`DirectStage`): nothing is converted on the CPU, and several frames
/// are in flight.
extension Benchmark {
    /// The job, and the device as it serves it; nil where pictures go through the CPU.
    private func direct(_ options: UpscaleOptions) throws -> (job: UpscaleJob, worker: DirectWorker)? {
        guard executor is any FrameExecutor else { return nil }
        let job = try UpscaleJob(options)
        guard let worker = try DirectWorker(job, job.ladder[0], batches: true) else {
            job.writer.abandon()
            return nil
        }
        FrameTransfer.decode(job.reader, into: worker.plan)
        return (job, worker)
    }

    /// The first frames of a job's source that its plan is for.
    private func frames(_ job: UpscaleJob, _ worker: DirectWorker, _ limit: Int) throws -> [VideoFrame] {
        var frames: [VideoFrame] = []
        while frames.count < limit, let event = try job.reader.next() {
            if case .frame(let frame) = event, worker.fits(frame) { frames.append(frame) }
        }
        guard !frames.isEmpty else { throw MediaError.nothingWritten(path: job.options.output) }
        return frames
    }

    /// Decoding, frame to frame on the device, encoding; nil where the job goes another way.
    func directStages(_ options: UpscaleOptions, frames limit: Int) throws -> [BenchmarkReport.Stage]? {
        guard let (job, worker) = try direct(options) else { return nil }
        defer { job.writer.abandon() }
        let source = try frames(job, worker, limit)
        let network = try rate(worker, source)
        // Results are kept only now: those that lie in the plan's memory would keep it from the frames behind them.
        var made: [VideoFrame] = []
        let affordable = max(3, min(source.count, Int(5 * network)))
        try worker.run(source, count: affordable) { made.append($0) }
        return [
            .init(name: "decode", framesPerSecond: try decodingRate(options)),
            .init(name: "network", framesPerSecond: network),
            .init(name: "encode", framesPerSecond: try encodingRate(job, made)),
        ]
    }

    /// Frames a second that the device makes, alone; nil where the job goes another way.
    func directRate(_ options: UpscaleOptions) throws -> Double? {
        guard let (job, worker) = try direct(options) else { return nil }
        job.writer.abandon()
        return try rate(worker, frames(job, worker, 8))
    }

    /// For so long that filling and emptying weigh little.
    private func rate(_ worker: DirectWorker, _ source: [VideoFrame]) throws -> Double {
        try worker.run(source, count: worker.framesInFlight) { _ in }
        var count = 2 * worker.framesInFlight
        while true {
            let start = monotonicSeconds()
            try worker.run(source, count: count) { _ in }
            let seconds = monotonicSeconds() - start
            if seconds >= 2 { return Double(count) / seconds }
            count *= 2
        }
    }

    /// From the file, as far as two seconds go.
    private func decodingRate(_ options: UpscaleOptions) throws -> Double {
        let start = monotonicSeconds()
        let reader = try MediaReader(path: options.input, options: options.reader)
        var count = 0
        while monotonicSeconds() - start < 2, let event = try reader.next() {
            if case .frame = event { count += 1 }
        }
        return Double(count) / (monotonicSeconds() - start)
    }

    /// Real, moving pictures again and again, two seconds or more than any encoder looks ahead; what waits in it then is work
    /// of these frames too.
    private func encodingRate(_ job: UpscaleJob, _ made: [VideoFrame]) throws -> Double {
        let first = made[0].timestamp
        let ticks = made.count > 1 ? max(1, made[1].timestamp - first) : max(1, made[0].duration)
        let start = monotonicSeconds()
        var count = 0
        while count < made.count || (count < 240 && monotonicSeconds() - start < 2) {
            let frame = made[count % made.count]
            try job.writer.write(frame.retimed(timestamp: first + Int64(count) * ticks, duration: ticks))
            count += 1
        }
        try job.writer.finish()
        return Double(count) / (monotonicSeconds() - start)
    }

    /// Turns of some frames each on a plan of their own, on a software driver, whose speed is the processor's: there one can
    /// see when the pipeline rests, and there it matters. Nil on hardware, and where the job goes another way.
    func directTurns(_ options: UpscaleOptions, _ report: BenchmarkReport) throws -> BenchmarkTurns? {
        guard (executor as? VulkanExecutor)?.isSoftware == true, let (job, worker) = try direct(options) else {
            return nil
        }
        job.writer.abandon()
        let source = try frames(job, worker, 8)
        let rate = report.stages.first { $0.name == "network" }?.framesPerSecond ?? 1
        let count = max(2 * worker.framesInFlight, Int(0.5 * rate))
        try worker.run(source, count: worker.framesInFlight) { _ in }
        return BenchmarkTurns(every: max(6, Int(5 * rate))) {
            try worker.run(source, count: 1) { _ in }
            let start = monotonicSeconds()
            try worker.run(source, count: count) { _ in }
            return [Double](repeating: (monotonicSeconds() - start) / Double(count), count: count)
        }
    }
}
