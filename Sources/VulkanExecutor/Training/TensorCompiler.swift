internal import Compute
internal import Network
internal import Planning
internal import Tensor

/// What kernels may ask of a device; less in tests.
struct TensorLimits {
    /// Invocations of a workgroup.
    var threads: Int
    /// Products that are staged in shared memory at a time.
    var productDepth: Int
    /// Workgroups along one axis of a dispatch.
    var groupsAcross: Int
    /// Storage buffers that a kernel may bind.
    var bindings: Int
    /// Words that one binding may span.
    var bindingWords: Int
    /// Whether activations are stored as half floats.
    var storesHalf: Bool
    /// The tile of all products; nil chooses by size.
    var tile: ProductTile?

    /// - Parameter bindingLimit: bytes that a binding may span, where that is less than the device's own limit.
    init(_ capabilities: Capabilities, _ precision: StoragePrecision, bindingLimit: Int = .max) {
        storesHalf = precision == .fp16 && capabilities.has16BitStorage
        threads = capabilities.maximumGroupSize >= 256 ? 256 : 128
        productDepth = capabilities.sharedMemoryBytes >= 32 << 10 ? 16 : 8
        groupsAcross = capabilities.maximumGroups[0]
        bindings = min(capabilities.maximumStorageBuffers, 64)
        bindingWords = min(bindingLimit, capabilities.maximumBindingBytes) / 4
    }

    /// So many workgroups, folded into two axes where one cannot hold them; kernels pass over those that are too many.
    func folded(_ workgroups: Int) -> (Int, Int, Int) {
        let width = min(workgroups, groupsAcross)
        return (width, (workgroups + width - 1) / width, 1)
    }
}

/// Turns a program into steps on buffers that have no addresses yet. Steps on views stay as they are.
struct TensorCompiler {
    let program: Program
    let limits: TensorLimits
    let precision: StoragePrecision
    /// Whether parameters may change between runs; otherwise they are constants.
    let isTraining: Bool
    var graph: Graph { program.graph }
    var threads: Int { limits.threads }
    /// The shapes of parameters that change.
    private let trainedShapes: Set<Shape>
    let isHalf: HalfValues

    private(set) var steps: [DeviceStep] = []
    /// Words of each buffer: the program's, and then those that live inside steps.
    private(set) var buffers: [Int]
    /// Numbers that belong to the graph or to kernels, as words; every entry begins at an aligned place.
    private(set) var constants: [UInt32] = []
    /// The parameters that steps on tensors read.
    private(set) var parameters: Set<String> = []
    /// Where the caller's tensors lie that are no views.
    private(set) var inputs: [TensorReference?] = []
    private(set) var outputs: [TensorReference?] = []
    private var heldToEnd: Set<Int> = []
    /// How many steps come before those that change the state.
    private(set) var computingSteps = 0

    private var places: [TensorPlace?]
    private var storedConstants: [[UInt32]: TensorPlace] = [:]
    /// The step that writes each buffer; -1 before the first.
    private var writers: [Int]
    /// Buffers whose contents depend on constants alone: they are computed once, when the plan is made.
    private var constantBuffers: Set<Int> = []
    /// The latest step of each kernel that serves many tensors.
    private var latest: [Latest: Int] = [:]

    private struct Latest: Hashable {
        var kernel: DeviceStep.Rows.Kernel
        var isConstant: Bool
    }

