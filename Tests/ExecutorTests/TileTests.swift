import Compute
import Foundation
import Network
import Planning
import Reference
import Tensor
import TestSupport
import Testing

@testable import VulkanExecutor

/// Tiles are chosen by measurement, so each of them must compute the same.
@Suite(.serialized) struct TileTests {
    static func executor(_ precision: StoragePrecision, directory: String? = nil, measures: Bool = false) throws
        -> VulkanExecutor
    {
        try VulkanExecutor(
            device: nil, precision: precision, allowSoftware: true, validation: true, framesInFlight: 1,
            cacheDirectory: directory, bindingLimit: .max, measuresTiles: measures)
    }

    /// Layers of every width of block, with all that is fused into them, at sizes that no tile divides.
    private static let tests: [(name: String, graph: Graph)] = {
        func build(_ name: String, _ shape: Shape, _ body: (inout GraphBuilder, Value) -> Value) -> (String, Graph) {
            var b = GraphBuilder()
            let x = b.input("x", shape)
            let y = body(&b, x)
            return (name, b.finish([y]))
        }
        return [
            build("64 outputs", .nhwc(1, 19, 21, 20)) { b, x in b.leakyReLU(b.convolution(x, "c", to: 64), 0.2) },
            build("pixel shuffle of 12", .nhwc(2, 9, 34, 16)) { b, x in
                b.apply(.pixelShuffle(factor: 2), b.convolution(x, "c", to: 12))
            },
            build("a picture in and out", .nhwc(1, 17, 18, 3)) { b, x in
                b.convolution(b.apply(.upsampleNearest(factor: 2), x), "c", to: 3)
            },
            build("strided", .nhwc(1, 20, 35, 16)) { b, x in
                b.apply(.convolution(stride: 2, padding: 1, groups: 1), x, b.parameter("w", [32, 16, 4, 4]))
            },
        ]
    }()

    static func check(_ executor: VulkanExecutor, _ names: [String], tolerance: Float) throws -> Int {
        var count = 0
        for test in tests where names.contains(test.name) {
            let parameters = randomParameters(test.graph, seed: 3)
            let input = randomTensor(test.graph.shape(test.graph.inputs[0]), seed: 4)
            let expected = try ReferenceExecutor().compile(test.graph, parameters: parameters).run([input])[0]
            let program = Planner.plan(test.graph)
            guard case .convolution(let step) = program.steps.first(where: { $0.kind == .convolution }) else {
                Issue.record("no convolution in \(test.name)")
                continue
            }
            let multiplication = executor.multiplication.with(executor.precision)
            let tiles = ConvolutionKernel.tiles(
                step, executor.device.capabilities, multiplication, all: true)
            #expect(tiles.count > 1)
            for tile in tiles {
                executor.tiles.forced = tile
                defer { executor.tiles.forced = nil }
                let found = try VulkanPlan(executor, test.graph, parameters, executor.precision).run([input])[0]
                #expect(largestDifference(found, expected) <= tolerance, "\(test.name) with \(tile)")
                count += 1
            }
        }
        #expect(executor.validationMessages.first == nil)
        return count
    }

    @Test func everyTileOfVectors() throws {
        let (fp32, fp16) = (try Self.executor(.fp32), try Self.executor(.fp16))
        (fp32.multiplication, fp16.multiplication) = (.vectors, .vectors)
        #expect(try Self.check(fp32, ["64 outputs", "a picture in and out"], tolerance: 1e-5) > 15)
        #expect(try Self.check(fp32, ["pixel shuffle of 12", "strided"], tolerance: 1e-5) > 10)
        #expect(try Self.check(fp16, ["a picture in and out"], tolerance: 0.02) > 3)
    }

    @Test func everyTileOfTexels() throws {
        let (fp32, fp16) = (try Self.executor(.fp32), try Self.executor(.fp16))
        (fp32.multiplication, fp16.multiplication) = (.texels, .texels)
        #expect(try Self.check(fp32, Self.tests.map(\.name), tolerance: 1e-5) > 8)
        #expect(try Self.check(fp16, Self.tests.map(\.name), tolerance: 0.02) > 8)
    }

    /// The estimate grows where chunks of channels outweigh each other, and allows less the more layers there are.
    @Test func theLimitOfHalfSums() throws {
        let plain = randomTensor([32, 64, 3, 3], seed: 1, in: -0.1..<0.1)
        let values = (0..<plain.values.count).map { Float($0 / (16 * 9) % 2 == 0 ? 0.5 : -0.5) }
        let opposed = HalfSums.error(HostTensor([32, 64, 3, 3], values))
        let error = HalfSums.error(plain)
        #expect(error > 2e-4 && error < 8e-4 && opposed > 2 * error)
        let rule = HalfSums(use: .whereExact)
        #expect(rule.sums(of: plain, layers: 18) == .half)
        #expect(rule.sums(of: plain, layers: 351) == .single)
    }

    /// The figures that the table keeps come back, and nothing else does.
    @Test func figuresAreKept() throws {
        let figures = ["half-sums": 1.9375, "pace-fp16-matrices": 3.5e13]
        #expect(TileTable.readFigures(TileTable.text([:], figures: figures)) == figures)
        #expect(TileTable.read(TileTable.text([:], figures: figures)).isEmpty)
        #expect(TileTable.readFigures(TileTable.text([:])).isEmpty)
        #expect(TileTable.readFigures("figure pace nan\nfigure pace -1\nfigure pace\nfigure pace 1 2\n").isEmpty)
        let table = TileTable(try Self.executor(.fp16).device, directory: nil, measures: true)
        #expect(try table.figure("gain") { 2 } == 2)
        #expect(try table.figure("gain") { 3 } == 2, "measured twice")
        let idle = TileTable(try Self.executor(.fp16).device, directory: nil, measures: false)
        #expect(try idle.figure("gain") { 2 } == nil)
    }

    /// Measured once, kept on disk, and used from there; what the file says wrongly is ignored.
    @Test func theChoiceIsKept() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "upframe-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let graph = SRVGGNetCompact(features: 64, convolutions: 1, upscale: 2).graph(.nhwc(1, 24, 32, 3))
        let parameters = randomParameters(graph, seed: 1)
        let input = randomTensor(.nhwc(1, 24, 32, 3), seed: 2, in: 0..<1)
        let expected = try ReferenceExecutor().compile(graph, parameters: parameters).run([input])[0]

        func pipelinesMade() throws -> Int {
            let executor = try Self.executor(.fp32, directory: directory, measures: true)
            // Winograd's method, where software drivers have it, is taken by rule and not measured.
            executor.multiplication = .vectors
            let result = try executor.plan(graph, parameters: parameters).run([input])[0]
            #expect(largestDifference(result, expected) < 1e-4)
            #expect(executor.validationMessages.first == nil)
            return executor.activity.pipelines
        }
        let first = try pipelinesMade()
        let files = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasPrefix("tiles-") }
        try #require(files.count == 1)
        let path = "\(directory)/\(files[0])"
        let kept = TileTable.read(try String(contentsOfFile: path, encoding: .utf8))
        // 3 -> 64 is too small to be worth it at this size.
        #expect(kept.count == 2)
        #expect(TileTable.read(TileTable.text(kept)) == kept)
        let second = try pipelinesMade()
        #expect(second < first, "nothing was measured again")
        try kept.map { "\($0.key) 16 8 999 8 2 0 0\n" }.joined().write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try pipelinesMade() > second, "tiles that do not fit are measured anew")
        try "nonsense\n\0 1 2 3\n".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(try pipelinesMade() > second)
    }
}
