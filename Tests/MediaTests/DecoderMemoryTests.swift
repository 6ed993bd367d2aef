import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Media

/// Decoders that write into others' memory give the same pictures as those that write into their own.
@Suite struct DecoderMemoryTests {
    /// A few pieces of memory that go round.
    private final class Lender: Sendable {
        let bytes: Int
        let count: Int
        private nonisolated(unsafe) let base: UnsafeMutableRawPointer
        private let free: Mutex<[Int]>

        init(bytes: Int, count: Int) {
            (self.bytes, self.count) = (bytes, count)
            base = .allocate(byteCount: bytes * count, alignment: 64)
            free = Mutex(Array(0..<count))
        }

        deinit { base.deallocate() }

        var lent: Int { count - free.withLock { $0.count } }
        func holds(_ address: UnsafeRawPointer) -> Bool {
            (0..<bytes * count).contains(address - UnsafeRawPointer(base))
        }

        private final class Piece: Sendable {
            let lender: Lender
            let index: Int
            init(_ lender: Lender, _ index: Int) { (self.lender, self.index) = (lender, index) }
            deinit { lender.free.withLock { [index] in $0.append(index) } }
        }

        func lend() -> PictureMemory? {
            guard let index = free.withLock({ $0.popLast() }) else { return nil }
            let memory = base + index * bytes
            // Whoever reads what was never written is seen.
            memset(memory, 0xA5, bytes)
            return PictureMemory(memory, bytes: bytes, owner: Piece(self, index))
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var arguments: [String]
        var format = "yuv420p"
        var size = "78x46"
        var container = "mkv"
        var testDescription: String { "\(name) \(format) \(size)" }
    }

    static let cases = [
        Case(name: "h264", arguments: ["-c:v", "libx264", "-bf", "3", "-refs", "4", "-g", "20"]),
        // The decoder crops whole blocks to this.
        Case(name: "h264", arguments: ["-c:v", "libx264", "-bf", "2"], size: "34x18"),
        Case(name: "h264 4:4:4", arguments: ["-c:v", "libx264"], format: "yuv444p"),
        Case(name: "h264 10 bits", arguments: ["-c:v", "libx264"], format: "yuv422p10le"),
        Case(name: "hevc", arguments: ["-c:v", "libx265", "-x265-params", "log-level=none"], size: "98x66"),
        Case(
            name: "hevc 10 bits", arguments: ["-c:v", "libx265", "-x265-params", "log-level=none"],
            format: "yuv420p10le", size: "98x66"),
        // Cropped on all sides: the picture begins inside the memory.
        Case(
            name: "h264 cropped",
            arguments: ["-c:v", "libx264", "-bf", "2", "-bsf:v"]
                + ["h264_metadata=crop_left=32:crop_top=4:crop_right=6:crop_bottom=2"], size: "128x64"),
        Case(name: "mpeg4", arguments: ["-c:v", "mpeg4", "-bf", "2", "-q:v", "3"]),
        Case(name: "mpeg2", arguments: ["-c:v", "mpeg2video", "-bf", "2", "-q:v", "3"]),
        Case(name: "vp8", arguments: ["-c:v", "libvpx", "-b:v", "400k"]),
        Case(name: "vp9", arguments: ["-c:v", "libvpx-vp9", "-b:v", "400k"]),
        Case(name: "mjpeg", arguments: ["-c:v", "mjpeg", "-q:v", "3"], format: "yuvj422p"),
        Case(name: "prores", arguments: ["-c:v", "prores_ks"], format: "yuv422p10le", container: "mov"),
        Case(name: "ffv1", arguments: ["-c:v", "ffv1", "-slices", "4"], format: "yuv420p"),
        Case(name: "ffv1", arguments: ["-c:v", "ffv1"], format: "gray16le"),
        Case(name: "huffyuv", arguments: ["-c:v", "ffvhuff"], format: "yuv420p10le"),
        Case(name: "png", arguments: ["-c:v", "png"], format: "rgb24"),
    ]

    private func clip(_ folder: TemporaryFolder, _ test: Case) throws -> String {
        let path = folder.file("clip.\(test.container)")
        try Tools.make(
            ["-f", "lavfi", "-i", "testsrc2=size=\(test.size):rate=25:duration=1.6", "-pix_fmt", test.format]
                + test.arguments + [path])
        return path
    }

    private func samples(_ frame: VideoFrame) throws -> [UInt8] {
        let layout = try #require(PixelLayout(frame.format))
        return (0..<frame.planeCount).flatMap { plane in
            let isChroma = !layout.isRGB && (plane == 1 || plane == 2)
            let width =
                isChroma ? (frame.width + (1 << layout.chromaWidthShift) - 1) >> layout.chromaWidthShift : frame.width
            let rows =
                isChroma
                ? (frame.height + (1 << layout.chromaHeightShift) - 1) >> layout.chromaHeightShift : frame.height
            let step = layout.components.first { $0.plane == plane }?.step ?? 1
            return frame.withPlane(plane) { first, stride in
                (0..<rows).flatMap { Array(UnsafeRawBufferPointer(start: first + $0 * stride, count: width * step)) }
            }
        }
    }

