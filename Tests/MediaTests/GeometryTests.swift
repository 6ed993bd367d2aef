import Foundation
import Media
import TestSupport
import Testing

/// Shapes, turns, fields, opacity, HDR, folders.
@Suite struct GeometryTests {
    static func source(_ size: String, _ more: String = "") -> [String] {
        ["-f", "lavfi", "-i", "testsrc2=size=\(size):rate=25:duration=0.4\(more)"]
    }

    /// Where the container has no word for it, the pictures are turned as a player would have turned them.
    @Test(arguments: ["90", "180", "270"]) func rotationIsApplied(_ degrees: String) throws {
        let folder = try TemporaryFolder()
        let (plain, input, output) = (folder.file("p.mp4"), folder.file("in.mp4"), folder.file("out.mkv"))
        try Tools.make(Self.source("96x64") + ["-c:v", "libx264rgb", "-qp", "0", "-vf", "setsar=4/3", plain])
        try Tools.make(["-i", plain, "-c", "copy", "-metadata:s:v:0", "rotate=\(degrees)", input])
        let outcome = try Copier(settings: EncoderSettings(codec: "ffv1", pixelFormat: "bgr0")).copy(input, output)
        #expect(outcome.notes.contains { $0.contains("turned") })
        let stream = try Tools.stream(output)
        let sides = degrees == "180" ? [96, 64] : [64, 96]
        #expect([stream["width"] as? Int, stream["height"] as? Int] == sides)
        #expect(stream["sample_aspect_ratio"] as? String == (degrees == "180" ? "4:3" : "3:4"))
        // ffmpeg turns its input by itself.
        #expect(try Tools.raw(output, "rgb24") == Tools.raw(input, "rgb24"))
    }

