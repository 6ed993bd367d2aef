internal import Compute
public import Network
internal import Planning
public import Tensor

/// A graph compiled for a Vulkan device. Owned by one thread at a time.
///
/// `run` does one frame and waits for it. `submit` and `wait` keep up to `framesInFlight` frames going, so that copying
/// one frame in or out goes on while the device computes another.
public final class VulkanPlan: ProfilingPlan {
    public let inputShapes: [Shape]
    public let outputShapes: [Shape]
    public let framesInFlight: Int
    /// How numbers are stored now: the executor's precision, or fp32 after numbers did not fit.
    public var precision: StoragePrecision { fallback == nil ? storage : .fp32 }

    /// A frame that was submitted and not yet waited for.
    public struct Ticket: Sendable {
        fileprivate let serial: Int
        fileprivate let slot: Int
        /// Whether the plan in single precision has it.
        fileprivate let isFallback: Bool
    }

    private let executor: VulkanExecutor
    private let graph: Graph
    private let parameters: Parameters
    private let storage: StoragePrecision
    private let ends: PlanEnds
    /// Everything but the slots' staging memory; nil where only the fallback runs.
    private let memory: PlanMemory?
    private var slots: [FrameSlot] = []
    private var submitted = 0
    /// The same graph in single precision, once half floats did not do.
    private var fallback: VulkanPlan?

    init(
        _ executor: VulkanExecutor, _ graph: Graph, _ parameters: Parameters, _ precision: StoragePrecision,
        ends: PlanEnds = .tensors
    ) throws {
        self.executor = executor
        self.graph = graph
        self.parameters = parameters
        self.ends = ends
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
    }

    /// Device and staging memory, weights included.
    public var memoryBytes: Int {
        (memory?.bytes ?? 0) + slots.reduce(0) { $0 + $1.bytes } + (fallback?.memoryBytes ?? 0)
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
        return try start { target in
            var start = 0
            for tensor in inputs {
                tensor.withUnsafeValues { values in
                    let bytes = UnsafeRawBufferPointer(values)
                    UnsafeMutableRawBufferPointer(rebasing: target[start..<start + bytes.count]).copyMemory(from: bytes)
                    start = PlanMemory.next(start, bytes.count)
                }
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
        try finish(ticket) { source in
            var start = 0
            for index in outputs.indices {
                outputs[index].withUnsafeMutableValues { values in
                    let target = UnsafeMutableRawBufferPointer(values)
                    target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[start..<start + target.count]))
                    start = PlanMemory.next(start, target.count)
                }
            }
        }
    }

    /// Lends the memory of a frame's inputs, and starts it.
    func start(_ fill: (UnsafeMutableRawBufferPointer) throws -> Void) throws -> Ticket {
        if let fallback {
            let ticket = try fallback.start(fill)
            return Ticket(serial: ticket.serial, slot: ticket.slot, isFallback: true)
        }
        // Not always the next one: a frame that is run again takes a slot out of turn.
        let turns = (submitted..<submitted + framesInFlight).lazy.map { [framesInFlight] in $0 % framesInFlight }
        guard let index = turns.first(where: { !slots[$0].isBusy }) else {
            preconditionFailure("\(framesInFlight) frames are in flight: wait for the first one")
        }
        try translatingErrors { try slots[index].submit(fill) }
        submitted += 1
        return Ticket(serial: submitted, slot: index, isFallback: false)
    }

    /// Waits for a frame, and lends the memory of its outputs.
    func finish(_ ticket: Ticket, _ read: (UnsafeRawBufferPointer) throws -> Void) throws {
        if ticket.isFallback {
            guard let fallback else { preconditionFailure("this plan issued no such ticket") }
            let own = Ticket(serial: ticket.serial, slot: ticket.slot, isFallback: false)
            return try fallback.finish(own, read)
        }
        let slot = slots[ticket.slot]
        precondition(slot.isBusy, "this frame was waited for before")
        let overflow = try translatingErrors { try slot.finish() }
        guard let overflow else { return try translatingErrors { try slot.read(read) } }
        guard storage == .fp16 else {
            throw ExecutionError.device(
                device: executor.device.name,
                message: "numbers grew beyond single precision in \(overflow): the weights do not fit the network")
        }
        // Half floats did not do: this frame, and all that follow, in single precision. Inputs lie alike in both.
        let plan = try fallback ?? translatingErrors { try VulkanPlan(executor, graph, parameters, .fp32, ends: ends) }
        fallback = plan
        var again: Ticket?
        try translatingErrors {
            try slot.inputs { bytes in again = try plan.start { $0.copyMemory(from: bytes) } }
        }
        guard let again else { preconditionFailure("the slot lends its memory") }
        try plan.finish(again, read)
    }

