public import Network
public import Tensor

/// The shapes of x, weight and g (of the result's shape) in a convolution and in its two adjoints: each of the three
/// operations computes one of them from the other two. See `Operation.convolution`.
public struct ConvolutionForm: Hashable, Sendable, CustomStringConvertible {
    public var x: Shape
    public var weight: Shape
    public var g: Shape
    public var stride: Int
    public var padding: Int
    public var groups: Int

    /// - Precondition: the node is one of the three operations.
    public init(_ graph: Graph, _ value: Value) {
        let node = graph[value]
        func shape(_ index: Int) -> Shape { graph.shape(node.operands[index]) }
        switch node.operation {
        case .convolution(let stride, let padding, let groups):
            (x, weight, g) = (shape(0), shape(1), node.shape)
            (self.stride, self.padding, self.groups) = (stride, padding, groups)
        case .convolutionTranspose(let stride, let padding, let groups, _, _):
            (x, weight, g) = (node.shape, shape(1), shape(0))
            (self.stride, self.padding, self.groups) = (stride, padding, groups)
        case .convolutionWeightGradient(let stride, let padding, let groups, _, _):
            (x, weight, g) = (shape(0), node.shape, shape(1))
            (self.stride, self.padding, self.groups) = (stride, padding, groups)
        default: preconditionFailure("\(node.operation.name) is no convolution")
        }
    }

    public var groupInputs: Int { weight[1] }
    public var groupOutputs: Int { weight[0] / groups }
    public var taps: Int { weight[2] * weight[3] }
    /// Of each of the three, counted as direct convolution.
    public var multiplyAdds: Int { g.count * groupInputs * taps }

    public var description: String {
        "\(x.channels)->\(g.channels) k\(weight[2])x\(weight[3]) s\(stride) \(g.batch)x\(g.width)x\(g.height)"
    }
}
