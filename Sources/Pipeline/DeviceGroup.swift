internal import Threads

/// Which of several devices of different speed takes the next frame.
///
/// Whoever is free does: so each gets a share by its speed. But results leave in order, and only so many may wait for a
/// slower one; a device that would hold up the others for longer than it helps them is passed over.
struct FrameSharing {
    /// Frames that may be under way at once, from the oldest that has not left.
    let window: Int
    /// Measured seconds a frame, by device; nil before its first.
    private(set) var seconds: [Double?]

    init(devices: Int, window: Int) {
        self.window = window
        seconds = Array(repeating: nil, count: devices)
    }

    /// Whether a device that has `held` frames may take another.
    func mayTake(_ device: Int, holding held: Int = 0) -> Bool {
        guard let own = seconds[device] else { return true }
        let others = seconds.indices.filter { $0 != device }.compactMap { seconds[$0] }
        // Until it is through with this one, the others could do so many.
        return others.reduce(0) { $0 + own * Double(held + 1) / max($1, 1e-9) } <= Double(window - 1)
    }

    /// A device did a frame.
    mutating func measured(_ device: Int, seconds new: Double) {
        // The first frames still compile; later ones count for more than earlier ones.
        seconds[device] = seconds[device].map { $0 * 0.75 + new * 0.25 } ?? new
    }
}

/// What a device does with jobs, called by one thread only.
public struct DeviceWork<Job, Output> {
    /// Jobs that may be begun before the first is ended.
    let capacity: Int
    let begin: (Job) throws -> Void
    /// Waits for the oldest job that was begun.
    let end: () throws -> Output

    /// - Parameters:
    ///   - capacity: jobs that may be begun before the first is ended.
    ///   - begin: starts a job.
    ///   - end: waits for the oldest job that was begun without an error.
    public init(capacity: Int, begin: @escaping (Job) throws -> Void, end: @escaping () throws -> Output) {
        (self.capacity, self.begin, self.end) = (capacity, begin, end)
    }

    /// One job at a time.
    public init(_ body: @escaping (Job) throws -> Output) {
        var job: Job?
        self.init(capacity: 1, begin: { job = $0 }) {
            guard let begun = job.take() else { preconditionFailure("nothing was begun") }
            return try body(begun)
        }
    }
}

/// Several devices that work on one stream of frames. What is handed over comes out in the same order, however fast each
/// device is.
///
/// Each device has a thread and work of its own, which nobody else calls. `submit` and `pass` are for one thread,
/// `next` for another (or the same, where it never lets more than `window` lie).
public final class DeviceGroup<Job, Output>: @unchecked Sendable {
    private let monitor = Monitor()
    private let window: Int
    private var sharing: FrameSharing
    private var waiting: [(number: Int, job: Job)] = []
    private var done: [Int: Result<Output, any Error>] = [:]
    private var submitted = 0
    private var delivered = 0
    private var isFinished = false
    private var isCancelled = false
    private var counts: [Int]
    private var threads: [WorkerThread] = []

    /// Handed to one thread, and used there only.
    private struct Work: @unchecked Sendable {
        let value: DeviceWork<Job, Output>
    }

    /// - Parameters:
    ///   - names: of the devices, for their threads.
    ///   - window: frames that may be under way at once; more than all devices can begin, or some are always idle.
    ///   - works: what each device does with jobs, on its own thread; what they own is used by nobody else.
    /// - Throws: `PipelineError.noThread`.
    public init(names: [String], window: Int? = nil, works: [DeviceWork<Job, Output>]) throws(PipelineError) {
        precondition(!works.isEmpty && names.count == works.count, "a name and work for each device")
        self.window = window ?? 4 * works.count
        precondition(self.window > works.count || works.count == 1, "a window of more than \(works.count) frames")
        sharing = FrameSharing(devices: works.count, window: self.window)
        counts = Array(repeating: 0, count: works.count)
        for (index, work) in works.enumerated() {
            let work = Work(value: work)
            guard
                let thread = WorkerThread(
                    ifPossible: "upframe \(names[index])", { [self] in run(work.value, on: index) })
            else {
                cancel()
                finish()
                for thread in threads { thread.join() }
                throw .noThread
            }
            threads.append(thread)
        }
    }

