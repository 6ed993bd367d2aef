import Synchronization
import Testing
import Threads

@testable import Datasets

@Suite struct LoaderTests {
    private struct Failure: Error, Equatable { var number: Int }

    /// Batches come in order though they are made out of order.
    @Test(arguments: [1, 3]) func inOrder(_ threads: Int) throws {
        let loader = Loader(batches: 17, threads: threads, depth: 5) { number in
            if number % 3 == 0 { sleepSeconds(0.002) }
            return number
        }
        for expected in 17..<120 { #expect(try loader.next() == expected) }
        loader.cancel()
    }

    /// No more than `depth` are ahead.
    @Test func bounded() throws {
        let made = Atomic(0)
        let loader = Loader(batches: 0, threads: 2, depth: 4) { number in
            made.add(1, ordering: .sequentiallyConsistent)
            return number
        }
        func settle(_ count: Int) -> Bool {
            let start = monotonicSeconds()
            while made.load(ordering: .sequentiallyConsistent) < count {
                if monotonicSeconds() - start > 10 { return false }
                sleepSeconds(0.001)
            }
            sleepSeconds(0.05)
            return made.load(ordering: .sequentiallyConsistent) == count
        }
        #expect(settle(4))
        _ = try loader.next()
        _ = try loader.next()
        #expect(settle(6))
        loader.cancel()
    }

    /// The first error by number comes in its place, and again; nothing much is made behind it.
    @Test func errorsKeepTheirPlace() throws {
        let made = Atomic(0)
        let isKnown = Atomic(false)
        let loader = Loader(batches: 0, threads: 3, depth: 8) { number in
            made.add(1, ordering: .sequentiallyConsistent)
            // The one behind fails first.
            if number == 6 { throw Failure(number: 6) }
            // Until the failure is known.
            while number > 6, !isKnown.load(ordering: .sequentiallyConsistent) { sleepSeconds(0.001) }
            if number == 5 {
                sleepSeconds(0.03)
                throw Failure(number: 5)
            }
            return number
        }
        for expected in 0..<5 { #expect(try loader.next() == expected) }
        for _ in 0..<2 { #expect(throws: Failure(number: 5)) { try loader.next() } }
        isKnown.store(true, ordering: .sequentiallyConsistent)
        loader.cancel()
        let count = made.load(ordering: .sequentiallyConsistent)
        #expect(count <= 8)
    }

    /// What is counted is time within `next`, all of which is not more than what the caller sees pass.
    @Test func waitingIsCounted() throws {
        let loader = Loader(batches: 0, threads: 1, depth: 1) { number in
            sleepSeconds(0.01)
            return number
        }
        var within = 0.0
        for _ in 0..<5 {
            let start = monotonicSeconds()
            _ = try loader.next()
            within += monotonicSeconds() - start
            // Time that is not waited does not count.
            sleepSeconds(0.02)
        }
        #expect(loader.waitedSeconds > 0 && loader.waitedSeconds <= within)
        loader.cancel()
    }

    /// A waiting consumer is set free, the threads end, and what they were given is let go.
    @Test func cancelling() throws {
        final class Witness: Sendable {}
        weak var witness: Witness?
        do {
            let kept = Witness()
            witness = kept
            let loader = Loader(batches: 0, threads: 2, depth: 2) { number in
                sleepSeconds(0.05)
                withExtendedLifetime(kept) {}
                return number
            }
            let canceller = WorkerThread("canceller") {
                sleepSeconds(0.01)
                loader.cancel()
            }
            #expect(throws: Loader<Int>.Cancelled.self) { try loader.next() }
            canceller.join()
            loader.cancel()
        }
        #expect(witness == nil)
        // Without `cancel`, letting go is enough.
        do {
            let kept = Witness()
            witness = kept
            let loader = Loader(batches: 0, threads: 2, depth: 2) { number in
                withExtendedLifetime(kept) {}
                return number
            }
            #expect(try loader.next() == 0)
        }
        #expect(witness == nil)
    }
}
