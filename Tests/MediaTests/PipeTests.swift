import Foundation
import Media
import TestSupport
import Testing

/// Pipes at both ends.
@Suite struct PipeTests {
    static let picture = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=2"]
    static let sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2"]
    static let h264 = ["-c:v", "libx264", "-preset", "veryfast", "-c:a", "aac"]

    struct Source: CustomTestStringConvertible, Sendable {
        var format: String
        var encoding: [String]
        var hasSound = false
        var given: String?
        var testDescription: String { format }
    }

    static let sources = [
        Source(format: "matroska", encoding: h264, hasSound: true),
        Source(format: "mpegts", encoding: h264, hasSound: true),
        Source(format: "nut", encoding: h264, hasSound: true), Source(format: "yuv4mpegpipe", encoding: []),
        Source(format: "image2pipe", encoding: ["-c:v", "png"], given: "image2pipe"),
        Source(format: "rawvideo", encoding: ["-pix_fmt", "yuv422p10le"], given: "rawvideo"),
    ]

    @Test(arguments: sources) func input(_ source: Source) throws {
        let folder = try TemporaryFolder()
        let pipe = try folder.pipe("in")
        let feeder = try Companion(
            "ffmpeg",
            ["-v", "error", "-y", "-nostdin"] + Self.picture + (source.hasSound ? Self.sound : []) + source.encoding
                + ["-f", source.format, pipe])
        var options = ReaderOptions(inputFormat: source.given)
        if source.format == "rawvideo" {
            (options.pixelFormat, options.width, options.height) = ("yuv422p10le", 96, 64)
            options.frameRate = Rational(25, 1)
        }
        let output = folder.file("out.mkv")
        let outcome = try Copier(options: options).copy(pipe, output)
        #expect(feeder.status() == 0)
        #expect(outcome.frames == 50)
        let times = try Tools.frameTimes(output).compactMap { Double($0) }
        #expect(times.count == 50)
        #expect(zip(times, times.dropFirst()).allSatisfy { abs($1 - $0 - 0.04) < 0.0011 })
        if source.hasSound {
            #expect(outcome.packets > 80)
            #expect(try Tools.packets(output, "a:0").count == outcome.packets)
        }
    }

    static let targets = ["y4m", "rawvideo", "matroska", "mpegts", "nut", "mp4"]

