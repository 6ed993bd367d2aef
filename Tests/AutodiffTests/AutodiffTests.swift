import Network
import Reference
import Tensor
import TestSupport
import Testing

@testable import Autodiff

@Suite struct AutodiffTests {
    /// First and second derivatives against central differences, in double precision.
    @Test(arguments: derivativeCases)
    func finiteDifferencesAgree(_ test: DerivativeCase) {
        let (function, first, second) = test.graphs()
        let arguments = test.arguments
        let gradient = ReferenceExecutor.evaluate(first, parameters: [:], inputs: arguments).outputs
        let expected = finiteDifferences(function, arguments, output: 0)
        #expect(gradient.dropLast().contains { $0.values.contains { abs($0) > 1e-3 } }, "a zero gradient tests nothing")
        #expect(disagreement(Array(gradient.dropLast()), expected) < 5e-8)

        let curvature = ReferenceExecutor.evaluate(second, parameters: [:], inputs: arguments).outputs
        let along = finiteDifferences(first, arguments, output: test.shapes.count)
        #expect(curvature.contains { $0.values.contains { abs($0) > 1e-3 } }, "a zero second derivative tests nothing")
        // Slopes hold numbers in single precision.
        #expect(disagreement(curvature, along) < 5e-8)
    }

    /// Simplification changes nothing but rounding.
    @Test(arguments: derivativeCases)
    func simplifiedGraphsAgree(_ test: DerivativeCase) {
        let (_, first, second) = test.graphs()
        for graph in [first, second] {
            let simpler = graph.simplified()
            #expect(simpler.nodes.count <= graph.nodes.count)
            let expected = ReferenceExecutor.evaluate(graph, parameters: [:], inputs: test.arguments).outputs
            let found = ReferenceExecutor.evaluate(simpler, parameters: [:], inputs: test.arguments).outputs
            #expect(disagreement(found, expected) < 1e-6, "constants are merged in single precision")
        }
    }

    /// A new operation without a row that is tested fails here; parameters and `detach` have none.
    @Test func everyRowIsTested() {
        var tested: Set<String> = []
        for test in derivativeCases {
            var b = GraphBuilder()
            let variables = test.shapes.enumerated().map { b.input("x\($0)", $1) }
            let y = test.body(&b, variables)
            for index in 0...y.index { tested.insert(b.node(Value(index: index)).operation.name) }
        }
        let all = Set((operationCases + trainingOperationCases).flatMap { $0.graph.nodes.map(\.operation.name) })
        #expect(all.subtracting(tested) == ["parameter", "detach"])
    }

    @Test func nothingFlowsThroughDetach() {
        var b = GraphBuilder()
        let x = b.input("x", [3])
        let y = b.total(b.apply(.multiply, x, b.apply(.detach, b.square(x))))
        let gradient = b.gradient(of: y, withRespectTo: [x])
        let graph = b.finish(gradient)
        let at = PreciseTensor([3], [1, 2, 3])
        // x * stop(x²): the derivative is stop(x²), not 3x².
        #expect(ReferenceExecutor.evaluate(graph, parameters: [:], inputs: [at]).outputs[0].values == [1, 4, 9])
    }

    @Test func anIndependentVariableHasAZeroDerivative() {
        var b = GraphBuilder()
        let (x, z) = (b.input("x", [3]), b.input("z", [2, 2]))
        let y = b.total(b.square(x))
        let later = b.input("later", [1])
        let gradient = b.gradient(of: y, withRespectTo: [x, z, later])
        let graph = b.finish(gradient)
        let results = ReferenceExecutor.evaluate(
            graph, parameters: [:],
            inputs: [PreciseTensor([3], [1, 2, 3]), PreciseTensor([2, 2], [1, 1, 1, 1]), PreciseTensor([1], [5])])
        #expect(results.outputs.map(\.values) == [[2, 4, 6], [0, 0, 0, 0], [0]])
    }

    /// The derivative of a network's mean with respect to its parameters and an inner value, by name.
    @Test func parametersAndInnerValuesAreVariables() {
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 4, 5, 2))
        let hidden = b.leakyReLU(b.convolution(x, "a", to: 3), 0.1)
        let y = b.mean(b.square(b.convolution(hidden, "b", to: 2)))
        let names = ["a.weight", "a.bias", "b.weight", "b.bias"]
        let shapes: [Shape] = [[3, 2, 3, 3], [3], [2, 3, 3, 3], [2]]
        let variables = zip(names, shapes).map { b.parameter($0, $1) } + [hidden]
        let gradient = b.gradient(of: y, withRespectTo: variables)
        #expect(gradient.map { b.shape($0) } == shapes + [b.shape(hidden)])
        let graph = b.finish([y] + gradient)
        var parameters = randomParameters(graph, seed: 5).mapValues { PreciseTensor($0) }
        let input = PreciseTensor(randomTensor(.nhwc(1, 4, 5, 2), seed: 6))
        let outputs = ReferenceExecutor.evaluate(graph, parameters: parameters, inputs: [input]).outputs
        for (index, name) in names.enumerated() {
            for element in [0, shapes[index].count - 1] {
                let value = parameters[name]!.values[element]
                func at(_ x: Double) -> Double {
                    parameters[name]!.values[element] = x
                    defer { parameters[name]!.values[element] = value }
                    return ReferenceExecutor.evaluate(graph, parameters: parameters, inputs: [input]).outputs[0].values[
                        0]
                }
                let difference = (at(value + 1e-5) - at(value - 1e-5)) / 2e-5
                #expect(abs(difference - outputs[index + 1].values[element]) < 1e-8, "\(name)[\(element)]")
            }
        }
    }
}
