/// A block in the form of a TIFF file (Adobe TIFF 6.0, CIPA DC-008): lists of tags, the first of which may point to others.
/// Every offset is checked before it is followed.
internal struct Exif {
    private let bytes: [UInt8]
    private let isLittle: Bool
    private let first: Int

    private struct Entry {
        var tag: Int
        var type: Int
        var count: Int
        /// Where the value lies: in the entry, or where it points to.
        var value: Range<Int>
        /// Where the entry's own four bytes of value lie.
        var field: Int
    }

    private static let sizes = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4]

    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 8 else { return nil }
        switch Array(bytes[0..<4]) {
        case [0x49, 0x49, 0x2A, 0]: isLittle = true
        case [0x4D, 0x4D, 0, 0x2A]: isLittle = false
        default: return nil
        }
        self.bytes = bytes
        let offset = isLittle ? Bytes.little(bytes[4..<8]) : Bytes.big(bytes[4..<8])
        guard offset >= 8, offset + 2 <= UInt64(bytes.count) else { return nil }
        first = Int(offset)
    }

    private func number(_ position: Int, _ count: Int) -> Int? {
        guard position >= 0, position + count <= bytes.count else { return nil }
        let slice = bytes[position..<(position + count)]
        return Int(truncatingIfNeeded: isLittle ? Bytes.little(slice) : Bytes.big(slice))
    }

    private func entries(at list: Int) -> [Entry] {
        guard let count = number(list, 2) else { return [] }
        return (0..<count).compactMap { index in
            let position = list + 2 + 12 * index
            guard let tag = number(position, 2), let type = number(position + 2, 2),
                let count = number(position + 4, 4),
                Self.sizes.indices.contains(type), type > 0, count < bytes.count
            else { return nil }
            let size = Self.sizes[type] * count
            let start = size <= 4 ? position + 8 : number(position + 8, 4) ?? bytes.count
            guard start + size <= bytes.count else { return nil }
            return Entry(tag: tag, type: type, count: count, value: start..<(start + size), field: position + 8)
        }
    }

    private func whole(_ entry: Entry) -> Int? {
        switch entry.type {
        case 3: number(entry.value.lowerBound, 2)
        case 4: number(entry.value.lowerBound, 4)
        default: nil
        }
    }

    private func fraction(_ entry: Entry) -> Double? {
        guard entry.type == 5, let a = number(entry.value.lowerBound, 4), let b = number(entry.value.lowerBound + 4, 4),
            b > 0
        else { return nil }
        return Double(a) / Double(b)
    }

    private func entry(_ tag: Int) -> Entry? { entries(at: first).first { $0.tag == tag } }

    /// 1 to 8; 1 where nothing is said.
    var orientation: Int {
        guard let number = entry(0x112).flatMap(whole), (1...8).contains(number) else { return 1 }
        return number
    }

    var density: PictureMetadata.Density? {
        guard let x = entry(0x11A).flatMap(fraction), let y = entry(0x11B).flatMap(fraction), x > 0, y > 0 else {
            return nil
        }
        let unit = entry(0x128).flatMap(whole) ?? 2
        guard unit == 2 || unit == 3 else { return nil }
        let scale = unit == 3 ? 2.54 : 1
        return .init(x: x * scale, y: y * scale)
    }

    var xmp: [UInt8]? { entry(700).map { Array(bytes[$0.value]) } }

    /// The pixels lie in tiles, not in strips.
    var isTiled: Bool { entry(322) != nil }

    /// How many pictures follow each other in the file, a thousand at most.
    var pages: Int {
        var count = 0
        var list = first
        while count < 1000, list >= 8, let entries = number(list, 2) {
            count += 1
            list = number(list + 2 + 12 * entries, 4) ?? 0
        }
        return max(1, count)
    }

    /// The block for the same picture when it lies upright and has another size: orientation 1, the new size, no thumbnail.
    /// Everything stays at its place, since makers' notes count offsets as they like.
    func upright(width: Int, height: Int) -> [UInt8] {
        var result = bytes
        func set(_ entry: Entry, _ value: Int) {
            guard entry.type == 3 && value < 1 << 16 || entry.type == 4 else { return }
            let count = entry.type == 3 ? 2 : 4
            let new = isLittle ? Bytes.little(value, count: count) : Bytes.big(value, count: count)
            result.replaceSubrange(entry.value.lowerBound..<(entry.value.lowerBound + count), with: new)
        }
        for entry in entries(at: first) {
            switch entry.tag {
            case 0x112: set(entry, 1)
            case 0x100: set(entry, width)
            case 0x101: set(entry, height)
            case 0x8769:
                for inner in entries(at: whole(entry) ?? bytes.count) {
                    if inner.tag == 0xA002 { set(inner, width) }
                    if inner.tag == 0xA003 { set(inner, height) }
                }
            default: break
            }
        }
        // The second list is about the thumbnail, which shows the picture as it was.
        if let count = number(first, 2), first + 2 + 12 * count + 4 <= bytes.count {
            result.replaceSubrange((first + 2 + 12 * count)..<(first + 6 + 12 * count), with: [0, 0, 0, 0])
        }
        return result
    }

    /// What a TIFF file says that is not about its own pixels, as a block of its own: who, when, where, with what. Nil where
    /// there is nothing.
    var descriptive: [UInt8]? {
        let kept: Set<Int> = [
            0x10E, 0x10F, 0x110, 0x112, 0x11A, 0x11B, 0x128, 0x131, 0x132, 0x13B, 0x8298, 0x8769, 0x8825,
        ]
        let chosen = entries(at: first).filter { kept.contains($0.tag) }
        guard chosen.contains(where: { ![0x112, 0x11A, 0x11B, 0x128].contains($0.tag) }) else { return nil }
        var result: [UInt8] = Array(bytes[0..<4]) + pack(8, 4)
        write(chosen, into: &result, depth: 0)
        return result
    }

    private func pack(_ value: Int, _ count: Int) -> [UInt8] {
        isLittle ? Bytes.little(value, count: count) : Bytes.big(value, count: count)
    }

    /// Appends a list and what it points to; lists inside it follow.
    private func write(_ entries: [Entry], into result: inout [UInt8], depth: Int) {
        let list = result.count
        result += pack(entries.count, 2) + [UInt8](repeating: 0, count: 12 * entries.count + 4)
        for (index, entry) in entries.enumerated() {
            let position = list + 2 + 12 * index
            var field = Array(bytes[entry.value])
            if [0x8769, 0x8825].contains(entry.tag), depth == 0, let inner = whole(entry) {
                let start = result.count
                write(self.entries(at: inner), into: &result, depth: 1)
                field = pack(start, 4)
            } else if field.count > 4 {
                let start = result.count
                result += field + (field.count % 2 == 0 ? [] : [0])
                field = pack(start, 4)
            }
            field += [UInt8](repeating: 0, count: 4 - field.count)
            let head = pack(entry.tag, 2) + pack(entry.type, 2) + pack(entry.count, 4)
            result.replaceSubrange(position..<(position + 12), with: head + field)
        }
    }
}
