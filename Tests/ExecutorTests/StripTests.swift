import Compute
import Network
import Planning
import Tensor
import TestSupport
import Testing

@testable import VulkanExecutor

/// The last, enlarging layers in strips: less memory, the same result.
@Suite(.serialized) struct StripTests {
    private func executor(_ precision: StoragePrecision, stripBytes: Int) throws -> VulkanExecutor {
        try VulkanExecutor(
            device: nil, precision: precision, allowSoftware: true, validation: true, framesInFlight: 1,
            cacheDirectory: nil, bindingLimit: .max, stripBytes: stripBytes)
    }

    /// x4plus at 1080p, half floats: the arena, weights and frames of a plan within 4 GiB; planned, not run.
    @Test func eightKFitsIntoFourGiB() throws {
        let network = RRDBNet(features: 64, growth: 32, blocks: 23)
        let graph = network.graph(.nhwc(1, 1080, 1920, 3))
        var options = PlanningOptions()
        let whole = Planner.plan(graph, options: options).arenaElements * 2
        options.stripElements = (512 << 20) / 2
        let program = Planner.plan(graph, options: options)
        let strips = try #require(program.strips)
        #expect(program.steps.count - strips.firstStep == 4, "two enlargements, the last two layers")
        let arena = program.arenaElements * 2
        let weights = graph.parameters.reduce(0) { $0 + $1.shape.count } * 2
        // 10-bit 4:2:0 frames of both sizes, two in flight.
        let frames = 2 * (1920 * 1080 + 7680 * 4320) * 3
        print("1080p to 8K: whole \(whole >> 20) MiB, strips \((arena + weights + frames) >> 20) MiB")
        #expect(arena + weights + frames < 4 << 30)
        #expect(whole > 7 << 30)
        // Every row of the result is computed once, and little is computed twice.
        #expect(strips.rows.map { $0.last! }.reduce(0) { $0 + $1.count } == 4320)
        let twice = strips.rows.map { $0[1].count }.reduce(0, +)
        #expect(twice < 4320 * 11 / 10)
    }

    @Test(arguments: [StoragePrecision.fp32, .fp16]) func stripsGiveTheSameResult(_ precision: StoragePrecision) throws
    {
        var networks = [("RRDBNet", RRDBNet(features: 16, growth: 16, blocks: 1).graph(.nhwc(1, 83, 11, 3)))]
        // Residuals over the strips' steps, a pixel shuffle between them, a stride.
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 90, 9, 3))
        let first = b.leakyReLU(b.convolution(x, "a", to: 16), 0.1)
        let shuffled = b.apply(.pixelShuffle(factor: 2), b.convolution(first, "b", to: 64))
        let next = b.apply(
            .add, b.convolution(shuffled, "c", to: 16, kernel: 5), b.apply(.upsampleNearest(factor: 2), first))
        let y = b.convolution(b.apply(.upsampleNearest(factor: 2), next), "d", to: 3)
        networks.append(("shuffle", b.finish([y])))
        let (whole, strips) = (
            try executor(precision, stripBytes: .max / 8), try executor(precision, stripBytes: 1 << 12)
        )
        // Winograd's method is not used in strips, and rounds otherwise.
        (whole.multiplication, strips.multiplication) = (.vectors, .vectors)
        for (name, graph) in networks {
            let parameters = randomParameters(graph, seed: 3)
            let input = randomTensor(graph.shape(graph.inputs[0]), seed: 4)
            let (one, many) = (
                try whole.plan(graph, parameters: parameters), try strips.plan(graph, parameters: parameters)
            )
            #expect(many.recorded.dispatches >= one.recorded.dispatches + 4, "\(name) runs in strips")
            #expect(many.memoryBytes < one.memoryBytes, "\(name) takes less memory")
            let expected = try one.run([input])
            #expect(try many.run([input]) == expected, "\(name)")
            // Again, on what the first run left behind.
            #expect(try many.run([input]) == expected, "\(name)")
            if whole.device.capabilities.timestampNanoseconds > 0 {
                let (a, b) = (try one.profile([input]), try many.profile([input]))
                #expect(a.map(\.name) == b.map(\.name))
                #expect(zip(a, b).allSatisfy { $0.multiplyAdds <= $1.multiplyAdds })
            }
        }
        #expect(strips.validationMessages == [])
    }

    /// The kernels for software drivers in strips: the same but for rounding.
    @Test func stripsOfTexels() throws {
        let graph = RRDBNet(features: 16, growth: 16, blocks: 1).graph(.nhwc(1, 83, 11, 3))
        let parameters = randomParameters(graph, seed: 3)
        let input = randomTensor(graph.shape(graph.inputs[0]), seed: 4)
        func result(_ stripBytes: Int) throws -> (HostTensor, Int) {
            let executor = try executor(.fp32, stripBytes: stripBytes)
            executor.multiplication = .texels
            let plan = try executor.plan(graph, parameters: parameters)
            let result = try plan.run([input])[0]
            #expect(executor.validationMessages == [])
            return (result, plan.memoryBytes)
        }
        let (whole, strips) = (try result(.max / 8), try result(1 << 12))
        #expect(largestDifference(whole.0, strips.0) < 1e-5)
        #expect(strips.1 < whole.1)
    }

    /// Networks whose end is no chain of enlarging convolutions are left whole.
    @Test func othersAreLeftWhole() throws {
        var options = PlanningOptions()
        options.stripElements = 1
        let compact = SRVGGNetCompact(features: 16, convolutions: 2, upscale: 4).graph(.nhwc(1, 200, 20, 3))
        let program = Planner.plan(compact, options: options)
        #expect(program.strips == nil)
        for test in operationCases { _ = Planner.plan(test.graph, options: options) }
    }
}
