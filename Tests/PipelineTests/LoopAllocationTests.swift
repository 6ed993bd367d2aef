import CAllocationCounter
import CPUExecutor
import Network
import Pipeline
import Tensor
import TestSupport
import Testing
import Weights

/// A frame after the first allocates nothing between picture and result, whole or in tiles. (What FFmpeg takes for its
/// packets is its own affair.)
@Suite(.serialized) struct LoopAllocationTests {
    @Test(arguments: [Tiling.off, .size(24)]) func upscalingAllocatesNothing(_ tiling: Tiling) throws {
        let architecture = SRVGGNetCompact(features: 16, convolutions: 2, upscale: 2)
        let parameters = randomParameters(architecture.graph(.nhwc(1, 70, 90, 3)), seed: 1)
        try check(Model(architecture: architecture, parameters: parameters), tiling)
    }

    /// Also where means are gathered from all tiles before.
    @Test func stagedTilesAllocateNothing() throws { try check(StagedNetwork.twoNorms.model(), .size(12)) }

    private func check(_ model: Model, _ tiling: Tiling) throws {
        try #require(ac_available(), "the counter needs glibc")
        let shape = Shape.nhwc(1, 70, 90, 3)
        let upscaler = Upscaler(model: model, executor: CPUExecutor(threads: 1), tiling: tiling)
        let picture = randomTensor(shape, seed: 2, in: 0..<1)
        var result = HostTensor(upscaler.outputShape(shape))
        try upscaler.upscale(picture, into: &result)
        #expect(upscaler.tileCount == (tiling == .off ? 1 : upscaler.tileCount) && upscaler.tileCount >= 1)
        let before = ac_count()
        ac_mark(true)
        defer { ac_mark(false) }
        for _ in 0..<5 { try upscaler.upscale(picture, into: &result) }
        ac_mark(false)
        #expect(ac_count() - before == 0)
        // The counter sees this thread at all.
        ac_mark(true)
        let another = [Float](repeating: 1, count: result.values.count)
        ac_mark(false)
        #expect(ac_count() - before >= 1 && another.count == result.values.count)
    }
}
