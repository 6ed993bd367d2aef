import Network
import OperationCases
import Reference
import Tensor
import Testing

@testable import Weights

/// Weight expressions against computations that share no code with them.
@Suite struct ExpressionTests {
    private let x = randomTensor([2, 3, 4], seed: 1)
    private let y = randomTensor([2, 3, 4], seed: 2)

    private func value(_ expression: WeightExpression, _ more: [String: HostTensor] = [:]) throws -> HostTensor {
        let file = ["x": x, "y": y].merging(more) { $1 }
        let value = expression.value(file)
        #expect(try expression.shape(file.mapValues(\.shape)) == value.shape)
        return value
    }

    /// The element of `x` or another tensor of three axes.
    private func at(_ tensor: HostTensor, _ i: Int, _ j: Int, _ k: Int) -> Float {
        tensor.values[(i * tensor.shape[1] + j) * tensor.shape[2] + k]
    }

    private func each(_ shape: Shape, _ body: (Int, Int, Int) -> Void) {
        for i in 0..<shape[0] { for j in 0..<shape[1] { for k in 0..<shape[2] { body(i, j, k) } } }
    }

    @Test func arrangements() throws {
        #expect(try value(.tensor("x")) == x)
        #expect(try value(.constant([3], [2, 2])) == HostTensor([2, 2], [3, 3, 3, 3]))
        #expect(try value(.constant([1, 2], [2, 1])) == HostTensor([2, 1], [1, 2]))
        let permuted = try value(.permuted(.tensor("x"), [2, 0, 1]))
        #expect(permuted.shape == [4, 2, 3])
        each(permuted.shape) { i, j, k in #expect(at(permuted, i, j, k) == at(x, j, k, i)) }
        let flipped = try value(.flipped(.tensor("x"), axes: [0, 2]))
        each(flipped.shape) { i, j, k in #expect(at(flipped, i, j, k) == at(x, 1 - i, j, 3 - k)) }
        let sliced = try value(.sliced(.tensor("x"), axis: 1, 1..<3))
        #expect(sliced.shape == [2, 2, 4])
        each(sliced.shape) { i, j, k in #expect(at(sliced, i, j, k) == at(x, i, j + 1, k)) }
        let joined = try value(.concatenated([.tensor("x"), .tensor("y"), .tensor("x")], axis: 1))
        #expect(joined.shape == [2, 9, 4])
        each(joined.shape) { i, j, k in #expect(at(joined, i, j, k) == at([x, y, x][j / 3], i, j % 3, k)) }
        #expect(try value(.reshaped(.tensor("x"), [6, 4])) == x.reshaped([6, 4]))
    }

    @Test func sumsAndProducts() throws {
        let sum = try value(.sum([.tensor("x"), .tensor("y"), .tensor("y")]))
        each(sum.shape) { i, j, k in
            #expect(sum.values[(i * 3 + j) * 4 + k] == Float(Double(at(x, i, j, k)) + 2 * Double(at(y, i, j, k))))
        }
        let factor: [String: HostTensor] = ["f": HostTensor([3], [1, -2, 0.5]), "n": HostTensor([1], [3])]
        let scaled = try value(.scaled(.tensor("x"), by: .tensor("f"), axis: 1), factor)
        each(scaled.shape) { i, j, k in #expect(at(scaled, i, j, k) == at(x, i, j, k) * [1, -2, 0.5][j]) }
        let tripled = try value(.scaled(.tensor("x"), by: .tensor("n"), axis: nil), factor)
        each(tripled.shape) { i, j, k in #expect(at(tripled, i, j, k) == Float(Double(at(x, i, j, k)) * 3)) }
    }

    @Test func centredKernels() throws {
        let kernel = randomTensor([2, 2, 1, 3], seed: 3)
        let wide = try value(.centred(.tensor("k"), height: 3, width: 5), ["k": kernel])
        for o in 0..<2 {
            for i in 0..<2 {
                for (row, column) in (0..<3).flatMap({ row in (0..<5).map { (row, $0) } }) {
                    let inside = row == 1 && (1...3).contains(column)
                    #expect(wide[o, i, row, column] == (inside ? kernel[o, i, 0, column - 1] : 0))
                }
            }
        }
    }

    /// With the vectors of the largest singular value, what is left has the singular value 1.
    @Test func spectralNorm() throws {
        let weight = randomTensor([3, 2, 1, 2], seed: 4)
        let (u, v) = (randomTensor([3], seed: 5), randomTensor([4], seed: 6))
        let normed = try value(
            .spectrallyNormalised(.tensor("w"), u: .tensor("u"), v: .tensor("v")), ["w": weight, "u": u, "v": v])
        var sigma = 0.0
        for (row, a) in u.values.enumerated() {
            for (column, b) in v.values.enumerated() {
                sigma += Double(a) * Double(normed.values[row * 4 + column]) * Double(b)
            }
        }
        #expect(abs(sigma - 1) < 1e-4)
        let ratio = normed.values[0] / weight.values[0]
        for (a, b) in zip(normed.values, weight.values) { #expect(abs(a - ratio * b) < 1e-5 * abs(a)) }
    }

    // MARK: Folded convolutions, as images

    private func image(
        _ shape: Shape, _ parameters: Parameters, _ build: (inout GraphBuilder, Value) throws -> Value
    ) throws -> HostTensor {
        var b = GraphBuilder()
        let x = b.input("x", shape)
        let y = try build(&b, x)
        let plan = try ReferenceExecutor().compile(b.finish([y]), parameters: parameters)
        return try plan.run([randomTensor(shape, seed: 10, in: 0..<1)])[0]
    }

    private func random(_ shapes: [String: Shape], in range: Range<Float> = -0.4..<0.4) -> Parameters {
        var parameters: Parameters = [:]
        for (index, name) in shapes.keys.sorted().enumerated() {
            parameters[name] = randomTensor(shapes[name]!, seed: UInt64(50 + index), in: range)
        }
        return parameters
    }

    /// SPAN's Conv3XC: 1x1, 3x3 and 1x1 in a row, and a 1x1 beside them; all padding stands in front.
    @Test func theReparameterisedConvolutionOfSPAN() throws {
        let parameters = random(Conv3XC.shapes(3, 5))
        let shape = Shape.nhwc(1, 6, 7, 3)
        func convolution(_ b: inout GraphBuilder, _ x: Value, _ name: String) -> Value {
            b.apply(
                .convolution(stride: 1, padding: 0, groups: 1), x,
                b.parameter(name + ".weight", parameters[name + ".weight"]!.shape),
                b.parameter(name + ".bias", [parameters[name + ".bias"]!.values.count]))
        }
        let unfolded = try image(shape, parameters) { b, x in
            var y = b.apply(.pad(Margins(top: 1, left: 1, bottom: 1, right: 1), .zero), x)
            for index in 0..<3 { y = convolution(&b, y, "conv.\(index)") }
            return b.apply(.add, y, convolution(&b, x, "sk"))
        }
        let layer = Conv3XC.folded("")
        let (weight, bias) = (try value(layer.weight, parameters), try value(layer.bias!, parameters))
        #expect(weight.shape == [5, 3, 3, 3] && bias.shape == [5])
        let folded = try image(shape, ["weight": weight, "bias": bias]) { b, x in
            b.apply(
                .convolution(stride: 1, padding: 1, groups: 1), x, b.parameter("weight", weight.shape),
                b.parameter("bias", bias.shape))
        }
        #expect(largestDifference(unfolded, folded) < 1e-6)
    }

    /// Kernels of other sides, where order and place of the taps show.
    @Test func chainedKernelsOfManySides() throws {
        let parameters = random(["a": [4, 2, 3, 2], "b": [3, 4, 2, 4], "a.b": [4]])
        let shape = Shape.nhwc(1, 8, 9, 2)
        let plain = Operation.convolution(stride: 1, padding: 0, groups: 1)
        let unfolded = try image(shape, parameters) { b, x in
            let y = b.apply(plain, x, b.parameter("a", [4, 2, 3, 2]), b.parameter("a.b", [4]))
            return b.apply(plain, y, b.parameter("b", [3, 4, 2, 4]))
        }
        let layer = WeightedLayer(weight: .tensor("a"), bias: .tensor("a.b"))
            .then(WeightedLayer(weight: .tensor("b"), bias: nil))
        let (weight, bias) = (try value(layer.weight, parameters), try value(layer.bias!, parameters))
        let folded = try image(shape, ["weight": weight, "bias": bias]) { b, x in
            b.apply(plain, x, b.parameter("weight", [3, 2, 4, 5]), b.parameter("bias", [3]))
        }
        #expect(largestDifference(unfolded, folded) < 1e-6)
    }

    @Test(arguments: [false, true]) func batchNormalisation(withBias: Bool) throws {
        var parameters = random(["c.weight": [4, 3, 3, 3], "c.bias": [4], "n.running_mean": [4], "n.bias": [4]])
        parameters.merge(random(["n.running_var": [4], "n.weight": [4]], in: 0.3..<2)) { $1 }
        let shape = Shape.nhwc(1, 5, 6, 3)
        let operation = Operation.convolution(stride: 1, padding: 1, groups: 1)
        let unfolded = try image(shape, parameters) { b, x in
            let weight = b.parameter("c.weight", [4, 3, 3, 3])
            let y =
                withBias ? b.apply(operation, x, weight, b.parameter("c.bias", [4])) : b.apply(operation, x, weight)
            let centred = b.difference(
                b.reshaped(y, [30, 4]),
                b.broadcast(b.reshaped(b.parameter("n.running_mean", [4]), [1, 4]), to: [30, 4]))
            let spread = b.apply(.affine(scale: 1, offset: 1e-5), b.parameter("n.running_var", [4]))
            let normal = b.apply(
                .multiply, centred, b.apply(.pointwise(.reciprocal), b.apply(.pointwise(.squareRoot), spread)))
            let weighted = b.apply(.multiply, normal, b.parameter("n.weight", [4]))
            return b.reshaped(b.apply(.add, weighted, b.parameter("n.bias", [4])), .nhwc(1, 5, 6, 4))
        }
        let layer = WeightedLayer(weight: .tensor("c.weight"), bias: withBias ? .tensor("c.bias") : nil)
        let statistics = BatchStatistics("n")
        let folded = try image(
            shape,
            [
                "weight": try value(.batchNormalised(layer, statistics, .weight), parameters),
                "bias": try value(.batchNormalised(layer, statistics, .bias), parameters),
            ]
        ) { b, x in
            b.apply(operation, x, b.parameter("weight", [4, 3, 3, 3]), b.parameter("bias", [4]))
        }
        #expect(largestDifference(unfolded, folded) < 1e-6)
    }

    // MARK: What does not fit

    @Test func whatDoesNotFitIsAnError() {
        let x = WeightExpression.tensor("x")
        let kernel = WeightExpression.tensor("k")
        let layer = WeightedLayer(weight: kernel, bias: nil)
        let wrong: [WeightExpression] = [
            .tensor("nothing"), .constant([1, 2], [3]), .permuted(x, [0, 1]), .permuted(x, [0, 1, 1]),
            .reshaped(x, [5]), .flipped(x, axes: [3]), .flipped(x, axes: [-1]), .sliced(x, axis: 1, 1..<4),
            .sliced(x, axis: 3, 0..<1), .sliced(x, axis: 0, -1..<1), .concatenated([], axis: 0),
            .concatenated([x, kernel], axis: 0), .concatenated([x], axis: 3), .sum([]), .sum([x, kernel]),
            .scaled(x, by: x, axis: nil), .scaled(x, by: .constant([1], [2]), axis: 2),
            .scaled(x, by: .constant([1], [4]), axis: 4), .centred(x, height: 3, width: 3),
            .centred(kernel, height: 2, width: 3), .centred(kernel, height: 1, width: 1),
            .centred(kernel, height: .max, width: .max), .centred(kernel, height: 4, width: 3),
            .chained(layer, then: layer, .weight),
            .chained(WeightedLayer(weight: kernel, bias: x), then: layer, .bias),
            .batchNormalised(
                layer, BatchStatistics(mean: x, variance: x, weight: nil, bias: nil), .weight),
            .spectrallyNormalised(kernel, u: x, v: x),
        ]
        let shapes: [String: Shape] = ["x": [2, 3, 4], "k": [2, 3, 3, 3], "huge": [1 << 40, 1 << 40]]
        for expression in wrong {
            #expect(throws: WeightRuleError.self, "\(expression)") { try expression.shape(shapes) }
        }
        #expect(throws: WeightRuleError.self) { try WeightExpression.reshaped(.tensor("huge"), [1]).shape(shapes) }
    }

    @Test func namesOfTensors() {
        let layer = Conv3XC.folded("a.")
        #expect(
            layer.weight.tensors == [
                "a.conv.0.weight", "a.conv.0.bias", "a.conv.1.weight", "a.conv.1.bias",
                "a.conv.2.weight", "a.conv.2.bias", "a.sk.weight",
            ])
        #expect(layer.weight.renamed { "p." + $0 } == Conv3XC.folded("p.a.").weight)
        let statistics = WeightExpression.batchNormalised(WeightedLayer("c"), BatchStatistics("n"), .bias)
        #expect(statistics.renamed { $0 + "!" }.tensors == Set(statistics.tensors.map { $0 + "!" }))
        #expect(statistics.tensors.count == 6)
    }
}

/// The convolution of SPAN in a form with branches, `prefix` before every name.
enum Conv3XC {
    static func shapes(_ inputs: Int, _ outputs: Int, _ prefix: String = "") -> [String: Shape] {
        var shapes: [String: Shape] = [:]
        for (name, weight) in [
            ("conv.0", [2 * inputs, inputs, 1, 1]), ("conv.1", [2 * outputs, 2 * inputs, 3, 3]),
            ("conv.2", [outputs, 2 * outputs, 1, 1]), ("sk", [outputs, inputs, 1, 1]),
        ] as [(String, Shape)] {
            shapes[prefix + name + ".weight"] = weight
            shapes[prefix + name + ".bias"] = [weight[0]]
        }
        return shapes
    }

    static func folded(_ prefix: String) -> WeightedLayer {
        func layer(_ name: String) -> WeightedLayer { WeightedLayer(prefix + name) }
        let chain = layer("conv.0").then(layer("conv.1")).then(layer("conv.2"))
        return WeightedLayer(
            weight: .sum([chain.weight, .centred(layer("sk").weight, height: 3, width: 3)]),
            bias: .sum([chain.bias!, layer("sk").bias!]))
    }
}
