import Foundation
import TestSupport
import Testing

/// Recordings as they come from broadcasts and phones, upscaled by the program and read back with ffprobe.
@Suite struct ClockMatrixTests {
    private func upscale(_ folder: Folder, _ input: String, _ output: String, _ options: [String] = []) throws
        -> ProcessResult
    {
        let result = try Command.run(
            [folder(input), folder(output), "--model", try tinyModel(folder), "--progress", "none", "--overwrite"]
                + options)
        #expect(result.status == 0, "\(input) to \(output): \(result.errors)")
        return result
    }

    private func times(_ path: String, _ stream: String) throws -> [Double] {
        try FFprobe.entries(path, "packets", stream, ["-show_entries", "packet=pts_time"]).compactMap {
            ($0["pts_time"] as? String).flatMap { Double($0) }
        }
    }

    private let clip = picture(seconds: 4) + tone(440, seconds: 4) + quickH264 + ["-g", "25", "-c:a", "aac"]

    @Test(arguments: ["mp4", "mkv", "avi"]) func aBroadcastsClockBeginsAtZero(_ kind: String) throws {
        let folder = try Folder()
        try ffmpeg(clip + ["-output_ts_offset", "50000", folder("in.ts")])
        _ = try upscale(folder, "in.ts", "out.\(kind)")
        let (frames, sound) = (try FFprobe.frameTimes(folder("out.\(kind)")), try times(folder("out.\(kind)"), "a:0"))
        #expect(frames.count == 100 && frames[0] < 0.2 && frames[99] < 4.2)
        // AVI's times are counts; elsewhere picture and sound keep their distance.
        let before = try FFprobe.frameTimes(folder("in.ts"))[0] - times(folder("in.ts"), "a:0")[0]
        #expect(abs((frames[0] - (sound.first ?? 0)) - before) < 0.045)
        #expect(try Command.run("verify", folder("in.ts"), folder("out.\(kind)")).status == 0)
    }

    @Test(arguments: ["mp4", "mkv", "ts"]) func aCounterThatWrapsLosesNothing(_ kind: String) throws {
        let folder = try Folder()
        try ffmpeg(clip + ["-output_ts_offset", "95442", "-muxdelay", "0", folder("in.ts")])
        _ = try upscale(folder, "in.ts", "out.\(kind)")
        let frames = try FFprobe.frameTimes(folder("out.\(kind)"))
        #expect(frames.count == 100)
        #expect(zip(frames.dropFirst(), frames).allSatisfy { abs($0 - $1 - 0.04) < 0.0011 } || kind == "ts")
        #expect(try times(folder("out.\(kind)"), "a:0").count >= 188)
    }

    @Test func joinedRecordingsFollowEachOther() throws {
        let folder = try Folder()
        for part in ["1.ts", "2.ts"] {
            try ffmpeg(picture(seconds: 2) + tone(440, seconds: 2) + quickH264 + ["-c:a", "aac", folder(part)])
        }
        let joined = try ["1.ts", "2.ts"].map { try Data(contentsOf: URL(fileURLWithPath: folder($0))) }
        try (joined[0] + joined[1]).write(to: URL(fileURLWithPath: folder("in.ts")))
        let result = try upscale(folder, "in.ts", "out.mp4")
        #expect(result.errors.contains("its clock jumps"), "\(result.errors)")
        let frames = try FFprobe.frameTimes(folder("out.mp4"))
        #expect(frames.count == 100)
        let sound = try times(folder("out.mp4"), "a:0")
        #expect(abs(frames[99] - frames[0] - 3.96) < 0.2 && abs(sound.last! - frames[99]) < 0.2)
        #expect(zip(frames.dropFirst(), frames).allSatisfy { $0 > $1 })
    }

    @Test(arguments: ["mkv", "ts"]) func soundStaysBesideASlowPicture(_ kind: String) throws {
        let folder = try Folder()
        try ffmpeg(
            picture(rate: 2, seconds: 40) + tone(440, seconds: 40) + quickH264 + ["-c:a", "aac", folder("in.mp4")])
        _ = try upscale(folder, "in.mp4", "out.\(kind)")
        let packets = try FFprobe.entries(
            folder("out.\(kind)"), "packets", nil, ["-show_entries", "packet=codec_type,pts_time"])
        var latest = ["audio": 0.0, "video": 0.0]
        for packet in packets {
            let (type, time) = (packet["codec_type"] as? String ?? "", Double(packet["pts_time"] as? String ?? "") ?? 0)
            latest[type] = max(latest[type] ?? 0, time)
            // A reader that looks at five seconds finds both.
            #expect(abs(latest["audio"]! - latest["video"]!) < 5)
        }
    }

