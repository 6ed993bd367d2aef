import CPUExecutor
import Network
import Reference
import Tensor
import TestSupport
import Testing

@testable import Autodiff

/// Activations that are computed again instead of kept.
@Suite struct RecomputationTests {
    /// A network's parameters' gradients.
    private func graph(_ architecture: any Architecture, _ shape: Shape, segments: Int) -> Graph {
        var b = GraphBuilder()
        let x = b.input("x", shape)
        let loss = b.mean(b.square(architecture.build(&b, x)))
        let gradients = b.gradient(of: loss, withRespectTo: b.allParameters.map(\.value), segments: segments)
        return b.finish([loss] + gradients).simplified()
    }

    @Test(arguments: [2, 3, 7]) func gradientsAreTheSame(_ segments: Int) throws {
        let networks: [any Architecture] = [
            SRVGGNetCompact(features: 5, convolutions: 4, upscale: 2), RRDBNet(features: 6, growth: 3, blocks: 1),
        ]
        for network in networks {
            let shape = Shape.nhwc(1, 5, 6, 3)
            let (kept, remade) = (graph(network, shape, segments: 1), graph(network, shape, segments: segments))
            let parameters = randomParameters(kept, seed: 3)
            let input = randomTensor(shape, seed: 4)
            for executor in [ReferenceExecutor(), CPUExecutor(threads: 2)] as [any TrainingExecutor] {
                let expected = try executor.compile(kept, parameters: parameters).run([input])
                let found = try executor.compile(remade, parameters: parameters).run([input])
                // The order of a sum of derivatives may differ.
                for (a, b) in zip(found, expected) {
                    #expect(largestDifference(a, b) <= 1e-5 * b.values.reduce(1) { max($0, abs($1)) })
                }
            }
        }
    }

    /// A deep network on a large patch: the memory is what this is for.
    @Test func memoryIsLess() throws {
        let network = SRVGGNetCompact(features: 32, convolutions: 24, upscale: 2)
        let shape = Shape.nhwc(1, 96, 96, 3)
        func bytes(_ segments: Int) throws -> Int {
            let graph = graph(network, shape, segments: segments)
            return try CPUExecutor(threads: 1).compile(graph, parameters: randomParameters(graph, seed: 1)).memoryBytes
        }
        let (kept, remade) = (try bytes(1), try bytes(5))
        #expect(remade * 3 < kept * 2, "\(remade >> 20) MiB instead of \(kept >> 20)")
    }

    /// Derivatives of derivatives go through what was computed again.
    @Test func secondDerivatives() {
        var results: [[PreciseTensor]] = []
        for segments in [1, 3] {
            var b = GraphBuilder()
            let x = b.input("x", .nhwc(1, 4, 4, 2))
            var y = x
            for index in 0..<4 { y = b.apply(.pointwise(.tanh), b.convolution(y, "c\(index)", to: 2)) }
            let first = b.gradient(of: b.total(y), withRespectTo: [x], segments: segments)[0]
            let second = b.gradient(of: b.total(b.square(first)), withRespectTo: [x])
            let graph = b.finish([first] + second)
            let parameters = randomParameters(graph, seed: 8).mapValues { PreciseTensor($0) }
            let input = PreciseTensor(randomTensor(.nhwc(1, 4, 4, 2), seed: 9))
            results.append(ReferenceExecutor.evaluate(graph, parameters: parameters, inputs: [input]).outputs)
        }
        #expect(disagreement(results[1], results[0]) < 1e-12)
    }
}
