public import Network
internal import Tensor

/// Runs graphs in plain scalar code.
public struct ReferenceExecutor: Executor {
    public init() {}
    public var name: String { "Reference (scalar)" }

    public func compile(_ graph: Graph, parameters: Parameters) throws -> any Plan {
        try graph.check(parameters)
        return ReferencePlan(graph: graph, parameters: parameters)
    }
}

private final class ReferencePlan: Plan {
    private let graph: Graph
    private let parameters: Parameters
    /// How many nodes still need a value; it is dropped after the last, so that large graphs fit into memory.
    private let uses: [Int]

    let inputShapes: [Shape]
    let outputShapes: [Shape]

    init(graph: Graph, parameters: Parameters) {
        self.graph = graph
        self.parameters = parameters
        inputShapes = graph.inputs.map { graph.shape($0) }
        outputShapes = graph.outputs.map { graph.shape($0) }
        var uses = [Int](repeating: 0, count: graph.nodes.count)
        for node in graph.nodes { for operand in node.operands { uses[operand.index] += 1 } }
        for value in graph.outputs { uses[value.index] += 1 }
        self.uses = uses
    }

    /// Every value of the graph at once: an upper bound of what a run allocates.
    var memoryBytes: Int { graph.nodes.reduce(0) { $0 + $1.shape.count * 4 } }

    func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws {
        checkShapes(inputs, outputs)
        var values = [HostTensor?](repeating: nil, count: graph.nodes.count)
        var left = uses
        for (value, tensor) in zip(graph.inputs, inputs) { values[value.index] = tensor }
        for (index, node) in graph.nodes.enumerated() {
            switch node.operation {
            case .input: continue
            case .parameter(let name): values[index] = parameters[name]
            default:
                values[index] = node.operation.evaluate(node.operands.map { values[$0.index]! }, shape: node.shape)
                for operand in node.operands {
                    left[operand.index] -= 1
                    if left[operand.index] == 0 { values[operand.index] = nil }
                }
            }
        }
        for (slot, value) in graph.outputs.enumerated() { outputs[slot] = values[value.index]! }
    }
}
