internal import Network
internal import Tensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

extension Operation {
    /// The operation's meaning: its result of shape `shape` on these operands.
    func evaluate(_ operands: [HostTensor], shape: Shape) -> HostTensor {
        switch self {
        case .input, .parameter:
            preconditionFailure("leaves are not evaluated")
        case .convolution(let stride, let padding, let groups):
            return convolve(
                operands[0], operands[1], operands.count == 3 ? operands[2] : nil, stride: stride, padding: padding,
                groups: groups, shape: shape)
        case .add:
            return pointwise(operands, shape) { $0 + $1 }
        case .multiply:
            return pointwise(operands, shape) { $0 * $1 }
        case .prelu:
            return pointwise(operands, shape) { $0 < 0 ? $1 * $0 : $0 }
        case .affine(let scale, let offset):
            return HostTensor(shape, operands[0].values.map { Float(Double($0) * Double(scale) + Double(offset)) })
        case .activation(let activation):
            return HostTensor(shape, operands[0].values.map { Float(activation.value(Double($0))) })
        case .clamp(let low, let high):
            return HostTensor(shape, operands[0].values.map { min(max($0, low), high) })
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
        }
    }
}

/// Fills a tensor of shape `shape` element by element.
private func gather(_ x: HostTensor, _ shape: Shape, _ element: (HostTensor, Int, Int, Int, Int) -> Float) -> HostTensor
{
    var values: [Float] = []
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
    return HostTensor(shape, values)
}

/// `body` on every element of the first operand and its partner in the second: the same place, the same channel of a
/// vector `[C]`, or the one element of `[1]`.
private func pointwise(_ operands: [HostTensor], _ shape: Shape, _ body: (Double, Double) -> Double) -> HostTensor {
    let (a, b) = (operands[0].values, operands[1].values)
    return HostTensor(shape, a.indices.map { Float(body(Double(a[$0]), Double(b[$0 % b.count]))) })
}

private func joinChannels(_ operands: [HostTensor], shape: Shape) -> HostTensor {
    var values: [Float] = []
    values.reserveCapacity(shape.count)
    for pixel in 0..<(shape.batch * shape.height * shape.width) {
        for operand in operands {
            let channels = operand.shape.channels
            values += operand.values[pixel * channels..<(pixel + 1) * channels]
        }
    }
    return HostTensor(shape, values)
}

/// The sample that a mirror without edge repetition shows at `index` of a side of `count` samples.
private func reflect(_ index: Int, _ count: Int) -> Int {
    if count == 1 { return 0 }
    let period = 2 * (count - 1)
    let phase = ((index % period) + period) % period
    return phase < count ? phase : period - phase
}

private func convolve(
    _ x: HostTensor, _ weight: HostTensor, _ bias: HostTensor?, stride: Int, padding: Int, groups: Int, shape: Shape
) -> HostTensor {
    let (kernelHeight, kernelWidth) = (weight.shape[2], weight.shape[3])
    let groupInputs = weight.shape[1]
    let groupOutputs = shape.channels / groups
    // Weights as [O, kH, kW, I], so that the inner sum runs over neighbours in memory.
    let taps = kernelHeight * kernelWidth
    var kernel = [Double](repeating: 0, count: weight.values.count)
    for output in 0..<shape.channels {
        for input in 0..<groupInputs {
            for tap in 0..<taps {
                kernel[(output * taps + tap) * groupInputs + input] =
                    Double(weight.values[(output * groupInputs + input) * taps + tap])
            }
        }
    }
    var result = HostTensor(shape)
    x.withUnsafeValues { samples in
        kernel.withUnsafeBufferPointer { kernel in
            result.withUnsafeMutableValues { result in
                var index = 0
                for n in 0..<shape.batch {
                    for row in 0..<shape.height {
                        for column in 0..<shape.width {
                            for output in 0..<shape.channels {
                                var sum = bias.map { Double($0.values[output]) } ?? 0
                                let firstInput = output / groupOutputs * groupInputs
                                for ky in 0..<kernelHeight {
                                    let y = row * stride + ky - padding
                                    if y < 0 || y >= x.shape.height { continue }
                                    for kx in 0..<kernelWidth {
                                        let z = column * stride + kx - padding
                                        if z < 0 || z >= x.shape.width { continue }
                                        let source =
                                            ((n * x.shape.height + y) * x.shape.width + z) * x.shape.channels
                                            + firstInput
                                        let taps = (output * taps + ky * kernelWidth + kx) * groupInputs
                                        for input in 0..<groupInputs {
                                            sum += Double(samples[source + input]) * kernel[taps + input]
                                        }
                                    }
                                }
                                result[index] = Float(sum)
                                index += 1
                            }
                        }
                    }
                }
            }
        }
    }
    return result
}

extension Activation {
    fileprivate func value(_ x: Double) -> Double {
        switch self {
        case .leakyReLU(let slope): x < 0 ? Double(slope) * x : x
        case .sigmoid: 1 / (1 + exp(-x))
        case .silu: x / (1 + exp(-x))
        case .tanh: 1 - 2 / (1 + exp(2 * x))
        }
    }
}

/// The samples of one side that make up target sample `index`, with their weights.
private func taps(_ filter: ResizeFilter, _ index: Int, from count: Int, to target: Int) -> [(
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

private func resample(_ x: HostTensor, _ shape: Shape, _ filter: ResizeFilter) -> HostTensor {
    let rows = (0..<shape.height).map { taps(filter, $0, from: x.shape.height, to: shape.height) }
    let columns = (0..<shape.width).map { taps(filter, $0, from: x.shape.width, to: shape.width) }
    return gather(x, shape) { x, n, row, column, channel in
        var sum = 0.0
        for (y, rowWeight) in rows[row] {
            for (z, columnWeight) in columns[column] {
                sum += rowWeight * columnWeight * Double(x[n, y, z, channel])
            }
        }
        return Float(sum)
    }
}
