public import Tensor

/// A value of a graph: the result of the node with this index.
public struct Value: Hashable, Sendable {
    public let index: Int
    public init(index: Int) { self.index = index }
}

/// One operation applied to earlier values.
public struct Node: Hashable, Sendable {
    public let operation: Operation
    public let operands: [Value]
    public let shape: Shape
}

/// A static dataflow graph: nodes in an order in which every operand precedes its user.
///
/// Built by `GraphBuilder` only, so every graph is well formed: shapes are inferred and checked, names are unique.
public struct Graph: Sendable {
    public let nodes: [Node]
    /// The input nodes in the order in which a plan takes them.
    public let inputs: [Value]
    /// The values that a plan returns, in order.
    public let outputs: [Value]
    /// What parameters become at the end of a run; every node reads them as they were before. Empty for inference.
    public let updates: [ParameterUpdate]
    /// Updates only happen when every element of these is finite: a step whose loss is no number changes nothing.
    public let guards: [Value]

    public subscript(value: Value) -> Node { nodes[value.index] }
    public func shape(_ value: Value) -> Shape { nodes[value.index].shape }

    /// Every parameter's name and shape, in the order of first use.
    public var parameters: [(name: String, shape: Shape)] {
        nodes.compactMap { node in
            if case .parameter(let name) = node.operation { (name, node.shape) } else { nil }
        }
    }

    /// Multiply-adds of all convolutions, counted as direct convolution; at most 2^60.
    public var multiplyAdds: Int {
        let sum = nodes.reduce(0.0) { sum, node in
            guard case .convolution = node.operation else { return sum }
            let weight = shape(node.operands[1])
            return sum + Double(node.shape.count) * Double(weight[1] * weight[2] * weight[3])
        }
        return Int(min(sum, 0x1p60))
    }
}

/// A parameter and the value that it takes at the end of a run, of the same shape.
public struct ParameterUpdate: Hashable, Sendable {
    public let parameter: Value
    public let value: Value

    public init(parameter: Value, value: Value) { (self.parameter, self.value) = (parameter, value) }
}

/// Builds a graph node by node. Each method returns the new value.
///
/// Mistakes in a graph are programmer errors of an architecture (its hyperparameters are checked before), so the methods
/// trap with the operation and shapes; `tryApply` throws instead, for callers that build graphs from data.
public struct GraphBuilder {
    private var nodes: [Node] = []
    private var inputs: [Value] = []
    private var parameters: [String: Value] = [:]
    /// What the names of parameters begin with from now on: several networks in one graph, each with a prefix of its own.
    public var prefix = ""

    public init() {}

    public func shape(_ value: Value) -> Shape { nodes[value.index].shape }
    /// The node that makes `value`.
    public func node(_ value: Value) -> Node { nodes[value.index] }
    /// How many nodes there are; the next one's index.
    public var count: Int { nodes.count }

    private mutating func append(_ node: Node) -> Value {
        nodes.append(node)
        return Value(index: nodes.count - 1)
    }

    /// A new input.
    public mutating func input(_ name: String, _ shape: Shape) -> Value {
        let value = append(Node(operation: .input(name: name), operands: [], shape: shape))
        inputs.append(value)
        return value
    }

    /// The parameter of this name (after `prefix`); made on first use.
    public mutating func parameter(_ name: String, _ shape: Shape) -> Value {
        let name = prefix + name
        if let value = parameters[name] {
            precondition(self.shape(value) == shape, "parameter \(name) is \(self.shape(value)), not \(shape)")
            return value
        }
        let value = append(Node(operation: .parameter(name: name), operands: [], shape: shape))
        parameters[name] = value
        return value
    }

    /// A tensor that belongs to the graph: `values` has one number for every element, or one for all.
    public mutating func constant(_ values: [Float], _ shape: Shape) -> Value {
        precondition(values.count == 1 || values.count == shape.count, "\(values.count) numbers for \(shape)")
        return append(Node(operation: .constant(values), operands: [], shape: shape))
    }

    /// Every parameter so far, in the order of first use.
    public var allParameters: [(name: String, value: Value)] {
        parameters.sorted { $0.value.index < $1.value.index }.map { ($0.key, $0.value) }
    }

    /// Applies an operation, inferring the result's shape.
    public mutating func tryApply(_ operation: Operation, _ operands: [Value]) throws(GraphError) -> Value {
        let shape = try operation.resultShape(operands.map { self.shape($0) }).get()
        guard shape.checkedCount != nil else {
            throw GraphError(
                operation: operation.name, operands: operands.map { self.shape($0) }, reason: "\(shape) is too large")
        }
        return append(Node(operation: operation, operands: operands, shape: shape))
    }

    public mutating func apply(_ operation: Operation, _ operands: Value...) -> Value {
        do { return try tryApply(operation, operands) } catch { preconditionFailure("\(error)") }
    }

    public mutating func concatenate(_ operands: [Value]) -> Value {
        do { return try tryApply(.concatenate, operands) } catch { preconditionFailure("\(error)") }
    }

    /// The finished graph, without nodes that no output and no update needs (inputs stay).
    /// Mutating only so that the compiler refuses `b.finish([b.apply(…)])`, which would finish a stale copy.
    ///
    /// - Precondition: every update names another parameter, with a value of its shape.
    public mutating func finish(
        _ outputs: [Value], updates: [ParameterUpdate] = [], guards: [Value] = []
    ) -> Graph {
        precondition(Set(updates.map(\.parameter)).count == updates.count, "a parameter is updated twice")
        for update in updates {
            guard case .parameter(let name) = node(update.parameter).operation else {
                preconditionFailure("only parameters can be updated")
            }
            precondition(
                shape(update.parameter) == shape(update.value), "'\(name)' cannot become \(shape(update.value))")
        }
        var needed = [Bool](repeating: false, count: nodes.count)
        for value in outputs + inputs + guards + updates.flatMap({ [$0.parameter, $0.value] }) {
            needed[value.index] = true
        }
        for index in nodes.indices.reversed() where needed[index] {
            for operand in nodes[index].operands { needed[operand.index] = true }
        }
        var renamed = [Value?](repeating: nil, count: nodes.count)
        var kept: [Node] = []
        for (index, node) in nodes.enumerated() where needed[index] {
            renamed[index] = Value(index: kept.count)
            let operands = node.operands.map { renamed[$0.index]! }
            kept.append(Node(operation: node.operation, operands: operands, shape: node.shape))
        }
        return Graph(
            nodes: kept, inputs: inputs.map { renamed[$0.index]! }, outputs: outputs.map { renamed[$0.index]! },
            updates: updates.map {
                ParameterUpdate(parameter: renamed[$0.parameter.index]!, value: renamed[$0.value.index]!)
            }, guards: guards.map { renamed[$0.index]! })
    }
}
