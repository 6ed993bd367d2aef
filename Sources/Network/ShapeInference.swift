public import Tensor

extension Operation {
    /// The result's shape for operands of these shapes, or the reason why there is none.
    func resultShape(_ operands: [Shape]) -> Result<Shape, GraphError> {
        func fail(_ reason: String) -> Result<Shape, GraphError> {
            .failure(GraphError(operation: name, operands: operands, reason: reason))
        }
        func expect(_ count: ClosedRange<Int>) -> Bool { count.contains(operands.count) }
        /// The sole operand as an activation.
        func activation() -> Shape? { operands.count == 1 && operands[0].rank == 4 ? operands[0] : nil }

        switch self {
        case .input, .parameter, .constant:
            return fail("leaves carry their own shape")

        case .convolution(let window):
            guard expect(2...3), operands[0].rank == 4, operands[1].rank == 4 else {
                return fail("expects x [N, H, W, I], weight [O, I/groups, kH, kW] and optionally bias [O]")
            }
            let (x, weight) = (operands[0], operands[1])
            let (stride, margins) = (window.stride, window.margins)
            guard stride >= 1, window.dilation >= 1, window.groups >= 1, weight[0] % window.groups == 0,
                min(margins.top, margins.left, margins.bottom, margins.right) >= 0
            else { return fail("\(window)") }
            guard weight[1] * window.groups == x.channels else {
                return fail("the weight reads \(weight[1] * window.groups) channels, x has \(x.channels)")
            }
            if operands.count == 3, operands[2] != Shape([weight[0]]) { return fail("the bias must be [\(weight[0])]") }
            guard weight[2] >= 1, weight[3] >= 1 else { return fail("the kernel has no taps") }
            let height = x.height + margins.top + margins.bottom - window.reach(weight[2])
            let width = x.width + margins.left + margins.right - window.reach(weight[3])
            guard height >= 0, width >= 0 else { return fail("the kernel is larger than the padded image") }
            return .success(.nhwc(x.batch, height / stride + 1, width / stride + 1, weight[0]))

        case .pointwise(.prelu):
            guard expect(2...2), operands[0].rank == 4,
                operands[1] == [1] || operands[1] == Shape([operands[0].channels])
            else { return fail("expects x [N, H, W, C] and a weight [C] or [1]") }
            return .success(operands[0])

        case .pointwise(let function) where function.operandCount == 2:
            guard expect(2...2) else { return fail("expects two operands") }
            guard operands[0] == operands[1] || (operands[0].rank > 1 && operands[1] == [operands[0].lastExtent]) else {
                return fail("shapes must be equal, or the second a vector [C]")
            }
            return .success(operands[0])

        case .pointwise, .detach, .again:
            guard expect(1...1) else { return fail("expects one operand") }
            return .success(operands[0])

        case .concatenate:
            guard let first = operands.first, operands.allSatisfy({ $0.rank == 4 }),
                operands.allSatisfy({ $0.batch == first.batch && $0.height == first.height && $0.width == first.width })
            else { return fail("expects activations of equal batch, height and width") }
            return .success(.nhwc(first.batch, first.height, first.width, operands.reduce(0) { $0 + $1.channels }))

        case .sliceChannels(let start, let count):
            guard let x = activation() else { return fail("expects one activation") }
            guard start >= 0, count >= 1, start + count <= x.channels else {
                return fail("channels \(start)..<\(start + count) of \(x.channels)")
            }
            return .success(.nhwc(x.batch, x.height, x.width, count))

        case .upsampleNearest(let factor):
            guard let x = activation(), factor >= 1 else { return fail("expects one activation and a factor >= 1") }
            return .success(.nhwc(x.batch, x.height * factor, x.width * factor, x.channels))

        case .pixelShuffle(let factor):
            guard let x = activation(), factor >= 1, x.channels % (factor * factor) == 0 else {
                return fail("expects one activation with channels a multiple of \(factor * factor)")
            }
            return .success(.nhwc(x.batch, x.height * factor, x.width * factor, x.channels / (factor * factor)))

        case .pixelUnshuffle(let factor):
            guard let x = activation(), factor >= 1, x.height % factor == 0, x.width % factor == 0 else {
                return fail("expects one activation with height and width multiples of \(factor)")
            }
            return .success(.nhwc(x.batch, x.height / factor, x.width / factor, x.channels * factor * factor))

        case .resize(let height, let width, _):
            guard let x = activation(), height >= 1, width >= 1 else {
                return fail("expects one activation, sizes >= 1")
            }
            return .success(.nhwc(x.batch, height, width, x.channels))

        case .pad(let m, _):
            guard let x = activation(), min(m.top, m.left, m.bottom, m.right) >= 0 else {
                return fail("expects one activation and margins >= 0")
            }
            return .success(.nhwc(x.batch, x.height + m.top + m.bottom, x.width + m.left + m.right, x.channels))

        case .crop(let m):
            guard let x = activation(), min(m.top, m.left, m.bottom, m.right) >= 0, m.top + m.bottom < x.height,
                m.left + m.right < x.width
            else { return fail("expects one activation larger than the margins") }
            return .success(.nhwc(x.batch, x.height - m.top - m.bottom, x.width - m.left - m.right, x.channels))

        case .convolutionTranspose, .convolutionWeightGradient, .sum, .mean, .broadcast, .reshape, .transpose,
            .product, .sumPool, .resizeAdjoint, .padAdjoint, .sample, .sampleAdjoint:
            return trainingShape(operands)
        }
    }
}

/// An operation that cannot be applied to these operands.
public struct GraphError: Error, CustomStringConvertible {
    public let operation: String
    public let operands: [Shape]
    public let reason: String

    public init(operation: String, operands: [Shape], reason: String) {
        (self.operation, self.operands, self.reason) = (operation, operands, reason)
    }

    public var description: String {
        "\(operation)(\(operands.map(\.description).joined(separator: ", "))): \(reason)"
    }
}
