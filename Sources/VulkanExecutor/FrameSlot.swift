internal import Compute
internal import Network
internal import Planning
internal import Tensor
internal import Threads

/// What all frames of a plan share: where everything lies, weights, constants and the arena.
///
/// Frames in flight share the arena, for the queue runs them in order and their commands begin with a barrier.
final class PlanMemory {
    let program: Program
    let ends: PlanEnds
    private(set) var launches: [Launch]
    let arena: DeviceBuffer
    let weights: DeviceBuffer
    let constants: DeviceBuffer
    /// Between the passes of Winograd's method; nil where no convolution may use it.
    let scratch: DeviceBuffer?
    /// Where inputs (but for frames) and outputs start in a slot's staging memory, and its size.
    let inputs: (starts: [Int], bytes: Int)
    let outputs: (starts: [Int], bytes: Int)

    var bytes: Int { arena.bytes + weights.bytes + constants.bytes + (scratch?.bytes ?? 0) }

    init(
        _ executor: VulkanExecutor, _ graph: Graph, _ parameters: Parameters, _ precision: StoragePrecision,
        _ ends: PlanEnds
    ) throws {
        self.ends = ends
        program = try Planner.plan(graph, options: PlanMemory.options(executor, precision))
        inputs = ends.input == nil ? PlanMemory.layout(program.inputs) : ([0], 0)
        // Who reads a frame here may read a little past its end.
        outputs =
            ends.output.map { [program] in ([0], $0.bytes * program.outputs[0].batch + bindingAlignment) }
            ?? PlanMemory.layout(program.outputs)
        let lowering = Lowering(
            program, parameters, precision, executor.device.capabilities, executor.multiplication,
            executor.halfSums, ends: ends, inputStarts: inputs.starts, outputStarts: outputs.starts)
        launches = lowering.launches
        let device = executor.device
        // Rounded up, so that a binding's beginning can always be rounded down to an aligned one inside.
        arena = try DeviceBuffer(device, bytes: max(bindingAlignment, program.arenaElements * precision.bytes))
        weights = try PlanMemory.filled(device, lowering.constants.weights)
        constants = try PlanMemory.filled(device, lowering.constants.values.withUnsafeBytes { Array($0) })
        let between = launches.filter { $0.winogradWeights != nil }
            .map { $0.convolution?.winogradScratch(rows: $0.rows.count) ?? 0 }.max()
        scratch = try between.map { try DeviceBuffer(device, bytes: $0) }
        launches = try executor.tiles.chosen(for: launches, executor, self, precision)
    }

    static func options(_ executor: VulkanExecutor, _ precision: StoragePrecision) -> PlanningOptions {
        var options = PlanningOptions()
        options.bufferAlignment = bindingAlignment / precision.bytes
        options.stripElements = executor.stripBytes / precision.bytes
        return options
    }

    private static func layout(_ views: [View]) -> (starts: [Int], bytes: Int) {
        var starts: [Int] = []
        var end = 0
        for view in views {
            starts.append(end)
            end = next(end, view.shape.count * 4)
        }
        return (starts, max(end, bindingAlignment))
    }

    /// Where the tensor after one of so many bytes at `start` begins.
    static func next(_ start: Int, _ bytes: Int) -> Int {
        start + (bytes + bindingAlignment - 1) / bindingAlignment * bindingAlignment
    }

    /// A device buffer with these bytes, copied there through staging memory.
    private static func filled(_ device: Device, _ bytes: [UInt8]) throws -> DeviceBuffer {
        let buffer = try DeviceBuffer(device, bytes: max(bindingAlignment, bytes.count))
        if bytes.isEmpty { return buffer }
        let staging = try HostBuffer(device, bytes: bytes.count, use: .upload)
        try staging.write { $0.copyBytes(from: bytes) }
        try CommandRecorder.copy(staging.slice(), to: buffer.slice(bytes: bytes.count), device)
        return buffer
    }
}

/// One frame in flight, or one batch of them: its ends, and commands recorded once.
final class FrameSlot: @unchecked Sendable {
    private let ends: SlotEnds
    /// One word a launch's piece, `bindingAlignment` apart: 1 where a number did not fit.
    private let status: HostBuffer
    private let labels: [String]
    /// Run one after the other.
    private let commands: [CommandList]
    /// Of each list, the launch (its index) whose end each timestamp but the first is.
    private let stamped: [[Int]]
    private let launchCount: Int
    private let timeline: Timeline
    /// Seconds to wait for a frame.
    private let patience: Double
    private var pending: UInt64?
    /// Whether the plan has it at work: from before it is filled until its outputs were read or lent.
    private(set) var isTaken = false
    /// How many have lent outputs; they may go on any thread.
    private var readers = 0
    private let monitor = Monitor()
    var isLent: Bool { monitor.change { readers > 0 } }

    var bytes: Int { ends.bytes + status.bytes }
    var recorded: (dispatches: Int, barriers: Int) {
        (commands.reduce(0) { $0 + $1.dispatches }, commands.reduce(0) { $0 + $1.barriers })
    }

