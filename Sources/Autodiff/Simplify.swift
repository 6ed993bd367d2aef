public import Network
internal import Tensor

extension Graph {
    /// The same graph without what differentiation leaves behind: subexpressions that occur twice, factors of one and
    /// summands of zero, products with zero, scales of scales, arrangements of constants. A mean becomes a sum and a scale,
    /// which may be one with the scales around it.
    ///
    /// Results are the same up to the rounding of merged scales; the inputs, outputs and updates keep their order.
    public func simplified() -> Graph {
        var simplifier = Simplifier()
        return simplifier.run(self)
    }
}

private struct Simplifier {
    private struct Key: Hashable {
        let operation: Operation
        let operands: [Value]
        let shape: Shape
    }

    private var builder = GraphBuilder()
    private var known: [Key: Value] = [:]

    mutating func run(_ graph: Graph) -> Graph {
        var renamed: [Value] = []
        for node in graph.nodes {
            renamed.append(rebuild(node, node.operands.map { renamed[$0.index] }))
        }
        return builder.finish(
            graph.outputs.map { renamed[$0.index] },
            updates: graph.updates.map {
                ParameterUpdate(parameter: renamed[$0.parameter.index], value: renamed[$0.value.index])
            }, guards: graph.guards.map { renamed[$0.index] })
    }

    /// The number that all elements of a value are.
    private func uniform(_ value: Value) -> Float? {
        if case .constant(let values) = builder.node(value).operation, values.count == 1 { values[0] } else { nil }
    }

    private mutating func make(_ operation: Operation, _ operands: [Value], _ shape: Shape) -> Value {
        let key = Key(operation: operation, operands: operands, shape: shape)
        if let value = known[key] { return value }
        let value: Value
        switch operation {
        case .input(let name): value = builder.input(name, shape)
        case .parameter(let name): value = builder.parameter(name, shape)
        case .constant(let values): value = builder.constant(values, shape)
        default:
            do { value = try builder.tryApply(operation, operands) } catch { preconditionFailure("\(error)") }
        }
        // Two inputs of one name are two inputs.
        if case .input = operation { return value }
        known[key] = value
        return value
    }

    private mutating func rebuild(_ node: Node, _ operands: [Value]) -> Value {
        func constant(_ number: Float) -> Value { make(.constant([number]), [], node.shape) }
        switch node.operation {
        case .pointwise(.add):
            if uniform(operands[1]) == 0 { return operands[0] }
            if uniform(operands[0]) == 0, builder.shape(operands[1]) == node.shape { return operands[1] }
        case .pointwise(.multiply):
            for (number, other) in [(uniform(operands[1]), operands[0]), (uniform(operands[0]), operands[1])] {
                guard let number, builder.shape(other) == node.shape else { continue }
                return rebuildAffine(other, scale: number, offset: 0, node.shape)
            }
        case .pointwise(.affine(let scale, let offset)):
            return rebuildAffine(operands[0], scale: scale, offset: offset, node.shape)
        case .broadcast, .reshape, .transpose:
            if builder.shape(operands[0]) == node.shape, !isTranspose(node.operation) { return operands[0] }
            if let number = uniform(operands[0]) { return constant(number) }
            if case .reshape = node.operation, case .reshape = builder.node(operands[0]).operation {
                return rebuild(node, builder.node(operands[0]).operands)
            }
            // A mean of everything, whose scale shall meet those behind it.
            if node.shape.count == 1, case .reshape = node.operation,
                case .pointwise(.affine(let scale, let offset)) = builder.node(operands[0]).operation
            {
                let inner = rebuild(node, builder.node(operands[0]).operands)
                return rebuildAffine(inner, scale: scale, offset: offset, node.shape)
            }
        case .mean:
            let count = max(1, builder.shape(operands[0]).count / max(1, node.shape.count))
            return rebuildAffine(
                rebuildSum(operands[0], node.shape), scale: 1 / Float(count), offset: 0, node.shape)
        case .sum:
            return rebuildSum(operands[0], node.shape)
        case .detach:
            return operands[0]
        default: break
        }
        return make(node.operation, operands, node.shape)
    }

    private func isTranspose(_ operation: Operation) -> Bool {
        if case .transpose = operation { true } else { false }
    }

    private mutating func rebuildSum(_ x: Value, _ target: Shape) -> Value {
        let shape = builder.shape(x)
        if shape == target { return x }
        if let number = uniform(x) {
            return make(.constant([number * Float(shape.count / max(1, target.count))]), [], target)
        }
        return make(.sum(to: target), [x], target)
    }

    private mutating func rebuildAffine(_ x: Value, scale: Float, offset: Float, _ shape: Shape) -> Value {
        if scale == 1 && offset == 0 { return x }
        if scale == 0 { return make(.constant([offset]), [], shape) }
        if let number = uniform(x) { return make(.constant([number * scale + offset]), [], shape) }
        let node = builder.node(x)
        if case .pointwise(.affine(let inner, let first)) = node.operation {
            return rebuildAffine(node.operands[0], scale: scale * inner, offset: first * scale + offset, shape)
        }
        return make(.affine(scale: scale, offset: offset), [x], shape)
    }
}
