internal import Glibc

/// A file that appears under its name only when it is complete: written beside its target, synchronised and renamed. When
/// it is dropped before `commit` nothing is left behind.
struct AtomicFile: ~Copyable {
    private let path: String
    private let temporary: String
    private var descriptor: Int32

    init(_ path: String) throws(WeightError) {
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            throw .unwritable(path: path, reason: "it is a folder")
        }
        // The process and a random number keep concurrent writers of one target apart.
        let temporary = "\(path).\(getpid()).\(String(UInt64.random(in: 0 ... .max), radix: 36)).part"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .unwritable(path: path, reason: systemMessage()) }
        (self.path, self.temporary, self.descriptor) = (path, temporary, descriptor)
    }

    deinit {
        if descriptor >= 0 {
            close(descriptor)
            unlink(temporary)
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(WeightError) {
        var done = 0
        while done < bytes.count {
            let put = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
            if put < 0 && errno == EINTR { continue }
            guard put >= 0 else { throw .unwritable(path: path, reason: systemMessage()) }
            done += put
        }
    }

    /// Makes the file appear under its name.
    consuming func commit() throws(WeightError) {
        guard fsync(descriptor) == 0, rename(temporary, path) == 0 else {
            throw .unwritable(path: path, reason: systemMessage())
        }
        close(descriptor)
        descriptor = -1
    }
}