    /// What each device did so far: frames, and seconds a frame as measured last.
    public var shares: [(frames: Int, seconds: Double?)] {
        monitor.change { zip(counts, sharing.seconds).map { ($0, $1) } }
    }

    private var hasRoom: Bool { submitted - delivered < window }

    /// Hands a frame over, waiting for room. False when nobody will take the result.
    public func submit(_ job: sending Job) -> Bool {
        monitor.wait(until: { isCancelled || hasRoom }) {
            if isCancelled { return false }
            precondition(!isFinished, "a finished group was given a frame")
            waiting.append((submitted, job))
            submitted += 1
            return true
        }
    }

    /// Puts something into the stream that needs no device; it keeps its place. False as for `submit`.
    public func pass(_ output: sending Output) -> Bool {
        monitor.wait(until: { isCancelled || hasRoom }) {
            if isCancelled { return false }
            done[submitted] = .success(output)
            submitted += 1
            return true
        }
    }

    /// No more frames follow.
    public func finish() { monitor.change { isFinished = true } }

    /// Nobody wants results any more: what is waiting is dropped. Frames under way are still computed.
    public func cancel() {
        monitor.change {
            isCancelled = true
            waiting.removeAll()
            done.removeAll()
        }
    }

    /// The next result in order, waiting for it; nil at the end or after `cancel`.
    ///
    /// - Throws: what a device threw on this frame. The group is then cancelled.
    public func next() throws -> sending Output? {
        let result: Result<Output, any Error>? = monitor.wait(
            until: { isCancelled || done[delivered] != nil || (isFinished && delivered == submitted) }
        ) {
            guard let result = done.removeValue(forKey: delivered) else { return nil }
            delivered += 1
            return result
        }
        if case .failure = result { cancel() }
        return try result?.get()
    }

    /// Waits until every device has ended its last frame; after `finish` or `cancel`.
    public func join() { for thread in threads { thread.join() } }

    private enum Turn {
        case begin(number: Int, job: Job)
        case end
        case stop
    }

    private func run(_ work: DeviceWork<Job, Output>, on device: Int) {
        // Jobs begun and not ended, the oldest first.
        var held: [(number: Int, since: Double)] = []
        var lastEnd = 0.0
        while true {
            let count = held.count
            let turn: Turn = monitor.wait(
                until: {
                    // With something to wait for, nobody waits here.
                    count > 0 || isCancelled || (isFinished && waiting.isEmpty) || mayBegin(work, device, count)
                }
            ) {
                if mayBegin(work, device, count) {
                    let next = waiting.removeFirst()
                    return .begin(number: next.number, job: next.job)
                }
                return count > 0 ? .end : .stop
            }
            switch turn {
            case .stop: return
            case .begin(let number, let job):
                let since = monotonicSeconds()
                do {
                    try work.begin(job)
                    held.append((number, since))
                } catch { deliver(.failure(error), number, from: device, seconds: monotonicSeconds() - since) }
            case .end:
                let oldest = held.removeFirst()
                let result = Result { try work.end() }
                let now = monotonicSeconds()
                // Those before it had the device until then.
                deliver(result, oldest.number, from: device, seconds: now - max(oldest.since, lastEnd))
                lastEnd = now
            }
        }
    }

    private func mayBegin(_ work: DeviceWork<Job, Output>, _ device: Int, _ held: Int) -> Bool {
        !isCancelled && !waiting.isEmpty && held < work.capacity && sharing.mayTake(device, holding: held)
    }

    private func deliver(_ result: Result<Output, any Error>, _ number: Int, from device: Int, seconds: Double) {
        monitor.change {
            sharing.measured(device, seconds: seconds)
            counts[device] += 1
            if !isCancelled { done[number] = result }
        }
    }
}

extension Device {
    /// Several devices in one word: `vulkan:0,1`, or `cpu,vulkan:0`. Nil where a part names none, or one is named twice.
    public static func list(_ text: String) -> [Device]? {
        var devices: [Device] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            // A bare number goes on with the kind before it.
            let isNumber = !part.isEmpty && part.allSatisfy(\.isNumber)
            if isNumber, case .vulkan(.some) = devices.last {
                devices.append(.vulkan(Int(part)))
            } else if let device = Device(String(part)) {
                devices.append(device)
            } else {
                return nil
            }
        }
        return Set(devices).count == devices.count ? devices : nil
    }
}
