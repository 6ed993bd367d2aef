internal import CFFmpeg

/// HDR10's static numbers: what the mastering display could show, and how bright the film is.
internal struct HighDynamicRange {
    /// As libav lays them out; nil where the source says nothing.
    let mastering: [UInt8]?
    let light: [UInt8]?

    /// The stream's word, or else the first frame's.
    init(_ source: SourceDescription) {
        func stream(_ type: AVPacketSideDataType) -> [UInt8]? {
            source.videoTemplate.sideData.first { $0.type == type }?.bytes
        }
        mastering = stream(AV_PKT_DATA_MASTERING_DISPLAY_METADATA) ?? source.first.mastering
        light = stream(AV_PKT_DATA_CONTENT_LIGHT_LEVEL) ?? source.first.light
    }

    /// Parameters for x264 or x265, joined by colons: these write them into the bitstream, where displays look.
    func parameters(encoder: String) -> [String] {
        let names: (display: String, light: String)
        switch encoder {
        case "libx265": names = ("master-display", "max-cll")
        case "libx264": names = ("mastering-display", "cll")
        default: return []
        }
        var result: [String] = []
        if let display = displayText { result.append("\(names.display)=\(display)") }
        if let light, light.count >= MemoryLayout<AVContentLightMetadata>.size {
            let level = light.withUnsafeBytes { $0.loadUnaligned(as: AVContentLightMetadata.self) }
            if level.MaxCLL > 0 || level.MaxFALL > 0 {
                result.append("\(names.light)=\(level.MaxCLL),\(level.MaxFALL)")
            }
        }
        return result
    }

    private var displayText: String? {
        guard let mastering, mastering.count >= MemoryLayout<AVMasteringDisplayMetadata>.size else { return nil }
        let display = mastering.withUnsafeBytes { $0.loadUnaligned(as: AVMasteringDisplayMetadata.self) }
        guard display.has_primaries != 0, display.has_luminance != 0 else { return nil }
        func units(_ value: AVRational, _ scale: Int64) -> Int64 {
            value.den == 0 ? 0 : av_rescale(Int64(value.num), scale, Int64(value.den))
        }
        func point(_ pair: (AVRational, AVRational)) -> String {
            "(\(units(pair.0, 50000)),\(units(pair.1, 50000)))"
        }
        let (red, green, blue) = display.display_primaries
        return "G\(point(green))B\(point(blue))R\(point(red))WP\(point(display.white_point))"
            + "L(\(units(display.max_luminance, 10000)),\(units(display.min_luminance, 10000)))"
    }
}