    /// Each frame can be read at the other end before the next one is written; and the whole is a sound file.
    @Test(arguments: targets) func output(_ container: String) throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mkv")
        let hasSound = container != "y4m" && container != "rawvideo"
        try Tools.make(Self.picture + Self.sound + Self.h264 + ["-bf", "0", input])
        let pipe = try folder.pipe("out")
        let drain = Drain(pipe)
        let reader = try MediaReader(path: input)
        let writer = try MediaWriter(
            path: pipe, source: reader, width: 96, height: 64,
            settings: EncoderSettings(
                preset: hasSound ? "ultrafast" : nil, pixelFormat: container == "rawvideo" ? "rgb24" : nil,
                container: container))
        #expect(writer.isLive)
        let decode = PixelConverter(decoding: reader.video)
        let encode = writer.frameFactory()
        var latencies: [Double] = []
        var size = 0
        while let event = try reader.next() {
            switch event {
            case .packet(let packet): try writer.write(packet)
            case .frame(let frame):
                try writer.write(try Copier.identity(frame, decode, encode))
                let delivered = writer.takeDelivered()
                #expect(delivered.map(\.timestamp) == [frame.timestamp])
                latencies += delivered.map(\.latency)
                let now = drain.waitForMore(than: size)
                #expect(now > size, "frame \(latencies.count) stayed inside")
                // Raw video shows it to the byte.
                if container == "rawvideo" {
                    let frameSize = 96 * 64 * 3
                    #expect(drain.waitForMore(than: size + frameSize - 1) == size + frameSize)
                }
                size = drain.waitForMore(than: size)
            }
        }
        try writer.finish()
        #expect(latencies.count == 50)
        #expect(latencies.allSatisfy { $0 >= 0 && $0 < 60 })
        let file = folder.file("got." + (container == "y4m" ? "y4m" : container == "rawvideo" ? "raw" : "mkv"))
        try drain.finish().write(to: URL(fileURLWithPath: file))
        if container == "rawvideo" {
            #expect(FileManager.default.contents(atPath: file)?.count == 50 * 96 * 64 * 3)
            return
        }
        #expect(try Tools.frameTimes(file).count == 50)
        if hasSound {
            let (old, new) = (try Tools.packets(input, "a:0"), try Tools.packets(file, "a:0"))
            #expect(old.count == new.count)
        }
    }

    /// The other end closes: told apart from every failure, and the process lives.
    @Test(arguments: targets) func readerLeaves(_ container: String) throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mkv")
        try Tools.make(Self.picture + ["-c:v", "ffv1", input])
        let pipe = try folder.pipe("out")
        let reader = try Companion("head", ["-c", "3000", pipe])
        #expect(throws: MediaError.readerGone(path: pipe)) {
            try Copier(settings: EncoderSettings(container: container)).copy(input, pipe)
        }
        #expect(reader.status() == 0)
    }

    /// A writer that stops in the middle of a frame: what came whole is delivered, then it is said.
    @Test func writerStops() throws {
        let folder = try TemporaryFolder()
        let whole = folder.file("whole.y4m")
        try Tools.make(Self.picture + ["-pix_fmt", "yuv420p", whole])
        let bytes = try Data(contentsOf: URL(fileURLWithPath: whole))
        for (name, cut) in [("cut.y4m", bytes.count - 3000), ("sound.y4m", bytes.count)] {
            let path = folder.file(name)
            try bytes.prefix(cut).write(to: URL(fileURLWithPath: path))
            let pipe = try folder.pipe(name + ".pipe")
            let feeder = try Companion("sh", ["-c", "cat '\(path)' > '\(pipe)'"])
            let reader = try MediaReader(path: pipe)
            var frames = 0
            var failure: MediaError?
            do {
                while let event = try reader.next() { if case .frame = event { frames += 1 } }
            } catch { failure = error }
            #expect(feeder.status() == 0)
            if cut == bytes.count {
                #expect(frames == 50 && failure == nil)
            } else {
                #expect(frames == 49)
                guard case .truncated = failure else {
                    Issue.record("\(String(describing: failure))")
                    return
                }
            }
        }
    }

    /// A pipe from which nothing comes does not hold up whoever wants to stop.
    @Test func interruption() throws {
        let folder = try TemporaryFolder()
        let pipe = try folder.pipe("in")
        let feeder = try Companion("sh", ["-c", "exec 3> '\(pipe)'; exec sleep 600"])
        let interrupter = Interrupter()
        Thread.detachNewThread {
            Thread.sleep(forTimeInterval: 0.3)
            interrupter.interrupt()
        }
        #expect(throws: MediaError.interrupted(path: pipe)) {
            let reader = try MediaReader(path: pipe, interrupter: interrupter)
            while try reader.next() != nil {}
        }
        withExtendedLifetime(feeder) {}
    }

    @Test func whatIsMissingIsSaid() throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.yuv")
        try Data(repeating: 9, count: 96 * 64 * 3).write(to: URL(fileURLWithPath: input))
        #expect(throws: MediaError.rawVideoWithoutShape(path: input)) {
            try MediaReader(path: input, options: ReaderOptions(inputFormat: "rawvideo"))
        }
        let film = folder.file("in.mkv")
        try Tools.make(Self.picture + ["-c:v", "ffv1", film])
        let reader = try MediaReader(path: film)
        #expect(throws: MediaError.pipeWithoutFormat) {
            try MediaWriter(path: "-", source: reader, width: 96, height: 64)
        }
        #expect(throws: MediaError.unknownFormat(name: "mp5")) {
            try MediaWriter(
                path: "-", source: reader, width: 96, height: 64, settings: EncoderSettings(container: "mp5"))
        }
    }
}

/// Reads a pipe to its end on a thread of its own.
private final class Drain: @unchecked Sendable {
    private let condition = NSCondition()
    private var data = Data()
    private var isDone = false

    init(_ path: String) {
        Thread.detachNewThread { [self] in
            let handle = FileHandle(forReadingAtPath: path)
            while let handle {
                let more = handle.availableData
                condition.lock()
                if more.isEmpty { isDone = true } else { data += more }
                condition.broadcast()
                condition.unlock()
                if more.isEmpty { break }
            }
        }
    }

    /// The number of bytes once there are more than so many, or after a minute, which no test that passes takes.
    func waitForMore(than count: Int) -> Int {
        condition.lock()
        defer { condition.unlock() }
        let limit = Date().addingTimeInterval(60)
        while data.count <= count, condition.wait(until: limit) {}
        return data.count
    }

    func finish() -> Data {
        condition.lock()
        defer { condition.unlock() }
        let limit = Date().addingTimeInterval(5)
        while !isDone, condition.wait(until: limit) {}
        return data
    }
}
