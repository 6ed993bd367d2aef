internal import CFFmpeg

/// Where the bytes go: a hidden file beside the target that takes the target's name at the end, or standard output.
internal final class OutputFile {
    let target: String
    private let temporary: String?
    private let overwrite: Bool
    private var isSettled = false

    /// Checks everything that can be checked before a file is made, and makes none.
    init(path: String, sourcePath: String, overwrite: Bool) throws(MediaError) {
        target = path
        self.overwrite = overwrite
        guard path != "-", !path.contains("://") else {
            temporary = nil
            return
        }
        if case .folder = FileSystem.kind(path) { throw .outputIsFolder(path: path) }
        if let output = FileSystem.identity(path), output == FileSystem.identity(sourcePath) {
            throw .outputIsInput(path: path)
        }
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
