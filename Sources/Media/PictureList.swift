/// The pictures of a folder, or those that a pattern such as `frame_%05d.png` names: one frame each, in natural order
/// (2 before 10).
internal struct PictureList {
    let files: [String]

    private static let endings: Set<String> = [
        "png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "ppm", "pgm", "pnm", "pam", "tga", "jp2", "exr", "dpx",
        "qoi", "jxl", "hdr",
    ]

    /// Nil where the path is neither a folder nor a pattern.
    init?(path: String) throws(MediaError) {
        if case .folder = FileSystem.kind(path) {
            let names = Self.names(in: path).filter {
                !$0.hasPrefix(".") && Self.endings.contains(FileSystem.fileExtension(of: $0))
            }
            guard !names.isEmpty else { throw .isFolder(path: path) }
            let prefix = path.hasSuffix("/") ? path : path + "/"
            files = names.sorted(by: Self.precedes).map { prefix + $0 }
            return
        }
        guard !FileSystem.exists(path), let pattern = NumberPattern(path) else { return nil }
        let folder = FileSystem.folder(of: path)
        let prefix = path.contains("/") ? (folder == "/" ? "/" : folder + "/") : ""
        let found = Self.names(in: folder).compactMap { name in
            pattern.number(in: prefix + name).map { (number: $0, path: prefix + name) }
        }
        guard !found.isEmpty else { throw .missingFile(path: path) }
        files = found.sorted { $0.number < $1.number }.map(\.path)
    }

    /// The file that says what the pictures are: the first, or the first that can be looked into.
    func first(toleratesDamage: Bool) -> String {
        guard toleratesDamage else { return files[0] }
        let sound = files.first { path in
            guard let file = try? InputFile(path: path, format: nil, interrupter: Interrupter()),
                let index = try? file.videoIndex()
            else { return false }
            return (try? file.describeVideo(index, pictures: files.count)) != nil
        }
        return sound ?? files[0]
    }

    private static func names(in folder: String) -> [String] {
        FileSystem.names(in: folder)
    }

    /// Numbers inside names count as numbers.
    static func precedes(_ a: String, _ b: String) -> Bool {
        var (x, y) = (a[...], b[...])
        while let c = x.first, let d = y.first {
            if c.isASCII, d.isASCII, c.isNumber, d.isNumber {
                let (m, n) = (x.prefix { $0.isASCII && $0.isNumber }, y.prefix { $0.isASCII && $0.isNumber })
                let (p, q) = (m.drop { $0 == "0" }, n.drop { $0 == "0" })
                if p.count != q.count { return p.count < q.count }
                if p != q { return p < q }
                x = x.dropFirst(m.count)
                y = y.dropFirst(n.count)
            } else {
                if c != d { return c < d }
                x = x.dropFirst()
                y = y.dropFirst()
            }
        }
        if x.isEmpty != y.isEmpty { return x.isEmpty }
        return a < b
    }
}

/// A file name with one number in it, as printf writes it: `%d` or `%05d`.
internal struct NumberPattern {
    let before: String
    let after: String
    let digits: Int

    init?(_ path: String) {
        guard let percent = path.lastIndex(of: "%") else { return nil }
        let rest = path[path.index(after: percent)...]
        let width = rest.prefix { $0.isASCII && $0.isNumber }
        guard rest.dropFirst(width.count).first == "d", width.isEmpty || width.first == "0",
            !path[percent...].contains("/")
        else { return nil }
        before = String(path[..<percent])
        after = String(rest.dropFirst(width.count + 1))
        digits = Int(width) ?? 0
    }

    func path(_ number: Int) -> String {
        let text = String(number)
        return before + String(repeating: "0", count: max(0, digits - text.count)) + text + after
    }

    /// The number in a name of this pattern.
    func number(in path: String) -> Int? {
        guard path.hasPrefix(before), path.hasSuffix(after), path.count > before.count + after.count else { return nil }
        let middle = path.dropFirst(before.count).dropLast(after.count)
        guard middle.allSatisfy({ $0.isASCII && $0.isNumber }), middle.count >= digits, let number = Int(middle),
            middle.count == max(digits, String(number).count)
        else { return nil }
        return number
    }
}
