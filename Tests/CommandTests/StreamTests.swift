import Foundation
import TestSupport
import Testing

/// Pipes at both ends of the command, as a shell makes them.
@Suite struct StreamTests {
    /// Runs a pipeline in the folder, with `$upframe` and `$model` set; the last line of its output is the statuses of
    /// its commands.
    private func shell(_ folder: Folder, _ pipeline: String) throws -> (ProcessResult, statuses: [Int]) {
        let script = """
            cd '\(folder.path)'; upframe='\(Command.path)'; model='\(try tinyModel(folder))'
            \(pipeline)
            statuses="${PIPESTATUS[*]}"; echo; echo "$statuses"
            """
        let result = try run("bash", ["-c", script])
        let last = result.output.split(separator: "\n").last ?? ""
        return (result, last.split(separator: " ").compactMap { Int($0) })
    }

    /// Two seconds with sound.
    private func source(_ folder: Folder, seconds: Double = 2) throws {
        try ffmpeg(
            picture("96x64", seconds: seconds) + tone(440, seconds: seconds)
                + ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac", folder("in.mkv")])
    }

    private func events(_ text: String) throws -> [[String: Any]] {
        try text.split(separator: "\n").filter { $0.hasPrefix("{") }.map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
    }

    @Test(arguments: ["matroska", "mpegts", "nut", "mp4"]) func withSoundThroughAllThree(_ format: String) throws {
        let folder = try Folder()
        try source(folder)
        let (result, statuses) = try shell(
            folder,
            "ffmpeg -v error -nostdin -i in.mkv -c copy -f matroska - | $upframe - - --model $model --device cpu --quiet "
                + "--output-format \(format) | tee out.\(format) | ffmpeg -v error -nostdin -i - -f null -")
        #expect(statuses == [0, 0, 0, 0], "\(result.errors)")
        // A transport stream that begins somewhere is all that ffmpeg may remark upon.
        #expect(result.errors == "", "\(result.errors)")
        let output = folder("out.\(format)")
        #expect(try FFprobe.size(output) == "192x128")
        #expect(try FFprobe.frameTimes(output).count == 50)
        let hashes = { (path: String) in
            try runChecked(
                "ffprobe",
                ["-v", "error", "-select_streams", "a:0", "-show_entries", "packet=size", "-of", "csv=p=0", path]
            ).output.split(separator: "\n").count
        }
        #expect(try hashes(output) == hashes(folder("in.mkv")))
    }

    /// A transport stream tells a sound's configuration with every packet, the others want it in their header.
    @Test(arguments: ["matroska", "mp4", "nut"]) func fromATransportStream(_ format: String) throws {
        let folder = try Folder()
        try source(folder)
        let (result, statuses) = try shell(
            folder,
            "ffmpeg -v error -nostdin -i in.mkv -c copy -f mpegts - | $upframe - - --model $model --device cpu --quiet "
                + "--output-format \(format) > out.\(format)")
        #expect(statuses == [0, 0], "\(result.errors)")
        let output = folder("out.\(format)")
        #expect(try FFprobe.frameTimes(output).count == 50)
        // The samples are the very same.
        let sound = { (path: String) in
            try runChecked("ffmpeg", ["-v", "error", "-i", path, "-map", "a:0", "-f", "md5", "-"]).output
        }
        #expect(try sound(output) == sound(folder("in.mkv")))
    }

    @Test(arguments: ["y4m", "rawvideo"]) func pictureOnly(_ format: String) throws {
        let folder = try Folder()
        try source(folder)
        let (result, statuses) = try shell(
            folder,
            "ffmpeg -v error -nostdin -i in.mkv -fps_mode passthrough -f yuv4mpegpipe - | $upframe - - --model $model --device cpu --quiet "
                + "--output-format \(format) > out.\(format)")
        #expect(statuses == [0, 0], "\(result.errors)")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: folder("out.\(format)"))).count
        let frame = 192 * 128 * 3 / 2
        if format == "rawvideo" { #expect(bytes == 50 * frame) } else { #expect(bytes > 50 * (frame + 6)) }
    }

    @Test func rawVideoIn() throws {
        let folder = try Folder()
        try source(folder)
        let (result, statuses) = try shell(
            folder,
            "ffmpeg -v error -nostdin -i in.mkv -fps_mode passthrough -f rawvideo -pix_fmt yuv422p10le - | $upframe - out.mkv --model $model "
                + "--device cpu --quiet --input-format rawvideo --pixel-format yuv422p10le --size 96x64 --rate 50")
        #expect(statuses == [0, 0], "\(result.errors)")
        let shape = try runChecked(
            "ffprobe",
            [
                "-v", "error", "-show_entries", "stream=width,height,pix_fmt,r_frame_rate", "-of", "csv=p=0",
                folder("out.mkv"),
            ]
        ).output
        #expect(shape == "192,128,yuv422p10le,50/1\n")
        #expect(try FFprobe.frameTimes(folder("out.mkv")).count == 50)
    }

    /// Every frame leaves before the next one has come: nothing waits inside.
    @Test(arguments: ["y4m", "matroska"]) func eachFrameLeavesAtOnce(_ format: String) throws {
        let folder = try Folder()
        try ffmpeg(picture("96x64", seconds: 1) + ["-pix_fmt", "yuv420p", folder("in.y4m")])
        let bytes = try Data(contentsOf: URL(fileURLWithPath: folder("in.y4m")))
        let header = try #require(bytes.firstIndex(of: 10)) + 1
        let frame = 6 + 96 * 64 * 3 / 2
        try #require(bytes.count == header + 25 * frame)

        let process = Process()
        process.executableURL = URL(fileURLWithPath: Command.path)
        process.arguments = [
            "-", "-", "--model", try tinyModel(folder), "--device", "cpu", "--output-format", format, "--progress",
            "json",
        ]
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, errors)
        try process.run()
        let reader = PipeCounter(output.fileHandleForReading)
        input.fileHandleForWriting.write(bytes[..<header])
        var counts: [Int] = []
        for index in 0..<25 {
            let before = reader.count
            input.fileHandleForWriting.write(bytes[(header + index * frame)..<(header + (index + 1) * frame)])
            // A frame of y4m to the byte; of Matroska a block, which is never empty.
            let expected = format == "y4m" ? 6 + 192 * 128 * 3 / 2 : 20
            counts.append(reader.waitForMore(than: before + expected - 1) - before)
        }
        #expect(counts.allSatisfy { $0 > 0 }, "\(counts)")
        try input.fileHandleForWriting.close()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(text)")
        // From the last byte in to the last byte out.
        let latency = try #require(try events(text).last?["latency"] as? [String: Any])
        #expect(latency["frames"] as? Int == 25)
        let (median, worst) = (latency["medianSeconds"] as? Double ?? 0, latency["maximumSeconds"] as? Double ?? 0)
        #expect(median > 0 && median < 5 && worst >= median)
    }

    /// A reader that takes its time, and one that leaves the pipe full for a while: nothing is lost, nothing piles up.
    @Test func aSlowReader() throws {
        let folder = try Folder()
        try source(folder, seconds: 8)
        let (result, statuses) = try shell(
            folder,
            "$upframe in.mkv - --model $model --device cpu --progress json --reuse off --output-format y4m "
                + "| (sleep 1; while head -c 2000000 | grep -qac ''; do sleep 0.15; done; cat) "
                + "> out.txt")
        #expect(statuses.first == 0, "\(result.errors)")
        let all = try events(result.errors)
        #expect(all.last?["frames"] as? Int == 200)
        try expectFlatMemory(all)
    }

    @Test func aSlowWriter() throws {
        let folder = try Folder()
        try source(folder)
        let (result, statuses) = try shell(
            folder,
            "ffmpeg -v error -nostdin -re -i in.mkv -c copy -f matroska - | $upframe - out.mkv --model $model --device cpu "
                + "--progress json")
        #expect(statuses == [0, 0], "\(result.errors)")
        #expect(try FFprobe.frameTimes(folder("out.mkv")).count == 50)
        let last = try #require(try events(result.errors).last)
        #expect(last["slowestStage"] as? String == "source")
        #expect(last["elapsedSeconds"] as? Double ?? 0 > 1)
    }

    /// What came whole is delivered; then it is said, in one line, and counts as a failure.
    @Test(arguments: ["y4m", "matroska"]) func aWriterThatStopsInAFrame(_ format: String) throws {
        let folder = try Folder()
        try source(folder)
        let muxer = format == "y4m" ? "yuv4mpegpipe" : format
        try ffmpeg(["-i", folder("in.mkv"), "-an", "-fps_mode", "passthrough", "-f", muxer, folder("whole")])
        let size = try Data(contentsOf: URL(fileURLWithPath: folder("whole"))).count
        let cut = format == "y4m" ? size - 3000 : size * 3 / 4
        let (result, statuses) = try shell(
            folder,
            "head -c \(cut) whole | $upframe - - --model $model --device cpu --quiet --output-format y4m > out.y4m")
        #expect(statuses == [0, 1])
        let lines = result.errors.split(separator: "\n")
        #expect(lines.count == 1 && lines[0].contains("-: ") && lines[0].contains("end early"), "\(result.errors)")
        let frames = try FFprobe.frameTimes(folder("out.y4m")).count
        if format == "y4m" { #expect(frames == 49) } else { #expect(frames > 25 && frames < 50) }
    }

    /// A stream cannot be had again: what came of it before it broke off is kept.
    @Test func aStreamThatBreaksOffIntoAFile() throws {
        let folder = try Folder()
        try source(folder)
        let (result, statuses) = try shell(
            folder, "head -c 20000 in.mkv | $upframe - out.mkv --model $model --device cpu --progress plain")
        #expect(statuses == [0, 1], "\(result.errors)")
        #expect(result.errors.contains("out.mkv: holds the") && result.errors.contains("end early"), "\(result.errors)")
        let frames = try FFprobe.frameTimes(folder("out.mkv"))
        #expect(frames.count > 5 && frames.count < 50)
        // Some between the last ones may lack what they are predicted from.
        #expect(Set(frames).isSubset(of: try FFprobe.frameTimes(folder("in.mkv"))))
        #expect(zip(frames, frames.dropFirst()).allSatisfy { $0 < $1 })
    }

    /// The source never ends; only the reader's leaving can end it.
    @Test(arguments: ["y4m", "matroska", "mpegts", "nut", "mp4", "rawvideo"])
    func aReaderThatLeaves(_ format: String) throws {
        let folder = try Folder()
        let (result, statuses) = try shell(
            folder,
            "ffmpeg -v quiet -nostdin -f lavfi -i testsrc2=s=96x64:r=25 -f yuv4mpegpipe - | $upframe - - --model $model "
                + "--device cpu --output-format \(format) | head -c 100000 > /dev/null")
        #expect(statuses.dropFirst() == [0, 0], "\(result.errors)")
        let lines = result.errors.split(separator: "\n").filter { !$0.contains(" fps") }
        #expect(lines.count == 2, "\(result.errors)")
        #expect(lines.first?.contains("stopped reading") == true)
    }

    @Test func aReaderThatWasNeverThere() throws {
        let folder = try Folder()
        try source(folder)
        let (result, statuses) = try shell(
            folder, "$upframe in.mkv - --model $model --device cpu --output-format matroska | true")
        #expect(statuses == [0, 0], "\(result.errors)")
    }

    /// Waiting for a pipe from which nothing comes, and the writer keeps open.
    @Test func interruptionWhileWaiting() throws {
        let folder = try Folder()
        let (result, _) = try shell(
            folder,
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=96x64:r=25:d=1 -f yuv4mpegpipe in.y4m
            mkfifo pipe; (cat in.y4m; exec sleep 60) > pipe & feeder=$!
            $upframe - out.mkv --model $model --device cpu --progress json < pipe & job=$!
            sleep 4; kill -INT $job; wait $job; status=$?; kill -KILL $feeder; (exit $status)
            """)
        #expect(result.output.contains("\n130"), "\(result.output) \(result.errors)")
        // All but what the probe and the pipeline had in hand.
        #expect(try FFprobe.frameTimes(folder("out.mkv")).count >= 20)
    }

    /// More than can be computed in time: the stream keeps its length and its latency, and says what it gave up. With
    /// pictures computed here, and with frames that go to a device (a slow one, in software).
    @Test(arguments: ["reference", "vulkan:0"]) func overload(_ device: String) throws {
        let folder = try Folder()
        try ffmpeg(
            picture(device == "reference" ? "192x128" : "320x240", seconds: 4) + [
                "-c:v", "libx264", "-pix_fmt", "yuv420p", folder("in.mkv"),
            ])
        let (result, statuses) = try shell(
            folder,
            "ffmpeg -v error -nostdin -re -i in.mkv -c copy -f matroska - | $upframe - out.mkv --model $model "
                + "--device \(device) --realtime --max-latency 0.3 --progress json --reuse off")
        #expect(statuses == [0, 0], "\(result.errors)")
        let times = try FFprobe.frameTimes(folder("out.mkv"))
        #expect(times == (try FFprobe.frameTimes(folder("in.mkv"))))
        let last = try #require(try events(result.errors).last)
        let realtime = try #require(last["realtime"] as? [String: Any])
        #expect(realtime["repeatedFrames"] as? Int ?? 0 > 0, "\(realtime)")
        let latency = try #require(last["latency"] as? [String: Any])
        // The first frames wait for the network to be made ready; a stream that fell behind would be late for good.
        #expect(latency["medianSeconds"] as? Double ?? 9 < 1, "\(latency)")
        #expect(last["elapsedSeconds"] as? Double ?? 99 < 20)
    }

    @Test func chosenStreams() throws {
        let folder = try Folder()
        try source(folder)
        let model = try tinyModel(folder)
        for (index, (options, streams)) in [
            (["--map", "-a"], ["h264"]), (["--map", "0:a:0"], ["h264", "aac"]), (["--no-audio"], ["h264"]),
            (["--map", "v", "--map", "s?"], ["h264"]), ([], ["h264", "aac"]),
        ].enumerated() {
            let output = folder("out\(index).mkv")
            let result = try Command.run(
                [folder("in.mkv"), output, "--model", model, "--device", "cpu", "--quiet"] + options)
            #expect(result.status == 0, "\(result.errors)")
            let found = try runChecked(
                "ffprobe", ["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", output]
            ).output.split(separator: "\n").map(String.init)
            #expect(found == streams, "\(options)")
        }
        let missing = try Command.run(folder("in.mkv"), folder("never.mkv"), "--model", model, "--map", "a:1")
        #expect(missing.status == 1 && missing.errors.contains("'a:1'"), "\(missing.errors)")
    }

    @Test(arguments: [
        (["--input-format", "rawvideo"], "--pixel-format"), (["--map", "x"], "--map"), (["--rate", "0"], "--rate"),
        (["--deinterlace", "yes"], "--deinterlace"), (["--memory-limit", "much"], "--memory-limit"),
        (["--scale", "2", "--fit", "10x10"], "--fit"),
    ]) func wrongUsage(_ arguments: [String], _ word: String) throws {
        let result = try Command.run([sampleClip, "/tmp/never.mp4"] + arguments)
        #expect(result.status == 2)
        #expect(result.errors.contains(word), "\(result.errors)")
    }

    /// The memory of the last third of a run is that of the third before it.
    private func expectFlatMemory(_ events: [[String: Any]]) throws {
        let sizes = events.compactMap { ($0["memory"] as? [String: Any])?["residentBytes"] as? Int }.filter { $0 > 0 }
        try #require(sizes.count >= 6, "\(sizes)")
        let third = sizes.count / 3
        let (middle, late) = (sizes[third..<2 * third].max()!, sizes[(2 * third)...].max()!)
        #expect(Double(late) < Double(middle) * 1.1 + 4e6, "\(sizes)")
    }
}

/// Counts what comes out of a pipe, on a thread of its own.
private final class PipeCounter: @unchecked Sendable {
    private let condition = NSCondition()
    private var total = 0

    init(_ handle: FileHandle) {
        Thread.detachNewThread { [self] in
            while true {
                let data = handle.availableData
                if data.isEmpty { return }
                condition.lock()
                total += data.count
                condition.broadcast()
                condition.unlock()
            }
        }
    }

    var count: Int { waitForMore(than: -1) }

    /// The number of bytes as soon as there are more than so many, or after a minute, which no test that passes takes.
    func waitForMore(than count: Int) -> Int {
        condition.lock()
        defer { condition.unlock() }
        let limit = Date().addingTimeInterval(60)
        while total <= count, condition.wait(until: limit) {}
        return total
    }
}
