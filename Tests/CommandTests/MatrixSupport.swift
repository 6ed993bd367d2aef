import Foundation
import TestSupport
import Testing

/// A file that FFmpeg makes, what it is upscaled to, and how.
struct MatrixCase: Sendable, CustomTestStringConvertible {
    var name: String
    var input: String
    var output: String
    /// Of the command.
    var options: [String] = []
    /// Makes the input in a folder.
    var make: @Sendable (Folder) throws -> Void

    var testDescription: String { "\(name): \(input) to \(output)" }

    /// The same source made into other containers.
    func to(_ outputs: String..., options: [String] = []) -> [MatrixCase] {
        outputs.map { output in
            var copy = self
            copy.output = output
            copy.options += options
            return copy
        }
    }
}

func ffmpeg(_ arguments: String...) throws { try runChecked("ffmpeg", ["-v", "error", "-y"] + arguments) }
func ffmpeg(_ arguments: [String]) throws { try runChecked("ffmpeg", ["-v", "error", "-y"] + arguments) }

/// A moving test picture as an input of FFmpeg's.
func picture(_ size: String = "64x48", rate: Int = 25, seconds: Double = 1) -> [String] {
    ["-f", "lavfi", "-i", "testsrc2=size=\(size):rate=\(rate):duration=\(seconds)"]
}

/// A tone as an input of FFmpeg's.
func tone(_ frequency: Int, seconds: Double = 1) -> [String] {
    ["-f", "lavfi", "-i", "sine=frequency=\(frequency):sample_rate=48000:duration=\(seconds)"]
}

let quickH264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]

