#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The media files below folders, in an order that depends on their names alone.
enum FileList {
    enum Kind {
        case pictures, videos

        var endings: Set<String> {
            switch self {
            case .pictures:
                [
                    "png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "ppm", "pgm", "pnm", "pam", "tga", "jp2", "dpx",
                    "qoi", "jxl", "avif", "heic",
                ]
            case .videos:
                [
                    "mp4", "mkv", "mov", "m4v", "webm", "avi", "ts", "m2ts", "mts", "mpg", "mpeg", "vob", "ogv", "flv",
                    "wmv", "y4m", "nut", "mxf", "3gp",
                ]
            }
        }

        func missing(_ path: String) -> DatasetError {
            switch self {
            case .pictures: .noPictures(path: path)
            case .videos: .noVideos(path: path)
            }
        }
    }

    /// Files are taken as they are, whatever their ending; of folders, and the folders in them, what has a known one.
    ///
    /// - Throws: `DatasetError` for what is not there and for a folder that holds nothing of the kind.
    static func files(_ kind: Kind, at paths: [String]) throws(DatasetError) -> [String] {
        var result: [String] = []
        for path in paths {
            guard let status = look(path) else { throw .missing(path: path) }
            guard status.isFolder else {
                result.append(path)
                continue
            }
            let found = names(kind, in: path)
            guard !found.isEmpty else { throw kind.missing(path) }
            result += found.map { join(path, $0) }
        }
        return result
    }

    /// The files of a kind in a folder and below it, by their names from there, sorted; hidden ones are left out.
    static func names(_ kind: Kind, in folder: String) -> [String] {
        var result: [String] = []
        var seen: Set<Identity> = []
        walk(folder, "", kind.endings, &seen, &result)
        return result.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    private struct Identity: Hashable {
        var device: UInt64
        var inode: UInt64
    }

    /// Links are followed, and no folder is entered twice: links may go round.
    private static func walk(
        _ folder: String, _ prefix: String, _ endings: Set<String>, _ seen: inout Set<Identity>,
        _ result: inout [String]
    ) {
        guard let status = look(folder), seen.insert(status.identity).inserted, let stream = opendir(folder) else {
            return
        }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        closedir(stream)
        // Of two links to one folder, the first by name counts, not the first that the file system happens to tell.
        for name in names.sorted() {
            let path = join(folder, name)
            if endings.contains(ending(of: name)) {
                if let status = look(path), !status.isFolder { result.append(prefix + name) }
            } else if look(path)?.isFolder == true {
                walk(path, prefix + name + "/", endings, &seen, &result)
            }
        }
    }

    private static func look(_ path: String) -> (isFolder: Bool, identity: Identity)? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return (
            status.st_mode & S_IFMT == S_IFDIR,
            Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        )
    }

    static func exists(_ path: String) -> Bool { look(path) != nil }
    static func isFolder(_ path: String) -> Bool { look(path)?.isFolder == true }

    static func join(_ folder: String, _ name: String) -> String {
        name.hasPrefix("/") ? name : folder.hasSuffix("/") ? folder + name : folder + "/" + name
    }

    static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// The extension without its dot, lowercased.
    static func ending(of name: String) -> String {
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
        return name[name.index(after: dot)...].lowercased()
    }

    /// The name without its extension.
    static func stem(of name: String) -> String {
        guard let dot = name.lastIndex(of: "."), name[dot...].firstIndex(of: "/") == nil else { return name }
        return String(name[..<dot])
    }

    /// All that a file holds; nil where it cannot be read.
    static func bytes(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return ferror(file) == 0 ? bytes : nil
    }

    /// The lines of a text file; nil where it cannot be read.
    static func lines(of path: String) -> [Substring]? {
        // Both ends of line that there are: to Swift, a carriage return with its line feed is one character.
        bytes(of: path).map {
            String(decoding: $0, as: UTF8.self).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        }
    }
}
