import CPUExecutor
import Network
import Reference
import Tensor
import TestSupport
import Testing
import VulkanExecutor
import Weights

@testable import Pipeline

@Suite struct UpscalerTests {
    private func model(_ architecture: any Architecture) -> Model {
        let graph = architecture.graph(.nhwc(1, 8, 8, 3))
        return Model(architecture: architecture, parameters: randomParameters(graph, seed: 5))
    }

    /// With an overlap that covers the receptive field, tiles change nothing: bit for bit.
    @Test(arguments: [(40, 91), (97, 30), (73, 120)], [true, false])
    func tilesAreTheWholePicture(_ size: (Int, Int), _ reference: Bool) throws {
        let model = model(SRVGGNetCompact(features: 16, convolutions: 3, upscale: 2))
        let picture = randomTensor(.nhwc(1, size.0, size.1, 3), seed: 1, in: 0..<1)
        let executor: any Executor = reference ? ReferenceExecutor() : CPUExecutor(threads: 2)
        let whole = try Upscaler(model: model, executor: executor, tiling: .off).upscale(picture)
        let tiled = Upscaler(model: model, executor: executor, tiling: .size(16))
        let result = try tiled.upscale(picture)
        #expect(tiled.tileCount > 1)
        #expect(result == whole)
    }

    /// In many layers Winograd's rounding spreads further than the overlap; nothing else does. Sums of single results do not.
    @Test func deepTilesDifferByRounding() throws {
        let model = model(SRVGGNetCompact(features: 16, convolutions: 10, upscale: 2))
        func tiled(_ executor: any Executor, _ height: Int, _ width: Int) throws -> (HostTensor, HostTensor) {
            let picture = randomTensor(.nhwc(1, height, width, 3), seed: 1, in: 0..<1)
            let whole = try Upscaler(model: model, executor: executor, tiling: .off).upscale(picture)
            let upscaler = Upscaler(model: model, executor: executor, tiling: .size(12))
            let result = try upscaler.upscale(picture)
            #expect(upscaler.tileCount > 1)
            return (result, whole)
        }
        let (result, whole) = try tiled(CPUExecutor(threads: 2), 130, 91)
        #expect(largestDifference(result, whole) < 1e-4)
        let (exact, expected) = try tiled(ReferenceExecutor(), 12, 97)
        #expect(exact == expected)
    }

    /// Tiles run as batches give what they give one by one, bit for bit: also a last batch that is not full, and blended
    /// tiles.
    @Test(arguments: [false, true]) func batchesAreTheirTiles(_ isVulkan: Bool) throws {
        let executor: any Executor =
            isVulkan
            ? try VulkanExecutor(precision: .fp32, allowSoftware: true, cacheDirectory: nil) : CPUExecutor(threads: 2)
        let architectures: [any Architecture] = [
            SRVGGNetCompact(features: 16, convolutions: 2, upscale: 2),
            RRDBNet(features: 8, growth: 4, blocks: 3, unshuffle: 2),
        ]
        for architecture in architectures {
            let model = model(architecture)
            let picture = randomTensor(.nhwc(1, 140, 251, 3), seed: 3, in: 0..<1)
            func upscaler(_ pixels: Int) -> Upscaler {
                let upscaler = Upscaler(model: model, executor: executor, tiling: .size(24), reuses: true)
                upscaler.fillingPixels = pixels
                return upscaler
            }
            let (single, batched) = (upscaler(0), upscaler(100_000))
            let expected = try single.upscale(picture)
            #expect(try batched.upscale(picture) == expected)
            #expect(single.tilesAtOnce == 1 && single.tileCount > 1)
            #expect((2...single.tileCount).contains(batched.tilesAtOnce))
            // Only some tiles change.
            var changed = picture
            changed.values[4000] = 0.25
            #expect(try batched.upscale(changed) == single.upscale(changed))
            #expect(batched.reuse == single.reuse)
        }
    }

