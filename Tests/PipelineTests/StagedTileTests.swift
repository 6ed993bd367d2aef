import CPUExecutor
import Foundation
import Network
import Planning
import Reference
import Tensor
import TestSupport
import Testing
import VulkanExecutor
import Weights

@testable import Pipeline

/// Frames of networks that take means over the frame are the same in tiles as whole.
@Suite struct StagedTileTests {
    /// Sizes of one row of tiles, of odd sides with shifted last tiles, and of whole numbers of tiles.
    @Test(arguments: StagedNetwork.allCases, [(75, 150), (161, 139), (120, 168)])
    func tilesAreTheWholeFrame(_ network: StagedNetwork, _ size: (Int, Int)) throws {
        let (model, frame) = (try network.model(), unevenFrame(size.0, size.1))
        let whole = try Upscaler(model: model, executor: CPUExecutor(threads: 2), tiling: .off).upscale(frame)
        let tiled = Upscaler(model: model, executor: CPUExecutor(threads: 2), tiling: .size(12))
        let result = try tiled.upscale(frame)
        #expect(tiled.tileCount > 1)
        #expect(largestDifference(result, whole) < 1e-4)
        // The network is one for which it matters: a tile by itself has other means.
        let corner = try Upscaler(model: model, executor: CPUExecutor(threads: 2), tiling: .off).upscale(
            part(of: frame, height: size.0 / 2, width: size.1 / 2))
        var furthest: Float = 0
        for y in 0..<size.0 / 2 { furthest = max(furthest, abs(corner[0, y, 20, 1] - whole[0, y, 20, 1])) }
        #expect(furthest > 1e-2)
    }

    /// Whole frames where there is memory for them, and tiles where there is not.
    @Test func memoryDecides() throws {
        let (model, frame) = (try StagedNetwork.twoNorms.model(), unevenFrame(330, 250))
        let large = Upscaler(model: model, executor: CPUExecutor(threads: 2))
        let small = Upscaler(model: model, executor: CPUExecutor(threads: 2), memoryBudget: 3 << 20)
        #expect(largestDifference(try small.upscale(frame), try large.upscale(frame)) < 1e-4)
        #expect(large.tileCount == 1 && small.tileCount > 1)
        #expect(small.memoryBytes < large.memoryBytes)
    }

    private func part(of frame: HostTensor, height: Int, width: Int) -> HostTensor {
        var part = HostTensor(.nhwc(1, height, width, 3))
        for y in 0..<height {
            for x in 0..<width { for channel in 0..<3 { part[0, y, x, channel] = frame[0, y, x, channel] } }
        }
        return part
    }

    /// Numbers without any kernel's rounding.
    @Test(arguments: [StagedNetwork.groupNorm, .behindUnshuffle]) func reference(_ network: StagedNetwork) throws {
        let (model, frame) = (try network.model(), unevenFrame(30, 123))
        let whole = try Upscaler(model: model, executor: ReferenceExecutor(), tiling: .off).upscale(frame)
        let tiled = Upscaler(model: model, executor: ReferenceExecutor(), tiling: .size(12))
        #expect(largestDifference(try tiled.upscale(frame), whole) < 1e-5)
        #expect(tiled.tileCount > 1)
    }

    @Test(arguments: [StagedNetwork.twoNorms, .behindStride]) func vulkan(_ network: StagedNetwork) throws {
        let executor = try VulkanExecutor(precision: .fp32, allowSoftware: true, cacheDirectory: nil)
        let (model, frame) = (try network.model(), unevenFrame(75, 150))
        let whole = try Upscaler(model: model, executor: executor, tiling: .off).upscale(frame)
        let tiled = Upscaler(model: model, executor: executor, tiling: .size(12))
        #expect(largestDifference(try tiled.upscale(frame), whole) < 1e-4)
        #expect(tiled.tileCount > 1)
    }

    @Test func halfFloats() throws {
        let executor = try VulkanExecutor(precision: .fp16, allowSoftware: true, cacheDirectory: nil)
        let (model, frame) = (try StagedNetwork.groupNorm.model(), unevenFrame(75, 150))
        let whole = try Upscaler(model: model, executor: executor, tiling: .off).upscale(frame)
        let tiled = Upscaler(model: model, executor: executor, tiling: .size(12))
        #expect(psnr(try tiled.upscale(frame), whole) > 60)
        #expect(tiled.tileCount > 1)
    }

