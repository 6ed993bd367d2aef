internal import Compute
public import Network
internal import Planning
public import Tensor

/// A graph compiled for a Vulkan device. Owned by one thread at a time, together with its state if it has one.
///
/// `run` does one frame and waits for it. `submit` and `wait` keep up to `framesInFlight` frames going, so that copying
/// one frame in or out goes on while the device computes another.
public final class VulkanPlan {
    public let inputShapes: [Shape]
    public let outputShapes: [Shape]
    public let framesInFlight: Int
    /// How numbers are stored now: the executor's precision, or fp32 after numbers did not fit.
    public var precision: StoragePrecision { fallback == nil ? storage : .fp32 }

    /// A frame that was submitted and not yet waited for.
    public struct Ticket: Sendable {
        fileprivate let slot: Int
        /// Whether the plan in single precision has it.
        fileprivate let isFallback: Bool
    }

    let executor: VulkanExecutor
    private let graph: Graph
    private let parameters: Parameters
    private let storage: StoragePrecision
    private let ends: PlanEnds
    /// The parameters that the plan reads and its updates change; nil where all are constants.
    private let state: VulkanState?
    /// Everything but the slots' staging memory; nil where only the fallback runs.
    let memory: PlanMemory?
    private var slots: [FrameSlot] = []
    private var submitted = 0
    /// The same graph in single precision, once half floats did not do.
    private(set) var fallback: VulkanPlan?
    /// For measuring, with its ends on the device.
    var resident: FrameSlot?

    init(
        _ executor: VulkanExecutor, _ graph: Graph, _ parameters: Parameters, _ precision: StoragePrecision,
        ends: PlanEnds = .tensors
    ) throws {
        self.executor = executor
        self.graph = graph
        self.parameters = parameters
        self.ends = ends
        state = nil
        storage = precision
        inputShapes = graph.inputs.map { graph.shape($0) }
        outputShapes = graph.outputs.map { graph.shape($0) }
        framesInFlight = executor.framesInFlight
        // Weights that no half float can hold would be infinite.
        if precision == .fp16 && VulkanPlan.exceedsHalf(graph, parameters) {
            memory = nil
            fallback = try VulkanPlan(executor, graph, parameters, .fp32, ends: ends)
            return
        }
        let memory = try PlanMemory(executor, graph, parameters, precision, ends)
        self.memory = memory
        for _ in 0..<framesInFlight { slots.append(try FrameSlot(executor, memory)) }
        // Nothing but speed is lost without these.
        for _ in 0..<spareSlots(memory) {
            do { slots.append(try FrameSlot(executor, memory)) } catch is ComputeError { break }
        }
    }

    /// A plan whose parameters may change between runs: one run at a time.
    ///
    /// - Parameter limits: lower ones than the device's, for tests.
    init(_ executor: VulkanExecutor, _ graph: Graph, state: VulkanState, limits: TensorLimits? = nil) throws {
        (self.executor, self.graph, self.state) = (executor, graph, state)
        (parameters, ends, storage, framesInFlight) = ([:], .tensors, executor.precision, 1)
        inputShapes = graph.inputs.map { graph.shape($0) }
        outputShapes = graph.outputs.map { graph.shape($0) }
        let memory = try PlanMemory(executor, graph, [:], storage, ends, state: state, limits: limits)
        self.memory = memory
        let isTimed = executor.device.capabilities.timestampNanoseconds > 0
        slots = [try FrameSlot(executor, memory, isTimed: isTimed)]
    }

    /// Slots beyond those in flight, whose frames an encoder reads where they are: as many as wait for it, but no more than
    /// fit into 128 MiB (one frame of 8K).
    private func spareSlots(_ memory: PlanMemory) -> Int {
        ends.output == nil ? 0 : min(4, (128 << 20) / memory.outputs.bytes)
    }

    /// Device and staging memory, weights included.
    public var memoryBytes: Int {
        (memory?.bytes ?? 0) + (state?.bytes ?? 0) + slots.reduce(0) { $0 + $1.bytes } + (resident?.bytes ?? 0)
            + (fallback?.memoryBytes ?? 0)
    }

    private static func exceedsHalf(_ graph: Graph, _ parameters: Parameters) -> Bool {
        graph.parameters.contains { name, shape in
            shape.rank == 4 && parameters[name]!.values.contains { abs($0) > Float(Float16.greatestFiniteMagnitude) }
        }
    }

    // MARK: Running

    public func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws {
        checkShapes(inputs, outputs)
        try wait(submit(inputs), into: &outputs)
    }

    /// Starts a frame and returns at once. The inputs are copied.
    ///
    /// - Precondition: fewer than `framesInFlight` frames are in flight.
    public func submit(_ inputs: [HostTensor]) throws -> Ticket {
        precondition(inputs.map(\.shape) == inputShapes, "inputs are \(inputs.map(\.shape)), expected \(inputShapes)")
        return try start { VulkanPlan.copy(inputs, to: $0) }
    }

