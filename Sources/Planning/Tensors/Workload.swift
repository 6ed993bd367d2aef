public import Network
internal import Tensor

/// What a run of a graph of any tensors costs, as far as the graph alone tells.
public struct Workload: Sendable {
    /// Elements of the tensors that are kept at once, at most: inputs and intermediate results, each from where it is
    /// made to where it is read last. Executors need somewhat more, since pieces of an arena do not fit without gaps.
    public let workingElements: Double
    /// Multiply-adds of convolutions, their adjoints and matrix products, counted as direct ones.
    public let multiplyAdds: Double

    public init(_ graph: Graph) {
        let (users, isResult) = (graph.users, graph.isResult)
        let expressions = Expressions(graph, users: users, isResult: isResult, most: 64) {
            graph.nodes[$0].operation.isBroadcast
        }
        /// The node whose memory this one's values lie in; nil where they lie in none of the run's.
        var owner = [Int?](repeating: nil, count: graph.nodes.count)
        /// When a node is computed: pointwise ones with the last of their expression.
        var turn = Array(graph.nodes.indices)
        for (last, members) in expressions.members { for member in members { turn[member] = last } }
        var work = 0.0
        for (index, node) in graph.nodes.enumerated() {
            switch node.operation {
            case .parameter, .constant: break
            case .reshape, .detach, .again: owner[index] = owner[node.operands[0].index]
            default:
                // What only its own expression reads lies nowhere.
                if turn[index] == index, !expressions.virtual.contains(index) { owner[index] = index }
            }
            work += Self.multiplyAdds(graph, Value(index: index))
        }

        var end = [Int](repeating: -1, count: graph.nodes.count)
        for (index, node) in graph.nodes.enumerated() {
            for operand in node.operands {
                if let owner = owner[operand.index] { end[owner] = max(end[owner], turn[index]) }
            }
            // Expressions read through arrangements: what those stand for is read in their users' turn.
            if expressions.virtual.contains(index), let source = owner[node.operands[0].index] {
                for user in users[index] { end[source] = max(end[source], turn[user]) }
            }
            if isResult[index], let owner = owner[index] { end[owner] = graph.nodes.count }
        }
        var freed = [Double](repeating: 0, count: graph.nodes.count + 1)
        var (live, most) = (0.0, 0.0)
        for value in graph.inputs { live += Double(graph.shape(value).count) }
        for (index, node) in graph.nodes.enumerated() {
            if owner[index] == index {
                let count = Double(node.shape.count)
                if case .input = node.operation {} else { live += count }
                freed[max(end[index], index)] += count
            }
            most = max(most, live)
            live -= freed[index]
        }
        (workingElements, multiplyAdds) = (most, work)
    }

    static func multiplyAdds(_ graph: Graph, _ value: Value) -> Double {
        let node = graph[value]
        switch node.operation {
        case .convolution, .convolutionTranspose, .convolutionWeightGradient:
            let form = ConvolutionForm(graph, value)
            return Double(form.g.count) * Double(form.groupInputs * form.taps)
        case .product(let transposeLeft, _):
            let depth = matrixExtents(graph.shape(node.operands[0]), transposed: transposeLeft).columns
            return Double(node.shape.count) * Double(depth)
        default: return 0
        }
    }
}
