internal import Tensor

/// What of a network is another function at another size of the frame: two graphs of one definition, compared node by node.
///
/// Tiles of a frame are computed with the graph of the tile's size, so they show what the whole frame would only where the
/// graphs differ in nothing but shapes.
struct SizeDependence {
    private let first, second: FrameTrace

    init(_ first: FrameTrace, _ second: FrameTrace) { (self.first, self.second) = (first, second) }

    /// The first operation whose numbers depend on the frame's size, by name; nil where there is none.
    var operation: String? {
        let (a, b) = (first.graph, second.graph)
        for (index, (one, other)) in zip(a.nodes, b.nodes).enumerated() {
            let isSame = one.operation.withoutSizes == other.operation.withoutSizes && one.operands == other.operands
            if !isSame || kinds(first.axes[index]) != kinds(second.axes[index]) || readsItsSize(index) {
                return one.operation.name
            }
        }
        return a.nodes.count == b.nodes.count ? nil : "network"
    }

    private func kinds(_ axes: FrameAxes?) -> [[AxisPart.Kind]]? {
        axes.map { $0.map { $0.map(\.kind).filter { $0 != .plain } } }
    }

    /// Whether a node reads along an axis that is as long as the frame says but holds none of its pixels: numbers that were
    /// repeated all over the frame. Sums of them grow with the frame, and its borders show in what filters make of them.
    private func readsItsSize(_ index: Int) -> Bool {
        let node = first.graph.nodes[index]
        guard let operand = node.operands.first, let axes = first.axes[operand.index] else { return false }
        let (one, other) = (first.graph.shape(operand), second.graph.shape(second.graph.nodes[index].operands[0]))
        guard one.rank == other.rank else { return true }
        func grows(_ axis: Int) -> Bool { one[axis] != other[axis] && !axes[axis].contains(where: \.isFrame) }
        switch node.operation {
        case .sum(let target), .mean(let target):
            return axes.indices.contains { one[$0] != target[$0] && grows($0) }
        case .product(let transposeLeft, _): return grows(one.rank - (transposeLeft ? 2 : 1))
        case .convolution, .convolutionTranspose, .convolutionWeightGradient, .pad, .padAdjoint:
            return grows(1) || grows(2)
        default: return false
        }
    }
}

extension Operation {
    /// The operation with its shapes left out: equal for two sizes of a frame where the operation does the same.
    fileprivate var withoutSizes: Operation {
        switch self {
        case .resize(_, _, let filter): .resize(height: 1, width: 1, filter)
        case .resizeAdjoint(_, _, let filter): .resizeAdjoint(height: 1, width: 1, filter)
        case .convolutionTranspose(let window, _, _): .convolutionTranspose(window, height: 1, width: 1)
        // A network that fills up to a multiple does so at the bottom and on the right.
        case .pad(let margins, let mode): .pad(Margins(top: margins.top, left: margins.left), mode)
        case .padAdjoint(let margins, let mode): .padAdjoint(Margins(top: margins.top, left: margins.left), mode)
        case .crop(let margins): .crop(Margins(top: margins.top, left: margins.left))
        case .sampleAdjoint(_, _, let border): .sampleAdjoint(height: 1, width: 1, border)
        case .sum: .sum(to: [])
        case .mean: .mean(to: [])
        case .broadcast: .broadcast(to: [])
        case .reshape: .reshape([])
        case .input, .parameter, .constant, .convolution, .pointwise, .concatenate, .sliceChannels, .upsampleNearest,
            .pixelShuffle, .pixelUnshuffle, .convolutionWeightGradient, .transpose, .product, .sumPool, .detach, .again,
            .sample:
            self
        }
    }
}
