import Foundation
import Media
import TestSupport
import Testing

/// Each kind of bad input gives its own error, names the thing in one line, and leaves nothing behind.
@Suite struct BadInputTests {
    static func clip(_ folder: TemporaryFolder, _ name: String = "in.mp4", extra: [String] = []) throws -> String {
        let path = folder.file(name)
        try Tools.make(
            [
                "-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=4", "-f", "lavfi", "-i", "sine=duration=4",
                "-c:v",
                "libx264", "-preset", "veryfast", "-g", "25",
            ] + extra + [path])
        return path
    }

    static func failure(_ body: () throws -> Void) throws -> MediaError {
        let error = #expect(throws: MediaError.self) { try body() }
        let found = try #require(error)
        #expect(!found.description.contains("\n"))
        #expect(found.description.hasSuffix("."))
        return found
    }

    @Test func inputs() throws {
        let folder = try TemporaryFolder()
        let missing = folder.file("nowhere.mp4")
        #expect(try Self.failure { _ = try MediaReader(path: missing) } == .missingFile(path: missing))
        #expect(try Self.failure { _ = try MediaReader(path: folder.path) } == .isFolder(path: folder.path))

        for name in ["text.txt", "text.mp4", "text", "text.mkv"] {
            let path = folder.file(name)
            try Data(String(repeating: "It was a dark and stormy night; the rain fell in torrents.\n", count: 40).utf8)
                .write(to: URL(fileURLWithPath: path))
            let error = try Self.failure { _ = try MediaReader(path: path) }
            guard case .notMedia(path, _) = error else {
                Issue.record("\(name): \(error)")
                continue
            }
        }
        let empty = folder.file("empty.mp4")
        try Data().write(to: URL(fileURLWithPath: empty))
        guard case .notMedia = try Self.failure({ _ = try MediaReader(path: empty) }) else {
            Issue.record("an empty file is no media file")
            return
        }
        let noise = folder.file("noise.mp4")
        try Data((0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) })
            .write(to: URL(fileURLWithPath: noise))
        let noiseError = try Self.failure { _ = try MediaReader(path: noise) }
        guard case .notMedia = noiseError else {
            Issue.record("noise: \(noiseError)")
            return
        }

