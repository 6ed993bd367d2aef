import Foundation
import TestSupport
import Testing

@testable import Media

/// What is damaged is counted by kind and told, and the remedies fit.
@Suite struct DamageTests {
    static func clip(_ folder: TemporaryFolder, _ name: String, _ options: [String]) throws -> String {
        let path = folder.file(name)
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=2"] + options + [path])
        return path
    }

    /// Where the video's packets lie in a file.
    static func packets(_ path: String) throws -> [(position: Int, size: Int)] {
        let listed = try runChecked(
            "ffprobe",
            ["-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pos,size", "-of", "csv=p=0", path])
        return listed.output.split(separator: "\n").compactMap { line in
            let numbers = line.split(separator: ",").compactMap { Int($0) }
            return numbers.count >= 2 ? (numbers[1], numbers[0]) : nil
        }
    }

    static func overwrite(_ path: String, _ range: Range<Int>, with byte: UInt8) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        data.replaceSubrange(range, with: Data(repeating: byte, count: range.count))
        try data.write(to: URL(fileURLWithPath: path))
    }

    /// Noise in the middle of the 20th packet: the decoder makes up what it cannot read.
    @Test func framesThatAreMadeUpAreCounted() throws {
        let folder = try TemporaryFolder()
        let path = try Self.clip(folder, "in.mkv", ["-c:v", "mpeg4", "-q:v", "2", "-g", "10"])
        let packet = try Self.packets(path)[20]
        let middle = packet.position + packet.size / 2
        try Self.overwrite(path, middle..<(middle + 60), with: 0xA5)

        let strict = try MediaReader(path: path)
        let error = try BadInputTests.failure { while try strict.next() != nil {} }
        guard case .corrupt(path, let seconds, _, _) = error else {
            Issue.record("\(error)")
            return
        }
        #expect((seconds ?? 0) > 0.7 && error.description.contains("tolerate the damage"))
        let reader = try MediaReader(path: path, options: ReaderOptions(toleratesDamage: true))
        #expect(try ColorTests.frames(reader).count == 50)
        #expect(reader.damage.counts[.concealed, default: 0] >= 1, "\(reader.damage)")
        let words = reader.damage.description(of: path)
        #expect(
            words.hasPrefix("\(path): is damaged or cut short at ") && words.contains("made up in part"), "\(words)")
        #expect(!words.contains("\n") && words.hasSuffix("went on with what could be decoded."))
    }

    /// libav's demuxer of NUT looks for the next thing that it knows and says nothing.
    @Test func bytesThatNUTPassesOverAreDamage() throws {
        let folder = try TemporaryFolder()
        let path = try Self.clip(folder, "in.nut", ["-c:v", "mpeg4", "-q:v", "2", "-g", "10"])
        let whole = try MediaReader(path: path)
        while try whole.next() != nil {}
        #expect(whole.damage.isEmpty)
        let packets = try Self.packets(path)
        // The head of one frame and what follows, up to the middle of a later one.
        try Self.overwrite(path, (packets[22].position - 12)..<(packets[24].position + 100), with: 0)
        let strict = try MediaReader(path: path)
        #expect(throws: MediaError.self) { while try strict.next() != nil {} }
        let reader = try MediaReader(path: path, options: ReaderOptions(toleratesDamage: true))
        #expect(try ColorTests.frames(reader).count < 50)
        #expect(!reader.damage.isEmpty)
    }

    /// libav's demuxer of GIF passes over blocks that it does not know.
    @Test func bytesThatGIFPassesOverAreDamage() throws {
        let folder = try TemporaryFolder()
        let path = try Self.clip(folder, "in.gif", [])
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let blocks = data.indices.filter { data[$0...].starts(with: [0x21, 0xF9, 0x04]) }
        #expect(ContainerEnd.lack(in: path, format: "gif") == nil && blocks.count == 50)
        try Self.overwrite(path, blocks[20]..<(blocks[20] + 1), with: 0x42)
        #expect(ContainerEnd.lack(in: path, format: "gif")?.contains("\(blocks[20])") == true)
    }

    /// A file of which no frame can be decoded offers nothing that would not help.
    @Test func whereNothingCanBeSavedNothingIsOffered() throws {
        let folder = try TemporaryFolder()
        let path = try Self.clip(folder, "in.gif", ["-t", "0.2"])
        // A label of a block that there is not, in front of the first picture.
        var bytes = try PictureFiles.read(path)
        let first = try #require((13..<bytes.count).first { bytes[$0] == 0x21 && bytes[$0 + 1] == 0xF9 })
        bytes.removeSubrange(first..<(bytes.count - 1))
        try PictureFiles.write(bytes, path)
        for tolerates in [false, true] {
            let error = try BadInputTests.failure {
                let reader = try MediaReader(path: path, options: ReaderOptions(toleratesDamage: tolerates))
                while try reader.next() != nil {}
            }
            for word in ["tolerate", "the start", "disk", "permissions", "fuller"] {
                #expect(!error.description.contains(word), "\(error)")
            }
        }
    }

    /// Sound that its container does not take is left out where that is asked for, and otherwise named.
    @Test func damagedCopiedPackets() throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mkv")
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=2", "-f", "lavfi", "-i",
            "sine=duration=2:r=48000",
            "-c:v", "mpeg4", "-c:a", "ac3", input,
        ])
        // Of the tenth packet of sound the synchronisation word is lost, without which the muxer of mp4 cannot go on.
        let listed = try runChecked(
            "ffprobe",
            ["-v", "error", "-select_streams", "a:0", "-show_entries", "packet=pos", "-of", "csv=p=0", input])
        let positions = listed.output.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }
        let position = try #require(positions.dropFirst(9).first) + 4
        try Self.overwrite(input, position..<(position + 6), with: 0)

        func copy(_ tolerates: Bool) throws -> [String] {
            let reader = try MediaReader(path: input, options: ReaderOptions(toleratesDamage: tolerates))
            let writer = try MediaWriter(
                path: folder.file("out.mp4"), source: reader, width: 96, height: 64,
                settings: EncoderSettings(preset: "ultrafast"), overwrite: true)
            let (decode, encode) = (PixelConverter(decoding: reader.video), writer.frameFactory())
            while let event = try reader.next() {
                switch event {
                case .frame(let frame): try writer.write(try Copier.identity(frame, decode, encode))
                case .packet(let packet): try writer.write(packet)
                }
            }
            try writer.finish()
            return writer.notes
        }
        do {
            _ = try copy(false)
            return  // This libavformat takes such packets.
        } catch let error as MediaError {
            guard case .corruptStream(input, _, _, _) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(error.description.contains("tolerate the damage"))
        }
        let notes = try copy(true)
        #expect(notes.contains { $0.contains("1 ") && $0.contains("left out") }, "\(notes)")
        #expect(try Tools.frameTimes(folder.file("out.mp4")).count == 50)
        #expect(try Tools.packets(folder.file("out.mp4"), "a:0").count == positions.count - 1)
    }

    /// A list of files is not followed, whether it comes as a file or through a pipe.
    @Test(arguments: ["m3u8"]) func listsAreNotFollowed(_ kind: String) throws {
        let folder = try TemporaryFolder()
        let clip = try Self.clip(folder, "clip.ts", ["-c:v", "mpeg2video", "-t", "0.2"])
        let text =
            switch kind {
            case "m3u8":
                "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.2,\n\(clip)\n#EXT-X-ENDLIST\n"
            case "ffconcat": "ffconcat version 1.0\nfile '\(clip)'\n"
            default:
                """
                <?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles=
                "urn:mpeg:dash:profile:isoff-main:2011" mediaPresentationDuration="PT0.2S"><Period><AdaptationSet \
                mimeType="video/mp2t"><Representation id="1" bandwidth="1"><BaseURL>file://\(clip)</BaseURL>\
                <SegmentList duration="1"><SegmentURL media="clip.ts"/></SegmentList></Representation></AdaptationSet>\
                </Period></MPD>
                """
            }
        let path = folder.file("list.\(kind)")
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let pipe = try folder.pipe("pipe")
        for name in [path, pipe] {
            let feed = name == pipe ? try Companion("sh", ["-c", "cat '\(path)' > '\(pipe)'"]) : nil
            let error = try BadInputTests.failure {
                let reader = try MediaReader(path: name)
                while try reader.next() != nil {}
            }
            switch error {
            case .playlist(name), .notMedia(name, _): break
            default: Issue.record("\(name): \(error)")
            }
            if kind != "mpd", name == path { #expect(error == .playlist(path: path)) }
            withExtendedLifetime(feed) {}
        }
    }
}
