import Foundation
import Media
import Tensor
import TestSupport
import Testing
import Threads

@testable import Datasets

@Suite struct VideoFilesTests {
    /// Lossless, with key frames far apart: red is the frame's number, green the column, blue the row.
    private func video(_ folder: TemporaryFolder, _ name: String, frames: Int, size: String = "60x44") throws -> String
    {
        let path = folder.file(name)
        try Make.ffmpeg([
            "-f", "lavfi", "-i", "color=black:size=\(size):rate=25,format=gbrp,geq=r=N:g=X:b=Y", "-frames:v",
            "\(frames)",
            "-c:v", "libx264rgb", "-qp", "0", "-g", "40", "-bf", "2", path,
        ])
        return path
    }

    private func code(_ picture: HostTensor, _ y: Int, _ x: Int, _ c: Int) -> Int {
        Int((picture[0, y, x, c] * 255).rounded())
    }

    /// Clips are consecutive frames with one crop; every frame is reached, the first and the last too.
    @Test func clipsAreConsecutive() throws {
        let folder = try TemporaryFolder()
        let path = try video(folder, "a.mp4", frames: 100)
        let source = try VideoFiles([path], frames: 3, augmentation: .none, samplesPerClip: 1)
        #expect(source.summary == "1 video, 4 s, clips of 3 frames")
        var starts: Set<Int> = []
        for index in 0..<500 {
            let high = try source.sample(index, seed: 1, side: 16).high
            #expect(high.count == 3)
            let (first, x, y) = (code(high[0], 0, 0, 0), code(high[0], 0, 0, 1), code(high[0], 0, 0, 2))
            starts.insert(first)
            for (number, frame) in high.enumerated() {
                #expect(code(frame, 0, 0, 0) == first + number)
                #expect(code(frame, 15, 0, 1) == x && code(frame, 0, 15, 2) == y)
                #expect(code(frame, 0, 15, 1) == x + 15 && code(frame, 15, 0, 2) == y + 15)
            }
        }
        // 98 places, five draws for each: one is missed with a chance of 1 in 160.
        #expect(starts.count > 92)
        #expect(starts.contains(0) && starts.contains(97) && starts.max() == 97)
    }

    /// The same on several threads, in another order, with another history of seeking.
    @Test func aSampleIsAFunctionOfItsIndex() throws {
        let source = try VideoFiles([bunny], frames: 2, downscale: 1...2)
        let expected = try (0..<24).map { try source.sample($0, seed: 5, side: 48).high }
        #expect(expected.allSatisfy { $0.count == 2 && $0.allSatisfy { isPicture($0, side: 48) } })
        let other = try VideoFiles([bunny], frames: 2, downscale: 1...2)
        let loader = Loader(batches: 0, threads: 3, depth: 6) {
            try other.sample(max(23 - $0, 0), seed: 5, side: 48).high
        }
        for index in (0..<24).reversed() { #expect(try loader.next() == expected[index]) }
        loader.cancel()
        #expect(try source.sample(3, seed: 6, side: 48).high != expected[3])
    }

    /// Distinct places of a real film.
    @Test func drawsDistinctFrames() throws {
        let source = try VideoFiles([bunny], augmentation: .none, samplesPerClip: 1)
        let samples = try (0..<20).map { try source.sample($0, seed: 2, side: 180).high[0].values }
        // 20 of 75 frames, of which some may come twice, and in some of which little moves.
        #expect(Set(samples).count >= 15)
    }

    /// A clip serves several samples, which lie apart, with different crops.
    @Test func clipsAreUsedAgain() throws {
        let folder = try TemporaryFolder()
        let path = try video(folder, "a.mkv", frames: 200)
        // Room for eight frames; three quarters of them take turns.
        let source = try VideoFiles([path], augmentation: .none, samplesPerClip: 3, cacheBytes: 8 * 60 * 44 * 3)
        #expect(source.spread == 6 && source.uses == 3)
        let samples = try (0..<36).map { try source.sample($0, seed: 4, side: 16).high[0] }
        let numbers = samples.map { code($0, 0, 0, 0) }
        for start in [0, 18] {
            #expect(Set(numbers[start..<start + 6]).count >= 5)
            for index in start..<start + 12 {
                #expect(numbers[index] == numbers[index + 6])
                #expect(samples[index] != samples[index + 6])
            }
        }
        #expect(numbers[0..<6] != numbers[18..<24])
        // No room: every sample decodes, and a clip serves one.
        let poor = try VideoFiles([path], samplesPerClip: 3, cacheBytes: 100)
        #expect(poor.uses == 1)
        #expect(isPicture(try poor.sample(1, seed: 1, side: 16).high[0], side: 16))
    }

    /// Footage counts by its length.
    @Test func longFilesComeMoreOften() throws {
        let folder = try TemporaryFolder()
        _ = try video(folder, "a.mkv", frames: 150, size: "60x44")
        _ = try video(folder, "b.mkv", frames: 50, size: "32x32")
        let source = try VideoFiles([folder.path], augmentation: .none, samplesPerClip: 1)
        #expect(source.itemCount == 2)
        // The small one has one place for such a crop.
        let long = try (0..<300).count { index in
            let high = try source.sample(index, seed: 9, side: 32).high[0]
            return code(high, 0, 0, 1) > 0 || code(high, 0, 0, 2) > 0
        }
        #expect(abs(long - 225) < 40)
    }
}

@Suite struct MixedSourcesTests {
    @Test func weights() throws {
        let folder = try TemporaryFolder()
        for (number, value) in [40, 90, 200].enumerated() {
            try Make.pixmap(folder.file("\(number)/a.ppm"), 20, 20) { _, _, _ in value }
        }
        let parts = try (0..<3).map { try PictureFolder([folder.file("\($0)")]) }
        let mixed = MixedSources([(parts[0], 1), (parts[1], 2), (parts[2], 5)])
        #expect(mixed.itemCount == 3)
        #expect(mixed.summary.hasPrefix("13 % of 1 picture, 0.0 megapixels; 25 % of 1 picture"))
        var counts: [Int: Int] = [:]
        for index in 0..<1600 {
            let value = Int((try mixed.sample(index, seed: 3, side: 16).high[0].values[0] * 255).rounded())
            counts[value, default: 0] += 1
        }
        #expect(abs(counts[40]! - 200) < 67 && abs(counts[90]! - 400) < 87 && abs(counts[200]! - 1000) < 97)
        #expect(throws: DatasetError.self) { try mixed.check(side: 21) }
    }
}
