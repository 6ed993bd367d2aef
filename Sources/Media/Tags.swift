internal import CFFmpeg

/// ISO 639-2 has two codes for twenty languages: one for bibliographies, one for everything else. Matroska writes
/// the first, most others the second, QuickTime sometimes this and sometimes that.
public enum LanguageCode {
    /// Terminology code to bibliographic code.
    private static let pairs = [
        "sqi": "alb", "hye": "arm", "eus": "baq", "mya": "bur", "zho": "chi", "ces": "cze", "nld": "dut", "fra": "fre",
        "kat": "geo", "deu": "ger", "ell": "gre", "isl": "ice", "mkd": "mac", "mri": "mao", "msa": "may", "fas": "per",
        "ron": "rum", "slk": "slo", "bod": "tib", "cym": "wel",
    ]

    /// Bibliographic codes for which QuickTime's list, as libavformat has it, has the
    /// terminology code or, for three, one of its own.
    private static let quickTimeNames = [
        "fre": "fra", "rum": "ron", "cze": "ces", "slo": "slk", "swe": "sve", "hrv": "hr ", "srp": "sr ",
    ]
    private static let quickTimeList = Set(
        """
        eng fra ger ita dut sve spa dan por nor heb jpn ara fin gre ice mlt tur chi urd hin tha kor lit pol hun est lav rus \
        alb ron ces slk slv mac bul ukr bel uzb kaz aze arm geo mol kir tgk tuk mon pus kur kas snd tib nep san mar ben \
        asm guj ori mal kan tam tel bur khm lao vie ind tgl may amh tir orm som swa nya mlg epo wel baq cat lat que grn \
        aym tat uig dzo jav und
        """.split(separator: " ").map(String.init) + ["hr ", "sr "])

    /// The code by which QuickTime's list knows a language; nil where it does not.
    static func quickTime(_ code: String) -> String? {
        let code = bibliographic(code)
        let name = quickTimeNames[code] ?? code
        return quickTimeList.contains(name) ? name : nil
    }

    /// The bibliographic code; the code itself where there is only one.
    public static func bibliographic(_ code: String) -> String {
        let code = code.lowercased()
        return pairs[code] ?? quickTimeNames.first { $0.value == code }?.key ?? code
    }
}

/// Tags that say something of the work, not of the program or the bytes, and whether a container has a place for them.
public enum Tags {
    /// Written by muxers about themselves or about the bytes; lowercased.
    private static let ofMuxers: Set<String> = [
        "encoder", "major_brand", "minor_version", "compatible_brands", "vendor_id", "duration", "bps",
        "number_of_frames", "number_of_bytes", "handler_name", "rotate", "service_name", "service_provider",
        "alpha_mode", "encoded_by_application", "language", "creation_time_of_muxer", "isft", "software",
    ]

    /// Names that muxers give handlers when nobody named them.
    private static let defaultHandlers: Set<String> = ["core media video", "core media audio"]

    /// True for a tag that says something of the work.
    public static func describeTheWork(_ key: String, _ value: String) -> Bool {
        let name = key.lowercased()
        if name == "handler_name" {
            let value = value.lowercased()
            return !defaultHandlers.contains(value) && !value.contains("handler")
        }
        // Matroska's statistics carry a language: "BPS-eng".
        let isTranslated = name.count > 4 && name[name.index(name.endIndex, offsetBy: -4)] == "-"
        let bare = isTranslated ? String(name.dropLast(4)) : name
        return !ofMuxers.contains(bare) && !name.hasPrefix("_statistics")
    }

    /// Tags of a source for which a target has no place, sorted; each once.
    static func homeless(_ source: SourceDescription, kept: Set<Int>, in container: Container) -> [String] {
        guard !container.isPicture, !container.isY4M, container.name != "rawvideo" else { return [] }
        var homeless: Set<String> = []
        func look(_ tags: [(String, String)], _ level: Abilities.Level) {
            for (key, value) in tags {
                let name = key.lowercased()
                let isLanguage = name == "language" && level != .file && value != "und" && !value.isEmpty
                // A time code is a stream of its own where it is no tag.
                guard isLanguage || describeTheWork(key, value), name != "timecode",
                    !Abilities.holds(tag: name, of: level, in: container.tableName, besides: source.metadata)
                else { continue }
                homeless.insert(level == .file ? name : "\(name) of a stream")
            }
        }
        look(source.metadata.map { ($0, $1) }, .file)
        look(source.videoTemplate.metadata, .picture)
        for template in source.copiedTemplates where kept.contains(template.index) && template.kind == .audio {
            look(template.metadata, .sound)
        }
        return homeless.sorted()
    }
}

extension FileInventory {
    /// True if this file's container has a place for a tag.
    ///
    /// - Parameters:
    ///   - stream: the stream that the tag describes; nil for the file's own.
    ///   - metadata: all of the source file's own tags.
    public func holds(tag: String, of stream: StreamInventory?, besides metadata: [String: String]) -> Bool {
        let level: Abilities.Level = stream.map { $0.description.kind == .video ? .picture : .sound } ?? .file
        // libav has one demuxer for several muxers.
        let muxer =
            switch format {
            case let name where name.hasPrefix("mov,"): path.lowercased().hasSuffix(".mov") ? "mov" : "mp4"
            case let name where name.hasPrefix("matroska,"): "matroska"
            default: format
            }
        return Abilities.holds(tag: tag.lowercased(), of: level, in: muxer, besides: metadata)
    }
}

extension Container {
    /// A tag's value in the words of the container.
    func tag(_ key: String, _ value: String) -> String {
        key.lowercased() == "language" && name == "mov" ? LanguageCode.quickTime(value) ?? value : value
    }

    /// Keys that only QuickTime's list of names and values has a place for, as phones write them.
    static func areListed(_ metadata: [String: String]) -> Bool {
        metadata.keys.contains { $0.hasPrefix("com.") }
    }
}

extension SourceDescription {
    /// The time code of the first frame that is kept, where the file's first has this one (SMPTE 12M).
    func timeCode(_ text: String) -> String {
        let rate = video.averageFrameRate
        guard skippedSeconds > 0, rate.isKnown else { return text }
        var code = AVTimecode()
        guard av_timecode_init_from_string(&code, rate.av, text, nil) >= 0 else { return text }
        // The first frame at or after the start.
        let frames = (skippedSeconds * rate.value - 1e-6).rounded(.up)
        guard frames >= 0, frames < 1e9 else { return text }
        var buffer = [CChar](repeating: 0, count: 32)
        guard av_timecode_make_string(&code, &buffer, Int32(frames)) != nil else { return text }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
