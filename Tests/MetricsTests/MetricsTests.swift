import Foundation
import Metrics
import Tensor
import Testing

/// What independent code says; see Tests/Golden/make_metrics.py.
struct MetricsCase: Decodable, Sendable, CustomTestStringConvertible {
    var height, width: Int
    var noise: Float
    var seed: UInt64
    var luma: String
    var psnrRGB, psnrY, ssim, msSSIM: Double
    var scales: Int

    var testDescription: String { "\(width)x\(height) \(luma)" }

    static let all: [MetricsCase] = {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
        let data = FileManager.default.contents(atPath: path + "/Golden/data/metrics.json") ?? Data()
        return (try? JSONDecoder().decode([MetricsCase].self, from: data)) ?? []
    }()

    var weights: LumaWeights { luma == "bt601" ? .bt601 : luma == "bt709" ? .bt709 : .bt2020 }

    /// The pictures that the Python script draws.
    var pictures: (HostTensor, HostTensor) {
        func uniform(_ stream: UInt64, _ count: Int) -> [Float] {
            var generator = Philox(key: seed + stream)
            return generator.uniform(count)
        }
        let (rows, columns) = ((height + 7) / 8, (width + 7) / 8)
        let blocks = uniform(0, rows * columns * 3)
        let texture = uniform(1, height * width * 3)
        let noises = uniform(2, height * width * 3)
        var a = HostTensor(.nhwc(1, height, width, 3))
        var b = a
        for y in 0..<height {
            for x in 0..<width {
                for c in 0..<3 {
                    let index = (y * width + x) * 3 + c
                    let value = 0.1 + 0.6 * blocks[((y / 8) * columns + x / 8) * 3 + c] + 0.2 * texture[index]
                    a.values[index] = value
                    b.values[index] = 0.9 * value + 0.03 + noise * (noises[index] - 0.5)
                }
            }
        }
        return (a, b)
    }
}

@Suite struct MetricsTests {
    @Test func theGoldenNumbersAreThere() { #expect(MetricsCase.all.count == 4) }

    @Test(arguments: MetricsCase.all) func againstIndependentCode(_ golden: MetricsCase) {
        let (a, b) = golden.pictures
        let metrics = PictureMetrics(a, b, luma: golden.weights)
        #expect(abs(metrics.psnrRGB - golden.psnrRGB) < 1e-4)
        #expect(abs(metrics.psnrY - golden.psnrY) < 1e-4)
        #expect(abs(metrics.ssim - golden.ssim) < 1e-5)
        #expect(abs(metrics.multiScale.similarity - golden.msSSIM) < 1e-5)
        #expect(metrics.multiScale.scales == golden.scales)
    }

    @Test(arguments: [(1, 1), (1, 9), (2, 40), (10, 10), (11, 11), (64, 48), (200, 180)])
    func equalPictures(_ size: (Int, Int)) {
        var generator = Philox(key: 5)
        let shape = Shape.nhwc(1, size.0, size.1, 3)
        let picture = HostTensor(shape, generator.uniform(shape.count))
        let metrics = PictureMetrics(picture, picture, luma: .bt709)
        #expect(metrics.psnrRGB == .infinity && metrics.psnrY == .infinity)
        #expect(metrics.ssim == 1 && metrics.multiScale.similarity == 1)
    }

    /// By hand: an error of a tenth everywhere is 20 dB, and luma spans 219 of 255 codes.
    @Test func decibels() {
        let shape = Shape.nhwc(1, 16, 16, 3)
        let metrics = PictureMetrics(
            HostTensor(shape, repeating: 0.5), HostTensor(shape, repeating: 0.6), luma: .bt601)
        #expect(abs(metrics.psnrRGB - 20) < 1e-4)
        #expect(abs(metrics.psnrY - (20 + 1.32195)) < 1e-3)
    }

    @Test func oppositeStructuresHaveNoSimilarity() {
        var generator = Philox(key: 6)
        let shape = Shape.nhwc(1, 180, 180, 3)
        let a = HostTensor(shape, generator.uniform(shape.count))
        let b = HostTensor(shape, a.values.map { 1 - $0 })
        let metrics = PictureMetrics(a, b, luma: .bt601)
        #expect(metrics.ssim < 0)
        #expect(metrics.multiScale.similarity == 0)
    }

    @Test func scalesOfSmallPictures() {
        let scales = [(10, 1), (20, 1), (21, 2), (41, 3), (81, 4), (160, 4), (161, 5), (4000, 5)]
        for (side, expected) in scales { #expect(MultiScaleSSIM.scales(width: side, height: side + 7) == expected) }
    }
}
