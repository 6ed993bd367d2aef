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
    /// One line per entry.
    static func lines(_ path: String, _ stream: String?, _ entries: String, _ more: [String] = []) throws -> [String] {
        let selection = stream.map { ["-select_streams", $0] } ?? []
        return try runChecked(
            "ffprobe",
            ["-v", "error"] + selection + ["-show_data_hash", "sha256", "-show_entries", entries, "-of", "csv=p=0"]
                + more + [path]
        ).output.split(separator: "\n").map { String($0).trimmingCharacters(in: CharacterSet(charactersIn: ", ")) }
            .filter { !$0.isEmpty }
    }

    /// Seconds at which the frames of the picture are shown.
    static func frameTimes(_ path: String) throws -> [Double] {
        let input = path.contains("%") ? ["-f", "image2"] : []
        return try lines(path, "v:0", "frame=best_effort_timestamp_time", input).compactMap {
            $0.split(separator: ",").first.flatMap { Double($0) }
        }
    }

    static func check(_ source: String, _ target: String, _ location: SourceLocation = #_sourceLocation) throws {
        let (before, after) = (try frameTimes(source), try frameTimes(target))
        #expect(!before.isEmpty && before.count == after.count, "frames", sourceLocation: location)
        // Containers tick in milliseconds at the coarsest; MPEG-TS begins a little later where it must.
        let tick = 0.00101
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

    private static func checkPackets(
        _ source: String, _ target: String, _ kind: String, _ shift: Double, _ location: SourceLocation
    ) throws {
        let count = try lines(source, kind, "stream=index").count
        #expect(try lines(target, kind, "stream=index").count == count, "\(kind) streams", sourceLocation: location)
        for index in 0..<count {
            let stream = "\(kind):\(index)"
            let tags = "stream_tags=language,title"
            #expect(
                try lines(target, stream, tags) == lines(source, stream, tags), "\(stream)", sourceLocation: location)
            // Text subtitles and sound change their wrapping with the container; the table of `verify` says how.
            let sameContainer = source.split(separator: ".").last == target.split(separator: ".").last
            let entries = sameContainer ? "packet=pts_time,data_hash" : "packet=pts_time"
            let (before, after) = (try packets(source, stream, entries), try packets(target, stream, entries))
            // mp4 fills the gaps between subtitles with packets of its own.
            if kind == "s", !sameContainer { continue }
            #expect(before.count == after.count, "packets of \(stream)", sourceLocation: location)
            for (x, y) in zip(before, after) {
                let inTime = abs((Double(y.time) ?? -1) - (Double(x.time) ?? -2) - shift) <= 0.00101
                if inTime, x.hash == y.hash { continue }
                Issue.record("\(stream): \(x) became \(y)", sourceLocation: location)
                break
            }
        }
    }

    private static func packets(_ path: String, _ stream: String, _ entries: String) throws -> [(
        time: String, hash: String
    )] {
        try lines(path, stream, entries).map { line in
            let parts = line.split(separator: ",").map(String.init)
            return (parts[0], parts.count > 1 ? parts[1] : "")
        }
    }

    /// Chapters, attachments and global tags.
    private static func checkWhole(_ source: String, _ target: String, _ location: SourceLocation) throws {
        for entries in ["chapter=start_time,end_time:chapter_tags=title", "format_tags=title,artist,comment"] {
            let (before, after) = (try lines(source, nil, entries), try lines(target, nil, entries))
            #expect(before == after, "\(entries)", sourceLocation: location)
        }
        let fonts = "stream_tags=filename,mimetype"
        #expect(try lines(target, "t", fonts) == lines(source, "t", fonts), sourceLocation: location)
        let covers = try lines(source, "v", "stream_disposition=attached_pic").filter { $0 == "1" }.count
        #expect(
            try lines(target, "v", "stream_disposition=attached_pic").filter { $0 == "1" }.count == covers,
            sourceLocation: location)
    }

    /// Shape and colour of the picture: what was said is said still.
    private static func checkPicture(_ source: String, _ target: String, _ location: SourceLocation) throws {
        let isRGB = try lines(source, "v:0", "stream=pix_fmt").first?.contains("rgb") ?? false
        var tags = ["color_primaries", "color_transfer"]
        if !isRGB { tags += ["color_space", "color_range"] }
        for tag in tags {
            let before = try lines(source, "v:0", "stream=\(tag)").first ?? "unknown"
            let after = try lines(target, "v:0", "stream=\(tag)").first ?? "unknown"
            if before != "unknown" { #expect(after == before, "\(tag)", sourceLocation: location) }
        }
        let hdr = "frame_side_data=side_data_type,red_x,green_y,max_luminance,min_luminance,max_content,max_average"
        let first = ["-read_intervals", "%+#1"]
        func light(_ path: String) throws -> [String] {
            let wanted = ["Mastering", "Content light"]
            return try lines(path, "v:0", hdr, first).flatMap { line in
                wanted.contains { line.contains($0) } ? [line] : []
            }
        }
        #expect(try light(source) == light(target), sourceLocation: location)
    }
}
