public import Network
internal import Tensor

/// Makes a program of a graph: `Fusion` says what is one step, `Placement` where values lie.
///
/// A step stands where its last node stood, so all that it reads has been written by then.
public struct Planner {
    /// - Throws: `PlanningError` for a graph that programs have no steps for; see `Graph.planningObstacle`.
    public static func plan(
        _ graph: Graph, options: PlanningOptions = PlanningOptions()
    ) throws(PlanningError) -> Program {
        if let operation = graph.planningObstacle { throw PlanningError(operation: operation) }
        var planner = Planner(graph: graph, options: options)
        planner.chooseVirtualUpsamplings()
        let placement = Placement(graph: graph, options: options, stored: planner.stored)
        return planner.emit(placement)
    }

    private let graph: Graph
    private let options: PlanningOptions
    private let fusion: Fusion
    /// Upsamplings that every user reads through.
    private var virtual: Set<Int> = []

    private init(graph: Graph, options: PlanningOptions) {
        (self.graph, self.options) = (graph, options)
        fusion = Fusion(graph, options: options)
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
        let users = graph.users
        for cluster in fusion.clusters.values {
            for operand in cluster.stages.compactMap(\.operand) { stageReads[operand.index, default: 0] += 1 }
        }
        for (index, node) in graph.nodes.enumerated() where !graph.outputs.contains(Value(index: index)) {
            guard case .upsampleNearest = node.operation, !users[index].isEmpty else { continue }
            let convolutions = users[index].filter { user in
                if case .convolution = graph.nodes[user].operation { true } else { false }
            }
            if !convolutions.isEmpty && !options.fusesInputUpsampling { continue }
            if convolutions.count + stageReads[index, default: 0] == users[index].count { virtual.insert(index) }
        }
    }

    /// Whether the value has a place of its own in memory. Concatenations are views of others' places.
    private func stored(_ value: Value) -> Bool {
        switch graph[value].operation {
        case .parameter, .constant, .concatenate: false
        default: !fusion.absorbed.contains(value.index) && !virtual.contains(value.index)
        }
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
        for (index, node) in graph.nodes.enumerated() {
            let value = Value(index: index)
            if let cluster = fusion.clusters[index] {
                let stages = resolved(cluster.stages)
                let output = placement.view(value)
                guard let convolution = cluster.convolution,
                    case .convolution(let stride, let padding, let groups) = graph.nodes[convolution].operation
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
                            bias: operands.count == 3 ? parameterName(operands[2]) : nil, stride: stride,
                            padding: padding, groups: groups, pixelShuffle: cluster.pixelShuffle, stages: stages,
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

        let inputs = graph.inputs.map { placement.view($0) }
        let outputs = graph.outputs.map { placement.view($0) }
        let strips = options.stripElements.flatMap {
            Strips(steps, inputs: inputs, outputs: outputs, limit: $0)
        }
        let (buffers, arena) = placement.arrange(steps: steps, inputs: inputs, outputs: outputs, strips: strips)
        let parameters = Dictionary(uniqueKeysWithValues: graph.parameters.map { ($0.name, $0.shape) })
        var constants: Parameters = [:]
        for (index, node) in graph.nodes.enumerated() {
            guard case .constant(let values) = node.operation else { continue }
            constants[parameterName(Value(index: index))] = HostTensor(
                node.shape, values.count == 1 ? [Float](repeating: values[0], count: node.shape.count) : values)
        }
        return Program(
            steps: steps, buffers: buffers, inputs: inputs, outputs: outputs, arenaElements: arena,
            strips: strips, parameters: parameters, constants: constants)
    }
}
