public import Network
public import Tensor

/// One graph on random input that every executor runs; the reference says what is right.
public struct OperationCase: Sendable, CustomStringConvertible {
    public let name: String
    public let graph: Graph
    public let parameters: Parameters
    public let inputs: [HostTensor]

    public var description: String { name }

    /// - Parameter build: makes the graph from a builder; returns its outputs.
    public init(
        _ name: String, seed: UInt64 = 1, range: Range<Float> = -1..<1, _ build: (inout GraphBuilder) -> [Value]
    ) {
        self.name = name
        var builder = GraphBuilder()
        let outputs = build(&builder)
        let graph = builder.finish(outputs)
        self.graph = graph
        inputs = graph.inputs.enumerated().map { index, value in
            randomTensor(graph.shape(value), seed: seed &* 1000 &+ UInt64(index), in: range)
        }
        parameters = randomParameters(graph, seed: seed &* 1000 &+ 500)
    }
}

/// Random parameters whose size keeps activations near 1: uniform, variance 2 / fan-in for weights.
public func randomParameters(_ graph: Graph, seed: UInt64) -> Parameters {
    var parameters: Parameters = [:]
    for (index, (name, shape)) in graph.parameters.enumerated() {
        let fanIn = shape.rank == 4 ? shape[1] * shape[2] * shape[3] : 1
        let limit = shape.rank == 4 ? Float((6 / Double(fanIn)).squareRoot()) : 0.5
        parameters[name] = randomTensor(shape, seed: seed &+ UInt64(index), in: -limit..<limit)
    }
    return parameters
}

/// Heights and widths that break kernels: one pixel, one row, one column, odd, around tile sizes, large.
private let sizes: [(height: Int, width: Int)] = [(1, 1), (1, 9), (7, 1), (2, 2), (5, 7), (16, 16), (17, 33)]
private let large = (height: 67, width: 130)

/// One case per operation and corner of it. The executors' tests run all of them.
public let operationCases: [OperationCase] =
    convolutionCases + pointwiseCases + arrangementCases + resamplingCases + fusionCases

private let convolutionCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func add(
        _ size: (height: Int, width: Int), _ input: Int, _ output: Int, kernel: (Int, Int) = (3, 3), stride: Int = 1,
        padding: Int = 1, groups: Int = 1, batch: Int = 1, bias: Bool = true
    ) {
        let name =
            "convolution \(batch)x\(size.height)x\(size.width) \(input)->\(output) k\(kernel.0)x\(kernel.1) s\(stride) "
            + "p\(padding) g\(groups)\(bias ? "" : " no bias")"
        cases.append(
            OperationCase(name, seed: UInt64(cases.count + 1)) { b in
                let x = b.input("x", .nhwc(batch, size.height, size.width, input))
                let weight = b.parameter("w", [output, input / groups, kernel.0, kernel.1])
                let operation = Operation.convolution(stride: stride, padding: padding, groups: groups)
                if !bias { return [b.apply(operation, x, weight)] }
                return [b.apply(operation, x, weight, b.parameter("b", [output]))]
            })
    }
    for size in sizes { add(size, 16, 16) }
    add(large, 8, 20)
    // Widths that are no multiple of a vector, pictures in and out, dense-block widths.
    for (input, output) in [(1, 1), (3, 64), (64, 3), (20, 12), (33, 17), (64, 32), (192, 64), (5, 48)] {
        add((9, 11), input, output)
    }
    add((9, 11), 16, 16, bias: false)
    add((9, 11), 16, 16, batch: 3)
    for kernel in [(1, 1), (2, 2), (4, 4), (5, 5), (7, 7), (1, 3), (5, 1)] {
        add((13, 10), 6, 10, kernel: kernel, padding: kernel.0 / 2)
    }
    add((1, 1), 7, 5, kernel: (1, 1), padding: 0)
    add((13, 10), 6, 10, stride: 2)
    add((12, 12), 8, 24, kernel: (4, 4), stride: 2)
    add((13, 10), 6, 10, padding: 0)
    add((13, 10), 6, 10, padding: 3)
    add((13, 10), 12, 18, groups: 3)
    add((13, 10), 16, 16, groups: 16)
    return cases
}()

