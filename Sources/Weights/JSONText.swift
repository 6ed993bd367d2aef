// A strict reader for the small part of JSON that safetensors headers are made of. Foundation's decoder accepts duplicate
// keys silently; here they must be an error.

/// A JSON value; objects keep their order.
enum JSONText: Equatable {
    case object([(key: String, value: JSONText)])
    case array([JSONText])
    case string(String)
    /// The number as written.
    case number(String)
    case boolean(Bool)
    case null

    static func == (a: JSONText, b: JSONText) -> Bool {
        switch (a, b) {
        case (.object(let x), .object(let y)): x.elementsEqual(y) { $0.key == $1.key && $0.value == $1.value }
        case (.array(let x), .array(let y)): x == y
        case (.string(let x), .string(let y)), (.number(let x), .number(let y)): x == y
        case (.boolean(let x), .boolean(let y)): x == y
        case (.null, .null): true
        default: false
        }
    }

    /// A whole number that is written without sign, fraction or exponent and fits an `Int`.
    var count: Int? {
        guard case .number(let text) = self, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text)
    }
}

/// Why a text is not JSON, in a few words.
struct JSONTextError: Error {
    let reason: String
}

extension JSONText {
    /// - Parameter bytes: one value, with white space around it.
    init(_ bytes: [UInt8]) throws(JSONTextError) {
        var reader = Reader(bytes: bytes)
        self = try reader.value(depth: 0)
        reader.skipSpace()
        if let next = reader.peek { throw reader.unexpected(next) }
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

        func unexpected(_ byte: UInt8?) -> JSONTextError {
            guard let byte else { return JSONTextError(reason: "it ends too early") }
            return JSONTextError(reason: "unexpected byte 0x\(String(byte, radix: 16)) at \(position)")
        }

        mutating func skipSpace() {
            while let byte = peek, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
        }

        mutating func expect(_ character: Unicode.Scalar) throws(JSONTextError) {
            guard peek == UInt8(ascii: character) else { throw unexpected(peek) }
            position += 1
        }

        mutating func accept(_ character: Unicode.Scalar) -> Bool {
            guard peek == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }

        mutating func value(depth: Int) throws(JSONTextError) -> JSONText {
            // A header nests three deep; this bounds the reader's own recursion.
            guard depth < 16 else { throw JSONTextError(reason: "it is nested too deeply") }
            skipSpace()
            switch peek {
            case UInt8(ascii: "{"): return try object(depth: depth)
            case UInt8(ascii: "["): return try array(depth: depth)
            case UInt8(ascii: "\""): return .string(try string())
            case UInt8(ascii: "t"): return try word("true", .boolean(true))
            case UInt8(ascii: "f"): return try word("false", .boolean(false))
            case UInt8(ascii: "n"): return try word("null", .null)
            default: return .number(try number())
            }
        }

        mutating func object(depth: Int) throws(JSONTextError) -> JSONText {
            try expect("{")
            var members: [(key: String, value: JSONText)] = []
            var seen: Set<[UInt8]> = []
            skipSpace()
            if accept("}") { return .object([]) }
            repeat {
                skipSpace()
                let key = try string()
                // Compared as bytes: Swift's strings also equate different spellings of one character.
                guard seen.insert(Array(key.utf8)).inserted else {
                    throw JSONTextError(reason: "the key '\(key)' stands there twice")
                }
                skipSpace()
                try expect(":")
                members.append((key, try value(depth: depth + 1)))
                skipSpace()
            } while accept(",")
            try expect("}")
            return .object(members)
        }

        mutating func array(depth: Int) throws(JSONTextError) -> JSONText {
            try expect("[")
            var elements: [JSONText] = []
            skipSpace()
            if accept("]") { return .array([]) }
            repeat {
                elements.append(try value(depth: depth + 1))
                skipSpace()
            } while accept(",")
            try expect("]")
            return .array(elements)
        }

        mutating func word(_ text: String, _ value: JSONText) throws(JSONTextError) -> JSONText {
            for scalar in text.unicodeScalars { try expect(scalar) }
            return value
        }

        mutating func digits() throws(JSONTextError) {
            guard let byte = peek, (0x30...0x39).contains(byte) else { throw unexpected(peek) }
            while let byte = peek, (0x30...0x39).contains(byte) { position += 1 }
        }

        mutating func number() throws(JSONTextError) -> String {
            let start = position
            _ = accept("-")
            if !accept("0") { try digits() }
            if accept(".") { try digits() }
            if accept("e") || accept("E") {
                if !accept("+") { _ = accept("-") }
                try digits()
            }
            return String(decoding: bytes[start..<position], as: UTF8.self)
        }

        mutating func string() throws(JSONTextError) -> String {
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

        mutating func escape(_ text: inout [UInt8]) throws(JSONTextError) {
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

        mutating func hexadecimal() throws(JSONTextError) -> UInt32 {
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
    static func quoted(_ text: String) -> String {
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
}
