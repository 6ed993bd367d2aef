import Foundation
import TestSupport
import Testing

/// The same job on other devices, and on several: the pictures are those of the CPU, as far as rounding goes.
///
/// Vulkan is llvmpipe here, a software driver, which is used because it is named.
@Suite struct DeviceTests {
    private func source(_ folder: Folder, _ format: String = "yuv420p", size: String = "48x32") throws -> String {
        let path = folder("in-\(format).mkv")
        try ffmpeg(picture(size, seconds: 0.4) + tone(440, seconds: 0.4) + ["-c:v", "ffv1", "-pix_fmt", format, path])
        return path
    }

    /// PSNR of two files' pictures over all planes, by ffmpeg.
    private func psnr(_ a: String, _ b: String) throws -> Double {
        let words = try runChecked(
            "ffmpeg", ["-nostdin", "-i", a, "-i", b, "-lavfi", "psnr", "-f", "null", "-"]
        ).errors
        let average = try #require(words.split(separator: "average:").last?.split(separator: " ").first)
        return average == "inf" ? 200 : Double(average) ?? 0
    }

    private func upscale(_ folder: Folder, _ input: String, _ name: String, _ device: String, _ more: [String] = [])
        throws
        -> String
    {
        let output = folder("\(name).mkv")
        let result = try Command.run(
            [input, output, "--model", try tinyModel(folder), "--video-codec", "ffv1", "--quiet", "--device", device]
                + more)
        #expect(result.status == 0, "\(result.errors)")
        return output
    }

    /// With reuse off a Vulkan device takes and gives frames as they are; otherwise pictures of floats go through tiles.
    @Test(arguments: ["yuv420p", "yuv422p10le", "nv12", "gbrp", "gray"], [["--reuse", "off"], []])
    func vulkan(_ format: String, _ options: [String]) throws {
        let folder = try Folder()
        let input = try source(folder, format)
        let cpu = try upscale(folder, input, "cpu", "cpu", options)
        let vulkan = try upscale(folder, input, "vulkan", "vulkan:0", ["--precision", "fp32"] + options)
        #expect(try psnr(cpu, vulkan) > 60)
        #expect(try FFprobe.frameTimes(vulkan) == FFprobe.frameTimes(input))
        #expect(try Command.run("verify", input, vulkan).status == 0)
    }

    /// Every stage that there is on a device, alone and together.
    @Test(arguments: [("cpu", "decode network convert encode"), ("vulkan:0", "decode network encode")])
    func bench(_ device: String, _ stages: String) throws {
        struct Report: Decodable {
            struct Times: Decodable { var median: Double }
            struct Network: Decodable {
                var milliseconds: Times
                var onDevice: Times?
            }
            struct Stage: Decodable {
                var name: String
                var framesPerSecond: Double
            }
            struct Pipeline: Decodable {
                var frames: Int
                var framesPerSecond: Double
                var shareOfSlowestStage: Double
            }
            var network: Network
            var stages: [Stage]
            var pipeline: Pipeline
        }
        let folder = try Folder()
        let input = folder("in.mkv")
        try ffmpeg(picture("160x96", seconds: 1.2) + ["-c:v", "ffv1", input])
        let result = try Command.run([
            "bench", "--model", "realtime-video", "--device", device, "--input", input, "--runs", "3", "--json",
        ])
        #expect(result.status == 0, "\(result.errors)")
        let report = try JSONDecoder().decode(Report.self, from: result.stdout)
        #expect(report.stages.map(\.name).joined(separator: " ") == stages)
        #expect(report.stages.allSatisfy { $0.framesPerSecond > 0 } && report.network.milliseconds.median > 0)
        #expect((report.network.onDevice?.median ?? 0 > 0) == (device != "cpu"))
        #expect(report.pipeline.frames == 30 && report.pipeline.framesPerSecond > 0)
        let slowest = try #require(report.stages.map(\.framesPerSecond).min())
        let share = report.pipeline.framesPerSecond / slowest
        #expect(abs(report.pipeline.shareOfSlowestStage - share) < 1e-6 * share)
        // Frames that come and go take no less than the pipeline that holds them, but for the machine's moods.
        #expect(share < 3, "\(report)")
    }

    /// What is taken to other machines: frames are right there, and pictures that stay on the device are timed.
    @Test func standaloneBenchmark() throws {
        let bench = Command.path + "-bench"
        let frames = try TestSupport.run(
            bench, ["frames", "compact:8x1", "48x32", "--device", "vulkan:0", "--seconds", "0.2", "--json"])
        #expect(frames.status == 0, "\(frames.errors)")
        struct Frames: Decodable {
            var precision: String
            var copied: Double
            var lent: Double
            var largestDifference: Int
        }
        let report = try JSONDecoder().decode(Frames.self, from: frames.stdout)
        #expect(report.precision == "fp16" && report.copied > 0 && report.lent > 0 && report.largestDifference <= 1)
        let network = try TestSupport.run(
            bench,
            ["network", "compact:8x1", "48x32", "--device", "vulkan:0", "--seconds", "0.2", "--json", "--layers"])
        struct Network: Decodable {
            struct Times: Decodable { var median: Double }
            var median: Double
            var onDevice: Times
        }
        let times = try JSONDecoder().decode(Network.self, from: network.stdout)
        #expect(times.median > 0 && times.onDevice.median > 0)
        #expect(try TestSupport.run(bench, ["frames", "compact:8x1", "48x32", "--device", "cpu"]).status == 2)
    }

