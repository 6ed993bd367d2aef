import Media
import Tensor
import TestSupport
import Testing

@testable import Degradation

/// JPEG beside Pillow and the IJG's formula; video encoders by what they must do.
@Suite struct CompressionTests {
    /// Annex K of ITU-T T.81, row by row.
    private static let luma = [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
        51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121,
        120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ]
    private static let chroma = [
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99,
        99, 99, 99, 99,
    ]

    /// The quantisation tables of a JPEG, row by row, and the sampling of its first component.
    private func inspect(_ bytes: [UInt8]) -> (tables: [[Int]], sampling: UInt8) {
        var order: [Int] = []
        for sum in 0..<15 {
            let diagonal = (0..<8).filter { (0..<8).contains(sum - $0) }
            // Even diagonals run upwards, odd ones downwards.
            for row in sum % 2 == 0 ? diagonal.reversed() : diagonal { order.append(row * 8 + sum - row) }
        }
        var tables = [[Int]](repeating: [], count: 2)
        var sampling: UInt8 = 0
        var place = 2
        while place + 4 <= bytes.count, bytes[place] == 0xFF, bytes[place + 1] != 0xDA {
            let length = Int(bytes[place + 2]) << 8 | Int(bytes[place + 3])
            if bytes[place + 1] == 0xDB {
                var start = place + 4
                while start < place + 2 + length {
                    var table = [Int](repeating: 0, count: 64)
                    for k in 0..<64 { table[order[k]] = Int(bytes[start + 1 + k]) }
                    tables[Int(bytes[start] & 15)] = table
                    start += 65
                }
            } else if bytes[place + 1] == 0xC0 {
                sampling = bytes[place + 11]
            }
            place += 2 + length
        }
        return (tables, sampling)
    }

    @Test func jpegTablesAreTheIJGs() throws {
        let picture = blocks(48, 56, seed: 11)
        let base = [Self.luma, Self.chroma + [Int](repeating: 99, count: 32)]
        for quality in 1...100 {
            let found = inspect(try compressedJPEG(picture, quality: quality))
            let percent = quality < 50 ? 5000 / quality : 200 - 2 * quality
            let expected = base.map { $0.map { min(255, max(1, ($0 * percent + 50) / 100)) } }
            #expect(found.tables == expected, "quality \(quality)")
            #expect(found.sampling == 0x22, "4:2:0")
        }
    }

    @Test func jpegAgainstPillow() throws {
        let golden = try Golden()
        let picture = blocks(48, 56, seed: 11)
        #expect(golden.cases.jpegs.count == 7)
        for jpeg in golden.cases.jpegs {
            #expect(inspect(try compressedJPEG(picture, quality: jpeg.quality)).tables == jpeg.tables)
            let found = try picture.throughJPEG(quality: jpeg.quality)
            let expected = try golden.picture("jpeg.\(jpeg.quality)")
            // The same tables and sampling; versions of the library differ in the last bit of a transform.
            #expect(psnr(found, expected) > 50, "quality \(jpeg.quality)")
        }
    }

    @Test func jpegOfAnySize() throws {
        for (height, width) in [(1, 1), (1, 17), (9, 2), (15, 16), (33, 31)] {
            let picture = scene(height, width)
            let found = try picture.throughJPEG(quality: 100)
            #expect(found.shape == picture.shape)
            #expect(psnr(found, picture) > 24)
        }
        let better = psnr(try scene(64, 64).throughJPEG(quality: 90), scene(64, 64).clamped)
        let worse = psnr(try scene(64, 64).throughJPEG(quality: 10), scene(64, 64).clamped)
        #expect(better > worse + 3)
    }

