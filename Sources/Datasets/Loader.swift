internal import Threads

/// Threads that make batches ahead of their consumer.
///
/// Batches come in the order of their numbers, whichever thread made them; `depth` of them at most are made or being made
/// and not yet taken. The first error by number, not by time, is what the consumer gets, in its place: every batch before
/// it is delivered. One consumer; `cancel` may be called from any thread.
public final class Loader<Batch: Sendable>: @unchecked Sendable {
    /// What `next` throws after `cancel`.
    public struct Cancelled: Error, CustomStringConvertible {
        public var description: String { "loading was cancelled." }
    }

    /// What `next` throws where the system has no room for a single thread.
    public struct NoThread: Error, CustomStringConvertible {
        public var description: String {
            "no thread can be started; free memory, or raise the limits on it and on processes (ulimit -v, ulimit -u)."
        }
    }

    /// What the threads share; it must not keep the loader alive.
    private final class State: @unchecked Sendable {
        let monitor = Monitor()
        let depth: Int
        let make: @Sendable (_ batch: Int) throws -> Batch
        /// The next batch to be made, and the next to be delivered.
        var claimed: Int
        var delivered: Int
        var ready: [Int: Result<Batch, any Error>] = [:]
        /// The least number that failed: nothing behind it is wanted.
        var failed = Int.max
        var isCancelled = false
        var waited = 0.0

        init(start: Int, depth: Int, make: @escaping @Sendable (_ batch: Int) throws -> Batch) {
            (claimed, delivered, self.depth, self.make) = (start, start, depth, make)
        }

        func work() {
            while true {
                let claim: Int? = monitor.wait(
                    until: { isCancelled || claimed > failed || claimed < delivered + depth },
                    {
                        guard !isCancelled, claimed <= failed else { return nil }
                        claimed += 1
                        return claimed - 1
                    })
                guard let number = claim else { return }
                let result = Result { try make(number) }
                monitor.change {
                    guard !isCancelled else { return }
                    if case .failure = result { failed = min(failed, number) }
                    ready[number] = result
                }
            }
        }

        func cancel() {
            monitor.change {
                isCancelled = true
                ready.removeAll()
            }
        }
    }

    private let state: State
    private let threads: [WorkerThread]
    private let joining = Monitor()
    private var isJoined = false

    /// Starts the threads at once.
    ///
    /// - Parameters:
    ///   - start: the number of the first batch.
    ///   - count: threads; fewer where the system has no room for so many.
    ///   - depth: batches that may lie ready or in work; fewer than the threads leave some of them idle.
    ///   - make: makes a batch by its number. Runs on several threads at once, and must not touch the loader.
    /// - Precondition: `threads` and `depth` are at least 1.
    public init(
        batches start: Int, threads count: Int, depth: Int, make: @escaping @Sendable (_ batch: Int) throws -> Batch
    ) {
        precondition(count >= 1 && depth >= 1)
        let state = State(start: start, depth: depth, make: make)
        self.state = state
        var threads: [WorkerThread] = []
        while threads.count < count,
            let thread = WorkerThread(ifPossible: "loader \(threads.count)", { state.work() })
        { threads.append(thread) }
        self.threads = threads
        if threads.isEmpty { state.monitor.change { state.ready[start] = .failure(NoThread()) } }
    }

    deinit { cancel() }

    /// The next batch. Blocks until it is made; the time is counted.
    ///
    /// - Throws: what `make` threw for this batch, now and ever after; `Cancelled` after `cancel`; `NoThread`.
    public func next() throws -> Batch {
        let start = monotonicSeconds()
        let result: Result<Batch, any Error> = state.monitor.wait(
            until: { state.isCancelled || state.ready[state.delivered] != nil },
            {
                state.waited += monotonicSeconds() - start
                guard !state.isCancelled, let result = state.ready[state.delivered] else {
                    return .failure(Cancelled())
                }
                // A failure stays where it is.
                if case .success = result {
                    state.ready[state.delivered] = nil
                    state.delivered += 1
                }
                return result
            })
        return try result.get()
    }

    /// How long `next` has waited, in total.
    public var waitedSeconds: Double { state.monitor.change { state.waited } }

    /// Ends the threads and waits for them: a batch that is being made is made to its end. Whatever lies ready is dropped,
    /// and a consumer that waits gets `Cancelled`. May be called again.
    public func cancel() {
        state.cancel()
        let isFirst = joining.change {
            defer { isJoined = true }
            return !isJoined
        }
        if isFirst { for thread in threads { thread.join() } }
    }
}
