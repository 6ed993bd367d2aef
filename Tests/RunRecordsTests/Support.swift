import Foundation

/// A folder of its own, removed at the end.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/upframe-records-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

func bytes(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

func write(_ path: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
}

/// Checks that a text is one well-formed XML element, as far as a report needs it: tags nest, attributes are quoted and
/// there once, references are the known ones. Independent of how the report makes its text.
struct XMLCheck {
    struct Fault: Error, CustomStringConvertible { var description: String }

    private var rest: Substring
    /// How many elements of each name there were.
    private(set) var elements: [String: Int] = [:]
    /// The value of every attribute `id`.
    private(set) var identifiers: [String] = []

    init(_ text: String) throws {
        rest = text[...]
        try element()
        guard rest.isEmpty else { throw Fault(description: "text after the element: \(rest.prefix(40))") }
    }

    private mutating func expect(_ text: String) throws {
        guard rest.hasPrefix(text) else { throw Fault(description: "expected '\(text)' at '\(rest.prefix(40))'") }
        rest = rest.dropFirst(text.count)
    }

    private mutating func name() throws -> String {
        let name = rest.prefix { $0.isLetter || $0.isNumber || $0 == "-" || $0 == ":" }
        guard let first = name.first, first.isLetter else {
            throw Fault(description: "no name at '\(rest.prefix(40))'")
        }
        rest = rest.dropFirst(name.count)
        return String(name)
    }

    private func checkReferences(_ text: Substring) throws {
        for piece in text.split(separator: "&", omittingEmptySubsequences: false).dropFirst() {
            let reference = piece.prefix { $0 != ";" }
            guard piece.contains(";"), ["lt", "gt", "amp", "quot", "#160"].contains(String(reference)) else {
                throw Fault(description: "a bare ampersand before '\(piece.prefix(20))'")
            }
        }
    }

    private mutating func element() throws {
        try expect("<")
        let tag = try name()
        elements[tag, default: 0] += 1
        var seen: Set<String> = []
        while rest.first == " " {
            rest = rest.dropFirst()
            let attribute = try name()
            guard seen.insert(attribute).inserted else { throw Fault(description: "\(attribute) twice in \(tag)") }
            try expect("=\"")
            let value = rest.prefix { $0 != "\"" }
            guard !value.contains("<") else { throw Fault(description: "'<' in \(attribute)") }
            try checkReferences(value)
            if attribute == "id" { identifiers.append(String(value)) }
            rest = rest.dropFirst(value.count)
            try expect("\"")
        }
        if rest.hasPrefix("/>") {
            rest = rest.dropFirst(2)
            return
        }
        try expect(">")
        while true {
            let text = rest.prefix { $0 != "<" }
            guard !text.contains(">") else { throw Fault(description: "a bare '>' in \(tag)") }
            try checkReferences(text)
            rest = rest.dropFirst(text.count)
            if rest.hasPrefix("</") { break }
            try element()
        }
        try expect("</\(tag)>")
    }
}
