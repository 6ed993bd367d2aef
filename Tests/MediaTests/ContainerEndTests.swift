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

    /// Blocks that were cut out so that those before and behind them join leave an image with too few pixels.
    @Test func pixelsOfAGIFAreCounted() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("in.gif")
        func lack(_ images: [GIF.Image]) throws -> String? {
            try GIF.file(images).write(to: URL(fileURLWithPath: path))
            return ContainerEnd.lack(in: path, format: "gif")
        }
        // The table of an image with few colors reaches into the codes of a later one's colors.
        let whole = [2, 3, 8, 4].map { GIF.Image(width: 40, height: 30, bits: $0) }
        #expect(try lack(whole) == nil)
        for index in whole.indices {
            var images = whole
            images[index].missing = 1
            let found = try #require(try lack(images))
            #expect(found.contains("1199 pixels in place of 1200"), "\(found)")
        }
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=0.2", path])
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        // The first of the blocks of 255 bytes, which all but the last of an image are.
        let start = try #require(
            data.indices.first { data[$0] == 255 && data[$0 + 256] == 255 && data[$0 + 512] == 255 })
        try (data[..<start] + data[(start + 256)...]).write(to: URL(fileURLWithPath: path))
        #expect(try #require(ContainerEnd.lack(in: path, format: "gif")).contains("pixels in place of 6144"))
    }
}

/// GIFs without compression: each pixel is a code of its own, while the table of strings grows as the format wants it.
private enum GIF {
    struct Image {
        var width: Int
        var height: Int
        var bits: Int
        /// Pixels that are left out.
        var missing = 0

        var codes: [UInt8] {
            var (bytes, pending, count) = ([UInt8](), 0, 0)
            func put(_ code: Int, _ width: Int) {
                pending |= code << count
                count += width
                while count >= 8 {
                    bytes.append(UInt8(pending & 255))
                    pending >>= 8
                    count -= 8
                }
            }
            let clear = 1 << bits
            var (next, codeWidth) = (4096, bits + 1)
            for pixel in 0..<(width * height - missing) {
                if next == 4096 {
                    put(clear, codeWidth)
                    (next, codeWidth) = (clear + 1, bits + 1)
                }
                put(pixel * 7 % clear, codeWidth)
                next += 1
                if next == 1 << codeWidth, codeWidth < 12 { codeWidth += 1 }
            }
            put(clear + 1, codeWidth)
            put(0, 7)
            return bytes
        }
    }

    static func file(_ images: [Image]) -> Data {
        var bytes = Array("GIF89a".utf8)
        func put(_ values: Int...) {
            for value in values { bytes += [UInt8(value & 255), UInt8(value >> 8)] }
        }
        put(64, 64)
        bytes += [0, 0, 0]
        for image in images {
            bytes.append(0x2C)
            put(0, 0, image.width, image.height)
            bytes.append(0x80 | UInt8(image.bits - 1))
            bytes += [UInt8](repeating: 128, count: 3 << image.bits)
            bytes.append(UInt8(image.bits))
            let codes = image.codes
            for start in stride(from: 0, to: codes.count, by: 255) {
                let block = codes[start..<min(start + 255, codes.count)]
                bytes.append(UInt8(block.count))
                bytes += block
            }
            bytes.append(0)
        }
        bytes.append(0x3B)
        return Data(bytes)
    }
}
