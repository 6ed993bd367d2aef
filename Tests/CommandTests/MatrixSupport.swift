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

    /// All that ffprobe says of a file, from one call: a process takes a tenth of a second, and a comparison asks dozens of times.
    private struct Answer {
        let path: String
        private let streams: [[String: Any]]
        private let packetsAndFrames: [[String: Any]]
        let chapters: [[String: Any]]
        let format: [String: Any]

        init(_ path: String) throws {
            self.path = path
            let all = try json(
                path, ["-show_streams", "-show_packets", "-show_frames", "-show_chapters", "-show_format"])
            streams = all["streams"] as? [[String: Any]] ?? []
            packetsAndFrames = all["packets_and_frames"] as? [[String: Any]] ?? []
            chapters = all["chapters"] as? [[String: Any]] ?? []
            format = all["format"] as? [String: Any] ?? [:]
        }

        func streams(_ type: String) -> [[String: Any]] { streams.filter { $0["codec_type"] as? String == type } }

        private func entries(_ kind: String, of stream: [String: Any]?) -> [[String: Any]] {
            let index = stream?["index"] as? Int
            return packetsAndFrames.filter {
                $0["type"] as? String == kind && $0["stream_index"] as? Int == index && index != nil
            }
        }

        func packets(of stream: [String: Any]) -> [[String: Any]] { entries("packet", of: stream) }
        /// Of the picture.
        var frames: [[String: Any]] { entries("frame", of: streams("video").first) }
        var frameTimes: [Double] {
            frames.compactMap { ($0["best_effort_timestamp_time"] as? String).flatMap { Double($0) } }
        }
    }

    /// Containers tick in milliseconds at the coarsest.
    private static let tick = 0.00101

    static func check(_ sourcePath: String, _ targetPath: String, _ location: SourceLocation = #_sourceLocation) throws
    {
        let (source, target) = (try Answer(sourcePath), try Answer(targetPath))
        let (before, after) = (source.frameTimes, target.frameTimes)
        #expect(!before.isEmpty && before.count == after.count, "frames", sourceLocation: location)
        // MPEG-TS begins a little later where it must.
        let shift = targetPath.hasSuffix(".ts") ? (after.first ?? 0) - (before.first ?? 0) : 0
        #expect(shift >= 0 && shift < 0.5, sourceLocation: location)
        for (x, y) in zip(before, after) where abs(y - x - shift) > tick {
            Issue.record("frame at \(x) came out at \(y)", sourceLocation: location)
            break
        }
        for kind in ["audio", "subtitle"] { checkPackets(source, target, kind, shift, location) }
        checkWhole(source, target, location)
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
        _ source: Answer, _ target: Answer, _ kind: String, _ shift: Double, _ location: SourceLocation
    ) {
        let (streams, results) = (source.streams(kind), target.streams(kind))
        #expect(streams.count == results.count, "streams of kind \(kind)", sourceLocation: location)
        let sameContainer = source.path.split(separator: ".").last == target.path.split(separator: ".").last
        for (index, (stream, result)) in zip(streams, results).enumerated() {
            let name = "\(kind):\(index)"
            let keys = ["language", "title"]
            #expect(tags(stream, keys) == tags(result, keys), "\(name)", sourceLocation: location)
            // mp4 fills the gaps between subtitles with packets of its own.
            if kind == "subtitle", !sameContainer { continue }
            let (before, after) = (source.packets(of: stream), target.packets(of: result))
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
    private static func checkWhole(_ source: Answer, _ target: Answer, _ location: SourceLocation) {
        func chapters(_ file: Answer) -> [String] {
            file.chapters.map { "\($0["start_time"] ?? "") \($0["end_time"] ?? "") \(tags($0, ["title"]))" }
        }
        #expect(chapters(source) == chapters(target), sourceLocation: location)
        func attached(_ file: Answer) -> [[String: String]] {
            file.streams("attachment").map { tags($0, ["filename", "mimetype"]) }
        }
        #expect(attached(source) == attached(target), sourceLocation: location)
        func covers(_ file: Answer) -> [String] {
            file.streams("video").compactMap { stream in
                let isCover = (stream["disposition"] as? [String: Int])?["attached_pic"] == 1
                return isCover ? "\(stream["codec_name"] ?? "") \(stream["width"] ?? "")" : nil
            }
        }
        #expect(covers(source) == covers(target), sourceLocation: location)
        func whole(_ file: Answer) -> [String: String] { tags(file.format, ["title", "artist", "comment"]) }
        #expect(whole(source) == whole(target), sourceLocation: location)
    }

    /// Shape and colour of the picture: what was said is said still.
    private static func checkPicture(_ source: Answer, _ target: Answer, _ location: SourceLocation) throws {
        let before = try #require(source.streams("video").first)
        let after = try #require(target.streams("video").first)
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
        func light(_ file: Answer) -> [String] {
            let sides = file.frames.first?["side_data_list"] as? [[String: Any]] ?? []
            let stream = file.streams("video").first?["side_data_list"] as? [[String: Any]] ?? []
            let lights = (sides + stream).filter { side in
                let type = side["side_data_type"] as? String ?? ""
                return type.hasPrefix("Mastering") || type.hasPrefix("Content light")
            }
            return Set(
                lights.map { side in side.sorted { $0.key < $1.key }.map { "\($0.value)" }.joined(separator: " ") }
            )
            .sorted()
        }
        #expect(light(source).count == light(target).count, "HDR data", sourceLocation: location)
    }
}
