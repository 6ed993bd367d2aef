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
