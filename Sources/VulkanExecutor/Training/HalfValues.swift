internal import Network
internal import Tensor

/// Which values are stored as half floats, where a device is asked to: activations and their gradients, which are most of
/// the memory and of what moves. Parameters, moments, sums, pictures, logits and everything that losses are made of keep
/// single precision; arithmetic has it always.
///
/// As in automatic mixed precision, convolutions with trained weights decide: what they give is stored in half, and what
/// is computed pointwise from such values alone is too. One operand in single precision makes a result single.
struct HalfValues {
    private enum Kind {
        case full, half
        /// Repeated numbers: no reason to store what they are combined with one way or the other.
        case neutral
    }

    private var kinds: [Kind] = []

    func callAsFunction(_ value: Value) -> Bool { kinds.isEmpty ? false : kinds[value.index] == .half }

    /// No value at all.
    init() {}

    init(_ graph: Graph) {
        // Windows and filters are constants: what they give is part of a loss, and small differences count.
        var isTrained: [Bool] = []
        for node in graph.nodes {
            let trained =
                if case .parameter = node.operation { true } else { node.operands.contains { isTrained[$0.index] } }
            isTrained.append(trained)
            kinds.append(kind(node, node.operands.map { graph.shape($0) }, isTrained))
        }
    }

    private func kind(_ node: Node, _ operandShapes: [Shape], _ isTrained: [Bool]) -> Kind {
        /// Of those operands that are as large as the result.
        func common(_ operands: [Value]) -> Kind {
            let kinds = operands.map { self.kinds[$0.index] }
            return kinds.contains(.full) ? .full : kinds.contains(.half) ? .half : .neutral
        }
        switch node.operation {
        case .constant, .broadcast: return .neutral
        case .convolution, .convolutionTranspose:
            // Fewer channels are a picture or logits.
            return isTrained[node.operands[1].index] && node.shape.channels >= 8 ? .half : .full
        case .reshape, .detach, .again: return common(node.operands)
        // What grows fast, or is a difference of large numbers later.
        case .pointwise(let function) where function.row.needsSinglePrecision: return .full
        case .pointwise(.multiply) where node.operands[0] == node.operands[1]: return .full
        // Vectors for every pixel do not decide.
        case .pointwise: return common(zip(node.operands, operandShapes).filter { $1 == node.shape }.map(\.0))
        case .concatenate, .sliceChannels, .upsampleNearest, .pixelShuffle, .pixelUnshuffle, .crop, .transpose, .pad,
            .padAdjoint, .resize, .resizeAdjoint, .sumPool:
            return common(node.operands)
        case .input, .parameter, .convolutionWeightGradient, .sum, .mean, .product, .sample, .sampleAdjoint:
            return .full
        }
    }
}
