import Catalogue
import Foundation
import Media
import Network
import Tensor
import TestSupport
import Testing
import Weights

/// What is part of the program works on a machine without a network, a home or a cache.
@Suite struct BuiltInTests {
    @Test func everyBuiltInModelLoads() throws {
        #expect(BuiltInModel.all.count >= 2)
        for model in BuiltInModel.all {
            let loaded = try model.load()
            #expect(loaded.descriptor.scale == 2 && loaded.metadata.training?.iterations != nil)
            #expect(loaded.parameters.values.allSatisfy { $0.values.allSatisfy(\.isFinite) })
            #expect(try ModelCatalogue(folder: "/nonexistent").load(model.aliases[0]).parameters == loaded.parameters)
        }
    }

    /// Better than bicubic by a decibel and more, on a frame that was made half as large.
    @Test func theDefaultNeedsNoDownload() throws {
        let folder = try Folder()
        try runChecked(
            "ffmpeg",
            ["-v", "error", "-ss", "1", "-i", sampleClip, "-frames:v", "1", "-pix_fmt", "rgb24", folder("high.png")])
        for (name, size) in [("low", "160:90"), ("bicubic", "320:180")] {
            try runChecked(
                "ffmpeg",
                [
                    "-v", "error", "-i", folder(name == "low" ? "high.png" : "low.png"), "-vf",
                    "scale=\(size):flags=bicubic+accurate_rnd", folder("\(name).png"),
                ])
        }
        let result = try run(
            "env",
            [
                "HOME=/nonexistent", "XDG_CACHE_HOME=/nonexistent", Command.path, folder("low.png"), folder("ours.png"),
                "--quiet",
            ])
        #expect(result.status == 0, "\(result.errors)")
        func picture(_ name: String) throws -> [Float] {
            let bytes = try #require(FileManager.default.contents(atPath: folder("\(name).png")))
            return try PictureCodec.decode([UInt8](bytes), name: name).rgb
        }
        let high = try picture("high")
        func decibels(_ name: String) throws -> Double {
            let other = try picture(name)
            #expect(other.count == high.count)
            let sum = zip(high, other).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            return -10 * log10(sum / Double(high.count))
        }
        let (ours, bicubic) = (try decibels("ours"), try decibels("bicubic"))
        #expect(ours > bicubic + 1, "\(ours) dB, bicubic \(bicubic) dB")
    }
}
