/// Questions to the tables that Scripts/make-abilities made by trying. What was not tried is not known to them.
extension Abilities {
    private static let heldBy = table(held)
    private static let known = Set("\(tried)".split(separator: " ").map(String.init))
    private static let fullRangeIn = table(fullRange)

    /// True where a codec comes back from a muxer as it went in; nil where that was not tried.
    static func holds(_ codec: String, in muxer: String) -> Bool? {
        guard let held = heldBy[muxer], known.contains(codec) else { return nil }
        return held.contains(codec)
    }

    /// True where players show an encoder's full-range frames as such, and where that was not tried.
    static func showsFullRange(encoder: String, in muxer: String) -> Bool {
        guard let muxers = fullRangeIn[encoder], heldBy[muxer] != nil else { return true }
        return muxers.contains(muxer)
    }

    /// Subject of a tag.
    enum Level {
        case file, picture, sound
    }

    private static let tagsOf: [Level: [String: Set<String>]] = [
        .file: table(fileTags), .picture: table(pictureTags), .sound: table(soundTags),
    ]
    private static let knownTags = Set("\(triedTags)".split(separator: " ").map(String.init))

    private static let movFamily: Set<String> = ["mp4", "mov", "ipod", "3gp", "f4v"]

    /// True where a tag comes back from a muxer, and where that was not tried.
    ///
    /// - Parameters:
    ///   - tag: lowercased.
    ///   - metadata: all of the source file's own tags; with phones' tags, a .mov or .mp4 lists all of them.
    static func holds(tag: String, of level: Level, in muxer: String, besides metadata: [String: String]) -> Bool {
        if movFamily.contains(muxer) {
            if Container.areListed(metadata) || (tag == "handler_name" && level != .file) { return true }
            // QuickTime knows many languages by names of its own (`LanguageCode`), and the others are named one by one.
            if muxer == "mov", tag == "language" { return true }
        }
        guard let held = tagsOf[level]?[muxer] else { return true }
        return held.contains(knownTags.contains(tag) ? tag : "other_key")
    }

    private static func table(_ lines: StaticString) -> [String: Set<String>] {
        var table: [String: Set<String>] = [:]
        for line in "\(lines)".split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if let key = words.first { table[key] = Set(words.dropFirst()) }
        }
        return table
    }
}
