internal import Network
internal import Tensor

/// The end of a program run in strips of rows: where a network enlarges its picture step by step, the steps between are
/// the largest activations of all. Strip by strip each needs room for a few rows only, at the price of some rows at the
/// strips' borders that are computed twice. The results are the same, bit for bit.
public struct Strips: Hashable, Sendable {
    /// The first of the steps that are run once a strip; the program's last step is the last of them. All are
    /// convolutions, each of which reads the one before.
    public var firstStep: Int
    /// For each strip and each of these steps the rows of its result (before a pixel shuffle) to compute.
    public var rows: [[Range<Int>]]

    /// The rows of its output, after the shuffle, that a step's buffer holds during a strip.
    public static func heldRows(_ step: ConvolutionStep, _ rows: Range<Int>) -> Range<Int> {
        rows.lowerBound * step.pixelShuffle..<rows.upperBound * step.pixelShuffle
    }

    /// - Parameter limit: elements that the activations between the steps may take together.
    /// - Returns: nil where they are within it anyway, or the steps' order does not allow it.
    init?(_ program: Program, limit: Int) {
        let steps = program.steps
        let outputs = program.outputs.compactMap(\.view)
        guard outputs.count == program.outputs.count, let first = Strips.tail(steps, outputs) else { return nil }
        let tail = Strips.convolutions(steps[first...])
        guard tail.count >= 2 else { return nil }
        let whole = tail.dropLast().reduce(0) { $0 + $1.output.pixels * $1.output.pitch }
        guard whole > limit, let last = tail.last else { return nil }
        // A strip of few rows would compute most of them twice.
        var height = last.resultHeight
        var rows = Strips.rows(tail, height)
        while height > Strips.smallestHeight, Strips.elements(tail, rows).reduce(0, +) > limit {
            height = max(Strips.smallestHeight, (height + 1) / 2)
            rows = Strips.rows(tail, height)
        }
        guard rows.count > 1 else { return nil }
        firstStep = first
        self.rows = rows
    }

    private static let smallestHeight = 64

    private static func convolutions(_ steps: ArraySlice<Step>) -> [ConvolutionStep] {
        steps.compactMap { if case .convolution(let step) = $0 { step } else { nil } }
    }

    /// Where the chain of convolutions above the network's own size begins.
    private static func tail(_ steps: [Step], _ outputs: [View]) -> Int? {
        guard outputs.count == 1, let last = steps.last?.output, last == outputs[0], last.batch == 1 else {
            return nil
        }
        let base = steps.compactMap(\.output?.height).min() ?? 0
        var first = steps.count
        while first > 0 {
            guard case .convolution(let step) = steps[first - 1], step.output.height > base else { break }
            if first < steps.count {
                // What lies between two steps belongs to them alone, and they to the chain.
                guard case .convolution(let next) = steps[first], next.input == step.output,
                    step.output.segments.count == 1,
                    !steps[..<(first - 1)].contains(where: { $0.buffers.contains(step.output.buffer) }),
                    !steps[(first + 1)...].contains(where: { $0.buffers.contains(step.output.buffer) }),
                    !next.stages.compactMap(\.operand).contains(in: step.output.buffer)
                else { break }
            }
            first -= 1
        }
        // What the chain's steps add or multiply lies whole in memory.
        let inner = Set(steps[first...].dropLast().compactMap(\.output?.buffer))
        let operands = convolutions(steps[first...]).flatMap { $0.stages.compactMap(\.operand) }
        guard first < steps.count, !operands.contains(where: { inner.contains($0.buffer) }),
            !outputs.contains(where: { inner.contains($0.buffer) })
        else { return nil }
        return first
    }

    /// Per strip of `height` rows of the last step's result the rows of each step.
    private static func rows(_ tail: [ConvolutionStep], _ height: Int) -> [[Range<Int>]] {
        let end = tail[tail.count - 1].resultHeight
        return stride(from: 0, to: end, by: height).map { start in
            var needed = start..<min(start + height, end)
            var rows = [needed]
            for index in (0..<tail.count - 1).reversed() {
                let read = tail[index + 1].inputRows(needed)
                let shuffle = tail[index].pixelShuffle
                needed = read.lowerBound / shuffle..<(read.upperBound + shuffle - 1) / shuffle
                rows.insert(needed, at: 0)
            }
            return rows
        }
    }

    /// The elements of each step's buffer but the last one's.
    private static func elements(_ tail: [ConvolutionStep], _ rows: [[Range<Int>]]) -> [Int] {
        tail.dropLast().enumerated().map { index, step in
            (rows.map { heldRows(step, $0[index]).count }.max() ?? 0) * step.output.width * step.output.pitch
        }
    }

    /// The elements that buffers need when run in strips.
    func elements(_ steps: [Step]) -> [Int: Int] {
        let tail = Strips.convolutions(steps[firstStep...])
        return Dictionary(
            uniqueKeysWithValues: zip(tail.map(\.output.buffer), Strips.elements(tail, rows)))
    }
}

extension [View] {
    fileprivate func contains(in buffer: Int) -> Bool { contains { $0.buffer == buffer } }
}

extension ConvolutionStep {
    /// The rows of the stored input under some rows of the result.
    public func inputRows(_ rows: Range<Int>) -> Range<Int> {
        let first = rows.lowerBound * stride - padding
        let last = (rows.upperBound - 1) * stride - padding + weightShape[2] - 1
        // Where only padding is read, some row must be there all the same.
        let low = Swift.min(Swift.max(0, first), sourceHeight - 1) / inputUpsampling
        let high = Swift.min(Swift.max(0, last), sourceHeight - 1) / inputUpsampling
        return low..<high + 1
    }
}
