public import Network
internal import Tensor

/// Makes a program of a graph: `StepKinds` says what is computed on views and what on tensors, `Fusion` and `Expressions` what
/// is one step, `Placement` where values lie.
///
/// A step stands where its last node stood, so all that it reads has been written by then. A value that is made in one layout
/// and read in the other is copied right behind the step that makes it.
public struct Planner {
    public static func plan(_ graph: Graph, options: PlanningOptions = PlanningOptions()) -> Program {
        var planner = Planner(graph: graph.withoutMeans, options: options)
        planner.chooseVirtualUpsamplings()
        return planner.emit(planner.placement())
    }

    private let graph: Graph
    private let options: PlanningOptions
    private let kinds: StepKinds
    private let fusion: Fusion
    private let expressions: Expressions
    private let users: [[Int]]
    private let isResult: [Bool]
    /// Upsamplings that every user reads through.
    private var virtual: Set<Int> = []

    private init(graph: Graph, options: PlanningOptions) {
        (self.graph, self.options) = (graph, options)
        let kinds = StepKinds(graph, parametersChange: options.parametersChange)
        let users = graph.users
        (self.kinds, self.users, isResult) = (kinds, users, graph.isResult)
        fusion = Fusion(graph, kinds, options: options)
        expressions = Expressions(
            graph, users: users, isResult: graph.isResult, most: options.maximumMembers,
            of: { kinds[$0] == .tensors }
        ) { index in
            guard kinds[index] == .tensors else { return false }
            switch graph.nodes[index].operation {
            case .broadcast: return true
            // Read again by every user: worth it for one or two.
            case .sliceChannels, .crop, .upsampleNearest, .pixelShuffle, .pixelUnshuffle, .concatenate:
                return options.readsThroughMoves && users[index].count <= 2
            default: return false
            }
        }
    }

    private func parameterName(_ value: Value) -> String {
        switch graph[value].operation {
        case .parameter(let name): return name
        case .constant: return "constant \(value.index)"
        default: preconditionFailure("only parameters and constants can be weights, slopes and vectors")
        }
    }

    /// An upsampling needs no memory when convolutions and residuals are all that read it.
    private mutating func chooseVirtualUpsamplings() {
        // How often each value is read as the second operand of a stage.
        var stageReads: [Int: Int] = [:]
        for cluster in fusion.clusters.values {
            for operand in cluster.stages.compactMap(\.operand) { stageReads[operand.index, default: 0] += 1 }
        }
        for (index, node) in graph.nodes.enumerated() where !graph.outputs.contains(Value(index: index)) {
            guard case .upsampleNearest = node.operation, kinds[index] == .views, !users[index].isEmpty else {
                continue
            }
            let convolutions = users[index].filter { user in
                if case .convolution = graph.nodes[user].operation { kinds[user] == .views } else { false }
            }
            if !convolutions.isEmpty && !options.fusesInputUpsampling { continue }
            if convolutions.count + stageReads[index, default: 0] == users[index].count { virtual.insert(index) }
        }
    }

    // MARK: Layouts

    /// The nodes of a step on tensors that stands at this node; nil where none does.
    private func members(_ index: Int) -> [Int]? {
        guard kinds[index] == .tensors, !expressions.virtual.contains(index) else { return nil }
        return graph.nodes[index].operation.isPointwise ? expressions.members[index] : [index]
    }

    /// The values that steps on tensors read at a node, through what they read through.
    private func tensorsRead(_ nodes: [Int]) -> [Value] {
        let inside = Set(nodes)
        return nodes.flatMap { graph.nodes[$0].operands }.filter { !inside.contains($0.index) }.flatMap { operand in
            expressions.virtual.contains(operand.index) ? graph[operand].operands : [operand]
        }.map(kinds.root).filter { !kinds.isStored($0) }
    }

    /// The members of a step on tensors whose values others read.
    private func tensorsWritten(_ nodes: [Int]) -> [Value] {
        let inside = Set(nodes)
        return nodes.filter { index in
            isResult[index] || users[index].contains { !inside.contains($0) }
        }.map { Value(index: $0) }
    }

    /// Whether a caller's tensor for this value, or of it, is a view.
    private func isViewPort(_ value: Value) -> Bool {
        if options.parametersChange || graph.shape(value).rank != 4 || kinds.isStored(kinds.root(value)) {
            return false
        }
        if options.portsAreViews { return true }
        if case .input = graph[value].operation {
            return users[value.index].isEmpty || users[value.index].contains { kinds[$0] == .views }
        }
        return kinds[value] == .views
    }

    private func placement() -> Placement {
        var isView = [Bool](repeating: false, count: graph.nodes.count)
        var isTensor = isView
        for (index, node) in graph.nodes.enumerated() {
            if kinds[index] == .views {
                isView[index] = !fusion.absorbed.contains(index) && !virtual.contains(index)
                for operand in node.operands where kinds[operand] != .views && !kinds.isStored(operand) {
                    isView[operand.index] = true
                }
            }
            guard let members = members(index) else { continue }
            for value in tensorsRead(members) + tensorsWritten(members) { isTensor[value.index] = true }
        }
        for value in graph.inputs + graph.outputs where isViewPort(value) { isView[value.index] = true }
        for value in graph.inputs where !isViewPort(value) { isTensor[value.index] = true }
        for value in graph.outputs + graph.guards + graph.updates.map(\.value) where !isViewPort(value) {
            let root = kinds.root(value)
            if !kinds.isStored(root) { isTensor[root.index] = true }
        }
        for index in graph.nodes.indices where isView[index] && kinds[index] == .alias {
            isTensor[kinds.root(Value(index: index)).index] = true
        }
        func values(_ flags: [Bool]) -> [Value] { flags.indices.filter { flags[$0] }.map { Value(index: $0) } }
        return Placement(
            graph, kinds, options: options,
            views: values(isView).filter { value in
                if case .concatenate = graph[value].operation { kinds[value] != .views } else { true }
            }, tensors: values(isTensor))
    }

