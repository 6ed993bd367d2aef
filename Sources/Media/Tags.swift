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
