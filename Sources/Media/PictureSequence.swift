internal import CFFmpeg

/// One file for each frame: `frame_%05d.png`, or a folder. Each is written under a hidden name and gets its own when it
/// is complete.
internal final class PictureSequence {
    private let target: String
    private let overwrite: Bool
    private let name: (Int) -> String
    private var written: [String] = []
    private var madeFolder: String?

    /// Whether a target is meant as many pictures: a pattern, a folder's name with its slash, or, for a source that is
    /// one itself, a folder that is there.
    static func isMeant(by path: String, source: SourceDescription) -> Bool {
        guard path != "-", !path.contains("://") else { return false }
        if path.hasSuffix("/") { return true }
        if source.video.isPictureList, case .folder = FileSystem.kind(path) { return true }
        return NumberPattern(path) != nil && Container.pictureEncoders[FileSystem.fileExtension(of: path)] != nil
    }

    /// The ending of the pictures' names.
    static func ending(_ path: String, codec: String?) -> String {
        if NumberPattern(path) != nil { return FileSystem.fileExtension(of: path) }
        switch codec {
        case "mjpeg", "jpeg": return "jpg"
        case "libwebp", "webp": return "webp"
        case "tiff": return "tif"
        case let codec? where Container.pictureEncoders[codec] != nil: return codec
        default: return "png"
        }
    }

    /// Checks the target, and makes the folder if its parent is there.
    init(path: String, source: SourceDescription, ending: String, overwrite: Bool) throws(MediaError) {
        target = path
        self.overwrite = overwrite
        if let pattern = NumberPattern(path) {
            let numbers = Self.numbers(source.pictureNames)
            name = { pattern.path($0 < numbers.count ? numbers[$0] : $0 + 1 + (numbers.last ?? 0) - numbers.count) }
        } else {
            let folder = path.hasSuffix("/") ? path : path + "/"
            let names = Self.names(source.pictureNames, ending: ending)
            name = { index in
                if index < names.count { return folder + names[index] }
                let number = String(index + 1)
                return folder + String(repeating: "0", count: max(0, 6 - number.count)) + number + "." + ending
            }
        }
        let first = name(0)
        let folder = FileSystem.folder(of: first)
        switch FileSystem.kind(folder) {
        case .folder: break
        case .missing where path.hasSuffix("/"):
            let parent = FileSystem.folder(of: folder)
            guard case .folder = FileSystem.kind(parent) else { throw .folderMissing(path: path, folder: parent) }
            guard FileSystem.makeFolder(folder) else {
                throw .folderNotWritable(path: path, folder: parent, reason: FileSystem.lastError)
            }
            madeFolder = folder
        default: throw .folderMissing(path: path, folder: folder)
        }
        guard FileSystem.isWritable(folder) else {
            throw .folderNotWritable(path: path, folder: folder, reason: FileSystem.lastError)
        }
        if let taken = FileSystem.identity(first), taken == FileSystem.identity(firstSource(source, path)) {
            throw .outputIsInput(path: path)
        }
        if FileSystem.exists(first), !overwrite { throw .outputExists(path: first) }
    }

    /// The numbers at the ends of the source's names where they only grow, so that they can be kept.
    private static func numbers(_ names: [String]) -> [Int] {
        let numbers = names.map { name -> Int? in
            let stem = name.lastIndex(of: ".").map { name[..<$0] } ?? name[...]
            let digits = stem.reversed().prefix { $0.isASCII && $0.isNumber }
            return Int(String(digits.reversed()))
        }
        let found = numbers.compactMap { $0 }
        guard found.count == names.count, zip(found, found.dropFirst()).allSatisfy({ $0 < $1 }) else { return [] }
        return found
    }

    /// The source's names with the new ending; where that makes two alike, each keeps its old ending too.
    private static func names(_ names: [String], ending: String) -> [String] {
        let stems = names.map { name in name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name }
        let counts = Dictionary(stems.map { ($0, 1) }, uniquingKeysWith: +)
        return zip(names, stems).map { name, stem in (counts[stem] == 1 ? stem : name) + "." + ending }
    }

    /// Writes one picture: the encoder's packet is the file.
    ///
    /// - Parameter picture: the number of the source's picture that it was made from, whose name it takes; nil for the next.
    func write(_ packet: UnsafeMutablePointer<AVPacket>, as picture: Int?) throws(MediaError) {
        let path = name(picture ?? written.count)
        if FileSystem.exists(path), !overwrite { throw .outputExists(path: path) }
        try OutputFile.checkName(path)
        let hidden = HiddenFile(for: path, keepsExtension: false)
        guard FileSystem.write(packet.pointee.data, count: Int(packet.pointee.size), to: hidden.path) else {
            let reason = FileSystem.lastError
            hidden.remove()
            throw .writeFailed(path: path, reason: reason)
        }
        if overwrite { FileSystem.copyMode(of: path, to: hidden.path) }
        guard overwrite ? FileSystem.replace(hidden.path, to: path) : FileSystem.moveIfAbsent(hidden.path, to: path)
        else {
            let reason = FileSystem.lastError
            hidden.remove()
            throw .writeFailed(path: path, reason: reason)
        }
        hidden.release()
        written.append(path)
    }

    /// All is well: nothing is to be taken away any more.
    func settle() {
        written = []
        madeFolder = nil
    }

    /// Removes the pictures written so far. Harmless to repeat, and after `settle`.
    func discard() {
        for path in written { FileSystem.remove(path) }
        written = []
        if let madeFolder { FileSystem.removeFolder(madeFolder) }
        madeFolder = nil
    }
}

/// The file of the source that the first picture must not replace.
private func firstSource(_ source: SourceDescription, _ path: String) -> String {
    guard let name = source.pictureNames.first else { return source.path }
    if case .folder = FileSystem.kind(source.path) { return source.path + "/" + name }
    return FileSystem.folder(of: source.path) + "/" + name
}