    /// Enough pieces for all; and so few that decoders have to help themselves. Pictures that somebody keeps stay as they
    /// are; those that nobody keeps are written over.
    @Test(arguments: cases, [(64, 4, 5), (64, 4, 0), (3, 4, 5), (64, 1, 5)]) func picturesAreTheSame(
        _ test: Case, _ use: (pieces: Int, threads: Int, kept: Int)
    ) throws {
        let folder = try TemporaryFolder()
        let path = try clip(folder, test)
        let expected = try Tools.raw(path, test.format)
        var options = ReaderOptions()
        options.decoderThreads = use.threads
        options.deinterlace = .off
        let reader = try MediaReader(path: path, options: options)
        let arrangement = try #require(reader.arrangement, "the decoder of \(test.name) takes memory")
        let lender = Lender(bytes: arrangement.bytes, count: use.pieces)
        reader.decode { lender.lend() }
        #expect(arrangement.starts[0] > 0 || !test.name.hasSuffix("cropped"))
        var kept: [(frame: VideoFrame, samples: [UInt8])] = []
        var found: [UInt8] = []
        var lying = 0
        while let event = try reader.next() {
            guard case .frame(let frame) = event else { continue }
            kept.append((frame, try samples(frame)))
            found += kept[kept.count - 1].samples
            let isLent = frame.withPlane(0) { first, _ in lender.holds(first) }
            if isLent {
                lying += 1
                // Arranged as the first frame was.
                let starts = (0..<frame.planeCount).map { plane in
                    frame.withPlane(plane) { first, stride in
                        #expect(stride == arrangement.strides[plane])
                        return first - arrangement.starts[plane]
                    }
                }
                #expect(lender.holds(starts[0]) && starts[0] == starts[starts.count - 1])
            }
            while kept.count > use.kept {
                let (frame, before) = kept.removeFirst()
                #expect(try samples(frame) == before)
            }
        }
        #expect(found == expected)
        #expect(kept.count == use.kept)
        for (frame, before) in kept { #expect(try samples(frame) == before) }
        if use.pieces > 3 {
            // All but those that were begun before there was memory to write to.
            #expect(lying >= 40 - 2 * use.threads - 6, "\(lying) of 40")
        } else {
            #expect(lying > 0)
        }
    }

    /// Everything that was lent comes back, also when frames are the last who have it.
    @Test func memoryComesBack() throws {
        let folder = try TemporaryFolder()
        let path = try clip(folder, Self.cases[0])
        var kept: [VideoFrame] = []
        let lender: Lender
        do {
            let reader = try MediaReader(path: path)
            lender = Lender(bytes: try #require(reader.arrangement).bytes, count: 40)
            reader.decode { lender.lend() }
            while kept.count < 30, let event = try reader.next() {
                if case .frame(let frame) = event { kept.append(frame) }
            }
            #expect(lender.lent > 10)
        }
        let lying = kept.filter { $0.withPlane(0) { first, _ in lender.holds(first) } }.count
        #expect(lender.lent == lying)
        kept = []
        #expect(lender.lent == 0)
    }

    /// A picture that changes its size on the way, and memory that is too small for what comes.
    @Test func otherSizes() throws {
        let folder = try TemporaryFolder()
        for (index, size) in ["64x48", "160x120"].enumerated() {
            try Tools.make(
                ["-f", "lavfi", "-i", "testsrc2=size=\(size):rate=25:duration=0.6", "-c:v", "mpeg2video", "-q:v", "3"]
                    + ["-f", "mpegts", folder.file("\(index).ts")])
        }
        let path = folder.file("both.ts")
        try
            (Data(contentsOf: URL(fileURLWithPath: folder.file("0.ts")))
            + Data(contentsOf: URL(fileURLWithPath: folder.file("1.ts"))))
            .write(to: URL(fileURLWithPath: path))
        let plain = try MediaReader(path: path)
        let reader = try MediaReader(path: path)
        let lender = Lender(bytes: try #require(reader.arrangement).bytes, count: 32)
        reader.decode { lender.lend() }
        var widths: Set<Int> = []
        while let event = try plain.next() {
            guard case .frame(let expected) = event else { continue }
            guard case .frame(let frame) = try reader.next() else {
                Issue.record("a frame is missing")
                break
            }
            #expect(try samples(frame) == samples(expected))
            widths.insert(frame.width)
            if frame.width == 160 { #expect(!frame.withPlane(0) { first, _ in lender.holds(first) }) }
        }
        #expect(try reader.next() == nil)
        #expect(widths == [64, 160])
    }

    /// Where frames pass a deinterlacer, and for pictures, there is nothing to arrange.
    @Test func noArrangement() throws {
        let folder = try TemporaryFolder()
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=64x48:duration=0.2", folder.file("a.mp4")])
        try Tools.make(["-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "1", folder.file("a.png")])
        #expect(try MediaReader(path: folder.file("a.mp4")).arrangement != nil)
        var options = ReaderOptions()
        options.deinterlace = .on
        #expect(try MediaReader(path: folder.file("a.mp4"), options: options).arrangement == nil)
        #expect(try MediaReader(path: folder.file("a.png")).arrangement == nil)
    }
}
