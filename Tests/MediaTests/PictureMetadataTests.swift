import Foundation
import TestSupport
import Testing

@testable import Media

/// What a picture says beside its pixels goes along, or is said to be left; how it is turned is applied.
@Suite struct PictureMetadataTests {
    static let (width, height) = (24, 16)

    /// Pixels of which no two rows or columns are alike, so that every way to lay them differs.
    static let pixels: [UInt8] = {
        var bytes: [UInt8] = []
        for y in 0..<height {
            for x in 0..<width {
                let corner: UInt8 = x < 12 && y < 8 ? 200 : 40
                bytes += [UInt8(10 * x), UInt8(15 * y), corner]
            }
        }
        return bytes
    }()

    /// The picture upright, by EXIF's own words on its eight numbers.
    static func laid(_ rgb: [UInt8], _ orientation: Int) -> [UInt8] {
        let (w, h) = (width, height)
        var bytes: [UInt8] = []
        for y in 0..<(orientation > 4 ? w : h) {
            for x in 0..<(orientation > 4 ? h : w) {
                let (sx, sy): (Int, Int) =
                    switch orientation {
                    case 2: (w - 1 - x, y)
                    case 3: (w - 1 - x, h - 1 - y)
                    case 4: (x, h - 1 - y)
                    case 5: (y, x)
                    case 6: (y, h - 1 - x)
                    case 7: (w - 1 - y, h - 1 - x)
                    case 8: (w - 1 - y, x)
                    default: (x, y)
                    }
                let start = 3 * (sy * w + sx)
                bytes += rgb[start..<(start + 3)]
            }
        }
        return bytes
    }

