internal import Compute
public import Network
internal import Planning
public import Tensor

/// A graph compiled for a Vulkan device. Owned by one thread at a time.
///
/// `run` does one frame and waits for it. `submit` and `wait` keep up to `framesInFlight` frames going, so that copying
/// one frame in or out goes on while the device computes another.
public final class VulkanPlan: Plan {
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
    /// Everything but the slots' staging memory.
    private let deviceBytes: Int
    private var slots: [FrameSlot] = []
    private var submitted = 0
    /// The same graph in single precision, once half floats did not do.
    private var fallback: VulkanPlan?

    init(_ executor: VulkanExecutor, _ graph: Graph, _ parameters: Parameters, _ precision: StoragePrecision) throws {
        self.executor = executor
        self.graph = graph
        self.parameters = parameters
        storage = precision
        inputShapes = graph.inputs.map { graph.shape($0) }
        outputShapes = graph.outputs.map { graph.shape($0) }
        framesInFlight = executor.framesInFlight
        // Weights that no half float can hold would be infinite.
        if precision == .fp16 && VulkanPlan.exceedsHalf(graph, parameters) {
            deviceBytes = 0
            fallback = try VulkanPlan(executor, graph, parameters, .fp32)
            return
        }
        let memory = try PlanMemory(executor, graph, parameters, precision)
        deviceBytes = memory.bytes
        for _ in 0..<framesInFlight { slots.append(try FrameSlot(executor, memory)) }
    }

    /// Device and staging memory, weights included.
    public var memoryBytes: Int {
        deviceBytes + slots.reduce(0) { $0 + $1.bytes } + (fallback?.memoryBytes ?? 0)
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
        if let fallback {
            let ticket = try fallback.submit(inputs)
            return Ticket(serial: ticket.serial, slot: ticket.slot, isFallback: true)
        }
        let index = submitted % framesInFlight
        precondition(!slots[index].isBusy, "\(framesInFlight) frames are in flight: wait for the first one")
        try translatingErrors { try slots[index].submit(inputs) }
        submitted += 1
        return Ticket(serial: submitted, slot: index, isFallback: false)
    }

    /// Blocks until the frame is done, and writes its outputs.
    ///
    /// - Throws: `ExecutionError`: the device was lost, or numbers overflowed even in single precision.
    /// - Precondition: the ticket is this plan's and was not waited for before.
    public func wait(_ ticket: Ticket, into outputs: inout [HostTensor]) throws {
        precondition(
            outputs.map(\.shape) == outputShapes, "outputs are \(outputs.map(\.shape)), expected \(outputShapes)")
        if ticket.isFallback {
            guard let fallback else { preconditionFailure("this plan issued no such ticket") }
            let own = Ticket(serial: ticket.serial, slot: ticket.slot, isFallback: false)
            return try fallback.wait(own, into: &outputs)
        }
        let slot = slots[ticket.slot]
        precondition(slot.isBusy, "this frame was waited for before")
        let overflow = try translatingErrors { try slot.finish() }
        guard let overflow else { return try translatingErrors { try slot.read(into: &outputs) } }
        guard storage == .fp16 else {
            throw ExecutionError.device(
                device: executor.device.name,
                message: "numbers grew beyond single precision in \(overflow): the weights do not fit the network")
        }
        // Half floats did not do: this frame, and all that follow, in single precision.
        let inputs = try slot.inputs(inputShapes)
        let plan = try fallback ?? translatingErrors { try VulkanPlan(executor, graph, parameters, .fp32) }
        fallback = plan
        try plan.run(inputs, into: &outputs)
    }

    // MARK: For tests and measurements

    /// Dispatches and barriers of one frame.
    var recorded: (dispatches: Int, barriers: Int) { slots.first?.recorded ?? (0, 0) }
}
