internal import Network
internal import Tensor

/// The operations that only training uses, and the forms of the others that only training uses (weights that are
/// computed, tensors of other ranks). Executors of inference refuse them.
public let trainingOperationCases: [OperationCase] =
    convolutionGradientCases + functionCases + reductionCases + matrixCases + adjointCases + fusedCases
    + samplingCases

private let convolutionGradientCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func add(
        _ size: (height: Int, width: Int), _ input: Int, _ output: Int, kernel: (Int, Int) = (3, 3), stride: Int = 1,
        padding: Int = 1, groups: Int = 1, batch: Int = 1
    ) {
        let form =
            "\(batch)x\(size.height)x\(size.width) \(input)->\(output) k\(kernel.0)x\(kernel.1) s\(stride) p\(padding) "
            + "g\(groups)"
        let result = Shape.nhwc(
            batch, (size.height + 2 * padding - kernel.0) / stride + 1,
            (size.width + 2 * padding - kernel.1) / stride + 1, output)
        let x = Shape.nhwc(batch, size.height, size.width, input)
        let weight: Shape = [output, input / groups, kernel.0, kernel.1]
        let seed = UInt64(2000 + cases.count)
        cases.append(
            OperationCase("convolutionTranspose \(form)", seed: seed) { b in
                let operation = Operation.convolutionTranspose(
                    stride: stride, padding: padding, groups: groups, height: size.height, width: size.width)
                return [b.apply(operation, b.input("g", result), b.parameter("w", weight))]
            })
        cases.append(
            OperationCase("convolutionWeightGradient \(form)", seed: seed) { b in
                let operation = Operation.convolutionWeightGradient(
                    stride: stride, padding: padding, groups: groups, kernelHeight: kernel.0, kernelWidth: kernel.1)
                return [b.apply(operation, b.input("x", x), b.input("g", result))]
            })
        cases.append(
            OperationCase("convolution with a computed weight \(form)", seed: seed) { b in
                let operation = Operation.convolution(stride: stride, padding: padding, groups: groups)
                let scaled = b.apply(.affine(scale: 0.5, offset: 0.01), b.parameter("w", weight))
                return [b.apply(operation, b.input("x", x), scaled, b.parameter("b", [output]))]
            })
    }
    /// A window that is not alike on all sides, or has gaps between its taps.
    func addWindow(
        _ size: (height: Int, width: Int), _ input: Int, _ output: Int, kernel: (Int, Int), _ window: ConvolutionWindow,
        batch: Int = 1
    ) {
        let (margins, groups) = (window.margins, window.groups)
        let form =
            "\(batch)x\(size.height)x\(size.width) \(input)->\(output) k\(kernel.0)x\(kernel.1) s\(window.stride) "
            + "d\(window.dilation) m\(margins.top),\(margins.left),\(margins.bottom),\(margins.right) g\(groups)"
        let x = Shape.nhwc(batch, size.height, size.width, input)
        let result = Shape.nhwc(
            batch, (size.height + margins.top + margins.bottom - window.reach(kernel.0)) / window.stride + 1,
            (size.width + margins.left + margins.right - window.reach(kernel.1)) / window.stride + 1, output)
        let weight: Shape = [output, input / groups, kernel.0, kernel.1]
        let seed = UInt64(2000 + cases.count)
        cases.append(
            OperationCase("convolution \(form)", seed: seed) { b in
                [b.apply(.convolution(window), b.input("x", x), b.parameter("w", weight), b.parameter("b", [output]))]
            })
        cases.append(
            OperationCase("convolutionTranspose \(form)", seed: seed) { b in
                let operation = Operation.convolutionTranspose(window, height: size.height, width: size.width)
                return [b.apply(operation, b.input("g", result), b.parameter("w", weight))]
            })
        cases.append(
            OperationCase("convolutionWeightGradient \(form)", seed: seed) { b in
                let operation = Operation.convolutionWeightGradient(
                    window, kernelHeight: kernel.0, kernelWidth: kernel.1)
                return [b.apply(operation, b.input("x", x), b.input("g", result))]
            })
    }
    addWindow((9, 11), 6, 10, kernel: (3, 3), ConvolutionWindow(padding: 2, dilation: 2))
    addWindow((13, 12), 16, 32, kernel: (3, 3), ConvolutionWindow(padding: 3, dilation: 3), batch: 2)
    addWindow((12, 13), 6, 10, kernel: (3, 4), ConvolutionWindow(stride: 2, padding: 2, dilation: 2))
    addWindow((12, 13), 6, 10, kernel: (4, 3), ConvolutionWindow(stride: 2, padding: 3, dilation: 3))
    addWindow((13, 11), 8, 8, kernel: (3, 2), ConvolutionWindow(stride: 4, padding: 1, dilation: 2, groups: 2))
    addWindow((11, 14), 8, 8, kernel: (3, 3), ConvolutionWindow(stride: 3, padding: 2, dilation: 2, groups: 8))
    addWindow(
        (7, 9), 5, 6, kernel: (4, 4), ConvolutionWindow(margins: Margins(top: 1, left: 2, bottom: 2, right: 1)))
    addWindow(
        (10, 9), 16, 16, kernel: (3, 3), ConvolutionWindow(stride: 2, margins: Margins(bottom: 1, right: 1)), batch: 2)
    addWindow(
        (8, 9), 4, 6, kernel: (3, 3),
        ConvolutionWindow(stride: 2, dilation: 2, margins: Margins(top: 3, left: 0, bottom: 1, right: 4), groups: 2))
    add((1, 1), 1, 1)
    add((9, 11), 16, 16)
    add((13, 14), 64, 32, batch: 2)
    add((17, 6), 48, 64)
    add((19, 21), 32, 48, batch: 3)
    add((41, 33), 16, 64)
    add((7, 9), 3, 64, batch: 3)
    add((7, 9), 64, 3)
    add((6, 5), 7, 5)
    add((13, 10), 6, 10, kernel: (4, 4), stride: 2)
    add((12, 12), 16, 32, kernel: (4, 4), stride: 2, batch: 2)
    add((13, 10), 6, 10, stride: 2)
    add((13, 10), 6, 10, stride: 3, padding: 0)
    add((9, 8), 6, 10, kernel: (1, 1), padding: 0)
    add((9, 8), 6, 10, kernel: (5, 1), padding: 2)
    add((9, 8), 6, 10, padding: 3)
    add((9, 8), 12, 18, groups: 3)
    add((9, 8), 16, 16, kernel: (4, 4), stride: 2, groups: 16)
    add((9, 8), 4, 6, kernel: (4, 4), padding: 1)
    return cases
}()

