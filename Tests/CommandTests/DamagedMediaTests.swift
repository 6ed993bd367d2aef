import Foundation
import TestSupport
import Testing

/// Files that are broken by a seed: the program ends by itself, says what is lost, offers what helps, and leaves nothing
/// behind. `Scripts/trials/damaged-media` tries many more.
@Suite struct DamagedMediaTests {
    struct Source: Sendable {
        var path: String
        var frames: Int
        var target: String
    }

    /// Made once, in a folder that lasts as long as the tests.
    final class Sources: Sendable {
        let folder: Folder
        let model: String
        let all: [Source]

        init() throws {
            folder = try Folder()
            model = try tinyModel(folder)
            let films: [(String, [String])] = [
                ("mp4", ["-c:v", "libx264", "-g", "10"]), ("mov", ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]),
                ("mkv", ["-c:v", "ffv1"]), ("webm", ["-c:v", "libvpx", "-b:v", "300k"]),
                ("ts", ["-c:v", "mpeg2video"]), ("mpg", ["-c:v", "mpeg1video"]), ("avi", ["-c:v", "mpeg4"]),
                ("flv", ["-c:v", "flv1"]), ("wmv", ["-c:v", "wmv2"]), ("nut", ["-c:v", "mpeg4"]),
                ("ogv", ["-c:v", "libtheora"]), ("y4m", []), ("gif", []), ("apng", []),
            ]
            let pictures: [(String, [String])] = [
                ("png", []), ("jpg", ["-pix_fmt", "yuvj420p"]), ("bmp", []), ("tiff", []), ("webp", []), ("ppm", []),
                ("tga", []), ("jp2", []),
            ]
            var all: [Source] = []
            for (isPicture, table) in [(false, films), (true, pictures)] {
                for (ending, options) in table {
                    let path = folder("whole.\(ending)")
                    let size = isPicture ? ["-frames:v", "1"] : []
                    try runChecked(
                        "ffmpeg",
                        ["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=64x36:rate=25:duration=1"] + size + options
                            + [path])
                    all.append(
                        Source(
                            path: path, frames: try DamagedMediaTests.frames(path),
                            target: isPicture ? "o.png" : "o.mkv"))
                }
            }
            self.all = all
        }
    }

    static let sources = Result { try Sources() }

    enum Kind: CaseIterable { case bits, zeros, noise, removed, inserted, truncated }

    static func damage(_ data: inout Data, _ kind: Kind, _ chance: inout SeededGenerator) {
        let count = data.count
        let length = min(count / 3, 1 << Int.random(in: 0..<11, using: &chance))
        let start = Int.random(in: 0..<(count - length), using: &chance)
        let range = start..<(start + length)
        switch kind {
        case .bits:
            for _ in 0..<Int.random(in: 1...10, using: &chance) {
                data[Int.random(in: 0..<count, using: &chance)] ^= 1 << UInt8.random(in: 0..<8, using: &chance)
            }
        case .zeros: data.resetBytes(in: range)
        case .noise: data.replaceSubrange(range, with: range.map { _ in UInt8.random(in: 0...255, using: &chance) })
        case .removed: data.removeSubrange(range)
        case .inserted: data.insert(contentsOf: data[range], at: start)
        case .truncated: data = data.prefix(max(16, count * Int.random(in: 5..<100, using: &chance) / 100))
        }
    }

    /// What ffmpeg complains of, and how many frames it decodes.
    static func complaints(_ path: String) throws -> String {
        try run("ffmpeg", ["-v", "error", "-nostdin", "-i", path, "-map", "0:v:0", "-f", "null", "-"]).errors
    }

    static func frames(_ path: String) throws -> Int {
        let counted = try run(
            "ffprobe",
            [
                "-v", "error", "-select_streams", "v:0", "-count_frames", "-show_entries", "stream=nb_read_frames",
                "-of", "csv=p=0", path,
            ])
        // A transport stream lists its streams twice.
        return counted.output.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) } ?? 0
    }

    @Test func wholeFilesGiveNoAlarm() throws {
        let sources = try Self.sources.get()
        let folder = try Folder()
        for source in sources.all {
            let result = try Command.run(
                source.path, folder(source.target), "--model", sources.model, "--overwrite", "--progress", "none")
            #expect(result.status == 0, "\(source.path): \(result.errors)")
            for word in ["damaged", "cut short", "cannot", "end early", "begins in"] {
                #expect(!result.errors.contains(word), "\(source.path): \(result.errors)")
            }
            #expect(try Self.frames(folder(source.target)) >= source.frames, "\(source.path)")
        }
    }

    @Test(arguments: 0..<60) func whatIsLostIsSaid(_ seed: UInt64) throws {
        let sources = try Self.sources.get()
        var chance = SeededGenerator(seed: seed)
        let source = sources.all[Int(seed) % sources.all.count]
        let kind = Kind.allCases[Int.random(in: 0..<Kind.allCases.count, using: &chance)]
        let folder = try Folder()
        var data = try Data(contentsOf: URL(fileURLWithPath: source.path))
        Self.damage(&data, kind, &chance)
        let path = folder("in." + source.path.split(separator: ".").last!)
        try data.write(to: URL(fileURLWithPath: path))
        let before = folder.contents

        var results: [ProcessResult] = []
        for options in [[], ["--keep-going"]] {
            let result = try Command.run(
                [path, folder(source.target), "--model", sources.model, "--progress", "none"] + options)
            let about: Comment = "\(kind) \(options): \(result.status) \(result.errors)"
            #expect(result.status == 0 || result.status == 1, about)
            #expect(result.errors.split(separator: "\n").count <= 3, about)
            for remedy in ["free space", "permissions", "check the disk", "--start", "--duration", "another codec"] {
                #expect(!result.errors.contains(remedy), about)
            }
            #expect(folder.contents == (result.status == 0 ? (before + [source.target]).sorted() : before), about)
            let told = result.errors.split(separator: "\n").filter { !$0.contains("is written as") }
            if result.status == 0, told.isEmpty {
                #expect(try Self.frames(folder(source.target)) >= source.frames, about)
                let lines = try Self.complaints(path)
                #expect(lines.isEmpty, "\(kind) \(options): \(lines)")
            }
            if result.status == 0 { try FileManager.default.removeItem(atPath: folder(source.target)) }
            results.append(result)
        }
        if results[0].errors.contains("--keep-going") {
            #expect(results[1].status == 0, "\(kind): \(results[0].errors) \(results[1].errors)")
        }
    }
}
