internal import CFFmpeg

/// Whether pictures are two fields of two moments, where codecs leave that to the container.
internal enum FieldFlags {
    /// Codecs that say it in each picture; the container's word is theirs, or older.
    private static let speaking: Set<String> = [
        "h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "h263", "vc1", "wmv3", "prores", "dnxhd", "dvvideo",
        "ffv1", "av1", "vp8", "vp9", "theora", "cavs",
    ]

    /// Whether the upper field of each picture is shown first; nil for whole frames, and where frames say it themselves.
    static func topFirst(_ parameters: AVCodecParameters) -> Bool? {
        guard !speaking.contains(String(cString: avcodec_get_name(parameters.codec_id))) else { return nil }
        switch parameters.field_order {
        case AV_FIELD_TT, AV_FIELD_BT: return true
        case AV_FIELD_BB, AV_FIELD_TB: return false
        default: return nil
        }
    }
}