    @Test(arguments: [
        ("libx264", 23.0, 40.0), ("libx265", 23, 40), ("libvpx-vp9", 30, 58), ("mpeg4", 3, 20), ("mpeg2video", 3, 20),
    ])
    func videoEncoders(_ name: String, _ good: Double, _ bad: Double) throws {
        let clip = (0..<5).map { scene(48, 80, shift: 2 * $0).clamped.roundedToBytes }
        func through(_ quality: Double, _ clip: [HostTensor]) throws -> [HostTensor] {
            try DegradationTrace.CodecUse(
                encoder: name, rate: .quality(quality), frames: 3, kept: 1, motion: (1, -1))(clip)
        }
        func worst(_ found: [HostTensor]) -> Double { zip(found, clip).map { psnr($0, $1) }.min() ?? 0 }
        let better = try through(good, clip)
        let worse = try through(bad, clip)
        #expect(better.count == 5 && worse.count == 5)
        #expect(better.allSatisfy { $0.shape == clip[0].shape && $0.values.allSatisfy { (0...1).contains($0) } })
        // Each frame is nearest to itself: none is lost, none out of order.
        for (index, frame) in better.enumerated() {
            let nearest = clip.indices.max { psnr(frame, clip[$0]) < psnr(frame, clip[$1]) }
            #expect(nearest == index)
        }
        #expect(worst(better) > 24 && worst(better) < 60, "\(worst(better))")
        #expect(worst(worse) > 12 && worst(worse) < worst(better) - 1, "\(worst(worse))")
        #expect(try through(good, clip) == better)
        // A still, also of a size that the encoder would not take.
        for (height, width) in [(48, 80), (17, 33), (5, 3)] {
            let still = scene(height, width).clamped.roundedToBytes
            let found = try through(good, [still])
            #expect(found.count == 1 && found[0].shape == still.shape)
            #expect(found[0] != still && psnr(found[0], still) > 15)
            // Again and again, since what is left in memory from before must not matter.
            for _ in 0..<8 { #expect(try through(good, [still]) == found) }
        }
    }

    /// At rates where encoders repeat the frame before, a still comes out in its own place all the same.
    @Test(arguments: [("libx264", 30.0), ("libx264", 35), ("libx265", 38), ("mpeg4", 20), ("mpeg2video", 20)])
    func stillsStayInPlace(_ name: String, _ quality: Double) throws {
        for (number, motion) in [(1, 1), (-1, 0), (0, -1), (2, -2), (-2, 1)].enumerated() {
            for kept in 0..<3 {
                let still = scene(40, 48, shift: 7 * number).clamped.roundedToBytes
                let use = DegradationTrace.CodecUse(
                    encoder: name, rate: .quality(quality), frames: 3, kept: kept, motion: motion)
                let found = try use([still])[0]
                for step in 1...2 {
                    for sign in [-1, 1] {
                        let moved = still.moved(x: sign * step * motion.0, y: sign * step * motion.1)
                        #expect(psnr(found, still) > psnr(found, moved), "\(motion) \(kept)")
                    }
                }
            }
        }
    }

    @Test(arguments: ["libx264", "libx265", "libvpx-vp9", "mpeg4", "mpeg2video"])
    func bitRates(_ name: String) throws {
        let clip = (0..<12).map { scene(64, 64, shift: 3 * $0).clamped.roundedToBytes }
        func quality(_ bits: Double) throws -> Double {
            let use = DegradationTrace.CodecUse(
                encoder: name, rate: .bitsPerPixel(bits), frames: 1, kept: 0, motion: (0, 0))
            return mean(zip(try use(clip), clip).map { psnr($0, $1) })
        }
        #expect(try quality(2) > quality(0.1) + 1)
    }

    @Test func missingEncodersAreNamed() {
        let trip = CodecRoundTrip(encoder: "libx999", rate: .quality(20))
        #expect(throws: MediaError.self) { try trip([[0, 0, 0]], width: 1, height: 1) }
        do {
            _ = try trip([[0, 0, 0]], width: 1, height: 1)
        } catch {
            #expect(error.description.contains("libx999"))
        }
        var recipe = DegradationRecipe()
        recipe.lastCodec.codecs.append(DegradationRecipe.Codec("libx999", quality: 1...2))
        #expect(recipe.missingEncoders == [])
        recipe.lastCodec.probability = 0.5
        #expect(recipe.missingEncoders == ["libx999"])
    }

    @Test func picturesInMemory() throws {
        let picture = scene(37, 29).clamped.roundedToBytes
        let png = try PictureCodec.encode(picture.values, width: 29, height: 37, as: .png)
        let back = try PictureCodec.decode(png, name: "a PNG")
        #expect(back.width == 29 && back.height == 37)
        #expect(largestDifference(HostTensor(picture.shape, back.rgb), picture) < 1e-6)
        let sizes = try [95, 60].map { quality in
            let jpeg = try PictureCodec.encode(picture.values, width: 29, height: 37, as: .jpeg(quality: quality))
            let back = try PictureCodec.decode(jpeg, name: "a JPEG")
            #expect(psnr(HostTensor(picture.shape, back.rgb), picture) > 28)
            return jpeg.count
        }
        #expect(sizes[0] > sizes[1])
        #expect(throws: MediaError.self) { try PictureCodec.decode([1, 2, 3], name: "nothing") }
        #expect(throws: MediaError.self) { try PictureCodec.decode(Array(png.prefix(60)), name: "half a PNG") }
    }
}
