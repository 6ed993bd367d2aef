import Foundation
import Media
import Tensor
import TestSupport
import Testing
import Weights

/// `upframe train` as a user runs it.
@Suite struct TrainTests {
    /// A folder with pictures and a recipe that trains a tiny network on them.
    private func project(_ folder: Folder, pictures: Int = 2, side: Int = 64) throws -> String {
        try FileManager.default.createDirectory(atPath: folder("pictures"), withIntermediateDirectories: true)
        for index in 0..<pictures {
            try runChecked(
                "ffmpeg",
                [
                    "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=\(side)x\(side):rate=1:duration=1", "-vf",
                    "hue=h=\(index * 40)", "-frames:v", "1", folder("pictures/\(index).png"),
                ])
        }
        return try folder.write(
            "recipe.yaml",
            """
            name: tiny
            steps: 40
            generator: {architecture: RealtimeSR, features: 8, convolutions: 1}
            data:
              train: [{pictures: [pictures]}]
              validation: [{pictures: [pictures]}]
              crop: 32
              batch: 2
            validation: {every: 10, pictures: 2, side: 32}
            checkpoint: {every: 10, logEvery: 5}
            """)
    }

    @Test func trainedWeightsUpscaleAtOnce() throws {
        let folder = try Folder()
        let recipe = try project(folder)
        let result = try Command.run("train", recipe, "-o", folder("run"), "--progress", "plain")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.errors.contains("trained 40 of 40 steps") && result.errors.contains("best.safetensors"))
        let upscaled = try Command.run(
            folder("pictures/0.png"), folder("large.png"), "--model", folder("run/best.safetensors"), "--quiet")
        #expect(upscaled.status == 0, "\(upscaled.errors)")
        let size = try runChecked(
            "ffprobe", ["-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", folder("large.png")])
        #expect(size.output.trimmingCharacters(in: .whitespacesAndNewlines) == "128,128")
    }

    /// Interrupted in one process and resumed in another, the files are those of a run that nobody disturbed.
    @Test func interruptedAndResumed() throws {
        let folder = try Folder()
        let recipe = try project(folder)
        let steps = ["--set", "steps=1500", "--set", "validation.every=300"]
        let whole = try Command.run(["train", recipe, "-o", folder("whole"), "--quiet"] + steps)
        #expect(whole.status == 0, "\(whole.errors)")

        let command = try RunningCommand(["train", recipe, "-o", folder("parts")] + steps)
        // Somewhere in the middle: when the first progress is told, and a little later.
        #expect(command.wait { $0["event"] as? String == "progress" }, "\(command.text)")
        usleep(UInt32.random(in: 0..<100_000))
        command.interrupt()
        #expect(command.process.terminationStatus == 130, "\(command.text)")
        let resumed = try Command.run(["train", recipe, "-o", folder("parts"), "--resume", "--quiet"] + steps)
        #expect(resumed.status == 0, "\(resumed.errors)")
        for name in ["checkpoint", "best", "last"] {
            let files = ["whole", "parts"].map {
                FileManager.default.contents(atPath: folder("\($0)/\(name).safetensors"))
            }
            #expect(files[0] != nil && files[0] == files[1], "\(name)")
        }
    }

    /// A run takes a folder that is new, empty or its own, and no other.
    @Test func filesOfOthersStay() throws {
        let folder = try Folder()
        let recipe = try project(folder)
        _ = try folder.write("report.html", "mine")
        let text = try String(contentsOfFile: recipe, encoding: .utf8)
        let here = try Command.run("train", recipe, "-o", folder.path, "--quiet")
        #expect(here.status == 1 && here.errors.contains("no training run's"), "\(here.errors)")
        let resumed = try Command.run("train", recipe, "-o", folder.path, "--resume", "--quiet")
        #expect(resumed.status == 1 && resumed.errors.contains("no checkpoint"), "\(resumed.errors)")
        #expect(try String(contentsOfFile: recipe, encoding: .utf8) == text)
        #expect(folder.contents == ["pictures", "recipe.yaml", "report.html"])
        for name in ["..", ".", "a/b", ""] {
            let result = try Command.run("train", recipe, "--set", "name='\(name)'", "--quiet")
            #expect(result.status == 2 && result.errors.contains("'name' is part of file names"), "\(result.errors)")
        }
        // An empty folder is taken, and what a person wrote into a run's recipe stays when it goes on.
        try FileManager.default.createDirectory(atPath: folder("run"), withIntermediateDirectories: true)
        let steps = ["--set", "steps=2", "--quiet"]
        #expect(try Command.run(["train", recipe, "-o", folder("run")] + steps).status == 0)
        let kept = try String(contentsOfFile: folder("run/recipe.yaml"), encoding: .utf8).replacing(
            "steps: 2", with: "steps: 4")
        _ = try folder.write("run/recipe.yaml", "# my notes\n" + kept)
        let more = try Command.run("train", folder("run/recipe.yaml"), "-o", folder("run"), "--resume", "--quiet")
        #expect(more.status == 0, "\(more.errors)")
        #expect(try String(contentsOfFile: folder("run/recipe.yaml"), encoding: .utf8).hasPrefix("# my notes\n"))
        let sheet = try Command.run("train", recipe, "--preview-degradations", folder("report.html"))
        #expect(sheet.status == 1 && sheet.errors.contains("exists already"))
    }

    @Test func plansWithoutTraining() throws {
        let folder = try Folder()
        let recipe = try project(folder)
        let dry = try Command.run("train", recipe, "--dry-run", "--set", "data.batch=3")
        #expect(dry.status == 0, "\(dry.errors)")
        #expect(
            dry.output.contains("batch: 3") && dry.output.contains("GFLOP a step") && dry.output.contains("parameters"))
        #expect(!dry.output.contains("ms a step"))
        let measured = try Command.run("train", recipe, "--dry-run", "--measure")
        #expect(measured.status == 0 && measured.output.contains("ms a step"), "\(measured.errors)")
        let sheet = try Command.run(
            "train", recipe, "--preview-degradations", folder("sheet.png"), "--set", "degradation=real-esrgan")
        #expect(sheet.status == 0, "\(sheet.errors)")
        #expect(FileManager.default.contents(atPath: folder("sheet.png"))?.prefix(4).last == UInt8(ascii: "G"))
        #expect(!FileManager.default.fileExists(atPath: "runs/tiny"))
    }

    // MARK: Mistakes

    private func expectFailure(
        _ arguments: [String], status: Int32 = 1, naming words: [String],
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        let result = try Command.run(["train"] + arguments + ["--quiet"])
        #expect(result.status == status, "\(result.errors)", sourceLocation: location)
        #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)", sourceLocation: location)
        for word in words { #expect(result.errors.contains(word), "\(result.errors)", sourceLocation: location) }
    }

    @Test func mistakesInRecipes() throws {
        let folder = try Folder()
        let recipe = try project(folder)
        try expectFailure([folder("none.yaml")], status: 2, naming: ["none.yaml", "no such recipe"])
        try expectFailure(
            [recipe, "--set", "optimizr.rate=1"], status: 2, naming: ["'optimizr'", "did you mean 'optimizer'"])
        let typo = try folder.write("typo.yaml", "generator: [RealtimeSR\n")
        try expectFailure([typo], status: 2, naming: ["typo.yaml", "not YAML"])
    }

    @Test func mistakesInData() throws {
        let folder = try Folder()
        let recipe = try project(folder)
        let out = ["-o", folder("run")]
        try FileManager.default.createDirectory(atPath: folder("empty"), withIntermediateDirectories: true)
        try expectFailure([recipe, "--set", "data.train.0.pictures=[empty]"] + out, naming: ["empty", "no picture"])
        try expectFailure([recipe, "--set", "data.train.0.pictures=[gone]"] + out, naming: ["gone"])
        try expectFailure([recipe, "--set", "data.crop=128"] + out, naming: ["64x64", "128"])
        // Readable at the front and no further.
        let picture = try #require(FileManager.default.contents(atPath: folder("pictures/0.png")))
        try picture.prefix(60).write(to: URL(fileURLWithPath: folder("pictures/broken.png")))
        try expectFailure([recipe] + out, naming: ["broken.png"])
        try FileManager.default.removeItem(atPath: folder("pictures/broken.png"))
        // Pairs of another factor.
        try runChecked(
            "ffmpeg", ["-v", "error", "-i", folder("pictures/0.png"), "-vf", "scale=16:16", folder("low.png")])
        _ = try folder.write("pairs.txt", "low.png pictures/0.png\n")
        try expectFailure(
            [recipe, "--set", "data.train=[{list: \(folder("pairs.txt"))}]"] + out, naming: ["low.png", "16x16"])
        #expect(!FileManager.default.fileExists(atPath: folder("run/checkpoint.safetensors")))
    }

    /// The disk is full: the checkpoint that was there is still whole.
    @Test func aFullDisk() throws {
        let folder = try Folder()
        let recipe = try project(folder)
        let first = try Command.run("train", recipe, "-o", folder("run"), "--quiet", "--set", "steps=20")
        #expect(first.status == 0, "\(first.errors)")
        let before = FileManager.default.contents(atPath: folder("run/checkpoint.safetensors"))
        // Files may grow to 8 blocks of 1024 bytes: the log still fits, weights do not.
        let result = try run(
            "bash",
            [
                "-c", "ulimit -f 8; exec \"$@\"", "bash", Command.path, "train", recipe, "-o", folder("run"),
                "--resume",
                "--quiet",
            ])
        #expect(result.status == 1, "\(result.errors)")
        #expect(
            result.errors.split(separator: "\n").count == 1 && result.errors.contains("/run/"), "\(result.errors)"
        )
        #expect(before != nil && FileManager.default.contents(atPath: folder("run/checkpoint.safetensors")) == before)
        let rest = try FileManager.default.contentsOfDirectory(atPath: folder("run"))
        #expect(!rest.contains { $0.hasSuffix(".part") }, "\(rest)")
    }
}
