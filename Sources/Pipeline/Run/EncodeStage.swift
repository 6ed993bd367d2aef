internal import Media
internal import Threads

/// Encodes and writes. Runs on a thread of its own, which owns the writer until it has ended.
final class EncodeStage {
    private let job: UpscaleJob
    private let clock: StageClock
    private let input: Channel<Item<Finished>>
    private let report: (_ frames: Int) -> Void
    private let note: (String) -> Void
    private var notes: Int
    private var frames = 0
    private let factory: FrameFactory
    /// What was encoded last, to be shown again.
    private var last: VideoFrame?
    /// Read when the stage has ended.
    private(set) var latencies = LatencyHistogram()

    init(
        _ job: UpscaleJob, clock: StageClock, input: Channel<Item<Finished>>, report: @escaping (_ frames: Int) -> Void,
        note: @escaping (String) -> Void
    ) {
        (self.job, self.clock, self.input, self.report, self.note) = (job, clock, input, report, note)
        notes = job.writer.notes.count
        factory = job.writer.frameFactory()
    }

    func run() throws {
        report(0)
        while let item = input.receive() {
            switch item {
            case .packet(let packet): try clock.measure(frames: 0) { try job.writer.write(packet) }
            case .repeated(let source):
                guard let last else { preconditionFailure("the first frame is always computed") }
                try write(Finished(frame: factory.repeated(last, like: source), arrival: source.arrival!))
            case .content(let result): try write(result)
            }
        }
    }

    private func write(_ result: Finished) throws {
        try clock.measure { try job.writer.write(result.frame) }
        last = result.frame
        countLatencies(of: result)
        frames += 1
        report(frames)
        passNotes()
    }

    /// Empties the encoder and completes the output, after the stage has ended.
    func finish() throws {
        try clock.measure(frames: 0) { try job.writer.finish() }
        countDelivered()
        passNotes()
    }

    /// Where somebody waits for each frame, it has left when its last byte has; in a file, when the encoder has it.
    private func countLatencies(of result: Finished) {
        if job.writer.isLive { countDelivered() } else { latencies.add(monotonicSeconds() - result.arrival) }
    }

    private func countDelivered() {
        for frame in job.writer.takeDelivered() { latencies.add(frame.latency) }
    }

    private func passNotes() {
        for text in job.writer.notes[notes...] { note(text) }
        notes = job.writer.notes.count
    }
}
