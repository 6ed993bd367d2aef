internal import Support

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

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
        case "gif": return gif(file)
        case "ogg": return ogg(file)
        case "apng": return file.tail(12).suffix(8).starts(with: Array("IEND".utf8)) ? nil : "its end mark is missing"
        case let name where name.hasPrefix("webp"): return riff(file)
        case let name where name.hasPrefix("matroska"): return matroska(file)
        default: return nil
        }
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
        let last = file.tail(12)
        let missing = "its index, which ends a NUT file, is missing"
        guard last.count == 12 else { return nil }
        let length = last.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length >= 12, length <= UInt64(file.size) else { return missing }
        let start = file.bytes(at: file.size - Int(length), count: 8)
        return start == [0x4E, 0x58, 0xDD, 0x67, 0x2F, 0x23, 0xE6, 0x4E] ? nil : missing
    }

    /// The trailer, after which some programs leave zeros.
    private static func gif(_ file: RandomAccessFile) -> String? {
        file.tail(1024).last { $0 != 0 } == 0x3B ? nil : "its end mark is missing"
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

/// A regular file, read here and there.
private final class RandomAccessFile {
    let size: Int
    private let descriptor: Int32

    init?(_ path: String) {
        guard FileSystem.isFile(path), let size = FileSystem.size(path) else { return nil }
        descriptor = open(path.systemPath, O_RDONLY)
        self.size = size
        if descriptor < 0 { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Fewer than `count` where the file ends.
    func bytes(at position: Int, count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(0, min(count, size - position)))
        let got = pread(descriptor, &bytes, bytes.count, off_t(position))
        return Array(bytes.prefix(max(0, got)))
    }

    /// The last bytes, fewer where there are not so many.
    func tail(_ count: Int) -> [UInt8] { bytes(at: max(0, size - count), count: count) }
}
