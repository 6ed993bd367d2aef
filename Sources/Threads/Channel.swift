/// A bounded queue between two threads.
///
/// `send` blocks while the queue is full, `receive` while it is empty. The producer ends the stream with `finish`; the
/// consumer tells that it will not read on with `cancel`, after which `send` returns false at once. Any thread may call
/// any method.
public final class Channel<Element>: @unchecked Sendable {
    private let monitor = Monitor()
    private let capacity: Int
    private var elements: [Element] = []
    private var finished = false
    private var cancelled = false

    /// - Precondition: `capacity >= 1`.
    public init(capacity: Int) {
        precondition(capacity >= 1)
        self.capacity = capacity
    }

    /// Hands an element over; false when nobody will read it, and the producer should stop.
    public func send(_ element: sending Element) -> Bool {
        monitor.wait(until: { cancelled || elements.count < capacity }) {
            if cancelled { return false }
            precondition(!finished, "a finished channel was sent to")
            elements.append(element)
            return true
        }
    }

    /// The next element; nil at the end of the stream or after a cancellation.
    public func receive() -> sending Element? {
        monitor.wait(until: { cancelled || finished || !elements.isEmpty }) {
            cancelled || elements.isEmpty ? nil : elements.removeFirst()
        }
    }

    /// The next element if there is one now; nil otherwise.
    public func receiveIfThere() -> sending Element? {
        monitor.change { cancelled || elements.isEmpty ? nil : elements.removeFirst() }
    }

    /// No more elements follow. Those under way are still delivered.
    public func finish() { monitor.change { finished = true } }

    /// Nobody reads any more: drops what is under way and frees a blocked producer.
    public func cancel() {
        monitor.change {
            cancelled = true
            elements.removeAll()
        }
    }
}

/// A fixed number of equal buffers that travel round: whoever is done with one puts it back. Bounds memory.
public final class Pool<Element>: @unchecked Sendable {
    private let monitor = Monitor()
    private var free: [Element]
    private var cancelled = false

    public init(_ elements: [Element]) { free = elements }

    /// A free buffer, waiting for one if need be; nil after a cancellation.
    public func take() -> sending Element? {
        monitor.wait(until: { cancelled || !free.isEmpty }) { cancelled ? nil : free.removeLast() }
    }

    /// A free buffer, or nil at once when there is none.
    public func takeIfFree() -> sending Element? { monitor.change { cancelled ? nil : free.popLast() } }

    public func put(_ element: sending Element) { monitor.change { free.append(element) } }

    public func cancel() { monitor.change { cancelled = true } }
}
