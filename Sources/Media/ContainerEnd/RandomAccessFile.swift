internal import Support

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A regular file, open for reading at any byte.
internal final class RandomAccessFile {
    let size: Int
    private let descriptor: Int32

    /// Nil for what is no regular file, or may not be read.
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

/// The bytes of a file in their order, read 64 KiB at a time.
internal struct ByteReader {
    private let file: RandomAccessFile
    /// Position of the byte that ``next()`` returns.
    private(set) var position = 0
    private var window: [UInt8] = []
    private var windowStart = 0

    init(_ file: RandomAccessFile) { self.file = file }

    mutating func skip(_ count: Int) { position += count }

    /// Nil at the file's end.
    mutating func next() -> UInt8? {
        if position < windowStart || position >= windowStart + window.count {
            (window, windowStart) = (file.bytes(at: position, count: 65536), position)
            if window.isEmpty { return nil }
        }
        defer { position += 1 }
        return window[position - windowStart]
    }
}