    /// - Parameters:
    ///   - isTimed: notes when each launch ends, which keeps neighbours from overlapping in the figures.
    ///   - isResident: as `SlotEnds` has it.
    init(_ executor: VulkanExecutor, _ memory: PlanMemory, isTimed: Bool = false, isResident: Bool = false) throws {
        let device = executor.device
        timeline = device.timeline
        ends = try SlotEnds(device, memory, isResident: isResident)
        let launches = memory.launches
        let limit = executor.submissionWork
        let parts = try launches.indices.flatMap { index in
            try launches[index].pieces(
                device.capabilities, bindingLimit: executor.bindingLimit, workLimit: limit
            ).map { (launch: index, piece: $0) }
        }
        status = try HostBuffer(device, bytes: max(1, parts.count) * bindingAlignment, use: .readback)
        // Software drivers may take hours for what a GPU does in a second.
        patience = device.capabilities.quirks.contains(.slow) ? 1e6 : 600

        var labels: [String] = []
        var commands: [CommandList] = []
        var stamped: [[Int]] = []
        for batch in FrameSlot.batches(parts.map { launches[$0.launch].work($0.piece) }, limit: limit) {
            let batch = parts[batch]
            let dispatches = batch.reduce(0) { $0 + launches[$1.launch].passes }
            let ends = isTimed ? FrameSlot.runs(batch.map(\.launch)) : []
            let recorder = try CommandRecorder(
                device, dispatches: dispatches, storageBuffers: dispatches * KernelLibrary.bindings,
                timestamps: isTimed ? ends.count + 1 : 0)
            if isTimed { recorder.timestamp(0) }
            var stamps = 0
            for (index, part) in zip(batch.indices, batch) {
                let launch = launches[part.launch]
                let word = status.slice(offset: labels.count * bindingAlignment, bytes: 4)
                for pass in Pass.passes(launch, part.piece, memory, self.ends, word) {
                    try recorder.dispatch(pass, executor.kernels)
                }
                labels.append(launch.label)
                if isTimed && (index + 1 == batch.endIndex || batch[index + 1].launch != part.launch) {
                    stamps += 1
                    recorder.timestamp(stamps)
                }
            }
            commands.append(try recorder.finish())
            stamped.append(ends)
        }
        self.labels = labels
        self.commands = commands
        self.stamped = stamped
        launchCount = launches.count
    }

    /// Numbers without those that repeat the one before.
    private static func runs(_ numbers: [Int]) -> [Int] {
        numbers.indices.filter { $0 == 0 || numbers[$0] != numbers[$0 - 1] }.map { numbers[$0] }
    }

    /// Drivers take a device for hung when one submission takes seconds: launches, and parts of them, are submitted in
    /// batches of at most `limit` multiply-adds (`VulkanExecutor.submissionWork`).
    static func batches(_ work: [Int], limit: Int) -> [Range<Int>] {
        var batches: [Range<Int>] = []
        var (start, sum) = (0, 0)
        for (index, work) in work.enumerated() {
            if sum + work > limit && index > start {
                batches.append(start..<index)
                (start, sum) = (index, 0)
            }
            sum += work
        }
        if start < work.count { batches.append(start..<work.count) }
        return batches
    }

    /// Whoever owns the frames that the device reads is kept until it has.
    deinit { if let value = pending { try? timeline.wait(for: value, seconds: patience) } }

    func take() { isTaken = true }

    func release() {
        isTaken = false
        ends.forget()
    }

    /// Lends the memory of the tensors.
    func fill(_ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws { try ends.fill(body) }

    /// As `SlotEnds.add`.
    func add(_ frame: FramePlanes, owner: AnyObject) throws -> Bool { try ends.add(frame, owner: owner) }

    /// Takes over what the last frame's inputs were, of a slot of another plan.
    func adopt(_ other: FrameSlot) throws { try ends.adopt(other.ends) }

    /// Starts the frame.
    func submit() throws {
        try ends.settle()
        try status.write { target in
            for index in labels.indices {
                target.storeBytes(of: 0, toByteOffset: index * bindingAlignment, as: UInt32.self)
            }
        }
        for list in commands { pending = try list.submit() }
    }

    /// Blocks until the frame is done. Returns the step whose numbers did not fit into storage, if any.
    func finish() throws -> String? {
        guard let value = pending else { return nil }
        try timeline.wait(for: value, seconds: patience)
        pending = nil
        return try status.read { bytes in
            labels.indices.first { bytes.load(fromByteOffset: $0 * bindingAlignment, as: UInt32.self) != 0 }
                .map { labels[$0] }
        }
    }

    /// Lends the memory of the outputs.
    func read(_ body: (UnsafeRawBufferPointer) throws -> Void) throws { try ends.read(body) }

    /// Whether outputs can be lent for long.
    var mayLend: Bool { ends.mayLend }

    /// Lends the memory of the outputs until `giveBack`.
    func lend() throws -> UnsafeRawBufferPointer {
        let memory = try ends.lend()
        monitor.change { readers += 1 }
        return memory
    }

    func giveBack() { monitor.change { readers -= 1 } }

    // MARK: Time

    /// What every launch of the last run took, in order, in seconds.
    ///
    /// - Precondition: made with `isTimed`, and the run is finished.
    func launchSeconds() throws -> [Double] {
        var seconds = [Double](repeating: 0, count: launchCount)
        for (list, launches) in zip(commands, stamped) {
            let times = try list.timestamps()
            for (launch, (start, end)) in zip(launches, zip(times, times.dropFirst())) {
                seconds[launch] += (end - start) * 1e-9
            }
        }
        return seconds
    }
}
