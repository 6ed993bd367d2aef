public import Tensor

extension Shape {
    /// The extent of the last axis; 1 for a scalar without axes.
    public var lastExtent: Int { dimensions.last ?? 1 }
}

extension Operation {
    /// The shape rules of the operations that only training uses.
    func trainingShape(_ operands: [Shape]) -> Result<Shape, GraphError> {
        func fail(_ reason: String) -> Result<Shape, GraphError> {
            .failure(GraphError(operation: name, operands: operands, reason: reason))
        }
        /// The operands, or nothing when there are not `count` of them (of rank `rank`).
        func take(_ count: Int, rank: Int? = nil) -> [Shape]? {
            operands.count == count && operands.allSatisfy { rank == nil || $0.rank == rank } ? operands : nil
        }
        /// What `convolution` makes of these.
        func convolved(_ x: Shape, _ weight: Shape, _ window: ConvolutionWindow) -> Shape? {
            try? Operation.convolution(window).resultShape([x, weight]).get()
        }

        switch self {
        case .convolutionTranspose(let window, let height, let width):
            guard let shapes = take(2, rank: 4), window.groups >= 1, height >= 1, width >= 1 else {
                return fail("expects g [N, h, w, O], weight [O, I/groups, kH, kW] and sizes >= 1")
            }
            let result = Shape.nhwc(shapes[0].batch, height, width, shapes[1][1] * window.groups)
            guard convolved(result, shapes[1], window) == shapes[0] else {
                return fail("the convolution of \(result) has not g's shape")
            }
            return .success(result)

        case .convolutionWeightGradient(let window, let kernelHeight, let kernelWidth):
            guard let shapes = take(2, rank: 4), window.groups >= 1, shapes[0].channels % window.groups == 0 else {
                return fail("expects x [N, H, W, I] and g [N, h, w, O]")
            }
            let weight: Shape = [shapes[1].channels, shapes[0].channels / window.groups, kernelHeight, kernelWidth]
            guard convolved(shapes[0], weight, window) == shapes[1] else {
                return fail("the convolution of x with \(weight) has not g's shape")
            }
            return .success(weight)

        case .sum(let target), .mean(let target):
            guard let x = take(1)?[0], x.rank == target.rank,
                zip(x.dimensions, target.dimensions).allSatisfy({ $0 == $1 || $1 == 1 })
            else { return fail("cannot be reduced to \(target)") }
            return .success(target)

        case .broadcast(let target):
            guard let x = take(1)?[0], x.rank == target.rank,
                zip(x.dimensions, target.dimensions).allSatisfy({ $0 == $1 || $0 == 1 })
            else { return fail("cannot be repeated to \(target)") }
            return .success(target)

        case .reshape(let target):
            guard let x = take(1)?[0], x.count == target.count else { return fail("cannot be seen as \(target)") }
            return .success(target)

        case .transpose(let permutation):
            guard let x = take(1)?[0], permutation.sorted() == Array(0..<x.rank) else {
                return fail("\(permutation) is no order of the axes")
            }
            return .success(Shape(permutation.map { x[$0] }))

        case .product(let transposeLeft, let transposeRight):
            guard let shapes = take(2), shapes[0].rank >= 2, shapes[0].rank == shapes[1].rank,
                shapes[0].dimensions.dropLast(2) == shapes[1].dimensions.dropLast(2)
            else { return fail("expects two stacks of matrices of equal number") }
            let (m, k) = matrixExtents(shapes[0], transposed: transposeLeft)
            let (l, n) = matrixExtents(shapes[1], transposed: transposeRight)
            guard k == l else { return fail("\(k) columns against \(l) rows") }
            return .success(Shape(shapes[0].dimensions.dropLast(2) + [m, n]))

        case .sumPool(let factor):
            guard let x = take(1, rank: 4)?[0], factor >= 1, x.height % factor == 0, x.width % factor == 0 else {
                return fail("expects one activation with height and width multiples of \(factor)")
            }
            return .success(.nhwc(x.batch, x.height / factor, x.width / factor, x.channels))

        case .resizeAdjoint(let height, let width, _):
            guard let x = take(1, rank: 4)?[0], height >= 1, width >= 1 else {
                return fail("expects one activation, sizes >= 1")
            }
            return .success(.nhwc(x.batch, height, width, x.channels))

        case .padAdjoint(let margins, _):
            return Operation.crop(margins).resultShape(operands)

        case .sample, .sampleAdjoint:
            guard let shapes = take(2, rank: 4), shapes[1].channels == 2, shapes[0].batch == shapes[1].batch else {
                return fail("expects one activation and positions [N, h, w, 2] of the same batch")
            }
            let (x, positions) = (shapes[0], shapes[1])
            guard case .sampleAdjoint(let height, let width, _) = self else {
                guard x.height >= 1, x.width >= 1 else { return fail("expects an image with pixels") }
                return .success(.nhwc(x.batch, positions.height, positions.width, x.channels))
            }
            guard x.height == positions.height, x.width == positions.width, height >= 1, width >= 1 else {
                return fail("expects a position for each pixel, and sizes >= 1")
            }
            return .success(.nhwc(x.batch, height, width, x.channels))

        default:
            preconditionFailure("\(name) has its rule with those of inference")
        }
    }
}

/// Rows and columns of the matrices of a stack, as they are multiplied.
public func matrixExtents(_ shape: Shape, transposed: Bool) -> (rows: Int, columns: Int) {
    let (a, b) = (shape[shape.rank - 2], shape[shape.rank - 1])
    return transposed ? (b, a) : (a, b)
}
