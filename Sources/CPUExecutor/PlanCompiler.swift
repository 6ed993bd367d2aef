internal import CKernels
internal import Network
internal import Planning
internal import Tensor

/// Where a tensor lies.
enum TensorPlace: Hashable {
    /// A piece of the arena: one of the program's buffers, or, beyond those, one that lives inside a step.
    case buffer(Int)
    case state(String)
    /// Memory of the plan that nothing changes.
    case memory(UnsafeMutablePointer<Float>)
}

/// Turns a program into jobs for the kernels: first a list of what is done on which buffers; then, when it is known how long
/// each buffer is needed, the jobs with their pointers.
///
/// What depends on constants alone (packed weights of convolutions on tensors, above all) is computed once, when the plan
/// is made.
struct PlanCompiler {
    let program: Program
    /// The tensors that steps on views name.
    let parameters: Parameters
    /// The parameters that may change; nil where `parameters` has them all.
    let state: CPUState?
    let memory: PlanMemory
    let kernels: UnsafePointer<ck_kernels>
    let tensorKernels: UnsafePointer<ct_kernels>
    let threads: Int
    let options: ConvolutionOptions
    var graph: Graph { program.graph }

    /// A step before its buffers have addresses.
    private struct Pending {
        enum Work {
            /// One of the program's steps on views.
            case views(Step)
            case job(
                name: String, make: (Resolver) throws(ExecutionError) -> (ck_kernel?, UnsafeRawPointer, blocks: Int))
        }
        var work: Work
        /// All that it touches, and of that what it writes.
        var buffers: [Int]
        var written: [Int] = []
        /// Whether it depends on constants alone.
        var isConstant = false
        var multiplyAdds = 0
        var kind = LayerTiming.Kind.move
        var bytes = 0
    }

    /// Gives places their addresses.
    struct Resolver {
        let arena: UnsafeMutablePointer<Float>
        let offsets: [Int]
        let state: CPUState?
        let memory: PlanMemory

        func callAsFunction(_ place: TensorPlace) -> UnsafeMutablePointer<Float> {
            switch place {
            case .buffer(let index): return arena + offsets[index]
            case .state(let name):
                guard let state else { preconditionFailure("'\(name)' is no constant and there is no state") }
                return state.pointer(name)
            case .memory(let pointer): return pointer
            }
        }
    }

    private var pending: [Pending] = []
    /// Elements of each buffer.
    private var elements: [Int]
    /// Buffers whose contents depend on constants alone, and others that steps on tensors write.
    private var constantBuffers: Set<Int> = []
    private var variableBuffers: Set<Int> = []
    private var places: [TensorPlace?]

    // The second pass.
    private var resolver: Resolver?
    /// What the latest step's blocks touch, if that is known.
    private var latestAccess: BlockAccess?
    var steps: [CompiledStep] = []
    var scratchBytes = 256
    /// Weights that F(6x6) is not precise enough for.
    private(set) var imprecise: Set<String> = []
    /// Winograd transforms that several convolutions use, by the buffer whose pixels they are of.
    var shared: [Int: SharedTransforms] = [:]

    /// Kernels may read a vector or two past the last pixel.
    static let slack = 1024

    init(
        program: Program, parameters: Parameters, state: CPUState?, memory: PlanMemory,
        kernels: UnsafePointer<ck_kernels>, tensorKernels: UnsafePointer<ct_kernels>, threads: Int,
        options: ConvolutionOptions
    ) {
        (self.program, self.parameters, self.state) = (program, program.vectors(parameters), state)
        (self.memory, self.kernels, self.tensorKernels) = (memory, kernels, tensorKernels)
        (self.threads, self.options) = (threads, options)
        elements = program.buffers.map(\.elements)
        places = [TensorPlace?](repeating: nil, count: program.graph.nodes.count)
    }

