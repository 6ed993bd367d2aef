import Foundation

/// Picture files by hand, and what can be put into those that a program made.
enum PictureFiles {
    static func big(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }

    static func little(_ value: Int, _ count: Int) -> [UInt8] { big(value, count).reversed() }

    static let camera = "Upframe Camera"
    static let xmp = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><note>upframe</note></x:xmpmeta>"

    /// A block of EXIF: a camera's name and an orientation.
    static func exif(orientation: Int, isLittle: Bool = true) -> [UInt8] {
        func pack(_ value: Int, _ count: Int) -> [UInt8] { isLittle ? little(value, count) : big(value, count) }
        let name = Array(camera.utf8) + [0]
        var block: [UInt8] = (isLittle ? [0x49, 0x49] : [0x4D, 0x4D]) + pack(42, 2) + pack(8, 4) + pack(2, 2)
        block += pack(0x110, 2) + pack(2, 2) + pack(name.count, 4) + pack(8 + 2 + 24 + 4, 4)
        block += pack(0x112, 2) + pack(3, 2) + pack(1, 4) + pack(orientation, 2) + [0, 0]
        return block + pack(0, 4) + name
    }

    /// EXIF and XMP behind the start of a JPEG and its JFIF segment, whose density becomes `density` pixels an inch.
    static func tagged(jpeg: [UInt8], exif: [UInt8]?, xmp: String? = nil, density: Int? = nil) -> [UInt8] {
        func segment(_ body: [UInt8]) -> [UInt8] { [0xFF, 0xE1] + big(body.count + 2, 2) + body }
        var added: [UInt8] = []
        if let exif { added += segment(Array("Exif\0\0".utf8) + exif) }
        if let xmp { added += segment(Array("http://ns.adobe.com/xap/1.0/\0".utf8) + Array(xmp.utf8)) }
        let jfif = 2 + 2 + Int(jpeg[4]) << 8 + Int(jpeg[5])
        var head = Array(jpeg[..<jfif])
        if let density { head.replaceSubrange(13..<18, with: [1] + big(density, 2) + big(density, 2)) }
        return head + added + jpeg[jfif...]
    }

    static func crc(_ bytes: [UInt8]) -> Int {
        var crc: UInt32 = ~0
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return Int(~crc)
    }

    static func tagged(png: [UInt8], exif: [UInt8]) -> [UInt8] {
        let named = Array("eXIf".utf8) + exif
        // Behind the signature and IHDR.
        return png[..<33] + big(exif.count, 4) + named + big(crc(named), 4) + png[33...]
    }

    /// The simple form becomes the extended one.
    static func tagged(webp: [UInt8], exif: [UInt8], width: Int, height: Int) -> [UInt8] {
        let block = exif.count % 2 == 0 ? exif : exif + [0]
        var body = Array("WEBPVP8X".utf8) + little(10, 4) + [8, 0, 0, 0] + little(width - 1, 3) + little(height - 1, 3)
        body += webp[12...] + Array("EXIF".utf8) + little(exif.count, 4) + block
        return Array("RIFF".utf8) + little(body.count, 4) + body
    }

    /// An uncompressed TIFF of 8-bit RGB with an orientation, of several pages, or with its pixels in a tile.
    static func tiff(
        _ rgb: [UInt8], width: Int, height: Int, orientation: Int = 1, pages: Int = 1, isTiled: Bool = false
    ) -> [UInt8] {
        var file: [UInt8] = [0x49, 0x49, 42, 0]
        let pixels = 8
        let lists = pixels + rgb.count + rgb.count % 2
        let place = isTiled ? [(322, width), (323, height), (324, pixels), (325, rgb.count)] : []
        let strips = isTiled ? [] : [(273, pixels), (278, height), (279, rgb.count)]
        let tags = [(256, width), (257, height), (259, 1), (262, 2), (274, orientation), (277, 3)] + place + strips
        let count = tags.count + 1
        let size = 2 + 12 * count + 4 + 6
        file += little(lists, 4) + rgb + (rgb.count % 2 == 0 ? [] : [0])
        for page in 0..<pages {
            let start = lists + page * size
            // The three depths do not fit into the entry.
            let depths = little(258, 2) + little(3, 2) + little(3, 4) + little(start + size - 6, 4)
            file += little(count, 2)
            var entries = tags.map { tag, value in
                (tag, little(tag, 2) + little(4, 2) + little(1, 4) + little(value, 4))
            }
            entries.append((258, depths))
            for (_, entry) in entries.sorted(by: { $0.0 < $1.0 }) { file += entry }
            file += little(page + 1 < pages ? start + size : 0, 4) + [8, 0, 8, 0, 8, 0]
        }
        return file
    }

    /// Says in an AVIF of libavformat's, whose only item lies behind all boxes, that another item holds its opacity.
    static func withAlphaProperty(avif: [UInt8]) -> [UInt8]? {
        let name = Array("urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0".utf8)
        let box = big(12 + name.count, 4) + Array("auxC".utf8) + [0, 0, 0, 0] + name
        var result = avif
        func find(_ name: String) -> Int? {
            let bytes = Array(name.utf8)
            return (0..<(avif.count - 4)).first { avif[$0..<($0 + 4)].elementsEqual(bytes) }
        }
        func grow(_ position: Int) {
            let old = avif[position..<(position + 4)].reduce(0) { $0 << 8 | Int($1) }
            result.replaceSubrange(position..<(position + 4), with: big(old + box.count, 4))
        }
        guard let meta = find("meta"), let iprp = find("iprp"), let ipco = find("ipco"), let iloc = find("iloc") else {
            return nil
        }
        let end = ipco - 4 + avif[(ipco - 4)..<ipco].reduce(0) { $0 << 8 | Int($1) }
        for name in [meta, iprp, ipco] { grow(name - 4) }
        grow(iloc + 18)
        result.insert(contentsOf: box, at: end)
        return result
    }

    static func read(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

    static func write(_ bytes: [UInt8], _ path: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }
}
