internal import Synchronization

/// What was done with a device since it was opened. A frame loop in its steady state submits, waits for finished frames,
/// and does nothing else of this.
public struct DeviceActivity: Sendable, Hashable {
    /// Buffers made, and the bytes of those that are alive.
    public var allocations = 0
    public var allocatedBytes = 0
    public var pipelines = 0
    /// Command lists recorded, and descriptor sets filled for them.
    public var recordings = 0
    public var descriptorSets = 0
    public var submissions = 0
    /// Calls that blocked the processor until the device was done; what was known to be done costs none.
    public var waits = 0
}

/// Counts `DeviceActivity`. Safe to share between threads.
final class Counters: Sendable {
    enum Event { case pipeline, recording, descriptorSet, submission, wait }

    private let activity = Mutex(DeviceActivity())

    var reading: DeviceActivity { activity.withLock { $0 } }

    func add(_ event: Event) {
        activity.withLock {
            switch event {
            case .pipeline: $0.pipelines += 1
            case .recording: $0.recordings += 1
            case .descriptorSet: $0.descriptorSets += 1
            case .submission: $0.submissions += 1
            case .wait: $0.waits += 1
            }
        }
    }

    /// Returns the bytes that are then alive.
    func allocated(_ bytes: Int) -> Int {
        activity.withLock {
            $0.allocations += 1
            $0.allocatedBytes += bytes
            return $0.allocatedBytes
        }
    }

    func freed(_ bytes: Int) { activity.withLock { $0.allocatedBytes -= bytes } }
}
