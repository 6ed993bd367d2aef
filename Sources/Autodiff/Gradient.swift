public import Network
internal import Tensor

extension GraphBuilder {
    /// Adds nodes that compute the derivative of `value` with respect to each of `variables`.
    ///
    /// Variables may be any values: inputs, parameters, results. Where `value` does not depend on one, its derivative is
    /// a constant zero.
    ///
    /// - Parameter seed: what the derivatives are multiplied with from the left (a vector of `value`'s shape); needed
    ///   when `value` is more than one number.
    /// - Returns: one value for each variable, of its shape.
    /// - Precondition: `value` is a single number, or there is a seed of its shape.
    public mutating func gradient(of value: Value, withRespectTo variables: [Value], seed: Value? = nil) -> [Value] {
        precondition(
            seed != nil || shape(value).count == 1, "the derivative of \(shape(value)) needs a seed; sum it first")
        if let seed { precondition(shape(seed) == shape(value), "a seed of \(shape(seed)) for \(shape(value))") }

        // What depends on a variable.
        var depends = [Bool](repeating: false, count: value.index + 1)
        for variable in variables where variable.index <= value.index { depends[variable.index] = true }
        for index in depends.indices where !depends[index] {
            let node = node(Value(index: index))
            if case .detach = node.operation { continue }
            depends[index] = node.operands.contains { depends[$0.index] }
        }

        // Where derivatives come together; backwards, so each is complete when it is passed on.
        var gathered: [Value?] = [Value?](repeating: nil, count: value.index + 1)
        gathered[value.index] = seed ?? constant([1], shape(value))
        for index in depends.indices.reversed() {
            guard depends[index], let g = gathered[index] else { continue }
            let node = node(Value(index: index))
            let at = AppliedOperation(
                operands: node.operands, result: Value(index: index), wanted: node.operands.map { depends[$0.index] })
            guard at.wanted.contains(true) else { continue }
            let parts = node.operation.vectorJacobian(&self, at, g)
            for (operand, part) in zip(node.operands, parts) where depends[operand.index] {
                guard let part else { continue }
                gathered[operand.index] = gathered[operand.index].map { apply(.add, $0, part) } ?? part
            }
        }
        return variables.map { variable in
            (variable.index <= value.index ? gathered[variable.index] : nil) ?? constant([0], shape(variable))
        }
    }
}
