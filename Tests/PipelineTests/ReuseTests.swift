import CPUExecutor
import Network
import Reference
import Tensor
import TestSupport
import Testing
import VulkanExecutor
import Weights

@testable import Pipeline

/// What does not change is not computed again, and nobody can tell from the result.
@Suite struct ReuseTests {
    private func model(_ architecture: any Architecture) -> Model {
        Model(
            architecture: architecture,
            parameters: randomParameters(architecture.graph(.nhwc(1, 8, 8, 3)), seed: 5))
    }

    private func run(_ executor: any Executor, _ model: Model, _ height: Int, _ width: Int) throws -> ReuseCount {
        let plain = Upscaler(model: model, executor: executor, tiling: .off)
        let reusing = Upscaler(model: model, executor: executor, tiling: .off, reuses: true)
        var picture = randomTensor(.nhwc(1, height, width, 3), seed: 9, in: 0..<1)
        // Everything new, the same, one pixel, a cursor at the border, the same, everything new.
        for step in 0..<6 {
            switch step {
            case 2: picture[0, height / 2, width / 3, 1] += 0.25
            case 3: for x in width - 4..<width { picture[0, height - 1, x, 0] = 1 }
            case 5: picture = randomTensor(.nhwc(1, height, width, 3), seed: 10, in: 0..<1)
            default: break
            }
            #expect(try reusing.upscale(picture) == plain.upscale(picture), "step \(step)")
        }
        return try #require(reusing.reuse)
    }

    @Test(arguments: CPUExecutor.InstructionSet.supported) func cpu(_ set: CPUExecutor.InstructionSet) throws {
        let executor = CPUExecutor(threads: 2, instructionSet: set)
        let count = try run(executor, model(SRVGGNetCompact(features: 16, convolutions: 3, upscale: 2)), 330, 410)
        #expect(count.pictures == 6)
        #expect(count.identicalPictures == 2)
        #expect(count.partialPictures == 2)
        #expect(count.computedTiles < count.tiles / 2)
    }

    @Test(arguments: [StoragePrecision.fp32, .fp16]) func vulkan(_ precision: StoragePrecision) throws {
        let executor = try VulkanExecutor(device: nil, precision: precision, allowSoftware: true)
        let count = try run(executor, model(SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2)), 290, 330)
        #expect(count.partialPictures == 2)
    }

    /// Widths at which the borders of tiles lie between the pixels of an unshuffle: every change is seen by all that can
    /// see it, wherever it lies.
    @Test func changesAtEveryColumn() throws {
        let (height, width) = (16, 854)
        let model = model(RealtimeSR(features: 2))
        let plain = Upscaler(model: model, executor: CPUExecutor(threads: 1), tiling: .off)
        let reusing = Upscaler(model: model, executor: CPUExecutor(threads: 1), tiling: .off, reuses: true)
        var picture = randomTensor(.nhwc(1, height, width, 3), seed: 9, in: 0..<1)
        _ = try reusing.upscale(picture)
        for x in 0..<width {
            picture[0, height / 2, x, 1] = picture[0, height / 2, x, 1] < 0.5 ? 8 : -8
            let (found, expected) = (try reusing.upscale(picture), try plain.upscale(picture))
            let largest = zip(found.values, expected.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
            #expect(largest < 1e-4, "a change of column \(x)")
        }
        #expect(try #require(reusing.reuse).partialPictures > width / 2)
    }

    /// A receptive field larger than tiles can cover: only whole pictures are reused.
    @Test func largeReceptiveFields() throws {
        let count = try run(CPUExecutor(), model(RRDBNet(features: 8, growth: 4, blocks: 4)), 60, 50)
        #expect(count.identicalPictures == 2)
        #expect(count.partialPictures == 0)
    }

    @Test func anotherSizeIsNew() throws {
        let upscaler = Upscaler(
            model: model(SRVGGNetCompact(features: 4, convolutions: 1)), executor: ReferenceExecutor(), reuses: true)
        for (height, width) in [(4, 6), (6, 4), (4, 6)] {
            _ = try upscaler.upscale(HostTensor(.nhwc(1, height, width, 3), repeating: 0.5))
        }
        #expect(upscaler.reuse?.identicalPictures == 0)
    }
}
