import Foundation
import Media
import TestSupport
import Testing

/// Decode and encode at the same size: every frame, every time, every audio packet.
@Suite struct CopyThroughTests {
    /// Arguments of the ffmpeg that makes the clip, and the containers that it goes from and to.
    struct Clip: CustomTestStringConvertible, Sendable {
        var name: String
        var from: String
        var to: String
        var arguments: [String]
        var testDescription: String { "\(name) \(from) to \(to)" }
    }

    static let picture = ["-f", "lavfi", "-i", "testsrc2=size=160x120:rate=30000/1001:duration=2"]
    static let sound = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=2"]
    static let h264 = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-c:a", "aac", "-shortest"]
    static let constant = picture + sound + h264
    /// Frames dropped and times bent, so that no two steps are alike.
    static let variable =
        picture + sound + ["-vf", "settb=1/90000,select='not(eq(mod(n,7),3))',setpts='PTS+mod(N*N,5)*300'"]
        + ["-fps_mode", "passthrough", "-enc_time_base", "1/90000"] + h264
    static let late = ["-itsoffset", "1.4"] + picture + ["-itsoffset", "1.4"] + sound + h264

    static let clips: [Clip] = [
        Clip(name: "constant", from: "mp4", to: "mp4", arguments: constant),
        Clip(name: "constant", from: "mp4", to: "mov", arguments: constant),
        Clip(name: "constant", from: "mkv", to: "mkv", arguments: constant),
        Clip(name: "constant", from: "mkv", to: "mp4", arguments: constant),
        Clip(name: "constant", from: "ts", to: "ts", arguments: constant),
        Clip(name: "variable", from: "mp4", to: "mp4", arguments: variable),
        Clip(name: "variable", from: "mkv", to: "mkv", arguments: variable),
        Clip(name: "variable", from: "mkv", to: "mp4", arguments: variable),
        Clip(name: "constant", from: "mp4", to: "mkv", arguments: constant),
        Clip(name: "constant", from: "ts", to: "mkv", arguments: constant),
        Clip(name: "late", from: "mp4", to: "mp4", arguments: late),
        Clip(name: "late", from: "mp4", to: "mov", arguments: late),
        Clip(name: "late", from: "mkv", to: "mkv", arguments: late),
        Clip(name: "late", from: "ts", to: "ts", arguments: late),
    ]