private let functionCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func add(_ name: String, _ range: Range<Float>, _ function: PointwiseFunction) {
        for shape in [[1], [3, 5, 7], .nhwc(2, 9, 11, 21), .nhwc(1, 33, 65, 3)] as [Shape] {
            cases.append(
                OperationCase("function \(name) \(shape)", seed: UInt64(2100 + cases.count), range: range) { b in
                    [b.apply(.pointwise(function), b.input("x", shape))]
                })
        }
    }
    for function in PointwiseFunction.Name.allCases.map(\.example) where function.operandCount == 1 {
        let range = function.row.range
        add(function.name.rawValue, range.lowerBound..<range.upperBound, function)
    }
    cases.append(
        OperationCase("function step of zeros") { b in
            let zero = b.apply(.affine(scale: 0, offset: 0), b.input("x", [3]))
            return [b.apply(.pointwise(.step(negative: -0.25, zero: 3, positive: 2)), zero)]
        })
    cases.append(
        OperationCase("pointwise on other ranks", seed: 2190) { b in
            let x = b.input("x", [6, 7])
            let y = b.apply(.multiply, b.apply(.add, x, b.input("y", [6, 7])), b.input("v", [7]))
            return [y, b.apply(.detach, b.apply(.add, y, b.constant([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [7])))]
        })
    cases.append(
        OperationCase("prelu with computed slopes", seed: 2191) { b in
            let x = b.input("x", .nhwc(2, 3, 4, 5))
            let slopes = b.apply(.affine(scale: 2, offset: 0), b.parameter("w", [5]))
            return [b.apply(.prelu, x, slopes)]
        })
    return cases
}()

private let reductionCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func add(_ from: Shape, _ to: Shape) {
        let seed = UInt64(2200 + cases.count)
        cases.append(
            OperationCase("sum \(from) to \(to)", seed: seed) { b in [b.apply(.sum(to: to), b.input("x", from))] })
        cases.append(
            OperationCase("mean \(from) to \(to)", seed: seed) { b in [b.apply(.mean(to: to), b.input("x", from))] })
        // One number repeated is a constant, which tests nothing where it is long.
        if to.count == 1 && from.count > 3 { return }
        cases.append(
            OperationCase("broadcast \(to) to \(from)", seed: seed) { b in
                [b.apply(.broadcast(to: from), b.input("x", to))]
            })
    }
    add([5], [1])
    add([6, 7], [1, 7])
    add([6, 7], [6, 1])
    let shape = Shape.nhwc(3, 9, 11, 20)
    for target in [
        [1, 1, 1, 1], [1, 1, 1, 20], [3, 1, 1, 20], [3, 1, 1, 1], [3, 9, 11, 1], [1, 9, 11, 20], [3, 9, 1, 20],
        [3, 1, 11, 1],
        [3, 9, 11, 20],
    ] as [Shape] {
        add(shape, target)
    }
    add(.nhwc(2, 67, 130, 16), [1, 1, 1, 16])
    add(.nhwc(2, 67, 130, 3), [1, 1, 1, 1])
    add([2, 3, 4, 5, 6], [2, 1, 4, 1, 6])
    return cases
}()

