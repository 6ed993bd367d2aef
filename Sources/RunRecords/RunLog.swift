internal import FoundationEssentials

/// What a run said of one step, or of several that it put together.
public struct RunRecord: Equatable, Sendable {
    /// Steps taken so far.
    public var step: Int
    /// Losses and other measures by name. A number that is not finite is stored as null, and read as not-a-number.
    public var losses: [String: Float]
    /// Measures on pictures that are not trained on ("psnr", "ssim"); empty where none were taken.
    public var validation: [String: Float]
    /// Seconds that the run has taken up to here, over all its sessions.
    public var seconds: Double
    /// The learning rate.
    public var rate: Double
    /// Of `seconds`, those in which training waited for data.
    public var waited: Double

    public init(
        step: Int, losses: [String: Float] = [:], validation: [String: Float] = [:], seconds: Double, rate: Double,
        waited: Double = 0
    ) {
        (self.step, self.losses, self.validation) = (step, losses, validation)
        (self.seconds, self.rate, self.waited) = (seconds, rate, waited)
    }
}

extension RunRecord {
    /// One object of JSON on one line, without the line's end.
    var line: String {
        func object(_ values: [String: Float]) -> String {
            let members = values.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(number($0.value))" }
            return "{\(members.joined(separator: ","))}"
        }
        func number(_ value: some BinaryFloatingPoint & LosslessStringConvertible) -> String {
            value.isFinite ? String(value) : "null"
        }
        var text = "{\"step\":\(step),\"losses\":\(object(losses))"
        if !validation.isEmpty { text += ",\"validation\":\(object(validation))" }
        return text + ",\"seconds\":\(number(seconds)),\"rate\":\(number(rate)),\"waited\":\(number(waited))}"
    }

    private struct Line: Decodable {
        var step: Int
        var losses: [String: Float?]
        var validation: [String: Float?]?
        var seconds: Double?
        var rate: Double?
        var waited: Double?
    }

    /// - Returns: nil when the bytes are no record.
    init?(line: some Sequence<UInt8>) {
        guard let found = try? JSONDecoder().decode(Line.self, from: Data(line)) else { return nil }
        self.init(
            step: found.step, losses: found.losses.mapValues { $0 ?? .nan },
            validation: (found.validation ?? [:]).mapValues { $0 ?? .nan }, seconds: found.seconds ?? .nan,
            rate: found.rate ?? .nan, waited: found.waited ?? .nan)
    }
}

/// A file of records, one JSON object a line. Owned by one thread at a time.
///
/// A run that is killed may leave half a line at the end; it is not read, and cut off when the log is opened again. A run
/// that is resumed from a checkpoint drops what was said of steps after it, so that every step is there once.
public final class RunLog {
    public let path: String
    private var file: AppendingFile

    /// Opens the log for appending, and makes it where there is none.
    ///
    /// - Parameter step: where a resumed run goes on: records of later steps are dropped. Nil keeps all.
    /// - Throws: `RecordError`; `.damaged` when the file is no log.
    public init(path: String, after step: Int? = nil) throws(RecordError) {
        self.path = path
        if let bytes = try readFile(path) {
            let kept = try Self.parse(bytes, path: path).filter { step == nil || $0.step <= step! }
            let text = kept.map { $0.line + "\n" }.joined()
            // Rewritten only when something goes: a log that is whole is never at risk.
            if !bytes.elementsEqual(text.utf8) { try replaceFile(path, with: Array(text.utf8)) }
        }
        file = try AppendingFile(path)
    }

    /// Adds a record. It reaches the file with the next `flush`, or when enough have gathered.
    ///
    /// - Throws: `RecordError.unwritable`; the record is kept for the next try.
    public func append(_ record: RunRecord) throws(RecordError) { try file.append((record.line + "\n").utf8) }

    /// Hands everything so far to the system.
    public func flush() throws(RecordError) { try file.flush() }

    deinit { try? file.flush() }

    /// All records of a log, in the file's order; none where there is no file.
    ///
    /// - Throws: `RecordError.unreadable`, `.damaged`.
    public static func read(path: String) throws(RecordError) -> [RunRecord] {
        guard let bytes = try readFile(path) else { return [] }
        return try parse(bytes, path: path)
    }

    /// Half a line at the end is left out: a line is whole when its end is there.
    static func parse(_ bytes: [UInt8], path: String) throws(RecordError) -> [RunRecord] {
        var records: [RunRecord] = []
        var start = 0
        var number = 0
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            number += 1
            let line = bytes[start..<end]
            start = end + 1
            if line.isEmpty { continue }
            guard let record = RunRecord(line: line) else { throw .damaged(path: path, line: number) }
            records.append(record)
        }
        return records
    }
}

/// `text` as a JSON string, quotes included.
private func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case _ where scalar.value < 0x20:
            let digits = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
