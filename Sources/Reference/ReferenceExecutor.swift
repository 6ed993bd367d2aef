public import Network
internal import Tensor

/// Runs graphs in plain scalar code.
public struct ReferenceExecutor: TrainingExecutor {
    public init() {}
    public var name: String { "Reference (scalar)" }

    public func compile(_ graph: Graph, parameters: Parameters) throws -> any Plan {
        try compile(graph, state: makeState(parameters))
    }

    public func makeState(_ parameters: Parameters) -> any ParameterState { ReferenceState(parameters) }

    public func compile(_ graph: Graph, state: any ParameterState) throws -> any Plan {
        guard let state = state as? ReferenceState else { throw ExecutionError.foreignState(executor: name) }
        try graph.check(state.tensors)
        return ReferencePlan(graph: graph, state: state)
    }

    /// The outputs and the updates' values, all in double precision.
    ///
    /// - Precondition: `parameters` has every parameter of the graph and `inputs` every input, with its shape.
    public static func evaluate(
        _ graph: Graph, parameters: [String: PreciseTensor], inputs: [PreciseTensor]
    ) -> (outputs: [PreciseTensor], updates: [PreciseTensor]) {
        let (outputs, updates, _) = Interpreter(graph).run(inputs, rounding: false) { parameters[$0]! }
        return (outputs, updates)
    }
}

private final class ReferenceState: ParameterState {
    var tensors: Parameters
    init(_ tensors: Parameters) { self.tensors = tensors }

    var names: [String] { tensors.keys.sorted() }

    func read(_ name: String) throws(ExecutionError) -> HostTensor {
        guard let tensor = tensors[name] else { throw .missingParameter(name: name) }
        return tensor
    }

    func write(_ name: String, _ tensor: HostTensor) throws(ExecutionError) {
        let shape = try read(name).shape
        guard shape == tensor.shape else {
            throw .parameterShape(name: name, found: tensor.shape, expected: shape)
        }
        tensors[name] = tensor
    }
}

private final class ReferencePlan: Plan {
    private let interpreter: Interpreter
    private let state: ReferenceState
    private let graph: Graph

    let inputShapes: [Shape]
    let outputShapes: [Shape]

    init(graph: Graph, state: ReferenceState) {
        self.graph = graph
        self.state = state
        interpreter = Interpreter(graph)
        inputShapes = graph.inputs.map { graph.shape($0) }
        outputShapes = graph.outputs.map { graph.shape($0) }
    }

    /// Every value of the graph at once: an upper bound of what a run allocates.
    var memoryBytes: Int { graph.nodes.reduce(0) { $0 + $1.shape.count * 8 } }

    func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws {
        checkShapes(inputs, outputs)
        let (results, updates, isFinite) = interpreter.run(inputs.map { PreciseTensor($0) }, rounding: true) { name in
            PreciseTensor(state.tensors[name]!)
        }
        for (slot, result) in results.enumerated() { outputs[slot] = result.rounded }
        for (update, value) in zip(graph.updates, updates) where isFinite {
            guard case .parameter(let name) = graph[update.parameter].operation else { continue }
            state.tensors[name] = value.rounded
        }
    }
}

/// Goes through a graph's nodes in order.
private struct Interpreter {
    let graph: Graph
    /// How many nodes still need a value; it is dropped after the last, so that large graphs fit into memory.
    private let uses: [Int]

    init(_ graph: Graph) {
        self.graph = graph
        var uses = [Int](repeating: 0, count: graph.nodes.count)
        for node in graph.nodes { for operand in node.operands { uses[operand.index] += 1 } }
        for value in graph.outputs + graph.guards + graph.updates.map(\.value) { uses[value.index] += 1 }
        self.uses = uses
    }

    /// - Parameter rounding: whether each node's result is rounded to single precision.
    func run(
        _ inputs: [PreciseTensor], rounding: Bool, parameter: (String) -> PreciseTensor
    ) -> (outputs: [PreciseTensor], updates: [PreciseTensor], guardsAreFinite: Bool) {
        var values = [PreciseTensor?](repeating: nil, count: graph.nodes.count)
        var left = uses
        for (value, tensor) in zip(graph.inputs, inputs) { values[value.index] = tensor }
        for (index, node) in graph.nodes.enumerated() {
            switch node.operation {
            case .input: continue
            case .parameter(let name): values[index] = parameter(name)
            default:
                var result = node.operation.evaluate(node.operands.map { values[$0.index]! }, shape: node.shape)
                if rounding { for element in result.values.indices { result.values[element].roundToSingle() } }
                values[index] = result
                for operand in node.operands {
                    left[operand.index] -= 1
                    if left[operand.index] == 0 { values[operand.index] = nil }
                }
            }
        }
        return (
            graph.outputs.map { values[$0.index]! }, graph.updates.map { values[$0.value.index]! },
            graph.guards.allSatisfy { values[$0.index]!.values.allSatisfy(\.isFinite) }
        )
    }
}

extension Double {
    fileprivate mutating func roundToSingle() { self = Double(Float(self)) }
}
