public import Network
public import Tensor

/// The shapes of x, weight and g (of the result's shape) in a convolution and in its two adjoints: each of the three
/// operations computes one of them from the other two. See `Operation.convolution`.
public struct ConvolutionForm: Hashable, Sendable, CustomStringConvertible {
    public var x: Shape
    public var weight: Shape
    public var g: Shape
    public var window: ConvolutionWindow
    public var stride: Int { window.stride }
    public var groups: Int { window.groups }

    /// - Precondition: the node is one of the three operations.
    public init(_ graph: Graph, _ value: Value) {
        let node = graph[value]
        func shape(_ index: Int) -> Shape { graph.shape(node.operands[index]) }
        switch node.operation {
        case .convolution(let window):
            (x, weight, g) = (shape(0), shape(1), node.shape)
            self.window = window
        case .convolutionTranspose(let window, _, _):
            (x, weight, g) = (node.shape, shape(1), shape(0))
            self.window = window
        case .convolutionWeightGradient(let window, _, _):
            (x, weight, g) = (shape(0), node.shape, shape(1))
            self.window = window
        default: preconditionFailure("\(node.operation.name) is no convolution")
        }
    }

    public var groupInputs: Int { weight[1] }
    public var groupOutputs: Int { weight[0] / groups }
    public var taps: Int { weight[2] * weight[3] }
    /// Whether it is a 3x3 convolution that keeps an image's size: what Winograd's method is for.
    public var isPlain3x3: Bool {
        weight[2] == 3 && weight[3] == 3 && window == ConvolutionWindow(padding: 1)
    }

    /// The taps that reach some pixels of x from whole pixels of g: those pixels that have the remainder `phase` by the stride.
    /// A pixel `stride * i + phase` meets tap `first + step * k` at pixel `base + i - shift * k` of g.
    ///
    /// - Returns: nil where no tap does.
    public func phase(_ phase: Int, margin: Int, taps: Int) -> (
        first: Int, step: Int, count: Int, base: Int, shift: Int
    )? {
        let dilation = window.dilation
        var (divisor, rest) = (stride, dilation)
        while rest > 0 { (divisor, rest) = (rest, divisor % rest) }
        guard let first = (0..<min(taps, stride)).first(where: { (phase + margin - $0 * dilation) % stride == 0 })
        else { return nil }
        let step = stride / divisor
        return (
            first, step, (taps - first + step - 1) / step, (phase + margin - first * dilation) / stride,
            dilation / divisor
        )
    }
    /// Of each of the three, counted as direct convolution.
    public var multiplyAdds: Int { g.count * groupInputs * taps }

    public var description: String {
        "\(x.channels)->\(g.channels) k\(weight[2])x\(weight[3]) s\(stride) \(g.batch)x\(g.width)x\(g.height)"
    }
}
