import Foundation
import TestSupport
import Testing

@testable import Datasets

/// What is wrong with a data set is said in one line that names the file and the remedy, before training begins where
/// headers tell, and by the sample otherwise.
@Suite struct BadDataTests {
    private func check(_ text: String?, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation) {
        guard let text else {
            Issue.record("nothing was thrown", sourceLocation: sourceLocation)
            return
        }
        #expect(!text.contains("\n") && text.hasSuffix("."), "\(text)", sourceLocation: sourceLocation)
        for part in parts { #expect(text.contains(part), "\(text)", sourceLocation: sourceLocation) }
    }

    @Test func nothingThere() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.file("empty"), withIntermediateDirectories: true)
        try Make.text(folder.file("empty/readme.txt"), "hello")
        check(message { _ = try PictureFolder([folder.file("none")]) }, "none: no such file or folder; check")
        check(
            message { _ = try PictureFolder([folder.file("empty")]) }, "empty: there is no picture in it; name a folder"
        )
        check(message { _ = try PictureFolder([]) }, "no picture")
        check(message { _ = try VideoFiles([folder.file("empty")]) }, "empty: there is no video in it; name a folder")
        check(
            message { _ = try PairedPictures(low: folder.file("empty"), high: folder.file("empty"), scale: 2) },
            "empty: there is no picture in it")
        check(message { _ = try PairedPictures(list: folder.file("list.txt"), scale: 2) }, "list.txt: no such file")
    }

    /// A file that is no picture is found when the set is opened, one that ends too early when it is decoded.
    @Test(arguments: ["png", "jpg", "webp"]) func unreadablePictures(_ ending: String) throws {
        let folder = try TemporaryFolder()
        try Make.picture(folder.file("a.ppm"), 200, 150)
        try Make.picture(folder.file("c.ppm"), 200, 150)
        let bad = folder.file("b.\(ending)")
        try Make.ffmpeg(["-i", folder.file("a.ppm"), bad])
        let whole = try #require(FileManager.default.contents(atPath: bad))

        try Data("no picture at all, but some text".utf8).write(to: URL(fileURLWithPath: bad))
        check(message { _ = try PictureFolder([folder.path]) }, "b.\(ending): cannot be decoded (", "); remove it from")
        try Data().write(to: URL(fileURLWithPath: bad))
        check(message { _ = try PictureFolder([folder.path]) }, "b.\(ending): cannot be decoded (", "); remove it from")

        try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: bad))
        let text = message {
            let source = try PictureFolder([folder.path])
            for index in 0..<3 { _ = try source.sample(index, seed: 1, side: 32) }
        }
        check(text, "b.\(ending): cannot be decoded (", "); remove it from the data set or replace it")
    }

    @Test func filesThatChange() throws {
        let folder = try TemporaryFolder()
        try Make.picture(folder.file("a.ppm"), 60, 50)
        let source = try PictureFolder([folder.path], cacheBytes: 0)
        try Make.picture(folder.file("a.ppm"), 50, 60)
        check(message { _ = try source.sample(0, seed: 1, side: 16) }, "a.ppm: was changed while")
        try FileManager.default.removeItem(atPath: folder.file("a.ppm"))
        check(message { _ = try source.sample(0, seed: 1, side: 16) }, "a.ppm: no such file")
    }

    @Test func cropsThatDoNotFit() throws {
        let folder = try TemporaryFolder()
        try Make.picture(folder.file("big.ppm"), 100, 100)
        try Make.picture(folder.file("small.ppm"), 100, 63)
        let source = try PictureFolder([folder.path])
        try source.check(side: 63)
        check(
            message { try source.check(side: 64) },
            "small.ppm: is 100x63, too small for a crop of 64x64; use a smaller crop or remove it")
        check(
            message { try PictureFolder([folder.path], downscale: 2...4).check(side: 48) },
            "small.ppm: is 100x63, too small for a crop of 48x48 after a reduction by 2.0;")
        check(
            message { for index in 0..<2 { _ = try source.sample(index, seed: 1, side: 64) } }, "small.ppm: is 100x63")
        check(
            message { try VideoFiles([bunny]).check(side: 181) }, "bunny.mp4: is 320x180, too small for a crop of 181")
    }

    @Test func pairsThatAreNone() throws {
        let folder = try TemporaryFolder()
        func open(_ scale: Int = 2) throws -> PairedPictures {
            try PairedPictures(low: folder.file("low"), high: folder.file("high"), scale: scale)
        }
        try Make.picture(folder.file("low/a.ppm"), 20, 20)
        try Make.picture(folder.file("high/a.ppm"), 40, 40)
        check(message { try open().check(side: 33) }, "a crop of 33 pixels cannot be divided by the scale, 2; use 32")
        check(message { try open().check(side: 42) }, "high/a.ppm: is 40x40, too small for a crop of 42x42")
        check(
            message { _ = try open(4) }, "low/a.ppm is 20x20 and ", "high/a.ppm 40x40, which is not 4 times as large",
            "make the high one 80x80")
        try Make.picture(folder.file("low/b.ppm"), 20, 20)
        check(message { _ = try open() }, "low/b.ppm: has no counterpart of that name in ", "high; add it")
        try Make.picture(folder.file("high/b.ppm"), 40, 41)
        check(message { _ = try open() }, "high/b.ppm 40x41, which is not 2 times")
        try Make.picture(folder.file("high/b.ppm"), 40, 40)
        #expect(try open().itemCount == 2)
        try Make.picture(folder.file("high/c.ppm"), 40, 40)
        check(message { _ = try open() }, "high/c.ppm: has no counterpart of that name in ", "low; add it")
        try Make.ffmpeg(["-i", folder.file("high/c.ppm"), folder.file("high/c.png")])
        check(message { _ = try open() }, "high/c.png and ", "high/c.ppm: both have the same name")
    }

    @Test func listsThatAreNone() throws {
        let folder = try TemporaryFolder()
        let list = folder.file("list.txt")
        func open() throws -> PairedPictures { try PairedPictures(list: list, scale: 2) }
        try Make.text(list, "# nothing\n\n")
        check(message { _ = try open() }, "list.txt: lists no pairs; write")
        try Make.text(list, "# pairs\na.png b.png c.png\n")
        check(message { _ = try open() }, "list.txt: line 2 is no pair; write")
        try Make.text(list, "a.png\tb.png\n")
        check(message { _ = try open() }, "a.png: no such file")
    }

    @Test func videosThatAreNone() throws {
        let folder = try TemporaryFolder()
        try Make.picture(folder.file("a.ppm"), 40, 40)
        check(message { _ = try VideoFiles([folder.file("a.ppm")]) }, "a.ppm: there is no video in it")
        check(
            message { _ = try VideoFiles([bunny], frames: 76) },
            "bunny.mp4: has 75 frames, and a clip takes 76; use shorter clips")
        try Make.text(folder.file("b.mp4"), "no video")
        check(message { _ = try VideoFiles([folder.path]) }, "b.mp4: cannot be decoded (", "remove it")
        try Make.ffmpeg(["-i", bunny, "-c:v", "copy", "-an", "-t", "1", folder.file("c.h264")])
        check(
            message { _ = try VideoFiles([folder.file("c.h264")]) }, "c.h264: does not say how long it is", "ffmpeg -i")

        // Damaged in the middle: the sample that comes upon it says so.
        var bytes = try #require(FileManager.default.contents(atPath: bunny))
        let middle = bytes.count / 4..<bytes.count * 3 / 4
        bytes.replaceSubrange(middle, with: Data(repeating: 0x5a, count: middle.count))
        try bytes.write(to: URL(fileURLWithPath: folder.file("b.mp4")))
        let text = message {
            let source = try VideoFiles([folder.file("b.mp4")])
            for index in 0..<30 { _ = try source.sample(index, seed: 1, side: 32) }
        }
        check(text, "b.mp4: cannot be decoded (", "); remove it from the data set or replace it")
    }
}
