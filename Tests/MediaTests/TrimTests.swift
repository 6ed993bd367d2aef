import Media
import TestSupport
import Testing

/// `--start` and `--duration`: the same frames as in the whole file, earlier by exactly the start.
@Suite struct TrimTests {
    @Test(arguments: ["mp4", "mkv", "ts"]) func keepsWhatWasAskedFor(_ ending: String) throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.\(ending)")
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=8", "-f", "lavfi", "-i", "sine=duration=8",
            "-c:v",
            "libx264", "-g", "60", "-bf", "3", "-c:a", "aac", input,
        ])
        let all = try Self.read(input, ReaderOptions())
        #expect(all.times.count == 200)
        let options = ReaderOptions(start: 3.2, duration: 2)
        let reader = try MediaReader(path: input, options: options)
        let timeBase = reader.video.timeBase.value
        #expect(abs((reader.video.durationSeconds ?? 0) - 2) < 0.01)
        #expect(abs((reader.video.frameCountEstimate ?? 0) - 50) <= 1)
        let part = try Self.read(input, options)
        let begin = reader.source.startSeconds + 3.2
        let expected = all.times.filter {
            Double($0) * timeBase >= begin - 1e-6 && Double($0) * timeBase < begin + 2 - 1e-6
        }
        #expect(part.times.count == 50)
        let shift = Int64((3.2 / timeBase).rounded())
        #expect(part.times == expected.map { $0 - shift })
        // 44100 Hz in frames of 1024 samples.
        #expect((84...88).contains(part.packets.count))
        #expect(part.packets.allSatisfy { $0 >= reader.source.startSeconds && $0 < reader.source.startSeconds + 2 })
    }

    static func read(_ path: String, _ options: ReaderOptions) throws -> (times: [Int64], packets: [Double]) {
        let reader = try MediaReader(path: path, options: options)
        var result: (times: [Int64], packets: [Double]) = ([], [])
        while let event = try reader.next() {
            switch event {
            case .frame(let frame): result.times.append(frame.timestamp)
            case .packet(let packet):
                let base = try #require(reader.copiedStreams.first { $0.index == packet.streamIndex }).timeBase
                result.packets.append(Double(packet.timestamp ?? 0) * base.value)
            }
        }
        return result
    }

    @Test func beyondTheEnd() throws {
        let folder = try TemporaryFolder()
        let input = folder.file("in.mp4")
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=1", "-c:v", "libx264", input])
        #expect(try Self.read(input, ReaderOptions(start: 30)).times.isEmpty)
        #expect(try Self.read(input, ReaderOptions(duration: 0.2)).times.count == 5)
        #expect(try Self.read(input, ReaderOptions(start: 0.96)).times.count == 1)
    }
}

/// Going to another place of an opened file.
@Suite struct RestartTests {
    private func options() -> ReaderOptions { ReaderOptions(decoderThreads: 1, copiesStreams: false) }

    private func planes(_ frame: VideoFrame) -> [UInt8] {
        (0..<frame.planeCount).flatMap { plane in
            frame.withPlane(plane) { first, stride in
                let (rows, bytes) = plane == 0 ? (frame.height, frame.width) : (frame.height / 2, frame.width / 2)
                return (0..<rows).flatMap { Array(UnsafeRawBufferPointer(start: first + $0 * stride, count: bytes)) }
            }
        }
    }

    /// Three frames from each of several places, back and forth and after the end: the frames that reading from the
    /// beginning gives, whatever was read before.
    @Test(arguments: ["mp4", "mkv", "ts"]) func theSameFrames(_ ending: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("in.\(ending)")
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=4", "-pix_fmt", "yuv420p", "-c:v", "libx264",
            "-g",
            "30", "-bf", "2", path,
        ])
        let linear = try MediaReader(path: path, options: options())
        var frames: [(time: Double, bytes: [UInt8])] = []
        while case .frame(let frame)? = try linear.next() {
            let seconds = Double(frame.timestamp) * linear.video.timeBase.value - linear.source.startSeconds
            frames.append((seconds, planes(frame)))
        }
        #expect(frames.count == 100)
        #expect(try linear.next() == nil)
        for place in [50, 3, 97, 0, 99, 31, 29, 60] {
            linear.restart(at: frames[place].time - 0.01)
            for number in place..<min(place + 3, 100) {
                guard case .frame(let frame)? = try linear.next() else {
                    Issue.record("no frame \(number)")
                    return
                }
                #expect(planes(frame) == frames[number].bytes)
            }
            if place >= 98 { #expect(try linear.next() == nil) }
        }
    }

    /// Strips of rows are the rows of the whole picture.
    @Test(arguments: ["yuv420p", "yuv422p10le", "rgb24", "pal8"]) func strips(_ format: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.file(format == "pal8" || format == "rgb24" ? "in.png" : "in.mkv")
        try Tools.make([
            "-f", "lavfi", "-i", "testsrc2=size=70x46", "-vf", "scale=69:45", "-frames:v", "1", "-pix_fmt", format,
            "-c:v", path.hasSuffix("png") ? "png" : "ffv1", path,
        ])
        let reader = try MediaReader(path: path, options: options())
        guard case .frame(let frame)? = try reader.next() else {
            Issue.record("no frame")
            return
        }
        let converter = PixelConverter(decoding: reader.video)
        var whole = [Float](repeating: 0, count: 69 * 45 * 3)
        try whole.withUnsafeMutableBufferPointer { try converter.rgb(from: frame, into: $0) }
        for height in [1, 7, 16, 45, 100] {
            var pieces: [Float] = []
            var next = 0
            try converter.rgb(from: frame, rowsAtATime: height) { rows, pixels in
                #expect(rows.lowerBound == next && rows.count <= height)
                next = rows.upperBound
                pieces += pixels
            }
            #expect(pieces == whole)
        }
    }
}
