/// What a picture file says beside its pixels: EXIF (camera, date, place), XMP, the density in which it is to be printed,
/// and how it is to be turned. Read from JPEG, PNG, WebP, TIFF and AVIF.
internal struct PictureMetadata: Sendable, Equatable {
    /// A block in the form of a TIFF file, as EXIF is kept in every format (CIPA DC-008).
    var exif: [UInt8]?
    /// A document of XML (ISO 16684-1).
    var xmp: [UInt8]?
    /// Pixels an inch, across and down.
    var density: Density?
    /// EXIF's number, 1 to 8: how the rows and columns lie.
    var orientation = 1

    struct Density: Sendable, Equatable {
        var x: Double
        var y: Double
        static let metresPerInch = 0.0254
    }

    var isEmpty: Bool { exif == nil && xmp == nil && density == nil }

    /// What there is, in words, for a message; empty where there is nothing.
    var names: [String] {
        [exif.map { _ in "EXIF" }, xmp.map { _ in "XMP" }, density.map { _ in "the printing density" }].compactMap {
            $0
        }
    }

    /// - Returns: nil where the file is none of those formats.
    init?(contentsOf path: String) {
        guard path != "-", FileSystem.isFile(path), let size = FileSystem.size(path), size < 1 << 31 else { return nil }
        // Headers first: nearly everything stands in front of the pixels.
        let head = FileSystem.head(path, count: min(size, 16))
        guard Self.format(of: head) != nil else { return nil }
        self.init(FileSystem.head(path, count: size))
    }

    init?(_ bytes: [UInt8]) {
        switch Self.format(of: bytes) {
        case .jpeg: readJPEG(bytes)
        case .png: readPNG(bytes)
        case .webp: readWebP(bytes)
        case .tiff: readTIFF(bytes)
        case .avif: readAVIF(bytes)
        case nil: return nil
        }
        if let exif, orientation == 1 { orientation = Exif(exif)?.orientation ?? 1 }
        if density == nil, let exif { density = Exif(exif)?.density }
    }

    /// The pictures in a file: pages of a TIFF; otherwise 1.
    static func pages(in path: String) -> Int { tiff(path)?.pages ?? 1 }

    /// A TIFF's list of tags; nil for any other file.
    static func tiff(_ path: String) -> Exif? {
        guard path != "-", FileSystem.isFile(path), format(of: FileSystem.head(path, count: 16)) == .tiff,
            let size = FileSystem.size(path), size < 1 << 31
        else { return nil }
        return Exif(FileSystem.head(path, count: size))
    }

    /// Whether an AVIF keeps its opacity in a picture of its own, which libav before 7 does not read.
    static func hasSeparateAlpha(in path: String) -> Bool {
        guard path != "-", format(of: FileSystem.head(path, count: 16)) == .avif, let size = FileSystem.size(path),
            size < 1 << 31
        else { return false }
        return HEIF(FileSystem.head(path, count: size))?.hasAlpha ?? false
    }

    enum Format { case jpeg, png, webp, tiff, avif }