    /// Tiles in batches, the last of which is not full, and another frame after the first: nothing stays behind.
    @Test(arguments: StagedNetwork.allCases) func batches(_ network: StagedNetwork) throws {
        let model = try network.model()
        let (single, batched) = (
            Upscaler(model: model, executor: CPUExecutor(threads: 2), tiling: .size(12)),
            Upscaler(model: model, executor: CPUExecutor(threads: 2), tiling: .size(12))
        )
        batched.fillingPixels = 45_000
        for seed in [1, 2] as [UInt64] {
            let frame = unevenFrame(190, 139, seed: seed)
            #expect(largestDifference(try batched.upscale(frame), try single.upscale(frame)) < 1e-4)
        }
        #expect(batched.tilesAtOnce > 1 && batched.tileCount % batched.tilesAtOnce != 0)
    }

    /// Where the receptive field is larger than tiles overlap, the means are blended as the image is.
    @Test func blended() throws {
        let deep = try anySizeModel(name: "deep") { (b, x) throws(GraphError) in
            var y = b.convolution(x, "first", to: 4)
            for layer in 0..<52 {
                // Residuals, so that what is near counts most.
                y = b.scaledResidual(b.leakyReLU(b.convolution(y, "\(layer)", to: 4), 0.1), scale: 0.1, y)
                if layer == 26 { y = b.instanceNorm(y) }
            }
            return b.convolution(y, "last", to: 3)
        }
        #expect(try deep.definition.traits().tileReach!.radius > 48)
        let frame = unevenFrame(130, 190)
        let whole = try Upscaler(model: deep, executor: CPUExecutor(threads: 2), tiling: .off).upscale(frame)
        let tiled = Upscaler(model: deep, executor: CPUExecutor(threads: 2), tiling: .size(12))
        let result = try tiled.upscale(frame)
        #expect(tiled.tileCount > 1)
        #expect(psnr(result, whole) > 50)
    }

    /// A mean of 1000 and a deviation of 1: the difference of two large squares would be wrong in the first digit.
    @Test func varianceBesideALargeMean() throws {
        let norm = try anySizeModel(name: "norm") { (b, x) throws(GraphError) in b.instanceNorm(x) }
        var frame = randomTensor(.nhwc(1, 100, 170, 3), seed: 3, in: -1.7..<1.7)
        for index in frame.values.indices { frame.values[index] += 1000 }
        let graph = try norm.graph(frame.shape)
        let exact = ReferenceExecutor.evaluate(graph, parameters: [:], inputs: [PreciseTensor(frame)]).outputs[0]
        let tiled = Upscaler(model: norm, executor: CPUExecutor(threads: 2), tiling: .size(12))
        #expect(largestDifference(try tiled.upscale(frame), exact.rounded) < 1e-4)
        #expect(tiled.tileCount > 1)
    }

    @Test(arguments: [1, 7]) func joinedTilesAreOneTile(_ parts: Int) {
        let numbers = randomTensor([210], seed: 4, in: 990..<1010).values
        var joined = TileStatistic(count: 1)
        for part in 0..<parts {
            let own = numbers[part * 210 / parts..<(part + 1) * 210 / parts].map(Double.init)
            let mean = own.reduce(0, +) / Double(own.count)
            let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(own.count)
            [Float(mean)].withUnsafeBufferPointer { means in
                [Float(variance)].withUnsafeBufferPointer { variances in
                    joined.join(Double(own.count), means: means, variances: variances)
                    // A tile that owns nothing changes nothing.
                    joined.join(0, means: means, variances: variances)
                }
            }
        }
        let mean = numbers.reduce(0) { $0 + Double($1) } / 210
        let variance = numbers.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / 210
        #expect(joined.weight == 210)
        #expect(abs(joined.means[0] - mean) < 1e-4)
        #expect(abs(joined.variance(0) - variance) < 1e-3)
    }

    // MARK: How graphs are cut

