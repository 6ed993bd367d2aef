import Foundation
import Testing

@testable import RunRecords

@Suite struct RunLogTests {
    private func record(_ step: Int) -> RunRecord {
        RunRecord(
            step: step, losses: ["g.l1": 0.1 / Float(step + 1), "d.\"real\"\n": 1e-30], seconds: Double(step) * 0.1,
            rate: 2e-4, waited: 0.25)
    }

    @Test func comesBackAsItWas() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/log.jsonl"
        let log = try RunLog(path: path)
        var records = (0..<5).map(record)
        records[3].validation = ["psnr": 31.25, "ssim": 0.875]
        for record in records { try log.append(record) }
        try log.flush()
        #expect(try RunLog.read(path: path) == records)
        let lines = String(decoding: try bytes(path), as: UTF8.self).split(separator: "\n")
        // Foundation's reader agrees that each line is an object.
        for line in lines {
            let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            #expect(object?["step"] is Int && object?["losses"] is [String: Any])
        }
        #expect(
            lines[0]
                == #"{"step":0,"losses":{"d.\"real\"\u000a":1e-30,"g.l1":0.1},"seconds":0.0,"rate":0.0002,"waited":0.25}"#
        )
    }

    /// Numbers that JSON has no word for become null.
    @Test func notANumber() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/log.jsonl"
        let log = try RunLog(path: path)
        try log.append(RunRecord(step: 1, losses: ["a": .nan, "b": .infinity, "c": 1], seconds: 1, rate: 1))
        try log.flush()
        let found = try RunLog.read(path: path)[0].losses
        #expect(found["a"]!.isNaN && found["b"]!.isNaN && found["c"] == 1)
    }

    /// A run that was killed in the middle of a line.
    @Test func halfALine() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/log.jsonl"
        let whole = record(1).line + "\n"
        for length in [1, 7, whole.utf8.count - 1] {
            try write(path, whole + String(decoding: whole.utf8.prefix(length), as: UTF8.self))
            #expect(try RunLog.read(path: path) == [record(1)])
            let log = try RunLog(path: path)
            try log.append(record(2))
            try log.flush()
            #expect(try RunLog.read(path: path) == [record(1), record(2)])
        }
    }

    @Test func resume() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/log.jsonl"
        do {
            let log = try RunLog(path: path)
            for step in 0..<10 { try log.append(record(step * 10)) }
        }
        // Dropping the log wrote what was left.
        #expect(try RunLog.read(path: path).count == 10)
        let log = try RunLog(path: path, after: 45)
        #expect(try RunLog.read(path: path).map(\.step) == [0, 10, 20, 30, 40])
        try log.append(record(46))
        try log.flush()
        #expect(try RunLog.read(path: path).map(\.step) == [0, 10, 20, 30, 40, 46])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["log.jsonl"])
    }

    @Test func faults() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/log.jsonl"
        #expect(try RunLog.read(path: path).isEmpty)
        try write(path, record(1).line + "\nnonsense\n" + record(2).line + "\n")
        #expect(throws: RecordError.damaged(path: path, line: 2)) { try RunLog.read(path: path) }
        // A file that is not ours stays as it is.
        #expect(throws: RecordError.damaged(path: path, line: 2)) { try RunLog(path: path, after: 1) }
        #expect(try bytes(path).count > 100)
        #expect { _ = try RunLog(path: folder.path) } throws: { "\($0)".contains("Is a directory") }
        #expect { _ = try RunLog(path: folder.path + "/no/log") } throws: { "\($0)".contains("cannot be written") }
    }

    /// A full disk is an error, and what could not be written is kept.
    @Test func fullDisk() throws {
        var file = try AppendingFile("/dev/full")
        try file.append([1, 2, 3])
        for _ in 0..<2 {
            do {
                try file.flush()
                Issue.record("a full disk took three bytes")
            } catch {
                #expect("\(error)" == "'/dev/full' cannot be written: No space left on device")
            }
        }
    }
}
