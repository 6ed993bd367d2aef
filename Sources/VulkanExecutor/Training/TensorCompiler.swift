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
    /// Whether activations are stored as half floats.
    var storesHalf: Bool
    /// The tile of all products; nil chooses by size.
    var tile: ProductTile?

    init(_ capabilities: Capabilities, _ precision: StoragePrecision) {
        storesHalf = precision == .fp16 && capabilities.has16BitStorage
        threads = capabilities.maximumGroupSize >= 256 ? 256 : 128
        productDepth = capabilities.sharedMemoryBytes >= 32 << 10 ? 16 : 8
        groupsAcross = capabilities.maximumGroups[0]
        bindings = min(capabilities.maximumStorageBuffers, 64)
    }

    /// So many workgroups, folded into two axes where one cannot hold them; kernels pass over those that are too many.
    func folded(_ workgroups: Int) -> (Int, Int, Int) {
        let width = min(workgroups, groupsAcross)
        return (width, (workgroups + width - 1) / width, 1)
    }
}

/// Turns a graph into steps on tensors that have no addresses yet.
struct TensorCompiler {
    let graph: Graph
    let limits: TensorLimits
    var threads: Int { limits.threads }
    /// The nodes that read each value, once per reading.
    let users: [[Int]]
    /// Outputs, guards and new values of parameters.
    let isResult: [Bool]
    let expressions: Expressions
    /// The shapes of parameters that change.
    private let trainedShapes: Set<Shape>
    let isHalf: HalfValues

    private(set) var steps: [TensorStep] = []
    /// Elements of each buffer.
    private(set) var buffers: [Int] = []
    /// Numbers that belong to the graph or to kernels, as words; every entry begins at an aligned place.
    private(set) var constants: [UInt32] = []
    private(set) var inputs: [TensorReference] = []
    private(set) var outputs: [TensorReference] = []
    private(set) var heldFromStart: Set<Int> = []
    private(set) var heldToEnd: Set<Int> = []
    /// How many steps come before those that change the state.
    private(set) var computingSteps = 0

    private var places: [TensorPlace?]
    private var storedConstants: [[UInt32]: TensorPlace] = [:]
    /// The step that writes each buffer; -1 before the first.
    private var writers: [Int] = []
    /// The latest step of each kernel that serves many tensors.
    private var latest: [TensorStep.Rows.Kernel: Int] = [:]

    /// - Parameter mostMembers: of one expression; 1 where memory has so many blocks that a kernel cannot bind those of
    ///   many tensors.
    init(_ graph: Graph, _ limits: TensorLimits, mostMembers: Int) {
        (self.graph, self.limits) = (graph, limits)
        let users = graph.users
        (self.users, isResult) = (users, graph.isResult)
        expressions = Expressions(graph, users: users, isResult: isResult, most: mostMembers) { index in
            let node = graph.nodes[index]
            switch node.operation {
            case .broadcast: return true
            // Read again by every user: worth it for one or two.
            case .sliceChannels, .crop, .upsampleNearest, .pixelShuffle, .pixelUnshuffle, .concatenate:
                return users[index].count <= 2
            default: return false
            }
        }
        isHalf = limits.storesHalf ? HalfValues(graph) : HalfValues()
        trainedShapes = Set(graph.updates.map { graph.shape($0.parameter) })
        places = [TensorPlace?](repeating: nil, count: graph.nodes.count)
    }

    mutating func compile() {
        for value in graph.inputs {
            let input = makePlace(value)
            if case .buffer(let index) = input.place { heldFromStart.insert(index) }
            inputs.append(input)
        }
        for index in graph.nodes.indices { lower(Value(index: index)) }

        // A result must not change when a parameter does: copies of what lies in the state.
        var results: [TensorReference] = []
        for value in graph.outputs + graph.guards + graph.updates.map(\.value) {
            let shape = graph.shape(value)
            let result = full(operand(value))
            if case .state = result.place {
                let copy = reference(newBuffer(shape.count), shape)
                appendCopy(from: result, to: copy, [], count: shape.count)
                results.append(copy)
            } else {
                results.append(result)
            }
        }
        outputs = Array(results.prefix(graph.outputs.count))
        for case .buffer(let index) in outputs.map(\.place) { heldToEnd.insert(index) }
        let guards = results[graph.outputs.count..<graph.outputs.count + graph.guards.count]
        appendUpdates(guards: Array(guards), values: Array(results.suffix(graph.updates.count)))
    }

