/// The items of a still picture in the family of HEIF (ISO 23008-12), as far as they are about the picture: EXIF, XMP,
/// whether there is opacity beside the primary picture, and how it is turned.
internal struct HEIF {
    private(set) var exif: [UInt8]?
    private(set) var xmp: [UInt8]?
    private(set) var orientation = 1
    /// Another item says how transparent the primary one is.
    private(set) var hasAlpha = false

    private struct Box {
        var name: String
        var body: Range<Int>
    }

    init?(_ bytes: [UInt8]) {
        guard let meta = Self.boxes(bytes, 0..<bytes.count).first(where: { $0.name == "meta" }) else { return nil }
        let inner = Self.boxes(bytes, Self.skip(4, meta.body))
        func box(_ name: String) -> Range<Int>? { inner.first { $0.name == name }?.body }
        var primary = 0
        if let pitm = box("pitm"), pitm.count >= 6 {
            primary = Int(Bytes.big(bytes[(pitm.lowerBound + 4)..<(pitm.lowerBound + 6)]))
        }
        if let iinf = box("iinf"), let iloc = box("iloc") {
            for (id, type) in Self.items(bytes, iinf) {
                guard type == "Exif" || type == "mime", let data = Self.data(bytes, iloc, item: id) else { continue }
                if type == "mime" {
                    if xmp == nil, data.starts(with: Array("<".utf8)) { xmp = data }
                } else if data.count > 4 {
                    // Four bytes tell how many more lie before the block.
                    let start = 4 + Int(Bytes.big(data[0..<4]))
                    if start < data.count {
                        let block = data[start...]
                        exif = Array(block.starts(with: Array("Exif\0\0".utf8)) ? block.dropFirst(6) : block)
                    }
                }
            }
        }
        if let iprp = box("iprp") { readProperties(bytes, iprp, primary: primary) }
    }

    private static func skip(_ count: Int, _ range: Range<Int>) -> Range<Int> {
        min(range.lowerBound + count, range.upperBound)..<range.upperBound
    }

    private static func boxes(_ bytes: [UInt8], _ range: Range<Int>) -> [Box] {
        var boxes: [Box] = []
        var position = range.lowerBound
        while position + 8 <= range.upperBound {
            var size = Int(Bytes.big(bytes[position..<(position + 4)]))
            var header = 8
            if size == 1, position + 16 <= range.upperBound {
                size = Int(truncatingIfNeeded: Bytes.big(bytes[(position + 8)..<(position + 16)]) & 0x7FFF_FFFF_FFFF)
                header = 16
            }
            if size == 0 { size = range.upperBound - position }
            guard size >= header, size <= range.upperBound - position else { break }
            let name = String(decoding: bytes[(position + 4)..<(position + 8)], as: UTF8.self)
            boxes.append(Box(name: name, body: (position + header)..<(position + size)))
            position += size
        }
        return boxes
    }

    private static func items(_ bytes: [UInt8], _ iinf: Range<Int>) -> [(id: Int, type: String)] {
        guard iinf.count > 6 else { return [] }
        let count = bytes[iinf.lowerBound] == 0 ? 2 : 4
        return boxes(bytes, skip(4 + count, iinf)).compactMap { box in
            guard box.name == "infe", box.body.count >= 12, bytes[box.body.lowerBound] >= 2 else { return nil }
            let wide = bytes[box.body.lowerBound] >= 3
            let start = box.body.lowerBound + 4
            let id = Int(Bytes.big(bytes[start..<(start + (wide ? 4 : 2))]))
            let type = start + (wide ? 4 : 2) + 2
            guard type + 4 <= box.body.upperBound else { return nil }
            return (id, String(decoding: bytes[type..<(type + 4)], as: UTF8.self))
        }
    }

