internal import Network
internal import Tensor

// The numbers of weight expressions, computed in double precision and rounded once.

extension WeightExpression {
    /// The expression's value.
    ///
    /// - Precondition: `shape` takes the tensors' shapes, and `file` holds all of `tensors`.
    func value(_ file: [String: HostTensor]) -> HostTensor {
        // The usual case: nothing is computed.
        if case .tensor(let name) = self { return file[name]! }
        let result = evaluated(file)
        return HostTensor(result.shape, result.values.map { Float($0) })
    }

    fileprivate func evaluated(_ file: [String: HostTensor]) -> DoubleTensor {
        switch self {
        case .tensor(let name):
            let tensor = file[name]!
            return DoubleTensor(tensor.shape, tensor.values.map { Double($0) })
        case .constant(let values, let shape):
            let numbers = values.map { Double($0) }
            return DoubleTensor(
                shape, values.count == shape.count ? numbers : Array(repeating: numbers[0], count: shape.count))
        case .permuted(let x, let order):
            let x = x.evaluated(file)
            let steps = x.shape.steps
            return x.gathered(Shape(order.map { x.shape[$0] }), steps: order.map { steps[$0] })
        case .reshaped(let x, let shape): return DoubleTensor(shape, x.evaluated(file).values)
        case .flipped(let x, let axes):
            let x = x.evaluated(file)
            var (steps, first) = (x.shape.steps, 0)
            for axis in Set(axes) {
                first += max(x.shape[axis] - 1, 0) * steps[axis]
                steps[axis] = -steps[axis]
            }
            return x.gathered(x.shape, steps: steps, first: first)
        case .sliced(let x, let axis, let range):
            let x = x.evaluated(file)
            var dimensions = x.shape.dimensions
            dimensions[axis] = range.count
            let steps = x.shape.steps
            return x.gathered(Shape(dimensions), steps: steps, first: range.lowerBound * steps[axis])
        case .concatenated(let list, let axis): return .joined(list.map { $0.evaluated(file) }, axis)
        case .sum(let list):
            var sum = list[0].evaluated(file)
            for other in list.dropFirst() {
                for (index, value) in other.evaluated(file).values.enumerated() { sum.values[index] += value }
            }
            return sum
        case .scaled(let x, let factor, let axis):
            return x.evaluated(file).scaled(factor.evaluated(file).values, along: axis)
        case .centred(let x, let height, let width): return x.evaluated(file).centred(height, width)
        case .chained(let first, let second, let part):
            return part == .weight
                ? chainedWeight(first.weight.evaluated(file), second.weight.evaluated(file))
                : chainedBias(first, second, file)
        case .batchNormalised(let layer, let statistics, let part):
            return normalised(layer, statistics, part, file)
        case .spectrallyNormalised(let x, let u, let v):
            let (x, u, v) = (x.evaluated(file), u.evaluated(file).values, v.evaluated(file).values)
            var sigma = 0.0
            for (row, weight) in u.enumerated() {
                for (column, other) in v.enumerated() { sigma += weight * x.values[row * v.count + column] * other }
            }
            return x.scaled([1 / sigma], along: nil)
        }
    }
}

/// A dense, row-major tensor in double precision.
private struct DoubleTensor {
    let shape: Shape
    var values: [Double]

    init(_ shape: Shape, _ values: [Double]) { (self.shape, self.values) = (shape, values) }

    /// The elements from `first` on that lie `steps` apart along the axes of the result.
    func gathered(_ target: Shape, steps: [Int], first: Int = 0) -> DoubleTensor {
        var result: [Double] = []
        result.reserveCapacity(target.count)
        func add(_ axis: Int, _ offset: Int) {
            if axis == target.rank { return result.append(values[offset]) }
            for index in 0..<target[axis] { add(axis + 1, offset + index * steps[axis]) }
        }
        add(0, first)
        return DoubleTensor(target, result)
    }

    /// Times one number, or a vector along an axis.
    func scaled(_ factors: [Double], along axis: Int?) -> DoubleTensor {
        guard let axis else { return DoubleTensor(shape, values.map { $0 * factors[0] }) }
        let inner = shape.dimensions[(axis + 1)...].reduce(1, *)
        return DoubleTensor(shape, values.enumerated().map { $1 * factors[$0 / inner % factors.count] })
    }

