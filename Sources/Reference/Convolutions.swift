internal import Network
internal import Tensor

// Convolution is linear in x and in its weight: with g of the result's shape, the sum of g * convolution(x, w) is a form
// of three tensors. Each of the three operations is that form with one of them left out.

/// Every product x[source] * w[tap] that goes into g[target], as indices into the three.
private func forEachProduct(
    x: Shape, weight: Shape, g: Shape, _ window: ConvolutionWindow,
    _ body: (_ x: Int, _ weight: Int, _ g: Int) -> Void
) {
    let (groupInputs, kernelHeight, kernelWidth) = (weight[1], weight[2], weight[3])
    let groupOutputs = g.channels / window.groups
    for n in 0..<g.batch {
        for row in 0..<g.height {
            for column in 0..<g.width {
                for output in 0..<g.channels {
                    let target = ((n * g.height + row) * g.width + column) * g.channels + output
                    let firstInput = output / groupOutputs * groupInputs
                    for ky in 0..<kernelHeight {
                        let y = row * window.stride + ky * window.dilation - window.margins.top
                        if y < 0 || y >= x.height { continue }
                        for kx in 0..<kernelWidth {
                            let z = column * window.stride + kx * window.dilation - window.margins.left
                            if z < 0 || z >= x.width { continue }
                            let source = ((n * x.height + y) * x.width + z) * x.channels + firstInput
                            let tap = (output * groupInputs * kernelHeight + ky) * kernelWidth + kx
                            for input in 0..<groupInputs {
                                body(source + input, tap + input * kernelHeight * kernelWidth, target)
                            }
                        }
                    }
                }
            }
        }
    }
}

func convolve(
    _ x: PreciseTensor, _ weight: PreciseTensor, _ bias: PreciseTensor?, _ window: ConvolutionWindow, _ shape: Shape
) -> PreciseTensor {
    var result = (0..<shape.count).map { bias?.values[$0 % shape.channels] ?? 0 }
    forEachProduct(x: x.shape, weight: weight.shape, g: shape, window) {
        result[$2] += x.values[$0] * weight.values[$1]
    }
    return PreciseTensor(shape, result)
}

func convolveTransposed(
    _ g: PreciseTensor, _ weight: PreciseTensor, _ window: ConvolutionWindow, _ shape: Shape
) -> PreciseTensor {
    var result = [Double](repeating: 0, count: shape.count)
    forEachProduct(x: shape, weight: weight.shape, g: g.shape, window) {
        result[$0] += g.values[$2] * weight.values[$1]
    }
    return PreciseTensor(shape, result)
}

func correlate(
    _ x: PreciseTensor, _ g: PreciseTensor, _ window: ConvolutionWindow, _ shape: Shape
) -> PreciseTensor {
    var result = [Double](repeating: 0, count: shape.count)
    forEachProduct(x: x.shape, weight: shape, g: g.shape, window) {
        result[$1] += x.values[$0] * g.values[$2]
    }
    return PreciseTensor(shape, result)
}