    static func format(of bytes: [UInt8]) -> Format? {
        if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return .jpeg }
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) { return .png }
        if bytes.starts(with: Array("RIFF".utf8)), bytes.dropFirst(8).starts(with: Array("WEBP".utf8)) { return .webp }
        if bytes.starts(with: [0x49, 0x49, 0x2A, 0]) || bytes.starts(with: [0x4D, 0x4D, 0, 0x2A]) { return .tiff }
        if bytes.dropFirst(4).starts(with: Array("ftypavi".utf8)) { return .avif }
        return nil
    }

    // MARK: Formats

    /// ITU-T T.81 annex B, T.871 (JFIF), CIPA DC-008 (Exif).
    private mutating func readJPEG(_ bytes: [UInt8]) {
        for segment in JPEGSegments(bytes) {
            let body = bytes[segment.body]
            switch segment.marker {
            case 0xE0 where body.count >= 12 && body.starts(with: Array("JFIF\0".utf8)):
                let start = body.startIndex
                let x = Double(Int(body[start + 8]) << 8 | Int(body[start + 9]))
                let y = Double(Int(body[start + 10]) << 8 | Int(body[start + 11]))
                let unit = body[start + 7]
                guard x > 0, y > 0, unit == 1 || unit == 2 else { continue }
                density = unit == 1 ? Density(x: x, y: y) : Density(x: x * 2.54, y: y * 2.54)
            case 0xE1 where body.starts(with: Array("Exif\0\0".utf8)): exif = exif ?? Array(body.dropFirst(6))
            case 0xE1 where body.starts(with: Self.xmpName): xmp = xmp ?? Array(body.dropFirst(Self.xmpName.count))
            default: break
            }
        }
    }

    static let xmpName = Array("http://ns.adobe.com/xap/1.0/\0".utf8)
    static let xmpKeyword = Array("XML:com.adobe.xmp\0".utf8)

    /// W3C PNG, third edition.
    private mutating func readPNG(_ bytes: [UInt8]) {
        for chunk in PNGChunks(bytes) {
            let body = bytes[chunk.body]
            switch chunk.name {
            case "eXIf": exif = Array(body)
            case "pHYs" where body.count == 9 && body.last == 1:
                let numbers = Array(body)
                let x = Double(Bytes.big(numbers[0..<4])), y = Double(Bytes.big(numbers[4..<8]))
                guard x > 0, y > 0 else { continue }
                density = Density(x: x * Density.metresPerInch, y: y * Density.metresPerInch)
            case "iTXt" where body.starts(with: Self.xmpKeyword):
                let rest = body.dropFirst(Self.xmpKeyword.count)
                // Not compressed, no language, no translated keyword.
                guard rest.count > 4, rest[rest.startIndex] == 0 else { continue }
                let parts = rest.dropFirst(2).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
                if parts.count == 3 { xmp = Array(parts[2]) }
            default: break
            }
        }
    }

    private mutating func readWebP(_ bytes: [UInt8]) {
        for chunk in RIFFChunks(bytes) {
            switch chunk.name {
            case "EXIF":
                let body = bytes[chunk.body]
                exif = Array(body.starts(with: Array("Exif\0\0".utf8)) ? body.dropFirst(6) : body)
            case "XMP ": xmp = Array(bytes[chunk.body])
            default: break
            }
        }
    }

    /// Adobe TIFF 6.0: the file is such a block itself, of which what is not about its own pixels is taken.
    private mutating func readTIFF(_ bytes: [UInt8]) {
        guard let file = Exif(bytes) else { return }
        orientation = file.orientation
        density = file.density
        xmp = file.xmp
        exif = file.descriptive
    }

    private mutating func readAVIF(_ bytes: [UInt8]) {
        guard let file = HEIF(bytes) else { return }
        exif = file.exif
        xmp = file.xmp
        // Turned by the container alone (ISO 23008-12): EXIF's word on it is not to be heeded.
        orientation = file.orientation
    }
}

/// Numbers in bytes.
enum Bytes {
    static func big(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
    static func little(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }
    static func big(_ value: Int, count: Int) -> [UInt8] {
        (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    static func little(_ value: Int, count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
}

/// The segments of a JPEG in front of its coded data.
struct JPEGSegments: Sequence {
    struct Segment {
        var marker: UInt8
        /// Of the whole segment, from its marker.
        var start: Int
        var body: Range<Int>
    }
    private let segments: [Segment]

    init(_ bytes: [UInt8]) {
        var segments: [Segment] = []
        var position = 2
        while position + 4 <= bytes.count, bytes[position] == 0xFF, bytes[position + 1] != 0xDA {
            if bytes[position + 1] == 0xFF {
                position += 1
                continue
            }
            let length = Int(bytes[position + 2]) << 8 | Int(bytes[position + 3])
            let end = position + 2 + length
            guard length >= 2, end <= bytes.count else { break }
            segments.append(Segment(marker: bytes[position + 1], start: position, body: (position + 4)..<end))
            position = end
        }
        self.segments = segments
    }

    func makeIterator() -> IndexingIterator<[Segment]> { segments.makeIterator() }
}

/// A named piece of a PNG or WebP.
struct NamedChunk {
    var name: String
    var start: Int
    var body: Range<Int>
}

/// The chunks of a PNG.
struct PNGChunks: Sequence {
    private let chunks: [NamedChunk]

    init(_ bytes: [UInt8]) {
        var chunks: [NamedChunk] = []
        var position = 8
        while position + 12 <= bytes.count {
            let length = Int(Bytes.big(bytes[position..<(position + 4)]))
            guard length <= bytes.count - position - 12 else { break }
            let name = String(decoding: bytes[(position + 4)..<(position + 8)], as: UTF8.self)
            chunks.append(
                NamedChunk(name: name, start: position, body: (position + 8)..<(position + 8 + length)))
            position += 12 + length
        }
        self.chunks = chunks
    }

    func makeIterator() -> IndexingIterator<[NamedChunk]> { chunks.makeIterator() }
}

/// The chunks of a WebP.
struct RIFFChunks: Sequence {
    private let chunks: [NamedChunk]

    init(_ bytes: [UInt8]) {
        var chunks: [NamedChunk] = []
        var position = 12
        while position + 8 <= bytes.count {
            let length = Int(Bytes.little(bytes[(position + 4)..<(position + 8)]))
            guard length <= bytes.count - position - 8 else { break }
            let name = String(decoding: bytes[position..<(position + 4)], as: UTF8.self)
            chunks.append(
                NamedChunk(name: name, start: position, body: (position + 8)..<(position + 8 + length)))
            position += 8 + length + length % 2
        }
        self.chunks = chunks
    }

    func makeIterator() -> IndexingIterator<[NamedChunk]> { chunks.makeIterator() }
}
