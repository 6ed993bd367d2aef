import CPUExecutor
import Foundation
import Network
import Reference
import Tensor
import TestSupport
import Testing
import Weights

@testable import Media
@testable import Pipeline
@testable import VulkanExecutor

/// Networks of operations that kernels on views do not take, computed by every way a frame can go.
@Suite(.serialized) struct GeneralNetworkTests {
    /// One of the forms that once stopped the process.
    enum Form: String, Codable, CaseIterable, Sendable { case constant, transposed, instanceNorm, attention }

    struct GeneralNetwork: Architecture {
        static let name = "GeneralNetwork"
        var form: Form
        var input: ImagePort { ImagePort("image", channels: 3) }
        var problem: String? { nil }

        static func recognise(_ shapes: [String: Shape]) -> RecognisedArchitecture? { nil }

        func build(_ b: inout GraphBuilder, _ x: Value) -> Value {
            var y = b.leakyReLU(b.convolution(x, "first", to: 12), 0.1)
            let shape = b.shape(y)
            switch form {
            case .constant: y = b.apply(.multiply, y, b.constant((0..<12).map { Float($0) / 12 }, [12]))
            case .transposed:
                let up = Operation.convolutionTranspose(
                    stride: 2, padding: 1, groups: 1, height: 2 * shape.height, width: 2 * shape.width)
                return b.apply(up, y, b.parameter("up", [12, 3, 4, 4]))
            case .instanceNorm:
                let difference = b.difference(y, b.broadcast(b.mean(y, over: [1, 2]), to: shape))
                let variance = b.apply(.affine(scale: 1, offset: 1e-5), b.mean(b.square(difference), over: [1, 2]))
                y = b.quotient(difference, b.broadcast(b.apply(.pointwise(.squareRoot), variance), to: shape))
            case .attention:
                let rows = b.reshaped(y, [shape.batch, shape.height * shape.width, 12])
                let scores = b.apply(.product(transposeLeft: false, transposeRight: true), rows, rows)
                let shares = b.scaled(b.apply(.pointwise(.sigmoid), scores), 1 / Float(shape.height * shape.width))
                y = b.reshaped(b.apply(.product(transposeLeft: false, transposeRight: false), shares, rows), shape)
            }
            return b.apply(.pixelShuffle(factor: 2), b.convolution(y, "last", to: 12))
        }
    }

    static func model(_ form: Form) -> Model {
        let network = GeneralNetwork(form: form)
        return Model(
            architecture: network, parameters: randomParameters(network.graph(.nhwc(1, 8, 8, 3)), seed: 7))
    }

    static let vulkan = Result {
        try VulkanExecutor(
            device: nil, precision: .fp32, allowSoftware: true, validation: true, framesInFlight: 2,
            cacheDirectory: nil, bindingLimit: .max)
    }

    @Test(arguments: Form.allCases, [false, true])
    func imagesAreUpscaled(_ form: Form, _ isVulkan: Bool) throws {
        let (model, image) = (Self.model(form), randomTensor(.nhwc(1, 18, 34, 3), seed: 1, in: 0..<1))
        let expected = try Upscaler(model: model, executor: ReferenceExecutor(), tiling: .off).upscale(image)
        let executor: any Executor = isVulkan ? try Self.vulkan.get() : CPUExecutor(threads: 2)
        let upscaler = Upscaler(model: model, executor: executor)
        let size = expected.values.reduce(1) { max($0, abs($1)) }
        let difference = largestDifference(try upscaler.upscale(image), expected)
        #expect(difference < 2e-5 * size, "\(difference) of \(size)")
        #expect(upscaler.tileCount == 1 && upscaler.picturesAtOnce(image.shape) == 1)
    }

    /// An estimate that is neither nothing nor larger than every value at once.
    @Test(arguments: Form.allCases) func workingBytes(_ form: Form) throws {
        let graph = GeneralNetwork(form: form).graph(.nhwc(1, 90, 160, 3))
        let largest = graph.nodes.map { $0.shape.count * 4 }.max()!
        let all = graph.nodes.reduce(0) { $0 + $1.shape.count * 4 }
        let bytes = try Self.vulkan.get().workingBytes(graph)
        #expect((largest...all + 4 * 90 * 160 * 3 * 10).contains(bytes))
    }

    /// A video goes straight from decoded frames to frames for the encoder.
    @Test(arguments: Form.allCases) func videosAreUpscaled(_ form: Form) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("upframe-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let (input, output) = (
            folder.appendingPathComponent("in.mp4").path, folder.appendingPathComponent("out.mkv").path
        )
        try SyntheticClip.write(input, width: 34, height: 18, frames: 5)
        let job = try UpscaleJob(
            UpscaleOptions(input: input, output: output, model: Self.model(form), executor: Self.vulkan.get()))
        #expect(try DirectWorker(job, job.ladder[0], batches: true) != nil)
        _ = try job.run()
        let reader = try MediaReader(path: output)
        var frames = 0
        while let event = try reader.next() { if case .frame = event { frames += 1 } }
        #expect(frames == 5)
    }
}
