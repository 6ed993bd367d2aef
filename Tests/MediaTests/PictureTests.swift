import Foundation
import Media
import TestSupport
import Testing

/// Pictures, odd sizes, deep colour, options: what comes out is what was asked for.
@Suite struct PictureTests {
    static func still(_ folder: TemporaryFolder, _ name: String, _ size: String, _ format: String) throws -> String {
        let path = folder.file(name)
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=\(size)", "-frames:v", "1", "-pix_fmt", format, "-q:v", "2", path,
        ])
        return path
    }

    @Test(arguments: ["rgb24", "gray", "rgb48be", "gray16be"]) func pngComesBackExactly(_ format: String) throws {
        let folder = try TemporaryFolder()
        let input = try Self.still(folder, "a 100% [b].png", "67x41", format)
        let output = folder.file("out.png")
        try Copier(settings: EncoderSettings()).copy(input, output)
        #expect(try Tools.stream(output)["pix_fmt"] as? String == format)
        #expect(try Tools.raw(output, format) == Tools.raw(input, format))
    }

    @Test func jpegStaysClose() throws {
        let folder = try TemporaryFolder()
        let input = try Self.still(folder, "in.jpg", "120x80", "yuvj420p")
        let output = folder.file("out.jpg")
        try Copier(settings: EncoderSettings()).copy(input, output)
        let stream = try Tools.stream(output)
        #expect(stream["codec_name"] as? String == "mjpeg")
        #expect(stream["pix_fmt"] as? String == "yuvj420p")
        let (a, b) = (try Tools.raw(input, "yuvj420p"), try Tools.raw(output, "yuvj420p"))
        #expect(a.count == b.count)
        let error = zip(a, b).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) } / Double(a.count)
        #expect(10 * log10(255 * 255 / error) > 38)
        #expect(abs(Self.mean(a) - Self.mean(b)) < 0.5)
    }

    private static func mean(_ bytes: [UInt8]) -> Double {
        bytes.reduce(0) { $0 + Double($1) } / Double(bytes.count)
    }

    @Test(arguments: ["png", "jpg"]) func oneToAnother(_ ending: String) throws {
        let folder = try TemporaryFolder()
        let input = try Self.still(folder, "in.\(ending)", "64x48", ending == "png" ? "rgb24" : "yuvj444p")
        let output = folder.file("out.\(ending == "png" ? "jpg" : "png")")
        try Copier(settings: EncoderSettings()).copy(input, output)
        let (a, b) = (try Tools.raw(input, "rgb24"), try Tools.raw(output, "rgb24"))
        let error = zip(a, b).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) } / Double(a.count)
        #expect(10 * log10(255 * 255 / error) > 30)
    }

    @Test(arguments: ["1x1", "2x1", "1x5", "33x31", "34x31", "33x32"]) func oddSizes(_ size: String) throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mkv")
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10:duration=0.5", "-vf",
            "scale=\(size.replacing("x", with: ":")),format=yuv420p", "-c:v", "ffv1", input,
        ])
        let output = folder.file("out.mp4")
        let outcome = try Copier().copy(input, output)
        #expect(outcome.frames == 5)
        let stream = try Tools.stream(output)
        #expect("\(try #require(stream["width"]))x\(try #require(stream["height"]))" == size)
        #expect(stream["pix_fmt"] as? String == "yuv444p")
        #expect(outcome.notes.contains { $0.contains("yuv444p") })
        #expect(try Tools.frameTimes(output).count == 5)
    }

    @Test func tenBitsStayTen() throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mkv")
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10:duration=0.5", "-pix_fmt", "yuv420p10le", "-c:v",
            "libx264",
            "-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-color_range", "tv",
            input,
        ])
        let output = folder.file("out.mp4")
        try Copier().copy(input, output)
        let stream = try Tools.stream(output)
        #expect(stream["pix_fmt"] as? String == "yuv420p10le")
        #expect(stream["color_space"] as? String == "bt2020nc")
        #expect(stream["color_transfer"] as? String == "smpte2084")
        #expect(stream["color_primaries"] as? String == "bt2020")
        #expect(stream["color_range"] as? String == "tv")
    }

    @Test func fullRangeStaysFull() throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mp4")
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10:duration=0.5", "-vf",
            "scale=out_color_matrix=smpte170m:out_range=pc", "-pix_fmt", "yuv420p", "-color_range", "pc", "-colorspace",
            "smpte170m", "-qp", "0", "-c:v", "libx264", input,
        ])
        let output = folder.file("out.mp4")
        // Unclamped, luma comes back whatever its chroma does.
        try Copier(settings: EncoderSettings(options: [("qp", "0")]), clamps: false).copy(input, output)
        let stream = try Tools.stream(output)
        #expect(stream["color_range"] as? String == "pc")
        #expect(stream["color_space"] as? String == "smpte170m")
        let (a, b) = (try Tools.raw(input, "gray"), try Tools.raw(output, "gray"))
        #expect(a.count == b.count)
        let worst = zip(a, b).map { abs(Int($0) - Int($1)) }.max()
        #expect(worst ?? 255 <= 1)
    }

    /// Untagged: up to 576 rows players assume 601, above 709. Enlarged across that line, the tag has to be written.
    @Test(arguments: [(240, 480, false), (240, 960, true), (720, 1440, false)])
    func guessesAreTaggedWhereTheyWouldChange(_ from: Int, _ to: Int, _ isTagged: Bool) throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mkv")
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=64x\(from):rate=5:duration=0.4", "-pix_fmt", "yuv420p", "-c:v", "ffv1",
            input,
        ])
        let reader = try MediaReader(path: input)
        #expect(reader.video.color.guessed.contains(.matrix))
        #expect(reader.video.color.matrix == (from <= 576 ? .smpte170m : .bt709))
        let writer = try MediaWriter(
            path: folder.file("out.mp4"), source: reader, width: 64, height: to,
            settings: EncoderSettings(preset: "ultrafast"))
        let encode = try PixelConverter(
            encodingWidth: 64, height: to, pixelFormat: writer.pixelFormat, color: writer.color)
        let pixels = [Float](repeating: 0.5, count: 64 * to * 3)
        try writer.write(
            pixels.withUnsafeBufferPointer {
                try encode.frame(fromRGB: $0, width: 64, height: to, timestamp: 0, duration: 200)
            })
        try writer.finish()
        let space = try Tools.stream(folder.file("out.mp4"))["color_space"] as? String
        #expect((space ?? "unknown") == (isTagged ? "smpte170m" : "unknown"))
    }

    @Test func hevcInMP4IsTaggedForEveryone() throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mp4")
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10:duration=0.5", "-c:v", "libx264", input])
        let output = folder.file("out.mp4")
        try Copier(settings: EncoderSettings(codec: "hevc", crf: 30, preset: "ultrafast")).copy(input, output)
        let stream = try Tools.stream(output)
        #expect(stream["codec_name"] as? String == "hevc")
        #expect(stream["codec_tag_string"] as? String == "hvc1")
        #expect(try Tools.frameTimes(output) == Tools.frameTimes(input))
    }

    @Test func optionsReachEncoderAndContainer() throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mp4")
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10:duration=2", "-c:v", "libx264", input])
        let output = folder.file("out.mp4")
        let settings = EncoderSettings(
            preset: "ultrafast", options: [("g", "4"), ("movflags", "+faststart")], pixelFormat: "yuv444p")
        try Copier(settings: settings).copy(input, output)
        #expect(try Tools.stream(output)["pix_fmt"] as? String == "yuv444p")
        let flags = try runChecked(
            "ffprobe", ["-v", "error", "-show_entries", "packet=flags", "-of", "csv=p=0", output])
        #expect(flags.output.split(separator: "\n").filter { $0.contains("K") }.count == 5)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: output))
        let moov = try #require(bytes.range(of: Data("moov".utf8)))
        let mdat = try #require(bytes.range(of: Data("mdat".utf8)))
        #expect(moov.lowerBound < mdat.lowerBound)
    }

    /// Rotation, sample aspect ratio, languages, titles and chapters go along.
    @Test func tagsGoAlong() throws {
        let folder = try TemporaryFolder()
        let chapters = folder.file("meta.txt")
        let text =
            ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=Two\n"
        try Data(text.utf8).write(to: URL(fileURLWithPath: chapters))
        let (plain, input, output) = (folder.file("plain.mp4"), folder.file("in.mp4"), folder.file("out.mp4"))
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=10:duration=1", "-f", "lavfi", "-i", "sine=duration=1", "-i",
            chapters, "-map_metadata", "2", "-vf", "setsar=4/3", "-metadata:s:a:0", "language=fra", "-c:v", "libx264",
            plain,
        ])
        try Tools.make(["-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=90", input])
        let reader = try MediaReader(path: input)
        // ffprobe counts anticlockwise.
        #expect(reader.video.rotation == 270)
        #expect(reader.video.sampleAspectRatio == Rational(4, 3))
        try Copier().copy(input, output)
        let probed = try MediaProbe.describe(path: output)
        #expect(probed.video?.rotation == 270)
        #expect(probed.video?.sampleAspectRatio == Rational(4, 3))
        #expect(probed.metadata["title"] == "A film")
        #expect(probed.chapters.map { $0.metadata["title"] } == ["One", "Two"])
        #expect(probed.streams.first { $0.kind == .audio }?.language == "fra")
        #expect(try Tools.stream(output, "a:0")["codec_name"] as? String == "aac")
    }
}
