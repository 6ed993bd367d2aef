import Foundation
import TestSupport
import Testing

/// Each mistake: one line on standard error that names the thing, the right exit code, and nothing left behind.
@Suite struct BadInputTests {
    private func expectFailure(
        _ arguments: [String], status: Int32 = 1, naming words: [String], in folder: Folder,
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        let before = folder.contents
        let result = try Command.run(arguments + ["--progress", "json"])
        #expect(result.status == status, "\(result.errors)", sourceLocation: location)
        // What the run had said before it failed is JSON; the error itself is one line.
        let lines = result.errors.split(separator: "\n").filter { !$0.hasPrefix("{") }
        #expect(lines.count == 1, "\(result.errors)", sourceLocation: location)
        for word in words { #expect(result.errors.contains(word), "\(result.errors)", sourceLocation: location) }
        #expect(folder.contents == before, sourceLocation: location)
    }

    private func clip(_ folder: Folder, _ name: String = "in.mp4") throws -> String {
        try runChecked(
            "ffmpeg",
            [
                "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2", "-pix_fmt", "yuv420p",
                "-g",
                "10", folder(name),
            ])
        return folder(name)
    }

    @Test func aMissingFile() throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        try expectFailure(
            [folder("none.mp4"), folder("o.mp4"), "--model", model], naming: ["none.mp4", "no such file"], in: folder)
    }

