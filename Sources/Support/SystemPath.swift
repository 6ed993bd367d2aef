/// File names of any bytes as Swift strings, and back. Names on Linux are bytes: an old disk's may be in Latin-1. A string
/// holds Unicode only, so a byte that is part of no UTF-8 stands as a character of its own in a private area, U+10FE80 to
/// U+10FEFF; nothing else gets those.
public enum SystemPath {
    private static let first: UInt32 = 0x10FE00

    /// The string for the bytes of a name or an argument.
    public static func string(_ bytes: some Sequence<UInt8>) -> String {
        let bytes = Array(bytes)
        if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: isByte) {
            return text
        }
        var result = String.UnicodeScalarView()
        var position = 0
        while position < bytes.count {
            let length = sequenceLength(bytes[position...])
            if let length {
                result.append(
                    contentsOf: String(decoding: bytes[position..<(position + length)], as: UTF8.self).unicodeScalars)
                position += length
            } else {
                result.append(Unicode.Scalar(first + UInt32(bytes[position]))!)
                position += 1
            }
        }
        return String(result)
    }

    public static func string(_ text: UnsafePointer<CChar>) -> String {
        var count = 0
        while text[count] != 0 { count += 1 }
        return string(UnsafeBufferPointer(start: text, count: count).lazy.map { UInt8(bitPattern: $0) })
    }

    /// The command line's arguments, the program's name first.
    public static var arguments: [String] {
        (0..<Int(CommandLine.argc)).compactMap { CommandLine.unsafeArgv[$0].map { string(UnsafePointer($0)) } }
    }

    /// Whether a character stands for a byte.
    public static func isByte(_ scalar: Unicode.Scalar) -> Bool { (first + 0x80...first + 0xFF).contains(scalar.value) }

    /// The byte that a character stands for.
    public static func byte(_ scalar: Unicode.Scalar) -> UInt8? {
        isByte(scalar) ? UInt8(truncatingIfNeeded: scalar.value - first) : nil
    }

    /// How many bytes at the beginning are one character of UTF-8 that stands for itself; nil where none.
    private static func sequenceLength(_ bytes: ArraySlice<UInt8>) -> Int? {
        for length in 1...4 where bytes.count >= length {
            if let text = String(validating: bytes.prefix(length), as: UTF8.self), text.unicodeScalars.count == 1 {
                return isByte(text.unicodeScalars.first!) ? nil : length
            }
        }
        return nil
    }
}

extension String {
    /// The bytes of a file's name for the system, ended by 0.
    public var systemPath: [CChar] {
        guard unicodeScalars.contains(where: SystemPath.isByte) else { return utf8CString.map { $0 } }
        var bytes: [CChar] = []
        for scalar in unicodeScalars {
            if let byte = SystemPath.byte(scalar) {
                bytes.append(CChar(bitPattern: byte))
            } else {
                bytes += String(scalar).utf8.map { CChar(bitPattern: $0) }
            }
        }
        return bytes + [0]
    }

    /// Bytes of the name as the file system counts them.
    public var systemByteCount: Int { systemPath.count - 1 }
}
