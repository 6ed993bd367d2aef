import Tensor
import TestSupport
import Testing
import Weights

@testable import RunRecords

@Suite struct PictureStripTests {
    /// Pillow's bicubic; see Tests/Golden/make_records.py.
    @Test(arguments: [(2, 5, 7), (3, 4, 3), (4, 6, 2)])
    func bicubic(_ factor: Int, _ height: Int, _ width: Int) throws {
        let file = try SafetensorsFile(path: "\(goldenFolder)/strips.safetensors")
        let expected = try file.tensor("bicubic.\(factor)")
        let low = randomTensor(.nhwc(1, height, width, 1), seed: UInt64(40 + factor), in: 0..<1)
        let found = PictureStrip().enlarged(low, by: factor)
        #expect(found.shape == .nhwc(1, height * factor, width * factor, 1))
        #expect(found.values.count == expected.values.count)
        for (a, b) in zip(found.values, expected.values) { #expect(abs(a - b) < 2e-6) }
    }

    @Test func layout() {
        let low = HostTensor(.nhwc(2, 1, 2, 1), [0.1, 0.2, 0.3, 0.4])
        let generated = HostTensor(.nhwc(2, 2, 4, 1), (0..<16).map { Float($0) / 10 - 0.2 })
        let target = HostTensor(.nhwc(2, 2, 4, 1), repeating: 0.5)
        let strip = PictureStrip(enlargement: .nearest, gap: 1, background: 0.9)
            .layout(low: low, generated: generated, target: target)
        #expect(strip.shape == .nhwc(1, 5, 14, 1))
        func row(_ y: Int) -> [Float] { (0..<14).map { strip[0, y, $0, 0] } }
        // Below zero and above one is cut.
        #expect(row(0) == [0.1, 0.1, 0.2, 0.2, 0.9, 0, 0, 0, generated.values[3], 0.9, 0.5, 0.5, 0.5, 0.5])
        #expect(row(2) == [Float](repeating: 0.9, count: 14))
        #expect(row(4)[0..<4] == [0.3, 0.3, 0.4, 0.4] && row(4)[5..<9] == [1, 1, 1, 1])
    }
}