    @Test func aTextFile() throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        let text = try folder.write("words.mp4", String(repeating: "not a video at all\n", count: 100))
        try expectFailure([text, folder("o.mp4"), "--model", model], naming: ["words.mp4"], in: folder)
    }

    @Test func anEmptyFileAndAFolder() throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        let empty = try folder.write("empty.mp4", "")
        try expectFailure([empty, folder("o.mp4"), "--model", model], naming: ["empty.mp4"], in: folder)
        try expectFailure([folder.path, folder("o.mp4"), "--model", model], naming: ["folder"], in: folder)
    }

    @Test(arguments: ["in.mp4", "in.mkv", "in.ts"]) func aTruncatedVideo(_ name: String) throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        let whole = try clip(folder, name)
        let data = try Data(contentsOf: URL(fileURLWithPath: whole))
        try data.prefix(data.count * 6 / 10).write(to: URL(fileURLWithPath: whole))
        // A transport stream has no stated length: what is there is all that there is.
        if name.hasSuffix(".ts") {
            let result = try Command.run(whole, folder("o.ts"), "--model", model, "--quiet")
            #expect(result.status == 0 || result.errors.contains("in.ts"))
            return
        }
        try expectFailure([whole, folder("o.mp4"), "--model", model], naming: [name], in: folder)
    }

    private func pictures(_ folder: Folder, _ names: [String]) throws {
        for (index, name) in names.enumerated() {
            try runChecked(
                "ffmpeg",
                [
                    "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=1:duration=9", "-ss", "\(index)",
                    "-frames:v", "1", folder(name),
                ])
        }
    }

    private func halve(_ path: String) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        try data.prefix(data.count / 2).write(to: URL(fileURLWithPath: path))
    }

    @Test(arguments: ["in.jpg", "in.png"]) func halfAPicture(_ name: String) throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        try pictures(folder, [name])
        #expect(try Command.run(folder(name), folder("whole.png"), "--model", model, "--quiet").status == 0)
        try halve(folder(name))
        let arguments = [folder(name), folder("o.png"), "--model", model]
        let words = ["\(folder(name)): is damaged or cut short", "sound copy"]
        // Of a JPEG there is something to go on with, of a PNG nothing.
        try expectFailure(arguments, naming: words + (name == "in.jpg" ? ["--keep-going"] : []), in: folder)
        guard name == "in.jpg" else {
            return try expectFailure(arguments + ["--keep-going"], naming: words, in: folder)
        }
        let result = try Command.run(arguments + ["--keep-going"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("\(folder(name)): is damaged or cut short"), "\(result.errors)")
        #expect(result.errors.contains("went on") && folder.contents.contains("o.png"))
    }

    @Test(arguments: ["jpg", "png"]) func halfAPictureOfMany(_ ending: String) throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        try FileManager.default.createDirectory(atPath: folder("in"), withIntermediateDirectories: false)
        let names = ["a", "b", "c"]
        try pictures(folder, names.map { "in/\($0).\(ending)" })
        try halve(folder("in/b.\(ending)"))
        let arguments = [folder("in"), folder("out/"), "--model", model]
        try expectFailure(arguments, naming: ["in/b.\(ending): is damaged or cut short", "--keep-going"], in: folder)
        let result = try Command.run(arguments + ["--keep-going"])
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("in/b.\(ending): is damaged or cut short"), "\(result.errors)")
        // The others keep their names.
        let kept = ending == "jpg" ? names : ["a", "c"]
        let found = try FileManager.default.contentsOfDirectory(atPath: folder("out"))
        #expect(found.sorted() == kept.map { "\($0).png" })
        // So do those that are left by a later start.
        try expectSuccess([folder("in"), folder("late/"), "--model", model, "--start", "0.08"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder("late")) == ["c.png"])
        // The first picture, which says what all are, may be lost too.
        try halve(folder("in/a.\(ending)"))
        try expectSuccess([folder("in"), folder("less/"), "--model", model, "--keep-going"])
        let rest = ending == "jpg" ? names : ["c"]
        let left = try FileManager.default.contentsOfDirectory(atPath: folder("less"))
        #expect(left.sorted() == rest.map { "\($0).png" })
    }

    @Test func halfAVideo() throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        try runChecked(
            "ffmpeg",
            [
                "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x48:duration=2:rate=25", "-c:v", "libx264", "-g",
                "10", folder("in.mkv"),
            ])
        try halve(folder("in.mkv"))
        let arguments = [folder("in.mkv"), folder("o.mkv"), "--model", model]
        try expectFailure(arguments, naming: ["in.mkv: the data end early", "--keep-going"], in: folder)
        let result = try Command.run(arguments + ["--keep-going"])
        #expect(result.status == 0 && folder.contents.contains("o.mkv"), "\(result.errors)")
        #expect(result.errors.contains("in.mkv: is damaged or cut short"), "\(result.errors)")
        // What is lost is told without progress too, but not to those who want silence.
        let again = arguments + ["--keep-going", "--overwrite"]
        let unseen = try Command.run(again + ["--progress", "none"]).errors
        #expect(unseen.contains("in.mkv: is damaged or cut short") && !unseen.contains("fps"), "\(unseen)")
        #expect(try Command.run(again + ["--quiet"]).errors == "")
        let frames = try runChecked(
            "ffprobe",
            [
                "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0",
                folder("o.mkv"),
            ])
        let count = try #require(Int(frames.output.filter(\.isNumber)))
        #expect((10..<45).contains(count), "\(count) of 50 frames")
    }

    private func expectSuccess(_ arguments: [String]) throws {
        let result = try Command.run(arguments + ["--quiet"])
        #expect(result.status == 0, "\(result.errors)")
    }

    @Test func aFileWithoutVideo() throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        try runChecked("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", "sine=duration=1", folder("sound.mp4")])
        try expectFailure(
            [folder("sound.mp4"), folder("o.mp4"), "--model", model], naming: ["sound.mp4", "no video"], in: folder)
    }

    @Test func anExistingOutput() throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        let input = try clip(folder)
        let output = try folder.write("o.mp4", "precious")
        try expectFailure([input, output, "--model", model], naming: ["o.mp4", "--overwrite"], in: folder)
        #expect(try String(contentsOfFile: output, encoding: .utf8) == "precious")
        #expect(try Command.run(input, output, "--model", model, "--overwrite").status == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: output)).count > 100)
    }

    @Test func anOutputThatCannotBe() throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        let input = try clip(folder)
        try expectFailure([input, folder("no/such/o.mp4"), "--model", model], naming: ["no/such"], in: folder)
        // Root may write everywhere, but not into the kernel's files.
        try expectFailure([input, "/proc/o.mp4", "--model", model], naming: ["/proc"], in: folder)
        try expectFailure([input, folder("o.nonsense"), "--model", model], naming: ["o.nonsense"], in: folder)
        try expectFailure([input, input, "--model", model, "--overwrite"], naming: ["in.mp4"], in: folder)
        #expect(try Command.run(input, folder("o.mp4"), "--model", model, "--quiet").status == 0)
    }

    @Test func wrongModels() throws {
        let folder = try Folder()
        let input = try clip(folder)
        try expectFailure(
            [input, folder("o.mp4"), "--model", "animevideo3"], status: 2, naming: ["animevideo3", "animevideov3"],
            in: folder)
        try expectFailure(
            [input, folder("o.mp4"), "--model", folder("none.safetensors")], naming: ["none.safetensors"], in: folder)

        let model = try tinyModel(folder)
        var data = try Data(contentsOf: URL(fileURLWithPath: model))
        try data.prefix(data.count - 100).write(to: URL(fileURLWithPath: folder("short.safetensors")))
        try expectFailure(
            [input, folder("o.mp4"), "--model", folder("short.safetensors")], naming: ["short.safetensors"], in: folder)
        data[data.count - 10] ^= 0x55
        try data.write(to: URL(fileURLWithPath: folder("bad.safetensors")))
        try expectFailure(
            [input, folder("o.mp4"), "--model", folder("bad.safetensors")], naming: ["bad.safetensors"], in: folder)
        let words = try folder.write("words.safetensors", "these are not weights")
        try expectFailure([input, folder("o.mp4"), "--model", words], naming: ["words.safetensors"], in: folder)
    }

    @Test func devices() throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        let input = try clip(folder)
        try expectFailure(
            [input, folder("o.mp4"), "--model", model, "--device", "vulkan:97"], naming: ["97"], in: folder)
        try expectFailure(
            [input, folder("o.mp4"), "--model", model, "--device", "gpu"], status: 2, naming: ["gpu", "vulkan"],
            in: folder)
        // A machine whose drivers cannot be found.
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Command.path)
        process.arguments = [input, folder("o.mp4"), "--model", model, "--device", "vulkan", "--quiet"]
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["VK_ICD_FILENAMES": "/nonexistent", "VK_DRIVER_FILES": "/nonexistent"]) { $1 }
        let pipe = Pipe()
        process.standardError = pipe
        try process.run()
        let words = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 1)
        #expect(words.split(separator: "\n").count == 1 && words.contains("--device cpu"), "\(words)")
    }

    @Test(arguments: [
        ["--scale", "0"], ["--scale", "2", "--size", "10x10"], ["--size", "10"], ["--fit", "0x5"], ["--tile", "x"],
        ["--start", "soon"], ["--progress", "loud"], ["--encoder-option", "nonsense"], ["--precision", "fp8"],
        ["--threads", "0"], ["--no-such-option"],
    ])
    func wrongOptions(_ arguments: [String]) throws {
        let folder = try Folder()
        let result = try Command.run(["in.mp4", folder("o.mp4")] + arguments)
        #expect(result.status == 2, "\(result.errors)")
        #expect(result.errors.contains(arguments[0]), "\(result.errors)")
        #expect(folder.contents == [])
    }

    @Test func noArguments() throws {
        let result = try Command.run()
        #expect(result.status == 2)
        #expect(result.errors.contains("<input>") && result.errors.contains("--help"))
        #expect(try Command.run("--help").status == 0)
        #expect(try Command.run("--version").output.hasPrefix("upframe "))
    }

    @Test func wrongEncoders() throws {
        let folder = try Folder()
        let model = try tinyModel(folder)
        let input = try clip(folder)
        try expectFailure(
            [input, folder("o.mp4"), "--model", model, "--video-codec", "libx999"], naming: ["libx999"], in: folder)
        try expectFailure(
            [input, folder("o.mp4"), "--model", model, "--encoder-option", "nosuch=1"], naming: ["nosuch"], in: folder)
        try expectFailure(
            [input, folder("o.mp4"), "--model", model, "--pixel-format", "yuv999"], naming: ["yuv999"], in: folder)
    }
}
