import Foundation
import TestSupport
import Testing

/// ffprobe's view of one stream's packets or frames: one line each.
private func probe(_ path: String, stream: String, _ entries: String) throws -> [String] {
    try runChecked(
        "ffprobe",
        [
            "-v", "error", "-select_streams", stream, "-show_data_hash", "sha256", "-show_entries", entries, "-of",
            "csv", path,
        ]
    ).output.split(separator: "\n").map(String.init)
}

@Suite struct VideoTests {
    /// The README's first command: as many frames, the same timestamps, the same sound, packet by packet.
    @Test func theSampleClipComesThrough() throws {
        let folder = try Folder()
        let output = folder("out.mp4")
        let result = try Command.run(sampleClip, output, "--model", try tinyModel(folder))
        #expect(result.status == 0, "\(result.errors)")

        let times = "frame=best_effort_timestamp_time"
        let before = try probe(sampleClip, stream: "v:0", times)
        #expect(before.count == 75)
        #expect(try probe(output, stream: "v:0", times) == before)

        let packets = "packet=pts_time,dts_time,duration_time,size,data_hash"
        let sound = try probe(sampleClip, stream: "a:0", packets)
        #expect(sound.count == 141)
        #expect(try probe(output, stream: "a:0", packets) == sound)

        #expect(try probe(output, stream: "v:0", "stream=codec_name,width,height") == ["stream,h264,640,360"])
        // Playable from end to end: a decoder has nothing to complain of.
        let decoding = try runChecked("ffmpeg", ["-v", "error", "-i", output, "-f", "null", "-"])
        #expect(decoding.errors == "")
        #expect(folder.contents == ["out.mp4", "tiny-x2.safetensors"])
    }

    /// Sizes that break tiles and chroma: one pixel, one row, odd.
    @Test(arguments: [(1, 1), (1, 9), (9, 1), (2, 2), (35, 17), (64, 48)], [1, 2, 3])
    func everySizeComesOutRight(_ size: (Int, Int), _ scale: Int) throws {
        let folder = try Folder()
        let (input, output) = (folder("in.mkv"), folder("out.mkv"))
        try runChecked(
            "ffmpeg",
            [
                "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10:duration=0.3", "-vf",
                "scale=\(size.0):\(size.1)", "-pix_fmt", "yuv444p", "-c:v", "ffv1", input,
            ])
        let result = try Command.run(input, output, "--model", try tinyModel(folder, scale: scale))
        #expect(result.status == 0, "\(result.errors)")
        let probed = try probe(output, stream: "v:0", "stream=width,height")
        #expect(probed == ["stream,\(size.0 * scale),\(size.1 * scale)"])
        #expect(try probe(output, stream: "v:0", "frame=best_effort_timestamp_time").count == 3)
    }

    @Test(arguments: [
        (["--scale", "1.5"], "96,72"), (["--size", "100x50"], "100,50"), (["--fit", "200x200"], "200,150"),
        (["--tile", "32"], "128,96"), (["--tile", "off"], "128,96"), (["--device", "reference"], "128,96"),
        (["--video-codec", "libx265", "--preset", "ultrafast"], "128,96"),
        (["--crf", "30", "--pixel-format", "yuv444p", "--encoder-option", "g=5"], "128,96"),
    ])
    func options(_ arguments: [String], _ size: String) throws {
        let folder = try Folder()
        let (input, output) = (folder("in.mp4"), folder("out.mp4"))
        try runChecked(
            "ffmpeg",
            [
                "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=10:duration=1", "-pix_fmt", "yuv420p",
                input,
            ])
        let result = try Command.run([input, output, "--model", try tinyModel(folder)] + arguments)
        #expect(result.status == 0, "\(result.errors)")
        #expect(try probe(output, stream: "v:0", "stream=width,height") == ["stream,\(size)"])
        #expect(try probe(output, stream: "v:0", "frame=best_effort_timestamp_time").count == 10)
    }