    mutating func compile() throws(ExecutionError) -> CompiledProgram {
        for step in program.steps {
            guard case .tensors(let tensors) = step else {
                pending.append(Pending(work: .views(step), buffers: step.buffers))
                continue
            }
            let first = pending.count
            try lower(tensors)
            for index in first..<pending.count where pending[index].multiplyAdds > 0 {
                pending[index].kind = .convolution
            }
            pending[pending.count - 1].kind = step.kind
            pending[pending.count - 1].bytes = step.leastElements * MemoryLayout<Float>.size
        }
        /// Where the caller's tensors lie that are no views.
        func ports(_ ports: [Port], _ place: (Value) throws(ExecutionError) -> TensorPlace) throws(ExecutionError)
            -> [TensorPlace?]
        {
            var places: [TensorPlace?] = []
            for case let port in ports {
                if case .tensor(let value) = port { places.append(try place(value)) } else { places.append(nil) }
            }
            return places
        }
        let inputs = try ports(program.inputs) { (value) throws(ExecutionError) in try place(value) }
        let outputs = try ports(program.outputs) { (value) throws(ExecutionError) in try result(value) }
        let guards = try graph.guards.map { (value) throws(ExecutionError) in (value, try result(value)) }
        let updates = try graph.updates.map { (update) throws(ExecutionError) in
            (update.parameter, try result(update.value))
        }
        let computing = pending.count
        for (parameter, place) in updates {
            guard case .parameter(let name) = graph[parameter].operation else { continue }
            appendCopy("update", from: place, to: .state(name), [Axis(graph.shape(parameter).count, 1, 1)])
        }

        let resolve = try arrange(updated: updates.map(\.1))
        resolver = resolve
        if options.kernel == nil { imprecise = try impreciseWeights() }
        shared = try sharedTransforms()
        var prologue: [CompiledStep] = []
        var computingSteps = 0
        for (index, step) in pending.enumerated() {
            if index == computing { computingSteps = steps.count }
            switch step.work {
            case .views(let step): try compile(step)
            case .job(let name, let make):
                let (kernel, job, blocks) = try make(resolve)
                let compiled = CompiledStep(
                    name: name, step: ck_step(run: kernel, job: job, blocks: Int64(blocks), needs: nil),
                    kind: step.kind, multiplyAdds: step.multiplyAdds, bytes: step.bytes)
                if step.isConstant {
                    prologue.append(compiled)
                } else {
                    steps.append(compiled)
                    latestAccess = nil
                }
            }
        }
        if computing == pending.count { computingSteps = steps.count }
        return CompiledProgram(
            steps: steps, prologue: prologue, computingSteps: computingSteps,
            inputs: try zip(program.inputs, inputs).map { (port, place) throws(ExecutionError) in
                try transfer(port, place, kernels.pointee.upload)
            },
            outputs: try zip(program.outputs, outputs).map { (port, place) throws(ExecutionError) in
                try transfer(port, place, kernels.pointee.download)
            },
            guards: guards.map { UnsafeBufferPointer(start: resolve($1), count: graph.shape($0).count) },
            scratchBytes: scratchBytes)
    }

    // MARK: Tensors

    private mutating func lower(_ step: TensorStep) throws(ExecutionError) {
        let value = Value(index: step.nodes[step.nodes.count - 1])
        switch graph[value].operation {
        case .input, .parameter, .constant, .reshape, .detach, .again, .mean:
            preconditionFailure("programs have no step '\(graph[value].operation.name)'")
        case .pointwise: try lowerExpression(step.nodes)
        case .convolution, .convolutionTranspose, .convolutionWeightGradient: try lowerConvolution(value)
        case .sum: try lowerSum(value)
        case .product: try lowerProduct(value)
        case .broadcast, .concatenate, .sliceChannels, .upsampleNearest, .pixelShuffle, .pixelUnshuffle, .crop,
            .transpose:
            try lowerMove(value)
        case .resize, .resizeAdjoint, .pad, .padAdjoint, .sumPool: try lowerResampling(value)
        case .sample(let filter, let border): try lowerSample(value, filter, border)
        case .sampleAdjoint(_, _, let border): try lowerSampleAdjoint(value, border)
        }
    }

    /// A buffer that lives inside a step.
    mutating func newBuffer(_ count: Int) -> TensorPlace {
        elements.append(count)
        return .buffer(elements.count - 1)
    }

    /// Where the value lies, dense.
    mutating func place(_ value: Value) throws(ExecutionError) -> TensorPlace {
        if let place = places[value.index] { return place }
        let node = graph[value]
        let place: TensorPlace
        switch node.operation {
        case .parameter(let name):
            place = try state == nil ? .memory(memory.store(parameters[name]!.values)) : .state(name)
        case .constant(let values):
            let all = values.count == 1 ? [Float](repeating: values[0], count: node.shape.count) : values
            place = .memory(try memory.store(all))
        default:
            if let buffer = program.tensors[value.index] {
                place = .buffer(buffer)
            } else {
                // Another shape of a parameter or a constant.
                place = try self.place(node.operands[0])
            }
        }
        places[value.index] = place
        return place
    }

