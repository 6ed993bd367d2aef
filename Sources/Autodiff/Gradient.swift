public import Network
internal import Tensor

extension GraphBuilder {
    /// Adds nodes that compute the derivative of `value` with respect to each of `variables`.
    ///
    /// Variables may be any values: inputs, parameters, results. Where `value` does not depend on one, its derivative is
    /// a constant zero.
    ///
    /// - Parameters:
    ///   - seed: what the derivatives are multiplied with from the left (a vector of `value`'s shape); needed when
    ///     `value` is more than one number.
    ///   - segments: into how many parts the way to `value` is cut, by size. The values within a part (but the last)
    ///     are not kept for the backward walk but computed again from what crosses the cut: about one more forward pass
    ///     for a fraction of the memory. 1 keeps everything.
    /// - Returns: one value for each variable, of its shape.
    /// - Precondition: `value` is a single number, or there is a seed of its shape.
    public mutating func gradient(
        of value: Value, withRespectTo variables: [Value], seed: Value? = nil, segments: Int = 1
    ) -> [Value] {
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

        var recomputation = Recomputation(cuts: cuts(before: value.index, segments: segments))

        // Where derivatives come together; backwards, so each is complete when it is passed on.
        var gathered: [Value?] = [Value?](repeating: nil, count: value.index + 1)
        gathered[value.index] = seed ?? constant([1], shape(value))
        for index in depends.indices.reversed() {
            guard depends[index], let g = gathered[index] else { continue }
            let node = node(Value(index: index))
            let wanted = node.operands.map { depends[$0.index] }
            guard wanted.contains(true) else { continue }
            recomputation.enter(index)
            let at = AppliedOperation(
                operands: node.operands.map { recomputation.again($0, &self) },
                result: recomputation.again(Value(index: index), &self), wanted: wanted)
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

    /// The indices at which the nodes up to `last` are cut into parts of about equal size; ascending, without the ends.
    private func cuts(before last: Int, segments: Int) -> [Int] {
        precondition(segments >= 1, "\(segments) segments")
        func size(_ index: Int) -> Int { shape(Value(index: index)).count }
        let total = (0...last).reduce(0) { $0 + size($1) }
        var cuts: [Int] = []
        var sum = 0
        for index in 0...last {
            sum += size(index)
            if cuts.count + 1 < segments && sum * segments >= total * (cuts.count + 1) { cuts.append(index + 1) }
        }
        return cuts
    }
}

/// What is computed again on the way back.
private struct Recomputation {
    /// Where parts begin, but the first.
    let cuts: [Int]
    /// The part that is being walked through: what it begins with, and its values that have been made again.
    private var start = Int.max
    private var remade: [Value: Value] = [:]
    /// Distinguishes the copies of one part from all others.
    private var generation = 0

    init(cuts: [Int]) { self.cuts = cuts }

    /// The walk comes to node `index`; indices only become smaller.
    mutating func enter(_ index: Int) {
        guard let last = cuts.last, index < last else { return }
        let begin = cuts.last { $0 <= index } ?? 0
        if begin != start {
            start = begin
            remade = [:]
            generation += 1
        }
    }

    /// The value as the walk shall read it.
    mutating func again(_ value: Value, _ b: inout GraphBuilder) -> Value {
        // In the last part, and before this one, values are kept.
        if start == .max || value.index >= (cuts.first { $0 > start } ?? .max) { return value }
        if let known = remade[value] { return known }
        let node = b.node(value)
        let result: Value
        switch node.operation {
        case .input, .parameter, .constant: return value
        default:
            if value.index < start {
                result = b.apply(.again(generation), value)
            } else {
                var operands: [Value] = []
                for operand in node.operands { operands.append(again(operand, &b)) }
                do { result = try b.tryApply(node.operation, operands) } catch { preconditionFailure("\(error)") }
            }
        }
        remade[value] = result
        return result
    }
}
