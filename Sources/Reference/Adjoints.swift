internal import Network
internal import Tensor

/// For every element of a tensor of shape `shape` the index of the element of a smaller tensor that belongs to it, where
/// axes of extent 1 stand for all positions.
private func smallerIndices(_ smaller: Shape, in shape: Shape) -> [Int] {
    (0..<shape.count).map { index in
        var (rest, result, stride) = (index, 0, 1)
        for axis in (0..<shape.rank).reversed() {
            let position = rest % shape[axis]
            rest /= shape[axis]
            result += (smaller[axis] == 1 ? 0 : position) * stride
            stride *= smaller[axis]
        }
        return result
    }
}

func summed(_ x: PreciseTensor, _ shape: Shape) -> PreciseTensor {
    var result = [Double](repeating: 0, count: shape.count)
    for (source, target) in smallerIndices(shape, in: x.shape).enumerated() { result[target] += x.values[source] }
    return PreciseTensor(shape, result)
}

func repeated(_ x: PreciseTensor, _ shape: Shape) -> PreciseTensor {
    PreciseTensor(shape, smallerIndices(x.shape, in: shape).map { x.values[$0] })
}

func permuted(_ x: PreciseTensor, _ permutation: [Int], _ shape: Shape) -> PreciseTensor {
    var strides = [Int](repeating: 1, count: shape.rank)
    for axis in (0..<max(0, shape.rank - 1)).reversed() { strides[axis] = strides[axis + 1] * x.shape[axis + 1] }
    let values = (0..<shape.count).map { index in
        var (rest, source) = (index, 0)
        for axis in (0..<shape.rank).reversed() {
            source += rest % shape[axis] * strides[permutation[axis]]
            rest /= shape[axis]
        }
        return x.values[source]
    }
    return PreciseTensor(shape, values)
}

func multiplyMatrices(
    _ a: PreciseTensor, _ b: PreciseTensor, _ transposeLeft: Bool, _ transposeRight: Bool, _ shape: Shape
) -> PreciseTensor {
    let (rows, depth) = matrixExtents(a.shape, transposed: transposeLeft)
    let columns = shape[shape.rank - 1]
    var result: [Double] = []
    result.reserveCapacity(shape.count)
    for matrix in 0..<(shape.count / max(1, rows * columns)) {
        let (left, right) = (matrix * rows * depth, matrix * depth * columns)
        for row in 0..<rows {
            for column in 0..<columns {
                var sum = 0.0
                for k in 0..<depth {
                    sum +=
                        a.values[left + (transposeLeft ? k * rows + row : row * depth + k)]
                        * b.values[right + (transposeRight ? column * depth + k : k * columns + column)]
                }
                result.append(sum)
            }
        }
    }
    return PreciseTensor(shape, result)
}

/// The adjoint of a gathering operation: pixel (row, column) of x is added to the pixels that it was read from, times
/// their weights.
func scatter(
    _ x: PreciseTensor, _ shape: Shape, _ sources: (_ row: Int, _ column: Int) -> [(Int, Int, Double)]
) -> PreciseTensor {
    var result = [Double](repeating: 0, count: shape.count)
    for row in 0..<x.shape.height {
        for column in 0..<x.shape.width {
            for (y, z, weight) in sources(row, column) {
                for n in 0..<shape.batch {
                    for channel in 0..<shape.channels {
                        result[((n * shape.height + y) * shape.width + z) * shape.channels + channel] +=
                            weight * x[n, row, column, channel]
                    }
                }
            }
        }
    }
    return PreciseTensor(shape, result)
}