    /// A kernel in the middle of a larger one.
    func centred(_ height: Int, _ width: Int) -> DoubleTensor {
        var result = [Double](repeating: 0, count: shape[0] * shape[1] * height * width)
        let (top, left) = ((height - shape[2]) / 2, (width - shape[3]) / 2)
        for pair in 0..<shape[0] * shape[1] {
            for y in 0..<shape[2] {
                for x in 0..<shape[3] {
                    result[(pair * height + top + y) * width + left + x] = values[(pair * shape[2] + y) * shape[3] + x]
                }
            }
        }
        return DoubleTensor([shape[0], shape[1], height, width], result)
    }

    /// One behind the other along an axis.
    static func joined(_ tensors: [DoubleTensor], _ axis: Int) -> DoubleTensor {
        let outer = tensors[0].shape.dimensions[..<axis].reduce(1, *)
        var result: [Double] = []
        for index in 0..<outer {
            for tensor in tensors {
                let block = tensor.values.count / max(outer, 1)
                result += tensor.values[index * block..<(index + 1) * block]
            }
        }
        var dimensions = tensors[0].shape.dimensions
        dimensions[axis] = tensors.reduce(0) { $0 + $1.shape[axis] }
        return DoubleTensor(Shape(dimensions), result)
    }
}

extension Shape {
    /// Elements from one index to the next along each axis.
    fileprivate var steps: [Int] {
        var (steps, step) = ([Int](repeating: 1, count: rank), 1)
        for axis in (0..<rank).reversed() {
            steps[axis] = step
            step *= dimensions[axis]
        }
        return steps
    }
}

/// `W[o, i, p + q] = sum over m, q of second[o, m, q] * first[m, i, p]`: what cross-correlation by the first and then by the
/// second weight does.
private func chainedWeight(_ first: DoubleTensor, _ second: DoubleTensor) -> DoubleTensor {
    let (a, b) = (first.shape, second.shape)
    let (height, width) = (a[2] + b[2] - 1, a[3] + b[3] - 1)
    var result = [Double](repeating: 0, count: b[0] * a[1] * height * width)
    for output in 0..<b[0] {
        for middle in 0..<b[1] {
            for y in 0..<b[2] {
                for x in 0..<b[3] {
                    let factor = second.values[((output * b[1] + middle) * b[2] + y) * b[3] + x]
                    for input in 0..<a[1] {
                        for row in 0..<a[2] {
                            let from = ((middle * a[1] + input) * a[2] + row) * a[3]
                            let to = ((output * a[1] + input) * height + y + row) * width + x
                            for column in 0..<a[3] { result[to + column] += factor * first.values[from + column] }
                        }
                    }
                }
            }
        }
    }
    return DoubleTensor([b[0], a[1], height, width], result)
}

/// `second.bias[o] + sum over m of first.bias[m] * (sum of second.weight[o, m])`
private func chainedBias(
    _ first: WeightedLayer, _ second: WeightedLayer, _ file: [String: HostTensor]
) -> DoubleTensor {
    let weight = second.weight.evaluated(file)
    let shape = weight.shape
    let inner = first.bias?.evaluated(file).values
    var bias = second.bias?.evaluated(file).values ?? [Double](repeating: 0, count: shape[0])
    let taps = shape[2] * shape[3]
    if let inner {
        for output in 0..<shape[0] {
            for middle in 0..<shape[1] {
                let start = (output * shape[1] + middle) * taps
                bias[output] += inner[middle] * weight.values[start..<start + taps].reduce(0, +)
            }
        }
    }
    return DoubleTensor([shape[0]], bias)
}

private func normalised(
    _ layer: WeightedLayer, _ statistics: BatchStatistics, _ part: LayerPart, _ file: [String: HostTensor]
) -> DoubleTensor {
    let (mean, variance) = (statistics.mean.evaluated(file).values, statistics.variance.evaluated(file).values)
    let weight = statistics.weight?.evaluated(file).values
    let factors = variance.indices.map { (weight?[$0] ?? 1) / (variance[$0] + statistics.epsilon).squareRoot() }
    if part == .weight { return layer.weight.evaluated(file).scaled(factors, along: 0) }
    let (before, after) = (layer.bias?.evaluated(file).values, statistics.bias?.evaluated(file).values)
    return DoubleTensor(
        [factors.count], factors.indices.map { ((before?[$0] ?? 0) - mean[$0]) * factors[$0] + (after?[$0] ?? 0) })
}
