import Foundation
import TestSupport
import Testing

@testable import RunRecords

@Suite struct TensorBoardTests {
    /// The examples of RFC 3720, B.4, and the checksum that every catalogue of CRCs gives.
    @Test func checksums() {
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum((0..<32).map { UInt8($0) }) == 0x46DD_794E)
        #expect(CRC32C.checksum((0..<32).reversed().map { UInt8($0) }) == 0x113F_DB5C)
        let command: [UInt8] =
            [0x01, 0xC0, 0, 0] + [UInt8](repeating: 0, count: 12) + [0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14]
            + [0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0]
        #expect(CRC32C.checksum(command) == 0xD996_3A56)
        #expect(CRC32C.checksum("123456789".utf8) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8]()) == 0)
    }

    /// The same events as TensorBoard's own writer makes of them, byte for byte; see Tests/Golden/make_records.py.
    @Test func eventFile() throws {
        let folder = try TemporaryFolder()
        let gray = try bytes("\(goldenFolder)/records-gray.png")
        let colour = try bytes("\(goldenFolder)/records-colour.png")
        let writer = try TensorBoardWriter(
            folder: folder.path + "/events", resumedAt: 300, now: 1_700_000_000.25, host: "here")
        try writer.add(["g.l1": 0, "prüf/psnr": -31.25, "d.real": 0.6931472], step: 300, now: 1_700_000_001.5)
        try writer.add(["g.l1": 0.0213], step: 5_000_000_000, now: 1_700_000_002.75)
        try writer.add(picture: gray, "strip", step: 301, now: 1_700_000_003)
        try writer.add(picture: colour, "strip", step: 301, now: 1_700_000_003)
        try writer.flush()
        #expect(try bytes(writer.path) == bytes("\(goldenFolder)/records.tfevents"))
        #expect(writer.path.hasPrefix(folder.path + "/events/events.out.tfevents.1700000000.here."))
    }

    /// What was added is in the file after a flush and not necessarily before; a second writer has a file of its own.
    @Test func files() throws {
        let folder = try TemporaryFolder()
        let first = try TensorBoardWriter(folder: folder.path)
        let second = try TensorBoardWriter(folder: folder.path)
        #expect(first.path != second.path)
        let before = try bytes(first.path).count
        try first.add(["x": 1], step: 1)
        try first.flush()
        #expect(try bytes(first.path).count > before)
        #expect(throws: RecordError.notPNG(name: "strip")) {
            try first.add(picture: [1, 2, 3], "strip", step: 2)
        }
        #expect { _ = try TensorBoardWriter(folder: folder.path + "/no/such") } throws: {
            "\($0)".contains("/no/such' cannot be written")
        }
    }
}
