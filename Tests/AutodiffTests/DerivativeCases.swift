import Network
import Tensor

@testable import Autodiff

/// One case for each row of the table and each corner of it, and what networks are made of. All are curved somewhere or
/// squared, so that second derivatives are not all zero.
let derivativeCases: [DerivativeCase] = {
    var cases: [DerivativeCase] = []
    func add(
        _ name: String, _ shapes: [Shape], range: Range<Float> = -1..<1, kinks: [Float] = [0],
        _ body: @escaping @Sendable (inout GraphBuilder, [Value]) -> Value
    ) {
        cases.append(DerivativeCase(name, shapes, range: range, kinks: kinks, body))
    }
    /// Squared, so that its second derivative depends on the operation.
    func addLinear(_ name: String, _ shape: Shape, _ operation: Operation) {
        add(name, [shape]) { b, x in b.square(b.apply(operation, x[0])) }
    }
    let small = Shape.nhwc(2, 3, 4, 2)

    // Convolutions: every operand, the three forms.
    for (name, kernel, stride, padding, groups, input, output) in [
        ("3x3", (3, 3), 1, 1, 1, 2, 3), ("1x1", (1, 1), 1, 0, 1, 2, 3), ("4x4 stride 2", (4, 4), 2, 1, 1, 2, 3),
        ("3x3 stride 2", (3, 3), 2, 1, 1, 2, 2), ("5x1 padding 2", (5, 1), 1, 2, 1, 2, 2),
        ("3x3 stride 3 padding 0", (3, 3), 3, 0, 1, 1, 2), ("3x3 groups 2", (3, 3), 1, 1, 2, 4, 2),
        ("3x3 depthwise stride 2", (3, 3), 2, 1, 3, 3, 3),
    ] as [(String, (Int, Int), Int, Int, Int, Int, Int)] {
        let (height, width) = (5, 4)
        let weight: Shape = [output, input / groups, kernel.0, kernel.1]
        let operation = Operation.convolution(stride: stride, padding: padding, groups: groups)
        add("convolution \(name)", [.nhwc(2, height, width, input), weight, [output]]) { b, x in
            b.square(b.apply(operation, x[0], x[1], x[2]))
        }
        let result = Shape.nhwc(
            2, (height + 2 * padding - kernel.0) / stride + 1, (width + 2 * padding - kernel.1) / stride + 1, output)
        add("convolutionTranspose \(name)", [result, weight]) { b, x in
            b.square(
                b.apply(
                    .convolutionTranspose(
                        stride: stride, padding: padding, groups: groups, height: height, width: width), x[0], x[1]))
        }
        add("convolutionWeightGradient \(name)", [.nhwc(2, height, width, input), result]) { b, x in
            b.square(
                b.apply(
                    .convolutionWeightGradient(
                        stride: stride, padding: padding, groups: groups, kernelHeight: kernel.0,
                        kernelWidth: kernel.1), x[0], x[1]))
        }
    }

    for (name, window) in [
        ("dilation 2 stride 3", ConvolutionWindow(stride: 3, padding: 2, dilation: 2)),
        ("uneven margins", ConvolutionWindow(stride: 2, margins: Margins(top: 1, left: 2, bottom: 0, right: 3))),
    ] {
        add("convolution \(name)", [.nhwc(2, 7, 6, 2), [3, 2, 3, 3], [3]]) { b, x in
            b.square(b.apply(.convolution(window), x[0], x[1], x[2]))
        }
    }

    // Pointwise.
    for function in PointwiseFunction.Name.allCases.map(\.example) {
        let (operation, row) = (Operation.pointwise(function), function.row)
        // Where functions are neither flat nor steep in double precision.
        let range = max(row.range.lowerBound, row.isSafeOnPadding ? -4 : 0.3)..<min(row.range.upperBound, 4)
        let kinks = row.kinks + [0]
        // Times x³, so that flat functions have derivatives too.
        if function.operandCount == 1 {
            add("\(function.name)", [small], range: range, kinks: kinks) { b, x in
                b.apply(.multiply, b.apply(operation, x[0]), b.apply(.multiply, b.square(x[0]), x[0]))
            }
            continue
        }
        add("\(function.name), vector", [small, [2]]) { b, x in
            b.apply(.multiply, b.apply(operation, x[0], x[1]), b.apply(.multiply, b.square(x[0]), x[0]))
        }
        if function == .prelu { continue }
        add("\(function.name)", [small, small]) { b, x in
            b.apply(.multiply, b.apply(operation, x[0], x[1]), b.apply(.multiply, b.square(x[0]), x[0]))
        }
    }
    add("prelu, one slope", [small, [1]]) { b, x in b.square(b.apply(.prelu, x[0], x[1])) }

    // Arrangements.
    add("concatenate", [small, .nhwc(2, 3, 4, 3), small]) { b, x in b.square(b.concatenate([x[0], x[1], x[2], x[0]])) }
    addLinear("sliceChannels", .nhwc(2, 2, 3, 5), .sliceChannels(start: 1, count: 2))
    addLinear("upsampleNearest", small, .upsampleNearest(factor: 2))
    addLinear("sumPool", .nhwc(1, 4, 6, 2), .sumPool(factor: 2))
    addLinear("pixelShuffle", .nhwc(1, 2, 3, 8), .pixelShuffle(factor: 2))
    addLinear("pixelUnshuffle", .nhwc(1, 4, 6, 2), .pixelUnshuffle(factor: 2))
    for filter in [ResizeFilter.nearest, .bilinear, .bicubic] {
        for (height, width) in [(6, 8), (2, 3), (4, 3)] {
            addLinear(
                "resize \(filter) to \(height)x\(width)", .nhwc(1, 3, 4, 2),
                .resize(height: height, width: width, filter))
            addLinear(
                "resizeAdjoint \(filter) to \(height)x\(width)", .nhwc(1, 3, 4, 2),
                .resizeAdjoint(height: height, width: width, filter))
        }
    }
    let margins = Margins(top: 1, left: 2, bottom: 3, right: 0)
    for mode in [PadMode.zero, .reflect] {
        addLinear("pad \(mode)", .nhwc(1, 3, 3, 2), .pad(margins, mode))
        addLinear("padAdjoint \(mode)", .nhwc(1, 7, 5, 2), .padAdjoint(margins, mode))
    }
    addLinear("crop", .nhwc(1, 5, 4, 2), .crop(margins))
    addLinear("again", small, .again(3))
    addLinear("sum", small, .sum(to: [2, 1, 1, 2]))
    addLinear("mean", small, .mean(to: [2, 1, 1, 2]))
    addLinear("broadcast", [2, 1, 1, 2], .broadcast(to: small))
    addLinear("reshape", small, .reshape([6, 8]))
    addLinear("transpose", small, .transpose([0, 3, 1, 2]))
    for (left, right) in [(false, false), (true, false), (false, true), (true, true)] {
        add("product \(left) \(right)", [left ? [2, 4, 3] : [2, 3, 4], right ? [2, 5, 4] : [2, 4, 5]]) { b, x in
            b.square(b.apply(.product(transposeLeft: left, transposeRight: right), x[0], x[1]))
        }
    }

    for border in [SampleBorder.zeros, .border] {
        // Positions from 1 pixel outside on; bilinear weights have kinks at whole numbers.
        let kinks = (-1...4).map { (Float($0) - 1.5) / 2.5 }
        for filter in [SampleFilter.bilinear, .nearest] {
            let (image, grid) = (Shape.nhwc(2, 4, 5, 3), Shape.nhwc(2, 3, 2, 2))
            add("sample \(filter) \(border)", [image, grid], kinks: kinks + kinks.map { $0 + 0.2 }) { b, x in
                let positions = b.apply(.affine(scale: 2.5, offset: 1.5), x[1])
                return b.square(b.apply(.sample(filter, border), x[0], positions))
            }
        }
        add("sampleAdjoint \(border)", [.nhwc(1, 3, 2, 2)]) { b, x in
            let positions = b.constant([0, 0, 1.2, 0.7, 1.4, 0.6, -1, 3, 2, 1, 4, 0], [1, 3, 2, 2])
            return b.square(b.apply(.sampleAdjoint(height: 3, width: 4, border), x[0], positions))
        }
    }

    // What they are used for.
    add("a norm over a sum", [[3, 4]], range: 0.2..<1) { b, x in
        b.apply(.pointwise(.squareRoot), b.sum(b.square(x[0]), over: [1]))
    }
    add("softmax", [[3, 4]]) { b, x in
        let e = b.apply(.pointwise(.exponential), x[0])
        return b.quotient(e, b.broadcast(b.sum(e, over: [1]), to: [3, 4]))
    }
    add("instance normalisation", [.nhwc(2, 3, 4, 2), [2], [2]]) { b, x in
        let shape = b.shape(x[0])
        let centred = b.difference(x[0], b.broadcast(b.mean(x[0], over: [1, 2]), to: shape))
        let variance = b.mean(b.square(centred), over: [1, 2])
        let deviation = b.apply(.pointwise(.squareRoot), b.apply(.affine(scale: 1, offset: 1e-5), variance))
        let normal = b.quotient(centred, b.broadcast(deviation, to: shape))
        return b.square(b.apply(.add, b.apply(.multiply, normal, x[1]), x[2]))
    }
    add("FIR resampling", [.nhwc(1, 3, 4, 2)]) { b, x in
        let kernel: [[Float]] = [[1, 2, 3, 4], [2, 4, 8, 1], [5, 1, 1, 2]]
        let margins = Margins(top: 2, left: 1, bottom: 1, right: 2)
        return b.square(b.firResampled(x[0], kernel: kernel, up: 3, down: 2, margins: margins))
    }
    add("group normalisation", [.nhwc(2, 3, 4, 4)]) { b, x in
        let normal = b.groupNorm(x[0], "n", groups: 2, affine: false)
        return b.apply(.multiply, b.square(normal), x[0])
    }
    add("layer normalisation", [.nhwc(2, 3, 4, 5), [5], [5]]) { b, x in
        b.square(b.layerNorm(x[0], weight: x[1], bias: x[2]))
    }
    add("root mean square normalisation", [.nhwc(2, 3, 4, 5), [5]]) { b, x in
        b.apply(.multiply, b.square(b.rmsNorm(x[0], weight: x[1])), x[0])
    }
    add("maximum of 2x2", [.nhwc(1, 5, 6, 2)]) { b, x in b.square(b.maxPool2(x[0])) }
    add("two convolutions and a gate", [.nhwc(1, 4, 4, 2), [4, 2, 3, 3], [2, 4, 3, 3]]) { b, x in
        let operation = Operation.convolution(stride: 1, padding: 1, groups: 1)
        let hidden = b.apply(.pointwise(.silu), b.apply(operation, x[0], x[1]))
        return b.apply(.multiply, b.apply(.pointwise(.sigmoid), b.apply(operation, hidden, x[2])), x[0])
    }
    return cases
}()