    @Test(arguments: ["mp4", "mkv", "ts"]) func whatAnEditListHidesStaysHidden(_ kind: String) throws {
        let folder = try Folder()
        try ffmpeg(
            picture(seconds: 4) + tone(440, seconds: 4) + quickH264 + ["-g", "50", "-c:a", "aac", folder("a.mp4")])
        try ffmpeg("-ss", "0.5", "-i", folder("a.mp4"), "-c", "copy", folder("in.mp4"))
        _ = try upscale(folder, "in.mp4", "out.\(kind)")
        func heard(_ name: String) throws -> Double {
            let raw = try runChecked("ffmpeg", ["-v", "error", "-i", folder(name), "-map", "0:a", "-f", "s16le", "-"])
            return Double(raw.stdout.count) / 2 / 48000
        }
        #expect(try heard("out.\(kind)") < heard("in.mp4") + 0.06)
        #expect(try Command.run("verify", folder("in.mp4"), folder("out.\(kind)")).status == 0)
        // And verify sees where it was played.
        try ffmpeg(
            "-ignore_editlist", "1", "-i", folder("in.mp4"), "-i",
            folder("out.\(kind)"),
            "-map", "1:v", "-map", "0:a", "-c", "copy", folder("played.mkv"))
        #expect(try Command.run("verify", folder("in.mp4"), folder("played.mkv")).status == 1)
    }

    @Test(arguments: ["avi", "y4m"]) func framesTakeTheirPlaces(_ kind: String) throws {
        let folder = try Folder()
        try ffmpeg(
            picture(rate: 50, seconds: 4)
                + ["-vf", "select='lt(t,1)*not(mod(n,2))+between(t,1,2)*not(mod(n,10))+gte(t,2.001)'", "-vsync", "vfr"]
                + quickH264 + [folder("in.mp4")])
        let result = try upscale(folder, "in.mp4", "out.\(kind)")
        #expect(result.errors.contains("show the frame before again"))
        let frames = try FFprobe.frameTimes(folder("out.\(kind)"))
        #expect(frames.count == 200 && abs(frames[199] - 3.98) < 0.001)
        #expect(try Command.run("verify", folder("in.mp4"), folder("out.\(kind)")).status == 0)
    }

    /// AVI counts packets: sound that begins late or pauses is heard in time only behind packets of silence.
    @Test(arguments: ["libmp3lame", "pcm_s16le", "ac3"]) func silenceFillsWhatAVIHasNoTimesFor(_ codec: String) throws {
        let folder = try Folder()
        try ffmpeg(
            picture(seconds: 3) + ["-itsoffset", "0.72"] + tone(1000, seconds: 2) + quickH264
                + ["-c:a", codec, "-ar", "48000", folder("in.mkv")])
        _ = try upscale(folder, "in.mkv", "out.avi")
        let raw = try runChecked(
            "ffmpeg", ["-v", "error", "-i", folder("out.avi"), "-map", "0:a", "-ac", "1", "-f", "s16le", "-"])
        let samples = raw.stdout.withUnsafeBytes { Array($0.bindMemory(to: Int16.self)) }
        let first = try #require(samples.firstIndex { abs(Int($0)) > 2000 })
        // Half a frame; MP3 has its encoder's delay on top.
        #expect(abs(Double(first) / 48000 - 0.72) < 0.047, "the tone begins at \(Double(first) / 48000) s")
        let verified = try Command.run("verify", folder("in.mkv"), folder("out.avi"))
        #expect(verified.status == 0, "\(verified.output)")
    }

    /// Frames a tick of a fine clock apart fall on one tick of a coarse one.
    @Test(arguments: ["ts", "mkv", "mp4"]) func framesOfOneTimeKeepTheirOrder(_ kind: String) throws {
        let folder = try Folder()
        try ffmpeg(
            picture(seconds: 1) + ["-vf", "settb=1/456000,setpts='if(eq(N,10),PREV_OUTPTS+1,N*18240)'"] + quickH264
                + ["-bf", "0", "-video_track_timescale", "456000", "-vsync", "passthrough", folder("in.mp4")])
        _ = try upscale(folder, "in.mp4", "out.\(kind)", ["--keep-going"])
        #expect(try FFprobe.frameTimes(folder("out.\(kind)")).count == FFprobe.frameTimes(folder("in.mp4")).count)
    }

    /// What a container has no place for is named, and `verify` expects it.
    @Test(arguments: [("mkv", "creation_time of a stream"), ("ts", "title"), ("avi", "language of a stream")])
    func tagsWithoutAPlaceAreNamed(_ kind: String, _ tag: String) throws {
        let folder = try Folder()
        try ffmpeg(
            picture(seconds: 0.4) + tone(440, seconds: 0.4) + quickH264 + [
                "-c:a", "aac", "-metadata", "title=T", "-metadata", "creation_time=2014-06-09T15:54:39Z",
                "-metadata:s:a", "language=fre", folder("in.mp4"),
            ])
        let result = try upscale(folder, "in.mp4", "out.\(kind)")
        #expect(result.errors.contains("no place for the tags") && result.errors.contains(tag), "\(result.errors)")
        let verified = try Command.run("verify", folder("in.mp4"), folder("out.\(kind)"))
        #expect(verified.status == 0, "\(verified.output)")
        // Nothing is said where all of them have one.
        #expect(!(try upscale(folder, "in.mp4", "out.mp4")).errors.contains("no place"))
    }