    /// - Parameters:
    ///   - precision: of views; what steps on tensors write between them is single.
    ///   - mostMembers: of one expression; 1 where memory has so many blocks that a kernel cannot bind those of many
    ///     tensors.
    ///   - readsFrames: whether kernels convert frames in front of the first step and behind the last one.
    init(
        _ executor: VulkanExecutor, _ graph: Graph, _ precision: StoragePrecision, isTraining: Bool,
        limits: TensorLimits, mostMembers: Int = 64, readsFrames: Bool = false
    ) {
        var options = PlanMemory.options(executor, precision)
        (options.parametersChange, options.maximumMembers) = (isTraining, mostMembers)
        options.portsAreViews = readsFrames
        program = Planner.plan(graph, options: options)
        // In other words than the caller's: no mean is left.
        let graph = program.graph
        (self.limits, self.precision, self.isTraining) = (limits, precision, isTraining)
        isHalf = limits.storesHalf && isTraining ? HalfValues(graph) : HalfValues()
        trainedShapes = Set(graph.updates.map { graph.shape($0.parameter) })
        places = [TensorPlace?](repeating: nil, count: graph.nodes.count)
        buffers = program.buffers.map { $0.isTensor ? $0.elements : ($0.elements * precision.bytes + 3) / 4 }
        writers = [Int](repeating: -1, count: buffers.count)
        for (index, buffer) in program.tensors.enumerated() {
            guard let buffer, isHalf(Value(index: index)) else { continue }
            buffers[buffer] = TensorReference(place: .buffer(buffer), count: buffers[buffer], isHalf: true).words
        }
    }

    mutating func compile() {
        for port in program.inputs {
            if case .tensor(let value) = port { inputs.append(operand(value)) } else { inputs.append(nil) }
        }
        for step in program.steps {
            if case .tensors(let tensors) = step {
                let first = steps.count
                lower(tensors)
                guard first < steps.count else { continue }
                steps[steps.count - 1].kind = step.kind
                steps[steps.count - 1].leastBytes = step.leastElements * 4
            } else {
                for buffer in step.written { writers[buffer] = steps.count }
                steps.append(DeviceStep(name: "", work: .views(step)))
            }
        }

        // A result must not change when a parameter does: copies of what lies in the state.
        func result(_ value: Value) -> TensorReference {
            let shape = graph.shape(value)
            let result = full(operand(value))
            guard case .state = result.place, isTraining else { return result }
            let copy = reference(newBuffer(shape.count), shape)
            appendCopy(from: result, to: copy, [], count: shape.count)
            return copy
        }
        for port in program.outputs {
            if case .tensor(let value) = port { outputs.append(result(value)) } else { outputs.append(nil) }
        }
        let guards = graph.guards.map(result)
        let values = graph.updates.map { result($0.value) }
        for case .buffer(let index)? in outputs.map(\.?.place) { heldToEnd.insert(index) }
        computingSteps = steps.count
        appendUpdates(guards: guards, values: values)
    }

    private mutating func lower(_ step: TensorStep) {
        let value = Value(index: step.nodes[step.nodes.count - 1])
        switch graph[value].operation {
        case .input, .parameter, .constant, .reshape, .detach, .again, .mean:
            preconditionFailure("programs have no step '\(graph[value].operation.name)'")
        case .pointwise: lowerExpression(step.nodes)
        case .broadcast, .concatenate, .sliceChannels, .upsampleNearest, .pixelShuffle, .pixelUnshuffle, .crop,
            .transpose:
            lowerMove(value)
        case .convolution, .convolutionTranspose, .convolutionWeightGradient: lowerConvolution(value)
        case .sum: lowerSum(value)
        case .product: lowerProduct(value)
        case .resize, .resizeAdjoint, .pad, .padAdjoint, .sumPool: lowerResampling(value)
        case .sample(let filter, let border): lowerSample(value, filter, border)
        case .sampleAdjoint(_, _, let border): lowerSampleAdjoint(value, border)
        }
    }