        let sound = folder.file("sound.mp4")
        try Tools.make(["-f", "lavfi", "-i", "sine=duration=1", sound])
        let error = try Self.failure { _ = try MediaReader(path: sound) }
        guard case .noVideo(sound, let streams) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(streams.contains("aac"))
    }

    @Test func outputs() throws {
        let folder = try TemporaryFolder()
        let input = try Self.clip(folder)
        let before = folder.contents
        let reader = try MediaReader(path: input)
        func open(_ path: String, _ settings: EncoderSettings = EncoderSettings(), overwrite: Bool = false) throws {
            let writer = try MediaWriter(
                path: path, source: reader, width: 320, height: 240, settings: settings, overwrite: overwrite)
            writer.abandon()
        }
        #expect(try Self.failure { try open(input, overwrite: true) } == .outputIsInput(path: input))
        let exists = folder.file("exists.mp4")
        try Data("precious".utf8).write(to: URL(fileURLWithPath: exists))
        #expect(try Self.failure { try open(exists) } == .outputExists(path: exists))
        try open(exists, overwrite: true)
        #expect(try Data(contentsOf: URL(fileURLWithPath: exists)) == Data("precious".utf8))
        #expect(try Self.failure { try open(folder.path) } == .outputIsFolder(path: folder.path))
        let lost = folder.file("no/such/out.mp4")
        #expect(
            try Self.failure { try open(lost) } == .folderMissing(path: lost, folder: folder.file("no/such")))
        // Not even root may make files there.
        guard case .folderNotWritable("/proc/out.mp4", "/proc", _) = try Self.failure({ try open("/proc/out.mp4") })
        else {
            Issue.record("/proc is not writable")
            return
        }
        for name in ["out", "out.xyz", "out.doc"] {
            #expect(
                try Self.failure { try open(folder.file(name)) } == .unknownContainer(path: folder.file(name)))
        }
        let target = folder.file("out.mp4")
        guard
            case .unknownEncoder("libx263", let known) = try Self.failure({ try open(target, .init(codec: "libx263")) })
        else {
            Issue.record("libx263 does not exist")
            return
        }
        #expect(known.contains("libx264"))
        #expect(
            try Self.failure { try open(target, .init(pixelFormat: "yuv999p")) } == .unknownPixelFormat(name: "yuv999p")
        )
        guard
            case .encoderRefusesPixelFormat("libx264", "rgb24", _) = try Self.failure({
                try open(target, .init(pixelFormat: "rgb24"))
            })
        else {
            Issue.record("libx264 takes no rgb24")
            return
        }
        #expect(
            try Self.failure { try open(target, .init(options: [("tine", "grain")])) }
                == .unknownEncoderOption(key: "tine", encoder: "libx264"))
        #expect(
            try Self.failure { try open(target, .init(preset: "hasty")) }
                == .badEncoderOption(key: "preset", value: "hasty", encoder: "libx264"))
        let badOption = try Self.failure { try open(target, .init(options: [("g", "many")])) }
        guard case .badEncoderOption("g", "many", _) = badOption else {
            Issue.record("\(badOption)")
            return
        }
        guard case .containerRefuses = try Self.failure({ try open(folder.file("out.webm"), .init(codec: "libx264")) })
        else {
            Issue.record("webm holds no H.264")
            return
        }
        #expect(folder.contents == (before + ["exists.mp4"]).sorted())
    }

    @Test func nothingIsLeftBehind() throws {
        let folder = try TemporaryFolder()
        let input = try Self.clip(folder)
        let target = folder.file("out.mp4")
        do {
            let writer = try MediaWriter(path: target, source: MediaReader(path: input), width: 160, height: 120)
            #expect(folder.contents.count == 2)
            #expect(folder.contents.contains { $0.hasPrefix(".out.mp4.upframe-") })
            withExtendedLifetime(writer) {}
        }
        #expect(folder.contents == ["in.mp4"])
        let writer = try MediaWriter(path: target, source: MediaReader(path: input), width: 160, height: 120)
        #expect(try Self.failure { try writer.finish() } == .nothingWritten(path: target))
        let interrupted = try MediaWriter(path: target, source: MediaReader(path: input), width: 160, height: 120)
        #expect(try interrupted.finishInterrupted() == nil)
        #expect(folder.contents == ["in.mp4"])
    }

    @Test func aPictureHoldsOneFrame() throws {
        let folder = try TemporaryFolder()
        let input = try Self.clip(folder)
        let target = folder.file("out.png")
        #expect(try Self.failure { try Copier(settings: .init()).copy(input, target) } == .onePictureOnly(path: target))
        #expect(folder.contents == ["in.mp4"])
        try Copier(options: .init(start: 2, duration: 0.04), settings: .init()).copy(input, target)
        #expect(try Tools.stream(target)["codec_name"] as? String == "png")
    }

    /// The reader delivers what is there, says where the data ended, and what was written until then is playable.
    @Test(arguments: ["mp4 with its index in front", "mkv"]) func truncatedPayload(_ kind: String) throws {
        let folder = try TemporaryFolder()
        let whole = try Self.clip(
            folder, kind == "mkv" ? "in.mkv" : "in.mp4", extra: kind == "mkv" ? [] : ["-movflags", "+faststart"])
        let cut = folder.file(kind == "mkv" ? "cut.mkv" : "cut.mp4")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: whole))
        for share in [0.5, 0.8, 0.97] {
            try bytes.prefix(Int(Double(bytes.count) * share)).write(to: URL(fileURLWithPath: cut))
            let reader = try MediaReader(path: cut)
            let writer = try MediaWriter(
                path: folder.file("out.mp4"), source: reader, width: 160, height: 120,
                settings: EncoderSettings(preset: "ultrafast"), overwrite: true)
            let decode = PixelConverter(decoding: reader.video)
            let encode = try PixelConverter(
                encodingWidth: 160, height: 120, pixelFormat: writer.pixelFormat, color: writer.color)
            var pixels = [Float](repeating: 0, count: 160 * 120 * 3)
            var times: [Int64] = []
            let error = try Self.failure {
                while let event = try reader.next() {
                    guard case .frame(let frame) = event else { continue }
                    times.append(frame.timestamp)
                    try pixels.withUnsafeMutableBufferPointer { try decode.rgb(from: frame, into: $0) }
                    try writer.write(
                        pixels.withUnsafeBufferPointer {
                            try encode.frame(
                                fromRGB: $0, width: 160, height: 120, timestamp: frame.timestamp,
                                duration: frame.duration)
                        })
                }
            }
            guard case .truncated(cut, let seconds, _) = error else {
                Issue.record("\(share): \(error)")
                continue
            }
            #expect(seconds ?? -1 > 4 * share - 1.5)
            #expect(times.count > Int(100 * share) - 40 && times.count < 100)
            #expect(try reader.next() == nil)
            let part = try #require(try writer.finishInterrupted())
            #expect(try Tools.frameTimes(part).count == times.count)
        }
    }

    @Test func missingIndex() throws {
        let folder = try TemporaryFolder()
        let bytes = try Data(contentsOf: URL(fileURLWithPath: try Self.clip(folder)))
        let cut = folder.file("cut.mp4")
        try bytes.prefix(bytes.count / 2).write(to: URL(fileURLWithPath: cut))
        guard case .truncated(cut, nil, let reason) = try Self.failure({ _ = try MediaReader(path: cut) }) else {
            Issue.record("an mp4 without moov is truncated")
            return
        }
        #expect(reason.contains("moov"))
    }

    /// A picture of garbage in the middle of the stream: an error with the place, or every other frame when tolerated.
    @Test func corruptPackets() throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mkv")
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=2", "-c:v", "png", "-pix_fmt", "rgb24", input,
        ])
        var bytes = try Data(contentsOf: URL(fileURLWithPath: input))
        // The 21st picture claims a width of nought; its 17th byte is where the width begins.
        var position = bytes.startIndex
        let signature = Data([0x89, 0x50, 0x4E, 0x47])
        for _ in 0..<20 {
            position = try #require(bytes.range(of: signature, in: position..<bytes.endIndex)).upperBound
        }
        let target = try #require(bytes.range(of: signature, in: position..<bytes.endIndex))
        bytes.replaceSubrange(target.lowerBound + 16..<target.lowerBound + 20, with: [0, 0, 0, 0])
        let broken = folder.file("broken.mkv")
        try bytes.write(to: URL(fileURLWithPath: broken))

        let reader = try MediaReader(path: broken)
        var count = 0
        let error = try Self.failure {
            while try reader.next() != nil { count += 1 }
        }
        guard case .corrupt(broken, let seconds, _, _) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(count == 20)
        #expect(seconds ?? 0 >= 0.8)
        let tolerant = try MediaReader(path: broken, options: ReaderOptions(toleratesDamage: true))
        let kept = try ColorTests.frames(tolerant).count
        #expect(kept == 49)
        #expect(tolerant.damagedPackets == 1)
    }

    /// A picture that is cut short, and one that lacks a piece in its middle: libav would fill up the JPEGs with grey.
    @Test func damagedPictures() throws {
        let folder = try TemporaryFolder()
        for name in ["whole.jpg", "whole.png"] {
            try runChecked(
                "ffmpeg",
                ["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240", "-frames:v", "1", folder.file(name)])
        }
        let jpeg = try Data(contentsOf: URL(fileURLWithPath: folder.file("whole.jpg")))
        let png = try Data(contentsOf: URL(fileURLWithPath: folder.file("whole.png")))
        for (name, data, isLost) in [
            ("half.jpg", jpeg.prefix(jpeg.count / 2), false), ("half.png", png.prefix(png.count / 2), true),
            ("gap.jpg", jpeg.prefix(jpeg.count / 2) + jpeg.suffix(jpeg.count / 4), false),
        ] as [(String, Data, Bool)] {
            let path = folder.file(name)
            try data.write(to: URL(fileURLWithPath: path))
            let reader = try MediaReader(path: path)
            let error = try Self.failure { _ = try reader.next() }
            guard case .damagedPicture(path, let reason, isLost) = error else {
                Issue.record("\(error)")
                continue
            }
            // What would not help is not offered.
            #expect(!reason.isEmpty && error.description.contains("tolerate the damage") != isLost)
            #expect(try reader.next() == nil)
            let tolerant = try MediaReader(path: path, options: ReaderOptions(toleratesDamage: true))
            if isLost {
                let error = try Self.failure { _ = try tolerant.next() }
                #expect(error == .damagedPicture(path: path, reason: reason, isLost: true))
                #expect(!error.description.contains("tolerate the damage"))
            } else {
                #expect(try ColorTests.frames(tolerant).count == 1)
            }
            let damage = tolerant.damage
            #expect(damage.count == 1 && damage.path == path && damage.reason == reason)
            let bytes = [UInt8](data)
            #expect(throws: MediaError.self) { _ = try PictureCodec.decode(bytes, name: name) }
        }
        // What stands behind the end is no damage.
        try (jpeg + Data(repeating: 0x41, count: 99)).write(to: URL(fileURLWithPath: folder.file("tail.jpg")))
        #expect(try ColorTests.frames(MediaReader(path: folder.file("tail.jpg"))).count == 1)
    }

    @Test func interruption() throws {
        let folder = try TemporaryFolder()
        let input = try Self.clip(folder)
        let reader = try MediaReader(path: input)
        #expect(try reader.next() != nil)
        let interrupter = reader.interrupter
        interrupter.interrupt()
        #expect(try Self.failure { _ = try reader.next() } == .interrupted(path: input))
    }
}
