internal import Support

/// Where the bytes go: a hidden file beside the target that takes the target's name at the end, or, with nothing to be
/// settled, a pipe, a device or an address.
internal final class OutputFile {
    let target: String
    /// The target behind links; the target itself where there is none.
    private let resolved: String
    private let temporary: HiddenFile?
    /// Standard output, a named pipe or a device.
    let isPipe: Bool
    private let overwrite: Bool
    private var isSettled = false
    /// Half-written files of this target that a process which is gone has left.
    let leftovers: [String]

    /// Checks everything that can be checked before a file is made, and makes none.
    init(path: String, sourcePath: String, overwrite: Bool) throws(MediaError) {
        target = path
        self.overwrite = overwrite
        guard path != "-", !path.contains("://") else {
            isPipe = path == "-"
            (temporary, leftovers, resolved) = (nil, [], path)
            return
        }
        if case .folder = FileSystem.kind(path) { throw .outputIsFolder(path: path) }
        if let output = FileSystem.identity(path), output == FileSystem.identity(sourcePath) {
            throw .outputIsInput(path: path)
        }
        if case .other = FileSystem.kind(path) {
            isPipe = true
            (temporary, leftovers, resolved) = (nil, [], path)
            return
        }
        isPipe = false
        // A link is followed: what it names is replaced, not the link.
        let path = FileSystem.resolved(path)
        let folder = FileSystem.folder(of: path)
        switch FileSystem.kind(folder) {
        case .folder: break
        default: throw .folderMissing(path: path, folder: folder)
        }
        try Self.checkName(path)
        if FileSystem.exists(path), !overwrite { throw .outputExists(path: path) }
        guard FileSystem.isWritable(folder) else {
            throw .folderNotWritable(path: path, folder: folder, reason: FileSystem.lastError)
        }
        leftovers = HiddenFile.leftovers(of: path)
        temporary = HiddenFile(for: path)
        resolved = path
    }

    /// Refuses a name that the file system cannot take.
    static func checkName(_ path: String) throws(MediaError) {
        let name = FileSystem.name(of: path)
        let longest = FileSystem.longestName(in: FileSystem.folder(of: path))
        guard name.systemByteCount > longest else { return }
        throw .nameTooLong(name: FileSystem.shortened(name, to: 40), bytes: name.systemByteCount, longest: longest)
    }

    /// Whoever reads it wants each frame at once.
    var isLive: Bool { temporary == nil }

    var url: String { FileSystem.url(temporary?.path ?? target, output: true) }

    /// The file was made.
    func claim() { temporary?.claim() }

    /// Gives the finished file its name.
    func settle() throws(MediaError) {
        guard !isSettled else { return }
        isSettled = true
        guard let temporary else { return }
        defer { temporary.release() }
        if overwrite {
            FileSystem.copyMode(of: resolved, to: temporary.path)
            if FileSystem.replace(temporary.path, to: resolved) { return }
        } else if FileSystem.moveIfAbsent(temporary.path, to: resolved) {
            return
        }
        // Hours of work are not thrown away because a name cannot be taken.
        let reason = FileSystem.lastError
        let kept = Self.free(FileSystem.folder(of: resolved) + "/" + FileSystem.name(of: temporary.path).dropFirst())
        guard FileSystem.moveIfAbsent(temporary.path, to: kept) else {
            throw .resultKept(path: target, keptAt: temporary.path, reason: reason)
        }
        if !overwrite, FileSystem.exists(resolved) { throw .targetAppeared(path: target, keptAt: kept) }
        throw .resultKept(path: target, keptAt: kept, reason: reason)
    }

    /// Gives what was done before an interruption a name: the target's, if that is free; an older file is not replaced by a
    /// part of a newer.
    ///
    /// - Returns: the part's name.
    func settlePart() throws(MediaError) -> String {
        guard overwrite, !isSettled, let temporary, FileSystem.exists(resolved) else {
            try settle()
            return target
        }
        isSettled = true
        defer { temporary.release() }
        let ending = FileSystem.fileExtension(of: target)
        let stem = ending.isEmpty ? target : String(target.dropLast(ending.count + 1))
        let part = Self.free(stem + ".part" + (ending.isEmpty ? "" : "." + ending))
        guard FileSystem.moveIfAbsent(temporary.path, to: part) else {
            throw .resultKept(path: target, keptAt: temporary.path, reason: FileSystem.lastError)
        }
        return part
    }

    /// A name that nobody has: this one, or with a number before its extension.
    private static func free(_ path: String) -> String {
        guard FileSystem.exists(path) else { return path }
        let ending = FileSystem.fileExtension(of: path)
        let stem = ending.isEmpty ? path : String(path.dropLast(ending.count + 1))
        for number in 2..<1000 {
            let candidate = "\(stem)-\(number)" + (ending.isEmpty ? "" : "." + ending)
            if !FileSystem.exists(candidate) { return candidate }
        }
        return path
    }

    /// Removes what was written, if it was not settled. Harmless to repeat.
    func discard() {
        guard !isSettled else { return }
        isSettled = true
        temporary?.remove()
    }
}
