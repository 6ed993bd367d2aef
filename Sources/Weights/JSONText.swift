// A strict reader for the small part of JSON that weight files hold. Foundation's decoder accepts duplicate keys silently,
// where they must be an error here, and keeps every value: a hostile header of a few megabytes would take a hundred.

/// Why a text is not JSON, in a few words.
struct JSONTextError: Error {
    let reason: String
}

/// A place in a JSON text, moved on value by value. Values that nobody asks for are checked and passed over, never kept.
struct JSONReader {
    /// The deepest nesting that is read. A header nests three deep; this bounds the reader's own recursion.
    static let deepest = 16

    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func unexpected(_ byte: UInt8?) -> JSONTextError {
        guard let byte else { return JSONTextError(reason: "it ends too early") }
        return JSONTextError(reason: "unexpected byte 0x\(String(byte, radix: 16)) at \(position)")
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(JSONTextError) {
        guard peek == UInt8(ascii: character) else { throw unexpected(peek) }
        position += 1
    }

    private mutating func accept(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    // MARK: Values

    /// What the next value is, by its first byte.
    enum Kind { case object, array, string, number, word }

    mutating func kind() -> Kind {
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"): return .word
        default: return .number
        }
    }

    /// Checks that nothing but white space is left.
    mutating func finish() throws(JSONTextError) {
        skipSpace()
        if let next = peek { throw unexpected(next) }
    }

    /// Reads an object; `member` is called for each key and reads its value.
    mutating func object(_ member: (inout JSONReader, String) throws -> Void) throws {
        try open("{")
        if close("}") { return }
        repeat {
            let key = try string()
            skipSpace()
            try expect(":")
            try member(&self, key)
            skipSpace()
        } while accept(",")
        try expect("}")
        depth -= 1
    }

    /// Reads an array; `element` is called before each element and reads it.
    mutating func array(_ element: (inout JSONReader) throws -> Void) throws {
        try open("[")
        if close("]") { return }
        repeat {
            try element(&self)
            skipSpace()
        } while accept(",")
        try expect("]")
        depth -= 1
    }

    private mutating func open(_ bracket: Unicode.Scalar) throws(JSONTextError) {
        skipSpace()
        guard depth < Self.deepest else { throw JSONTextError(reason: "it is nested too deeply") }
        try expect(bracket)
        depth += 1
        skipSpace()
    }

    /// Whether what was opened is empty.
    private mutating func close(_ bracket: Unicode.Scalar) -> Bool {
        guard accept(bracket) else { return false }
        depth -= 1
        return true
    }

    /// Passes over a value of any kind.
    mutating func skip() throws {
        switch kind() {
        case .object: try object { reader, _ in try reader.skip() }
        case .array: try array { reader in try reader.skip() }
        case .string: _ = try string()
        case .number: try passNumber()
        case .word:
            for word in ["true", "false", "null"] where word.utf8.first == peek {
                for scalar in word.unicodeScalars { try expect(scalar) }
                return
            }
        }
    }

    /// A number as it is written, and its value where it has neither sign, fraction nor exponent and fits an `Int`.
    mutating func number() throws(JSONTextError) -> (text: String, count: Int?) {
        skipSpace()
        let start = position
        try passNumber()
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        return (text, text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil)
    }

    private mutating func digits() throws(JSONTextError) {
        guard let byte = peek, (0x30...0x39).contains(byte) else { throw unexpected(peek) }
        while let byte = peek, (0x30...0x39).contains(byte) { position += 1 }
    }

    private mutating func passNumber() throws(JSONTextError) {
        _ = accept("-")
        if !accept("0") { try digits() }
        if accept(".") { try digits() }
        if accept("e") || accept("E") {
            if !accept("+") { _ = accept("-") }
            try digits()
        }
    }

    mutating func string() throws(JSONTextError) -> String {
        skipSpace()
        try expect("\"")
        var text: [UInt8] = []
        while true {
            guard let byte = peek else { throw unexpected(nil) }
            guard byte >= 0x20 else { throw unexpected(byte) }
            position += 1
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") { try escape(&text) } else { text.append(byte) }
        }
        guard let result = String(validating: text, as: UTF8.self) else {
            throw JSONTextError(reason: "a string before byte \(position) is not UTF-8")
        }
        return result
    }

    private mutating func escape(_ text: inout [UInt8]) throws(JSONTextError) {
        guard let byte = peek else { throw unexpected(nil) }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code) {
                try expect("\\")
                try expect("u")
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else {
                    throw JSONTextError(reason: "half of a surrogate pair before byte \(position)")
                }
                code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else {
                throw JSONTextError(reason: "half of a surrogate pair before byte \(position)")
            }
            text.append(contentsOf: String(Character(scalar)).utf8)
        default: throw unexpected(byte)
        }
    }

    private mutating func hexadecimal() throws(JSONTextError) -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
                throw unexpected(peek)
            }
            code = code << 4 + UInt32(digit)
            position += 1
        }
        return code
    }
}

/// `text` as a JSON string, quotes included.
func quotedJSON(_ text: String) -> String {
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
