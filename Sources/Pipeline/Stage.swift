internal import Threads

/// How long one stage has worked, without its waits for neighbours, and on how many frames. Thread-safe.
final class StageClock: @unchecked Sendable {
    let name: String
    private let monitor = Monitor()
    private var busy = 0.0
    private var frames = 0

    init(_ name: String) { self.name = name }

    /// Runs `body` and counts its time; `frames` of them were done in it.
    func measure<R>(frames count: Int = 1, _ body: () throws -> R) rethrows -> R {
        let start = monotonicSeconds()
        defer {
            let spent = monotonicSeconds() - start
            monitor.change {
                busy += spent
                frames += count
            }
        }
        return try body()
    }

    func add(_ seconds: Double, frames count: Int = 0) {
        monitor.change {
            busy += seconds
            frames += count
        }
    }

    var reading: StageReading { monitor.change { StageReading(name: name, busySeconds: busy, frames: frames) } }
}
