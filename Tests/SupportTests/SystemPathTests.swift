import Support
import Testing

@Suite struct SystemPathTests {
    /// Every name comes back as its bytes: text, Latin-1, cut sequences, bytes that look like our own characters.
    @Test(
        arguments: [
            [], [0x61, 0x62], Array("größe 🎬".utf8), [0x67, 0x72, 0xFC, 0xDF, 0x65], [0xC3], [0xC3, 0xC3, 0xA4],
            [0xFF, 0xFE, 0x2E],
            [0xED, 0xA0, 0x80], Array("\u{10FE85}".utf8), [0xF4, 0x8F, 0xBA], [0xE2, 0x82, 0x41],
        ] as [[UInt8]])
    func bytesComeBack(_ bytes: [UInt8]) {
        let text = SystemPath.string(bytes)
        #expect(text.systemPath.dropLast().map { UInt8(bitPattern: $0) } == bytes && text.systemPath.last == 0)
        #expect(text.systemByteCount == bytes.count)
    }

    @Test func ordinaryNamesStayText() {
        #expect(SystemPath.string(Array("größe.mkv".utf8)) == "größe.mkv")
        #expect(SystemPath.string([0x61, 0xFC]).unicodeScalars.map(\.value) == [0x61, 0x10FEFC])
    }

    @Test func anyBytesComeBack() {
        var state: UInt64 = 7
        for _ in 0..<2000 {
            let bytes = (0..<12).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: max(1, state >> 56))
            }
            #expect(SystemPath.string(bytes).systemPath.dropLast().map { UInt8(bitPattern: $0) } == bytes)
        }
    }
}
