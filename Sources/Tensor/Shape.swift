/// The extents of a dense, row-major tensor, outermost first.
///
/// Activations are `[N, H, W, C]` (batch, height, width, channels) everywhere in this package; convolution weights are
/// `[O, I, kH, kW]`, as the field's weight files store them.
public struct Shape: Hashable, Sendable, CustomStringConvertible, ExpressibleByArrayLiteral {
    public let dimensions: [Int]

    /// - Precondition: no extent is negative.
    public init(_ dimensions: [Int]) {
        precondition(dimensions.allSatisfy { $0 >= 0 }, "a tensor's extents cannot be negative: \(dimensions)")
        self.dimensions = dimensions
    }

    public init(arrayLiteral elements: Int...) { self.init(elements) }

    /// An activation's shape.
    public static func nhwc(_ batch: Int, _ height: Int, _ width: Int, _ channels: Int) -> Shape {
        Shape([batch, height, width, channels])
    }

    public var rank: Int { dimensions.count }
    /// The number of elements; 1 for a scalar.
    /// - Precondition: it fits an `Int`, see `checkedCount`.
    public var count: Int { dimensions.reduce(1, *) }
    /// The number of elements; nil where their bytes, as 64-bit numbers, would not fit an `Int`.
    public var checkedCount: Int? {
        var count = 1
        for extent in dimensions where count != 0 {
            let (product, overflow) = count.multipliedReportingOverflow(by: extent)
            if overflow { return dimensions.contains(0) ? 0 : nil }
            count = product
        }
        return count <= .max / 8 ? count : nil
    }
    public subscript(axis: Int) -> Int { dimensions[axis] }

    // The four names of an activation's axes.
    public var batch: Int { axis(0) }
    public var height: Int { axis(1) }
    public var width: Int { axis(2) }
    public var channels: Int { axis(3) }

    private func axis(_ index: Int) -> Int {
        precondition(rank == 4, "\(self) is not an activation [N, H, W, C]")
        return dimensions[index]
    }

    public var description: String { "[" + dimensions.map(String.init).joined(separator: ", ") + "]" }
}
