internal import Support

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The few questions to the file system that have to be asked before FFmpeg is.
internal enum FileSystem {
    struct Identity: Hashable {
        var device: UInt64
        var inode: UInt64
    }

    enum Kind {
        case missing
        case folder
        case regular(Identity)
        /// A pipe, a device, a socket.
        case other(Identity)
    }

    static func kind(_ path: String) -> Kind {
        var status = stat()
        guard stat(path.systemPath, &status) == 0 else { return .missing }
        let identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return .folder
        case S_IFREG: return .regular(identity)
        default: return .other(identity)
        }
    }

    static func identity(_ path: String) -> Identity? {
        switch kind(path) {
        case .regular(let identity), .other(let identity): identity
        case .missing, .folder: nil
        }
    }

    private static func mode(_ path: String) -> mode_t? {
        var status = stat()
        return stat(path.systemPath, &status) == 0 ? status.st_mode & S_IFMT : nil
    }

    static func isPipe(_ path: String) -> Bool {
        guard let mode = mode(path) else { return false }
        return mode == S_IFIFO || mode == S_IFSOCK
    }

    static func isFile(_ path: String) -> Bool { mode(path) == S_IFREG }

    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path.systemPath, &status) == 0
    }

    static func size(_ path: String) -> Int? {
        var status = stat()
        return stat(path.systemPath, &status) == 0 ? Int(status.st_size) : nil
    }

    /// The first bytes of a regular file, fewer where it is shorter; none of a pipe, whose bytes come only once.
    static func head(_ path: String, count: Int) -> [UInt8] {
        guard isFile(path) else { return [] }
        let descriptor = open(path.systemPath, O_RDONLY)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: count)
        var got = 0
        while got < count {
            let more = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + got, count - got) }
            if more <= 0 { break }
            got += more
        }
        bytes.removeLast(count - got)
        return bytes
    }

    static func isReadable(_ path: String) -> Bool { access(path.systemPath, R_OK) == 0 }
    static func isWritable(_ path: String) -> Bool { access(path.systemPath, W_OK) == 0 }

    static var lastError: String { String(cString: strerror(errno)) }

    /// Bytes that a file's name may have in a folder.
    static func longestName(in folder: String) -> Int {
        let longest = pathconf(folder.systemPath, Int32(_PC_NAME_MAX))
        return longest > 0 ? longest : 255
    }

    /// The beginning of a text, whole characters, in at most so many bytes of UTF-8.
    static func shortened(_ text: String, to bytes: Int) -> String {
        guard text.systemByteCount > bytes else { return text }
        var result = ""
        var count = 0
        for scalar in text.unicodeScalars {
            count += SystemPath.byte(scalar) == nil ? String(scalar).utf8.count : 1
            guard count <= bytes else { break }
            result.unicodeScalars.append(scalar)
        }
        return result
    }

    /// The names in a folder, in no order; empty where it cannot be read.
    static func names(in folder: String) -> [String] {
        guard let listing = opendir(folder.systemPath) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { SystemPath.string($0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// What a path names behind all links; the path itself where that is not there.
    static func resolved(_ path: String) -> String {
        var status = stat()
        guard lstat(path.systemPath, &status) == 0, status.st_mode & S_IFMT == S_IFLNK,
            let real = realpath(path.systemPath, nil)
        else {
            return path
        }
        defer { free(real) }
        return SystemPath.string(real)
    }

    /// Gives a new file the permissions of the one that it is about to replace.
    static func copyMode(of old: String, to new: String) {
        var status = stat()
        if stat(old.systemPath, &status) == 0 { chmod(new.systemPath, status.st_mode & 0o7777) }
    }

    static func remove(_ path: String) { unlink(path.systemPath) }

    static func makeFolder(_ path: String) -> Bool { mkdir(path.systemPath, 0o777) == 0 }

    /// Removes a folder if it is empty.
    static func removeFolder(_ path: String) { rmdir(path.systemPath) }

    /// Makes a new file of these bytes.
    static func write(_ bytes: UnsafePointer<UInt8>?, count: Int, to path: String) -> Bool {
        let descriptor = open(path.systemPath, O_WRONLY | O_CREAT | O_EXCL, 0o666)
        guard descriptor >= 0, let bytes else { return false }
        var done = 0
        while done < count {
            let put = Self.put(descriptor, bytes + done, count - done)
            if put > 0 { done += put } else if errno != EINTR { break }
        }
        return close(descriptor) == 0 && done == count
    }

    private static func put(_ descriptor: Int32, _ bytes: UnsafePointer<UInt8>, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, bytes, count)
        #elseif canImport(Musl)
            Musl.write(descriptor, bytes, count)
        #else
            Darwin.write(descriptor, bytes, count)
        #endif
    }

    /// Moves `from` over whatever is at `to`.
    static func replace(_ from: String, to: String) -> Bool { rename(from.systemPath, to.systemPath) == 0 }

    /// Moves `from` to `to` unless something is there: a hard link refuses to replace, `rename` does not. Where the
    /// file system has no links a look first has to do.
    static func moveIfAbsent(_ from: String, to: String) -> Bool {
        if link(from.systemPath, to.systemPath) == 0 {
            unlink(from.systemPath)
            return true
        }
        guard errno != EEXIST, !exists(to) else { return false }
        return rename(from.systemPath, to.systemPath) == 0
    }

    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func name(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return path }
        return String(path[path.index(after: slash)...])
    }

    /// The extension without its dot, lowercased; empty if there is none.
    static func fileExtension(of path: String) -> String {
        let name = name(of: path)
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
        return name[name.index(after: dot)...].lowercased()
    }

    /// What libavformat is to open: a path of ours must not be read as a protocol because it has a colon in it.
    static func url(_ path: String, output: Bool = false) -> String {
        if path == "-" { return output ? "pipe:1" : isFile("/dev/stdin") ? "file:/dev/stdin" : "pipe:0" }
        if path.contains("://") { return path }
        return "file:" + path
    }
}