    static func plain(_ folder: TemporaryFolder, _ ending: String) throws -> String {
        let path = folder.file("plain.\(ending)")
        let options = ["jpg": ["-pix_fmt", "yuvj444p", "-q:v", "1"], "webp": ["-c:v", "libwebp", "-lossless", "1"]]
        try runChecked(
            "ffmpeg",
            ["-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "\(width)x\(height)", "-i", "-", "-y"]
                + (options[ending] ?? ["-pix_fmt", "rgb24"]) + [path], input: Data(pixels))
        return path
    }

    /// A picture of a format, to be turned.
    static func turned(_ folder: TemporaryFolder, _ ending: String, _ orientation: Int) throws -> String {
        let path = folder.file("in\(orientation).\(ending)")
        let exif = PictureFiles.exif(orientation: orientation, isLittle: orientation % 2 == 0)
        switch ending {
        case "tiff":
            let file = PictureFiles.tiff(pixels, width: width, height: height, orientation: orientation)
            try PictureFiles.write(file, path)
        default:
            let bytes = try PictureFiles.read(try plain(folder, ending))
            let tagged =
                switch ending {
                case "jpg": PictureFiles.tagged(jpeg: bytes, exif: exif)
                case "png": PictureFiles.tagged(png: bytes, exif: exif)
                default: PictureFiles.tagged(webp: bytes, exif: exif, width: width, height: height)
                }
            try PictureFiles.write(tagged, path)
        }
        return path
    }

    @Test(arguments: ["jpg", "png", "webp", "tiff"]) func allEightWays(_ ending: String) throws {
        let folder = try TemporaryFolder()
        for orientation in 1...8 {
            let output = folder.file("out\(orientation).png")
            let outcome = try Copier(settings: EncoderSettings()).copy(
                try Self.turned(folder, ending, orientation), output)
            #expect(outcome.frames == 1)
            let sides = orientation > 4 ? [Self.height, Self.width] : [Self.width, Self.height]
            let stream = try Tools.stream(output)
            #expect([stream["width"] as? Int, stream["height"] as? Int] == sides, "\(orientation)")
            let difference = zip(try Tools.raw(output, "rgb24"), Self.laid(Self.pixels, orientation)).map {
                abs(Int($0) - Int($1))
            }
            // A JPEG is near what it was made from; every other way is far.
            let mean = Double(difference.reduce(0, +)) / Double(difference.count)
            #expect(mean <= (ending == "jpg" ? 6 : 0), "\(orientation): \(mean)")
            // It lies upright now and does not ask to be turned again.
            #expect(PictureMetadata(contentsOf: output)?.orientation == 1)
        }
    }

    @Test func eachPictureOfAFolderItsOwn() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.file("in"), withIntermediateDirectories: false)
        let chosen = [("a.png", 6), ("b.png", 1), ("c.png", 3), ("d.png", 5)]
        for (name, orientation) in chosen {
            try FileManager.default.moveItem(
                atPath: try Self.turned(folder, "png", orientation), toPath: folder.file("in/" + name))
        }
        try Copier(settings: EncoderSettings()).copy(folder.file("in"), folder.file("out/"))
        for (name, orientation) in chosen {
            #expect(
                try Tools.raw(folder.file("out/" + name), "rgb24") == Self.laid(Self.pixels, orientation),
                "\(orientation)")
        }
    }

    @Test(arguments: ["jpg", "png", "webp"]) func exifAndXMPGoAlong(_ ending: String) throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file("in.jpg"), folder.file("out.\(ending)"))
        let jpeg = try PictureFiles.read(try Self.plain(folder, "jpg"))
        try PictureFiles.write(
            PictureFiles.tagged(
                jpeg: jpeg, exif: PictureFiles.exif(orientation: 6), xmp: PictureFiles.xmp, density: 300), input)
        let outcome = try Copier(settings: EncoderSettings()).copy(input, output)
        let found = try #require(PictureMetadata(contentsOf: output))
        // Another way to write the same: the block is there as it was, but for the orientation.
        #expect(found.exif == PictureFiles.exif(orientation: 1))
        #expect(found.xmp == Array(PictureFiles.xmp.utf8))
        #expect(!outcome.notes.contains { $0.contains("EXIF") || $0.contains("XMP") }, "\(outcome.notes)")
        // Other programs read the picture as before.
        #expect(try Tools.stream(output)["width"] as? Int == Self.height)
    }

    @Test(arguments: ["bmp", "tiff", "ppm"]) func whatHasNoPlaceIsSaid(_ ending: String) throws {
        let folder = try TemporaryFolder()
        let jpeg = try PictureFiles.read(try Self.plain(folder, "jpg"))
        try PictureFiles.write(
            PictureFiles.tagged(
                jpeg: jpeg, exif: PictureFiles.exif(orientation: 1), xmp: PictureFiles.xmp, density: 300),
            folder.file("in.jpg"))
        let outcome = try Copier(settings: EncoderSettings()).copy(
            folder.file("in.jpg"), folder.file("out.\(ending)"))
        let note = outcome.notes.first { $0.contains("EXIF") }
        #expect(note?.contains("XMP") == true && note?.contains("left out") == true, "\(outcome.notes)")
        // A picture that says nothing has nothing to lose.
        let silent = try Copier(settings: EncoderSettings()).copy(
            try Self.plain(folder, "png"), folder.file("silent.\(ending)"))
        #expect(!silent.notes.contains { $0.contains("left out") }, "\(silent.notes)")
    }

    @Test(arguments: ["monob", "monow"]) func oneBitPicturesAreGrey(_ format: String) throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file(format == "monob" ? "in.png" : "in.pbm"), folder.file("out.png"))
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "1", "-pix_fmt", format, input])
        try Copier(settings: EncoderSettings()).copy(input, output)
        #expect(try Tools.stream(output)["pix_fmt"] as? String == "gray")
        #expect(try Tools.raw(output, "gray") == Tools.raw(input, "gray"))
    }

    @Test func tilesAndPages() throws {
        let folder = try TemporaryFolder()
        let (tiled, pages) = (folder.file("tiled.tiff"), folder.file("pages.tiff"))
        try PictureFiles.write(
            PictureFiles.tiff(Self.pixels, width: Self.width, height: Self.height, isTiled: true), tiled)
        #expect(throws: MediaError.noDecoder(path: tiled, codec: "TIFF in tiles")) { try MediaReader(path: tiled) }
        try PictureFiles.write(
            PictureFiles.tiff(Self.pixels, width: Self.width, height: Self.height, pages: 3), pages)
        let reader = try MediaReader(path: pages)
        #expect(try ColorTests.frames(reader).count == 1)
        #expect(reader.notes == ["\(pages): holds 3 pictures; only the first is read."])
        #expect(reader.damage.isEmpty)
    }

    @Test func opacityOfAVIFIsTold() throws {
        let folder = try TemporaryFolder()
        let (plain, alpha) = (folder.file("plain.avif"), folder.file("alpha.avif"))
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "1", "-c:v", "libaom-av1", "-still-picture", "1",
            "-cpu-used", "8", plain,
        ])
        let bytes = try PictureFiles.read(plain)
        try PictureFiles.write(try #require(PictureFiles.withAlphaProperty(avif: bytes)), alpha)
        for (path, isTold) in [(plain, false), (alpha, true)] {
            let reader = try MediaReader(path: path)
            #expect(try ColorTests.frames(reader).count == 1)
            #expect(reader.notes.contains { $0.contains("transparency") } == isTold, "\(reader.notes)")
        }
    }
}