    // MARK: Measuring

    public func profile(_ inputs: [HostTensor]) throws -> [LayerTiming] {
        if let fallback { return try fallback.profile(inputs) }
        guard let memory else { preconditionFailure("there is a fallback where there is no memory") }
        guard executor.device.capabilities.timestampNanoseconds > 0 else {
            throw ExecutionError.device(device: executor.device.name, message: "it has no clock for compute work")
        }
        var outputs = outputShapes.map { HostTensor($0) }
        // As many frames as usual first: nothing may be in flight beside the timed one, and its numbers must fit.
        try run(inputs, into: &outputs)
        if let fallback { return try fallback.profile(inputs) }
        return try translatingErrors {
            let slot = try FrameSlot(executor, memory, isTimed: true)
            for _ in 0..<2 {
                try slot.submit { target in
                    var start = 0
                    for tensor in inputs {
                        tensor.withUnsafeValues { values in
                            let bytes = UnsafeRawBufferPointer(values)
                            UnsafeMutableRawBufferPointer(rebasing: target[start...]).copyMemory(from: bytes)
                            start = PlanMemory.next(start, bytes.count)
                        }
                    }
                }
                _ = try slot.finish()
            }
            var timings: [LayerTiming] = []
            var places: [Int: Int] = [:]
            for (launch, seconds) in zip(memory.launches, try slot.launchSeconds()) {
                // The strips of a step are one line.
                let place = places[launch.step] ?? timings.count
                places[launch.step] = place
                let before = place < timings.count ? timings[place] : nil
                let timing = LayerTiming(
                    name: launch.label, kind: launch.kind, seconds: seconds + (before?.seconds ?? 0),
                    multiplyAdds: (launch.kind == .convolution ? launch.work : 0) + (before?.multiplyAdds ?? 0),
                    bytes: launch.leastBytes + (before?.bytes ?? 0))
                if before == nil { timings.append(timing) } else { timings[place] = timing }
            }
            return timings
        }
    }

    /// Dispatches and barriers of one frame; for tests.
    var recorded: (dispatches: Int, barriers: Int) { slots.first?.recorded ?? (0, 0) }
}

/// A plan from frames to frames.
public final class VulkanFramePlan: FramePlan {
    private let plan: VulkanPlan
    private let input: FrameLayout
    private let output: FrameLayout
    private var pending: [(ticket: FrameTicket, own: VulkanPlan.Ticket)] = []
    private var submitted = 0

    init(_ plan: VulkanPlan, input: FrameLayout, output: FrameLayout) {
        (self.plan, self.input, self.output) = (plan, input, output)
        pending.reserveCapacity(plan.framesInFlight)
    }

    public var framesInFlight: Int { plan.framesInFlight }
    public var memoryBytes: Int { plan.memoryBytes }
    /// As `VulkanPlan.precision`.
    public var precision: StoragePrecision { plan.precision }

    public func submit(_ write: (FramePlanes) throws -> Void) throws -> FrameTicket {
        let own = try plan.start { memory in
            guard let base = memory.baseAddress else { preconditionFailure("a frame has memory") }
            try write(input.planes(base))
        }
        submitted += 1
        let ticket = FrameTicket(number: submitted)
        pending.append((ticket, own))
        return ticket
    }

    public func wait(_ ticket: FrameTicket, _ read: (FramePlanes) throws -> Void) throws {
        guard let first = pending.first, first.ticket == ticket else {
            preconditionFailure("frames are waited for in the order in which they were submitted")
        }
        pending.removeFirst()
        try plan.finish(first.own) { memory in
            guard let base = memory.baseAddress else { preconditionFailure("a frame has memory") }
            // Planes are lent in one form for both directions; this one is for reading.
            try read(output.planes(UnsafeMutableRawPointer(mutating: base)))
        }
    }
}
