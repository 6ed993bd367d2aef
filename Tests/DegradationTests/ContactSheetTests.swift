import Foundation
import Media
import Tensor
import TestSupport
import Testing

@testable import Degradation

@Suite struct ContactSheetTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    @Test func layout() throws {
        let recipe = try #require(DegradationRecipe.preset("photo"))
        let degrader = Degrader(recipe, scale: 4)
        let samples = try (0..<3).map { try degrader([scene(32, 48, shift: $0)], seed: 1, index: $0) }
        let sheet = contactSheet(samples, columns: 2, gap: 3)
        #expect(sheet.shape == [1, 2 * 32 + 3 * 3, 2 * (3 * 48 + 2 * 3) + 4 * 3, 3])
        #expect(sheet[0, 0, 0, 0] == 0.12)
        #expect(sheet[0, 3, 3, 1] == samples[0].high[0][0, 0, 0, 1])
        // The second sample's degraded picture, each pixel as a square of four.
        let left = 3 + (3 * 48 + 2 * 3) + 6 + 2 * (48 + 3)
        for (x, y) in [(0, 0), (5, 9), (47, 31)] {
            #expect(sheet[0, 3 + y, left + x, 2] == samples[1].low[0][0, y / 4, x / 4, 2])
        }
    }

    /// docs/degradations.jpg: a row for each preset, crops of the sample clip. To make it anew, delete it and run this
    /// test, which then fails once for having had to.
    @Test func thePictureInTheDocumentation() throws {
        let path = Self.root + "/docs/degradations.jpg"
        let sheet = contactSheet(try Self.samples(), columns: 2)
        let (height, width) = (sheet.shape.height, sheet.shape.width)
        guard let data = FileManager.default.contents(atPath: path) else {
            let bytes = try PictureCodec.encode(sheet.values, width: width, height: height, as: .jpeg(quality: 88))
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            Issue.record("docs/degradations.jpg was missing and has been made; look at it and commit it")
            return
        }
        #expect(data.count < 400_000)
        let picture = try PictureCodec.decode([UInt8](data), name: path)
        #expect(picture.width == width && picture.height == height)
        // Other versions of the codec libraries may draw some samples a little differently.
        let found = HostTensor(sheet.shape, picture.rgb)
        #expect(psnr(found, sheet) > 25)
    }

    /// Two crops of the sample clip for each preset.
    private static func samples() throws -> [Degraded] {
        let reader = try MediaReader(path: root + "/samples/bunny.mp4")
        let converter = PixelConverter(decoding: reader.video)
        var clip: [HostTensor] = []
        while clip.count < 40, let event = try reader.next() {
            guard case .frame(let frame) = event else { continue }
            var rgb = [Float](repeating: 0, count: frame.width * frame.height * 3)
            try rgb.withUnsafeMutableBufferPointer { try converter.rgb(from: frame, into: $0) }
            clip.append(HostTensor(.nhwc(1, frame.height, frame.width, 3), rgb))
        }
        let frame = try #require(clip.last)
        return try DegradationRecipe.presetNames.enumerated().flatMap { row, name in
            let degrader = Degrader(try #require(DegradationRecipe.preset(name)), scale: 4)
            return try (0..<2).map { column in
                // The first sample of the preset's that is not clean, where it has any.
                let index = (0..<100).first {
                    !degrader.plan(frames: 1, width: 128, height: 128, seed: UInt64(column), index: $0).isClean
                }
                let x = (frame.shape.width - 128) * (2 * column + 1) / 4
                let y = (frame.shape.height - 128) * (row + 1) / 8
                return try degrader([frame.crop(x, y, 128)], seed: UInt64(column), index: index ?? 0)
            }
        }
    }
}

extension HostTensor {
    fileprivate func crop(_ x: Int, _ y: Int, _ side: Int) -> HostTensor {
        var result = HostTensor(.nhwc(1, side, side, 3))
        for row in 0..<side {
            for column in 0..<side {
                for c in 0..<3 { result[0, row, column, c] = self[0, y + row, x + column, c] }
            }
        }
        return result
    }
}