    /// Parameters take their new values, if every guard is finite: the last steps.
    private mutating func appendUpdates(guards: [TensorReference], values: [TensorReference]) {
        if values.isEmpty { return }
        let verdicts = TensorReference(place: newBuffer(max(1, guards.count)), count: max(1, guards.count))
        if !guards.isEmpty {
            let rows = guards.enumerated().map { index, guarded in
                var verdict = verdicts
                verdict.offset = index
                return DeviceStep.Rows.Row(
                    words: [UInt32(guarded.count)], tensors: [guarded, verdict], blocks: 1)
            }
            appendRows(
                "guards", .shader("tensor_finite", constants: [UInt32(threads)]), rows, writes: 1)
        }
        computingSteps = steps.count
        let perBlock = threads * 8
        var rows: [DeviceStep.Rows.Row] = []
        for (update, value) in zip(graph.updates, values) {
            guard case .parameter(let name) = graph[update.parameter].operation else { continue }
            let count = graph.shape(update.parameter).count
            let target = TensorReference(place: .state(name), count: count)
            rows.append(
                DeviceStep.Rows.Row(
                    words: [UInt32(count)], tensors: [value, verdicts, target], blocks: blocks(count, perBlock)))
        }
        let kernel = DeviceStep.Rows.Kernel.shader("tensor_commit", constants: [UInt32(threads), UInt32(perBlock)])
        steps.append(
            DeviceStep(
                name: "update of \(rows.count)",
                work: .rows(DeviceStep.Rows(kernel: kernel, writes: 1, parameter: guards.count, rows: rows))))
    }

    // MARK: Places

    func reference(_ place: TensorPlace, _ shape: Shape) -> TensorReference {
        TensorReference(place: place, count: shape.count)
    }

    func reference(_ place: TensorPlace, count: Int) -> TensorReference { TensorReference(place: place, count: count) }

    /// A buffer that lives inside a step.
    mutating func newBuffer(_ elements: Int) -> TensorPlace {
        buffers.append(max(1, elements))
        writers.append(-1)
        return .buffer(buffers.count - 1)
    }

    /// Where the value lies, dense.
    private mutating func place(_ value: Value) -> TensorPlace {
        if let place = places[value.index] { return place }
        let node = graph[value]
        let place: TensorPlace
        switch node.operation {
        case .parameter(let name):
            parameters.insert(name)
            place = .state(name)
        case .constant(let values):
            let all = values.count == 1 ? [Float](repeating: values[0], count: node.shape.count) : values
            place = store(all.map(\.bitPattern))
        default:
            // What has no buffer is another shape of a parameter or a constant.
            place = program.tensors[value.index].map { .buffer($0) } ?? self.place(node.operands[0])
        }
        places[value.index] = place
        return place
    }

    mutating func operand(_ value: Value) -> TensorReference {
        TensorReference(place: place(value), count: graph.shape(value).count, isHalf: isHalf(value))
    }

    /// The tensor in single precision; a copy where it has half.
    mutating func full(_ tensor: TensorReference) -> TensorReference {
        if !tensor.isHalf { return tensor }
        let copy = reference(newBuffer(tensor.count), count: tensor.count)
        appendCopy(from: tensor, to: copy, [], count: tensor.count)
        return copy
    }

    /// Words that belong to the plan; the same ones once only.
    mutating func store(_ words: [UInt32]) -> TensorPlace {
        if let place = storedConstants[words] { return place }
        while constants.count % (bindingAlignment / 4) != 0 { constants.append(0) }
        let place = TensorPlace.constant(constants.count)
        constants += words
        storedConstants[words] = place
        return place
    }

    // MARK: Steps

    func blocks(_ count: Int, _ perBlock: Int) -> Int { (count + perBlock - 1) / perBlock }

    mutating func appendDirect(
        _ name: String, _ kernel: TensorKernel, _ tensors: [TensorReference], writes: Int = 1, push: [UInt32],
        workgroups: Int, multiplyAdds: Int = 0
    ) {
        if workgroups == 0 { return }
        let isConstant = isConstant(tensors.dropLast(writes))
        note(tensors.suffix(writes), steps.count, isConstant: isConstant)
        steps.append(
            DeviceStep(
                name: name, isConstant: isConstant,
                work: .direct(
                    DeviceStep.Direct(
                        kernel: kernel, tensors: tensors, writes: writes, push: push, workgroups: workgroups)),
                multiplyAdds: multiplyAdds))
    }

