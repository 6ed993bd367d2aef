internal import Tensor

/// How far a result sees along one axis: input samples before the one under it, and after.
public struct Reach: Hashable, Sendable {
    public var before, after: Int
    public init(before: Int, after: Int) { (self.before, self.after) = (before, after) }
}

extension Graph {
    /// The receptive field of the first output in the first input, along height and width: the largest over every position
    /// within `period` output samples, in a frame without borders. Nil where an operation sees the whole frame.
    ///
    /// Walked back from an output sample: each value has the interval of samples that are read of it, the hull over its
    /// readers.
    ///
    /// - Parameter scale: output samples an input sample.
    public func receptiveField(scale: Ratio, period: Int) -> ReceptiveField? {
        guard let vertical = reach(axis: 1, scale: scale, period: period),
            let horizontal = reach(axis: 2, scale: scale, period: period)
        else { return nil }
        return ReceptiveField(vertical: vertical, horizontal: horizontal)
    }

    private func reach(axis: Int, scale: Ratio, period: Int) -> Reach? {
        var reach = Reach(before: 0, after: 0)
        let depends = dependsOnInput
        for position in 0..<period {
            var intervals = [ClosedRange<Int>?](repeating: nil, count: nodes.count)
            intervals[outputs[0].index] = position...position
            for index in nodes.indices.reversed() {
                guard let read = intervals[index], !nodes[index].operands.isEmpty else { continue }
                for (number, operand) in nodes[index].operands.enumerated() {
                    // A vector or a matrix that was made of the frame may hold any of it.
                    guard isFrame(index, number) else {
                        if depends[operand.index] { return nil }
                        continue
                    }
                    guard let seen = source(of: read, index, axis) else { return nil }
                    let known = intervals[operand.index] ?? seen
                    intervals[operand.index] =
                        min(known.lowerBound, seen.lowerBound)...max(known.upperBound, seen.upperBound)
                }
            }
            guard let seen = intervals[inputs[0].index] else { continue }
            let under = position * scale.denominator / scale.numerator
            reach.before = max(reach.before, under - seen.lowerBound)
            reach.after = max(reach.after, seen.upperBound - under)
        }
        return reach
    }

    /// Which nodes' values depend on the first input.
    private var dependsOnInput: [Bool] {
        var depends: [Bool] = []
        for (index, node) in nodes.enumerated() {
            depends.append(index == inputs[0].index || node.operands.contains { depends[$0.index] })
        }
        return depends
    }

    /// Whether a node's operand is a frame, and no weight or vector.
    private func isFrame(_ index: Int, _ operand: Int) -> Bool {
        switch nodes[index].operation {
        case .convolution, .convolutionTranspose: operand == 0
        default: shape(nodes[index].operands[operand]).rank == 4
        }
    }

    /// The samples of a node's frames that an interval of its samples reads; nil for all.
    private func source(of read: ClosedRange<Int>, _ index: Int, _ axis: Int) -> ClosedRange<Int>? {
        let node = nodes[index]
        let operand = shape(node.operands[0])
        switch node.operation {
        case .input, .parameter, .constant, .pointwise, .concatenate, .sliceChannels, .detach, .again:
            return read
        case .convolution(let stride, let padding, _):
            let first = read.lowerBound * stride - padding
            return first...read.upperBound * stride - padding + shape(node.operands[1])[axis + 1] - 1
        case .convolutionTranspose(let stride, let padding, _, _, _):
            let kernel = shape(node.operands[1])[axis + 1]
            let first = -floorDivide(-(read.lowerBound + padding - kernel + 1), stride)
            // Between strides there may be nothing to read.
            return min(
                first, floorDivide(read.upperBound + padding, stride))...max(
                    first, floorDivide(read.upperBound + padding, stride))
        case .upsampleNearest(let factor), .pixelShuffle(let factor):
            return floorDivide(read.lowerBound, factor)...floorDivide(read.upperBound, factor)
        case .pixelUnshuffle(let factor), .sumPool(let factor):
            return read.lowerBound * factor...read.upperBound * factor + factor - 1
        case .pad(let margins, _):
            let margin = axis == 1 ? margins.top : margins.left
            return read.lowerBound - margin...read.upperBound - margin
        case .crop(let margins):
            let margin = axis == 1 ? margins.top : margins.left
            return read.lowerBound + margin...read.upperBound + margin
        case .resize(let height, let width, let filter):
            let (from, to) = (operand[axis], axis == 1 ? height : width)
            // A sample that lies on one of the operand's reads that one only, and its neighbour may reach further.
            let first = [read.lowerBound, min(read.lowerBound + 1, read.upperBound)]
            let last = [max(read.upperBound - 1, read.lowerBound), read.upperBound]
            return first.map { taps($0, from, to, filter).lowerBound }.min()!...last.map {
                taps($0, from, to, filter).upperBound
            }.max()!
        case .broadcast(let target), .sum(let target):
            return operand.rank == 4 && target.rank == 4 && operand[axis] == target[axis] ? read : nil
        case .convolutionWeightGradient, .reshape, .transpose, .product, .resizeAdjoint, .padAdjoint,
            .sample, .sampleAdjoint:
            return nil
        }
    }

    /// The samples that `resize` reads for one of its own; see `ResizeFilter`.
    private func taps(_ target: Int, _ from: Int, _ to: Int, _ filter: ResizeFilter) -> ClosedRange<Int> {
        // source = (target + 0.5) * from / to - 0.5, in halves of 1 / to.
        let centre = (2 * target + 1) * from - to
        let below = floorDivide(centre, 2 * to)
        let isExact = below * 2 * to == centre
        switch filter {
        case .nearest:
            let sample = floorDivide(target * from, to)
            return sample...sample
        case .bilinear: return below...(isExact ? below : below + 1)
        case .bicubic: return isExact ? below...below : below - 1...below + 2
        }
    }

    private func floorDivide(_ a: Int, _ b: Int) -> Int { a >= 0 ? a / b : -((b - 1 - a) / b) }
}
