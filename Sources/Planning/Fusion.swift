internal import Network
internal import Tensor

/// Which pointwise operations are computed with which convolution, before values have places.
///
/// A pointwise node joins its users where they are all together and have its shape. Such a cluster is computed by the first
/// convolution whose result nobody else reads (perhaps through a pixel shuffle), while that is in registers; without one it
/// is a step of its own. A cluster that one step has no room for is cut where a single value crosses.
struct Fusion {
    /// A pointwise function on registers. Register 0 holds the convolution's result, or the step's input, and in the end the
    /// step's result.
    struct Stage {
        /// Nil to load what `source` says.
        var function: PointwiseFunction?
        var target = 0
        var left = 0
        var source = Source.none

        enum Source {
            case none
            case register(Int)
            /// A parameter or constant `[C]`, or `[1]`.
            case vector(Value)
            case operand(Value)
        }

        var operand: Value? { if case .operand(let value) = source { value } else { nil } }
    }

    /// What is computed in one step.
    struct Cluster {
        /// The convolution; nil where `input` is read.
        var convolution: Int?
        var pixelShuffle = 1
        var input: Value
        var stages: [Stage] = []
    }

    /// Clusters by the index of their last node, where the step stands.
    private(set) var clusters: [Int: Cluster] = [:]
    /// Nodes that a step computes on the way; they have no place in memory.
    private(set) var absorbed: Set<Int> = []

    private let graph: Graph
    private let kinds: StepKinds
    private let options: PlanningOptions
    private let users: [[Int]]
    private let isResult: [Bool]

    /// How many registers kernels have.
    static let registers = 3
    private static let largest = 64

    init(_ graph: Graph, _ kinds: StepKinds, options: PlanningOptions) {
        (self.graph, self.kinds, self.options) = (graph, kinds, options)
        (users, isResult) = (graph.users, graph.isResult)
        for (_, members) in Expressions(
            graph, users: users, isResult: isResult, most: Self.largest, of: { kinds[$0] == .views },
            through: { _ in false }
        ).members.sorted(by: { $0.key < $1.key }) { fuse(members) }
        for (index, node) in graph.nodes.enumerated() {
            guard case .convolution = node.operation, kinds[index] == .views, !absorbed.contains(index),
                clusters[index] == nil
            else { continue }
            // A pixel shuffle right behind a convolution is a matter of where that writes.
            let (shuffle, end) = shuffle(behind: index)
            clusters[end] = Cluster(convolution: index, pixelShuffle: shuffle, input: node.operands[0])
            if end != index { absorbed.insert(index) }
        }
    }

    private func shuffle(behind convolution: Int) -> (factor: Int, end: Int) {
        guard users[convolution].count == 1, !isResult[convolution],
            case .pixelShuffle(let factor) = graph.nodes[users[convolution][0]].operation
        else { return (1, convolution) }
        return (factor, users[convolution][0])
    }

    /// Makes steps of a cluster's nodes, which are in order.
    private mutating func fuse(_ members: [Int]) {
        var rest = members
        // What is computed from another convolution alone is computed with that one.
        for convolution in roots(of: members).dropFirst() {
            let chain = chain(behind: convolution.end, in: rest)
            if chain.isEmpty || chain.count == rest.count { continue }
            rest.removeAll { chain.contains($0) }
            fuse(chain)
        }
        while !rest.isEmpty {
            // The largest beginning that one step has room for; one node alone always fits.
            for root in [roots(of: rest).first, nil] {
                let value = root?.end ?? graph.nodes[rest[0]].operands[0]
                guard
                    let (count, stages) = (1...rest.count).reversed().lazy.compactMap({ [self] count in
                        stages(rest[..<count], on: value, isStored: root == nil).map { (count, $0) }
                    }).first
                else { continue }
                var cluster = Cluster(convolution: root?.convolution, input: value, stages: stages)
                if let root {
                    cluster.pixelShuffle = shuffle(behind: root.convolution).factor
                    cluster.input = graph.nodes[root.convolution].operands[0]
                    absorbed.formUnion([root.convolution, root.end.index])
                }
                clusters[rest[count - 1]] = cluster
                absorbed.formUnion(rest[..<(count - 1)])
                rest.removeFirst(count)
                break
            }
        }
    }

