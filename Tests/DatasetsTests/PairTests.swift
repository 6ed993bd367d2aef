import Foundation
import Tensor
import TestSupport
import Testing

@testable import Datasets

@Suite struct PairedPicturesTests {
    /// Low pictures of noise, and high ones in which every low pixel is a square of two by two.
    private func pairs(_ folder: TemporaryFolder, _ count: Int, low: String = "low/%.ppm") throws {
        for number in 0..<count {
            let noise = randomTensor(.nhwc(1, 31, 40, 3), seed: UInt64(number), in: 0..<250)
            let name = low.replacingOccurrences(of: "%", with: "\(number)")
            try Make.pixmap(folder.file(name), 40, 31) { y, x, c in Int(noise[0, y, x, c]) }
            // Which of the four: the low code and 0, 1, 2 or 3.
            try Make.pixmap(folder.file("high/\(number).ppm"), 80, 62) { y, x, c in
                Int(noise[0, y / 2, x / 2, c]) + (y % 2) * 2 + x % 2
            }
        }
    }

    /// Whatever the crop and however it is laid, the low side shows what the high side shows.
    @Test func bothSidesShowTheSame() throws {
        let folder = try TemporaryFolder()
        try pairs(folder, 3)
        let source = try PairedPictures(low: folder.file("low"), high: folder.file("high"), scale: 2)
        #expect(source.itemCount == 3)
        #expect(source.summary == "3 pairs at x2, 0.0 megapixels")
        try source.check(side: 62)
        var corners: Set<[Int]> = []
        for index in 0..<200 {
            let sample = try source.sample(index, seed: 6, side: 24)
            let (high, low) = (sample.high[0], sample.low[0])
            #expect(sample.high.count == 1 && sample.low.count == 1)
            #expect(isPicture(high, side: 24) && isPicture(low, side: 12))
            for y in 0..<24 {
                for x in 0..<24 {
                    let difference = (high[0, y, x, 1] - low[0, y / 2, x / 2, 1]) * 255
                    #expect(difference > -0.01 && difference < 3.01)
                }
            }
            // The four codes of a square tell how the sample is laid.
            corners.insert(
                [(0, 0), (0, 1), (1, 0), (1, 1)].map { y, x in
                    Int(((high[0, y, x, 0] - low[0, 0, 0, 0]) * 255).rounded())
                })
            #expect(try source.sample(index, seed: 6, side: 24).low == sample.low)
        }
        #expect(corners.count == 8)
    }

    @Test func namesAndLists() throws {
        let folder = try TemporaryFolder()
        // As DIV2K names them, and with other endings.
        try pairs(folder, 2, low: "low/%x2.ppm")
        try Make.ffmpeg(["-i", folder.file("low/0x2.ppm"), folder.file("low/0x2.png")])
        try FileManager.default.removeItem(atPath: folder.file("low/0x2.ppm"))
        let named = try PairedPictures(
            low: folder.file("low"), high: folder.file("high"), scale: 2, augmentation: .none)
        try Make.text(
            folder.file("list.txt"),
            "# low, high\r\nlow/0x2.png\thigh/0.ppm\r\n\r\nlow/1x2.ppm   \(folder.file("high/1.ppm"))\n")
        let listed = try PairedPictures(list: folder.file("list.txt"), scale: 2, augmentation: .none)
        #expect(listed.itemCount == 2)
        for index in 0..<4 {
            let (a, b) = (try named.sample(index, seed: 3, side: 16), try listed.sample(index, seed: 3, side: 16))
            #expect(a.high == b.high && a.low == b.low)
        }
    }
}
