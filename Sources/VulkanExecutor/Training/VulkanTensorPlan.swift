internal import Compute
internal import Network
internal import Planning
internal import Tensor

/// A graph of any tensors compiled for a Vulkan device: recorded once, and submitted as a whole in every run. Owned by one
/// thread at a time, together with its state.
final class VulkanTensorPlan: TimedPlan {
    let inputShapes: [Shape]
    let outputShapes: [Shape]

    private let executor: VulkanExecutor
    private let memory: TensorMemory
    private let tables: DeviceBuffer
    private let upload: HostBuffer
    private let readback: HostBuffer
    /// Where inputs and outputs begin in the two.
    private let inputStarts: [Int]
    private let outputStarts: [Int]
    /// Run one after the other.
    private let commands: [CommandList]
    /// What is timed: the dispatches' names, and how many each list has.
    private let names: [[String]]
    private let patience: Double
    /// Dispatches and barriers of one run; for tests.
    let recorded: (dispatches: Int, barriers: Int)

    /// For tests.
    var arenaBlocks: Int { memory.arena.blocks.count }

    var memoryBytes: Int { memory.bytes + memory.state.bytes + tables.bytes + upload.bytes + readback.bytes }

    /// - Parameter limits: lower ones than the device's, for tests.
    init(_ executor: VulkanExecutor, _ graph: Graph, state: VulkanState, limits: TensorLimits? = nil) throws {
        let graph = graph.withoutMeans
        self.executor = executor
        for node in graph.nodes { try executor.checkBinding(node.shape.count) }
        inputShapes = graph.inputs.map { graph.shape($0) }
        outputShapes = graph.outputs.map { graph.shape($0) }
        (inputStarts, outputStarts) = (Self.starts(inputShapes), Self.starts(outputShapes))
        let device = executor.device
        let limits = limits ?? TensorLimits(device.capabilities, executor.precision)
        upload = try HostBuffer(device, bytes: inputStarts.last!, use: .upload)
        readback = try HostBuffer(device, bytes: outputStarts.last!, use: .readback)

        var compiled: (TensorCompiler, TensorMemory, [[TensorDispatch]], tables: [UInt32])?
        // Where an expression's tensors lie in more blocks than a kernel can bind, expressions are single operations.
        for mostMembers in [64, 1] where compiled == nil {
            var compiler = TensorCompiler(graph, limits, mostMembers: mostMembers)
            compiler.compile()
            let memory = try Self.arranged(compiler, executor, state)
            var lowering = TensorDispatches(memory, limits)
            guard let dispatches = try? compiler.steps.map({ try lowering.dispatches($0) }) else { continue }
            compiled = (compiler, memory, dispatches, lowering.tables)
        }
        guard let (compiler, memory, dispatches, words) = compiled else {
            throw ExecutionError.outOfMemory(
                device: executor.name, bytes: BlockedMemory.largestBlock(executor) * 4)
        }
        self.memory = memory
        tables = try DeviceBuffer(device, bytes: max(1, words.count) * 4)
        try Self.fill([(tables, words), (memory.constants, compiler.constants)], device)

        // Drivers take a device for hung when one submission takes seconds; see `VulkanExecutor.submissionWork`.
        let work = zip(compiler.steps, dispatches).map { $0.multiplyAdds + $1.reduce(0) { $0 + $1.workgroups } * 1024 }
        let batches = FrameSlot.batches(work, limit: executor.submissionWork)
        let isTimed = device.capabilities.timestampNanoseconds > 0
        var (commands, names): ([CommandList], [[String]]) = ([], [])
        for (number, batch) in (batches.isEmpty ? [0..<0] : batches).enumerated() {
            let all = dispatches[batch].flatMap { $0 }
            let recorder = try CommandRecorder(
                device, dispatches: all.count, storageBuffers: all.reduce(0) { $0 + $1.kernel.bindings },
                timestamps: isTimed ? batch.count + 1 : 0)
            if number == 0 {
                for (tensor, start) in zip(compiler.inputs, inputStarts) where tensor.count > 0 {
                    recorder.copy(upload.slice(offset: start, bytes: tensor.count * 4), to: memory.slice(tensor))
                }
            }
            if isTimed { recorder.timestamp(0) }
            for index in batch {
                for dispatch in dispatches[index] { try Self.record(dispatch, tables, executor, limits, recorder) }
                if isTimed { recorder.timestamp(index - batch.lowerBound + 1) }
            }
            if number == max(0, batches.count - 1) {
                for (tensor, start) in zip(compiler.outputs, outputStarts) where tensor.count > 0 {
                    recorder.copy(memory.slice(tensor), to: readback.slice(offset: start, bytes: tensor.count * 4))
                }
            }
            commands.append(try recorder.finish())
            names.append(compiler.steps[batch].map(\.name))
        }
        (self.commands, self.names) = (commands, names)
        recorded = (commands.reduce(0) { $0 + $1.dispatches }, commands.reduce(0) { $0 + $1.barriers })
        patience = device.capabilities.quirks.contains(.slow) ? 1e6 : 600
    }

