internal import Network
internal import Tensor

/// The bilinear `sample` as its four nearest samples and their weights, of which its derivatives of all orders are made.
///
/// The derivative by a position that was clamped to the border, or lies on it, is zero, as in PyTorch's `grid_sample`.
struct SampledCorners {
    private let x: Value
    private let border: SampleBorder
    /// Positions of the four pixels: above left, above right, below left, below right.
    private let positions: [Value]
    /// Distances of the position from the first of them along columns and rows, in pixels, `[N, h, w, 1]` each, and 1 minus
    /// those.
    private let right, below, left, above: Value
    /// 1 where the position may move, `[N, h, w, 2]`; nil where it always may.
    private let isFree: Value?

    init(_ b: inout GraphBuilder, _ x: Value, _ positions: Value, _ border: SampleBorder) {
        (self.x, self.border) = (x, border)
        var inside = positions
        if border == .border {
            let last = b.constant([Float(b.shape(x).width - 1), Float(b.shape(x).height - 1)], [2])
            let rest = b.apply(.add, b.scaled(positions, -1), last)
            isFree = b.apply(.multiply, b.step(positions, 0, 0, 1), b.step(rest, 0, 0, 1))
            inside = b.apply(.pointwise(.minimum), b.apply(.pointwise(.relu), positions), last)
        } else {
            isFree = nil
        }
        let corner = b.apply(.pointwise(.floor), inside)
        let share = b.difference(inside, corner)
        right = b.apply(.sliceChannels(start: 0, count: 1), share)
        below = b.apply(.sliceChannels(start: 1, count: 1), share)
        left = b.apply(.affine(scale: -1, offset: 1), right)
        above = b.apply(.affine(scale: -1, offset: 1), below)
        var found: [Value] = []
        for offset in [[0, 0], [1, 0], [0, 1], [1, 1]] as [[Float]] {
            found.append(b.apply(.add, corner, b.constant(offset, [2])))
        }
        self.positions = found
    }

    /// The derivative with respect to x.
    mutating func adjoint(_ b: inout GraphBuilder, _ g: Value) -> Value {
        let target = b.shape(x)
        let operation = Operation.sampleAdjoint(height: target.height, width: target.width, border)
        var sum: Value?
        for (position, (row, column)) in zip(
            positions, [(above, left), (above, right), (below, left), (below, right)])
        {
            let weight = b.broadcast(b.apply(.multiply, row, column), to: b.shape(g))
            let part = b.apply(operation, b.apply(.multiply, g, weight), position)
            sum = sum.map { b.apply(.add, $0, part) } ?? part
        }
        return sum!
    }

    /// The derivative with respect to the positions, `[N, h, w, 2]`.
    mutating func slope(_ b: inout GraphBuilder, _ g: Value) -> Value {
        let pixels = positions.map { b.apply(.sample(.nearest, border), x, $0) }
        /// g times a mix of the steps from one pixel to the next, summed over channels.
        func along(_ first: (Int, Int), _ firstWeight: Value, _ second: (Int, Int), _ secondWeight: Value) -> Value {
            let shape = b.shape(g)
            let one = b.apply(
                .multiply, b.difference(pixels[first.1], pixels[first.0]), b.broadcast(firstWeight, to: shape))
            let two = b.apply(
                .multiply, b.difference(pixels[second.1], pixels[second.0]), b.broadcast(secondWeight, to: shape))
            return b.sum(b.apply(.multiply, g, b.apply(.add, one, two)), over: [3])
        }
        let slopes = b.concatenate([
            along((0, 1), above, (2, 3), below), along((0, 2), left, (1, 3), right),
        ])
        return isFree.map { b.apply(.multiply, slopes, $0) } ?? slopes
    }
}
