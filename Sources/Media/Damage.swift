/// What of a source is damaged: how much of each kind, and the first of it.
public struct Damage: Sendable, Equatable {
    public enum Kind: Int, Sendable, CaseIterable {
        /// Packets that the decoder refused.
        case refused
        /// Frames of which the decoder had to make up a part.
        case concealed
        /// Error lines of FFmpeg's where neither is known: bytes passed over, references missing.
        case complaint
        /// Pictures of a folder or sequence.
        case picture
        /// Packets of copied streams that the target cannot take.
        case copied
        /// The data end before the file says that they do.
        case end

        func text(_ count: Int) -> String {
            switch self {
            case .refused: count == 1 ? "1 packet cannot be decoded" : "\(count) packets cannot be decoded"
            case .concealed: count == 1 ? "1 frame is made up in part" : "\(count) frames are made up in part"
            case .complaint: count == 1 ? "1 place cannot be read" : "\(count) places cannot be read"
            case .picture: count == 1 ? "1 picture" : "\(count) pictures"
            case .copied: count == 1 ? "1 packet of sound or subtitles" : "\(count) packets of sound or subtitles"
            case .end: "the data end early"
            }
        }
    }

    public private(set) var counts: [Kind: Int] = [:]
    /// The file where it was found first, and what it was.
    public private(set) var path = ""
    public private(set) var reason = ""
    /// Where in the video; nil where not known.
    public private(set) var seconds: Double?

    public init() {}

    public var isEmpty: Bool { counts.isEmpty }
    public var count: Int { counts.values.reduce(0, +) }

    public mutating func add(_ kind: Kind, count: Int = 1, path: String, reason: String, seconds: Double? = nil) {
        if isEmpty { (self.path, self.reason, self.seconds) = (path, reason, seconds) }
        counts[kind, default: 0] += count
    }

    /// One line for people: the file, what was lost of it and where.
    public func description(of source: String) -> String {
        let moment = MediaError.moment(seconds)
        let first = "\(path): is damaged or cut short\(moment)\(MediaError.bracketed(reason))"
        let kinds = Kind.allCases.compactMap { kind in counts[kind].map { kind.text($0) } }
        let single = count == 1 && (counts[.picture] != nil || counts[.end] != nil)
        let all = single ? "" : "; in all\(path == source ? "" : " of \(source)"): \(kinds.joined(separator: ", "))"
        return first + all + "; went on with what could be decoded."
    }
}

/// Error lines of FFmpeg's that sound files bring about, too: what they are about is seen in no picture.
internal enum HarmlessComplaint {
    private static let parts = [
        "mmco: unref short failure", "co located POCs unavailable", "number of reference frames",
        "Invalid and inefficient vfw-avi packed B-frames", "deprecated pixel format", "illegal short term buffer state",
        "no frame!", "EXIF data",
    ]

    static func isOne(_ line: String) -> Bool { parts.contains { line.contains($0) } }

    /// Whether a line is about pictures that the frame was made from: those before a place where one may begin to watch
    /// are not there.
    static func isOfReferences(_ line: String) -> Bool { line.contains("eference") || line.contains("ref with POC") }
}

/// Warnings and remarks of FFmpeg's demuxers that something was passed over, where they say no more than that.
internal enum LossWarning {
    private static let parts = ["Packet mismatch", "Packet corrupt", "freeing incomplete packet"]

    static func isOne(_ line: String) -> Bool { parts.contains { line.contains($0) } }
}