    private mutating func lower(_ value: Value) {
        let node = graph[value]
        switch node.operation {
        case .input, .parameter, .constant, .reshape, .detach, .again: return
        case .pointwise:
            if let members = expressions.members[value.index] { lowerExpression(members) }
        case .broadcast, .concatenate, .sliceChannels, .upsampleNearest, .pixelShuffle, .pixelUnshuffle, .crop,
            .transpose:
            if !expressions.virtual.contains(value.index) { lowerMove(value) }
        case .convolution, .convolutionTranspose, .convolutionWeightGradient: lowerConvolution(value)
        case .sum: lowerSum(value)
        case .mean: preconditionFailure("means are sums and scales here: see Graph.withoutMeans")
        case .product: lowerProduct(value)
        case .resize, .resizeAdjoint, .pad, .padAdjoint, .sumPool: lowerResampling(value)
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
                return TensorStep.Rows.Row(
                    words: [UInt32(guarded.count)], tensors: [guarded, verdict], blocks: 1)
            }
            appendRows(
                "guards", .shader("tensor_finite", constants: [UInt32(threads)]), rows, writes: 1)
        }
        computingSteps = steps.count
        let perBlock = threads * 8
        var rows: [TensorStep.Rows.Row] = []
        for (update, value) in zip(graph.updates, values) {
            guard case .parameter(let name) = graph[update.parameter].operation else { continue }
            let count = graph.shape(update.parameter).count
            let target = TensorReference(place: .state(name), count: count)
            rows.append(
                TensorStep.Rows.Row(
                    words: [UInt32(count)], tensors: [value, verdicts, target], blocks: blocks(count, perBlock)))
        }
        let kernel = TensorStep.Rows.Kernel.shader("tensor_commit", constants: [UInt32(threads), UInt32(perBlock)])
        steps.append(
            TensorStep(
                name: "update of \(rows.count)",
                work: .rows(TensorStep.Rows(kernel: kernel, writes: 1, parameter: guards.count, rows: rows))))
    }

    // MARK: Places

    func reference(_ place: TensorPlace, _ shape: Shape) -> TensorReference {
        TensorReference(place: place, count: shape.count)
    }

    func reference(_ place: TensorPlace, count: Int) -> TensorReference { TensorReference(place: place, count: count) }

    mutating func newBuffer(_ elements: Int) -> TensorPlace {
        buffers.append(max(1, elements))
        writers.append(-1)
        return .buffer(buffers.count - 1)
    }

    /// A buffer for the value.
    mutating func makePlace(_ value: Value) -> TensorReference {
        var tensor = TensorReference(place: .constant(0), count: graph.shape(value).count, isHalf: isHalf(value))
        tensor.place = newBuffer(tensor.words)
        places[value.index] = tensor.place
        return tensor
    }

    /// Where the value lies, dense.
    mutating func place(_ value: Value) -> TensorPlace {
        if let place = places[value.index] { return place }
        let node = graph[value]
        let place: TensorPlace
        switch node.operation {
        case .parameter(let name): place = .state(name)
        case .constant(let values):
            let all = values.count == 1 ? [Float](repeating: values[0], count: node.shape.count) : values
            place = store(all.map(\.bitPattern))
        case .reshape, .detach, .again: place = self.place(node.operands[0])
        default: preconditionFailure("\(node.operation.name) is read before it is computed")
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
        note(tensors.suffix(writes), steps.count)
        steps.append(
            TensorStep(
                name: name,
                work: .direct(
                    TensorStep.Direct(
                        kernel: kernel, tensors: tensors, writes: writes, push: push, workgroups: workgroups)),
                multiplyAdds: multiplyAdds))
    }

    /// - Parameter joins: whether the rows may be computed with an earlier step of the same kernel. That is for what is
    ///   small: its memory is needed for longer then.
    mutating func appendRows(
        _ name: String, _ kernel: TensorStep.Rows.Kernel, _ rows: [TensorStep.Rows.Row], writes: Int,
        joins: Bool = false
    ) {
        let rows = rows.filter { $0.blocks > 0 }
        if rows.isEmpty { return }
        if joins, let earlier = latest[kernel], case .rows(var work) = steps[earlier].work,
            rows.allSatisfy({ $0.tensors.dropLast(writes).allSatisfy { writer($0) < earlier } })
        {
            for row in rows { note(row.tensors.suffix(writes), earlier) }
            work.rows += rows
            steps[earlier].work = .rows(work)
            return
        }
        for row in rows { note(row.tensors.suffix(writes), steps.count) }
        if joins { latest[kernel] = steps.count }
        steps.append(
            TensorStep(name: name, work: .rows(TensorStep.Rows(kernel: kernel, writes: writes, rows: rows))))
    }

    private mutating func note(_ written: ArraySlice<TensorReference>, _ step: Int) {
        for case .buffer(let index) in written.map(\.place) { writers[index] = max(writers[index], step) }
    }

    private func writer(_ tensor: TensorReference) -> Int {
        if case .buffer(let index) = tensor.place { writers[index] } else { -1 }
    }

    /// Whether steps on tensors of this shape may be brought together: those of parameters, and what is small.
    func joins(_ shape: Shape) -> Bool { trainedShapes.contains(shape) || shape.count <= 4096 }
}
