#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A mutex with a condition: the one place in this module where threads wait.
final class Monitor: @unchecked Sendable {
    // Allocated, so that their addresses never change.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
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
    func change<R>(_ body: () -> R) -> R {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return body()
    }

    /// Runs `body` alone as soon as `ready` holds. Blocks the thread until then.
    func wait<R>(until ready: () -> Bool, _ body: () -> R) -> R {
        pthread_mutex_lock(mutex)
        while !ready() { pthread_cond_wait(condition, mutex) }
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }
        return body()
    }
}

/// A bounded queue between two threads.
///
/// `send` blocks while the queue is full, `receive` while it is empty. The producer ends the stream with `finish`; the
/// consumer tells that it will not read on with `cancel`, after which `send` returns false at once. Any thread may call
/// any method.
final class Channel<Element>: @unchecked Sendable {
    private let monitor = Monitor()
    private let capacity: Int
    private var elements: [Element] = []
    private var finished = false
    private var cancelled = false

    /// - Precondition: `capacity >= 1`.
    init(capacity: Int) {
        precondition(capacity >= 1)
        self.capacity = capacity
    }

    /// Hands an element over; false when nobody will read it, and the producer should stop.
    func send(_ element: sending Element) -> Bool {
        monitor.wait(until: { cancelled || elements.count < capacity }) {
            if cancelled { return false }
            precondition(!finished, "a finished channel was sent to")
            elements.append(element)
            return true
        }
    }

    /// The next element; nil at the end of the stream or after a cancellation.
    func receive() -> sending Element? {
        monitor.wait(until: { cancelled || finished || !elements.isEmpty }) {
            cancelled || elements.isEmpty ? nil : elements.removeFirst()
        }
    }

    /// The next element if there is one now; nil otherwise.
    func receiveIfThere() -> sending Element? {
        monitor.change { cancelled || elements.isEmpty ? nil : elements.removeFirst() }
    }

    /// No more elements follow. Those under way are still delivered.
    func finish() { monitor.change { finished = true } }

    /// Nobody reads any more: drops what is under way and frees a blocked producer.
    func cancel() {
        monitor.change {
            cancelled = true
            elements.removeAll()
        }
    }
}

/// A fixed number of equal buffers that travel round: whoever is done with one puts it back. Bounds memory.
final class Pool<Element>: @unchecked Sendable {
    private let monitor = Monitor()
    private var free: [Element]
    private var cancelled = false

    init(_ elements: [Element]) { free = elements }

    /// A free buffer, waiting for one if need be; nil after a cancellation.
    func take() -> sending Element? {
        monitor.wait(until: { cancelled || !free.isEmpty }) { cancelled ? nil : free.removeLast() }
    }

    /// A free buffer, or nil at once when there is none.
    func takeIfFree() -> sending Element? { monitor.change { cancelled ? nil : free.popLast() } }

    func put(_ element: sending Element) { monitor.change { free.append(element) } }

    func cancel() { monitor.change { cancelled = true } }
}