    @Test(arguments: clips) func copies(_ clip: Clip) throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file("in.\(clip.from)"), folder.file("out.\(clip.to)"))
        try Tools.make(clip.arguments + [input])
        let outcome = try Copier().copy(input, output)
        let before = try Tools.frameTimes(input)
        #expect(before.count > 40)
        #expect(outcome.frames == before.count)
        let after = try Tools.frameTimes(output)
        if clip.from != "mkv", clip.to == "mkv" {
            // Matroska counts milliseconds.
            #expect(after.count == before.count)
            for (old, new) in zip(before, after) {
                #expect(abs((Double(old) ?? .nan) - (Double(new) ?? .nan)) < 0.00051)
            }
            let (old, new) = (try Tools.packets(input, "a:0"), try Tools.packets(output, "a:0"))
            for (before, after) in zip(old, new) {
                #expect(abs((Double(before.ptsTime) ?? .nan) - (Double(after.ptsTime) ?? .nan)) < 0.00051)
            }
            // Each packet of a transport stream loses the seven bytes that make it a stream of its own.
            let framing = clip.from == "ts" ? 7 : 0
            #expect(new.map { (Int($0.size) ?? 0) + framing } == old.map { Int($0.size) ?? 0 })
            return
        }
        #expect(after == before)
        let audio = try Tools.packets(input, "a:0")
        #expect(audio.count > 80)
        let copied = try Tools.packets(output, "a:0")
        if clip.from == "mkv", clip.to != "mkv" {
            // Matroska counts milliseconds, mp4 counts samples: 23 ms are 1014.3 samples.
            for (old, new) in zip(audio, copied) {
                let (before, after) = (Double(old.ptsTime) ?? .nan, Double(new.ptsTime) ?? .nan)
                #expect(abs(after - before) <= 0.5 / 44100 + 1e-6)
            }
        } else {
            #expect(copied.map(\.ptsTime) == audio.map(\.ptsTime))
        }
        #expect(copied.map(\.size) == audio.map(\.size))
        #expect(copied.map(\.hash) == audio.map(\.hash))
        #expect(folder.contents == ["in.\(clip.from)", "out.\(clip.to)"].sorted())
    }

    /// Within the mp4 family not even the ticks change, and the file lasts as long as before.
    @Test(arguments: [constant, variable, late]) func ticksAndDurationsStay(_ arguments: [String]) throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file("in.mp4"), folder.file("out.mp4"))
        try Tools.make(arguments + [input])
        let outcome = try Copier().copy(input, output)
        let (before, after) = (try Tools.stream(input), try Tools.stream(output))
        for key in ["time_base", "start_pts", "start_time", "nb_frames", "r_frame_rate", "avg_frame_rate"] {
            #expect(try #require(after[key] as? NSObject) == before[key] as? NSObject, "\(key)")
        }
        let written = try Tools.packets(output, "v:0").compactMap { Int64($0.pts) }.sorted()
        #expect(written == outcome.times)
        let read = try Tools.packets(input, "v:0").compactMap { Int64($0.pts) }.sorted()
        #expect(written == read)
        // The last frame is shown as long as it was. Frames between may be stored in another order.
        let lengths = try [before, after].map { Double(try #require($0["duration"] as? String)) ?? .nan }
        #expect(abs(lengths[0] - lengths[1]) < 0.001)
        #expect(try Tools.packets(output, "a:0") == Tools.packets(input, "a:0"))
    }

    /// Three sound tracks with their languages, in order.
    @Test func everyAudioTrack() throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file("in.mkv"), folder.file("out.mkv"))
        let tones = ["fra", "deu", "jpn"]
        try Tools.make(
            Self.picture
                + tones.indices.flatMap { ["-f", "lavfi", "-i", "sine=frequency=\(300 + 200 * $0):duration=2"] }
                + ["-map", "0:v"] + tones.indices.flatMap { ["-map", "\($0 + 1):a"] }
                + tones.enumerated().flatMap { ["-metadata:s:a:\($0.offset)", "language=\($0.element)"] }
                + ["-c:v", "libx264", "-c:a:0", "aac", "-c:a:1", "libopus", "-c:a:2", "flac", input])
        try Copier().copy(input, output)
        #expect(try Tools.frameTimes(output) == Tools.frameTimes(input))
        let streams = try MediaProbe.describe(path: output).streams.filter { $0.kind == .audio }
        #expect(streams.map(\.language) == tones)
        #expect(streams.map(\.codec) == ["aac", "opus", "flac"])
        for track in tones.indices {
            let (old, new) = (try Tools.packets(input, "a:\(track)"), try Tools.packets(output, "a:\(track)"))
            #expect(old.count == new.count)
            #expect(zip(old, new).first { $0 != $1 }.map { "\($0) became \($1)" } == nil)
        }
    }

    /// A transport stream that begins at zero has no room for decoding times below it; everything moves together.
    @Test func transportStreamFromZero() throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file("in.mp4"), folder.file("out.ts"))
        try Tools.make(Self.constant + [input])
        let outcome = try Copier().copy(input, output)
        #expect(outcome.notes.contains { $0.contains("below zero") })
        let before = try Tools.frameTimes(input).compactMap { Double($0) }
        let after = try Tools.frameTimes(output).compactMap { Double($0) }
        #expect(after.count == before.count)
        let shift = try #require(after.first) - (try #require(before.first))
        #expect(shift > 0 && shift < 0.3)
        #expect(zip(before, after).allSatisfy { abs($1 - $0 - shift) < 1.1 / 90000 })
    }
}
