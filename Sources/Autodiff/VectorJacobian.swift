internal import Network
internal import Tensor

/// One operation as the backward walk sees it.
struct AppliedOperation {
    let operands: [Value]
    let result: Value
    /// Which operands' derivatives anybody wants; rows need not make the others.
    let wanted: [Bool]
}

extension Operation {
    /// The table: for each operation the derivatives with respect to its operands, given that with respect to its result,
    /// `g`. Nil where there is none to pass on.
    func vectorJacobian(_ b: inout GraphBuilder, _ at: AppliedOperation, _ g: Value) -> [Value?] {
        let operands = at.operands
        func shape(_ index: Int) -> Shape { b.shape(operands[index]) }

        switch self {
        // Leaves, and what is flat by definition.
        case .input, .parameter, .constant: return []
        case .detach: return [nil]
        case .again: return [g]

        // The form of three tensors.
        case .convolution(let window):
            let (x, weight) = (shape(0), shape(1))
            let toInput = Operation.convolutionTranspose(
                window, height: x.height, width: x.width)
            let toWeight = Operation.convolutionWeightGradient(
                window, kernelHeight: weight[2], kernelWidth: weight[3])
            var result: [Value?] = [
                at.wanted[0] ? b.apply(toInput, g, operands[1]) : nil,
                at.wanted[1] ? b.apply(toWeight, operands[0], g) : nil,
            ]
            if operands.count == 3 { result.append(at.wanted[2] ? b.sumToVector(g) : nil) }
            return result
        case .convolutionTranspose(let window, _, _):
            let toWeight = Operation.convolutionWeightGradient(
                window, kernelHeight: shape(1)[2], kernelWidth: shape(1)[3])
            return [
                at.wanted[0]
                    ? b.apply(.convolution(window), g, operands[1]) : nil,
                at.wanted[1] ? b.apply(toWeight, g, operands[0]) : nil,
            ]
        case .convolutionWeightGradient(let window, _, _):
            let toInput = Operation.convolutionTranspose(
                window, height: shape(0).height, width: shape(0).width)
            return [
                at.wanted[0] ? b.apply(toInput, operands[1], g) : nil,
                at.wanted[1]
                    ? b.apply(.convolution(window), operands[0], g) : nil,
            ]

        // Pointwise.
        case .pointwise(let function):
            let (row, applied) = (function.row, AppliedFunction(operands: operands, result: at.result))
            return operands.indices.map { index in
                guard at.wanted[index] else { return nil }
                switch row.slope(&b, applied, index) {
                case .zero: return nil
                case .number(let number): return b.summed(b.scaled(g, number), like: shape(index))
                case .value(let slope): return b.summed(b.apply(.multiply, g, slope), like: shape(index))
                }
            }

        // Arrangements.
        case .concatenate:
            var start = 0
            return operands.indices.map { index in
                defer { start += shape(index).channels }
                return at.wanted[index]
                    ? b.apply(.sliceChannels(start: start, count: shape(index).channels), g) : nil
            }
        case .sliceChannels(let start, let count):
            let x = shape(0)
            func zeros(_ channels: Int) -> [Value] {
                channels == 0 ? [] : [b.constant([0], .nhwc(x.batch, x.height, x.width, channels))]
            }
            let parts = zeros(start) + [g] + zeros(x.channels - start - count)
            return [parts.count == 1 ? g : b.concatenate(parts)]
        case .upsampleNearest(let factor): return [b.apply(.sumPool(factor: factor), g)]
        case .sumPool(let factor): return [b.apply(.upsampleNearest(factor: factor), g)]
        case .pixelShuffle(let factor): return [b.apply(.pixelUnshuffle(factor: factor), g)]
        case .pixelUnshuffle(let factor): return [b.apply(.pixelShuffle(factor: factor), g)]
        case .resize(_, _, let filter):
            return [b.apply(.resizeAdjoint(height: shape(0).height, width: shape(0).width, filter), g)]
        case .resizeAdjoint(_, _, let filter):
            return [b.apply(.resize(height: shape(0).height, width: shape(0).width, filter), g)]
        case .pad(let margins, .zero): return [b.apply(.crop(margins), g)]
        case .pad(let margins, let mode): return [b.apply(.padAdjoint(margins, mode), g)]
        case .padAdjoint(let margins, let mode): return [b.apply(.pad(margins, mode), g)]
        case .crop(let margins): return [b.apply(.pad(margins, .zero), g)]
        case .sum: return [b.apply(.broadcast(to: shape(0)), g)]
        case .mean(let target):
            return [b.apply(.broadcast(to: shape(0)), b.scaled(g, 1 / Float(shape(0).count / target.count)))]
        case .broadcast: return [b.apply(.sum(to: shape(0)), g)]
        case .reshape: return [b.apply(.reshape(shape(0)), g)]
        case .transpose(let permutation):
            var inverse = permutation
            for (index, axis) in permutation.enumerated() { inverse[axis] = index }
            return [b.apply(.transpose(inverse), g)]
        case .sample(.nearest, let border):
            let adjoint = Operation.sampleAdjoint(height: shape(0).height, width: shape(0).width, border)
            return [at.wanted[0] ? b.apply(adjoint, g, operands[1]) : nil, nil]
        case .sample(.bilinear, let border):
            var corners = SampledCorners(&b, operands[0], operands[1], border)
            return [
                at.wanted[0] ? corners.adjoint(&b, g) : nil,
                at.wanted[1] ? corners.slope(&b, g) : nil,
            ]
        case .sampleAdjoint(_, _, let border):
            return [at.wanted[0] ? b.apply(.sample(.nearest, border), g, operands[1]) : nil, nil]
        case .product(let left, let right):
            // With A and B as they are multiplied: dA = G Bᵀ, dB = Aᵀ G; transposed where they are stored transposed.
            func product(_ x: Value, _ y: Value, _ first: Bool, _ second: Bool) -> Value {
                b.apply(.product(transposeLeft: first, transposeRight: second), x, y)
            }
            let (x, y) = (operands[0], operands[1])
            return [
                at.wanted[0] ? (left ? product(y, g, right, true) : product(g, y, false, !right)) : nil,
                at.wanted[1] ? (right ? product(g, x, true, left) : product(x, g, !left, false)) : nil,
            ]
        }
    }
}

extension GraphBuilder {
    /// The derivative of an operand that was a vector for every pixel, a number for all, or had the result's shape.
    fileprivate mutating func summed(_ g: Value, like operand: Shape) -> Value {
        shape(g) == operand ? g : operand == [1] ? total(g) : sumToVector(g)
    }
}