    /// The bytes of an item that lies in the file itself.
    private static func data(_ bytes: [UInt8], _ iloc: Range<Int>, item: Int) -> [UInt8]? {
        var position = iloc.lowerBound
        func take(_ count: Int) -> Int? {
            guard position + count <= iloc.upperBound else { return nil }
            defer { position += count }
            return Int(truncatingIfNeeded: Bytes.big(bytes[position..<(position + count)]) & 0x7FFF_FFFF_FFFF_FFFF)
        }
        guard let version = take(1), take(3) != nil, let sizes = take(2) else { return nil }
        let (offsetSize, lengthSize) = (sizes >> 12 & 15, sizes >> 8 & 15)
        let (baseSize, indexSize) = (sizes >> 4 & 15, version > 0 ? sizes & 15 : 0)
        guard let count = take(version < 2 ? 2 : 4) else { return nil }
        for _ in 0..<count {
            guard let id = take(version < 2 ? 2 : 4), let method = version > 0 ? take(2) : 0, take(2) != nil,
                let base = take(baseSize), let extents = take(2)
            else { return nil }
            var result: [UInt8] = []
            for _ in 0..<extents {
                guard take(indexSize) != nil, let offset = take(offsetSize), let length = take(lengthSize) else {
                    return nil
                }
                guard id == item, method & 15 == 0 else { continue }
                let (start, overflow) = base.addingReportingOverflow(offset)
                guard !overflow, start <= bytes.count, length <= bytes.count - start else { return nil }
                result += bytes[start..<(start + length)]
            }
            if id == item { return result }
        }
        return nil
    }

    /// irot turns counterclockwise by quarters, imir mirrors before or after, in the order in which they are listed.
    private mutating func readProperties(_ bytes: [UInt8], _ iprp: Range<Int>, primary: Int) {
        let inner = Self.boxes(bytes, iprp)
        guard let ipco = inner.first(where: { $0.name == "ipco" })?.body else { return }
        let properties = Self.boxes(bytes, ipco)
        hasAlpha = properties.contains { box in
            box.name == "auxC"
                && String(decoding: bytes[Self.skip(4, box.body)], as: UTF8.self).contains("auxiliary:alpha")
        }
        var laid = Orientation.upright
        for index in Self.associations(bytes, inner.first { $0.name == "ipma" }?.body, item: primary)
        where properties.indices.contains(index - 1) {
            let property = properties[index - 1]
            guard let value = property.body.isEmpty ? nil : bytes[property.body.lowerBound] else { continue }
            if property.name == "irot" {
                laid.quarterTurns = (laid.quarterTurns + 4 - Int(value & 3)) % 4
            } else if property.name == "imir" {
                // Mirrored after turns is mirrored before the opposite ones; about the other axis it is half a turn more.
                laid.quarterTurns = (4 - laid.quarterTurns + (value & 1 == 0 ? 2 : 0)) % 4
                laid.isMirrored.toggle()
            }
        }
        orientation = laid.exifNumber
    }

    private static func associations(_ bytes: [UInt8], _ ipma: Range<Int>?, item: Int) -> [Int] {
        guard let ipma, ipma.count >= 8 else { return [] }
        let (version, isWide) = (bytes[ipma.lowerBound], bytes[ipma.lowerBound + 3] & 1 == 1)
        var position = ipma.lowerBound + 4
        func take(_ count: Int) -> Int? {
            guard position + count <= ipma.upperBound else { return nil }
            defer { position += count }
            return Int(Bytes.big(bytes[position..<(position + count)]))
        }
        guard let entries = take(4) else { return [] }
        for _ in 0..<entries {
            guard let id = take(version < 1 ? 2 : 4), let count = take(1) else { return [] }
            let indices = (0..<count).compactMap { _ in take(isWide ? 2 : 1).map { $0 & (isWide ? 0x7FFF : 0x7F) } }
            if id == item { return indices }
        }
        return []
    }
}

extension Orientation {
    /// EXIF's eight ways; mirrored first, then turned.
    private static let ways: [Orientation] = [
        .init(), .init(isMirrored: true), .init(quarterTurns: 2), .init(quarterTurns: 2, isMirrored: true),
        .init(quarterTurns: 3, isMirrored: true), .init(quarterTurns: 1), .init(quarterTurns: 1, isMirrored: true),
        .init(quarterTurns: 3),
    ]

    /// - Parameter number: 1 to 8.
    init(exif number: Int) { self = Self.ways.indices.contains(number - 1) ? Self.ways[number - 1] : .upright }

    var exifNumber: Int { (Self.ways.firstIndex(of: self) ?? 0) + 1 }

    /// libav's display matrix, nine 32-bit numbers.
    var displayMatrix: [UInt8] {
        let table: [[Int32]] =
            isMirrored
            ? [[-1, 0, 0, 1], [0, -1, -1, 0], [1, 0, 0, -1], [0, 1, 1, 0]]
            : [[1, 0, 0, 1], [0, 1, -1, 0], [-1, 0, 0, -1], [0, -1, 1, 0]]
        let way = table[quarterTurns % 4].map { $0 << 16 }
        let numbers: [Int32] = [way[0], way[1], 0, way[2], way[3], 0, 0, 0, 1 << 30]
        return numbers.withUnsafeBytes { Array($0) }
    }
}
