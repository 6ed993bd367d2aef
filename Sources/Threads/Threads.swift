// Threads: what rooms with blocking work wait with.
//
// `Monitor` (a mutex with a condition), `Channel` (a bounded queue between two threads), `Pool` (buffers that travel
// round), `WorkerThread` (a named thread that can be joined), `FirstError` (of several threads, the error that counts)
// and a clock that never jumps. Threads, not tasks: decoding, computing and encoding block, and a blocked task takes a
// place of the pool that all tasks share.

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A mutex with a condition: the one place in this package where threads wait for each other.
public final class Monitor: @unchecked Sendable {
    // Allocated, so that their addresses never change.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    public init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` alone, then wakes every waiter, which look again at what they wait for.
    public func change<R>(_ body: () -> R) -> R {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return body()
    }

    /// Runs `body` alone as soon as `ready` holds. Blocks the thread until then.
    public func wait<R>(until ready: () -> Bool, _ body: () -> R) -> R {
        pthread_mutex_lock(mutex)
        while !ready() { pthread_cond_wait(condition, mutex) }
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return body()
    }
}
