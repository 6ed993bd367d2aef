internal import Network
internal import Tensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

extension Operation {
    /// The operation's meaning: its result of shape `shape` on these operands.
    func evaluate(_ operands: [PreciseTensor], shape: Shape) -> PreciseTensor {
        switch self {
        case .input, .parameter:
            preconditionFailure("leaves are not evaluated")
        case .constant(let values):
            return PreciseTensor(shape, (0..<shape.count).map { Double(values[values.count == 1 ? 0 : $0]) })
        case .convolution(let window):
            return convolve(
                operands[0], operands[1], operands.count == 3 ? operands[2] : nil, window, shape)
        case .pointwise(let function):
            let row = function.row
            if operands.count == 1 { return PreciseTensor(shape, operands[0].values.map { row.value($0) }) }
            return elementwise(operands, shape) { row.value($0, $1) }
        case .concatenate:
            return joinChannels(operands, shape: shape)
        case .sliceChannels(let start, _):
            return gather(operands[0], shape) { x, n, row, column, channel in x[n, row, column, start + channel] }
        case .upsampleNearest(let factor):
            return gather(operands[0], shape) { x, n, row, column, channel in
                x[n, row / factor, column / factor, channel]
            }
        case .pixelShuffle(let factor):
            return gather(operands[0], shape) { x, n, row, column, channel in
                x[n, row / factor, column / factor, (channel * factor + row % factor) * factor + column % factor]
            }
        case .pixelUnshuffle(let factor):
            return gather(operands[0], shape) { x, n, row, column, channel in
                let (dy, dx) = (channel / factor % factor, channel % factor)
                return x[n, row * factor + dy, column * factor + dx, channel / (factor * factor)]
            }
        case .crop(let margins):
            return gather(operands[0], shape) { x, n, row, column, channel in
                x[n, row + margins.top, column + margins.left, channel]
            }
        case .pad(let margins, let mode):
            return gather(operands[0], shape) { x, n, row, column, channel in
                let (y, z) = (row - margins.top, column - margins.left)
                switch mode {
                case .zero:
                    let inside = (0..<x.shape.height).contains(y) && (0..<x.shape.width).contains(z)
                    return inside ? x[n, y, z, channel] : 0
                case .reflect:
                    return x[n, reflect(y, x.shape.height), reflect(z, x.shape.width), channel]
                }
            }
        case .resize(_, _, let filter):
            return resample(operands[0], shape, filter)
        case .convolutionTranspose(let window, _, _):
            return convolveTransposed(operands[0], operands[1], window, shape)
        case .convolutionWeightGradient(let window, _, _):
            return correlate(operands[0], operands[1], window, shape)
        case .sum:
            return summed(operands[0], shape)
        case .mean:
            let count = Double(max(1, operands[0].values.count / max(1, shape.count)))
            return PreciseTensor(shape, summed(operands[0], shape).values.map { $0 / count })
        case .broadcast:
            return repeated(operands[0], shape)
        case .reshape:
            return PreciseTensor(shape, operands[0].values)
        case .transpose(let permutation):
            return permuted(operands[0], permutation, shape)
        case .product(let transposeLeft, let transposeRight):
            return multiplyMatrices(operands[0], operands[1], transposeLeft, transposeRight, shape)
        case .sumPool(let factor):
            return scatter(operands[0], shape) { row, column in [(row / factor, column / factor, 1)] }
        case .resizeAdjoint(_, _, let filter):
            let rows = (0..<operands[0].shape.height).map {
                taps(filter, $0, from: shape.height, to: operands[0].shape.height)
            }
            let columns = (0..<operands[0].shape.width).map {
                taps(filter, $0, from: shape.width, to: operands[0].shape.width)
            }
            return scatter(operands[0], shape) { row, column in
                rows[row].flatMap { (y, a) in columns[column].map { (z, b) in (y, z, a * b) } }
            }
        case .padAdjoint(let margins, let mode):
            return scatter(operands[0], shape) { row, column in
                let (y, z) = (row - margins.top, column - margins.left)
                switch mode {
                case .zero:
                    return (0..<shape.height).contains(y) && (0..<shape.width).contains(z) ? [(y, z, 1)] : []
                case .reflect:
                    return [(reflect(y, shape.height), reflect(z, shape.width), 1)]
                }
            }
        case .detach, .again:
            return operands[0]
        case .sample(let filter, let border):
            return sampled(operands[0], operands[1], filter, border, shape)
        case .sampleAdjoint(_, _, let border):
            return sampledAdjoint(operands[0], operands[1], border, shape)
        }
    }
}

