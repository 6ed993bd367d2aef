import Foundation
import Media
import TestSupport
import Testing

/// A packet as ffprobe sees it.
struct ProbedPacket: Hashable, CustomStringConvertible {
    var pts: String
    var ptsTime: String
    var durationTime: String
    var size: String
    var hash: String

    var description: String { "\(pts) \(ptsTime) \(durationTime) \(size) \(hash.suffix(8))" }
}

enum Tools {
    static func make(_ arguments: [String]) throws {
        try runChecked("ffmpeg", ["-v", "error", "-y", "-nostdin"] + arguments)
    }

    private static func json(_ arguments: [String]) throws -> [String: Any] {
        let result = try runChecked("ffprobe", ["-v", "error", "-of", "json"] + arguments)
        return try #require(try JSONSerialization.jsonObject(with: result.stdout) as? [String: Any])
    }

    static func packets(_ path: String, _ selector: String) throws -> [ProbedPacket] {
        let entries = "packet=pts,pts_time,duration_time,size,data_hash"
        let all = try json([
            "-select_streams", selector, "-show_packets", "-show_data_hash", "md5", "-show_entries", entries, path,
        ])
        let list = try #require(all["packets"] as? [[String: Any]])
        func text(_ value: Any?) -> String { value.map { "\($0)" } ?? "none" }
        return list.map {
            ProbedPacket(
                pts: text($0["pts"]), ptsTime: text($0["pts_time"]), durationTime: text($0["duration_time"]),
                size: text($0["size"]), hash: text($0["data_hash"]))
        }
    }

    /// Presentation times of the video's frames, as decoded.
    static func frameTimes(_ path: String) throws -> [String] {
        let all = try json([
            "-select_streams", "v:0", "-show_frames", "-show_entries", "frame=best_effort_timestamp_time", path,
        ])
        let list = try #require(all["frames"] as? [[String: Any]])
        return list.map { "\($0["best_effort_timestamp_time"] ?? "none")" }
    }

    static func stream(_ path: String, _ selector: String = "v:0") throws -> [String: Any] {
        let all = try json(["-select_streams", selector, "-show_streams", path])
        return try #require((all["streams"] as? [[String: Any]])?.first)
    }

    static func streams(_ path: String) throws -> [[String: Any]] {
        try #require(try json(["-show_streams", path])["streams"] as? [[String: Any]])
    }

    static func format(_ path: String) throws -> [String: Any] {
        try #require(try json(["-show_format", path])["format"] as? [String: Any])
    }

    /// The samples of the first video stream in a pixel format; several frames one after the other.
    static func raw(_ path: String, _ format: String, arguments: [String] = []) throws -> [UInt8] {
        let result = try runChecked(
            "ffmpeg",
            ["-v", "error", "-nostdin", "-i", path] + arguments
                + ["-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", format, "-f", "rawvideo", "-"])
        return Array(result.stdout)
    }
}

/// Decodes everything and encodes it again at the same size, as the pipeline does with an identity network.
struct Copier {
    var options = ReaderOptions()
    var settings = EncoderSettings(preset: "veryfast")
    var overwrite = false
    var clamps = true

    struct Outcome {
        var frames = 0
        var packets = 0
        var times: [Int64] = []
        var notes: [String] = []
        var dropped: [StreamDescription] = []
        var latencies: [Double] = []
    }

    /// The frame as the writer wants it, through floats and back.
    static func identity(_ frame: VideoFrame, _ decode: PixelConverter, _ encode: FrameFactory) throws -> VideoFrame {
        let (width, height) = (frame.width, frame.height)
        var pixels = [Float](repeating: 0, count: width * height * 3)
        try pixels.withUnsafeMutableBufferPointer { try decode.rgb(from: frame, into: $0) }
        guard encode.hasAlpha(for: frame) else {
            return try pixels.withUnsafeBufferPointer {
                try encode.frame(fromRGB: $0, width: width, height: height, like: frame)
            }
        }
        var alpha = [Float](repeating: 0, count: width * height)
        try alpha.withUnsafeMutableBufferPointer { try decode.alpha(from: frame, into: $0) }
        return try pixels.withUnsafeBufferPointer { pixels in
            try alpha.withUnsafeBufferPointer { alpha in
                try encode.frame(fromRGB: pixels, alpha: alpha, width: width, height: height, like: frame)
            }
        }
    }

    @discardableResult
    func copy(_ input: String, _ output: String) throws -> Outcome {
        let reader = try MediaReader(path: input, options: options)
        let (width, height) = (reader.video.width, reader.video.height)
        let writer = try MediaWriter(
            path: output, source: reader, width: width, height: height, settings: settings, overwrite: overwrite)
        let decode = PixelConverter(decoding: reader.video, clamps: clamps)
        let encode = writer.frameFactory(clamps: clamps)
        var outcome = Outcome()
        while let event = try reader.next() {
            switch event {
            case .frame(let frame):
                let made = try Self.identity(frame, decode, encode)
                try writer.write(made)
                outcome.latencies += writer.takeDelivered().map(\.latency)
                outcome.frames += 1
                outcome.times.append(frame.timestamp)
            case .packet(let packet):
                try writer.write(packet)
                outcome.packets += 1
            }
        }
        try writer.finish()
        outcome.notes = writer.notes
        outcome.dropped = writer.droppedStreams
        return outcome
    }
}

/// A process beside the test, with its output thrown away; ended with the value.
final class Companion {
    private let process = Process()

    init(_ tool: String, _ arguments: [String]) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [tool] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    /// Waits for its end, which must come within half a minute.
    func status() -> Int32 {
        let limit = Date().addingTimeInterval(30)
        while process.isRunning, Date() < limit { Thread.sleep(forTimeInterval: 0.01) }
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        return process.terminationStatus
    }

    deinit {
        if process.isRunning { process.terminate() }
    }
}

extension TemporaryFolder {
    func pipe(_ name: String) throws -> String {
        let path = file(name)
        try #require(mkfifo(path, 0o600) == 0)
        return path
    }
}
