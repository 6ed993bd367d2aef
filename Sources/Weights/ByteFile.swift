internal import Glibc
internal import Support

/// A regular file open for reading at any place, by any thread; or bytes in memory that stand for one.
final class ByteFile: Sendable {
    let path: String
    /// The length when the file was opened.
    let count: Int
    /// Negative where `memory` is read.
    private let descriptor: Int32
    private let memory: [UInt8]

    /// Bytes in memory, by a name for messages.
    init(_ bytes: [UInt8], name: String) {
        (path, count, memory, descriptor) = (name, bytes.count, bytes, -1)
    }

    init(_ path: String) throws(WeightError) {
        // Non-blocking, so that naming a pipe gives an error and not a wait.
        let descriptor = open(path.systemPath, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw errno == ENOENT || errno == ENOTDIR
                ? .missing(path: path) : .unreadable(path: path, reason: systemMessage())
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let reason = systemMessage()
            close(descriptor)
            throw .unreadable(path: path, reason: reason)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw status.st_mode & S_IFMT == S_IFDIR ? .directory(path: path) : .notWeights(path: path)
        }
        (self.path, self.descriptor, self.count) = (path, descriptor, Int(status.st_size))
        memory = []
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Fills `buffer` from byte `offset` on.
    private func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(WeightError) {
        guard offset + buffer.count <= count else {
            throw .truncated(path: path, expectedBytes: offset + buffer.count, foundBytes: count)
        }
        if descriptor < 0 {
            memory.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[offset...].prefix(buffer.count)))
            }
            return
        }
        var done = 0
        while done < buffer.count {
            let got = pread(descriptor, buffer.baseAddress! + done, buffer.count - done, off_t(offset + done))
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else { throw .unreadable(path: path, reason: systemMessage()) }
            // Someone shortened the file since it was opened.
            guard got > 0 else {
                throw .truncated(path: path, expectedBytes: offset + buffer.count, foundBytes: offset + done)
            }
            done += got
        }
    }

    /// `count` little-endian elements from byte `offset` on.
    func elements<T: BitwiseCopyable>(_ type: T.Type, count: Int, at offset: Int) throws(WeightError) -> [T] {
        guard offset >= 0, count >= 0, count <= (self.count - min(offset, self.count)) / MemoryLayout<T>.stride else {
            throw .truncated(
                path: path, expectedBytes: offset + count * MemoryLayout<T>.stride, foundBytes: self.count)
        }
        do {
            return try [T](unsafeUninitializedCapacity: count) { buffer, filled in
                try read(at: offset, into: UnsafeMutableRawBufferPointer(buffer))
                filled = count
            }
        } catch let error as WeightError {
            throw error
        } catch {
            throw .unreadable(path: path, reason: "\(error)")
        }
    }

    func bytes(_ range: Range<Int>) throws(WeightError) -> [UInt8] {
        try elements(UInt8.self, count: range.count, at: range.lowerBound)
    }
}

/// The system's words for the last error.
func systemMessage(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
