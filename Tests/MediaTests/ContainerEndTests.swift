import Foundation
import TestSupport
import Testing

@testable import Media

/// A file that is whole lacks nothing; one that is cut says what it lacks, as far as its container has an end.
@Suite struct ContainerEndTests {
    struct Kind: Sendable, CustomTestStringConvertible {
        var ending: String
        var format: String
        var arguments: [String] = []
        var testDescription: String { ([ending] + arguments).joined(separator: " ") }
    }

    static let kinds = [
        Kind(ending: "mp4", format: "mov,mp4,m4a,3gp,3g2,mj2", arguments: ["-movflags", "+faststart"]),
        Kind(ending: "mp4", format: "mov,mp4,m4a,3gp,3g2,mj2", arguments: ["-movflags", "+frag_keyframe+empty_moov"]),
        Kind(ending: "mkv", format: "matroska,webm"), Kind(ending: "avi", format: "avi"),
        Kind(ending: "asf", format: "asf", arguments: ["-c:v", "wmv2"]),
        Kind(ending: "flv", format: "flv", arguments: ["-c:v", "flv1"]), Kind(ending: "nut", format: "nut"),
        Kind(ending: "gif", format: "gif"), Kind(ending: "apng", format: "apng"),
        Kind(ending: "ogv", format: "ogg", arguments: ["-c:v", "libtheora"]),
        Kind(ending: "webp", format: "webp_pipe", arguments: ["-frames:v", "1"]),
        Kind(ending: "mjpeg", format: "mjpeg"),
    ]

    @Test(arguments: kinds) func aCutIsSeen(_ kind: Kind) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("in.\(kind.ending)")
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1"] + kind.arguments + [path])
        #expect(ContainerEnd.lack(in: path, format: kind.format) == nil)
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        for cut in [1, 7, 100, whole.count / 3, whole.count / 2] {
            // A cut between the boxes, pages or packets of a file is no cut; by these numbers it is none.
            try whole.prefix(whole.count - cut).write(to: URL(fileURLWithPath: path))
            #expect(ContainerEnd.lack(in: path, format: kind.format) != nil, "\(cut) of \(whole.count) bytes off")
        }
    }

    @Test(arguments: ["ts", "y4m", "h264"]) func noEndNoLack(_ ending: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("in.\(ending)")
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1", "-pix_fmt", "yuv420p", path])
        let format = ["ts": "mpegts", "y4m": "yuv4mpegpipe", "h264": "h264"][ending]!
        #expect(ContainerEnd.lack(in: path, format: format) == nil)
    }

    /// A stream that was written without going back says no length, and has none to fall short of.
    @Test(arguments: ["matroska", "avi", "flv", "asf_stream"]) func streamsSayNoLength(_ container: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("in.bin")
        let codec = container == "flv" ? ["-c:v", "flv1"] : ["-c:v", "mpeg4"]
        let made = try runChecked(
            "ffmpeg",
            ["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1"] + codec + [
                "-f", container, "-",
            ])
        try made.stdout.write(to: URL(fileURLWithPath: path))
        let format = ["matroska": "matroska,webm", "asf_stream": "asf"][container] ?? container
        #expect(ContainerEnd.lack(in: path, format: format) == nil)
    }

    /// What stands behind the end of an mp4 is not its own.
    @Test func bytesBehindTheEnd() throws {
        let folder = try TemporaryFolder()
        for ending in ["mp4", "mjpeg", "gif"] {
            let path = folder.file("in.\(ending)")
            try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1", path])
            let whole = try Data(contentsOf: URL(fileURLWithPath: path))
            try (whole + Data(count: 50)).write(to: URL(fileURLWithPath: path))
            let format = ["mp4": "mov,mp4,m4a,3gp,3g2,mj2"][ending] ?? ending
            #expect(ContainerEnd.lack(in: path, format: format) == nil, "\(ending)")
        }
    }
}
