internal import Threads

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Lets a running pipeline and its network alone take turns, so that both meet the same moods of the machine: on shared
/// hosts a core's speed changes by half within minutes, and a ratio of figures taken one after the other says little.
///
/// Called by the pipeline's encoding thread after every frame. A turn holds that thread back, waits until all others have
/// run out of room (their work belongs to the pipeline, and so does the wait), and then times the network.
final class BenchmarkTurns: @unchecked Sendable {
    private let interval: Int
    private let network: () throws -> [Double]
    private let monitor = Monitor()
    private var times: [Double] = []
    private var spent = 0.0
    private var error: (any Error)?

    /// - Parameters:
    ///   - interval: frames of the pipeline between two turns.
    ///   - network: some frames, on memory of its own; tells the seconds of each.
    init(every interval: Int, network: @escaping () throws -> [Double]) {
        (self.interval, self.network) = (interval, network)
    }

    /// Seconds of each frame of the network alone.
    var seconds: [Double] { monitor.change { times } }
    /// Seconds that the pipeline was held for them; no part of its own time.
    var heldSeconds: Double { monitor.change { spent } }

    /// The first error of the network.
    func check() throws { if let error = monitor.change({ error }) { throw error } }

    func afterFrame(_ count: Int) {
        guard count > 0, count % interval == 0, monitor.change({ error }) == nil else { return }
        waitUntilIdle()
        let start = monotonicSeconds()
        do {
            let found = try network()
            monitor.change { times += found }
        } catch {
            monitor.change { self.error = error }
        }
        let held = monotonicSeconds() - start
        monitor.change { spent += held }
    }

    /// Returns when the process used less than a tenth of a core for a fiftieth of a second.
    private func waitUntilIdle() {
        var before = processSeconds()
        while true {
            sleepSeconds(0.02)
            let now = processSeconds()
            if now - before < 0.002 { return }
            before = now
        }
    }

    private func processSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }
}