private let pointwiseCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func unary(
        _ name: String, range: Range<Float> = -1..<1, sizes: [(height: Int, width: Int)] = sizes + [large],
        _ body: @escaping (inout GraphBuilder, Value) -> Value
    ) {
        for (height, width) in sizes {
            for channels in [3, 16, 21] where channels == 21 || height < 10 {
                cases.append(
                    OperationCase(
                        "\(name) \(height)x\(width)x\(channels)", seed: UInt64(cases.count + 100), range: range
                    ) { b in
                        [body(&b, b.input("x", .nhwc(1, height, width, channels)))]
                    })
            }
        }
    }
    // Every function of the table: with a vector, an activation or alone. That sizes are right is a matter of a few.
    let few = [(height: 1, width: 9), (height: 17, width: 33)]
    for function in PointwiseFunction.Name.allCases.map(\.example) {
        let range = function.row.range.lowerBound..<function.row.range.upperBound
        let name = function.name.rawValue
        if function.operandCount == 1 {
            unary(name, range: range, sizes: function == .silu ? sizes + [large] : few) { b, x in
                b.apply(.pointwise(function), x)
            }
            continue
        }
        unary("\(name), vector", range: range, sizes: function == .prelu ? sizes + [large] : few) { b, x in
            b.apply(.pointwise(function), x, b.parameter("v", [b.shape(x).channels]))
        }
        if function == .prelu { continue }
        unary("\(name), two inputs", range: range, sizes: function == .add ? sizes + [large] : few) { b, x in
            b.apply(.pointwise(function), x, b.input("y", b.shape(x)))
        }
    }
    unary("prelu, one slope", sizes: few) { b, x in b.apply(.prelu, x, b.parameter("slope", [1])) }
    unary("add itself", sizes: few) { b, x in b.apply(.add, x, x) }
    unary("multiply itself", sizes: few) { b, x in b.apply(.multiply, x, x) }
    return cases
}()

private let arrangementCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func add(_ name: String, _ shape: Shape, _ body: @escaping (inout GraphBuilder, Value) -> [Value]) {
        cases.append(
            OperationCase("\(name) \(shape)", seed: UInt64(cases.count + 300)) { b in body(&b, b.input("x", shape)) })
    }
    for (height, width) in sizes + [large] {
        for channels in [3, 20] {
            let shape = Shape.nhwc(1, height, width, channels)
            add("concatenate", shape) { b, x in
                [
                    b.concatenate([
                        x, b.input("y", .nhwc(1, height, width, 17)), b.input("z", .nhwc(1, height, width, 16)),
                    ])
                ]
            }
            add("slice", shape) { b, x in [b.apply(.sliceChannels(start: 1, count: channels - 2), x)] }
            add("upsampleNearest", shape) { b, x in [b.apply(.upsampleNearest(factor: 3), x)] }
            add("crop to the last pixel", shape) { b, x in
                [b.apply(.crop(Margins(top: height - 1, left: width - 1)), x)]
            }
            add("pad zero", shape) { b, x in
                [b.apply(.pad(Margins(top: 1, left: 2, bottom: 3, right: 4), .zero), x)]
            }
            add("pad reflect", shape) { b, x in
                [b.apply(.pad(Margins(top: 1, left: 2, bottom: 3, right: 4), .reflect), x)]
            }
        }
        for factor in [2, 3, 4] {
            add("pixelShuffle \(factor)", .nhwc(1, height, width, 3 * factor * factor)) { b, x in
                [b.apply(.pixelShuffle(factor: factor), x)]
            }
            add("pixelUnshuffle \(factor)", .nhwc(2, height * factor, width * factor, 3)) { b, x in
                [b.apply(.pixelUnshuffle(factor: factor), x)]
            }
            for channels in [1, 2, 4] {
                add("pixelUnshuffle \(factor)", .nhwc(1, height * factor, width * factor, channels)) { b, x in
                    [b.apply(.pixelUnshuffle(factor: factor), x)]
                }
            }
        }
    }
    add("concatenate twice the same", .nhwc(1, 5, 7, 20)) { b, x in [b.concatenate([x, x])] }
    add("nested concatenation", .nhwc(1, 5, 7, 20)) { b, x in
        let y = b.leakyReLU(x, 0.1)
        return [b.concatenate([b.concatenate([x, y]), x, b.concatenate([y, y])])]
    }
    // Images have four lanes, a concatenation's parts sixteen.
    add("four channels in a concatenation", .nhwc(1, 5, 7, 4)) { b, x in
        let v = b.parameter("v", [4])
        let parts = [
            b.apply(.multiply, x, v), b.apply(.upsampleNearest(factor: 1), x), b.apply(.add, b.leakyReLU(x, 0.1), x),
            b.apply(.resize(height: 5, width: 7, .bilinear), x), b.apply(.sliceChannels(start: 1, count: 3), x),
        ]
        return [b.convolution(b.concatenate(parts), "c", to: 8)]
    }
    add("batch of three", .nhwc(3, 5, 7, 20)) { b, x in
        [b.apply(.crop(Margins(top: 1)), b.concatenate([x, b.apply(.sliceChannels(start: 16, count: 4), x)]))]
    }
    return cases
}()

