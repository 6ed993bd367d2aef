import Foundation
import TestSupport
import Testing

@testable import Media

/// Animations keep what they say: how often they play, how long each picture is shown, the last one too, and what can be
/// seen through.
@Suite struct AnimationTests {
    /// The delays of a GIF's pictures, in hundredths of a second, from its graphic control extensions.
    static func delays(ofGIF bytes: [UInt8]) -> [Int] {
        (0..<(bytes.count - 7)).filter {
            bytes[$0] == 0x21 && bytes[$0 + 1] == 0xF9 && bytes[$0 + 2] == 4 && bytes[$0 + 7] == 0
        }.map { Int(bytes[$0 + 4]) | Int(bytes[$0 + 5]) << 8 }
    }

    /// Those of an APNG, in hundredths of a second, from fcTL.
    static func delays(ofAPNG bytes: [UInt8]) -> [Int] {
        PNGChunks(bytes).filter { $0.name == "fcTL" }.map { chunk in
            let start = chunk.body.lowerBound
            let (a, b) = (Bytes.big(bytes[(start + 20)..<(start + 22)]), Bytes.big(bytes[(start + 22)..<(start + 24)]))
            return Int((Double(a) / Double(b == 0 ? 100 : b) * 100).rounded())
        }
    }

    /// Those of a WebP, in hundredths of a second, from ANMF.
    static func delays(ofWebP bytes: [UInt8]) -> [Int] {
        RIFFChunks(bytes).filter { $0.name == "ANMF" }.map { chunk in
            Int(Bytes.little(bytes[(chunk.body.lowerBound + 12)..<(chunk.body.lowerBound + 15)])) / 10
        }
    }

    static func delays(_ path: String) throws -> [Int] {
        let bytes = try PictureFiles.read(path)
        if path.hasSuffix(".gif") { return delays(ofGIF: bytes) }
        return path.hasSuffix(".apng") ? delays(ofAPNG: bytes) : delays(ofWebP: bytes)
    }

    static func plays(_ path: String) throws -> Int? {
        let bytes = try PictureFiles.read(path)
        guard path.hasSuffix(".webp") else {
            return AnimationLoop.plays(of: path, format: path.hasSuffix(".gif") ? "gif" : "apng")
        }
        let chunk = try #require(RIFFChunks(bytes).first { $0.name == "ANIM" })
        return Int(Bytes.little(bytes[(chunk.body.lowerBound + 4)..<(chunk.body.lowerBound + 6)]))
    }

    static func animation(_ folder: TemporaryFolder, _ name: String, _ more: [String]) throws -> String {
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=0.5"] + more + [folder.file(name)])
        return folder.file(name)
    }

    @Test(arguments: ["gif", "apng"], ["gif", "apng", "webp"]) func theLastDelayStays(
        _ from: String, _ to: String
    ) throws {
        let folder = try TemporaryFolder()
        let input = try Self.animation(
            folder, "in.\(from)", ["-final_delay", from == "gif" ? "70" : "70/100"])
        #expect(try Self.delays(input) == [10, 10, 10, 10, 70])
        let output = folder.file("out.\(to)")
        try Copier(settings: EncoderSettings()).copy(input, output)
        #expect(try Self.delays(output) == [10, 10, 10, 10, 70])
    }

    @Test(arguments: ["gif", "apng"], [0, 1, 3]) func asOftenAsBefore(_ from: String, _ plays: Int) throws {
        let folder = try TemporaryFolder()
        let options =
            from == "gif" ? ["-loop", plays == 1 ? "-1" : "\(plays)"] : ["-plays", "\(plays)"]
        let input = try Self.animation(folder, "in.\(from)", options)
        #expect(try Self.plays(input) == plays)
        for to in ["gif", "apng", "webp"] {
            let output = folder.file("out.\(to)")
            try Copier(settings: EncoderSettings()).copy(input, output)
            #expect(try Self.plays(output) == plays, "\(to)")
        }
    }

    @Test(arguments: ["gif", "apng"]) func transparencyStays(_ to: String) throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.gif")
        try Tools.make([
            "-f", "lavfi", "-i", "color=red:size=64x48:rate=10:duration=0.3,format=rgba", "-vf",
            "geq=r=200:g=30:b=30:a='if(lt(X,32),0,255)',split[a][b];[a]palettegen[p];[b][p]paletteuse", input,
        ])
        #expect(try MediaReader(path: input).source.first.isTransparent)
        let output = folder.file("out.\(to)")
        try Copier(settings: EncoderSettings()).copy(input, output)
        // No decoder of an animated WebP is in libav.
        guard to != "webp" else {
            let chunk = try #require(RIFFChunks(try PictureFiles.read(output)).first { $0.name == "VP8X" })
            return #expect(try PictureFiles.read(output)[chunk.body.lowerBound] & 0x10 != 0)
        }
        let pixels = try Tools.raw(output, "rgba")
        let first = (0..<(64 * 48)).map { pixels[4 * $0 + 3] }
        #expect((0..<48).allSatisfy { y in first[y * 64] == 0 && first[y * 64 + 63] == 255 })
        // One that only could be transparent is written without.
        let opaque = try Self.animation(folder, "opaque.gif", [])
        try Copier(settings: EncoderSettings()).copy(opaque, folder.file("opaque-out.\(to)"))
        #expect(
            try Tools.raw(folder.file("opaque-out.\(to)"), "rgba").enumerated().allSatisfy { $0 % 4 != 3 || $1 == 255 })
    }
}