    /// - Parameter joins: whether the rows may be computed with an earlier step of the same kernel. That is for what is
    ///   small: its memory is needed for longer then.
    mutating func appendRows(
        _ name: String, _ kernel: DeviceStep.Rows.Kernel, _ rows: [DeviceStep.Rows.Row], writes: Int,
        joins: Bool = false
    ) {
        let rows = rows.filter { $0.blocks > 0 }
        if rows.isEmpty { return }
        let isConstant = rows.allSatisfy { self.isConstant($0.tensors.dropLast(writes)) }
        let key = Latest(kernel: kernel, isConstant: isConstant)
        if joins, let earlier = latest[key], case .rows(var work) = steps[earlier].work,
            rows.allSatisfy({ $0.tensors.dropLast(writes).allSatisfy { writer($0) < earlier } })
        {
            for row in rows { note(row.tensors.suffix(writes), earlier, isConstant: isConstant) }
            work.rows += rows
            steps[earlier].work = .rows(work)
            return
        }
        for row in rows { note(row.tensors.suffix(writes), steps.count, isConstant: isConstant) }
        if joins { latest[key] = steps.count }
        steps.append(
            DeviceStep(
                name: name, isConstant: isConstant,
                work: .rows(DeviceStep.Rows(kernel: kernel, writes: writes, rows: rows))))
    }

    private mutating func note(_ written: ArraySlice<TensorReference>, _ step: Int, isConstant: Bool) {
        for case .buffer(let index) in written.map(\.place) {
            writers[index] = max(writers[index], step)
            if isConstant { constantBuffers.insert(index) }
        }
    }

    private func isConstant(_ tensors: ArraySlice<TensorReference>) -> Bool {
        tensors.allSatisfy { tensor in
            switch tensor.place {
            case .buffer(let index): constantBuffers.contains(index)
            case .state: !isTraining
            case .constant: true
            }
        }
    }

    private func writer(_ tensor: TensorReference) -> Int {
        if case .buffer(let index) = tensor.place { writers[index] } else { -1 }
    }

    /// Whether steps on tensors of this shape may be brought together: those of parameters, and what is small.
    func joins(_ shape: Shape) -> Bool { trainedShapes.contains(shape) || shape.count <= 4096 }

    // MARK: The arena

    /// Words of the blocks that the arena is cut into: what the device can allocate, and, where steps on tensors bind whole
    /// blocks, bind at once. Views are bound in pieces; a block holds the largest of them.
    func largestBlock(_ executor: VulkanExecutor) -> Int {
        let bound = BlockedMemory.largestBlock(executor)
        let views = zip(buffers, program.buffers).filter { !$1.isTensor }.map(\.0).max() ?? 0
        if views == 0 { return bound }
        let words = executor.device.capabilities.maximumBufferBytes / bindingAlignment * (bindingAlignment / 4)
        let quantum = bindingAlignment / 4
        return max(words, (views + quantum - 1) / quantum * quantum)
    }

    /// Where each buffer begins, in words, and how many words all of them take.
    ///
    /// - Parameter block: no buffer crosses a multiple of it.
    func arranged(block: Int) -> (offsets: [Int], words: Int) {
        var lifetimes = Lifetimes(elements: buffers, steps: steps.count)
        for (index, step) in steps.enumerated() {
            for buffer in step.buffers { lifetimes.touch(buffer, step: index) }
        }
        for buffer in program.heldFromStart + constantBuffers { lifetimes.holdFromStart(buffer) }
        let views = program.outputs.compactMap(\.view?.buffer)
        for buffer in views + heldToEnd + constantBuffers { lifetimes.holdToEnd(buffer) }
        // Strips are the last of the program's steps, which nothing follows.
        if let strips = program.strips {
            lifetimes.repeats(from: steps.count - (program.steps.count - strips.firstStep))
        }
        let (offsets, words) = lifetimes.arranged(alignment: bindingAlignment / 4, block: block)
        return (offsets, words)
    }
}