    /// The convolutions, perhaps through a pixel shuffle, whose result some nodes read at their own shape and nobody else does;
    /// in order.
    private func roots(of members: [Int]) -> [(convolution: Int, end: Value)] {
        let inside = Set(members)
        let shape = graph.nodes[members[0]].shape
        let operands = Set(members.flatMap { graph.nodes[$0].operands.map(\.index) }).subtracting(inside).sorted()
        return operands.compactMap { end in
            let node = graph.nodes[end]
            guard node.shape == shape, !isResult[end], users[end].allSatisfy({ inside.contains($0) }) else {
                return nil
            }
            var convolution = end
            if case .pixelShuffle = node.operation { convolution = node.operands[0].index }
            guard case .convolution = graph.nodes[convolution].operation, kinds[convolution] == .views,
                !absorbed.contains(convolution),
                convolution == end || shuffle(behind: convolution).end == end
            else { return nil }
            return (convolution, Value(index: end))
        }.sorted { $0.convolution < $1.convolution }
    }

    /// The nodes of `members` that are computed one after the other from `value` and from nothing that other members compute.
    private func chain(behind value: Value, in members: [Int]) -> [Int] {
        let inside = Set(members)
        var chain: [Int] = []
        var current = value.index
        while !isResult[current], users[current].count == 1, let next = users[current].first, inside.contains(next),
            graph.nodes[next].operands.allSatisfy({ $0.index == current || !inside.contains($0.index) })
        {
            chain.append(next)
            current = next
        }
        return chain
    }

    // MARK: Registers

    /// Nodes as functions on registers, of which the first holds `root`; nil where they do not fit into one step, or more than
    /// the last one's value is read by others.
    ///
    /// - Parameter isStored: whether `root` lies in memory, where others may read it too.
    private func stages(_ members: ArraySlice<Int>, on root: Value, isStored: Bool) -> [Stage]? {
        let inside = Set(members)
        func isRead(outside value: Int) -> Bool {
            isResult[value] || users[value].contains { !inside.contains($0) }
        }
        if members.dropLast().contains(where: { isRead(outside: $0) }) { return nil }
        if !isStored && isRead(outside: root.index) { return nil }

        var uses: [Int: Int] = [:]
        for member in members { for operand in graph.nodes[member].operands { uses[operand.index, default: 0] += 1 } }
        var places = [root.index: 0]
        var free = Array(1..<Self.registers)
        var stages: [Stage] = []
        var operands = 0
        for member in members {
            let node = graph.nodes[member]
            guard case .pointwise(let function) = node.operation else { return nil }
            /// The register of an operand; loaded where it is in none.
            func register(_ value: Value) -> Int? {
                if let place = places[value.index] { return place }
                guard !free.isEmpty else { return nil }
                let place = free.removeFirst()
                stages.append(Stage(target: place, source: .operand(value)))
                operands += 1
                places[value.index] = place
                return place
            }
            var (first, second) = (node.operands[0], node.operands.dropFirst().first)
            if let other = second, function.isCommutative, places[first.index] == nil, places[other.index] != nil {
                (first, second) = (other, first)
            }
            guard let left = register(first) else { return nil }
            var stage = Stage(function: function, left: left)
            if let second {
                if kinds.isStored(second) {
                    stage.source = .vector(second)
                } else if let place = places[second.index] {
                    stage.source = .register(place)
                } else {
                    stage.source = .operand(second)
                    operands += 1
                }
            }
            // What is not read again leaves its register.
            for operand in node.operands {
                uses[operand.index]! -= 1
                guard uses[operand.index] == 0, let place = places.removeValue(forKey: operand.index) else { continue }
                free.append(place)
                free.sort()
            }
            if member == members.last {
                stage.target = 0
            } else {
                guard let place = free.first else { return nil }
                free.removeFirst()
                stage.target = place
                places[member] = place
            }
            stages.append(stage)
            if stages.count > options.maximumStages || operands > options.maximumOperands { return nil }
        }
        return stages
    }
}