    /// Odd sizes, another size of output, a size that changes, and tiles.
    @Test func vulkanOtherwise() throws {
        let folder = try Folder()
        let odd = try source(folder, size: "35x17")
        let options = ["--reuse", "off"]
        let vulkan = ["--precision", "fp32", "--reuse", "off"]
        #expect(try psnr(upscale(folder, odd, "a", "cpu", options), upscale(folder, odd, "b", "vulkan:0", vulkan)) > 60)
        for (index, more) in [["--scale", "3"], ["--tile", "16"], ["--memory-limit", "4M"]].enumerated() {
            let cpu = try upscale(folder, odd, "c\(index)", "cpu", options + more)
            #expect(try psnr(cpu, upscale(folder, odd, "d\(index)", "vulkan:0", vulkan + more)) > 60)
        }
        try makeSizeChange(folder)
        let a = try upscale(folder, folder("in.ts"), "e", "cpu", options)
        let b = try upscale(folder, folder("in.ts"), "f", "vulkan:0", vulkan)
        #expect(try psnr(a, b) > 60)
    }

    /// Frames are shared out, and come in order.
    @Test(arguments: ["cpu,vulkan:0", "vulkan:0,cpu", "cpu,reference"]) func several(_ devices: String) throws {
        let folder = try Folder()
        let input = try source(folder)
        let one = try upscale(folder, input, "one", "cpu")
        let two = try upscale(folder, input, "two", devices, ["--precision", "fp32"])
        #expect(try psnr(one, two) > 60)
        #expect(try FFprobe.frameTimes(two) == FFprobe.frameTimes(input))
        #expect(try Command.run("verify", input, two).status == 0)
    }

    @Test func identicalFrames() throws {
        let folder = try Folder()
        let input = folder("still.mkv")
        try ffmpeg(
            "-f", "lavfi", "-i", "color=gray:size=48x32:rate=25:duration=0.4,drawbox=5:5:10:10:red", "-c:v", "ffv1",
            "-pix_fmt", "yuv420p", input)
        let result = try Command.run(
            input, folder("out.mkv"), "--model", try tinyModel(folder), "--device", "cpu", "--progress", "json")
        #expect(result.status == 0)
        #expect(result.errors.contains("\"identicalPictures\":9"), "\(result.errors.suffix(900))")
    }

    /// A still screen with a blinking cursor: a fifth of the work at most, and the very same pictures.
    @Test func aStaticScreen() throws {
        let folder = try Folder()
        let input = folder("screen.mkv")
        try ffmpeg(
            "-f", "lavfi", "-i",
            "testsrc2=size=640x360:rate=25:duration=0.04,loop=loop=-1:size=1,trim=duration=2,"
                + "drawbox=200:150:4:12:white:fill:enable='lt(mod(t,0.4),0.2)'", "-c:v", "ffv1", "-pix_fmt", "yuv420p",
            input)
        let sums = try ["off", "auto"].map { reuse in
            let output = folder("\(reuse).mkv")
            let result = try Command.run(
                input, output, "--model", try tinyModel(folder), "--device", "cpu", "--video-codec", "ffv1", "--reuse",
                reuse, "--progress", "json")
            #expect(result.status == 0)
            if reuse == "auto" {
                let last = try #require(result.errors.split(separator: "\n").last)
                let event = try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any]
                let count = try #require(event?["reuse"] as? [String: Int])
                let tiles = try #require(count["tiles"]), computed = try #require(count["computedTiles"])
                let partial = try #require(count["partialPictures"])
                #expect(count["pictures"] == 50)
                #expect(partial >= 8 && count["identicalPictures"]! + partial == 49, "\(count)")
                // In whole pictures: the first, and what was computed of the others.
                let work = 1 + Double(computed) / Double(tiles) * Double(partial)
                #expect(work <= 10, "\(count)")
            }
            return try runChecked("ffmpeg", ["-v", "error", "-i", output, "-map", "v:0", "-f", "md5", "-"]).output
        }
        #expect(sums[0] == sums[1])
    }

    @Test func wrongDevices() throws {
        for device in ["vulkan:0,0", "cpu,", "gpu", "vulkan:x"] {
            let result = try Command.run(sampleClip, "/tmp/never.mp4", "--device", device)
            #expect(result.status == 2 && result.errors.contains(device), "\(result.errors)")
        }
    }
}
