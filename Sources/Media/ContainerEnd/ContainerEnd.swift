/// Whether a file is as long as its container says: sizes, indices and end marks that libav does not look at, since it plays
/// what there is.
///
/// Reads some kilobytes at both ends of a regular file. A container that says nothing, or says it in a way that is not
/// understood, counts as whole.
internal enum ContainerEnd {
    /// What is missing, in words; nil for a file that is whole, or of a container without an end.
    ///
    /// - Parameter format: libav's name of the demuxer.
    static func lack(in path: String, format: String) -> String? {
        guard let file = RandomAccessFile(path) else { return nil }
        switch format {
        case "avi": return riff(file)
        case "asf": return asf(file)
        case "flv": return flv(file)
        case "nut": return nut(file)
        case "gif": return GIFStructure.lack(in: file)
        case "ogg": return ogg(file)
        case "apng": return file.tail(12).suffix(8).starts(with: Array("IEND".utf8)) ? nil : "its end mark is missing"
        case "mjpeg": return motionJPEG(file)
        case "mpeg": return programStream(file)
        case let name where name.hasPrefix("webp"): return riff(file)
        case let name where name.hasPrefix("mov,"): return boxes(file)
        case let name where name.hasPrefix("matroska"): return matroska(file)
        default: return nil
        }
    }

    /// Whether a transport stream ends within a packet (ISO 13818-1): of 188 bytes, or of 192 or 204 with what discs and
    /// broadcasts put before or behind them.
    static func endsWithinPacket(_ path: String) -> Bool {
        guard let file = RandomAccessFile(path) else { return false }
        let step = [188, 192, 204].first { step in
            (0..<4).allSatisfy { file.bytes(at: $0 * step + (step == 192 ? 4 : 0), count: 1) == [0x47] }
        }
        return step.map { file.size % $0 != 0 } ?? false
    }

    private static func lacks(_ declared: Int, of size: Int) -> String? {
        declared > size ? "\(size) of \(declared) bytes are there" : nil
    }

    /// RIFF, and AVI's further chunks of it beyond a gigabyte (OpenDML).
    private static func riff(_ file: RandomAccessFile) -> String? {
        var position = 0
        while position + 12 <= file.size {
            let head = file.bytes(at: position, count: 8)
            guard head.starts(with: Array("RIFF".utf8)) else { return nil }
            let length = Int(little(head[4...]))
            // A stream's, which was written without going back.
            if length == 0 || length == 0xFFFF_FFFF { return nil }
            if let lack = lacks(position + 8 + length, of: file.size) { return lack }
            position += 8 + length + length % 2
        }
        return nil
    }

    /// The File Properties Object's size, unless it is a broadcast (Microsoft, ASF specification 3.2).
    private static func asf(_ file: RandomAccessFile) -> String? {
        let properties: [UInt8] = [
            0xA1, 0xDC, 0xAB, 0x8C, 0x47, 0xA9, 0xCF, 0x11, 0x8E, 0xE4, 0x00, 0xC0, 0x0C, 0x20, 0x53, 0x65,
        ]
        let head = file.bytes(at: 0, count: 65536)
        guard let start = find(properties, in: head), start + 104 <= head.count else { return nil }
        let flags = little(head[(start + 88)..<(start + 92)])
        let declared = little(head[(start + 40)..<(start + 48)])
        guard flags & 1 == 0, declared < 1 << 60 else { return nil }
        return lacks(Int(declared), of: file.size)
    }