    @Test(arguments: StagedNetwork.allCases) func passes(_ network: StagedNetwork) throws {
        let model = try network.model()
        for batch in [1, 3] {
            let graph = try model.graph(.nhwc(batch, 48, 72, 3))
            let cut = try #require(StageCut(graph))
            #expect(cut.stages.count == network.passes)
            #expect(cut.stages.last!.gathered.isEmpty && cut.stages.last!.grids.isEmpty)
            #expect(cut.stages.dropLast().allSatisfy { !$0.gathered.isEmpty && $0.statistics.allSatisfy { $0 >= 0 } })
            // What the image is made of behind the last mean is no part of the passes before.
            #expect(!cut.stages[0].graph.parameters.contains { $0.name == "last.weight" })
            #expect((1...Double(network.passes)).contains(cut.relativeWork))
            #expect(cut.grids.count == (network == .unlikeGrids ? 2 : 1))
        }
    }

    /// Networks without means are not cut, and have the tiles that they always had.
    @Test func othersKeepTheirTiles() throws {
        for (architecture, overlap, isExact) in [
            (SRVGGNetCompact(), 18, true), (RealtimeSR(), 21, true), (RRDBNet(), 32, false),
        ] as [(any Architecture, Int, Bool)] {
            let rules = TileRules(try architecture.definition.traits())
            #expect(rules.overlap == overlap && rules.isExact == isExact)
            #expect(!rules.isStaged && rules.obstacle == nil && rules.boundsChanges == isExact)
            #expect(StageCut(architecture.graph(.nhwc(1, 24, 24, 3))) == nil)
        }
    }

    /// Each sample of a value belongs to the tiles once, and to none nearer to an inner border than the overlap.
    @Test(arguments: 1...40) func sharesSumToOne(_ seed: Int) throws {
        var random = Philox(key: UInt64(seed))
        let (r, s) = (random.nextUniform4(), random.nextUniform4())
        let stride = [Ratio(1), Ratio(2), Ratio(4), Ratio(1, 2), Ratio(2, 3), Ratio(4, 3)][Int(r[0] * 6)]
        let (exact, overlap, before) = (r[1] < 0.5, Int(s[0] * 40), Int(s[1] * 4))
        let multiple = 4
        let count = 60 + Int(r[2] * 400)
        let layout = TileLayout(
            height: 1, width: count, tile: 8 + Int(r[3] * 50), overlap: overlap, exact: exact, grid: 12 * multiple,
            scale: 1)
        let side = layout.horizontal
        // As networks are that fill up to their multiple, with a padding of their own before.
        func extent(_ pixels: Int) -> Int {
            before + stride.inverse.times((pixels + multiple - 1) / multiple * multiple)!
        }
        let shares = try #require(
            side.shares(stride: stride, extent: extent(side.length), multiple: multiple, exact: exact))
        var sums = [Double](repeating: 0, count: extent(count))
        let pixels = Double(stride.numerator) / Double(stride.denominator)
        for (tile, start) in side.starts.enumerated() {
            let offset = start == 0 ? 0 : stride.inverse.times(start)!
            for (sample, share) in shares[tile].enumerated() {
                sums[offset + sample] += share
                guard exact, share > 0, side.starts.count > 1 else { continue }
                if tile > 0 { #expect(Double(sample) * pixels >= Double(overlap)) }
                if tile + 1 < side.starts.count {
                    #expect((Double(sample) + 1) * pixels <= Double(side.length - overlap))
                }
            }
        }
        #expect(sums.allSatisfy { abs($0 - 1) < 1e-9 })
    }

    // MARK: What is refused, and what is told

    private func frame(_ form: GeneralNetworkTests.Form) -> (model: Model, frame: HostTensor) {
        (GeneralNetworkTests.model(form), unevenFrame(130, 16))
    }

    @Test func attentionIsRefusedByName() throws {
        let (model, frame) = frame(.attention)
        let executor = CPUExecutor(threads: 2)
        let whole = try Upscaler(model: model, executor: executor, tiling: .off).upscale(frame)
        // With memory enough, and with one tile, as ever.
        #expect(try Upscaler(model: model, executor: executor).upscale(frame) == whole)
        #expect(try Upscaler(model: model, executor: executor, tiling: .size(512)).upscale(frame) == whole)
        for upscaler in [
            Upscaler(model: model, executor: executor, tiling: .size(16)),
            Upscaler(model: model, executor: executor, memoryBudget: 1 << 20),
        ] {
            let error = #expect(throws: PipelineError.self) { try upscaler.upscale(frame) }
            guard case .wholeFramesOnly("GeneralNetwork", "product", let bytes) = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
            #expect(bytes > 1 << 20)
            let text = "\(error!)"
            #expect(text.contains("'product' needs the whole frame") && text.contains("\(bytes >> 20) MiB"))
            #expect(!text.contains("--") && !text.contains("\n"))
        }
    }

