public import Network
internal import Tensor

/// Fuses a graph's nodes into steps.
///
/// Every convolution starts a chain, and so does every pointwise operation that no chain has taken. A chain goes on as
/// long as its value has one user and that user is pointwise. The step stands where the chain's last node stood, so all
/// that it reads has been written by then.
public struct Planner {
    /// - Throws: `PlanningError` for a graph that programs have no steps for; see `Graph.planningObstacle`.
    public static func plan(
        _ graph: Graph, options: PlanningOptions = PlanningOptions()
    ) throws(PlanningError) -> Program {
        if let operation = graph.planningObstacle { throw PlanningError(operation: operation) }
        var planner = Planner(graph: graph, options: options)
        planner.buildChains()
        planner.chooseVirtualUpsamplings()
        let placement = Placement(graph: graph, options: options, stored: planner.stored)
        return planner.emit(placement)
    }

    /// A stage before values have places.
    private enum Stage {
        case stored(PointwiseStage)
        case operand(PointwiseFunction, Value)

        var operand: Value? {
            switch self {
            case .stored: nil
            case .operand(_, let value): value
            }
        }
    }

    private struct Chain {
        let head: Value
        var pixelShuffle = 1
        var stages: [Stage] = []
        var end: Value
    }

    private let graph: Graph
    private let options: PlanningOptions
    /// The nodes that read each value, once per reading.
    private let users: [[Int]]
    private let isOutput: [Bool]
    /// Chains by the index of their last node.
    private var chains: [Int: Chain] = [:]
    /// Nodes that a chain computes on the way; they have no place in memory.
    private var absorbed: Set<Int> = []
    /// Upsamplings that every user reads through.
    private var virtual: Set<Int> = []

    private init(graph: Graph, options: PlanningOptions) {
        self.graph = graph
        self.options = options
        var users = [[Int]](repeating: [], count: graph.nodes.count)
        for (index, node) in graph.nodes.enumerated() {
            for operand in node.operands { users[operand.index].append(index) }
        }
        self.users = users
        var isOutput = [Bool](repeating: false, count: graph.nodes.count)
        for value in graph.outputs { isOutput[value.index] = true }
        self.isOutput = isOutput
    }

    // MARK: Chains

    private func isParameter(_ value: Value) -> Bool {
        if case .parameter = graph[value].operation { true } else { false }
    }

    private func parameterName(_ value: Value) -> String {
        guard case .parameter(let name) = graph[value].operation else {
            preconditionFailure("only parameters can be weights, slopes and vectors")
        }
        return name
    }

    /// The stage that node `index` applies to `current`; nil if it is not pointwise in it.
    private func stage(_ index: Int, on current: Value) -> Stage? {
        let node = graph.nodes[index]
        guard case .pointwise(let function) = node.operation else { return nil }
        if node.operands.count == 1 { return .stored(.unary(function)) }
        let isFirst = node.operands[0] == current
        guard isFirst || function.isCommutative else { return nil }
        let other = node.operands[isFirst ? 1 : 0]
        if isParameter(other) { return .stored(.vector(function, parameter: parameterName(other))) }
        return .operand(function, other)
    }

    private mutating func buildChains() {
        for (index, node) in graph.nodes.enumerated() where !absorbed.contains(index) && !isChainEnd(index) {
            var chain = Chain(head: Value(index: index), end: Value(index: index))
            switch node.operation {
            case .convolution: break
            case .pointwise:
                chain.stages = [stage(index, on: node.operands[0])!]
            default: continue
            }
            extend(&chain)
            chains[chain.end.index] = chain
        }
    }

    /// Whether an earlier chain ends here (its end is not absorbed, but must not start a chain of its own).
    private func isChainEnd(_ index: Int) -> Bool { chains[index] != nil }

    private mutating func extend(_ chain: inout Chain) {
        while users[chain.end.index].count == 1, !isOutput[chain.end.index] {
            let user = users[chain.end.index][0]
            if absorbed.contains(user) || chains[user] != nil { return }
            if case .pixelShuffle(let factor) = graph.nodes[user].operation {
                // Only right behind the convolution: stages before it would see other coordinates.
                guard case .convolution = graph[chain.head].operation, chain.stages.isEmpty, chain.pixelShuffle == 1
                else { return }
                chain.pixelShuffle = factor
            } else {
                guard chain.stages.count < options.maximumStages, let stage = stage(user, on: chain.end) else { return }
                let operands = chain.stages.compactMap(\.operand).count
                if stage.operand != nil && operands == options.maximumOperands { return }
                chain.stages.append(stage)
            }
            absorbed.insert(chain.end.index)
            chain.end = Value(index: user)
        }
    }

    /// An upsampling needs no memory when convolutions and residuals are all that read it.
    private mutating func chooseVirtualUpsamplings() {
        // How often each value is read as the second operand of a stage.
        var stageReads: [Int: Int] = [:]
        for chain in chains.values {
            for operand in chain.stages.compactMap(\.operand) { stageReads[operand.index, default: 0] += 1 }
        }
        for (index, node) in graph.nodes.enumerated() where !isOutput[index] {
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
        case .parameter, .concatenate: false
        default: !absorbed.contains(value.index) && !virtual.contains(value.index)
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
        func resolved(_ stages: [Stage]) -> [PointwiseStage] {
            stages.map { stage in
                switch stage {
                case .stored(let stage): return stage
                case .operand(let function, let value):
                    let (view, upsampling) = source(value)
                    return .operand(function, view, upsampling: upsampling)
                }
            }
        }

        var steps: [Step] = []
        for (index, node) in graph.nodes.enumerated() {
            let value = Value(index: index)
            if let chain = chains[index] {
                let head = graph[chain.head]
                let stages = resolved(chain.stages)
                let output = placement.view(chain.end)
                guard case .convolution(let stride, let padding, let groups) = head.operation else {
                    steps.append(.map(MapStep(input: placement.view(head.operands[0]), stages: stages, output: output)))
                    continue
                }
                let (input, upsampling) = source(head.operands[0])
                steps.append(
                    .convolution(
                        ConvolutionStep(
                            input: input, inputUpsampling: upsampling, weight: parameterName(head.operands[1]),
                            weightShape: graph.shape(head.operands[1]),
                            bias: head.operands.count == 3 ? parameterName(head.operands[2]) : nil, stride: stride,
                            padding: padding, groups: groups, pixelShuffle: chain.pixelShuffle, stages: stages,
                            output: output)))
                continue
            }
            if absorbed.contains(index) || virtual.contains(index) { continue }
            switch node.operation {
            case .input, .parameter: continue
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
        return Program(
            steps: steps, buffers: buffers, inputs: inputs, outputs: outputs, arenaElements: arena,
            strips: strips, parameters: parameters)
    }
}
