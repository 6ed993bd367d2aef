internal import FoundationEssentials
internal import Network
internal import Pipeline
internal import Support
internal import Tensor
internal import Weights

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// `text` as a terminal may show it: names, tags and messages come out of files and other programs. What moves a cursor,
/// ends a line or turns its direction is written as `\u{1b}`, and of a text of more than `limit` characters the middle is
/// left out.
func shown(_ text: String, limit: Int = 1000) -> String {
    func escaped(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var result = String.UnicodeScalarView()
        for scalar in scalars {
            if let byte = SystemPath.byte(scalar) {
                // A byte of a name that is no UTF-8.
                result.append(contentsOf: "\\x\(String(byte, radix: 16))".unicodeScalars)
            } else if scalar.movesTerminal {
                result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }
    // No more of a long text is looked at than is shown.
    let scalars = text.unicodeScalars
    let head = escaped(scalars.prefix(limit))
    if scalars.dropFirst(limit).isEmpty, head.unicodeScalars.count <= limit { return head }
    let tail = escaped(scalars.suffix(limit / 3))
    return String(head.unicodeScalars.prefix(limit * 2 / 3)) + " … " + String(tail.unicodeScalars.suffix(limit / 3))
}

/// Columns as wide as their widest cell, two spaces apart.
func table(_ rows: [[String]]) -> String {
    let rows = rows.map { $0.map { shown($0) } }
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max()! }
    return rows.map { row in
        var line = ""
        for (column, cell) in row.enumerated() {
            line +=
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 2)
        }
        return line
    }.joined(separator: "\n")
}

/// "16.7 M", "621 k"
func millions(_ count: Int) -> String {
    count >= 1_000_000 ? "\(decimals(Double(count) / 1e6)) M" : "\(decimals(Double(count) / 1e3)) k"
}

/// "16,697,987"
func grouped(_ count: Int) -> String {
    var text = ""
    for (index, digit) in String(count).reversed().enumerated() {
        if index > 0 && index % 3 == 0 { text.append(",") }
        text.append(digit)
    }
    return String(text.reversed())
}

func mebibytes(_ bytes: Int) -> String { "\(grouped(bytes >> 20)) MiB" }

func fileExists(_ path: String) -> Bool { access(path.systemPath, F_OK) == 0 }

func jsonText(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return plainJSON(try encoder.encode(value))
}

/// JSON text in which the characters that `shown` does not let through are escaped, as JSON may: the same values.
func plainJSON(_ json: Data) -> String {
    var result = String.UnicodeScalarView()
    for scalar in String(decoding: json, as: UTF8.self).unicodeScalars {
        // Line ends stand between values only; within them they are escaped already.
        guard scalar.movesTerminal, scalar != "\n" else {
            result.append(scalar)
            continue
        }
        let digits = String(scalar.value, radix: 16)
        result.append(contentsOf: "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)".unicodeScalars)
    }
    return String(result)
}

extension Unicode.Scalar {
    /// Whether it is a control character, ends a line or changes the direction of writing. None lies beyond U+FFFF.
    fileprivate var movesTerminal: Bool {
        switch properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: true
        default: properties.isBidiControl
        }
    }
}

extension Model {
    /// The hyperparameters on one line, as in the weight file's metadata.
    func hyperparameterText() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(definition.hyperparameters), as: UTF8.self)
    }

    /// Multiply-adds per input pixel, without what borders add.
    func multiplyAddsPerPixel() throws -> Int {
        let side = 8 * descriptor.sizeMultiple
        return try graph(.nhwc(1, side, side, descriptor.inputChannels)).multiplyAdds / (side * side)
    }
}
