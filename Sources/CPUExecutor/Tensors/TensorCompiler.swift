internal import CKernels
internal import Network
internal import Planning
internal import Tensor

/// Where a tensor lies.
enum TensorPlace: Hashable {
    /// A piece of the arena.
    case buffer(Int)
    case state(String)
    /// Memory of the plan.
    case memory(UnsafeMutablePointer<Float>)
}

/// Turns a graph into steps: first which, on which buffers; then, when it is known how long each buffer is needed, the
/// jobs with their pointers.
struct TensorCompiler {
    let graph: Graph
    let state: CPUState
    let memory: PlanMemory
    let kernels: UnsafePointer<ck_kernels>
    let tensorKernels: UnsafePointer<ct_kernels>
    let threads: Int
    /// The nodes that read each value, once per reading.
    let users: [[Int]]
    /// Outputs and new values of parameters.
    let isResult: [Bool]

    /// A step before its buffers have addresses.
    struct Pending {
        var name: String
        var places: [TensorPlace]
        var make: (Resolver) throws(ExecutionError) -> (kernel: ck_kernel?, job: UnsafeRawPointer, blocks: Int)
        var scratchFloats = 0
        var multiplyAdds = 0
    }

    /// Gives places their addresses.
    struct Resolver {
        let arena: UnsafeMutablePointer<Float>
        let offsets: [Int]
        let state: CPUState
        let memory: PlanMemory

        func callAsFunction(_ place: TensorPlace) -> UnsafeMutablePointer<Float> {
            switch place {
            case .buffer(let index): arena + offsets[index]
            case .state(let name): state.pointer(name)
            case .memory(let pointer): pointer
            }
        }
    }

    private var pending: [Pending] = []
    /// Elements of each buffer.
    private var buffers: [Int] = []
    private var places: [TensorPlace?]
    private var heldFromStart: Set<Int> = []
    private var heldToEnd: Set<Int> = []

    init(
        _ graph: Graph, state: CPUState, memory: PlanMemory, kernels: UnsafePointer<ck_kernels>,
        tensorKernels: UnsafePointer<ct_kernels>, threads: Int
    ) {
        (self.graph, self.state, self.memory) = (graph, state, memory)
        (self.kernels, self.tensorKernels, self.threads) = (kernels, tensorKernels, threads)
        (users, isResult) = (graph.users, graph.isResult)
        places = [TensorPlace?](repeating: nil, count: graph.nodes.count)
    }

    // MARK: Places

    mutating func newBuffer(_ elements: Int) -> TensorPlace {
        buffers.append(elements)
        return .buffer(buffers.count - 1)
    }

    /// A buffer for the value.
    mutating func makePlace(_ value: Value) -> TensorPlace {
        let place = newBuffer(graph.shape(value).count)
        places[value.index] = place
        return place
    }

    /// Where the value lies, dense.
    mutating func place(_ value: Value) throws(ExecutionError) -> TensorPlace {
        if let place = places[value.index] { return place }
        let node = graph[value]
        let place: TensorPlace
        switch node.operation {
        case .parameter(let name): place = .state(name)
        case .constant(let values):
            let all = values.count == 1 ? [Float](repeating: values[0], count: node.shape.count) : values
            place = .memory(try memory.store(all))
        case .reshape, .detach, .again: place = try self.place(node.operands[0])
        default: preconditionFailure("\(node.operation.name) is read before it is computed")
        }
        places[value.index] = place
        return place
    }

    // MARK: Steps

    /// - Parameter places: all that the step touches.
    mutating func append<Job: BitwiseCopyable>(
        _ name: String, _ kernel: ck_kernel?, blocks: Int, places: [TensorPlace], scratchFloats: Int = 0,
        multiplyAdds: Int = 0, _ make: @escaping (Resolver) throws(ExecutionError) -> Job
    ) {
        pending.append(
            Pending(
                name: name, places: places,
                make: { (resolve) throws(ExecutionError) in
                    (kernel, UnsafeRawPointer(try resolve.memory.store([make(resolve)])), blocks)
                }, scratchFloats: scratchFloats, multiplyAdds: multiplyAdds))
    }