    /// Fields become frames: as many as before, at their times, without combs.
    @Test(arguments: [Deinterlacing.auto, .off, .on]) func deinterlacing(_ mode: Deinterlacing) throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file("in.mkv"), folder.file("out.mkv"))
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=50:duration=1", "-vf", "interlace,setfield=tff", "-c:v",
            "ffv1", "-pix_fmt", "yuv420p", input,
        ])
        var copier = Copier(settings: EncoderSettings(codec: "ffv1"))
        copier.options.deinterlace = mode
        try copier.copy(input, output)
        #expect(try Tools.frameTimes(output) == Tools.frameTimes(input))
        #expect(try Tools.frameTimes(output).count == 25)
        let reader = try MediaReader(path: input, options: copier.options)
        #expect(reader.isDeinterlacing == (mode != .off))
        // How much neighbouring rows differ more than rows of one field do.
        func combing(_ path: String) throws -> Double {
            let bytes = try Tools.raw(path, "gray", arguments: ["-frames:v", "10"])
            var sum = 0.0
            for frame in 0..<10 {
                for row in 1..<63 {
                    for column in 0..<96 {
                        func at(_ row: Int) -> Double { Double(bytes[(frame * 64 + row) * 96 + column]) }
                        let (above, below) = (at(row - 1), at(row + 1))
                        sum += max(0, abs(at(row) - above) + abs(at(row) - below) - abs(above - below))
                    }
                }
            }
            return sum
        }
        let (before, after) = (try combing(input), try combing(output))
        if mode == .off { #expect(after > 0.8 * before) } else { #expect(after < 0.7 * before) }
    }

    @Test func progressiveFramesStayUntouched() throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mkv")
        try Tools.make(Self.source("96x64") + ["-c:v", "ffv1", input])
        #expect(try MediaReader(path: input).isDeinterlacing == false)
    }

    /// A stream that changes its size: every frame comes, in its own size.
    @Test func sizeChange() throws {
        let folder = try TemporaryFolder()
        let parts = ["96x64", "160x120"].map { folder.file($0 + ".ts") }
        for (part, size) in zip(parts, ["96x64", "160x120"]) {
            try Tools.make(Self.source(size) + ["-c:v", "libx264", "-bf", "0", part])
        }
        let input = folder.file("in.ts")
        try (Data(contentsOf: URL(fileURLWithPath: parts[0])) + Data(contentsOf: URL(fileURLWithPath: parts[1])))
            .write(to: URL(fileURLWithPath: input))
        let reader = try MediaReader(path: input)
        let converter = PixelConverter(decoding: reader.video)
        var sizes: [String] = []
        while let event = try reader.next() {
            guard case .frame(let frame) = event else { continue }
            var pixels = [Float](repeating: -1, count: frame.width * frame.height * 3)
            try pixels.withUnsafeMutableBufferPointer { try converter.rgb(from: frame, into: $0) }
            #expect(!pixels.contains { $0 < 0 })
            sizes.append("\(frame.width)x\(frame.height)")
        }
        #expect(sizes == Array(repeating: "96x64", count: 10) + Array(repeating: "160x120", count: 10))
    }

    /// Opacity goes through where the target has a place for it.
    @Test(
        arguments: [
            ("png", "rgba", nil), ("apng", "rgba", nil), ("mkv", "rgba", "ffv1"), ("mov", "rgba", "qtrle"),
            ("mov", "yuva444p10le", "prores_ks"), ("webm", "yuva420p", nil),
        ] as [(String, String, String?)])
    func alpha(_ ending: String, _ format: String, _ codec: String?) throws {
        let folder = try TemporaryFolder()
        let still = ending == "png"
        let (input, output) = (folder.file(still ? "in.png" : "in.mov"), folder.file("out." + ending))
        let fade = "format=rgba,geq=r='r(X,Y)':g='g(X,Y)':b='b(X,Y)':a='X*2'"
        try Tools.make(
            Self.source("96x64") + ["-vf", fade] + (still ? ["-frames:v", "1", input] : ["-c:v", "qtrle", input]))
        try Copier(settings: EncoderSettings(codec: codec)).copy(input, output)
        let decoder = ending == "webm" ? ["-c:v", "libvpx-vp9"] : []
        func opacity(_ path: String, _ before: [String]) throws -> [UInt8] {
            let arguments = ["-v", "error", "-nostdin"] + before
            let result = try runChecked(
                "ffmpeg",
                arguments + [
                    "-i", path, "-frames:v", "1", "-vf", "format=yuva444p,alphaextract", "-pix_fmt", "gray", "-f",
                ]
                    + ["rawvideo", "-"])
            return Array(result.stdout)
        }
        let (a, b) = (try opacity(input, []), try opacity(output, decoder))
        #expect(a.count == 96 * 64 && b.count == a.count)
        #expect(Set(a).count > 50)
        let worst = zip(a, b).map { abs(Int($0) - Int($1)) }.max() ?? 255
        #expect(worst <= (ending == "webm" ? 12 : codec == "prores_ks" ? 2 : 1))
    }

    @Test func alphaThatIsLostIsNamed() throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mov")
        try Tools.make(
            Self.source("96x64") + ["-vf", "format=rgba,colorchannelmixer=aa=0.5", "-c:v", "qtrle", input])
        let outcome = try Copier().copy(input, folder.file("out.mp4"))
        #expect(outcome.notes.contains { $0.contains("transparency") })
    }

    /// What ffprobe reads of displays and light from the first frame.
    static func levels(_ path: String) throws -> String {
        let keys = "red_x,red_y,white_point_x,min_luminance,max_luminance,max_content,max_average"
        let output = try runChecked(
            "ffprobe",
            [
                "-v", "error", "-select_streams", "v:0", "-show_frames", "-read_intervals", "%+#1", "-show_entries",
                "frame_side_data=side_data_type,\(keys)", "-of", "flat", path,
            ]
        ).output
        let lines = output.split(separator: "\n").filter { line in
            line.contains("side_data_list")
                && (line.contains("red_") || line.contains("lumin") || line.contains("max_"))
        }
        return lines.map { $0.split(separator: "=").last.map(String.init) ?? "" }.sorted().joined(separator: " ")
    }

    /// Display and light levels reach the bitstream and the container.
    @Test(arguments: ["libx265", "libx264"], ["mp4", "mkv"]) func hdr(_ codec: String, _ ending: String) throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file("in.mkv"), folder.file("out." + ending))
        let display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
        try Tools.make(
            Self.source("96x64") + [
                "-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params",
                "log-level=none:master-display=\(display):max-cll=1000,400", "-color_primaries", "bt2020",
                "-color_trc", "smpte2084", "-colorspace", "bt2020nc", input,
            ])
        try Copier(settings: EncoderSettings(codec: codec, preset: "ultrafast")).copy(input, output)
        if codec == "libx265" {
            let before = try Self.levels(input)
            #expect(before.contains("1000") && before.contains("34000/50000"))
            #expect(try Self.levels(output) == before)
        } else {
            // This ffprobe reads H.264's words about displays only bit by bit.
            let trace = try runChecked(
                "ffmpeg", ["-v", "info", "-i", output, "-c:v", "copy", "-bsf:v", "trace_headers", "-f", "null", "-"])
            #expect(trace.errors.contains("Mastering Display Colour Volume"))
            #expect(trace.errors.contains("Content Light Level"))
        }
        let container = try Tools.stream(output)
        #expect("\(container["side_data_list"] ?? "")".contains("Mastering display metadata"))
        #expect(container["color_transfer"] as? String == "smpte2084")
    }

    /// Folders and numbered pictures, in natural order, one frame each; names and sizes stay.
    @Test func folders() throws {
        let folder = try TemporaryFolder()
        let source = folder.file("in")
        try FileManager.default.createDirectory(atPath: source, withIntermediateDirectories: false)
        for (name, size) in [("p2.png", "40x31"), ("p10.png", "64x48"), ("a.jpg", "50x40")] {
            try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=\(size)", "-frames:v", "1", "\(source)/\(name)"])
        }
        let reader = try MediaReader(path: source)
        #expect(reader.video.isPictureList)
        #expect(reader.video.frameCountEstimate == 3)
        let target = folder.file("out/")
        let outcome = try Copier(settings: EncoderSettings()).copy(source, target)
        #expect(outcome.times == [0, 1, 2])
        #expect(try FileManager.default.contentsOfDirectory(atPath: target).sorted() == ["a.png", "p10.png", "p2.png"])
        for name in ["p2.png", "p10.png"] {
            #expect(try Tools.raw(target + name, "rgb24") == Tools.raw("\(source)/\(name)", "rgb24"))
        }
        #expect(try Tools.stream(target + "a.png")["width"] as? Int == 50)
        #expect(throws: MediaError.outputExists(path: target + "a.png")) {
            try Copier(settings: EncoderSettings()).copy(source, target)
        }
    }

    @Test func sequences() throws {
        let folder = try TemporaryFolder()
        let film = folder.file("in.mkv")
        try Tools.make(Self.source("96x64") + ["-c:v", "ffv1", film])
        let pattern = folder.file("frame_%03d.png")
        try Copier(settings: EncoderSettings()).copy(film, pattern)
        let names = folder.contents.filter { $0.hasPrefix("frame_") }
        #expect(names == (1...10).map { "frame_" + ($0 < 10 ? "00" : "0") + "\($0).png" })
        let back = folder.file("back.mkv")
        var copier = Copier(settings: EncoderSettings(codec: "ffv1"))
        copier.options.frameRate = Rational(10, 1)
        try copier.copy(pattern, back)
        let times = try Tools.frameTimes(back).compactMap { Double($0) }
        #expect(times == (0..<10).map { Double($0) / 10 })
        #expect(try Tools.raw(back, "rgb24") == names.flatMap { try Tools.raw(folder.file($0), "rgb24") })
    }

    /// Players and ffprobe are told the true rate, and how long each frame lasts.
    @Test(arguments: ["libx264", "libx265"]) func rate(_ codec: String) throws {
        let folder = try TemporaryFolder()
        let (input, output, raw) = (folder.file("in.mp4"), folder.file("out.mp4"), folder.file("out.h26"))
        try Tools.make(Self.source("96x64") + ["-c:v", "libx264", input])
        try Copier(settings: EncoderSettings(codec: codec, preset: "veryfast")).copy(input, output)
        #expect(try Tools.frameTimes(output) == Tools.frameTimes(input))
        #expect(try Tools.stream(output)["r_frame_rate"] as? String == "25/1")
        // The elementary stream speaks for itself.
        try Tools.make(["-i", output, "-c", "copy", "-f", codec == "libx264" ? "h264" : "hevc", raw])
        #expect(try Tools.stream(raw)["r_frame_rate"] as? String == "25/1")
        #expect(try Tools.packets(output, "v:0").allSatisfy { $0.durationTime == "0.040000" })
    }
}
