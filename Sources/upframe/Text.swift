internal import FoundationEssentials
internal import Network
internal import Tensor
internal import Weights

/// Columns as wide as their widest cell, two spaces apart.
func table(_ rows: [[String]]) -> String {
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

func fileExists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

func jsonText(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

extension Model {
    /// The hyperparameters on one line, as in the weight file's metadata.
    func hyperparameterText() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(architecture), as: UTF8.self)
    }

    /// Multiply-adds per input pixel, without what borders add.
    var multiplyAddsPerPixel: Int {
        let side = 8 * descriptor.sizeMultiple
        return architecture.graph(.nhwc(1, side, side, descriptor.inputChannels)).multiplyAdds / (side * side)
    }
}
