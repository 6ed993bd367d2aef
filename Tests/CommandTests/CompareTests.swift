import Foundation
import TestSupport
import Testing

@Suite struct CompareTests {
    /// A clip and a coarser copy of it.
    private func pair(_ folder: Folder) throws -> (String, String) {
        let (a, b) = (folder("a.mkv"), folder("b.mkv"))
        try ffmpeg(picture("96x80", seconds: 0.4) + ["-c:v", "ffv1", "-pix_fmt", "yuv420p", a])
        try ffmpeg(["-i", a, "-c:v", "libx264", "-crf", "38", "-pix_fmt", "yuv420p", b])
        return (a, b)
    }

    private func report(_ arguments: [String]) throws -> [String: Any] {
        let result = try Command.run(["compare"] + arguments + ["--json"])
        try #require(result.status == 0, "\(result.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
    }

    /// FFmpeg's psnr filter compares the planes as they are stored. On greys, since RGB cuts off what saturated colours
    /// have beyond it.
    @Test func agreesWithFFmpeg() throws {
        let folder = try Folder()
        let (a, b) = (folder("grey.mkv"), folder("coarse.mkv"))
        try ffmpeg(picture("96x80", seconds: 0.4) + ["-vf", "hue=s=0", "-c:v", "ffv1", "-pix_fmt", "yuv420p", a])
        try ffmpeg(["-i", a, "-c:v", "libx264", "-crf", "38", "-pix_fmt", "yuv420p", b])
        let overall = try #require(try report([a, b])["overall"] as? [String: Any])
        let log = try runChecked("ffmpeg", ["-i", a, "-i", b, "-lavfi", "[0:v][1:v]psnr", "-f", "null", "-"]).errors
        let line = try #require(log.split(separator: "\n").last { $0.contains("PSNR y:") })
        let text = try #require(line.split(separator: " ").first { $0.hasPrefix("y:") }).dropFirst(2)
        let expected = try #require(Double(text))
        let psnr = try #require(overall["psnrY"] as? Double)
        #expect(abs(psnr - expected) < 0.05, "\(psnr) against \(expected)")
    }

    @Test func equalVideos() throws {
        let folder = try Folder()
        let (a, _) = try pair(folder)
        let report = try report([a, a])
        let overall = try #require(report["overall"] as? [String: Any])
        #expect(overall["psnrRGB"] == nil && overall["ssim"] as? Double == 1 && overall["msSSIM"] as? Double == 1)
        #expect((report["frames"] as? [Any])?.count == 10)
        #expect(report["msSSIMScales"] as? Int == 3)
        #expect(try Command.run("compare", a, a).output.contains("equal"))
    }

    @Test func sizes() throws {
        let folder = try Folder()
        let (a, b) = try pair(folder)
        let small = folder("small.mkv")
        try ffmpeg(["-i", b, "-vf", "scale=48:40", "-c:v", "ffv1", small])
        let refused = try Command.run("compare", a, small)
        #expect(refused.status == 1 && refused.errors.contains("--scale-to"), "\(refused.errors)")
        #expect(refused.errors.contains("96x80") && refused.errors.contains("48x40"))
        #expect(try report([a, small, "--scale-to", "a"])["width"] as? Int == 96)
        #expect(try report([a, small, "--scale-to", "b"])["width"] as? Int == 48)
    }

    @Test func framesThatAreMissing() throws {
        let folder = try Folder()
        let (a, b) = try pair(folder)
        try ffmpeg(["-i", b, "-frames:v", "7", "-c:v", "ffv1", folder("short.mkv")])
        let result = try Command.run("compare", a, folder("short.mkv"))
        #expect(result.status == 1)
        #expect(result.errors.contains("10 frames") && result.errors.contains("7"), "\(result.errors)")
        #expect(result.output.contains("PSNR"))
    }

