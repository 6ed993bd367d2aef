import Foundation
import TestSupport
import Testing

/// Every kind of file, upscaled: `upframe verify` finds nothing lost, and ffprobe, which knows nothing of us, agrees.
@Suite struct MatrixTests {
    @Test(arguments: matrixCases) func nothingButThePixelsChanges(_ matrix: MatrixCase) throws {
        let folder = try Folder()
        try matrix.make(folder)
        let (input, output) = (folder(matrix.input), folder(matrix.output))
        let result = try Command.run(
            [input, output, "--model", try tinyModel(folder), "--device", "cpu", "--quiet"] + matrix.options)
        #expect(result.status == 0, "\(result.errors)")
        guard result.status == 0 else { return }
        let verified = try Command.run("verify", input, output, "--differences")
        #expect(verified.status == 0, "\n\(verified.output)\(verified.errors)")
        try FFprobe.check(input, output)
    }
}

/// The proof itself: what is taken away is missed.
@Suite struct VerifyTests {
    /// A file with everything in it.
    private func source(_ folder: Folder) throws -> String {
        _ = try folder.write("s.srt", "1\n00:00:00,100 --> 00:00:00,900\nA line\n\n")
        _ = try folder.write("font.ttf", String(repeating: "glyphs ", count: 30))
        _ = try folder.write(
            "marks.txt",
            ";FFMETADATA1\ntitle=A film\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n"
                + "[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=Two\n")
        try ffmpeg(
            picture() + tone(440) + tone(660)
                + [
                    "-i", folder("s.srt"), "-i", folder("marks.txt"), "-map", "0", "-map", "1", "-map", "2", "-map",
                    "3",
                ]
                + ["-map_metadata", "4", "-map_chapters", "4", "-vf", "setsar=4/3"] + quickH264
                + ["-colorspace", "bt709", "-color_range", "tv", "-color_primaries", "bt709", "-color_trc", "bt709"]
                + ["-c:a", "aac", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fra", "-c:s", "ass"]
                + ["-attach", folder("font.ttf"), "-metadata:s:t", "mimetype=application/x-truetype-font"]
                + [folder("in.mkv")])
        return folder("in.mkv")
    }

    @Test func aCopyPasses() throws {
        let folder = try Folder()
        let input = try source(folder)
        try ffmpeg("-i", input, "-map", "0", "-c", "copy", folder("out.mkv"))
        let result = try Command.run("verify", input, folder("out.mkv"))
        #expect(result.status == 0, "\n\(result.output)\(result.errors)")
        #expect(result.output.contains("nothing but the pixels changed"))
    }

    /// One loss each: the arguments of the copy that loses it, and what the finding has to name.
    @Test(arguments: [
        (["-map", "-0:a:1"], "audio 1", "stream"), (["-map", "-0:s"], "subtitle 0", "stream"),
        (["-map", "-0:t"], "attachment 0", "stream"), (["-map_chapters", "-1"], "chapters", "count"),
        (["-metadata", "title=Another"], "file", "metadata title"),
        (["-metadata:s:a:1", "language=ita"], "audio 1", "language"),
        (["-aspect", "2:1"], "video", "sample aspect"),
        (["-c:v", "libx264", "-r", "12"], "video", "frames"),
        (["-c:v", "libx264", "-vf", "setpts=PTS+0.1/TB"], "video", "timestamps"),
        (["-bsf:a:0", "noise=amount=1000"], "audio 0", "data"),
        (["-c:v", "libx264", "-colorspace", "smpte170m"], "video", "matrix"),
        (["-c:v", "libx264", "-x264-params", "bff=1"], "video", "fields"),
        (["-bsf:a:0", "noise=drop=between(n\\,20\\,20)"], "audio 0", "packets"),
        (["-bsf:s:0", "setts=duration=500"], "subtitle 0", "durations"),
        (["-disposition:s:0", "forced"], "subtitle 0", "dispositions"),
    ])
    func whatIsLostIsMissed(_ arguments: [String], _ stream: String, _ what: String) throws {
        let folder = try Folder()
        let input = try source(folder)
        try ffmpeg(["-i", input, "-map", "0", "-c", "copy"] + arguments + [folder("out.mkv")])
        let result = try Command.run("verify", input, folder("out.mkv"), "--json")
        #expect(result.status == 1, "\(result.errors)")
        let report = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        #expect(report["passed"] as? Bool == false)
        let findings = try #require(report["findings"] as? [[String: Any]])
        let losses = findings.filter { ["lost", "changed"].contains($0["result"] as? String) }
        #expect(
            losses.contains { $0["stream"] as? String == stream && $0["what"] as? String == what }, "\(losses)")
        #expect(report["losses"] as? Int == losses.count)
    }

    @Test func wrongUsage() throws {
        let folder = try Folder()
        #expect(try Command.run("verify", sampleClip).status == 2)
        #expect(try Command.run("verify", sampleClip, sampleClip, "--nonsense").status == 2)
        let missing = try Command.run("verify", sampleClip, folder("none.mp4"))
        #expect(missing.status == 1 && missing.errors.contains("none.mp4"))
    }
}
