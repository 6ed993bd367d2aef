/// The blocks of a GIF (GIF89a, 15 to 27) and the pixels that its images code.
///
/// Demuxers pass over what they do not understand, and decoders show an image of which pixels are missing: neither says
/// that something is lost.
internal enum GIFStructure {
    /// The first part that is missing or out of place, in words; nil for a whole file.
    static func lack(in file: RandomAccessFile) -> String? {
        var reader = ByteReader(file)
        reader.skip(10)
        guard let flags = reader.next() else { return "its head is cut short" }
        reader.skip(2 + colorBytes(flags))
        var pixels = PixelCount()
        while let kind = reader.next() {
            let start = reader.position - 1
            switch kind {
            case 0x3B:
                // Programs leave bytes behind the trailer; a second trailer at the end is the file's own.
                let isLast = file.size - reader.position <= 16 || file.tail(1) != [0x3B]
                return isLast ? nil : "its end mark stands at byte \(start) of \(file.size)"
            case 0x21:
                reader.skip(1)
                while let length = reader.next(), length > 0 { reader.skip(Int(length)) }
            case 0x2C:
                reader.skip(4)
                guard let size = size(&reader), let flags = reader.next() else { return endIsMissing }
                reader.skip(colorBytes(flags))
                guard let bits = reader.next() else { return endIsMissing }
                // libav, as other decoders, takes 2 to 8 bits; what it refuses it says itself.
                guard (2...8).contains(bits) else {
                    while let length = reader.next(), length > 0 { reader.skip(Int(length)) }
                    continue
                }
                pixels.begin(bits: Int(bits))
                while let length = reader.next(), length > 0 {
                    for _ in 0..<length {
                        guard let byte = reader.next() else { return endIsMissing }
                        pixels.add(byte)
                    }
                }
                // Encoders differ in whether they write the end code.
                if pixels.count != size {
                    return "the image at byte \(start) has \(pixels.count) pixels in place of \(size)"
                }
            default: return "what stands at byte \(start) is no block of a GIF"
            }
        }
        return endIsMissing
    }

    private static let endIsMissing = "its end mark is missing"

    /// Bytes of the color table that the flags of a screen or an image announce.
    private static func colorBytes(_ flags: UInt8) -> Int { flags & 0x80 == 0 ? 0 : 3 << (Int(flags & 7) + 1) }

    /// Pixels of an image, from its width and height.
    private static func size(_ reader: inout ByteReader) -> Int? {
        guard let a = reader.next(), let b = reader.next(), let c = reader.next(), let d = reader.next() else {
            return nil
        }
        return (Int(a) | Int(b) << 8) * (Int(c) | Int(d) << 8)
    }

    /// Number of pixels that LZW codes stand for (GIF89a, appendix F): of each string of the table only its length is kept.
    private struct PixelCount {
        private(set) var count = 0
        /// Whether the end code was read, or one that stands for no string.
        private var hasEnded = false
        private var lengths = [Int](repeating: 0, count: 4096)
        private var bits = 0
        private var clear = 0
        private var next = 0
        private var width = 0
        private var previous: Int?
        private var pending = 0
        private var pendingBits = 0

        /// Begins an image whose pixels have up to `bits` bits each.
        mutating func begin(bits: Int) {
            self.bits = bits
            clear = 1 << bits
            for color in 0..<clear { lengths[color] = 1 }
            (count, pending, pendingBits, hasEnded) = (0, 0, 0, false)
            forget()
        }

        mutating func add(_ byte: UInt8) {
            if hasEnded { return }
            pending |= Int(byte) << pendingBits
            pendingBits += 8
            while pendingBits >= width, !hasEnded {
                let code = pending & (1 << width - 1)
                pending >>= width
                pendingBits -= width
                take(code)
            }
        }

        private mutating func forget() { (next, width, previous) = (clear + 2, bits + 1, nil) }

        private mutating func take(_ code: Int) {
            if code == clear { return forget() }
            if let previous {
                if next < 4096 {
                    lengths[next] = lengths[previous] + 1
                    next += 1
                    if next == 1 << width, width < 12 { width += 1 }
                }
                hasEnded = code == clear + 1 || code >= next
            } else {
                hasEnded = code > clear
            }
            if hasEnded { return }
            count += code < clear ? 1 : lengths[code]
            previous = code
        }
    }
}
