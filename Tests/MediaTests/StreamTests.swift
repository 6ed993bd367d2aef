import Foundation
import Media
import TestSupport
import Testing

/// What lies beside the picture.
@Suite struct StreamTests {
    static let picture = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1"]
    static let words = "1\n00:00:00,100 --> 00:00:00,400\nHello\n\n2\n00:00:00,500 --> 00:00:00,900\nWorld\n"

    /// A film with everything: two tracks of sound, subtitles, a font, a cover, chapters, titles.
    static func rich(_ folder: TemporaryFolder) throws -> String {
        let (srt, font, cover, meta) = (
            folder.file("s.srt"), folder.file("font.ttf"), folder.file("cover.png"), folder.file("meta.txt")
        )
        try Data(words.utf8).write(to: URL(fileURLWithPath: srt))
        try Data((0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7) }).write(to: URL(fileURLWithPath: font))
        try Tools.make(["-f", "lavfi", "-i", "testsrc=size=32x32", "-frames:v", "1", cover])
        try Data(";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n".utf8)
            .write(to: URL(fileURLWithPath: meta))
        let path = folder.file("rich.mkv")
        try Tools.make(
            picture + ["-f", "lavfi", "-i", "sine=duration=1", "-f", "lavfi", "-i", "sine=880:duration=1"]
                + ["-i", srt, "-i", meta, "-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s"]
                + ["-map_metadata", "4", "-map_chapters", "4", "-metadata:s:a:0", "language=fra"]
                + ["-metadata:s:a:1", "language=deu", "-metadata:s:s:0", "language=jpn", "-disposition:a:1", "default"]
                + ["-c:v", "libx264", "-c:a", "aac", "-c:s", "subrip"]
                + ["-attach", font, "-metadata:s:t:0", "mimetype=application/x-truetype-font"]
                + ["-attach", cover, "-metadata:s:t:1", "mimetype=image/png", path])
        return path
    }

    static func kinds(_ path: String) throws -> [String] {
        try Tools.streams(path).map { stream in
            let tags = stream["tags"] as? [String: Any]
            let disposition = stream["disposition"] as? [String: Any]
            return [
                "\(stream["codec_type"] ?? "")", "\(stream["codec_name"] ?? "")", "\(tags?["language"] ?? "-")",
                "\(disposition?["default"] ?? "")\(disposition?["attached_pic"] ?? "")",
            ].joined(separator: " ")
        }
    }

    @Test func everythingInMatroska() throws {
        let folder = try TemporaryFolder()
        let input = try Self.rich(folder)
        let output = folder.file("out.mkv")
        let outcome = try Copier().copy(input, output)
        #expect(outcome.dropped.isEmpty)
        #expect(try Self.kinds(output) == Self.kinds(input))
        #expect(try Self.kinds(output).count == 6)
        #expect(try Tools.packets(output, "s:0") == Tools.packets(input, "s:0"))
        // The attached font and the cover, byte by byte.
        for file in [input, output] {
            _ = try run("ffmpeg", ["-v", "error", "-y", "-dump_attachment:t:0", file + ".ttf", "-i", file])
        }
        let font = try Data(contentsOf: URL(fileURLWithPath: input + ".ttf"))
        #expect(font.count == 5000)
        #expect(try Data(contentsOf: URL(fileURLWithPath: output + ".ttf")) == font)
        #expect(try Tools.packets(output, "v:1").map(\.hash) == Tools.packets(input, "v:1").map(\.hash))
        let probed = try MediaProbe.describe(path: output)
        #expect(probed.chapters.map { $0.metadata["title"] } == ["One"])
        #expect(probed.metadata["title"] == "A film")
    }

    /// mp4 takes text in its own codec, the cover, both languages; fonts it cannot hold. And back again.
    @Test func toMP4AndBack() throws {
        let folder = try TemporaryFolder()
        let input = try Self.rich(folder)
        let (middle, output) = (folder.file("out.mp4"), folder.file("back.mkv"))
        let outcome = try Copier().copy(input, middle)
        #expect(outcome.dropped.map(\.kind) == [.attachment])
        #expect(outcome.notes.contains { $0.contains("mov_text") })
        #expect(outcome.notes.filter { $0.contains("left out") }.count == 1)
        let kinds = try Self.kinds(middle)
        #expect(kinds.contains { $0.hasPrefix("subtitle mov_text jpn") })
        #expect(kinds.contains { $0.hasPrefix("video png") && $0.hasSuffix("1") })
        #expect(kinds.filter { $0.hasPrefix("audio aac") }.map { $0.split(separator: " ")[2] } == ["fra", "deu"])
        let back = try Copier().copy(middle, output)
        #expect(back.notes.contains { $0.contains("subrip") })
        let (old, new) = (try Tools.packets(input, "s:0"), try Tools.packets(output, "s:0"))
        #expect(new.map(\.hash) == old.map(\.hash))
        #expect(new.map(\.ptsTime) == old.map(\.ptsTime))
        #expect(new.map(\.durationTime) == old.map(\.durationTime))
        #expect(try Tools.packets(output, "v:1").map(\.hash) == Tools.packets(input, "v:1").map(\.hash))
    }

    @Test func selection() throws {
        let folder = try TemporaryFolder()
        let input = try Self.rich(folder)
        var copier = Copier()
        copier.options.selection = StreamSelection(audio: false)
        try copier.copy(input, folder.file("silent.mkv"))
        #expect(try Self.kinds(folder.file("silent.mkv")).filter { $0.hasPrefix("audio") }.isEmpty)
        #expect(try Self.kinds(folder.file("silent.mkv")).contains { $0.hasPrefix("subtitle") })
        copier.options.selection = StreamSelection(subtitles: false)
        try copier.copy(input, folder.file("wordless.mkv"))
        #expect(try Self.kinds(folder.file("wordless.mkv")).filter { $0.hasPrefix("subtitle") }.isEmpty)
        copier.options.selection = StreamSelection(indices: [0, 2])
        try copier.copy(input, folder.file("two.mkv"))
        #expect(try Self.kinds(folder.file("two.mkv")).map { $0.split(separator: " ")[0] } == ["video", "audio"])
        #expect(try Self.kinds(folder.file("two.mkv"))[1].contains("deu"))
        #expect(throws: MediaError.noSuchStream(path: input, index: 9, count: 6)) {
            try MediaReader(path: input, options: copier.options.selecting([9]))
        }
    }

    /// Containers beyond mp4 and mkv: as many frames, at the same times.
    @Test(arguments: ["webm", "avi", "nut", "ts", "mov", "gif", "apng"]) func containers(_ ending: String) throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file("in.mkv"), folder.file("out.\(ending)"))
        let audio = ending == "webm" ? "libopus" : ending == "avi" ? "libmp3lame" : "aac"
        try Tools.make(Self.picture + ["-f", "lavfi", "-i", "sine=duration=1", "-c:v", "ffv1", "-c:a", audio, input])
        let outcome = try Copier(settings: EncoderSettings()).copy(input, output)
        #expect(outcome.frames == 25)
        let before = try Tools.frameTimes(input).compactMap { Double($0) }
        // AVI's packets have decoding times only, and ffprobe's guess at the frames' has a gap after the first one.
        let after =
            try ending == "avi"
            ? runChecked(
                "ffprobe",
                ["-v", "error", "-select_streams", "v", "-show_entries", "packet=dts_time", "-of", "csv=p=0", output]
            ).output.split(separator: "\n").compactMap { Double($0) }
            : Tools.frameTimes(output).compactMap { Double($0) }
        #expect(after.count == 25)
        let shift = (after.first ?? 0) - (before.first ?? 0)
        let worst = zip(before, after).map { abs($1 - $0 - shift) }.max() ?? 1
        withKnownIssue("issue 3: AVI counts frames; sound ahead of the picture shifts one", isIntermittent: true) {
            #expect(worst < 0.0011, "\(after)")
        } when: {
            ending == "avi"
        }
        guard !["gif", "apng"].contains(ending) else {
            #expect(outcome.notes.contains { $0.contains("left out") })
            return
        }
        #expect(try Tools.packets(output, "a:0").count >= Tools.packets(input, "a:0").count)
        #expect(try Tools.stream(output)["codec_name"] as? String == (ending == "webm" ? "vp9" : "h264"))
    }
}

extension ReaderOptions {
    func selecting(_ indices: [Int]) -> ReaderOptions {
        var options = self
        options.selection.indices = indices
        return options
    }
}