/// What ffprobe says of two files, compared without any code of ours.
enum FFprobe {
    private static func json(_ path: String, _ arguments: [String]) throws -> [String: Any] {
        let input = path.contains("%") ? ["-f", "image2"] : []
        let text = try runChecked(
            "ffprobe", ["-v", "error", "-of", "json", "-show_data_hash", "sha256"] + arguments + input + [path]
        ).output
        return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    /// One section of ffprobe's answer.
    static func entries(_ path: String, _ section: String, _ stream: String? = nil, _ more: [String] = []) throws
        -> [[String: Any]]
    {
        let selection = stream.map { ["-select_streams", $0] } ?? []
        return try json(path, ["-show_" + section] + selection + more)[section] as? [[String: Any]] ?? []
    }

    /// Seconds at which the frames of the picture are shown.
    static func frameTimes(_ path: String) throws -> [Double] {
        try entries(path, "frames", "v:0", ["-show_entries", "frame=best_effort_timestamp_time"]).compactMap {
            ($0["best_effort_timestamp_time"] as? String).flatMap { Double($0) }
        }
    }

    static func size(_ path: String) throws -> String {
        let stream = try #require(try entries(path, "streams", "v:0").first)
        return "\(stream["width"] ?? 0)x\(stream["height"] ?? 0)"
    }

    /// Containers tick in milliseconds at the coarsest.
    private static let tick = 0.00101

    static func check(_ source: String, _ target: String, _ location: SourceLocation = #_sourceLocation) throws {
        let (before, after) = (try frameTimes(source), try frameTimes(target))
        #expect(!before.isEmpty && before.count == after.count, "frames", sourceLocation: location)
        // MPEG-TS begins a little later where it must.
        let shift = target.hasSuffix(".ts") ? (after.first ?? 0) - (before.first ?? 0) : 0
        #expect(shift >= 0 && shift < 0.5, sourceLocation: location)
        for (x, y) in zip(before, after) where abs(y - x - shift) > tick {
            Issue.record("frame at \(x) came out at \(y)", sourceLocation: location)
            break
        }
        for kind in ["a", "s"] { try checkPackets(source, target, kind, shift, location) }
        try checkWhole(source, target, location)
        try checkPicture(source, target, location)
    }

    /// Lowercased, since Matroska writes in capitals; without what means nothing.
    private static func tags(_ entry: [String: Any], _ keys: [String]) -> [String: String] {
        var result: [String: String] = [:]
        for (key, value) in entry["tags"] as? [String: String] ?? [:] where keys.contains(key.lowercased()) {
            if value != "und" { result[key.lowercased()] = value }
        }
        return result
    }

    private static func checkPackets(
        _ source: String, _ target: String, _ kind: String, _ shift: Double, _ location: SourceLocation
    ) throws {
        let (streams, results) = (try entries(source, "streams", kind), try entries(target, "streams", kind))
        #expect(streams.count == results.count, "streams of kind \(kind)", sourceLocation: location)
        let sameContainer = source.split(separator: ".").last == target.split(separator: ".").last
        for (index, (stream, result)) in zip(streams, results).enumerated() {
            let name = "\(kind):\(index)"
            let keys = ["language", "title"]
            #expect(tags(stream, keys) == tags(result, keys), "\(name)", sourceLocation: location)
            // mp4 fills the gaps between subtitles with packets of its own.
            if kind == "s", !sameContainer { continue }
            let (before, after) = (try entries(source, "packets", name), try entries(target, "packets", name))
            #expect(before.count == after.count, "packets of \(name)", sourceLocation: location)
            for (x, y) in zip(before, after) {
                let times = [x, y].map { ($0["pts_time"] as? String).flatMap { Double($0) } ?? -1 }
                // The container may wrap the same sound otherwise; the table of `verify` says how.
                let sameData = !sameContainer || x["data_hash"] as? String == y["data_hash"] as? String
                if sameData, abs(times[1] - times[0] - shift) <= tick { continue }
                Issue.record("\(name): \(x) became \(y)", sourceLocation: location)
                break
            }
        }
    }

    /// Chapters, attachments, covers and global tags.
    private static func checkWhole(_ source: String, _ target: String, _ location: SourceLocation) throws {
        func chapters(_ path: String) throws -> [String] {
            try entries(path, "chapters").map {
                "\($0["start_time"] ?? "") \($0["end_time"] ?? "") \(tags($0, ["title"]))"
            }
        }
        #expect(try chapters(source) == chapters(target), sourceLocation: location)
        func attached(_ path: String) throws -> [[String: String]] {
            try entries(path, "streams", "t").map { tags($0, ["filename", "mimetype"]) }
        }
        #expect(try attached(source) == attached(target), sourceLocation: location)
        func covers(_ path: String) throws -> [String] {
            try entries(path, "streams", "v").compactMap { stream in
                let isCover = (stream["disposition"] as? [String: Int])?["attached_pic"] == 1
                return isCover ? "\(stream["codec_name"] ?? "") \(stream["width"] ?? "")" : nil
            }
        }
        #expect(try covers(source) == covers(target), sourceLocation: location)
        func whole(_ path: String) throws -> [String: String] {
            tags(try json(path, ["-show_format"])["format"] as? [String: Any] ?? [:], ["title", "artist", "comment"])
        }
        #expect(try whole(source) == whole(target), sourceLocation: location)
    }

    /// Shape and colour of the picture: what was said is said still.
    private static func checkPicture(_ source: String, _ target: String, _ location: SourceLocation) throws {
        let before = try #require(try entries(source, "streams", "v:0").first)
        let after = try #require(try entries(target, "streams", "v:0").first)
        func format(_ stream: [String: Any]) -> String { stream["pix_fmt"] as? String ?? "" }
        let isConverted = format(before).contains("rgb") != format(after).contains("rgb")
        for tag in ["color_primaries", "color_transfer"] + (isConverted ? [] : ["color_space", "color_range"]) {
            guard let code = before[tag] as? String else { continue }
            #expect(after[tag] as? String == code, "\(tag)", sourceLocation: location)
        }
        func shape(_ stream: [String: Any]) -> String {
            (stream["sample_aspect_ratio"] as? String).map { $0 == "0:1" ? "1:1" : $0 } ?? "1:1"
        }
        // A picture that was turned has its shape turned too.
        func turned(_ stream: [String: Any]) -> Bool {
            (stream["side_data_list"] as? [[String: Any]])?.contains { $0["rotation"] != nil } ?? false
        }
        if turned(before) == turned(after) { #expect(shape(before) == shape(after), sourceLocation: location) }
        func light(_ path: String) throws -> [String] {
            let frames = try entries(path, "frames", "v:0", ["-read_intervals", "%+#1"])
            let sides = frames.first?["side_data_list"] as? [[String: Any]] ?? []
            let stream = try entries(path, "streams", "v:0").first?["side_data_list"] as? [[String: Any]] ?? []
            let lights = (sides + stream).filter { side in
                let type = side["side_data_type"] as? String ?? ""
                return type.hasPrefix("Mastering") || type.hasPrefix("Content light")
            }
            return Set(
                lights.map { side in side.sorted { $0.key < $1.key }.map { "\($0.value)" }.joined(separator: " ") }
            )
            .sorted()
        }
        #expect(try light(source).count == light(target).count, "HDR data", sourceLocation: location)
    }
}
