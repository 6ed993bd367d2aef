internal import CFFmpeg

/// Where the bytes go: a hidden file beside the target that takes the target's name at the end, or, with nothing to be
/// settled, a pipe, a device or an address.
internal final class OutputFile {
    let target: String
    private let temporary: String?
    /// Standard output, a named pipe or a device.
    let isPipe: Bool
    private let overwrite: Bool
    private var isSettled = false

    /// Checks everything that can be checked before a file is made, and makes none.
    init(path: String, sourcePath: String, overwrite: Bool) throws(MediaError) {
        target = path
        self.overwrite = overwrite
        guard path != "-", !path.contains("://") else {
            isPipe = path == "-"
            temporary = nil
            return
        }
        if case .folder = FileSystem.kind(path) { throw .outputIsFolder(path: path) }
        if let output = FileSystem.identity(path), output == FileSystem.identity(sourcePath) {
            throw .outputIsInput(path: path)
        }
        if case .other = FileSystem.kind(path) {
            isPipe = true
            temporary = nil
            return
        }
        isPipe = false
        if FileSystem.exists(path), !overwrite { throw .outputExists(path: path) }
        let folder = FileSystem.folder(of: path)
        switch FileSystem.kind(folder) {
        case .folder: break
        default: throw .folderMissing(path: path, folder: folder)
        }
        guard FileSystem.isWritable(folder) else {
            throw .folderNotWritable(path: path, folder: folder, reason: FileSystem.lastError)
        }
        temporary = Self.hiddenName(folder: folder, target: path)
    }

    /// Unique by a random number; with the target's extension, for the eyes of whoever finds it after a power cut.
    private static func hiddenName(folder: String, target: String) -> String {
        let suffix = String(UInt64.random(in: .min ... .max), radix: 36)
        let ending = FileSystem.fileExtension(of: target)
        let name = FileSystem.name(of: target).prefix(60)
        return "\(folder)/.\(name).upframe-\(suffix)" + (ending.isEmpty ? "" : ".\(ending)")
    }

    /// Whoever reads it wants each frame at once.
    var isLive: Bool { temporary == nil }

    var url: String { FileSystem.url(temporary ?? target, output: true) }

    /// Gives the finished file its name.
    func settle() throws(MediaError) {
        guard !isSettled else { return }
        isSettled = true
        guard let temporary else { return }
        if overwrite {
            if FileSystem.replace(temporary, to: target) { return }
        } else {
            if FileSystem.moveIfAbsent(temporary, to: target) { return }
            if FileSystem.exists(target) {
                // Hours of work are not thrown away because a name was taken meanwhile.
                let folder = FileSystem.folder(of: target)
                let kept = "\(folder)/" + FileSystem.name(of: temporary).dropFirst()
                if FileSystem.moveIfAbsent(temporary, to: kept) {
                    throw .targetAppeared(path: target, keptAt: kept)
                }
            }
        }
        let reason = FileSystem.lastError
        FileSystem.remove(temporary)
        throw .writeFailed(path: target, reason: reason)
    }

    /// Removes what was written, if it was not settled. Harmless to repeat.
    func discard() {
        guard !isSettled else { return }
        isSettled = true
        if let temporary { FileSystem.remove(temporary) }
    }
}
