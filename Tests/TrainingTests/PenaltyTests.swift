import CPUExecutor
import Network
import Reference
import Tensor
import TestSupport
import Testing
import VulkanExecutor
import Weights

@testable import Autodiff
@testable import Training

/// Penalties on a derivative: training for them takes a derivative of a derivative, and no operation of its own.
@Suite struct PenaltyTests {
    /// What the small generator reads: latents, its parameters, y and a.
    private static let shapes: [Shape] = [
        .nhwc(2, 3, 4, 2), [4, 2, 3, 3], [4], [12, 4, 3, 3], .nhwc(2, 6, 8, 3), [1],
    ]
    private static let parameters = 1...3

    private static let arguments: [PreciseTensor] = shapes.enumerated().map { index, shape in
        PreciseTensor(randomTensor(shape, seed: UInt64(30 + index), in: index == 5 ? 0.2..<0.4 : -0.5..<0.5))
    }

    /// Two convolutions with a curved activation between them, and a pixel shuffle: twice the size.
    private static func generate(_ b: inout GraphBuilder, _ x: [Value]) -> Value {
        let convolution = Operation.convolution(stride: 1, padding: 1, groups: 1)
        let hidden = b.apply(.pointwise(.silu), b.apply(convolution, x[0], x[1], x[2]))
        return b.apply(.pointwise(.tanh), b.apply(.pixelShuffle(factor: 2), b.apply(convolution, hidden, x[3])))
    }

    /// The penalty and the mean length; and, where asked for, the penalty's gradient by the parameters.
    private static func graph(gradient: Bool) -> Graph {
        var b = GraphBuilder()
        let x = shapes.enumerated().map { b.input("x\($0)", $1) }
        let found = b.pathLengthPenalty(pictures: generate(&b, x), latents: x[0], noise: x[4], target: x[5])
        let derivatives = gradient ? b.gradient(of: found.penalty, withRespectTo: Array(x[parameters])) : []
        return b.finish([found.penalty, found.length] + derivatives)
    }

    private static func evaluate(_ graph: Graph, _ arguments: [PreciseTensor] = arguments) -> [PreciseTensor] {
        ReferenceExecutor.evaluate(graph, parameters: [:], inputs: arguments).outputs
    }

    /// The derivative of the first output by argument `index`, by central differences in double precision.
    private static func difference(_ graph: Graph, by index: Int) -> [Double] {
        arguments[index].values.indices.map { element in
            func value(_ step: Double) -> Double {
                var moved = arguments
                moved[index].values[element] += step
                return evaluate(graph, moved)[0].values[0]
            }
            return (value(1e-5) - value(-1e-5)) / 2e-5
        }
    }

    /// The lengths themselves, from the generator alone.
    @Test func pathLength() {
        var b = GraphBuilder()
        let x = Self.shapes.enumerated().map { b.input("x\($0)", $1) }
        let pictures = Self.generate(&b, x)
        let product = b.total(b.apply(.multiply, pictures, x[4]))
        let gradient = Self.difference(b.finish([product]), by: 0)
        let half = gradient.count / 2
        let lengths = [gradient[..<half], gradient[half...]].map { $0.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        let target = Self.arguments[5].values[0]
        let found = Self.evaluate(Self.graph(gradient: false))
        let expected = lengths.reduce(0) { $0 + ($1 - target) * ($1 - target) } / 2
        #expect(abs(found[0].values[0] - expected) < 1e-8 && expected > 1e-2)
        #expect(abs(found[1].values[0] - (lengths[0] + lengths[1]) / 2) < 1e-8)
    }

    @Test func pathLengthIsDifferentiable() throws {
        let value = Self.graph(gradient: false)
        let found = Self.evaluate(Self.graph(gradient: true))
        for index in Self.parameters {
            let expected = Self.difference(value, by: index)
            let gradient = found[index + 1].values
            #expect(expected.contains { abs($0) > 1e-2 }, "a zero gradient tests nothing")
            #expect(gradient.count == expected.count)
            for (a, b) in zip(gradient, expected) { #expect(abs(a - b) < 1e-8, "argument \(index)") }
        }
        // As PyTorch has it; see Tests/Golden/make_training.py.
        let file = try SafetensorsFile(path: "\(goldenFolder)/losses.safetensors")
        for (output, tensor) in found.enumerated() {
            let golden = PreciseTensor(try file.tensor("pathLength.\(output)"))
            #expect(golden.values.count == tensor.values.count)
            for (a, b) in zip(tensor.values, golden.values) { #expect(abs(a - b) < 1e-6, "output \(output)") }
        }
    }

    /// On the executors that train.
    @Test func executorsAgree() throws {
        let graph = Self.graph(gradient: true)
        let expected = Self.evaluate(graph)
        let inputs = Self.arguments.map(\.rounded)
        for executor in [CPUExecutor(threads: 2), try sharedVulkan.get()] as [any Executor] {
            let found = try executor.compile(graph.simplified(), parameters: [:]).run(inputs)
            for (a, b) in zip(found, expected) {
                #expect(a.values.count == b.values.count)
                for (x, y) in zip(a.values, b.values) { #expect(abs(Double(x) - y) < 2e-5, "\(executor.name)") }
            }
        }
    }
}