    /// The number that stands for the frame's size would be another one for each tile.
    @Test func numbersOfTheFramesSizeAreRefused() throws {
        let scaled = try anySizeModel(name: "scaled") { (b, x) throws(GraphError) in
            let share = 1 / Float(b.shape(x).height * b.shape(x).width)
            return b.apply(.add, x, b.broadcast(b.scaled(b.sum(x, over: [1, 2]), share), to: b.shape(x)))
        }
        let upscaler = Upscaler(model: scaled, executor: CPUExecutor(threads: 1), tiling: .size(16))
        let error = #expect(throws: PipelineError.self) { try upscaler.upscale(unevenFrame(130, 130)) }
        guard case .wholeFramesOnly("scaled", "sum", _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    /// A network that fills up to more than its strides ask for: the last tile would have other samples than the frame, and
    /// their mean is part of the whole's.
    @Test func samplesOfAnotherFrameAreRefused() throws {
        let filling = try anySizeModel(name: "filling") { (b, x) throws(GraphError) in
            let shape = b.shape(x)
            let margins = Margins(bottom: (64 - shape.height % 64) % 64, right: (64 - shape.width % 64) % 64)
            let wide = b.apply(.pad(margins, .reflect), b.convolution(x, "first", to: 4))
            let mean = b.broadcast(b.mean(wide, over: [1, 2]), to: b.shape(wide))
            return b.convolution(b.apply(.crop(margins), b.apply(.add, wide, mean)), "last", to: 3)
        }
        #expect(try filling.definition.traits().opaqueRead == nil)
        let upscaler = Upscaler(model: filling, executor: CPUExecutor(threads: 1), tiling: .size(12))
        let error = #expect(throws: PipelineError.self) { try upscaler.upscale(unevenFrame(130, 130)) }
        guard case .wholeFramesOnly("filling", "mean", _) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    /// A job tells of the passes, and refuses, before anything is written.
    @Test func jobs() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("upframe-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = folder.appendingPathComponent("in.mp4").path
        try SyntheticClip.write(input, width: 138, height: 130, frames: 2)
        func options(_ model: Model, _ tiling: Tiling) -> UpscaleOptions {
            var options = UpscaleOptions(
                input: input, output: folder.appendingPathComponent("out.mkv").path, model: model,
                executor: CPUExecutor(threads: 2))
            (options.tiling, options.overwrite) = (tiling, true)
            return options
        }
        #expect(throws: PipelineError.self) { try UpscaleJob(options(frame(.attention).model, .size(16))) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["in.mp4"])
        let model = try StagedNetwork.twoNorms.model()
        #expect(!(try UpscaleJob(options(model, .automatic)).notes.contains { $0.contains("passes") }))
        let job = try UpscaleJob(options(model, .size(12)))
        let note = try #require(job.notes.first { $0.contains("passes") })
        // Two convolutions of three in the first pass, and one in the pass before.
        #expect(note.hasPrefix("twoNorms: frames are cut into ") && note.contains("3 passes, "))
        #expect(try job.run().frames == 2)
    }

    // MARK: Reuse

    /// A changed pixel changes the whole frame.
    @Test(arguments: [Tiling.off, .size(12)]) func changesShowEverywhere(_ tiling: Tiling) throws {
        let model = try StagedNetwork.instanceNorm.model()
        let plain = Upscaler(model: model, executor: CPUExecutor(threads: 2), tiling: tiling)
        let reusing = Upscaler(model: model, executor: CPUExecutor(threads: 2), tiling: tiling, reuses: true)
        var frame = unevenFrame(330, 250)
        let first = try reusing.upscale(frame)
        #expect(try reusing.upscale(frame) == first)
        for x in 0..<40 { frame[0, 5, x, 1] = 60 }
        let changed = try reusing.upscale(frame)
        #expect(changed == (try plain.upscale(frame)))
        // Also where nothing was drawn.
        #expect(abs(changed[0, 600, 400, 0] - first[0, 600, 400, 0]) > 1e-3)
        let count = try #require(reusing.reuse)
        #expect(count.pictures == 3 && count.identicalPictures == 1 && count.partialPictures == 0)
    }
}