private let resamplingCases: [OperationCase] = {
    var cases: [OperationCase] = []
    let targets = [
        ((1, 1), (3, 5)), ((1, 9), (2, 4)), ((5, 7), (10, 14)), ((8, 12), (4, 6)), ((8, 12), (6, 9)),
        ((5, 7), (1, 1)), ((17, 33), (20, 31)), ((66, 130), (33, 65)), ((31, 40), (1, 2)), ((29, 9), (3, 1)),
    ]
    for filter in [ResizeFilter.nearest, .bilinear, .bicubic] {
        for (from, to) in targets {
            for channels in [3, 20] {
                let name = "resize \(filter) \(from.0)x\(from.1) to \(to.0)x\(to.1) x\(channels)"
                cases.append(
                    OperationCase(name, seed: UInt64(cases.count + 600)) { b in
                        let x = b.input("x", .nhwc(1, from.0, from.1, channels))
                        return [b.apply(.resize(height: to.0, width: to.1, filter), x)]
                    })
            }
        }
    }
    return cases
}()

/// What planners fuse, share and must not mix up.
private let fusionCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func add(
        _ name: String, _ shape: Shape = .nhwc(1, 9, 11, 20), _ body: @escaping (inout GraphBuilder, Value) -> [Value]
    ) {
        cases.append(OperationCase(name, seed: UInt64(cases.count + 800)) { b in body(&b, b.input("x", shape)) })
    }
    // Channels that fill no vector: what is not finite in padding must not reach the next convolution.
    for function in PointwiseFunction.Name.allCases.map(\.example) where !function.row.isSafeOnPadding {
        for channels in [3, 20] {
            add("\(function.name) between convolutions, \(channels)") { b, x in
                let y = b.apply(.clamp(low: 0.1, high: 2), b.convolution(x, "c", to: channels))
                return [b.convolution(b.apply(.pointwise(function), y), "d", to: 5)]
            }
        }
    }
    for function in [PointwiseFunction.relu, .sigmoid, .gelu] {
        add("convolution and \(function)") { b, x in
            [b.apply(.pointwise(function), b.convolution(x, "c", to: 24))]
        }
    }
    add("convolution, prelu, residuals") { b, x in
        let y = b.apply(.prelu, b.convolution(x, "c", to: 20), b.parameter("slopes", [20]))
        return [b.scaledResidual(b.scaledResidual(y, scale: 0.2, x), scale: 0.5, b.leakyReLU(x, 0.3))]
    }
    add("three residuals") { b, x in
        var y = b.convolution(x, "c", to: 20)
        for slope in [0.1, 0.2, 0.3] as [Float] { y = b.apply(.add, y, b.leakyReLU(x, slope)) }
        return [y]
    }
    add("gate: convolution times sigmoid of a convolution") { b, x in
        let gate = b.apply(
            .affine(scale: 1, offset: -0.5), b.apply(.pointwise(.sigmoid), b.convolution(x, "g", to: 20)))
        return [b.apply(.multiply, b.apply(.add, b.convolution(x, "c", to: 20), x), gate)]
    }
    add("both sides of a sum are convolutions") { b, x in
        [b.apply(.add, b.convolution(x, "c", to: 8), b.convolution(x, "d", to: 8))]
    }
    add("an intermediate value is an output too") { b, x in
        let y = b.convolution(x, "c", to: 8)
        let z = b.leakyReLU(y, 0.2)
        return [b.convolution(z, "d", to: 8), y, z]
    }
    add("the input is an output") { b, x in [x, b.convolution(x, "c", to: 3)] }
    add("upsampling read by convolutions only") { b, x in
        let up = b.apply(.upsampleNearest(factor: 2), x)
        return [b.convolution(up, "c", to: 16), b.convolution(up, "d", to: 3)]
    }
    add("upsampling read by a convolution and a slice") { b, x in
        let up = b.apply(.upsampleNearest(factor: 2), x)
        return [b.convolution(up, "c", to: 16), b.apply(.sliceChannels(start: 0, count: 5), up)]
    }
    add("upsampling of an upsampling") { b, x in
        let up = b.apply(.upsampleNearest(factor: 2), b.apply(.upsampleNearest(factor: 3), x))
        return [b.convolution(up, "c", to: 4)]
    }
    add("a strided convolution reads an upsampling") { b, x in
        let up = b.apply(.upsampleNearest(factor: 3), x)
        let weight = b.parameter("w", [10, 20, 4, 4])
        return [b.apply(.convolution(stride: 2, padding: 1, groups: 1), up, weight)]
    }
    for factor in [2, 3, 4] {
        add("convolution, pixel shuffle \(factor), nearest residual", .nhwc(1, 9, 11, 3)) { b, x in
            let y = b.apply(.pixelShuffle(factor: factor), b.convolution(x, "c", to: 3 * factor * factor))
            return [b.apply(.add, y, b.apply(.upsampleNearest(factor: factor), x))]
        }
    }
    add("pixel shuffle, then slopes, then clamp", .nhwc(1, 9, 11, 5)) { b, x in
        let y = b.apply(.pixelShuffle(factor: 2), b.convolution(x, "c", to: 20))
        let z = b.apply(.prelu, y, b.parameter("slopes", [5]))
        return [b.apply(.clamp(low: 0, high: 0.5), z)]
    }
    add("slopes before the pixel shuffle", .nhwc(1, 9, 11, 5)) { b, x in
        let y = b.apply(.prelu, b.convolution(x, "c", to: 20), b.parameter("slopes", [20]))
        return [b.apply(.pixelShuffle(factor: 2), y)]
    }
    add("a dense block of odd widths", .nhwc(1, 9, 11, 18)) { b, x in
        var parts = [x]
        for index in 1...4 {
            parts.append(b.leakyReLU(b.convolution(b.concatenate(parts), "conv\(index)", to: 10), 0.2))
        }
        return [b.scaledResidual(b.convolution(b.concatenate(parts), "conv5", to: 18), scale: 0.2, x)]
    }
    add("a value in two different concatenations") { b, x in
        let y = b.convolution(x, "c", to: 12)
        let z = b.convolution(y, "d", to: 12)
        let first = b.convolution(b.concatenate([x, y, z]), "e", to: 4)
        let second = b.convolution(b.concatenate([z, y]), "f", to: 4)
        return [b.apply(.add, first, second)]
    }
    // Long enough that buffers are used again.
    add("a chain of ten convolutions", .nhwc(2, 12, 10, 7)) { b, x in
        var y = x
        for index in 0..<10 { y = b.leakyReLU(b.convolution(y, "c\(index)", to: 7 + index), 0.2) }
        return [y]
    }
    return cases
}()

