internal import Compute
internal import Network
internal import Planning
internal import Tensor

/// One of a plan's steps, ready to be recorded.
enum PlanStep {
    /// On views.
    case launch(Launch)
    /// On tensors.
    case dispatches(DeviceStep, [TensorDispatch])

    /// For error messages and reports.
    var label: String {
        switch self {
        case .launch(let launch): launch.label
        case .dispatches(let step, _): step.name
        }
    }

    /// Multiply-adds, or what takes as long.
    var work: Int {
        switch self {
        case .launch(let launch): launch.work
        case .dispatches(let step, let dispatches):
            step.multiplyAdds + dispatches.reduce(0) { $0 + $1.workgroups } * 1024
        }
    }
}

/// What all frames of a plan share: where everything lies, weights, constants and the arena.
///
/// Frames in flight share the arena, for the queue runs them in order and their commands begin with a barrier.
final class PlanMemory {
    let program: Program
    let ends: PlanEnds
    let limits: TensorLimits
    private(set) var steps: [PlanStep] = []
    /// The arena, and what steps on tensors read besides.
    let tensors: TensorMemory
    /// What dispatches on many tensors find them by.
    let tables: DeviceBuffer
    let weights: DeviceBuffer
    let constants: DeviceBuffer
    /// Between the passes of Winograd's method; nil where no convolution may use it.
    let scratch: DeviceBuffer?
    /// Images of a batch of frames.
    let images: Int
    /// Where inputs (but for frames) and outputs start in a slot's staging memory, and its size.
    let inputs: (starts: [Int], bytes: Int)
    let outputs: (starts: [Int], bytes: Int)
    /// The caller's tensors that are no views, by their place among all: they are copied as they are.
    let copiedInputs: [(index: Int, tensor: TensorReference)]
    let copiedOutputs: [(index: Int, tensor: TensorReference)]

    var arena: BlockedMemory { tensors.arena }
    var bytes: Int {
        tensors.bytes + tables.bytes + weights.bytes + constants.bytes + (scratch?.bytes ?? 0)
            + (ownsState ? tensors.state?.bytes ?? 0 : 0)
    }
    /// Whether the parameters that steps on tensors read are constants of this plan.
    private let ownsState: Bool

    /// - Parameters:
    ///   - state: the parameters, where they may change between runs; `parameters` is empty then.
    ///   - limits: lower ones than the device's, for tests.
    init(
        _ executor: VulkanExecutor, _ graph: Graph, _ parameters: Parameters, _ precision: StoragePrecision,
        _ ends: PlanEnds, state: VulkanState? = nil, limits: TensorLimits? = nil
    ) throws {
        let device = executor.device
        self.ends = ends
        let limits = limits ?? TensorLimits(device.capabilities, precision, bindingLimit: executor.bindingLimit)
        self.limits = limits
        images = graph.inputs.first.map { graph.shape($0) }.flatMap { $0.rank == 4 ? $0.batch : nil } ?? 1
        inputs =
            ends.input == nil ? PlanMemory.layout(graph.inputs.map { graph.shape($0) }) : ([0], 0)
        // Who reads a frame here may read a little past its end.
        outputs =
            ends.output.map { ([0], $0.bytes * graph.shape(graph.outputs[0]).batch + bindingAlignment) }
            ?? PlanMemory.layout(graph.outputs.map { graph.shape($0) })

        var planned: PlannedTensors?
        // Where an expression's tensors lie in more blocks than a kernel can bind, expressions are single operations.
        for mostMembers in [64, 1] where planned == nil {
            planned = try PlannedTensors(
                executor, graph, parameters, precision, state: state, limits: limits, mostMembers: mostMembers,
                readsFrames: ends.input != nil)
        }
        guard let planned else {
            throw ExecutionError.outOfMemory(
                device: executor.name, bytes: BlockedMemory.largestBlock(executor) * 4)
        }
        (program, tensors) = (planned.compiler.program, planned.memory)
        ownsState = state == nil
        func copied(_ references: [TensorReference?]) -> [(index: Int, tensor: TensorReference)] {
            references.enumerated().compactMap { index, tensor in
                tensor.flatMap { $0.count > 0 ? (index, $0) : nil }
            }
        }
        (copiedInputs, copiedOutputs) = (copied(planned.compiler.inputs), copied(planned.compiler.outputs))
        tables = try PlanMemory.filled(device, planned.tables.withUnsafeBytes { Array($0) })

        let lowering = Lowering(
            program, planned.compiler.steps, planned.places, parameters, precision, device.capabilities,
            executor.multiplication, executor.halfSums, ends: ends, inputStarts: inputs.starts,
            outputStarts: outputs.starts)
        weights = try PlanMemory.filled(device, lowering.constants.weights)
        constants = try PlanMemory.filled(device, lowering.constants.values.withUnsafeBytes { Array($0) })
        let between = lowering.launches.filter { $0.winogradWeights != nil }
            .map { $0.convolution?.winogradScratch(rows: $0.rows.count) ?? 0 }.max()
        scratch = try between.map { try DeviceBuffer(device, bytes: $0) }
        let launches = try executor.tiles.chosen(for: lowering.launches, executor, self, precision)

        var next = 0
        var once: [TensorDispatch] = []
        func takeTensors(before end: Int) {
            while next < min(end, planned.compiler.steps.count) {
                let step = planned.compiler.steps[next]
                if step.isConstant {
                    once += planned.dispatches[next]
                } else if !planned.dispatches[next].isEmpty {
                    steps.append(.dispatches(step, planned.dispatches[next]))
                }
                next += 1
            }
        }
        for launch in launches {
            takeTensors(before: launch.step)
            steps.append(.launch(launch))
        }
        takeTensors(before: .max)
        try compute(once, executor)
    }

