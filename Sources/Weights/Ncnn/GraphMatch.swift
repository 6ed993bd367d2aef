internal import Network
internal import Tensor

// Whether an ncnn graph computes exactly what one of our graphs computes. Every node of both gets a number that stands for
// what it computes (its operation and its operands' numbers, parameters known by their shape alone), so that equal numbers
// mean equal structure; then a walk from the output pairs the parameters.

struct GraphMatcher {
    private struct Key: Hashable {
        let operation: Operation
        let operands: [Int]
        let shape: Shape
    }

    private var numbers: [Key: Int] = [:]

    private mutating func number(_ operation: Operation, _ operands: [Int], _ shape: Shape) -> Int {
        var (operation, operands) = (operation, operands)
        switch operation {
        case .parameter: operation = .parameter(name: "")
        case .input: operation = .input(name: "")
        case .pointwise(let function) where function.isCommutative: operands.sort()
        // Joining one thing is that thing.
        case .concatenate where operands.count == 1: return operands[0]
        default: break
        }
        let key = Key(operation: operation, operands: operands, shape: shape)
        if let known = numbers[key] { return known }
        numbers[key] = numbers.count
        return numbers.count - 1
    }

    /// The .bin blob of each parameter of `graph`.
    /// - Throws: `WeightError.unknownLayer`, naming the first layer that the graph has not.
    mutating func match(_ theirs: NcnnGraph, _ ours: Graph, name: String) throws(WeightError) -> [String: String] {
        var ourNumbers: [Int] = []
        for node in ours.nodes {
            ourNumbers.append(number(node.operation, node.operands.map { ourNumbers[$0.index] }, node.shape))
        }
        let known = Set(ourNumbers)
        var theirNumbers: [Int] = []
        for record in theirs.records {
            let id = number(record.operation, record.operands.map { theirNumbers[$0.index] }, record.shape)
            theirNumbers.append(id)
            guard known.contains(id) else {
                throw .unknownLayer(
                    path: theirs.path, layer: record.layer,
                    reason: "\(record.operation.name) to \(record.shape) is not what \(name) has at this place")
            }
        }
        let root = ours.outputs[0]
        guard theirNumbers[theirs.output.index] == ourNumbers[root.index] else {
            throw .unknownLayer(
                path: theirs.path, layer: theirs.records[theirs.output.index].layer,
                reason: "the network ends here, which \(name) does not")
        }

        var pairs: [String: String] = [:]
        var visited = [Int?](repeating: nil, count: ours.nodes.count)
        var stack = [(theirs.output.index, root.index)]
        while case (var a, var b)? = stack.popLast() {
            while let inner = joined(theirs.records[a].operation, theirs.records[a].operands) { a = inner }
            while let inner = joined(ours.nodes[b].operation, ours.nodes[b].operands) { b = inner }
            if let earlier = visited[b] {
                // Two nodes of equal structure need not share parameters; such networks are none of ours.
                guard earlier == a else {
                    throw .unknownLayer(
                        path: theirs.path, layer: theirs.records[a].layer, reason: "its place in \(name) is ambiguous")
                }
                continue
            }
            visited[b] = a
            let (record, node) = (theirs.records[a], ours.nodes[b])
            if case .parameter(let theirName) = record.operation, case .parameter(let ourName) = node.operation {
                pairs[ourName] = theirName
            }
            var operands = record.operands.map(\.index)
            if operands.count == 2, theirNumbers[operands[0]] != ourNumbers[node.operands[0].index] {
                operands.swapAt(0, 1)
            }
            for (x, y) in zip(operands, node.operands) { stack.append((x, y.index)) }
        }
        return pairs
    }

    /// The operand of a concatenation of one thing, which computes nothing.
    private func joined(_ operation: Network.Operation, _ operands: [Value]) -> Int? {
        operation == .concatenate && operands.count == 1 ? operands[0].index : nil
    }
}