/// Whole networks of odd hyperparameters with random weights.
public let networkCases: [OperationCase] = {
    var cases: [OperationCase] = []
    func add(_ name: String, _ architecture: any Architecture, _ height: Int, _ width: Int) {
        cases.append(
            OperationCase("\(name) on \(height)x\(width)", seed: UInt64(cases.count + 900), range: 0..<1) { b in
                let x = b.input("image", .nhwc(1, height, width, architecture.input.channels))
                return [architecture.build(&b, x)]
            })
    }
    add("RRDBNet x4", RRDBNet(features: 20, growth: 12, blocks: 2), 9, 7)
    add("RRDBNet x4, one pixel", RRDBNet(features: 16, growth: 8, blocks: 1), 1, 1)
    add("RRDBNet x2", RRDBNet(features: 24, growth: 16, blocks: 1, unshuffle: 2), 7, 9)
    add("RRDBNet x1", RRDBNet(features: 16, growth: 8, blocks: 1, unshuffle: 4), 5, 11)
    add("RRDBNet x8", RRDBNet(features: 8, growth: 4, blocks: 1, upsamplings: 3), 3, 5)
    add("Compact x4", SRVGGNetCompact(features: 24, convolutions: 4), 9, 7)
    add("Compact x3 of x4", SRVGGNetCompact(features: 16, convolutions: 2, outputScale: 3), 8, 5)
    add("Compact x2 of x4", SRVGGNetCompact(features: 64, convolutions: 2, outputScale: 2), 7, 13)
    add(
        "Compact x2, LeakyReLU", SRVGGNetCompact(features: 10, convolutions: 3, upscale: 2, activation: .leakyReLU), 1,
        9)
    // Values up to 255 need trained weights; golden files have those cases.
    add("SPAN x2", SPAN(features: 12, upscale: 2, isNormalised: false), 9, 11)
    add("SPAN x4", SPAN(features: 16, upscale: 4, isNormalised: false), 1, 7)
    add("Compact x1, ReLU", SRVGGNetCompact(features: 33, convolutions: 1, upscale: 1, activation: .relu), 12, 1)
    return cases
}()
