/// Which of a file's streams go along.
public struct StreamSelection: Sendable, Hashable {
    public var audio: Bool
    public var subtitles: Bool
    /// Only these streams, by their numbers in the file; nil for all. A video stream among them is the one that is
    /// decoded; where none is, the file's main one is.
    public var indices: [Int]?
    /// As `indices`, by what the streams are; applied in order. The first one that takes nothing away starts from no
    /// stream, otherwise all are there at first.
    public var specifiers: [StreamSpecifier] = []

    public init(audio: Bool = true, subtitles: Bool = true, indices: [Int]? = nil) {
        self.audio = audio
        self.subtitles = subtitles
        self.indices = indices
    }

    /// The numbers of the chosen streams; nil for all of them.
    internal func resolved(_ kinds: [StreamDescription.Kind], path: String) throws(MediaError) -> [Int]? {
        if let missing = indices?.first(where: { !kinds.indices.contains($0) }) {
            throw .noSuchStream(path: path, index: missing, count: kinds.count)
        }
        guard let first = specifiers.first else { return indices }
        var chosen = first.excludes ? indices ?? Array(kinds.indices) : indices ?? []
        for specifier in specifiers {
            let found = specifier.matches(kinds)
            if found.isEmpty, !specifier.isOptional {
                if specifier.kind == nil, let number = specifier.number {
                    throw .noSuchStream(path: path, index: number, count: kinds.count)
                }
                throw .noMatchingStream(path: path, specifier: specifier.text)
            }
            chosen.removeAll { found.contains($0) }
            if !specifier.excludes { chosen += found }
        }
        return chosen
    }

    internal func includes(_ index: Int, _ kind: StreamDescription.Kind, among chosen: [Int]?) -> Bool {
        if kind == .audio, !audio { return false }
        if kind == .subtitle, !subtitles { return false }
        return chosen?.contains(index) ?? true
    }
}

/// Streams of a file by kind and number, written as FFmpeg's `-map` writes them: `2` or `0:2` is stream 2 of the file,
/// `a` or `0:a` all audio, `s:1` the second subtitle stream; a `-` in front takes them away, a `?` behind lets them be
/// missing. Kinds are `v`, `a`, `s`, `d` (data) and `t` (attachments).
public struct StreamSpecifier: Sendable, Hashable {
    public let text: String
    public let kind: StreamDescription.Kind?
    /// Among those of the kind, or in the file; nil for all.
    public let number: Int?
    public let excludes: Bool
    public let isOptional: Bool

    /// nil where `text` is not written so.
    public init?(_ text: String) {
        self.text = text
        var rest = text[...]
        excludes = rest.hasPrefix("-")
        if excludes { rest = rest.dropFirst() }
        isOptional = rest.hasSuffix("?")
        if isOptional { rest = rest.dropLast() }
        var parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        // There is one file only.
        if parts.count > 1, parts[0] == "0" { parts.removeFirst() }
        guard (1...2).contains(parts.count) else { return nil }
        func natural(_ text: Substring) -> Int? {
            text.allSatisfy { $0.isASCII && $0.isNumber } ? Int(text) : nil
        }
        if parts.count == 1, let number = natural(parts[0]) {
            (kind, self.number) = (nil, number)
            return
        }
        guard let kind = Self.kinds[String(parts[0])] else { return nil }
        self.kind = kind
        guard parts.count == 2 else {
            number = nil
            return
        }
        guard let number = natural(parts[1]) else { return nil }
        self.number = number
    }

    private static let kinds: [String: StreamDescription.Kind] = [
        "v": .video, "V": .video, "a": .audio, "s": .subtitle, "d": .data, "t": .attachment,
    ]

    internal func matches(_ kinds: [StreamDescription.Kind]) -> [Int] {
        let candidates = kinds.indices.filter { kind == nil || kinds[$0] == kind }
        guard let number else { return candidates }
        return candidates.indices.contains(number) ? [candidates[number]] : []
    }
}
