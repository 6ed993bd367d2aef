internal import CFFmpeg

/// Puts what a source's picture says beside its pixels into the bytes of a new picture.
internal enum PictureTags {
    /// The same picture with EXIF, XMP and density, as far as its format has a place for them: JPEG, PNG and WebP.
    ///
    /// - Parameters:
    ///   - metadata: of the source; its orientation has been applied to the pixels.
    ///   - width, height: of the new picture.
    /// - Returns: the bytes, and what found no place.
    static func add(
        _ metadata: PictureMetadata, to bytes: [UInt8], width: Int, height: Int
    ) -> (bytes: [UInt8], left: [String]) {
        guard !metadata.isEmpty else { return (bytes, []) }
        var metadata = metadata
        metadata.exif = metadata.exif.map { Exif($0)?.upright(width: width, height: height) ?? $0 }
        switch PictureMetadata.format(of: bytes) {
        case .jpeg: return jpeg(metadata, bytes)
        case .png: return (png(metadata, bytes), [])
        case .webp: return webp(metadata, bytes, width, height)
        case .tiff, .avif, nil: return (bytes, metadata.names)
        }
    }

    private static func jpeg(_ metadata: PictureMetadata, _ bytes: [UInt8]) -> ([UInt8], [String]) {
        var left: [String] = []
        var added: [UInt8] = []
        func segment(_ head: [UInt8], _ body: [UInt8]?, _ name: String) {
            guard let body else { return }
            let length = head.count + body.count + 2
            // A segment's length has 16 bits.
            guard length < 1 << 16 else { return left.append(name) }
            added += [0xFF, 0xE1] + Bytes.big(length, count: 2) + head + body
        }
        segment(Array("Exif\0\0".utf8), metadata.exif, "EXIF")
        segment(PictureMetadata.xmpName, metadata.xmp, "XMP")
        var result = bytes
        var position = 2
        if let jfif = JPEGSegments(bytes).first(where: { $0.marker == 0xE0 && $0.body.count >= 12 }) {
            position = jfif.body.upperBound
            if let density = metadata.density {
                let (x, y) = (Int(density.x.rounded()), Int(density.y.rounded()))
                if (1..<65536).contains(x), (1..<65536).contains(y) {
                    let start = jfif.body.lowerBound + 7
                    result.replaceSubrange(
                        start..<(start + 5), with: [1] + Bytes.big(x, count: 2) + Bytes.big(y, count: 2))
                }
            }
        }
        result.insert(contentsOf: added, at: position)
        return (result, left)
    }

    private static func png(_ metadata: PictureMetadata, _ bytes: [UInt8]) -> [UInt8] {
        func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
            let named = Array(name.utf8) + body
            let crc = ~av_crc(av_crc_get_table(AV_CRC_32_IEEE_LE), ~0, named, named.count)
            return Bytes.big(body.count, count: 4) + named + Bytes.big(Int(crc), count: 4)
        }
        var added: [UInt8] = []
        if let density = metadata.density {
            let perMetre = [density.x, density.y].map { Int(($0 / PictureMetadata.Density.metresPerInch).rounded()) }
            if perMetre.allSatisfy({ (1..<1 << 31).contains($0) }) {
                added += chunk("pHYs", Bytes.big(perMetre[0], count: 4) + Bytes.big(perMetre[1], count: 4) + [1])
            }
        }
        if let exif = metadata.exif { added += chunk("eXIf", exif) }
        if let xmp = metadata.xmp { added += chunk("iTXt", PictureMetadata.xmpKeyword + [0, 0, 0, 0] + xmp) }
        var result = Array(bytes.prefix(8))
        for chunk in PNGChunks(bytes) {
            // libav says the shape of a pixel there.
            if chunk.name == "pHYs", metadata.density != nil { continue }
            result += bytes[chunk.start..<(chunk.body.upperBound + 4)]
            if chunk.name == "IHDR" { result += added }
        }
        return result
    }

    /// The extended form (RFC 9649): VP8X, the picture, EXIF, XMP.
    private static func webp(
        _ metadata: PictureMetadata, _ bytes: [UInt8], _ width: Int, _ height: Int
    ) -> ([UInt8], [String]) {
        func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
            Array(name.utf8) + Bytes.little(body.count, count: 4) + body + (body.count % 2 == 0 ? [] : [0])
        }
        let chunks = Array(RIFFChunks(bytes))
        guard let first = chunks.first, (1..<1 << 24).contains(width), (1..<1 << 24).contains(height) else {
            return (bytes, metadata.names)
        }
        var flags = (metadata.exif == nil ? 0 : 8) | (metadata.xmp == nil ? 0 : 4) as UInt8
        if first.name == "VP8X" {
            flags |= bytes[first.body.lowerBound]
        } else if first.name == "VP8L", first.body.count > 4, bytes[first.body.lowerBound + 4] & 0x10 != 0 {
            flags |= 0x10
        }
        var result = chunk(
            "VP8X",
            [flags, 0, 0, 0] + Bytes.little(width - 1, count: 3) + Bytes.little(height - 1, count: 3))
        for piece in chunks where piece.name != "VP8X" { result += chunk(piece.name, Array(bytes[piece.body])) }
        if let exif = metadata.exif { result += chunk("EXIF", exif) }
        if let xmp = metadata.xmp { result += chunk("XMP ", xmp) }
        let whole = Array("RIFF".utf8) + Bytes.little(result.count + 4, count: 4) + Array("WEBP".utf8) + result
        return (whole, metadata.density == nil || metadata.exif != nil ? [] : ["the printing density"])
    }
}