    @Test func startAndDuration() throws {
        let folder = try Folder()
        let output = folder("out.mp4")
        let result = try Command.run(
            sampleClip, output, "--model", try tinyModel(folder, scale: 1), "--start", "1", "--duration", "0:00:01")
        #expect(result.status == 0, "\(result.errors)")
        #expect(try probe(output, stream: "v:0", "frame=best_effort_timestamp_time").count == 25)
    }

    @Test(arguments: ["png", "jpg"]) func pictures(_ type: String) throws {
        let folder = try Folder()
        let (input, output) = (folder("in.\(type)"), folder("out.\(type)"))
        try runChecked(
            "ffmpeg",
            [
                "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x64", "-vf", "scale=31:23,format=rgb24",
                "-frames:v", "1", input,
            ])
        let result = try Command.run(input, output, "--model", try tinyModel(folder))
        #expect(result.status == 0, "\(result.errors)")
        #expect(try probe(output, stream: "v:0", "stream=width,height") == ["stream,62,46"])
    }
}

@Suite struct ProgressTests {
    @Test func jsonLines() throws {
        let folder = try Folder()
        let result = try Command.run(
            sampleClip, folder("out.mp4"), "--model", try tinyModel(folder, scale: 1), "--progress", "json")
        #expect(result.status == 0)
        let lines = result.errors.split(separator: "\n")
        let events = try lines.map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        #expect(events.first?["event"] as? String == "progress")
        let last = try #require(events.last)
        #expect(last["event"] as? String == "done")
        #expect(last["frames"] as? Int == 75)
        let stages = try #require(last["stages"] as? [[String: Any]])
        #expect(stages.map { $0["name"] as? String } == ["decode", "network", "convert", "encode"])
        // Repeated frames are not converted again.
        #expect(stages.allSatisfy { ($0["frames"] as? Int ?? 0) > 0 && ($0["framesPerSecond"] as? Double ?? 0) > 0 })
        #expect(stages.first?["frames"] as? Int == 75 && stages.last?["frames"] as? Int == 75)
        #expect(stages.contains { $0["name"] as? String == last["slowestStage"] as? String })
    }

    @Test func quietSaysNothing() throws {
        let folder = try Folder()
        let result = try Command.run(
            sampleClip, folder("out.mp4"), "--model", try tinyModel(folder, scale: 1), "--quiet")
        #expect(result.status == 0)
        #expect(result.errors == "" && result.output == "")
    }

    @Test func plainLinesWithoutATerminal() throws {
        let folder = try Folder()
        let result = try Command.run(sampleClip, folder("out.mp4"), "--model", try tinyModel(folder, scale: 1))
        #expect(result.errors.contains("75/75 frames"))
        #expect(result.errors.contains("slowest stage: "))
        #expect(!result.errors.contains("\r") && !result.errors.contains("\u{1B}"))
    }

    /// Ctrl-C: exit 130, and what was done so far is a playable file.
    @Test func interruption() throws {
        let folder = try Folder()
        let input = folder("long.mp4")
        try runChecked(
            "ffmpeg",
            [
                "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=60", "-f", "lavfi", "-i",
                "sine=duration=60", "-preset", "ultrafast", "-pix_fmt", "yuv420p", input,
            ])
        let command = try RunningCommand([
            input, folder("out.mp4"), "--model", try tinyModel(folder), "--device", "reference",
        ])
        #expect(command.wait { ($0["frames"] as? Int ?? 0) > 0 }, "\(command.text)")
        command.interrupt()
        #expect(command.process.terminationStatus == 130, "\(command.text)")
        #expect(command.process.terminationReason == .exit)
        #expect(folder.contents == ["long.mp4", "out.mp4", "tiny-x2.safetensors"])
        let frames = try probe(folder("out.mp4"), stream: "v:0", "frame=best_effort_timestamp_time")
        #expect(frames.count > 0 && frames.count < 1500)
        let all = try probe(input, stream: "v:0", "frame=best_effort_timestamp_time")
        #expect(frames == Array(all.prefix(frames.count)))
        #expect(try runChecked("ffmpeg", ["-v", "error", "-i", folder("out.mp4"), "-f", "null", "-"]).errors == "")
    }
}
