internal import Support
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A half-written file beside its target, under a name that starts with a dot and says whose it is:
/// `.NAME.upframe-RANDOM.EXT`. While this process lives, it holds a lock on the file; so others can tell what is at work
/// from what was left behind.
internal final class HiddenFile: Sendable {
    let path: String
    private let lock = Mutex<Int32>(-1)

    private static let mark = ".upframe-"
    /// The files of this process that are half-written.
    private static let unfinished = Mutex<Set<String>>([])

    /// Makes no file yet.
    init(for target: String, keepsExtension: Bool = true) {
        path = Self.name(for: target, random: UInt64.random(in: .min ... .max), keepsExtension: keepsExtension)
        Self.unfinished.withLock { [path] in _ = $0.insert(path) }
    }

    deinit { release() }

    /// Locks the file, once it is there.
    func claim() {
        lock.withLock { descriptor in
            guard descriptor < 0 else { return }
            descriptor = open(path.systemPath, O_RDONLY | O_CLOEXEC)
            if descriptor >= 0 { flock(descriptor, LOCK_EX | LOCK_NB) }
        }
    }

    /// The file has another name now, or is gone.
    func release() {
        Self.unfinished.withLock { [path] in _ = $0.remove(path) }
        lock.withLock { descriptor in
            if descriptor >= 0 { close(descriptor) }
            descriptor = -1
        }
    }

    func remove() {
        FileSystem.remove(path)
        release()
    }

    /// With the target's extension, for the eyes of whoever finds it after a power cut. As long as the folder allows.
    static func name(for target: String, random: UInt64, keepsExtension: Bool) -> String {
        let folder = FileSystem.folder(of: target)
        let ending = FileSystem.fileExtension(of: target)
        let end = mark + String(random, radix: 36) + (keepsExtension && !ending.isEmpty ? ".\(ending)" : "")
        let room = min(60, FileSystem.longestName(in: folder) - 1 - end.systemByteCount)
        return "\(folder)/.\(FileSystem.shortened(FileSystem.name(of: target), to: max(0, room)))\(end)"
    }

    /// Files that a process which is gone has left half-written for a target.
    static func leftovers(of target: String) -> [String] {
        let folder = FileSystem.folder(of: target)
        let start = "." + FileSystem.shortened(FileSystem.name(of: target), to: 60) + mark
        return FileSystem.names(in: folder).filter { $0.hasPrefix(start) }.map { "\(folder)/\($0)" }.filter { path in
            guard !unfinished.withLock({ $0.contains(path) }) else { return false }
            let descriptor = open(path.systemPath, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return false }
            defer { close(descriptor) }
            // A lock that can be had is nobody's.
            return flock(descriptor, LOCK_EX | LOCK_NB) == 0
        }
    }

    /// Removes all half-written files of this process, which is about to end.
    static func removeAll() {
        for path in unfinished.withLock({ $0 }) { FileSystem.remove(path) }
    }
}

/// What a process that ends in the middle of its work leaves: nothing.
public enum UnfinishedFiles {
    /// Removes the half-written files of this process. Callable from any thread, not from a signal handler; whoever writes
    /// them goes on into nothing.
    public static func removeAll() { HiddenFile.removeAll() }
}
