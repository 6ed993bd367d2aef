public import Network
internal import Tensor

/// A plan from frames to frames, one by one or in batches.
public final class VulkanFramePlan: FramePlan {
    private let plan: VulkanPlan
    private let input: FrameRing
    private let output: FrameLayout
    public let framesAtOnce: Int
    /// In the order of their frames. Only the last may not be launched.
    private var batches: [Batch] = []
    /// Frames ever submitted, and waited for.
    private var (submitted, collected) = (0, 0)
    /// Of those submitted, how many had to be copied.
    private(set) var copied = 0

    /// Frames that share a slot.
    private struct Batch {
        var ticket: VulkanPlan.Ticket
        /// Frames written to it, and read from it.
        var written = 0
        var read = 0
        var isLaunched = false
        /// Once it was waited for. What went wrong then went wrong for all its frames.
        var outcome: Result<Void, any Error>?
    }

    /// - Parameter plan: of a graph with one picture a frame of a batch.
    init(_ plan: VulkanPlan, input: FrameRing, output: FrameLayout) {
        (self.plan, self.input, self.output) = (plan, input, output)
        framesAtOnce = plan.inputShapes[0].batch
        batches.reserveCapacity(plan.framesInFlight)
    }

    public var framesInFlight: Int { plan.framesInFlight * framesAtOnce }
    public var framesWaiting: Int { batches.last.map { $0.isLaunched ? 0 : $0.written } ?? 0 }
    public var hasRoom: Bool { batches.count < plan.framesInFlight || batches.last?.isLaunched == false }
    public var memoryBytes: Int { plan.memoryBytes + input.bytes }
    /// As `VulkanPlan.precision`.
    public var precision: StoragePrecision { plan.precision }

    public var lend: (@Sendable () -> LentMemory?)? {
        guard input.lendable > 0 else { return nil }
        return { [input] in input.lend() }
    }

    public func submit(_ frame: FramePlanes, owner: AnyObject) throws -> FrameTicket {
        if batches.last?.isLaunched ?? true { batches.append(Batch(ticket: plan.take())) }
        let last = batches.count - 1
        do {
            if try plan.add(frame, owner: owner, to: batches[last].ticket) { copied += 1 }
        } catch {
            // Those before it stay.
            if batches[last].written == 0 { plan.release(batches.removeLast().ticket) }
            throw error
        }
        batches[last].written += 1
        if batches[last].written == framesAtOnce { launch(last) }
        submitted += 1
        return FrameTicket(number: submitted)
    }

    /// Starts a batch. What goes wrong is told to those who wait for its frames.
    private func launch(_ batch: Int) {
        batches[batch].isLaunched = true
        do { try plan.launch(batches[batch].ticket) } catch {
            plan.release(batches[batch].ticket)
            batches[batch].outcome = .failure(error)
        }
    }

    public func wait(_ ticket: FrameTicket) throws -> LentFrame {
        precondition(
            ticket.number == collected + 1 && !batches.isEmpty,
            "frames are waited for in the order in which they were submitted")
        collected += 1
        if !batches[0].isLaunched { launch(0) }
        if batches[0].outcome == nil {
            batches[0].outcome = Result { batches[0].ticket = try plan.complete(batches[0].ticket) }
        }
        let batch = batches[0]
        batches[0].read += 1
        let isLast = batches[0].read == batch.written
        if isLast { batches.removeFirst() }
        // Where that failed, the slot was given back.
        try batch.outcome?.get()
        defer { if isLast { plan.release(batch.ticket) } }
        let (memory, mayBeKept, giveBack) = try plan.lend(batch.ticket)
        guard let base = memory.baseAddress else { preconditionFailure("a frame has memory") }
        // Planes are lent in one form for both directions; these are for reading.
        return LentFrame(
            output.planes(UnsafeMutableRawPointer(mutating: base), of: batch.read), mayBeKept: mayBeKept,
            giveBack: giveBack)
    }
}