    @Test func aPlot() throws {
        let folder = try Folder()
        let (a, b) = try pair(folder)
        let plot = folder("plot.svg")
        #expect(try Command.run("compare", a, b, "--plot", plot).status == 0)
        let parser = XMLShape()
        #expect(parser.read(try Data(contentsOf: URL(fileURLWithPath: plot))))
        #expect(parser.polylines.count == 4)
        #expect(parser.polylines.allSatisfy { $0.split(separator: " ").count == 10 })
        #expect(parser.text.contains("PSNR") && parser.text.contains("frame") && parser.text.contains("MS-SSIM"))
        #expect(try Command.run("compare", a, b, "--plot", plot).status == 1)
        #expect(try Command.run("compare", a, b, "--plot", plot, "--overwrite").status == 0)
    }

    @Test func sideBySideAndWipe() throws {
        let folder = try Folder()
        let (a, b) = try pair(folder)
        for (option, size) in [("--side-by-side", "192x80"), ("--wipe", "96x80")] {
            let output = folder("\(option.dropFirst(2)).mkv")
            let result = try Command.run("compare", a, b, option, output, "--video-codec", "ffv1")
            #expect(result.status == 0, "\(result.errors)")
            #expect(try FFprobe.size(output) == size)
            #expect(try FFprobe.frameTimes(output) == FFprobe.frameTimes(a))
        }
        // The left half is `a`, the right half is `b`.
        for (crop, source) in [("0", a), ("96", b)] {
            try ffmpeg([
                "-i", folder("side-by-side.mkv"), "-vf", "crop=96:80:\(crop):0", "-c:v", "ffv1", folder("h.mkv"),
            ])
            let overall = try #require(try report([folder("h.mkv"), source])["overall"] as? [String: Any])
            #expect((overall["psnrY"] as? Double ?? 100) > 50)
        }
    }

    @Test func aWipeOfPictures() throws {
        let folder = try Folder()
        try ffmpeg("-f", "lavfi", "-i", "color=red:size=64x32", "-frames:v", "1", folder("a.png"))
        try ffmpeg("-f", "lavfi", "-i", "color=blue:size=128x64", "-frames:v", "1", folder("b.png"))
        let result = try Command.run(
            "compare", folder("a.png"), folder("b.png"), "--scale-to", "a", "--wipe", folder("w.png"))
        #expect(result.status == 0, "\(result.errors)")
        let raw = try runChecked(
            "ffmpeg", ["-v", "error", "-i", folder("w.png"), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        let row = [UInt8](raw.stdout.prefix(64 * 3))
        #expect(row[0] > 240 && row[2] < 15)
        #expect(row[32 * 3] == 255 && row[32 * 3 + 1] == 255 && row[32 * 3 + 2] == 255)
        #expect(row[63 * 3] < 15 && row[63 * 3 + 2] > 240)
    }

    @Test(arguments: [
        ["--scale-to", "c"], ["--plot", "x.pdf"], ["--side-by-side", "x.mp4", "--wipe", "y.mp4"], ["--nonsense"],
    ])
    func wrongUsage(_ arguments: [String]) throws {
        let result = try Command.run(["compare", sampleClip, sampleClip] + arguments)
        #expect(result.status == 2, "\(result.errors)")
        #expect(result.errors.contains(arguments[0]))
    }
}

/// The curves and the words of an SVG, by plain text: well-formedness is what the count of brackets tells.
private final class XMLShape {
    var polylines: [String] = []
    var text = ""

    func read(_ data: Data) -> Bool {
        text = String(decoding: data, as: UTF8.self)
        polylines = text.split(separator: "points=\"").dropFirst().map { String($0.prefix { $0 != "\"" }) }
        let opened = text.split(separator: "<", omittingEmptySubsequences: false).count
        return text.hasPrefix("<svg ") && text.hasSuffix("</svg>\n")
            && opened == text.split(separator: ">", omittingEmptySubsequences: false).count
    }
}
