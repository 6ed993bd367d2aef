import CPUExecutor
import Compute
import Network
import Synchronization
import Tensor
import TestSupport
import Testing
import VulkanExecutor
import Weights

@testable import Pipeline

/// A device that runs out of memory costs time, never a frame.
@Suite(.serialized) struct MemoryLimitTests {
    private let architecture = SRVGGNetCompact(features: 16, convolutions: 3, upscale: 2)
    private let shape = Shape.nhwc(1, 150, 170, 3)
    private var model: Model {
        Model(
            architecture: architecture, parameters: randomParameters(architecture.graph(.nhwc(1, 8, 8, 3)), seed: 5))
    }

    /// The limit of a device makes tiles smaller; where tiles are exact, the result is the same to the bit.
    @Test func tilesAreMadeSmallerUntilTheyFit() throws {
        let picture = randomTensor(shape, seed: 1, in: 0..<1)
        let roomy = Upscaler(
            model: model, executor: try VulkanExecutor(device: 0, cacheDirectory: nil), tiling: .off)
        let expected = try roomy.upscale(picture)
        let limit = 5 << 20
        #expect(roomy.memoryBytes > limit)
        let executor = try VulkanExecutor(device: 0, cacheDirectory: nil, memoryLimit: limit)
        #expect(executor.memoryBudget == limit)
        #expect(executor.workingBytes(architecture.graph(shape)) > limit)
        // A budget that is too generous: the first sizes fail on the device.
        let tight = Upscaler(model: model, executor: executor, memoryBudget: .max)
        #expect(try tight.upscale(picture) == expected)
        #expect(tight.tileCount > 1)
        #expect(executor.activity.allocatedBytes <= limit)
        // And the executor's own.
        let own = Upscaler(
            model: model, executor: try VulkanExecutor(device: 0, cacheDirectory: nil, memoryLimit: limit))
        #expect(try own.upscale(picture) == expected)
        #expect(own.tileCount > 1)
    }

    /// An executor whose plans for large pictures fail in the middle of the stream.
    private final class Failing: Executor {
        let name = "failing"
        let inner = CPUExecutor(threads: 1)
        let failures = Atomic<Int>(0)

        func compile(_ graph: Graph, parameters: Parameters) throws -> any Plan {
            FailingPlan(try inner.compile(graph, parameters: parameters), self)
        }
    }

    private final class FailingPlan: Plan {
        let inner: any Plan
        let owner: Failing
        var runs = 0
        init(_ inner: any Plan, _ owner: Failing) { (self.inner, self.owner) = (inner, owner) }
        var inputShapes: [Shape] { inner.inputShapes }
        var outputShapes: [Shape] { inner.outputShapes }
        var memoryBytes: Int { inner.memoryBytes }

        func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws {
            runs += 1
            if inputs[0].shape.height > 100, runs > 2 {
                owner.failures.add(1, ordering: .relaxed)
                throw ExecutionError.outOfMemory(device: "failing", bytes: 1)
            }
            try inner.run(inputs, into: &outputs)
        }
    }

    @Test func aFrameIsComputedAgainInSmallerTiles() throws {
        let executor = Failing()
        let upscaler = Upscaler(model: model, executor: executor)
        let reference = Upscaler(model: model, executor: CPUExecutor(threads: 1), tiling: .off)
        for seed in 1...5 {
            let picture = randomTensor(shape, seed: UInt64(seed), in: 0..<1)
            #expect(try upscaler.upscale(picture) == reference.upscale(picture), "frame \(seed)")
        }
        #expect(executor.failures.load(ordering: .relaxed) >= 1)
        #expect(upscaler.tileCount > 1)
        // Without tiles there is nothing to fall back on: an error, not a wrong frame.
        let whole = Upscaler(model: model, executor: Failing(), tiling: .off)
        let picture = randomTensor(shape, seed: 9, in: 0..<1)
        for _ in 0..<2 { _ = try whole.upscale(picture) }
        #expect(throws: ExecutionError.self) { try whole.upscale(picture) }
    }
}
