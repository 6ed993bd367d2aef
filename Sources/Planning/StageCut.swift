package import Network
package import Tensor

/// A graph with means over the frame, cut into graphs for tiles: one for each level of means, and one for the image.
///
/// A mean over the frame is made of the tiles' means, weighted by the samples that each tile owns. So the graph of a level
/// reads a tile, the means of the levels before it, and for each grid of samples the tile's weights; it gives the means of
/// its level over the tile's own samples. The last graph reads a tile and all means, and gives the image. Each graph
/// computes what it needs from the tile again; values that nobody needs in it are left out.
///
/// The mean of the squared differences from a mean, `mean(square(x - mean(x)))`, belongs to that mean's level: tiles give it
/// around their own means, and Chan's formula joins the two numbers of tiles (`TileStatistics` in `Pipeline`).
package struct StageCut: Sendable {
    /// A mean over the frame. Statistics stand in the original graph's order.
    package struct Statistic: Sendable {
        /// As graphs give and read it, all images of a batch together, one after the other.
        package let shape: Shape
        /// The graph that gives it, counting from 1.
        package let level: Int
        /// The grid of the samples that the mean is taken over.
        package let grid: Int
        /// The statistic whose variance this is; nil for a mean.
        package let mean: Int?
    }

    /// Where samples of a tile lie: so many input pixels apart, so many of them.
    package struct Grid: Hashable, Sendable {
        package let strides: FrameStrides
        package let height, width: Int
    }

    /// A graph for tiles. Its inputs are the tile, then the statistics and then the weights that it reads, `[N, H, W, 1]`
    /// with a sum of 1 for each image of the batch (or of 0, where the result does not matter).
    package struct Stage: Sendable {
        package let graph: Graph
        package let statistics: [Int]
        package let grids: [Int]
        /// The statistics that are its outputs; empty for the last stage, whose outputs are the original ones.
        package let gathered: [Int]
    }

    package private(set) var statistics: [Statistic] = []
    package private(set) var grids: [Grid] = []
    /// One for each level, and the one for the image.
    package private(set) var stages: [Stage] = []
    /// What all stages cost together, in costs of the whole graph.
    package private(set) var relativeWork = 1.0

    private let graph: Graph
    private let trace: FrameTrace
    /// The statistic that a node is.
    private var numbers: [Int: Int] = [:]

    /// Nil for a graph without means over the frame, and for one that tiles cannot be computed with: an operation needs the
    /// frame in another way, or images of a batch cannot be told apart.
    package init?(_ graph: Graph) {
        guard graph.inputs.count == 1, let trace = try? FrameTrace(graph), !trace.means.isEmpty else { return nil }
        for case .opaque in trace.reads { return nil }
        (self.graph, self.trace) = (graph, trace)
        guard findStatistics() else { return nil }
        let levels = statistics.map(\.level).max()!
        stages = (1...levels + 1).map { stage($0) }
        let whole = Self.work(graph)
        relativeWork = stages.reduce(0) { $0 + Self.work($1.graph) } / whole
    }

    private static func work(_ graph: Graph) -> Double {
        // Networks without convolutions are as fast as memory is.
        max(Workload(graph).multiplyAdds, graph.nodes.reduce(1) { $0 + Double($1.shape.count) })
    }

    // MARK: Statistics

    private mutating func findStatistics() -> Bool {
        let batch = graph.shape(graph.inputs[0]).batch
        var levels: [Int] = []
        let means = Set(trace.means)
        for (index, node) in graph.nodes.enumerated() {
            var level = node.operands.map { levels[$0.index] }.max() ?? 0
            if means.contains(index) {
                guard let strides = trace.strides(node.operands[0]), let axes = trace.axes[node.operands[0].index],
                    let kept = trace.axes[index]?.joined(),
                    batch == 1 || kept.first?.kind == .batch && kept.count(where: { $0.kind == .batch }) == 1
                else { return false }
                let mean = varianceOperand(index).flatMap { numbers[$0] }
                if mean == nil { level += 1 }
                let grid = Grid(strides: strides, height: axes.extent(.vertical), width: axes.extent(.horizontal))
                if !grids.contains(grid) { grids.append(grid) }
                numbers[index] = statistics.count
                statistics.append(
                    Statistic(shape: node.shape, level: level, grid: grids.firstIndex(of: grid)!, mean: mean))
            }
            levels.append(level)
        }
        return true
    }

    /// The node of `mean(x)` where this node is `mean(square(x - mean(x)))`.
    private func varianceOperand(_ index: Int) -> Int? {
        let squared = graph[graph.nodes[index].operands[0]]
        guard squared.operation == .pointwise(.multiply), squared.operands[0] == squared.operands[1] else { return nil }
        let difference = graph[squared.operands[0]]
        guard difference.operation == .pointwise(.add) else { return nil }
        let terms = difference.operands.map { signed($0) }
        guard terms[0].isNegative != terms[1].isNegative else { return nil }
        for (one, other) in [(terms[0].value, terms[1].value), (terms[1].value, terms[0].value)] {
            guard case .mean = graph[other].operation, graph[other].operands == [one],
                graph.shape(other) == graph.nodes[index].shape, trace.means.contains(other.index)
            else { continue }
            return other.index
        }
        return nil
    }

    /// A value without broadcasts and changes of sign around it.
    private func signed(_ value: Value) -> (value: Value, isNegative: Bool) {
        var (value, isNegative) = (value, false)
        while true {
            switch graph[value].operation {
            case .pointwise(.affine(scale: -1, offset: 0)): isNegative.toggle()
            case .broadcast: break
            default: return (value, isNegative)
            }
            value = graph[value].operands[0]
        }
    }

    // MARK: Graphs

    /// The graph of a level; the image's for the number after the last.
    private func stage(_ level: Int) -> Stage {
        let gathered = statistics.indices.filter { statistics[$0].level == level }
        let nodes = Dictionary(uniqueKeysWithValues: numbers.map { ($1, $0) })
        let results = gathered.isEmpty ? graph.outputs : gathered.map { Value(index: nodes[$0]!) }
        func isGiven(_ index: Int) -> Bool { numbers[index].map { statistics[$0].level < level } ?? false }

        var isNeeded = [Bool](repeating: false, count: graph.nodes.count)
        for value in results { isNeeded[value.index] = true }
        for index in graph.nodes.indices.reversed() where isNeeded[index] && !isGiven(index) {
            for operand in graph.nodes[index].operands { isNeeded[operand.index] = true }
        }

        var builder = GraphBuilder()
        var renamed = [Value?](repeating: nil, count: graph.nodes.count)
        let input = graph.inputs[0]
        guard case .input(let name) = graph[input].operation else { preconditionFailure("inputs of graphs are inputs") }
        renamed[input.index] = builder.input(name, graph.shape(input))
        let given = graph.nodes.indices.filter { isNeeded[$0] && isGiven($0) }
        for index in given {
            renamed[index] = builder.input("statistic \(numbers[index]!)", graph.nodes[index].shape)
        }
        let grids = Set(gathered.map { statistics[$0].grid }).sorted()
        var weights: [Int: Value] = [:]
        for grid in grids {
            let shape = Shape.nhwc(graph.shape(input).batch, self.grids[grid].height, self.grids[grid].width, 1)
            weights[grid] = builder.input("weights \(grid)", shape)
        }
        for (index, node) in graph.nodes.enumerated() where isNeeded[index] && renamed[index] == nil {
            let operands = node.operands.map { renamed[$0.index]! }
            if let number = numbers[index] {
                renamed[index] = weightedMean(
                    &builder, operands[0], weights[statistics[number].grid]!, axes: trace.axes[node.operands[0].index]!,
                    to: node.shape)
                continue
            }
            switch node.operation {
            case .parameter(let name): renamed[index] = builder.parameter(name, node.shape)
            case .constant(let values): renamed[index] = builder.constant(values, node.shape)
            default:
                do { renamed[index] = try builder.tryApply(node.operation, operands) } catch {
                    preconditionFailure("a node of a graph: \(error)")
                }
            }
        }
        return Stage(
            graph: builder.finish(results.map { renamed[$0.index]! }), statistics: given.map { numbers[$0]! },
            grids: grids, gathered: gathered)
    }

    /// The mean of x over the samples of the frame, each times its weight, and over what else the target lacks.
    ///
    /// - Parameters:
    ///   - weights: `[N, H, W, 1]`.
    ///   - axes: x's.
    private func weightedMean(
        _ b: inout GraphBuilder, _ x: Value, _ weights: Value, axes: FrameAxes, to target: Shape
    ) -> Value {
        let wide = spread(&b, weights, axes, to: b.shape(x))
        let sum = b.apply(.sum(to: target), b.apply(.multiply, x, wide))
        let samples = b.shape(weights).height * b.shape(weights).width
        return b.scaled(sum, 1 / Float(b.shape(x).count / target.count / samples))
    }

    /// Weights `[N, H, W, 1]` as a tensor with these axes: each frame axis where it stands, the same number along the others.
    private func spread(_ b: inout GraphBuilder, _ weights: Value, _ axes: FrameAxes, to shape: Shape) -> Value {
        let places = axes.joined().compactMap { part -> Int? in
            switch part.kind {
            case .plain: nil
            case .batch: 0
            case .frame(.vertical, _): 1
            case .frame(.horizontal, _): 2
            }
        }
        // A batch of one has no part.
        let order = (places.contains(0) ? [] : [0]) + places + [3]
        let turned = order == [0, 1, 2, 3] ? weights : b.apply(.transpose(order), weights)
        func narrow(_ parts: [AxisPart]) -> [Int] { parts.map { $0.kind == .plain ? 1 : $0.extent } }
        if axes.allSatisfy({ parts in Set(parts.map { $0.kind == .plain }).count < 2 }) {
            let narrow = Shape(axes.map { narrow($0).reduce(1, *) })
            return b.broadcast(b.reshaped(turned, narrow), to: shape)
        }
        // Channels and samples share an axis: part by part first.
        let parts = Array(axes.joined())
        let apart = b.broadcast(b.reshaped(turned, Shape(narrow(parts))), to: Shape(parts.map(\.extent)))
        return b.reshaped(apart, shape)
    }
}

extension FrameAxes {
    /// Samples along the rows or columns of the frame; 1 where there are none.
    fileprivate func extent(_ axis: AxisPart.FrameAxis) -> Int {
        for part in joined() {
            if case .frame(axis, _) = part.kind { return part.extent }
        }
        return 1
    }
}
