import Foundation
import Synchronization
import TestSupport
import Testing
// As a user of the library: nothing else of the package is imported.
import Upframe

/// The library through its one door.
@Suite struct UpframeTests {
    private static func gradient(_ width: Int, _ height: Int) throws -> RGBImage {
        let bytes = (0..<width * height * 3).map { index -> UInt8 in UInt8(truncatingIfNeeded: index * 5 + index / 7) }
        return try RGBImage(width: width, height: height, bytes: bytes)
    }

    private static func kind<R>(_ body: () async throws(UpframeError) -> R) async -> UpframeError.Kind? {
        do {
            _ = try await body()
            return nil
        } catch {
            #expect(!error.description.isEmpty && !error.description.contains("\n"))
            #expect(!error.description.contains("--"), "\(error)")
            return error.kind
        }
    }

    @Test func imagesInMemory() async throws {
        let model = try await UpscalingModel.load("realtime-x2")
        #expect(model.scale == 2 && UpscalingModel.names.contains("realtime-x2"))
        let upscaler = try await ImageUpscaler(model, on: .cpu(threads: 2))
        let image = try Self.gradient(24, 16)
        let result = try await upscaler.upscale(image)
        #expect(result.width == 48 && result.height == 32 && result.bytes.count == 48 * 32 * 3)
        // Bytes and floats say the same, and several tasks share the upscaler.
        let floats = try RGBImage(width: 24, height: 16, values: image.bytes.map { Float($0) / 255 })
        async let first = upscaler.upscale(floats)
        async let second = upscaler.upscale(image)
        let both = try await [first, second]
        let smallest = try await upscaler.upscale(RGBImage(width: 1, height: 1, bytes: [255, 0, 128]))
        #expect(smallest.width == 2 && smallest.height == 2)
        #expect(both == [result, result] && Set(result.bytes).count > 8)
    }

    @Test func wrongImages() async throws {
        for (width, height, count) in [(2, 2, 11), (0, 2, 0), (-1, -1, 3), (Int.max, 2, 6)] {
            #expect(throws: UpframeError.self) {
                try RGBImage(width: width, height: height, values: [Float](repeating: 0, count: count))
            }
        }
        #expect(throws: UpframeError.self) { try RGBImage(width: 1, height: 1, values: [0, .nan, 0]) }
    }

    @Test func wrongModels() async throws {
        let folder = try TemporaryFolder()
        let broken = folder.file("broken.safetensors")
        try Data([9, 0, 0, 0, 0, 0, 0, 0] + Array("{\"a\": 1}x".utf8)).write(to: URL(fileURLWithPath: broken))
        for path in [broken, folder.file("none.safetensors"), "no-such-model-anywhere"] {
            #expect(await Self.kind { () async throws(UpframeError) in try await UpscalingModel.load(path) } == .model)
        }
    }

    @Test func absentDevice() async throws {
        let model = try await UpscalingModel.load("realtime-x2")
        for index in [99, -1] {
            let kind = await Self.kind { () async throws(UpframeError) in
                try await ImageUpscaler(model, on: .vulkan(index))
            }
            #expect(kind == .deviceUnavailable)
        }
        #expect(Device.vulkan(3).description == "vulkan:3" && Device.available().contains { $0.device == .cpu() })
    }

    private func clip(_ folder: TemporaryFolder, seconds: Int = 2) throws -> String {
        let path = folder.file("in.mkv")
        _ = try runChecked(
            "ffmpeg",
            [
                "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=48x32:rate=25:duration=\(seconds)",
                "-c:v",
                "ffv1", path,
            ])
        return path
    }

    @Test func aVideo() async throws {
        let folder = try TemporaryFolder()
        var job = UpscalingJob(
            input: try clip(folder), output: folder.file("out.mkv"), model: try await UpscalingModel.load("realtime-x2")
        )
        job.device = .cpu(threads: 2)
        (job.codec, job.size) = ("ffv1", .pixels(width: 60, height: 40))
        let frames = Mutex<[Int]>([])
        let result = try await job.run { progress in frames.withLock { $0.append(progress.frames) } }
        #expect(result.frames == 50 && result.isComplete && result.output == job.output)
        #expect(frames.withLock { $0 } == Array(0...50))
        // An output is not overwritten unasked, and numbers that cannot be are refused before anything is opened.
        #expect(await Self.kind { () async throws(UpframeError) in try await job.run() } == .media)
        job.replacesOutput = true
        job.size = .scale(.nan)
        #expect(await Self.kind { () async throws(UpframeError) in try await job.run() } == .settings)
        job.size = .model
        job.input = folder.file("none.mkv")
        #expect(await Self.kind { () async throws(UpframeError) in try await job.run() } == .media)
    }

    /// A cancelled task leaves a file with the frames up to there, and no thread behind.
    @Test func aCancelledVideo() async throws {
        let folder = try TemporaryFolder()
        var job = UpscalingJob(
            input: try clip(folder, seconds: 8), output: folder.file("out.mkv"),
            model: try await UpscalingModel.load("realtime-x2"))
        job.device = .cpu(threads: 1)
        job.codec = "ffv1"
        let (reached, reach) = AsyncStream<Void>.makeStream()
        let made = job
        // The job stands at its third frame until it was cancelled.
        let gate = DispatchSemaphore(value: 0)
        let task = Task {
            try await made.run { progress in
                guard progress.frames == 3 else { return }
                reach.yield()
                gate.wait()
            }
        }
        for await _ in reached { break }
        task.cancel()
        gate.signal()
        let result = try await task.value
        #expect(!result.isComplete && result.frames >= 3 && result.frames < 200)
        #expect(FileManager.default.fileExists(atPath: job.output))
        // Before it began: the job opens, and writes nothing or little.
        let late = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            var job = made
            job.output = folder.file("late.mkv")
            return try await job.run()
        }
        #expect(try await !late.value.isComplete)
    }

    @Test func training() async throws {
        let folder = try TemporaryFolder()
        for index in 0..<3 {
            _ = try runChecked(
                "ffmpeg",
                [
                    "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=96x96:rate=1:duration=1", "-vf",
                    "hue=h=\(index * 40)", "-frames:v", "1", folder.file("image\(index).png"),
                ])
        }
        let recipe = folder.file("recipe.yaml")
        let text = """
            name: trial
            steps: 4
            generator: {architecture: RealtimeSR, features: 8, convolutions: 1}
            data: {train: [{pictures: [\(folder.path)]}], crop: 32, batch: 2, threads: 2}
            """
        try text.write(toFile: recipe, atomically: true, encoding: .utf8)
        var job = TrainingJob(recipe: recipe, folder: folder.file("run"))
        job.device = .cpu(threads: 2)
        let steps = Mutex<[Int]>([])
        let result = try await job.run { progress in steps.withLock { $0.append(progress.step) } }
        #expect(result.isComplete && steps.withLock { $0 } == [1, 2, 3, 4])
        #expect(try await UpscalingModel.load(result.model).scale == 2)
        // The folder holds a run now; a word that no recipe knows is told.
        #expect(await Self.kind { () async throws(UpframeError) in try await job.run() } == .training)
        job.changes = ["optimizer.rat=1"]
        #expect(await Self.kind { () async throws(UpframeError) in try await job.run() } == .recipe)
    }
}