    /// `filesize` in the metadata, a double; and the last tag, which is followed by its own size.
    private static func flv(_ file: RandomAccessFile) -> String? {
        let head = file.bytes(at: 0, count: 65536)
        let key: [UInt8] = [0, 8] + Array("filesize".utf8) + [0]
        if let start = find(key, in: head), start + key.count + 8 <= head.count {
            let bits = head[(start + key.count)..<(start + key.count + 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let declared = Double(bitPattern: bits)
            if declared.isFinite, declared > 0, declared < 1e18 { return lacks(Int(declared), of: file.size) }
        }
        let last = file.tail(4)
        guard last.count == 4 else { return nil }
        let size = Int(big(last))
        guard size >= 11, size + 4 <= file.size else { return "its last tag is cut short" }
        let tag = file.bytes(at: file.size - 4 - size, count: 4)
        guard tag.count == 4, [8, 9, 18].contains(tag[0] & 0x1F) else { return "its last tag is cut short" }
        return Int(big([0] + tag[1...])) + 11 == size ? nil : "its last tag is cut short"
    }

    /// The index at the end, to which the last bytes point (NUT specification, "index").
    private static func nut(_ file: RandomAccessFile) -> String? {
        guard file.size >= 12 else { return nil }
        return nutIndex(file) == nil ? "its index, which ends a NUT file, is missing" : nil
    }

    /// Byte at which the index that ends a NUT file begins; nil where there is none.
    static func nutIndex(of path: String) -> Int? { RandomAccessFile(path).flatMap(nutIndex) }

    private static func nutIndex(_ file: RandomAccessFile) -> Int? {
        let length = file.tail(12).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length >= 12, length <= UInt64(file.size) else { return nil }
        let start = file.size - Int(length)
        return file.bytes(at: start, count: 8) == [0x4E, 0x58, 0xDD, 0x67, 0x2F, 0x23, 0xE6, 0x4E] ? start : nil
    }

    /// The flag of the last page (RFC 3533).
    private static func ogg(_ file: RandomAccessFile) -> String? {
        // A page has 65307 bytes at most.
        let tail = file.tail(2 * 65536)
        var position = tail.count - 27
        while position >= 0 {
            if tail[position] == 0x4F, tail[position...].starts(with: Array("OggS".utf8)) {
                let count = Int(tail[position + 26])
                guard position + 27 + count <= tail.count else { return "its last page is cut short" }
                let body = tail[(position + 27)..<(position + 27 + count)].reduce(0) { $0 + Int($1) }
                if position + 27 + count + body > tail.count { return "its last page is cut short" }
                return tail[position + 5] & 4 != 0 ? nil : "the page that ends its stream is missing"
            }
            position -= 1
        }
        return nil
    }

    /// The Segment's size (RFC 8794), behind the EBML header.
    private static func matroska(_ file: RandomAccessFile) -> String? {
        let head = file.bytes(at: 0, count: 4096)
        guard head.starts(with: [0x1A, 0x45, 0xDF, 0xA3]), let (size, width) = number(head[4...]),
            4 + width + size + 12 <= head.count
        else { return nil }
        let segment = 4 + width + size
        guard Array(head[segment..<(segment + 4)]) == [0x18, 0x53, 0x80, 0x67],
            let (length, bytes) = number(head[(segment + 4)...]), length < (1 << (7 * bytes)) - 1
        else { return nil }
        return lacks(segment + 4 + bytes + length, of: file.size)
    }

    /// The boxes of the mp4 family, one behind the other (ISO 14496-12): the last one ends with the file.
    private static func boxes(_ file: RandomAccessFile) -> String? {
        let known = [
            "ftyp", "styp", "moov", "mdat", "moof", "mfra", "sidx", "free", "skip", "wide", "meta", "uuid", "udta",
        ]
        var position = 0
        while position + 8 <= file.size {
            let head = file.bytes(at: position, count: 16)
            // What is behind the boxes is not the container's.
            guard head.count >= 8, known.contains(String(decoding: head[4..<8], as: UTF8.self)) else { return nil }
            var length = big(Array(head[0..<4]))
            if length == 1, head.count == 16 { length = big(Array(head[8...])) }
            // Nought reaches to the end of the file.
            guard length >= 8, length < 1 << 60 else { return nil }
            if let lack = lacks(position + Int(length), of: file.size) { return lack }
            position += Int(length)
        }
        return nil
    }

    /// The end of the last picture (ITU-T T.81), behind which zeros may stand.
    private static func motionJPEG(_ file: RandomAccessFile) -> String? {
        let last = file.tail(4096).reversed().drop { $0 == 0 }.prefix(2)
        return last.elementsEqual([0xD9, 0xFF]) ? nil : "its last picture is cut short"
    }

    /// The packets of the last pack of a program stream (ISO 13818-1, ISO 11172-1): the last one ends with the file.
    private static func programStream(_ file: RandomAccessFile) -> String? {
        let tail = file.tail(1 << 17)
        func isStart(_ position: Int) -> Bool {
            position + 4 <= tail.count && tail[position] == 0 && tail[position + 1] == 0 && tail[position + 2] == 1
        }
        let packs = stride(from: tail.count - 4, through: 0, by: -1)
        guard var position = packs.first(where: { isStart($0) && tail[$0 + 3] == 0xBA }) else { return nil }
        let lack = "its last packet is cut short"
        while position < tail.count {
            guard isStart(position) else {
                // Zeros fill up discs' sectors; of anything else nobody knows.
                return position + 4 > tail.count && tail[position...].contains { $0 != 0 } ? lack : nil
            }
            switch tail[position + 3] {
            case 0xB9: return nil
            case 0xBA where position + 14 > tail.count: return lack
            case 0xBA: position += tail[position + 4] & 0xC0 == 0x40 ? 14 + Int(tail[position + 13] & 7) : 12
            case 0xBB...0xFF where position + 6 > tail.count: return lack
            case 0xBB...0xFF: position += 6 + Int(tail[position + 4]) << 8 + Int(tail[position + 5])
            default: return nil
            }
        }
        return position > tail.count ? lack : nil
    }

    /// A number of variable length, and how many bytes it takes.
    private static func number(_ bytes: ArraySlice<UInt8>) -> (value: Int, width: Int)? {
        guard let first = bytes.first, first != 0 else { return nil }
        let width = first.leadingZeroBitCount + 1
        guard bytes.count >= width else { return nil }
        let rest = bytes.dropFirst().prefix(width - 1)
        let value = rest.reduce(Int(first) & (0xFF >> width)) { $0 << 8 | Int($1) }
        return (value, width)
    }

    private static func little(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func big(_ bytes: [UInt8]) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    private static func find(_ pattern: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= pattern.count else { return nil }
        return (0...(bytes.count - pattern.count)).first { start in
            bytes[start] == pattern[0] && bytes[start..<(start + pattern.count)].elementsEqual(pattern)
        }
    }
}
