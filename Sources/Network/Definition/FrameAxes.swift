internal import Tensor

// Axes of the frame: for every value of a graph, which of its axes are the rows and columns of the network's input, and the
// stride in input pixels between two of them.

/// A part of an axis of a tensor: the axis is the product of its parts, the outermost first.
package struct AxisPart: Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        case plain
        /// The images of a batch, where there are several.
        case batch
        /// Rows or columns of the frame, so many input pixels apart.
        case frame(FrameAxis, stride: Ratio)
    }

    package enum FrameAxis: Hashable, Sendable {
        case vertical, horizontal
    }

    package var extent: Int
    package var kind: Kind

    package var isFrame: Bool { if case .frame = kind { true } else { false } }
    fileprivate var isPlain: Bool { kind == .plain }
}

/// Input pixels from one sample of a value to the next, along the rows and the columns of the frame.
package struct FrameStrides: Hashable, Sendable {
    package var vertical, horizontal: Ratio
}

/// The axes of a value; each is a list of parts, without plain parts of extent 1.
package typealias FrameAxes = [[AxisPart]]

/// Follows the frame forward through a graph.
package struct FrameTrace {
    /// The axes of each node's value; nil where they cannot be told.
    package private(set) var axes: [FrameAxes?] = []
    /// Operations that need whole frames, each once, in the graph's order.
    package private(set) var reads: [FrameRead] = []
    /// The nodes that are means over all rows and columns of a frame, each image of a batch apart.
    package private(set) var means: [Int] = []
    /// The highest level of statistics that each value depends on.
    private var levels: [Int] = []
    let graph: Graph

    /// - Throws: `GraphError` where a stride does not fit.
    package init(_ graph: Graph) throws(GraphError) {
        self.graph = graph
        for index in graph.nodes.indices {
            let operands = graph.nodes[index].operands
            levels.append(operands.map { levels[$0.index] }.max() ?? 0)
            if operands.contains(where: { axes[$0.index] == nil }) {
                axes.append(nil)
            } else {
                axes.append(try follow(index, operands.map { axes[$0.index]! }))
            }
        }
    }

    /// The least common multiples of the numerators of all strides, along height and width.
    func sizeMultiple() throws(GraphError) -> Extent {
        var multiple = Extent(height: 1, width: 1)
        for case .frame(let axis, let stride) in axes.lazy.compactMap({ $0 }).joined().joined().map(\.kind) {
            let path = axis == .vertical ? \Extent.height : \Extent.width
            guard let next = leastCommonMultiple(multiple[keyPath: path], stride.numerator) else {
                throw GraphError(operation: "network", operands: [], reason: "its strides have no common multiple")
            }
            multiple[keyPath: path] = next
        }
        return multiple
    }

    /// Input pixels an output pixel along one axis of a value that is an image; nil where it is none.
    func stride(_ value: Value, _ axis: AxisPart.FrameAxis) -> Ratio? {
        guard let axes = axes[value.index], axes.count == 4 else { return nil }
        let parts = axes[axis == .vertical ? 1 : 2]
        guard parts.count == 1, case .frame(axis, let stride) = parts[0].kind else { return nil }
        return stride
    }

    /// Input pixels from one sample of a value to the next, wherever its rows and columns are; nil where it has not each of
    /// them once.
    package func strides(_ value: Value) -> FrameStrides? {
        guard let parts = axes[value.index]?.joined().filter(\.isFrame), parts.count == 2,
            case .frame(let first, let stride) = parts[0].kind, case .frame(let second, let other) = parts[1].kind,
            first != second
        else { return nil }
        return first == .vertical
            ? FrameStrides(vertical: stride, horizontal: other) : FrameStrides(vertical: other, horizontal: stride)
    }

    /// Notes that numbers of an operation depend on the frame's size.
    mutating func noteSizeDependence(_ operation: String) { read(.opaque(operation: operation)) }

    private func plain(_ extent: Int) -> [AxisPart] { extent == 1 ? [] : [AxisPart(extent: extent, kind: .plain)] }
    private func plain(_ shape: Shape) -> FrameAxes { shape.dimensions.map(plain) }

    private mutating func read(_ read: FrameRead) {
        if !reads.contains(read) { reads.append(read) }
    }

    /// The axes of a node's value, given those of its operands; nil where they cannot be told.
    private mutating func follow(_ index: Int, _ operands: [FrameAxes]) throws(GraphError) -> FrameAxes? {
        let node = graph.nodes[index]
        switch node.operation {
        case .input:
            guard node.shape.rank == 4 else { return plain(node.shape) }
            return [
                node.shape.batch == 1 ? [] : [AxisPart(extent: node.shape.batch, kind: .batch)],
                [AxisPart(extent: node.shape.height, kind: .frame(.vertical, stride: 1))],
                [AxisPart(extent: node.shape.width, kind: .frame(.horizontal, stride: 1))],
                plain(node.shape.channels),
            ]
        case .parameter, .constant: return plain(node.shape)
        case .detach, .again: return operands[0]
        case .pointwise: return merged(operands)
        case .concatenate, .sliceChannels:
            var axes = merged(operands)
            if axes[3].contains(where: \.isFrame) { return lost(index) }
            axes[3] = plain(node.shape.channels)
            return axes
        case .convolution(let window): return try scaled(index, operands, Ratio(window.stride))
        case .convolutionTranspose(let window, _, _): return try scaled(index, operands, Ratio(1, window.stride))
        case .upsampleNearest(let factor), .pixelShuffle(let factor):
            return try scaled(index, operands, Ratio(1, factor))
        case .pixelUnshuffle(let factor), .sumPool(let factor): return try scaled(index, operands, Ratio(factor))
        case .resize, .resizeAdjoint:
            let from = graph.shape(node.operands[0])
            return try scaled(
                index, operands, Ratio(from.height, node.shape.height), Ratio(from.width, node.shape.width))
        case .pad, .crop, .padAdjoint: return try scaled(index, operands, 1)
        case .broadcast(let target):
            let shape = graph.shape(node.operands[0])
            return operands[0].indices.map { shape[$0] == target[$0] ? operands[0][$0] : plain(target[$0]) }
        case .sum(let target), .mean(let target):
            let shape = graph.shape(node.operands[0])
            let isReduced = operands[0].indices.map { shape[$0] != target[$0] }
            let parts = zip(operands[0], isReduced).filter(\.1).flatMap(\.0).filter { !$0.isPlain }
            if !parts.isEmpty { reduce(index, parts, of: operands[0].joined().filter(\.isFrame)) }
            return zip(operands[0], isReduced).map { $1 ? [] : $0 }
        case .reshape(let target): return regrouped(operands[0], target) ?? lost(index)
        case .transpose(let permutation): return permutation.map { operands[0][$0] }
        case .product(let transposeLeft, let transposeRight):
            let rank = node.shape.rank
            let (rows, left) = transposeLeft ? (rank - 1, rank - 2) : (rank - 2, rank - 1)
            let (right, columns) = transposeRight ? (rank - 1, rank - 2) : (rank - 2, rank - 1)
            if (operands[0][left] + operands[1][right]).contains(where: \.isFrame) { readsAll(index) }
            return merged(operands.map { FrameAxes($0.dropLast(2)) }) + [operands[0][rows], operands[1][columns]]
        case .sample:
            // Positions are places in all of the frame.
            if operands[0].joined().contains(where: \.isFrame) { readsAll(index) }
            return operands[1].dropLast() + [operands[0][3]]
        case .sampleAdjoint:
            return operands.joined().joined().contains(where: \.isFrame) ? lost(index) : plain(node.shape)
        case .convolutionWeightGradient:
            if operands.joined().joined().contains(where: \.isFrame) { readsAll(index) }
            return plain(node.shape)
        }
    }

    /// Notes a reduction over the frame: a mean over all of it, or a read of another kind.
    ///
    /// - Parameters:
    ///   - parts: those of the frame and of the batch that are reduced.
    ///   - frame: all parts of the operand that belong to the frame.
    private mutating func reduce(_ index: Int, _ parts: [AxisPart], of frame: [AxisPart]) {
        // One part for the rows and one for the columns: else the result is no number for the whole frame.
        guard case .mean = graph.nodes[index].operation, parts == frame, parts.count == 2,
            case .frame(let first, _) = parts[0].kind, case .frame(let second, _) = parts[1].kind, first != second
        else { return readsAll(index) }
        levels[index] += 1
        means.append(index)
        read(.statistics(level: levels[index]))
    }

    private mutating func readsAll(_ index: Int) { read(.opaque(operation: graph.nodes[index].operation.name)) }

    private mutating func lost(_ index: Int) -> FrameAxes? {
        readsAll(index)
        return nil
    }

    /// Of operands of equal shape (or vectors, which count for nothing): for each axis the one that knows of a frame or a batch.
    private func merged(_ operands: [FrameAxes]) -> FrameAxes {
        var axes = operands[0]
        for other in operands.dropFirst() where other.count == axes.count {
            for axis in axes.indices where axes[axis].allSatisfy(\.isPlain) { axes[axis] = other[axis] }
        }
        return axes
    }

    /// The axes of an operation on images that has another number of rows and columns than its first operand.
    ///
    /// - Parameters:
    ///   - vertical, horizontal: operand's samples a sample of the result; `horizontal` is `vertical` if nil.
    private mutating func scaled(
        _ index: Int, _ operands: [FrameAxes], _ vertical: Ratio, _ horizontal: Ratio? = nil
    ) throws(GraphError) -> FrameAxes? {
        let node = graph.nodes[index]
        // What was made of a frame and serves as a weight, as a network of attention has it.
        if !operands.dropFirst().joined().joined().allSatisfy(\.isPlain) { return lost(index) }
        // Columns that serve as channels are summed up.
        if operands[0][3].contains(where: \.isFrame) { return lost(index) }
        var axes = plain(node.shape)
        axes[0] = operands[0][0]
        for (axis, ratio) in [(1, vertical), (2, horizontal ?? vertical)] {
            let parts = operands[0][axis]
            guard parts.contains(where: \.isFrame) else { continue }
            guard parts.count == 1, case .frame(let frameAxis, let stride) = parts[0].kind else { return lost(index) }
            guard let product = stride.multiplied(by: ratio) else {
                throw GraphError(
                    operation: node.operation.name, operands: [node.shape], reason: "its stride is too large")
            }
            axes[axis] = [AxisPart(extent: node.shape[axis], kind: .frame(frameAxis, stride: product))]
        }
        return operands[0][0].contains(where: \.isFrame) || operands[0][3].contains(where: \.isFrame)
            ? lost(index) : axes
    }

    /// The same elements with other extents; nil where rows or columns would be cut.
    private func regrouped(_ axes: FrameAxes, _ target: Shape) -> FrameAxes? {
        var parts: [AxisPart] = []
        for part in axes.joined() {
            if part.kind == .plain, parts.last?.kind == .plain {
                parts[parts.count - 1].extent *= part.extent
            } else {
                parts.append(part)
            }
        }
        var rest = parts[...]
        var result: FrameAxes = []
        for extent in target.dimensions {
            var (left, found) = (extent, [AxisPart]())
            while left > 1 {
                guard var part = rest.popFirst() else { return nil }
                if left % part.extent == 0 {
                    left /= part.extent
                } else if part.kind == .plain, part.extent % left == 0 {
                    rest = [AxisPart(extent: part.extent / left, kind: .plain)] + rest
                    part.extent = left
                    left = 1
                } else {
                    return nil
                }
                found.append(part)
            }
            result.append(found)
        }
        return rest.isEmpty ? result : nil
    }
}