    /// A batch that the budget has no room for is made smaller.
    @Test func batchesKeepTheBudget() throws {
        let model = model(SRVGGNetCompact(features: 16, convolutions: 2, upscale: 2))
        let picture = randomTensor(.nhwc(1, 140, 251, 3), seed: 3, in: 0..<1)
        func tilesAtOnce(_ budget: Int) throws -> Int {
            let upscaler = Upscaler(
                model: model, executor: CPUExecutor(threads: 2), tiling: .size(24), memoryBudget: budget)
            upscaler.fillingPixels = 1 << 30
            _ = try upscaler.upscale(picture)
            return upscaler.tilesAtOnce
        }
        let all = try tilesAtOnce(1 << 30)
        #expect(all > 4)
        #expect(try tilesAtOnce(4 << 20) < all)
        #expect(try tilesAtOnce(1) == 1)
    }

    /// The final bicubic resize keeps its phase in every tile.
    @Test func tilesOfAResizedNetwork() throws {
        let model = model(SRVGGNetCompact(features: 8, convolutions: 1, outputScale: 3))
        let picture = randomTensor(.nhwc(1, 91, 95, 3), seed: 1, in: 0..<1)
        let whole = try Upscaler(model: model, executor: ReferenceExecutor(), tiling: .off).upscale(picture)
        let tiled = Upscaler(model: model, executor: ReferenceExecutor(), tiling: .size(16))
        #expect(largestDifference(try tiled.upscale(picture), whole) <= 1e-6)
        #expect(tiled.tileCount > 1)
    }

    /// A network that no architecture describes, with strides inside.
    @Test func tilesOfADefinition() throws {
        let definition = NetworkDefinition(name: "strided", inputs: [ImagePort("image", channels: 3)]) {
            (b, values) throws(GraphError) in
            let small = b.parameter("down", [16, 3, 3, 3])
            let y = try b.tryApply(.convolution(stride: 2, padding: 1, groups: 1), [values[0], small])
            let wide = try b.tryApply(
                .convolution(stride: 1, padding: 1, groups: 1), [y, b.parameter("up", [48, 16, 3, 3])])
            return [try b.tryApply(.pixelShuffle(factor: 4), [wide])]
        }
        let padded = try definition.padded()
        let parameters = randomParameters(try padded.graph(.nhwc(1, 8, 8, 3)), seed: 5)
        let model = try Model(definition: padded, parameters: parameters)
        #expect(model.descriptor.scale == 2 && model.descriptor.sizeMultiple == 2)
        let picture = randomTensor(.nhwc(1, 161, 150, 3), seed: 1, in: 0..<1)
        let whole = try Upscaler(model: model, executor: ReferenceExecutor(), tiling: .off).upscale(picture)
        #expect(whole.shape == .nhwc(1, 322, 300, 3))
        let tiled = Upscaler(model: model, executor: ReferenceExecutor(), tiling: .size(16))
        #expect(try tiled.upscale(picture) == whole)
        #expect(tiled.tileCount > 1)
        // Without padding, an odd side is an error of the network's and no trap.
        let bare = Upscaler(model: try Model(definition: definition, parameters: parameters), executor: CPUExecutor())
        #expect(throws: (any Error).self) {
            let shape = Shape.nhwc(1, 9, 9, 3)
            _ = try bare.upscale(randomTensor(shape, seed: 1))
        }
    }

    /// A receptive field too large to cover is blended: near the whole picture's result, and without seams.
    @Test func blendedTilesHaveNoSeams() throws {
        let model = model(RRDBNet(features: 8, growth: 4, blocks: 4, unshuffle: 2))
        #expect(model.descriptor.receptiveFieldRadius > 48)
        let picture = randomTensor(.nhwc(1, 220, 209, 3), seed: 2, in: 0..<1)
        let whole = try Upscaler(model: model, executor: CPUExecutor(), tiling: .off).upscale(picture)
        let tiled = Upscaler(model: model, executor: CPUExecutor(), tiling: .size(24))
        let result = try tiled.upscale(picture)
        #expect(tiled.tileCount > 1)
        #expect(psnr(result, whole) > 50)
    }

    /// A budget too small for the whole picture makes tiles of it.
    @Test func memoryBudget() throws {
        let model = model(SRVGGNetCompact(features: 16, convolutions: 2, upscale: 2))
        let picture = randomTensor(.nhwc(1, 200, 200, 3), seed: 1, in: 0..<1)
        let large = Upscaler(model: model, executor: CPUExecutor(), memoryBudget: 1 << 30)
        let small = Upscaler(model: model, executor: CPUExecutor(), memoryBudget: 2 << 20)
        #expect(try large.upscale(picture) == small.upscale(picture))
        #expect(large.tileCount == 1)
        #expect(small.tileCount > 1)
    }

    @Test func aPlanIsUsedAgainForTheSameSize() throws {
        let upscaler = Upscaler(model: model(SRVGGNetCompact(features: 4, convolutions: 1)), executor: CPUExecutor())
        let a = try upscaler.upscale(randomTensor(.nhwc(1, 5, 7, 3), seed: 1))
        let b = try upscaler.upscale(randomTensor(.nhwc(1, 3, 9, 3), seed: 1))
        let c = try upscaler.upscale(randomTensor(.nhwc(1, 5, 7, 3), seed: 1))
        #expect(a == c)
        #expect(b.shape == .nhwc(1, 12, 36, 3))
    }
}