    /// Computes what depends on constants alone.
    private func compute(_ dispatches: [TensorDispatch], _ executor: VulkanExecutor) throws {
        if dispatches.isEmpty { return }
        let recorder = try CommandRecorder(
            executor.device, dispatches: dispatches.count,
            storageBuffers: dispatches.reduce(0) { $0 + $1.kernel.bindings })
        for dispatch in dispatches { try record(dispatch, executor, recorder) }
        try recorder.finish().run()
    }

    func record(_ dispatch: TensorDispatch, _ executor: VulkanExecutor, _ recorder: CommandRecorder) throws {
        var bindings = dispatch.bindings
        if let table = dispatch.table {
            bindings.append(.reading(tables.slice(offset: table.lowerBound * 4, bytes: table.count * 4)))
        }
        try recorder.dispatch(
            executor.tensorKernels.pipeline(dispatch.kernel), bindings, pushConstants: dispatch.push,
            groups: limits.folded(dispatch.workgroups))
    }

    static func options(_ executor: VulkanExecutor, _ precision: StoragePrecision) -> PlanningOptions {
        var options = PlanningOptions()
        options.bufferAlignment = bindingAlignment / precision.bytes
        options.stripElements = executor.stripBytes / precision.bytes
        options.sharesBuffers = precision == .fp32
        options.readsThroughMoves = true
        return options
    }

    private static func layout(_ shapes: [Shape]) -> (starts: [Int], bytes: Int) {
        var starts: [Int] = []
        var end = 0
        for shape in shapes {
            starts.append(end)
            end = next(end, shape.count * 4)
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

    fileprivate static func fill(_ buffer: DeviceBuffer, _ words: [UInt32], _ device: Device) throws {
        if words.isEmpty { return }
        let staging = try HostBuffer(device, bytes: words.count * 4, use: .upload)
        try staging.write { target in words.withUnsafeBytes { target.copyMemory(from: $0) } }
        try CommandRecorder.copy(staging.slice(), to: buffer.slice(bytes: words.count * 4), device)
    }
}

/// A program with an arena, and its steps on tensors as dispatches.
private struct PlannedTensors {
    let compiler: TensorCompiler
    let memory: TensorMemory
    let places: ArenaPlaces
    /// By step; empty for those on views.
    let dispatches: [[TensorDispatch]]
    let tables: [UInt32]

    /// Nil where an expression needs more memory blocks than a kernel can bind.
    init?(
        _ executor: VulkanExecutor, _ graph: Graph, _ parameters: Parameters, _ precision: StoragePrecision,
        state: VulkanState?, limits: TensorLimits, mostMembers: Int, readsFrames: Bool
    ) throws {
        let device = executor.device
        var compiler = TensorCompiler(
            executor, graph, precision, isTraining: state != nil, limits: limits, mostMembers: mostMembers,
            readsFrames: readsFrames)
        compiler.compile()
        // A state has seen to that when it was made.
        if state == nil && compiler.steps.contains(where: { !$0.isOnViews }) { try executor.testTensorKernels() }
        for step in compiler.steps where !step.isOnViews {
            for tensor in step.tensors {
                // Of an image there can be smaller tiles.
                if state == nil && tensor.words > BlockedMemory.largestBlock(executor) {
                    throw ExecutionError.outOfMemory(device: executor.name, bytes: tensor.words * 4)
                }
                try executor.checkBinding(tensor.words)
            }
        }
        let block = compiler.largestBlock(executor)
        let (offsets, words) = compiler.arranged(block: block)
        places = ArenaPlaces(offsets: offsets, blockWords: block)
        // A plan's own copies of what its steps on tensors read.
        let constants = parameters.filter { compiler.parameters.contains($0.key) }
        memory = TensorMemory(
            arena: try BlockedMemory(device, elements: words, blockElements: block), offsets: offsets,
            state: try state ?? (constants.isEmpty ? nil : VulkanState(executor, constants)),
            constants: try DeviceBuffer(device, bytes: max(1, compiler.constants.count) * 4))
        var lowering = TensorDispatches(memory, limits)
        guard
            let dispatches = try? compiler.steps.map({ step in
                step.isOnViews ? [] : try lowering.dispatches(step)
            })
        else { return nil }
        (self.dispatches, tables) = (dispatches, lowering.tables)
        self.compiler = compiler
        try PlanMemory.fill(memory.constants, compiler.constants, device)
    }
}
