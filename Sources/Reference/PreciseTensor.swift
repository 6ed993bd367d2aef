public import Tensor

/// A tensor in double precision, for checks that single precision is too coarse for (finite differences).
public struct PreciseTensor: Equatable, Sendable {
    public let shape: Shape
    /// The elements, last axis fastest; always `shape.count` of them.
    public var values: [Double]

    /// - Precondition: `values.count == shape.count`.
    public init(_ shape: Shape, _ values: [Double]) {
        precondition(values.count == shape.count, "\(values.count) values for shape \(shape)")
        self.shape = shape
        self.values = values
    }

    public init(_ tensor: HostTensor) { self.init(tensor.shape, tensor.values.map { Double($0) }) }

    /// In single precision.
    public var rounded: HostTensor { HostTensor(shape, values.map { Float($0) }) }

    /// Element of an activation.
    subscript(n: Int, y: Int, x: Int, c: Int) -> Double {
        values[((n * shape.height + y) * shape.width + x) * shape.channels + c]
    }
}
