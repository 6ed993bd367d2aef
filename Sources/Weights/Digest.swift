internal import COpenSSL

/// SHA-256 (FIPS 180-4) of bytes that come in pieces. Used by one thread at a time.
public final class SHA256 {
    private let context: OpaquePointer

    public init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("libcrypto has no SHA-256")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    public func update(_ bytes: UnsafeRawBufferPointer) {
        precondition(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1, "a digest after its end")
    }

    /// The digest in lower-case hexadecimal digits. Nothing can be added after it.
    public func finish() -> String {
        var bytes = [UInt8](repeating: 0, count: 32)
        precondition(EVP_DigestFinal_ex(context, &bytes, nil) == 1, "a digest after its end")
        return hexadecimal(bytes)
    }
}

/// SHA-256 in lower-case hexadecimal digits.
public func sha256(_ bytes: [UInt8]) -> String {
    let hash = SHA256()
    bytes.withUnsafeBytes { hash.update($0) }
    return hash.finish()
}

/// SHA-256 of a file's content in lower-case hexadecimal digits.
/// - Throws: `WeightError` when the file is missing or cannot be read.
public func sha256(ofFile path: String) throws(WeightError) -> String {
    let file = try ByteFile(path)
    let hash = SHA256()
    // Pieces, so that memory does not grow with the file.
    let piece = 1 << 22
    for start in stride(from: 0, to: file.count, by: piece) {
        let bytes = try file.bytes(start..<min(start + piece, file.count))
        bytes.withUnsafeBytes { hash.update($0) }
    }
    return hash.finish()
}
