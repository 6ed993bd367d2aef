internal import Compute
internal import Network
internal import Planning
internal import Tensor
internal import Threads

/// One frame in flight, or one batch of them: its ends, and commands recorded once.
final class FrameSlot: @unchecked Sendable {
    private let ends: SlotEnds
    /// One word a launch's piece, `bindingAlignment` apart: 1 where a number did not fit.
    private let status: HostBuffer
    private let labels: [String]
    /// Run one after the other.
    private let commands: [CommandList]
    /// Of each list, the step (its index) whose end each timestamp but the first is.
    private let stamped: [[Int]]
    private let stepCount: Int
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
    ///   - isTimed: notes when each step ends, which keeps neighbours from overlapping in the figures.
    ///   - isResident: as `SlotEnds` has it.
    init(_ executor: VulkanExecutor, _ memory: PlanMemory, isTimed: Bool = false, isResident: Bool = false) throws {
        let device = executor.device
        timeline = device.timeline
        ends = try SlotEnds(device, memory, isResident: isResident)
        let limit = executor.submissionWork
        /// A step, or a piece of one on views.
        var parts: [(step: Int, piece: Launch.Piece?, work: Int)] = []
        for (index, step) in memory.steps.enumerated() {
            guard case .launch(let launch) = step else {
                parts.append((index, nil, step.work))
                continue
            }
            let pieces = try launch.pieces(
                device.capabilities, bindingLimit: executor.bindingLimit, workLimit: limit)
            parts += pieces.map { (index, $0, launch.work($0)) }
        }
        let pieceCount = parts.count { $0.piece != nil }
        status = try HostBuffer(device, bytes: max(1, pieceCount) * bindingAlignment, use: .readback)
        // Software drivers may take hours for what a GPU does in a second.
        patience = device.capabilities.quirks.contains(.slow) ? 1e6 : 600

        var labels: [String] = []
        var commands: [CommandList] = []
        var stamped: [[Int]] = []
        let batches = FrameSlot.batches(parts.map(\.work), limit: limit)
        for (number, batch) in (batches.isEmpty ? [0..<0] : batches).enumerated() {
            let batch = parts[batch]
            var (dispatches, storageBuffers) = (0, 0)
            for part in batch {
                switch memory.steps[part.step] {
                case .launch(let launch):
                    dispatches += launch.passes
                    storageBuffers += launch.passes * KernelLibrary.bindings
                case .dispatches(_, let all):
                    dispatches += all.count
                    storageBuffers += all.reduce(0) { $0 + $1.kernel.bindings }
                }
            }
            let ends = isTimed ? FrameSlot.runs(batch.map(\.step)) : []
            let recorder = try CommandRecorder(
                device, dispatches: dispatches, storageBuffers: storageBuffers,
                timestamps: isTimed ? ends.count + 1 : 0)
            if number == 0 {
                for (index, tensor) in memory.copiedInputs {
                    let start = memory.inputs.starts[index]
                    recorder.copy(
                        self.ends.slice(.input, start..<start + tensor.count * 4), to: memory.tensors.slice(tensor))
                }
            }
            if isTimed { recorder.timestamp(0) }
            var stamps = 0
            for (index, part) in zip(batch.indices, batch) {
                switch memory.steps[part.step] {
                case .launch(let launch):
                    guard let piece = part.piece else { preconditionFailure("launches are recorded in pieces") }
                    let word = status.slice(offset: labels.count * bindingAlignment, bytes: 4)
                    for pass in Pass.passes(launch, piece, memory, self.ends, word) {
                        try recorder.dispatch(pass, executor.kernels)
                    }
                    labels.append(launch.label)
                case .dispatches(_, let all):
                    for dispatch in all { try memory.record(dispatch, executor, recorder) }
                }
                if isTimed && (index + 1 == batch.endIndex || batch[index + 1].step != part.step) {
                    stamps += 1
                    recorder.timestamp(stamps)
                }
            }
            if number == max(0, batches.count - 1) {
                for (index, tensor) in memory.copiedOutputs {
                    let start = memory.outputs.starts[index]
                    recorder.copy(
                        memory.tensors.slice(tensor), to: self.ends.slice(.output, start..<start + tensor.count * 4))
                }
            }
            commands.append(try recorder.finish())
            stamped.append(ends)
        }
        self.labels = labels
        self.commands = commands
        self.stamped = stamped
        stepCount = memory.steps.count
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

    /// What every step of the last run took, in order, in seconds.
    ///
    /// - Precondition: made with `isTimed`, and the run is finished.
    func stepSeconds() throws -> [Double] {
        var seconds = [Double](repeating: 0, count: stepCount)
        for (list, steps) in zip(commands, stamped) {
            let times = try list.timestamps()
            for (step, (start, end)) in zip(steps, zip(times, times.dropFirst())) {
                seconds[step] += (end - start) * 1e-9
            }
        }
        return seconds
    }
}
