internal import Glibc

/// A file that grows at its end. Bytes are collected and written in pieces; `flush` hands over what is left.
struct AppendingFile: ~Copyable {
    private let path: String
    private let descriptor: Int32
    private var pending: [UInt8] = []

    /// Opens or makes the file.
    init(_ path: String) throws(RecordError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .unwritable(path: path, reason: systemMessage()) }
        (self.path, self.descriptor) = (path, descriptor)
    }

    deinit { close(descriptor) }

    /// - Throws: `RecordError.unwritable`, when the collected bytes are due and the disk is full. They are kept then.
    mutating func append(_ bytes: some Sequence<UInt8>) throws(RecordError) {
        pending.append(contentsOf: bytes)
        if pending.count >= 1 << 16 { try flush() }
    }

    mutating func flush() throws(RecordError) {
        let done = writeAll(pending, to: descriptor)
        let complete = done == pending.count
        let reason = systemMessage()
        pending.removeFirst(done)
        guard complete else { throw .unwritable(path: path, reason: reason) }
    }
}

/// Puts a complete file in the place of another, or none: written beside it, synchronised and renamed.
func replaceFile(_ path: String, with bytes: [UInt8]) throws(RecordError) {
    // The process and a random number keep concurrent writers of one target apart.
    let temporary = "\(path).\(getpid()).\(String(UInt64.random(in: 0 ... .max), radix: 36)).part"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .unwritable(path: path, reason: systemMessage()) }
    let written = writeAll(bytes, to: descriptor) == bytes.count && fsync(descriptor) == 0
    let reason = systemMessage()
    close(descriptor)
    guard written else {
        unlink(temporary)
        throw .unwritable(path: path, reason: reason)
    }
    guard rename(temporary, path) == 0 else {
        let reason = systemMessage()
        unlink(temporary)
        throw .unwritable(path: path, reason: reason)
    }
}

/// The file's bytes; nil where there is no such file.
func readFile(_ path: String) throws(RecordError) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
        if errno == ENOENT { return nil }
        throw .unreadable(path: path, reason: systemMessage())
    }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = read(descriptor, &piece, piece.count)
        if count < 0 && errno == EINTR { continue }
        guard count >= 0 else { throw .unreadable(path: path, reason: systemMessage()) }
        if count == 0 { return bytes }
        bytes.append(contentsOf: piece[..<count])
    }
}

/// How many bytes went to the file; fewer than all when the system refused more.
private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Int {
    bytes.withUnsafeBytes { buffer in
        var done = 0
        while done < buffer.count {
            let put = Glibc.write(descriptor, buffer.baseAddress! + done, buffer.count - done)
            if put < 0 && errno == EINTR { continue }
            if put <= 0 { break }
            done += put
        }
        return done
    }
}

private func systemMessage() -> String { String(cString: strerror(errno)) }

/// Seconds since 1970.
func wallTime() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}

/// This machine's name, or "host" where it has none.
func hostName() -> String {
    var bytes = [CChar](repeating: 0, count: 256)
    guard gethostname(&bytes, 255) == 0 else { return "host" }
    let name = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return name.isEmpty ? "host" : name
}

/// Makes a folder; one that is there already is fine.
func makeFolder(_ path: String) throws(RecordError) {
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw .unwritable(path: path, reason: systemMessage()) }
}