private let matrixCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func add(_ name: String, _ body: @escaping (inout GraphBuilder) -> [Value]) {
        cases.append(OperationCase(name, seed: UInt64(2300 + cases.count), body))
    }
    for left in [false, true] {
        for right in [false, true] {
            for (stack, m, k, n) in [
                ([], 1, 9, 1), ([], 64, 100, 1), ([3], 5, 6, 7), ([2, 4], 33, 16, 33), ([], 70, 40, 90),
            ] {
                let a = Shape(stack + (left ? [k, m] : [m, k]))
                let c = Shape(stack + (right ? [n, k] : [k, n]))
                add("product \(a)\(left ? "T" : "") \(c)\(right ? "T" : "")") { b in
                    [b.apply(.product(transposeLeft: left, transposeRight: right), b.input("a", a), b.input("c", c))]
                }
            }
        }
    }
    for permutation in [[0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3], [0, 3, 1, 2], [0, 2, 3, 1], [1, 0, 3, 2]] {
        add("transpose \(permutation)") { b in [b.apply(.transpose(permutation), b.input("x", [3, 5, 7, 9]))] }
    }
    add("transpose of a matrix") { b in [b.apply(.transpose([1, 0]), b.input("x", [40, 70]))] }
    add("again") { b in
        let x = b.apply(.affine(scale: 2, offset: 1), b.input("x", [3, 40]))
        return [b.apply(.again(1), x), b.apply(.multiply, b.apply(.again(2), x), x)]
    }
    add("reshape") { b in
        let x = b.input("x", .nhwc(2, 3, 4, 5))
        return [b.apply(.reshape([6, 20]), x), b.apply(.affine(scale: 2, offset: 0), b.apply(.reshape([120]), x))]
    }
    add("attention: windows, scores, sums") { b in
        // Two windows of 4x4 pixels, 12 channels.
        let x = b.apply(.reshape([2, 16, 12]), b.input("x", .nhwc(2, 4, 4, 12)))
        let scores = b.apply(.product(transposeLeft: false, transposeRight: true), x, x)
        let weights = b.apply(.pointwise(.exponential), b.apply(.affine(scale: 0.2, offset: 0), scores))
        let sums = b.apply(.broadcast(to: [2, 16, 16]), b.apply(.sum(to: [2, 16, 1]), weights))
        let shares = b.apply(.multiply, weights, b.apply(.pointwise(.reciprocal), sums))
        return [b.apply(.product(transposeLeft: false, transposeRight: false), shares, x)]
    }
    return cases
}()

private let adjointCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func add(_ name: String, _ shape: Shape, _ operation: Operation) {
        cases.append(
            OperationCase("\(name) of \(shape)", seed: UInt64(2400 + cases.count)) { b in
                [b.apply(operation, b.input("x", shape))]
            })
    }
    for (height, width) in [(1, 1), (1, 9), (5, 7), (17, 33)] {
        for channels in [3, 20] {
            for factor in [2, 3] {
                add("sumPool \(factor)", .nhwc(2, height * factor, width * factor, channels), .sumPool(factor: factor))
            }
        }
    }
    let sizes = [
        ((1, 1), (3, 5)), ((1, 9), (2, 4)), ((5, 7), (10, 14)), ((8, 12), (4, 6)), ((8, 12), (6, 9)), ((5, 7), (1, 1)),
        ((17, 33), (20, 31)),
    ]
    for filter in [ResizeFilter.nearest, .bilinear, .bicubic] {
        for (from, to) in sizes {
            add(
                "resizeAdjoint \(filter) to \(from)", .nhwc(2, to.0, to.1, 5),
                .resizeAdjoint(height: from.0, width: from.1, filter))
        }
    }
    for mode in [PadMode.zero, .reflect] {
        add("padAdjoint \(mode)", .nhwc(2, 9, 12, 5), .padAdjoint(Margins(top: 1, left: 2, bottom: 3, right: 4), mode))
        add(
            "padAdjoint \(mode) to a pixel", .nhwc(1, 5, 7, 3),
            .padAdjoint(Margins(top: 1, left: 2, bottom: 3, right: 4), mode))
    }
    return cases
}()

