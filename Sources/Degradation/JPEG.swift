internal import CJPEG
internal import Glibc
public import Tensor

/// The bytes of a JPEG of a picture: libjpeg's encoder with the IJG's tables for `quality` (1 … 100), 4:2:0.
public func compressedJPEG(_ picture: HostTensor, quality: Int) throws(DegradationError) -> [UInt8] {
    picture.expectPicture()
    precondition((1...100).contains(quality), "JPEG qualities run from 1 to 100")
    var bytes: UnsafeMutablePointer<UInt8>?
    var count = 0
    var message = [CChar](repeating: 0, count: 200)
    let codes = picture.bytes
    let code = jpeg_compress_rgb(
        codes, Int32(picture.shape.width), Int32(picture.shape.height), Int32(quality), &bytes, &count, &message)
    guard code == 0, let bytes else { throw .jpegFailed(reason: text(message)) }
    defer { free(bytes) }
    return Array(UnsafeBufferPointer(start: bytes, count: count))
}

extension HostTensor {
    /// The picture as it comes out of a JPEG of that quality.
    public func throughJPEG(quality: Int) throws(DegradationError) -> HostTensor {
        let compressed = try compressedJPEG(self, quality: quality)
        var codes = [UInt8](repeating: 0, count: values.count)
        var message = [CChar](repeating: 0, count: 200)
        let code = jpeg_decompress_rgb(
            compressed, compressed.count, Int32(shape.width), Int32(shape.height), &codes, &message)
        guard code == 0 else { throw .jpegFailed(reason: text(message)) }
        return HostTensor(shape, codes.map { Float($0) * (1 / 255) })
    }

    /// Rounded to 8 bits.
    internal var bytes: [UInt8] { values.map { UInt8(($0 > 0 ? min($0, 1) : 0) * 255 + 0.5) } }
}

private func text(_ message: [CChar]) -> String {
    String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
