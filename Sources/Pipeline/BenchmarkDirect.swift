internal import Media
internal import Network
internal import Threads

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
        return (job, worker)
    }

    /// The first frames of a job's source.
    private func frames(_ job: UpscaleJob, _ limit: Int) throws -> [VideoFrame] {
        var frames: [VideoFrame] = []
        while frames.count < limit, let event = try job.reader.next() {
            if case .frame(let frame) = event { frames.append(frame) }
        }
        guard !frames.isEmpty else { throw MediaError.nothingWritten(path: job.options.output) }
        return frames
    }

    /// Decoding, frame to frame on the device, encoding; nil where the job goes another way.
    func directStages(_ options: UpscaleOptions, frames limit: Int, _ report: BenchmarkReport) throws
        -> [BenchmarkReport.Stage]?
    {
        guard let (job, worker) = try direct(options) else { return nil }
        defer { job.writer.abandon() }
        var start = monotonicSeconds()
        let decoded = try frames(job, limit)
        var stages = [
            BenchmarkReport.Stage(
                name: "decode", framesPerSecond: Double(decoded.count) / (monotonicSeconds() - start))
        ]
        var made: [VideoFrame] = []
        let affordable = max(3, min(decoded.count, Int(5000 / report.network.milliseconds.median)))
        try worker.run(decoded, count: affordable) { made.append($0) }
        // Now that it is warm: long enough that filling and emptying weigh little.
        var count = max(affordable, worker.framesInFlight)
        var seconds = 0.0
        while seconds < 1 {
            start = monotonicSeconds()
            try worker.run(decoded, count: count) { _ in }
            seconds = monotonicSeconds() - start
            if seconds < 1 { count *= 2 }
        }
        stages.append(.init(name: "network", framesPerSecond: Double(count) / seconds))
        start = monotonicSeconds()
        for frame in made { try job.writer.write(frame) }
        // What waits in the encoder's lookahead is work of these frames too.
        try job.writer.finish()
        stages.append(.init(name: "encode", framesPerSecond: Double(made.count) / (monotonicSeconds() - start)))
        return stages
    }

    /// Turns of some frames each on a plan of their own, the first of which wait for what is still under way.
    func directTurns(_ options: UpscaleOptions, _ report: BenchmarkReport) throws -> BenchmarkTurns? {
        guard let (job, worker) = try direct(options) else { return nil }
        job.writer.abandon()
        let decoded = try frames(job, 8)
        let rate = report.stages.first { $0.name == "network" }?.framesPerSecond ?? 1
        let count = max(2 * worker.framesInFlight, Int(0.5 * rate))
        try worker.run(decoded, count: worker.framesInFlight) { _ in }
        return BenchmarkTurns(every: max(6, Int(5 * rate))) {
            try worker.run(decoded, count: 1) { _ in }
            let start = monotonicSeconds()
            try worker.run(decoded, count: count) { _ in }
            return [Double](repeating: (monotonicSeconds() - start) / Double(count), count: count)
        }
    }
}
