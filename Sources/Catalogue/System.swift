internal import Glibc

// The few system calls that the cache needs.

/// The system's words for the last error.
func systemMessage(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }

func environment(_ name: String) -> String? {
    guard let value = getenv(name), value.pointee != 0 else { return nil }
    return String(cString: value)
}

func isFile(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
}

func exists(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0
}

/// Makes a folder and those above it.
func makeFolder(_ path: String) throws(CatalogueError) {
    if mkdir(path, 0o755) == 0 { return }
    var status = stat()
    if errno == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return }
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

/// Removes a folder of files.
func removeFolder(_ path: String) {
    for name in contents(path) { unlink("\(path)/\(name)") }
    rmdir(path)
}

/// A lock that other processes and threads respect; given back when the value goes.
struct FolderLock: ~Copyable {
    private let descriptor: Int32

    /// Blocks until nobody else holds the lock.
    init(_ path: String) throws(CatalogueError) {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .cache(path: path, reason: systemMessage()) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else {
                close(descriptor)
                throw .cache(path: path, reason: systemMessage())
            }
        }
    }

    /// Holds the lock up to here.
    consuming func release() {}

    deinit { close(descriptor) }
}

/// Runs a program found on the path, without input, and waits for it.
///
/// - Parameter log: a file that takes what the program writes.
/// - Returns: its exit status; nil when there is no such program.
func run(_ arguments: [String], log: String) -> Int32? {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)

    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    words.append(nil)
    defer { for word in words { free(word) } }
    var process = pid_t()
    guard posix_spawnp(&process, arguments[0], &actions, nil, words, environ) == 0 else { return nil }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 {
        guard errno == EINTR else { return nil }
    }
    // The macros of wait(2): an exit status, or the signal that ended it.
    let signal = status & 0x7F
    return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
}
