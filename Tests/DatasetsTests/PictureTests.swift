import Foundation
import Resampling
import Tensor
import TestSupport
import Testing
import Threads

@testable import Datasets

@Suite struct PictureFolderTests {
    /// The same index gives the same bits, whoever asks and in whatever order, with any cache.
    @Test func aSampleIsAFunctionOfItsIndex() throws {
        let folder = try TemporaryFolder()
        for number in 0..<5 {
            try Make.picture(folder.file("a/\(number).ppm"), 90 + number, 70 + number, seed: UInt64(number))
        }
        func source(_ bytes: Int) throws -> PictureFolder {
            try PictureFolder([folder.path], downscale: 1...2, detail: 0.5, cacheBytes: bytes)
        }
        let first = try source(1 << 20)
        let expected = try (0..<40).map { try first.sample($0, seed: 11, side: 24).high }
        #expect(expected.allSatisfy { $0.count == 1 && isPicture($0[0], side: 24) })
        #expect(Set(expected.map { $0[0].values }).count == 40)
        #expect(try first.sample(7, seed: 12, side: 24).high != expected[7])

        // Room for two pictures; for none.
        for bytes in [45_000, 0] {
            let other = try source(bytes)
            let loader = Loader(batches: 0, threads: 3, depth: 6) {
                try other.sample(max(39 - $0, 0), seed: 11, side: 24).high
            }
            for index in (0..<40).reversed() { #expect(try loader.next() == expected[index]) }
            loader.cancel()
            #expect(other.cacheReading.bytes <= bytes)
            #expect(other.cacheReading.made > 5)
        }
        #expect(first.cacheReading.made == 5)
    }

    /// Every corner is as likely as the others, the outermost ones too.
    @Test func cropsAreUniform() throws {
        let folder = try TemporaryFolder()
        // The picture tells where one is: red the column, green the row.
        try Make.pixmap(folder.file("where.ppm"), 37, 21) { y, x, c in c == 0 ? x : c == 1 ? y : 0 }
        let source = try PictureFolder([folder.path], augmentation: .none)
        var rows = [Int](repeating: 0, count: 6)
        var columns = [Int](repeating: 0, count: 22)
        for index in 0..<6600 {
            let high = try source.sample(index, seed: 1, side: 16).high[0]
            columns[Int((high[0, 0, 0, 0] * 255).rounded())] += 1
            rows[Int((high[0, 0, 0, 1] * 255).rounded())] += 1
            #expect(high[0, 15, 15, 0] - high[0, 0, 0, 0] > 14.9 / 255)
        }
        #expect(rows.allSatisfy { abs($0 - 1100) < 5 * 31 })
        #expect(columns.allSatisfy { abs($0 - 300) < 5 * 17 })
    }

    /// A crop of a picture made smaller is the same as that part of the whole, made smaller.
    @Test func aReducedCropIsAPartOfTheReducedPicture() throws {
        let folder = try TemporaryFolder()
        try Make.picture(folder.file("a.ppm"), 120, 100)
        let file = try PictureFile(path: folder.file("a.ppm"))
        let picture = try file.decode()
        let whole = picture.pixels(0..<100, 0..<120)
        let rule = Crop.Rule(downscale: 1.5...3, detail: 0)
        var factors: Set<Int> = []
        for index in 0..<30 {
            var draw = Draw(.crop, seed: 4, index: index)
            let crop = rule.crop(picture, side: 30, &draw)
            factors.insert(crop.target.width)
            var smaller = resized(whole, height: crop.target.height, width: crop.target.width, filter: .bicubic)
            smaller.values = smaller.values.map { min(max($0, 0), 1) }
            let result = crop.pixels(of: [picture], filter: .bicubic)[0]
            for y in 0..<30 {
                for x in 0..<30 {
                    for c in 0..<3 {
                        #expect(result[0, y, x, c] == smaller[0, crop.row + y, crop.column + x, c])
                    }
                }
            }
        }
        #expect(factors.count > 15)
        #expect(factors.min()! >= 40 && factors.max()! <= 80)
    }

    /// A picture that would become smaller than the crop is reduced by less, as long as the range allows it.
    @Test func theReductionStopsAtTheCrop() throws {
        let rule = Crop.Rule(downscale: 2...4, detail: 0)
        #expect(rule.reduced(PixelSize(width: 300, height: 200), by: 4, side: 64) == PixelSize(width: 96, height: 64))
        #expect(rule.fits(PixelSize(width: 300, height: 200), side: 100))
        #expect(!rule.fits(PixelSize(width: 300, height: 200), side: 101))
    }

    /// Half of the picture is flat; with `detail` fewer crops come from there.
    @Test func detailPrefersWhatThereIsToSee() throws {
        let folder = try TemporaryFolder()
        let noise = randomTensor(.nhwc(1, 64, 64, 3), seed: 3, in: 0..<256)
        try Make.pixmap(folder.file("a.ppm"), 128, 64) { y, x, c in x < 64 ? 100 : Int(noise[0, y, x - 64, c]) }
        func flat(_ detail: Float) throws -> Int {
            let source = try PictureFolder([folder.path], detail: detail)
            return try (0..<400).count { index in
                let values = try source.sample(index, seed: 2, side: 16).high[0].values
                return values.max()! - values.min()! < 0.01
            }
        }
        let (none, all) = (try flat(0), try flat(1))
        // 49 of 113 places are flat; all four of them are with a chance of 3.5 %.
        #expect(abs(none - 173) < 50)
        #expect(abs(all - 14) < 20)
    }

    @Test func sixteenBitsStay() throws {
        let folder = try TemporaryFolder()
        let codes = randomTensor(.nhwc(1, 20, 20, 3), seed: 8, in: 0..<65536)
        try Make.pixmap(folder.file("in.ppm"), 20, 20, maximum: 65535) { y, x, c in Int(codes[0, y, x, c]) }
        try FileManager.default.createDirectory(atPath: folder.file("set"), withIntermediateDirectories: true)
        try Make.ffmpeg(["-i", folder.file("in.ppm"), "-pix_fmt", "rgb48be", folder.file("set/a.png")])
        let source = try PictureFolder([folder.file("set")], augmentation: .none)
        let high = try source.sample(0, seed: 1, side: 20).high[0]
        for (value, code) in zip(high.values, codes.values) {
            #expect(Int((value * 65535).rounded()) == Int(code))
            #expect(abs(value - Float(Int(code)) / 65535) < 1e-7)
        }
    }

    /// Formats, folders in folders, hidden files, other files, links that go round.
    @Test func whatIsFound() throws {
        let folder = try TemporaryFolder()
        try Make.picture(folder.file("one.ppm"), 40, 40)
        try Make.picture(folder.file("deep/er/two.PPM"), 40, 40)
        try Make.picture(folder.file("deep/.hidden.ppm"), 40, 40)
        try Make.text(folder.file("notes.txt"), "no picture")
        for ending in ["jpg", "webp", "png", "bmp"] {
            try Make.ffmpeg(["-i", folder.file("one.ppm"), folder.file("deep/three.\(ending)")])
        }
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("deep/round"), withDestinationPath: folder.path)
        let source = try PictureFolder([folder.path])
        #expect(source.itemCount == 6)
        #expect(source.summary == "6 pictures, 0.0 megapixels")
        for index in 0..<6 { #expect(isPicture(try source.sample(index, seed: 1, side: 32).high[0], side: 32)) }
        let single = try PictureFolder([folder.file("one.ppm"), folder.file("deep/er")])
        #expect(single.itemCount == 2)
    }
}
