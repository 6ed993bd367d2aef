import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Names, leftovers and closed streams: nothing is lost, nothing half-written stays.
@Suite struct OutputTests {
    private func clip(_ folder: Folder, seconds: Double = 0.4, size: String = "64x48") throws -> String {
        try ffmpeg(picture(size, seconds: seconds) + quickH264 + [folder("in.mp4")])
        return folder("in.mp4")
    }

    private func shell(_ script: String, _ arguments: [String]) throws -> ProcessResult {
        try run("/bin/bash", ["-c", script, "bash"] + arguments)
    }

    @Test func anInterruptionKeepsTheOlderFile() throws {
        let folder = try Folder()
        let input = try clip(folder, seconds: 60, size: "160x120")
        _ = try folder.write("out.mp4", "older")
        let command = try RunningCommand([
            input, folder("out.mp4"), "--model", try tinyModel(folder), "--device", "reference", "--overwrite",
        ])
        #expect(command.wait { ($0["frames"] as? Int ?? 0) > 0 }, "\(command.text)")
        command.interrupt()
        #expect(command.process.terminationStatus == 130, "\(command.text)")
        #expect(try String(contentsOfFile: folder("out.mp4"), encoding: .utf8) == "older")
        #expect(folder.contents == ["in.mp4", "out.mp4", "out.part.mp4", "tiny-x2.safetensors"])
        #expect(try FFprobe.frameTimes(folder("out.part.mp4")).count > 0)
    }

    @Test func leftoversOfTheDeadAreNamed() throws {
        let folder = try Folder()
        let left = ".out.mkv.upframe-abc.mkv"
        _ = try folder.write(left, "half")
        let result = try Command.run(
            try clip(folder), folder("out.mkv"), "--model", try tinyModel(folder), "--progress", "none")
        #expect(result.status == 0 && result.errors.contains(left), "\(result.errors)")
        #expect(folder.contents.contains(left))
    }

    @Test func namesAsLongAsTheFolderTakes() throws {
        let folder = try Folder()
        let (input, model) = (try clip(folder), try tinyModel(folder))
        for name in [String(repeating: "🎬", count: 60), String(repeating: "\u{1100}\u{1161}\u{11A8}", count: 26)] {
            #expect(try Command.run(input, folder(name + ".mp4"), "--model", model, "--progress", "none").status == 0)
            #expect(FileManager.default.fileExists(atPath: folder(name + ".mp4")))
        }
        let result = try Command.run(
            input, folder(String(repeating: "n", count: 260) + ".mkv"), "--model", model, "--progress", "plain")
        #expect(result.status == 1 && result.errors.contains("the name has 264 bytes and this folder takes 255"))
        #expect(!result.errors.contains("frames"))
        #expect(!folder.contents.contains { $0.hasPrefix(".") })
    }

    @Test func namesThatAreNoUTF8() throws {
        let folder = try Folder()
        let (input, model) = (try clip(folder), try tinyModel(folder))
        let script = """
            a=$'gr\\xfc\\xdfe.mp4'; b=$'gr\\xf6\\xdfer.mkv'; cd "$1" && mv "$2" "$a" && mv "$3" $'m\\xf6del.safetensors' &&
            "$4" "$a" "$b" --model $'m\\xf6del.safetensors' --progress none && test -e "$b"
            """
        let result = try shell(script, [folder.path, input, model, Command.path])
        #expect(result.status == 0, "\(result.errors)")
        let missing = try shell(#""$1" $'n\xf6ne.mp4' o.mkv"#, [Command.path])
        #expect(missing.status == 1 && missing.errors.contains(#"n\xf6ne.mp4: no such file"#), "\(missing.errors)")
    }

    @Test func aLinkAsOutputIsFollowedAndPermissionsStay() throws {
        let folder = try Folder()
        _ = try folder.write("real.mkv", "older")
        chmod(folder("real.mkv"), 0o640)
        try FileManager.default.createSymbolicLink(atPath: folder("link.mkv"), withDestinationPath: folder("real.mkv"))
        let result = try Command.run(
            try clip(folder), folder("link.mkv"), "--model", try tinyModel(folder), "--overwrite", "--progress", "none")
        #expect(result.status == 0, "\(result.errors)")
        var status = stat()
        #expect(lstat(folder("link.mkv"), &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
        #expect(stat(folder("real.mkv"), &status) == 0 && status.st_mode & 0o777 == 0o640 && status.st_size > 100)
    }

    @Test func closedAndFullStreamsAreErrors() throws {
        let closed = try shell(#"timeout 20 "$1" - o.mkv --progress none <&-"#, [Command.path])
        #expect(closed.status == 1 && closed.errors.contains("it is closed"), "\(closed.errors)")
        let full = try shell(#"timeout 20 "$1" models list >/dev/full"#, [Command.path])
        #expect(full.status == 1 && full.errors.contains("standard output: cannot be written"), "\(full.errors)")
        let gone = try shell(#"timeout 20 "$1" models list >&-"#, [Command.path])
        #expect(gone.status == 1, "\(gone.errors)")
    }

    @Test func withoutRoomThereIsAnErrorWithTheSize() throws {
        let folder = try Folder()
        try ffmpeg("-f", "lavfi", "-i", "color=gray:s=8000x8000", "-frames:v", "1", folder("in.png"))
        let result = try shell(
            #"ulimit -v 4194304; "$1" "$2" "$3" --progress none --device cpu"#,
            [Command.path, folder("in.png"), folder("out.png")])
        #expect(result.status == 1 && result.errors.contains("MiB of memory"), "\(result.errors)")
        #expect(folder.contents == ["in.png"])
    }
}
