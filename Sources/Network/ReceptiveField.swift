internal import Tensor

/// How far a result sees along one axis: input samples before the one under it, and after.
public struct Reach: Hashable, Sendable {
    public var before, after: Int
    public init(before: Int, after: Int) { (self.before, self.after) = (before, after) }

    mutating func widen(_ other: Reach) {
        (before, after) = (max(before, other.before), max(after, other.after))
    }
}

extension Graph {
    /// The receptive field of the first output in the first input, along height and width: the largest over every position
    /// within `period` output samples, in a frame without borders. Nil where an operation sees the whole frame.
    ///
    /// - Parameter scale: output samples an input sample.
    public func receptiveField(scale: Ratio, period: Int) -> ReceptiveField? {
        guard let trace = try? FrameTrace(self) else { return nil }
        return FrameReach(trace).field(of: outputs[0], scale: (scale, scale), period: (period, period))
    }
}

/// How far values of a graph see in its first input.
///
/// Walked back from a sample: each value has the interval of samples that are read of it, the hull over its readers. The
/// interval is one of the rows (or columns) of the frame, whichever axis of a tensor they are.
struct FrameReach {
    private let graph: Graph
    private let trace: FrameTrace
    private let isGiven: [Bool]
    /// Which nodes' values depend on the first input.
    private let depends: [Bool]

    /// - Parameter givesMeans: whether means over the frame are taken for numbers that are known.
    init(_ trace: FrameTrace, givesMeans: Bool = false) {
        (graph, self.trace) = (trace.graph, trace)
        var isGiven = [Bool](repeating: false, count: graph.nodes.count)
        if givesMeans { for index in trace.means { isGiven[index] = true } }
        var depends: [Bool] = []
        for (index, node) in graph.nodes.enumerated() {
            let reads = index == graph.inputs[0].index || node.operands.contains { depends[$0.index] }
            depends.append(reads && !isGiven[index])
        }
        (self.isGiven, self.depends) = (isGiven, depends)
    }

    /// The receptive field of a value: the largest over every position within a period, in a frame without borders. Nil
    /// where it has no bound.
    ///
    /// - Parameters:
    ///   - scale: samples an input sample, along height and width.
    ///   - period: samples of the value after which all repeats.
    func field(
        of value: Value, scale: (vertical: Ratio, horizontal: Ratio), period: (vertical: Int, horizontal: Int)
    ) -> ReceptiveField? {
        guard let vertical = reach(value, .vertical, scale.vertical, period.vertical),
            let horizontal = reach(value, .horizontal, scale.horizontal, period.horizontal)
        else { return nil }
        return ReceptiveField(vertical: vertical, horizontal: horizontal)
    }

    private func reach(_ value: Value, _ axis: AxisPart.FrameAxis, _ scale: Ratio, _ period: Int) -> Reach? {
        var reach = Reach(before: 0, after: 0)
        let places = graph.nodes.indices.map { place($0, axis) }
        for position in 0..<period {
            var intervals = [ClosedRange<Int>?](repeating: nil, count: graph.nodes.count)
            intervals[value.index] = position...position
            for index in (0...value.index).reversed() {
                guard let read = intervals[index], !isGiven[index] else { continue }
                for (number, operand) in graph.nodes[index].operands.enumerated() where depends[operand.index] {
                    // What was made of the frame and has no rows of its own may hold any of it.
                    guard let place = places[operand.index], let seen = source(of: read, index, number, place) else {
                        return nil
                    }
                    let known = intervals[operand.index] ?? seen
                    intervals[operand.index] =
                        min(known.lowerBound, seen.lowerBound)...max(known.upperBound, seen.upperBound)
                }
            }
            guard let seen = intervals[graph.inputs[0].index] else { continue }
            let under = position * scale.denominator / scale.numerator
            reach.before = max(reach.before, under - seen.lowerBound)
            reach.after = max(reach.after, seen.upperBound - under)
        }
        return reach
    }

    /// The axis of a node's tensor that holds the rows or columns of the frame; nil where none does, or several do.
    private func place(_ index: Int, _ axis: AxisPart.FrameAxis) -> Int? {
        guard let axes = trace.axes[index] else { return nil }
        let places = axes.indices.flatMap { place in
            axes[place].compactMap { part in
                if case .frame(axis, _) = part.kind { place } else { nil }
            }
        }
        return places.count == 1 ? places[0] : nil
    }

    /// The samples that an interval of a node's samples reads of an operand; nil for all.
    ///
    /// - Parameter axis: the one of the operand's tensor that the samples lie along.
    private func source(of read: ClosedRange<Int>, _ index: Int, _ number: Int, _ axis: Int) -> ClosedRange<Int>? {
        let node = graph.nodes[index]
        let operand = graph.shape(node.operands[number])
        switch node.operation {
        case .input, .parameter, .constant, .pointwise, .concatenate, .sliceChannels, .detach, .again, .reshape,
            .transpose, .broadcast, .sum, .mean:
            return read
        case .product(let transposeLeft, let transposeRight):
            let isSummed = axis == operand.rank - ((number == 0 ? transposeLeft : !transposeRight) ? 2 : 1)
            return isSummed ? nil : read
        case .convolution(let window):
            let margin = axis == 1 ? window.margins.top : window.margins.left
            let reach = window.reach(graph.shape(node.operands[1])[axis + 1])
            return read.lowerBound * window.stride - margin...read.upperBound * window.stride - margin + reach - 1
        case .convolutionTranspose(let window, _, _):
            let margin = axis == 1 ? window.margins.top : window.margins.left
            let reach = window.reach(graph.shape(node.operands[1])[axis + 1])
            let first = -floorDivide(-(read.lowerBound + margin - reach + 1), window.stride)
            let last = floorDivide(read.upperBound + margin, window.stride)
            // Between strides there may be nothing to read.
            return min(first, last)...max(first, last)
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
        case .convolutionWeightGradient, .resizeAdjoint, .padAdjoint, .sample, .sampleAdjoint:
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