    @Test(arguments: ["mp4", "mkv", "ts"]) func aPictureThatBeginsLateIsNoDamage(_ kind: String) throws {
        let folder = try Folder()
        try ffmpeg(picture(seconds: 2) + quickH264 + [folder("v.mp4")])
        try ffmpeg(tone(440, seconds: 12) + ["-c:a", "aac", folder("a.m4a")])
        try ffmpeg(
            "-itsoffset", "8", "-i", folder("v.mp4"), "-i", folder("a.m4a"), "-c", "copy", folder("in.\(kind)"))
        _ = try upscale(folder, "in.\(kind)", "out.mkv")
        #expect(try FFprobe.frameTimes(folder("out.mkv")).count == 50)
    }

    // MARK: Tags

    @Test func languagesTimeCodesAndPhoneKeysComeThrough() throws {
        let folder = try Folder()
        for (language, expected) in [("deu", "ger"), ("fra", "fra"), ("ces", "ces"), ("nld", "dut"), ("swe", "sve")] {
            try ffmpeg(
                picture(seconds: 0.2) + tone(440, seconds: 0.2) + quickH264
                    + ["-c:a", "aac", "-metadata:s:a:0", "language=\(language)", folder("in.mp4")])
            _ = try upscale(folder, "in.mp4", "out.mov")
            let tags = try FFprobe.entries(folder("out.mov"), "streams", "a:0").first?["tags"] as? [String: String]
            #expect(tags?["language"] == expected)
            #expect(try Command.run("verify", folder("in.mp4"), folder("out.mov")).status == 0)
        }
        try ffmpeg(
            picture(seconds: 3) + quickH264 + [
                "-timecode", "01:02:03:04", "-movflags", "use_metadata_tags", "-metadata",
                "com.apple.quicktime.make=M", folder("in.mov"),
            ])
        _ = try upscale(folder, "in.mov", "part.mov", ["--start", "2"])
        let stream = try FFprobe.entries(folder("part.mov"), "streams", "v:0").first?["tags"] as? [String: String]
        #expect(stream?["timecode"] == "01:02:05:04")
        for kind in ["mov", "mp4"] {
            _ = try upscale(folder, "in.mov", "out.\(kind)")
            let text = try runChecked(
                "ffprobe", ["-v", "error", "-show_entries", "format_tags", folder("out.\(kind)")])
            #expect(text.output.contains("com.apple.quicktime.make=M"))
        }
    }

    // MARK: Containers

    @Test func soundThatAContainerCannotHoldIsNamedOrConverted() throws {
        let folder = try Folder()
        try ffmpeg(picture() + tone(440) + quickH264 + ["-c:a", "libopus", folder("in.mkv")])
        let result = try upscale(folder, "in.mkv", "out.mov")
        #expect(result.errors.contains("mov cannot hold audio stream 1 (opus); left out (--convert-sound"))
        #expect(try FFprobe.entries(folder("out.mov"), "streams", "a:0").isEmpty)
        _ = try upscale(folder, "in.mkv", "out.mov", ["--convert-sound"])
        let sound = try #require(try FFprobe.entries(folder("out.mov"), "streams", "a:0").first)
        #expect(sound["codec_name"] as? String == "aac")
        #expect(abs((Double(sound["duration"] as? String ?? "") ?? 0) - 1) < 0.05)
    }

    @Test(arguments: ["prores_ks:mov", "mpeg2video:ts", "utvideo:avi", "libvpx:webm", "libx264:mp4"])
    func fullRangeIsShownAsItIs(_ pair: String) throws {
        let parts = pair.split(separator: ":").map(String.init)
        let folder = try Folder()
        var raw = Data()
        for _ in 0..<5 {
            for _ in 0..<64 { for value: UInt8 in [0, 64, 128, 255] { raw += Data(repeating: value, count: 32) } }
            raw += Data(repeating: 128, count: 128 * 32)
        }
        try raw.write(to: URL(fileURLWithPath: folder("raw")))
        try ffmpeg(
            "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "128x64", "-r", "25", "-i", folder("raw"), "-color_range",
            "pc",
            "-colorspace", "bt709", "-c:v", "libx264", "-qp", "0", folder("in.mp4"))
        _ = try Command.run(
            folder("in.mp4"), folder("out.\(parts[1])"), "--video-codec", parts[0], "--progress", "none")
        let shown = [UInt8](
            try runChecked(
                "ffmpeg",
                [
                    "-v", "error", "-i", folder("out.\(parts[1])"), "-frames:v", "1", "-vf",
                    "scale=4:1:flags=area,format=rgb24", "-f", "rawvideo", "-",
                ]
            ).stdout)
        #expect(shown.count == 12)
        #expect(abs(Int(shown[3]) - 64) <= 4 && abs(Int(shown[6]) - 128) <= 4, "\(shown)")
    }
}
