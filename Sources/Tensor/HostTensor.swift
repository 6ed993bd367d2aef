/// A dense, row-major tensor of 32-bit floats in host memory.
///
/// A value type: copies share storage until one of them is written (Swift's array semantics). Other element types exist
/// only in files and on devices; they are converted at those doors.
public struct HostTensor: Equatable, Sendable {
    public let shape: Shape
    /// The elements, last axis fastest; always `shape.count` of them. (No observer checks that: it would copy the array at
    /// every write.)
    public var values: [Float]

    /// - Precondition: `values.count == shape.count`.
    public init(_ shape: Shape, _ values: [Float]) {
        precondition(values.count == shape.count, "\(values.count) values for shape \(shape)")
        self.shape = shape
        self.values = values
    }

    public init(_ shape: Shape, repeating value: Float = 0) {
        self.init(shape, [Float](repeating: value, count: shape.count))
    }

    /// Lends the elements for writing, without a copy when this is their only owner.
    public mutating func withUnsafeMutableValues<R>(_ body: (UnsafeMutableBufferPointer<Float>) throws -> R) rethrows
        -> R
    {
        try values.withUnsafeMutableBufferPointer { try body($0) }
    }

    public func withUnsafeValues<R>(_ body: (UnsafeBufferPointer<Float>) throws -> R) rethrows -> R {
        try values.withUnsafeBufferPointer { try body($0) }
    }

    /// The same elements, seen with other extents.
    /// - Precondition: the counts agree.
    public func reshaped(_ shape: Shape) -> HostTensor { HostTensor(shape, values) }

    /// Element of an activation; for tests and plain code, not for inner loops.
    public subscript(n: Int, y: Int, x: Int, c: Int) -> Float {
        get { values[((n * shape.height + y) * shape.width + x) * shape.channels + c] }
        set { values[((n * shape.height + y) * shape.width + x) * shape.channels + c] = newValue }
    }
}