@Suite struct TileLayoutTests {
    /// Every output sample's weights sum to 1, and every tile stays inside, whatever the sizes.
    @Test(arguments: 1...40) func weightsSumToOne(_ seed: Int) {
        var random = Philox(key: UInt64(seed))
        let r = random.nextUniform4()
        let s = random.nextUniform4()
        let (height, width) = (1 + Int(r[0] * 300), 1 + Int(r[1] * 300))
        let scale = 1 + Int(r[2] * 4)
        let layout = TileLayout(
            height: height, width: width, tile: 8 + Int(r[3] * 90), overlap: Int(s[0] * 40), exact: s[1] < 0.5,
            grid: 12 * (1 + Int(s[2] * 2)), scale: scale)
        for (side, count) in [(layout.vertical, height), (layout.horizontal, width)] {
            var sums = [Float](repeating: 0, count: count * scale)
            for (start, weights) in zip(side.starts, side.weights) {
                #expect(start >= 0 && start + side.length <= count)
                #expect(weights.count == side.length * scale)
                for (index, weight) in weights.enumerated() { sums[start * scale + index] += weight }
            }
            #expect(sums.allSatisfy { abs($0 - 1) < 1e-5 })
        }
    }

    /// In the exact mode nothing nearer to an inner border of a tile than the overlap is used.
    @Test(arguments: [(100, 16, 5), (333, 40, 19), (77, 12, 12)])
    func exactTilesKeepTheirDistance(_ count: Int, _ tile: Int, _ overlap: Int) {
        let layout = TileLayout(
            height: 1, width: count, tile: tile, overlap: overlap, exact: true, grid: 12, scale: 2)
        let side = layout.horizontal
        #expect(side.starts.count > 1)
        for (index, weights) in side.weights.enumerated() {
            let used = weights.indices.filter { weights[$0] != 0 }
            if index > 0 { #expect(used.first! >= overlap * 2) }
            if index + 1 < side.starts.count { #expect(used.last! < (side.length - overlap) * 2) }
            #expect(weights.allSatisfy { $0 == 0 || $0 == 1 })
        }
    }
}

@Suite struct TargetSizeTests {
    @Test func sizes() {
        func pixels(_ target: TargetSize, _ width: Int, _ height: Int, even: Bool = true) -> [Int] {
            let size = target.pixels(width: width, height: height, modelScale: 2, even: even)
            return [size.width, size.height]
        }
        #expect(pixels(.model, 321, 181) == [642, 362])
        #expect(pixels(.scale(3), 321, 181) == [963, 543])
        #expect(pixels(.scale(1.5), 321, 181) == [482, 272])
        #expect(pixels(.scale(1.5), 321, 181, even: false) == [482, 272])
        #expect(pixels(.size(width: 7, height: 9), 321, 181) == [7, 9])
        #expect(pixels(.fit(width: 1920, height: 1080), 853, 480) == [1920, 1080])
        #expect(pixels(.fit(width: 1920, height: 1080), 640, 480) == [1440, 1080])
        #expect(pixels(.fit(width: 100, height: 100), 4000, 1) == [100, 2])
        #expect(pixels(.fit(width: 100, height: 100), 4000, 1, even: false) == [100, 1])
        #expect(pixels(.scale(0.01), 50, 50, even: false) == [1, 1])
    }
}