    // MARK: Emission

    private func emit(_ placement: Placement) -> Program {
        /// The view to read a value through, and how much it is to be upsampled on the way.
        func source(_ value: Value) -> (View, Int) {
            if virtual.contains(value.index), case .upsampleNearest(let factor) = graph[value].operation {
                return (placement.view(graph[value].operands[0]), factor)
            }
            return (placement.view(value), 1)
        }
        func resolved(_ stages: [Fusion.Stage]) -> [PointwiseStage] {
            stages.map { stage in
                let read: PointwiseStage.Source
                switch stage.source {
                case .none: read = .none
                case .register(let register): read = .register(register)
                case .vector(let value): read = .vector(parameter: parameterName(value))
                case .operand(let value):
                    let (view, upsampling) = source(value)
                    read = .operand(view, upsampling: upsampling)
                }
                return PointwiseStage(function: stage.function, target: stage.target, left: stage.left, source: read)
            }
        }

        var steps: [Step] = []
        /// Copies a value that was just made to where steps of the other kind read it.
        func convert(_ value: Value) {
            guard placement.hasView(value), let tensor = placement.tensor(value) else { return }
            let view = placement.view(value)
            if view.buffer == tensor { return }
            let makesView = !kinds.isView(value)
            steps.append(.layout(LayoutStep(view: view, tensor: tensor, makesView: makesView)))
        }
        for (index, node) in graph.nodes.enumerated() {
            let value = Value(index: index)
            defer { if kinds[index] != .tensors { convert(value) } }
            if let members = members(index) {
                steps.append(.tensors(tensorStep(members, placement)))
                tensorsWritten(members).forEach(convert)
                continue
            }
            if kinds[index] == .tensors || kinds[index] == .alias { continue }
            if let cluster = fusion.clusters[index] {
                let stages = resolved(cluster.stages)
                let output = placement.view(value)
                guard let convolution = cluster.convolution,
                    case .convolution(let window) = graph.nodes[convolution].operation, let padding = window.padding
                else {
                    steps.append(.map(MapStep(input: placement.view(cluster.input), stages: stages, output: output)))
                    continue
                }
                let operands = graph.nodes[convolution].operands
                let (input, upsampling) = source(operands[0])
                steps.append(
                    .convolution(
                        ConvolutionStep(
                            input: input, inputUpsampling: upsampling, weight: parameterName(operands[1]),
                            weightShape: graph.shape(operands[1]),
                            bias: operands.count == 3 ? parameterName(operands[2]) : nil, stride: window.stride,
                            padding: padding, groups: window.groups, pixelShuffle: cluster.pixelShuffle, stages: stages,
                            output: output)))
                continue
            }
            if fusion.absorbed.contains(index) || virtual.contains(index) { continue }
            switch node.operation {
            case .input, .parameter, .constant: continue
            case .concatenate:
                // Operands that could not be written in place are copied to theirs.
                for (source, target) in placement.copies(value) {
                    steps.append(.map(MapStep(input: source, stages: [], output: target)))
                }
            default:
                steps.append(
                    .move(
                        MoveStep(
                            operation: node.operation, input: placement.view(node.operands[0]),
                            output: placement.view(value))))
            }
        }

        func port(_ value: Value) -> Port { isViewPort(value) ? .view(placement.view(value)) : .tensor(value) }
        var program = Program(
            graph: graph, steps: steps, inputs: graph.inputs.map(port), outputs: graph.outputs.map(port),
            tensors: graph.nodes.indices.map { placement.tensor(Value(index: $0)) }, expressions: expressions,
            contents: placement.contents)
        program.strips = options.stripElements.flatMap { Strips(program, limit: $0) }
        program.arrange(alignment: options.bufferAlignment)
        for (index, node) in graph.nodes.enumerated() {
            guard case .constant(let values) = node.operation else { continue }
            program.constants[parameterName(Value(index: index))] = HostTensor(
                node.shape, values.count == 1 ? [Float](repeating: values[0], count: node.shape.count) : values)
        }
        return program
    }

    private func tensorStep(_ members: [Int], _ placement: Placement) -> TensorStep {
        let (reads, writes) = (tensorsRead(members), tensorsWritten(members))
        let node = graph.nodes[members[0]]
        var kind = LayerTiming.Kind.move
        switch node.operation {
        case .convolution, .convolutionTranspose, .convolutionWeightGradient, .product: kind = .convolution
        case .pointwise, .sum: kind = .pointwise
        default: break
        }
        return TensorStep(
            nodes: members, reads: reads.map { placement.tensor($0)! }, writes: writes.map { placement.tensor($0)! },
            kind: kind, multiplyAdds: Int(min(Workload.multiplyAdds(graph, Value(index: members[0])), 0x1p60)),
            elements: (reads + writes).reduce(0) { $0 + graph.shape($1).count })
    }
}