/// Fills a tensor of shape `shape` element by element.
private func gather(_ x: PreciseTensor, _ shape: Shape, _ element: (PreciseTensor, Int, Int, Int, Int) -> Double)
    -> PreciseTensor
{
    var values: [Double] = []
    values.reserveCapacity(shape.count)
    for n in 0..<shape.batch {
        for row in 0..<shape.height {
            for column in 0..<shape.width {
                for channel in 0..<shape.channels {
                    values.append(element(x, n, row, column, channel))
                }
            }
        }
    }
    return PreciseTensor(shape, values)
}

/// `body` on every element of the first operand and its partner in the second: the same place, the same channel of a
/// vector `[C]`, or the one element of `[1]`.
private func elementwise(_ operands: [PreciseTensor], _ shape: Shape, _ body: (Double, Double) -> Double)
    -> PreciseTensor
{
    let (a, b) = (operands[0].values, operands[1].values)
    return PreciseTensor(shape, a.indices.map { body(a[$0], b[$0 % b.count]) })
}

private func joinChannels(_ operands: [PreciseTensor], shape: Shape) -> PreciseTensor {
    var values: [Double] = []
    values.reserveCapacity(shape.count)
    for pixel in 0..<(shape.batch * shape.height * shape.width) {
        for operand in operands {
            let channels = operand.shape.channels
            values += operand.values[pixel * channels..<(pixel + 1) * channels]
        }
    }
    return PreciseTensor(shape, values)
}

/// The sample that a mirror without edge repetition shows at `index` of a side of `count` samples.
func reflect(_ index: Int, _ count: Int) -> Int {
    if count == 1 { return 0 }
    let period = 2 * (count - 1)
    let phase = ((index % period) + period) % period
    return phase < count ? phase : period - phase
}

/// The samples of one side that make up target sample `index`, with their weights.
func taps(_ filter: ResizeFilter, _ index: Int, from count: Int, to target: Int) -> [(
    index: Int, weight: Double
)] {
    let step = Double(count) / Double(target)
    let centre = (Double(index) + 0.5) * step - 0.5
    let base = Int(centre.rounded(.down))
    let fraction = centre - Double(base)
    func clamped(_ index: Int) -> Int { min(max(index, 0), count - 1) }
    switch filter {
    case .nearest:
        // Exact integer arithmetic: floor(index * count / target).
        return [(clamped(index * count / target), 1)]
    case .bilinear:
        return [(clamped(base), 1 - fraction), (clamped(base + 1), fraction)]
    case .bicubic:
        let a = -0.75
        func near(_ x: Double) -> Double { ((a + 2) * x - (a + 3)) * x * x + 1 }
        func far(_ x: Double) -> Double { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
        return [
            (clamped(base - 1), far(1 + fraction)), (clamped(base), near(fraction)),
            (clamped(base + 1), near(1 - fraction)), (clamped(base + 2), far(2 - fraction)),
        ]
    }
}

private func resample(_ x: PreciseTensor, _ shape: Shape, _ filter: ResizeFilter) -> PreciseTensor {
    let rows = (0..<shape.height).map { taps(filter, $0, from: x.shape.height, to: shape.height) }
    let columns = (0..<shape.width).map { taps(filter, $0, from: x.shape.width, to: shape.width) }
    return gather(x, shape) { x, n, row, column, channel in
        var sum = 0.0
        for (y, rowWeight) in rows[row] {
            for (z, columnWeight) in columns[column] {
                sum += rowWeight * columnWeight * x[n, y, z, channel]
            }
        }
        return sum
    }
}