    private static func record(
        _ dispatch: TensorDispatch, _ tables: DeviceBuffer, _ executor: VulkanExecutor, _ limits: TensorLimits,
        _ recorder: CommandRecorder
    ) throws {
        var bindings = dispatch.bindings
        if let table = dispatch.table {
            bindings.append(.reading(tables.slice(offset: table.lowerBound * 4, bytes: table.count * 4)))
        }
        try recorder.dispatch(
            executor.tensorKernels.pipeline(dispatch.kernel), bindings, pushConstants: dispatch.push,
            groups: limits.folded(dispatch.workgroups))
    }

    /// Places the compiler's buffers in an arena of their own.
    private static func arranged(
        _ compiler: TensorCompiler, _ executor: VulkanExecutor, _ state: VulkanState
    ) throws -> TensorMemory {
        for count in compiler.buffers { try executor.checkBinding(count) }
        try executor.checkBinding(compiler.constants.count)
        var lifetimes = Lifetimes(elements: compiler.buffers, steps: compiler.steps.count)
        for (index, step) in compiler.steps.enumerated() {
            for case .buffer(let buffer) in step.tensors.map(\.place) { lifetimes.touch(buffer, step: index) }
        }
        for buffer in compiler.heldFromStart { lifetimes.holdFromStart(buffer) }
        for buffer in compiler.heldToEnd { lifetimes.holdToEnd(buffer) }
        let block = BlockedMemory.largestBlock(executor)
        let (offsets, elements) = lifetimes.arranged(alignment: bindingAlignment / 4, block: block)
        return TensorMemory(
            arena: try BlockedMemory(executor.device, elements: elements, blockElements: block), offsets: offsets,
            state: state, constants: try DeviceBuffer(executor.device, bytes: max(1, compiler.constants.count) * 4))
    }

    /// Where tensors begin in staging memory, and where the last one ends.
    private static func starts(_ shapes: [Shape]) -> [Int] {
        var starts = [0]
        for shape in shapes { starts.append(starts.last! + max(1, shape.count) * 4) }
        if shapes.isEmpty { starts[0] = 4 }
        return starts
    }

    private static func fill(_ contents: [(DeviceBuffer, [UInt32])], _ device: Device) throws {
        for (buffer, words) in contents where !words.isEmpty {
            let staging = try HostBuffer(device, bytes: words.count * 4, use: .upload)
            try staging.write { target in words.withUnsafeBytes { target.copyMemory(from: $0) } }
            try CommandRecorder.copy(staging.slice(), to: buffer.slice(bytes: words.count * 4), device)
        }
    }

    func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws {
        checkShapes(inputs, outputs)
        try translatingErrors {
            try upload.write { target in
                for (tensor, start) in zip(inputs, inputStarts) {
                    tensor.withUnsafeValues { values in
                        UnsafeMutableRawBufferPointer(rebasing: target[start...]).copyMemory(
                            from: UnsafeRawBufferPointer(values))
                    }
                }
            }
            var done: UInt64 = 0
            for list in commands { done = try list.submit() }
            try executor.device.timeline.wait(for: done, seconds: patience)
            try readback.read { source in
                for (index, start) in zip(outputs.indices, outputStarts) {
                    outputs[index].withUnsafeMutableValues { values in
                        UnsafeMutableRawBufferPointer(values).copyMemory(
                            from: UnsafeRawBufferPointer(rebasing: source[start..<start + values.count * 4]))
                    }
                }
            }
        }
    }

    /// The steps of the latest run; empty where the device has no clock.
    var stepTimings: [(name: String, milliseconds: Double)] {
        var result: [(name: String, milliseconds: Double)] = []
        for (list, names) in zip(commands, names) {
            guard let times = try? list.timestamps(), times.count == names.count + 1 else { continue }
            for (index, name) in names.enumerated() {
                result.append((name, (times[index + 1] - times[index]) * 1e-6))
            }
        }
        return result
    }
}