    /// Where a result lies. It must not change when a parameter does: what lies in the state is copied.
    private mutating func result(_ value: Value) throws(ExecutionError) -> TensorPlace {
        let place = try place(value)
        guard case .state = place else { return place }
        let copy = newBuffer(graph.shape(value).count)
        appendCopy("copy", from: place, to: copy, [Axis(graph.shape(value).count, 1, 1)])
        places[value.index] = copy
        return copy
    }

    /// A step on tensors.
    mutating func append<Job: BitwiseCopyable>(
        _ name: String, _ kernel: ck_kernel?, blocks: Int, reads: [TensorPlace], writes: [TensorPlace],
        scratchFloats: Int = 0, multiplyAdds: Int = 0, _ make: @escaping (Resolver) throws(ExecutionError) -> Job
    ) {
        func buffer(_ place: TensorPlace) -> Int? { if case .buffer(let index) = place { index } else { nil } }
        let written = writes.compactMap(buffer)
        let isConstant =
            written.count == writes.count && variableBuffers.isDisjoint(with: written)
            && reads.allSatisfy { place in
                switch place {
                case .buffer(let index): constantBuffers.contains(index)
                case .state: false
                case .memory: true
                }
            }
        if isConstant {
            constantBuffers.formUnion(written)
        } else {
            variableBuffers.formUnion(written)
            // A tensor of which parts are constant is written in every run.
            for buffer in written where constantBuffers.remove(buffer) != nil {
                for index in pending.indices where pending[index].written.contains(buffer) {
                    pending[index].isConstant = false
                }
            }
        }
        scratchBytes = max(scratchBytes, scratchFloats * MemoryLayout<Float>.stride + 256)
        pending.append(
            Pending(
                work: .job(name: name) { (resolve) throws(ExecutionError) in
                    (kernel, UnsafeRawPointer(try resolve.memory.store([make(resolve)])), blocks)
                }, buffers: reads.compactMap(buffer) + written, written: written,
                isConstant: isConstant, multiplyAdds: multiplyAdds))
    }

    // MARK: The arena

    private func arrange(updated: [TensorPlace]) throws(ExecutionError) -> Resolver {
        var lifetimes = Lifetimes(elements: elements, steps: pending.count)
        for (index, step) in pending.enumerated() {
            for buffer in step.buffers { lifetimes.touch(buffer, step: index) }
        }
        for buffer in program.heldFromStart + constantBuffers { lifetimes.holdFromStart(buffer) }
        for buffer in program.heldToEnd + constantBuffers { lifetimes.holdToEnd(buffer) }
        let (offsets, arena) = lifetimes.arranged(alignment: 64)
        return Resolver(
            arena: try memory.allocate(Float.self, count: arena + Self.slack), offsets: offsets, state: state,
            memory: memory)
    }

    // MARK: Views

    private mutating func compile(_ step: Step) throws(ExecutionError) {
        switch step {
        case .convolution(let step): try compile(step)
        case .map(let step): try compile(step)
        case .move(let step): try compile(step)
        case .layout(let step): try compile(step)
        case .tensors: preconditionFailure("steps on tensors were lowered before")
        }
        // Gathering in front of the step proper is the executor's own doing: it moves nothing that had to be moved.
        steps[steps.count - 1].kind = step.kind
        steps[steps.count - 1].bytes = step.leastElements * MemoryLayout<Float>.size
        if let output = step.output { shared[output.buffer]?.overwrite(output) }
    }

    mutating func append<Job: BitwiseCopyable>(
        _ name: String, _ kernel: ck_kernel?, _ job: Job, blocks: Int, multiplyAdds: Int = 0,
        access: BlockAccess? = nil
    ) throws(ExecutionError) {
        let stored = try memory.store([job])
        let needs = access.flatMap { current in latestAccess.flatMap { current.needs(of: $0) } }
        latestAccess = access
        var step = ck_step(run: kernel, job: stored, blocks: Int64(blocks), needs: nil)
        if let needs { step.needs = UnsafePointer(try memory.store(needs)) }
        steps.append(CompiledStep(name: name, step: step, multiplyAdds: multiplyAdds))
    }

    /// How many of `count` rows of `elements` floats make a block: large enough to be worth a counter's increment, small
    /// enough that threads end together.
    func rowsPerBlock(_ count: Int, elements: Int) -> Int {
        let fair = max(1, count / (threads * 8))
        let worthwhile = max(1, 16384 / max(1, elements))
        return min(max(fair, 1), max(worthwhile, 1))
    }

    func blocks(_ count: Int, _ perBlock: Int) -> Int { (count + perBlock - 1) / perBlock }

    func pointer(_ place: TensorPlace) -> UnsafeMutablePointer<Float> { resolver!(place) }
}
