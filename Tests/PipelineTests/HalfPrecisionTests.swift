import CPUExecutor
import Catalogue
import Compute
import Foundation
import Media
import Network
import Tensor
import TestSupport
import Testing
import Weights

@testable import Pipeline
@testable import VulkanExecutor

/// fp16 storage on real frames with the real models: within 50 dB of fp32, and as bright on average. On a device with
/// cooperative matrices (Scripts/mesa26 test all) with those as well.
@Suite(.serialized) struct HalfPrecisionTests {
    /// A detailed piece of the sample clip's frame number `index`.
    private static func piece(_ index: Int, height: Int, width: Int) throws -> HostTensor {
        let clip =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/samples/bunny.mp4"
        let reader = try MediaReader(path: clip)
        let converter = PixelConverter(decoding: reader.video)
        var pixels = HostTensor(.nhwc(1, reader.video.height, reader.video.width, 3))
        var seen = 0
        while let event = try reader.next() {
            guard case .frame(let frame) = event else { continue }
            if seen == index {
                try pixels.withUnsafeMutableValues { try converter.rgb(from: frame, into: $0) }
                break
            }
            seen += 1
        }
        var result = HostTensor(.nhwc(1, height, width, 3))
        for y in 0..<height {
            for x in 0..<width {
                for c in 0..<3 { result[0, y, x, c] = pixels[0, 60 + y, 90 + x, c] }
            }
        }
        return result
    }

    @Test(arguments: CatalogueEntry.entriesInCatalogue) func halfPrecision(_ name: String) throws {
        let model: Model
        do { model = try Model.load(path: ModelCatalogue().resolve(name)) } catch {
            Issue.record("the real weights of \(name) cannot be fetched, so fp16 was NOT tested with them: \(error)")
            return
        }
        let executor = try VulkanExecutor(device: nil, precision: .fp16, allowSoftware: true)
        var multiplications = [executor.multiplication]
        if !executor.usesCooperativeMatrices && Multiplication.matricesFit(executor.device.capabilities) {
            multiplications.append(.matrices)
        }
        // The large networks are slow on a software driver.
        let side = model.parameterCount > 1_000_000 ? (height: 16, width: 20) : (height: 40, width: 48)
        for frame in [0, 40] {
            let picture = try Self.piece(frame, height: side.height, width: side.width)
            let single = try Upscaler(model: model, executor: CPUExecutor(), tiling: .off).upscale(picture)
            for multiplication in multiplications {
                executor.multiplication = multiplication
                let half = try Upscaler(model: model, executor: executor, tiling: .off).upscale(picture)
                let quality = psnr(single, half)
                let lost = zip(half.values, single.values).reduce(0) { $0 + Double($1.0 - $1.1) }
                let mean = lost / Double(single.values.count)
                print("fp16 \(name), \(multiplication), frame \(frame): \(quality) dB, mean difference \(mean)")
                #expect(quality >= 50)
                #expect(quality < 120, "the same numbers: fp16 was not used")
                #expect(abs(mean) < 1e-4, "half floats make the picture darker or brighter")
            }
        }
    }
}

extension CatalogueEntry {
    static var entriesInCatalogue: [String] { ModelCatalogue.entries.map(\.name) }
}
