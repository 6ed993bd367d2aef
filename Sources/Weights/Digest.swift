internal import Crypto

/// SHA-256 in lower-case hexadecimal digits.
public func sha256(_ bytes: [UInt8]) -> String {
    hexadecimal(SHA256.hash(data: bytes))
}

/// SHA-256 of a file's content in lower-case hexadecimal digits.
/// - Throws: `WeightError` when the file is missing or cannot be read.
public func sha256(ofFile path: String) throws(WeightError) -> String {
    let file = try ByteFile(path)
    var hash = SHA256()
    // Pieces, so that memory does not grow with the file.
    let piece = 1 << 22
    for start in stride(from: 0, to: file.count, by: piece) {
        let bytes = try file.bytes(start..<min(start + piece, file.count))
        bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
    }
    return hexadecimal(hash.finalize())
}
