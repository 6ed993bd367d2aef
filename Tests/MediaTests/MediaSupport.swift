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
    }

    @discardableResult
    func copy(_ input: String, _ output: String) throws -> Outcome {
        let reader = try MediaReader(path: input, options: options)
        let (width, height) = (reader.video.width, reader.video.height)
        let writer = try MediaWriter(
            path: output, source: reader, width: width, height: height, settings: settings, overwrite: overwrite)
        let decode = PixelConverter(decoding: reader.video, clamps: clamps)
        let encode = try PixelConverter(
            encodingWidth: width, height: height, pixelFormat: writer.pixelFormat, color: writer.color, clamps: clamps)
        var pixels = [Float](repeating: 0, count: width * height * 3)
        var outcome = Outcome()
        while let event = try reader.next() {
            switch event {
            case .frame(let frame):
                try pixels.withUnsafeMutableBufferPointer { try decode.rgb(from: frame, into: $0) }
                let made = try pixels.withUnsafeBufferPointer {
                    try encode.frame(
                        fromRGB: $0, width: width, height: height, timestamp: frame.timestamp,
                        duration: frame.duration)
                }
                try writer.write(made)
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
