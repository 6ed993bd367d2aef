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
        Clip(name: "late", from: "mp4", to: "mp4", arguments: late),
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
        #expect(try Tools.frameTimes(output) == before)
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
}
