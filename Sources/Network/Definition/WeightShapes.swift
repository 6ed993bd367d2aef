public import Tensor

extension WeightExpression {
    /// The expression's shape for a file whose tensors have these shapes; nothing is read for it.
    ///
    /// - Throws: `WeightRuleError` for tensors that are missing or do not fit. What it returns can be evaluated.
    public func shape(_ file: [String: Shape]) throws(WeightRuleError) -> Shape {
        switch self {
        case .tensor(let name):
            guard let shape = file[name] else { throw .missing(tensor: name) }
            return shape
        case .constant(let values, let shape):
            guard let count = shape.checkedCount, values.count == 1 || values.count == count else {
                throw .mismatch(reason: "\(values.count) numbers for \(shape)")
            }
            return shape
        case .permuted(let x, let order):
            let shape = try x.shape(file)
            guard order.sorted() == Array(0..<shape.rank) else {
                throw .mismatch(reason: "\(order) is no order of the axes of \(shape)")
            }
            return Shape(order.map { shape[$0] })
        case .reshaped(let x, let target):
            let shape = try x.shape(file)
            guard shape.checkedCount != nil, shape.checkedCount == target.checkedCount else {
                throw .mismatch(reason: "\(shape) cannot be seen as \(target)")
            }
            return target
        case .flipped(let x, let axes):
            let shape = try x.shape(file)
            for axis in axes { try expect(axis, in: shape) }
            return shape
        case .sliced(let x, let axis, let range):
            let shape = try x.shape(file)
            try expect(axis, in: shape)
            guard range.lowerBound >= 0, range.upperBound <= shape[axis] else {
                throw .mismatch(reason: "\(range) of axis \(axis) of \(shape)")
            }
            return shape.with(range.count, at: axis)
        case .concatenated(let list, let axis): return try concatenation(list, axis, file)
        case .sum(let list):
            guard let shape = try list.first?.shape(file) else { throw .mismatch(reason: "a sum of nothing") }
            for other in list.dropFirst() { try other.expect(shape, file, "the first term") }
            return shape
        case .scaled(let x, let factor, let axis):
            let shape = try x.shape(file)
            if let axis {
                try expect(axis, in: shape)
                try factor.expect([shape[axis]], file, "axis \(axis) of \(shape)")
            } else {
                let number = try factor.shape(file)
                guard number.checkedCount == 1 else { throw .mismatch(reason: "\(number) is not one number") }
            }
            return shape
        case .centred(let x, let height, let width):
            let shape = try x.kernel(file)
            guard (1...Self.largestKernel).contains(height), (1...Self.largestKernel).contains(width),
                height >= shape[2], width >= shape[3], (height - shape[2]) % 2 == 0, (width - shape[3]) % 2 == 0
            else { throw .mismatch(reason: "\(shape) does not lie in the middle of \(height)x\(width)") }
            return try checked([shape[0], shape[1], height, width])
        case .chained(let first, let second, let part):
            let (a, b) = (try first.shape(file), try second.shape(file))
            guard b[1] == a[0] else {
                throw .mismatch(reason: "a convolution \(b) reads \(b[1]) channels of one with \(a[0])")
            }
            let shape = try checked([b[0], a[1], a[2] + b[2] - 1, a[3] + b[3] - 1])
            return part == .weight ? shape : [b[0]]
        case .batchNormalised(let layer, let statistics, let part):
            let shape = try layer.shape(file)
            for vector in statistics.vectors { try vector.expect([shape[0]], file, "the convolution's channels") }
            return part == .weight ? shape : [shape[0]]
        case .spectrallyNormalised(let x, let u, let v):
            let shape = try x.shape(file)
            guard shape.rank >= 1, shape[0] > 0, let count = shape.checkedCount else {
                throw .mismatch(reason: "\(shape) is no matrix")
            }
            try u.expect([shape[0]], file, "the rows of \(shape)")
            try v.expect([count / shape[0]], file, "the columns of \(shape)")
            return shape
        }
    }

    /// Sides that are more than any kernel has; products with them fit an `Int`.
    private static let largestKernel = 1024

    private func expect(_ axis: Int, in shape: Shape) throws(WeightRuleError) {
        guard (0..<shape.rank).contains(axis) else { throw .mismatch(reason: "\(shape) has no axis \(axis)") }
    }

    fileprivate func expect(_ shape: Shape, _ file: [String: Shape], _ what: String) throws(WeightRuleError) {
        let found = try self.shape(file)
        guard found == shape else { throw .mismatch(reason: "\(found) does not fit \(what), which is \(shape)") }
    }

    private func checked(_ shape: Shape) throws(WeightRuleError) -> Shape {
        guard shape.checkedCount != nil else { throw .mismatch(reason: "\(shape) is too large") }
        return shape
    }

    /// The shape of a convolution's weight.
    fileprivate func kernel(_ file: [String: Shape]) throws(WeightRuleError) -> Shape {
        let shape = try shape(file)
        guard shape.rank == 4, shape.checkedCount != nil, !shape.dimensions.contains(0),
            max(shape[2], shape[3]) <= Self.largestKernel
        else { throw .mismatch(reason: "\(shape) is no weight [O, I, kH, kW]") }
        return shape
    }

    private func concatenation(
        _ list: [WeightExpression], _ axis: Int, _ file: [String: Shape]
    ) throws(WeightRuleError) -> Shape {
        guard let first = try list.first?.shape(file) else { throw .mismatch(reason: "nothing to concatenate") }
        try expect(axis, in: first)
        var extent = first[axis]
        for other in list.dropFirst() {
            let shape = try other.shape(file)
            guard shape.rank == first.rank, shape.with(0, at: axis) == first.with(0, at: axis) else {
                throw .mismatch(reason: "\(shape) cannot follow \(first) along axis \(axis)")
            }
            let (sum, overflow) = extent.addingReportingOverflow(shape[axis])
            guard !overflow else { throw .mismatch(reason: "\(shape) is too large") }
            extent = sum
        }
        return try checked(first.with(extent, at: axis))
    }
}

extension WeightedLayer {
    /// The weight's shape; checks the bias against it.
    fileprivate func shape(_ file: [String: Shape]) throws(WeightRuleError) -> Shape {
        let shape = try weight.kernel(file)
        try bias?.expect([shape[0]], file, "the channels of \(shape)")
        return shape
    }
}

extension Shape {
    /// The same shape with another extent along one axis.
    fileprivate func with(_ extent: Int, at axis: Int) -> Shape {
        var dimensions = self.dimensions
        dimensions[axis] = extent
        return Shape(dimensions)
    }
}