/// What a compiler of training graphs fuses, orders and must not mix up.
private let fusedCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func add(_ name: String, _ body: @escaping (inout GraphBuilder) -> [Value]) {
        cases.append(OperationCase(name, seed: UInt64(2500 + cases.count), body))
    }
    add("a long pointwise expression") { b in
        let x = b.input("x", .nhwc(2, 9, 11, 20))
        var y = x
        for index in 0..<40 {
            let gate = b.apply(.pointwise(.sigmoid), b.apply(.affine(scale: 0.5, offset: Float(index) * 0.01), x))
            y = b.apply(.add, b.apply(.multiply, y, gate), x)
        }
        return [y]
    }
    add("a value in the middle is read elsewhere") { b in
        let x = b.input("x", .nhwc(2, 9, 11, 20))
        let y = b.apply(.pointwise(.tanh), b.apply(.affine(scale: 0.5, offset: 0.1), x))
        let mean = b.apply(.sum(to: .nhwc(2, 1, 1, 20)), y)
        let centred = b.apply(
            .add, y, b.apply(.broadcast(to: .nhwc(2, 9, 11, 20)), b.apply(.affine(scale: -1, offset: 0), mean)))
        return [b.apply(.multiply, centred, y), y]
    }
    add("instance normalisation") { b in
        let shape = Shape.nhwc(3, 7, 5, 12)
        let x = b.input("x", shape)
        func mean(_ v: Value) -> Value {
            b.apply(.affine(scale: 1 / 35, offset: 0), b.apply(.sum(to: .nhwc(3, 1, 1, 12)), v))
        }
        let centred = b.apply(.add, x, b.apply(.broadcast(to: shape), b.apply(.affine(scale: -1, offset: 0), mean(x))))
        let deviation = b.apply(
            .pointwise(.squareRoot),
            b.apply(.affine(scale: 1, offset: 1e-5), mean(b.apply(.multiply, centred, centred)))
        )
        let scale = b.apply(.broadcast(to: shape), b.apply(.pointwise(.reciprocal), deviation))
        return [
            b.apply(
                .add, b.apply(.multiply, b.apply(.multiply, centred, scale), b.parameter("w", [12])),
                b.parameter("b", [12]))
        ]
    }
    add("every arrangement between convolutions") { b in
        let x = b.input("x", .nhwc(2, 6, 8, 16))
        let y = b.leakyReLU(b.convolution(x, "a", to: 16), 0.2)
        let z = b.apply(
            .pixelUnshuffle(factor: 2), b.apply(.pad(Margins(top: 1, left: 1, bottom: 1, right: 1), .reflect), y))
        let w = b.apply(.resize(height: 6, width: 8, .bilinear), b.apply(.pixelShuffle(factor: 2), z))
        let u = b.apply(.crop(Margins(top: 1, left: 2)), b.apply(.upsampleNearest(factor: 2), w))
        let weight = b.apply(.affine(scale: 2, offset: 0), b.parameter("w", [16, 8, 3, 3]))
        let v = b.apply(
            .convolution(stride: 1, padding: 1, groups: 1), b.apply(.sliceChannels(start: 3, count: 8), u), weight)
        return [b.concatenate([v, u]), b.apply(.sum(to: .nhwc(1, 1, 1, 16)), v)]
    }
    return cases
}()

private let samplingCases: [OperationCase] = {
    var cases: [OperationCase] = []
    for border in [SampleBorder.zeros, .border] {
        for (batch, height, width, channels) in [(1, 1, 2, 1), (2, 5, 7, 3), (1, 9, 6, 16), (2, 12, 11, 21)] {
            let image = Shape.nhwc(batch, height, width, channels)
            let grid = Shape.nhwc(batch, 6, 5, 2)
            let form = "\(image) \(border)"
            /// Positions from two pixels outside to two pixels outside.
            func positions(_ b: inout GraphBuilder) -> Value {
                let sizes = [Float(width + 3) / 2, Float(height + 3) / 2]
                let spread = b.apply(.multiply, b.input("p", grid), b.constant(sizes, [2]))
                return b.apply(.add, spread, b.constant([Float(width - 1) / 2, Float(height - 1) / 2], [2]))
            }
            for filter in [SampleFilter.nearest, .bilinear] {
                cases.append(
                    OperationCase("sample \(filter) \(form)", seed: UInt64(2700 + cases.count)) { b in
                        let x = b.input("x", image)
                        return [b.apply(.sample(filter, border), x, positions(&b))]
                    })
            }
            cases.append(
                OperationCase("sampleAdjoint \(form)", seed: UInt64(2700 + cases.count)) { b in
                    let g = b.input("g", .nhwc(batch, 6, 5, channels))
                    let adjoint = Operation.sampleAdjoint(height: height, width: width, border)
                    return [b.apply(adjoint, g, positions(&b))]
                })
        }
    }
    cases.append(
        OperationCase("warped between convolutions", seed: 2790) { b in
            let x = b.input("x", .nhwc(1, 13, 17, 3))
            let features = b.leakyReLU(b.convolution(x, "a", to: 20), 0.1)
            let flow = b.scaled(b.convolution(x, "flow", to: 2), 3)
            return [b.convolution(b.warped(features, by: flow), "b", to: 8)]
        })
    return cases
}()