    func blocks(_ count: Int, _ perBlock: Int) -> Int { (count + perBlock - 1) / perBlock }

    mutating func compile() throws(ExecutionError) -> CompiledTensors {
        var inputs: [TensorPlace] = []
        for value in graph.inputs {
            let place = makePlace(value)
            if case .buffer(let index) = place { heldFromStart.insert(index) }
            inputs.append(place)
        }
        let expressions = Expressions(graph, users: users, isResult: isResult, most: 64) {
            graph.nodes[$0].operation.isBroadcast
        }
        for index in graph.nodes.indices { try lower(Value(index: index), expressions) }

        // A result must not change when a parameter does: copies of what lies in the state.
        var results: [TensorPlace] = []
        for value in graph.outputs + graph.guards + graph.updates.map(\.value) {
            var place = try place(value)
            if case .state = place {
                let copy = newBuffer(graph.shape(value).count)
                appendCopy("copy", from: place, to: copy, [Axis(graph.shape(value).count, 1, 1)])
                place = copy
            }
            results.append(place)
        }
        let shown = graph.outputs.count + graph.guards.count
        for place in results.prefix(shown) {
            if case .buffer(let index) = place { heldToEnd.insert(index) }
        }
        let computing = pending.count
        for (update, place) in zip(graph.updates, results.dropFirst(shown)) {
            guard case .parameter(let name) = graph[update.parameter].operation else { continue }
            appendCopy("update", from: place, to: .state(name), [Axis(graph.shape(update.value).count, 1, 1)])
        }

        let resolve = try arrange()
        var steps: [CompiledStep] = []
        for step in pending {
            let (kernel, job, blocks) = try step.make(resolve)
            steps.append(
                CompiledStep(
                    name: step.name, step: ck_step(run: kernel, job: job, blocks: Int64(blocks), needs: nil),
                    multiplyAdds: step.multiplyAdds))
        }
        return CompiledTensors(
            steps: steps, inputs: inputs.map { resolve($0) },
            outputs: results.prefix(graph.outputs.count).map { resolve($0) },
            guards: zip(graph.guards, results[graph.outputs.count..<shown]).map { guarded, place in
                UnsafeBufferPointer(start: resolve(place), count: graph.shape(guarded).count)
            }, computingSteps: computing,
            scratchBytes: (pending.map(\.scratchFloats).max() ?? 0) * MemoryLayout<Float>.stride + 256)
    }

    private mutating func lower(_ value: Value, _ expressions: Expressions) throws(ExecutionError) {
        let node = graph[value]
        switch node.operation {
        case .input, .parameter, .constant, .reshape, .detach, .again: return
        case .pointwise:
            if let members = expressions.members[value.index] { try lowerExpression(members, expressions) }
        case .broadcast:
            if !expressions.virtual.contains(value.index) { try lowerMove(value) }
        case .convolution, .convolutionTranspose, .convolutionWeightGradient: try lowerConvolution(value)
        case .sum: try lowerSum(value)
        case .mean: preconditionFailure("means are sums and scales here: see Graph.withoutMeans")
        case .product: try lowerProduct(value)
        case .concatenate, .sliceChannels, .upsampleNearest, .pixelShuffle, .pixelUnshuffle, .crop, .transpose:
            try lowerMove(value)
        case .resize, .resizeAdjoint, .pad, .padAdjoint, .sumPool: try lowerResampling(value)
        }
    }

    // MARK: The arena

    private func arrange() throws(ExecutionError) -> Resolver {
        var lifetimes = Lifetimes(elements: buffers, steps: pending.count)
        for (index, step) in pending.enumerated() {
            for case .buffer(let buffer) in step.places { lifetimes.touch(buffer, step: index) }
        }
        for buffer in heldFromStart { lifetimes.holdFromStart(buffer) }
        for buffer in heldToEnd { lifetimes.holdToEnd(buffer) }
        let (offsets, arena) = lifetimes.arranged(alignment: 64)
        // Kernels of convolutions may read a vector or two past the last pixel.
        let slack = 1024
        return Resolver(
            arena: try memory.allocate(Float.self, count: arena + slack), offsets: offsets, state: state,
            memory: memory)
    }
}