    static func copy(_ tensors: [HostTensor], to memory: UnsafeMutableRawBufferPointer) {
        var start = 0
        for tensor in tensors {
            tensor.withUnsafeValues { values in
                let bytes = UnsafeRawBufferPointer(values)
                UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + bytes.count]).copyMemory(from: bytes)
                start = PlanMemory.next(start, bytes.count)
            }
        }
    }

    static func copy(_ memory: UnsafeRawBufferPointer, to tensors: inout [HostTensor]) {
        var start = 0
        for index in tensors.indices {
            tensors[index].withUnsafeMutableValues { values in
                let target = UnsafeMutableRawBufferPointer(values)
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[start..<start + target.count]))
                start = PlanMemory.next(start, target.count)
            }
        }
    }

    /// Blocks until the frame is done, and writes its outputs.
    ///
    /// - Throws: `ExecutionError`: the device was lost, or numbers overflowed even in single precision.
    /// - Precondition: the ticket is this plan's and was not waited for before.
    public func wait(_ ticket: Ticket, into outputs: inout [HostTensor]) throws {
        precondition(
            outputs.map(\.shape) == outputShapes, "outputs are \(outputs.map(\.shape)), expected \(outputShapes)")
        try finish(ticket) { VulkanPlan.copy($0, to: &outputs) }
    }

    /// Lends the memory of the tensors of a frame, and starts it.
    func start(_ fill: (UnsafeMutableRawBufferPointer) throws -> Void) throws -> Ticket {
        let ticket = take()
        do {
            try self.fill(ticket, fill)
            try launch(ticket)
        } catch {
            release(ticket)
            throw error
        }
        return ticket
    }

    /// Waits for a frame, and lends the memory of its outputs.
    func finish(_ ticket: Ticket, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let done = try complete(ticket)
        defer { release(done) }
        try read(done, body)
    }

    // What `start` and `finish` do, step by step, for who fills and reads a batch frame by frame.

    /// A slot that is free.
    ///
    /// - Precondition: fewer than `framesInFlight` are taken, and not more lent than there are besides.
    func take() -> Ticket {
        if let fallback { return Ticket(slot: fallback.take().slot, isFallback: true) }
        // Not always the next one: a frame that is run again takes a slot out of turn.
        let turns = (submitted..<submitted + slots.count).lazy.map { [count = slots.count] in $0 % count }
        guard let index = turns.first(where: { !slots[$0].isTaken && !slots[$0].isLent }) else {
            preconditionFailure("\(framesInFlight) frames are in flight: wait for the first one")
        }
        slots[index].take()
        submitted += 1
        return Ticket(slot: index, isFallback: false)
    }

    /// Whose slot a ticket is for: this plan's, or the fallback's.
    private func owner(_ ticket: Ticket) -> VulkanPlan {
        guard let plan = ticket.isFallback ? fallback : self else {
            preconditionFailure("this plan issued no such ticket")
        }
        return plan
    }

    private func slot(_ ticket: Ticket) -> FrameSlot {
        let slot = owner(ticket).slots[ticket.slot]
        precondition(slot.isTaken, "this ticket was used up before")
        return slot
    }

    /// Lends the memory of the tensors.
    func fill(_ ticket: Ticket, _ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        try translatingErrors { try slot(ticket).fill(body) }
    }

    /// As `SlotEnds.add`.
    func add(_ frame: FramePlanes, owner: AnyObject, to ticket: Ticket) throws -> Bool {
        try translatingErrors { try slot(ticket).add(frame, owner: owner) }
    }

    /// Starts what was filled.
    func launch(_ ticket: Ticket) throws { try translatingErrors { try slot(ticket).submit() } }

    /// Waits for what was launched.
    ///
    /// - Returns: who has the outputs; if that is somebody else, the ticket was released.
    func complete(_ ticket: Ticket) throws -> Ticket {
        var isDone = false
        defer { if !isDone { release(ticket) } }
        let overflow = try translatingErrors { try slot(ticket).finish() }
        guard let overflow else {
            isDone = true
            return ticket
        }
        guard storage == .fp16, !ticket.isFallback, state == nil else {
            throw ExecutionError.device(
                device: executor.device.name,
                message: "numbers grew beyond single precision in \(overflow): the weights do not fit the network")
        }
        // Half floats did not do: this frame, and all that follow, in single precision.
        let plan = try fallback ?? translatingErrors { try VulkanPlan(executor, graph, parameters, .fp32, ends: ends) }
        fallback = plan
        let again = Ticket(slot: plan.take().slot, isFallback: true)
        do {
            try translatingErrors { try slot(again).adopt(slot(ticket)) }
            try launch(again)
        } catch {
            release(again)
            throw error
        }
        return try complete(again)
    }

    /// Lends the memory of the outputs.
    func read(_ ticket: Ticket, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try translatingErrors { try slot(ticket).read(body) }
    }

    /// Lends the memory of the outputs: whoever has it calls `giveBack`, on any thread.
    ///
    /// - Returns: also whether there are slots enough without this one.
    func lend(_ ticket: Ticket) throws -> (
        memory: UnsafeRawBufferPointer, mayBeKept: Bool, giveBack: @Sendable () -> Void
    ) {
        let slot = slot(ticket)
        let memory = try translatingErrors { try slot.lend() }
        return (memory, slot.mayLend && owner(ticket).canSpare(slot), { slot.giveBack() })
    }

    /// Whether there are enough slots for frames in flight without this one and those that are lent.
    private func canSpare(_ slot: FrameSlot) -> Bool {
        let lent = slots.count { $0 !== slot && !$0.isTaken && $0.isLent }
        return lent < slots.count - framesInFlight
    }

    /// The slot is free again, unless it is lent.
    func release(_ ticket: Ticket) { slot(ticket).release() }

    /// What every step of the latest run took, where runs are timed.
    var timedSeconds: [Double]? {
        guard state != nil, executor.device.capabilities.timestampNanoseconds > 0 else { return nil }
        return try? slots[0].stepSeconds()
    }

    /// Blocks that the arena is cut into; for tests.
    var arenaBlocks: Int { memory?.arena.blocks.count ?? 0 }

    /// Dispatches and barriers of one frame; for tests.
    var recorded: (dispatches: Int, barriers: Int) { slots.first?.recorded ?? (0, 0) }
}
