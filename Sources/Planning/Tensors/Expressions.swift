public import Network

/// Which pointwise operations are computed together.
///
/// An operation joins the expression of its users when they are all in one and have its shape. Then every way out of a
/// member leads through the expression's last operation, so all that the expression reads is there when that one's turn
/// comes.
public struct Expressions: Sendable {
    /// By the index of the last operation: the members in order.
    public private(set) var members: [Int: [Int]] = [:]
    /// Arrangements that only expressions read: they read through them.
    public private(set) var virtual: Set<Int> = []

    /// - Parameters:
    ///   - users: the nodes that read each value, once per reading.
    ///   - isResult: whether a value is read from outside the graph.
    ///   - most: members of one expression.
    ///   - includes: whether a node may be a member; nil for all that are pointwise.
    ///   - canRead: whether expressions can read through the arrangement that is this node.
    public init(
        _ graph: Graph, users: [[Int]], isResult: [Bool], most: Int, of includes: ((Int) -> Bool)? = nil,
        through canRead: (Int) -> Bool
    ) {
        var last = [Int](repeating: -1, count: graph.nodes.count)
        for index in graph.nodes.indices.reversed() {
            let node = graph.nodes[index]
            if canRead(index), !isResult[index], users[index].allSatisfy({ last[$0] >= 0 }) {
                virtual.insert(index)
            }
            guard node.operation.isPointwise, includes?(index) ?? true else { continue }
            last[index] = index
            if let first = users[index].first, last[first] >= 0 {
                let candidate = last[first]
                if users[index].allSatisfy({ last[$0] == candidate && graph.nodes[$0].shape == node.shape }),
                    members[candidate]!.count < most
                {
                    last[index] = candidate
                }
            }
            members[last[index], default: []].append(index)
        }
        for key in members.keys { members[key]!.reverse() }
    }
}

extension Operation {
    /// Whether each element of the result depends on one element of each operand.
    public var isPointwise: Bool {
        if case .pointwise = self { true } else { false }
    }

    public var isBroadcast: Bool { if case .broadcast = self { true } else { false } }
}

extension Graph {
    /// The nodes that read each value, once per reading.
    public var users: [[Int]] {
        var users = [[Int]](repeating: [], count: nodes.count)
        for (index, node) in nodes.enumerated() {
            for operand in node.operands { users[operand.index].append(index) }
        }
        return users
    }

    /// Whether each value is an output, a guard or what a parameter becomes.
    public var isResult: [Bool] {
        var isResult = [Bool](repeating: false, count: nodes.count)
        for value in outputs + guards + updates.map(\.value) { isResult[value.index] = true }
        return isResult
    }
}
