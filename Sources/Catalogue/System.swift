internal import Glibc
internal import Support

// The few system calls that the cache needs.

/// The system's words for the last error.
func systemMessage(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }

func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}

func isFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path.systemPath, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
}

func exists(_ path: String) -> Bool {
    var status = stat()
    return stat(path.systemPath, &status) == 0
}

/// Makes a folder and those above it.
func makeFolder(_ path: String) throws(CatalogueError) {
    if mkdir(path, 0o755) == 0 { return }
    var status = stat()
    if errno == EEXIST, stat(path.systemPath, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return }
    if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
        try makeFolder(String(path[..<slash]))
        if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
    }
    throw .cache(path: path, reason: systemMessage(errno == EEXIST ? ENOTDIR : errno))
}

/// The names in a folder; none when it cannot be read.
func contents(_ folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { names.append(name) }
    }
    return names
}

/// Removes a folder and all that lies in it; links are removed, not followed.
func removeFolder(_ path: String) {
    for name in contents(path) {
        let inner = "\(path)/\(name)"
        if unlink(inner) != 0 { removeFolder(inner) }
    }
    rmdir(path)
}

/// A lock that other processes and threads respect; given back when the value goes.
struct FolderLock: ~Copyable {
    private let descriptor: Int32

    /// Blocks until nobody else holds the lock, or `ModelCatalogue.interrupt` is called.
    init(_ path: String) throws(CatalogueError) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .cache(path: path, reason: systemMessage()) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            let code = errno
            guard code == EINTR || code == EWOULDBLOCK, !ChildProcess.isEnding else {
                close(descriptor)
                throw ChildProcess.isEnding ? .interrupted : .cache(path: path, reason: systemMessage(code))
            }
            usleep(20_000)
        }
    }

    /// Holds the lock up to here.
    consuming func release() {}

    deinit { close(descriptor) }
}
