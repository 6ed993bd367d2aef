internal import CFFmpeg

/// How a pixel format lies in memory, from libav's own descriptor: enough to load and store any format of whole
/// 8- to 16-bit samples row by row, planar, semi-planar or packed, of either byte order.
internal struct PixelLayout: Hashable {
    struct Component: Hashable {
        var plane: Int
        /// Bytes from one sample to the next.
        var step: Int
        var offset: Int
        var shift: Int
        var depth: Int
    }

    var format: AVPixelFormat
    var name: String
    var components: [Component]
    var chromaWidthShift: Int
    var chromaHeightShift: Int
    var isRGB: Bool
    var hasAlpha: Bool
    var isBigEndian: Bool
    /// FFmpeg's yuvj family: full range said by the format itself.
    var isFullRangeFormat: Bool
    /// Needs a palette, bits smaller than bytes, floats or a device: not to be touched row by row.
    var isOpaque: Bool

    init?(_ format: AVPixelFormat) {
        guard let descriptor = av_pix_fmt_desc_get(format), let name = av_get_pix_fmt_name(format) else { return nil }
        let d = descriptor.pointee
        let flags = d.flags
        func has(_ flag: Int32) -> Bool { flags & UInt64(flag) != 0 }
        self.format = format
        self.name = String(cString: name)
        let raw = [d.comp.0, d.comp.1, d.comp.2, d.comp.3].prefix(Int(d.nb_components))
        components = raw.map {
            Component(
                plane: Int($0.plane), step: Int($0.step), offset: Int($0.offset), shift: Int($0.shift),
                depth: Int($0.depth))
        }
        isRGB = has(AV_PIX_FMT_FLAG_RGB)
        hasAlpha = has(AV_PIX_FMT_FLAG_ALPHA)
        isBigEndian = has(AV_PIX_FMT_FLAG_BE)
        isFullRangeFormat = self.name.hasPrefix("yuvj")
        chromaWidthShift = Int(d.log2_chroma_w)
        chromaHeightShift = Int(d.log2_chroma_h)
        // XYZ has neither flag nor name of a family; its three components are no luma and chroma.
        let isXYZ = self.name.hasPrefix("xyz")
        isOpaque =
            has(AV_PIX_FMT_FLAG_PAL) || has(AV_PIX_FMT_FLAG_BITSTREAM) || has(AV_PIX_FMT_FLAG_HWACCEL)
            || has(AV_PIX_FMT_FLAG_FLOAT) || has(AV_PIX_FMT_FLAG_BAYER) || isXYZ
    }

    init?(named name: String) {
        let format = av_get_pix_fmt(name)
        guard format != AV_PIX_FMT_NONE else { return nil }
        self.init(format)
    }

    var depth: Int { components.first?.depth ?? 8 }
    var bytesPerSample: Int { depth > 8 ? 2 : 1 }
    /// One bit a pixel: black and white.
    var isBilevel: Bool { format == AV_PIX_FMT_MONOWHITE || format == AV_PIX_FMT_MONOBLACK }
    var isGrey: Bool { !isRGB && components.count - (hasAlpha ? 1 : 0) == 1 }
    var isPalette: Bool {
        name == "pal8"
    }
    var colorComponents: Int { isGrey ? 1 : 3 }
    var isSubsampled: Bool { chromaWidthShift > 0 || chromaHeightShift > 0 }
    var alpha: Component? { hasAlpha ? components.last : nil }
    var planes: Int { (components.map(\.plane).max() ?? 0) + 1 }

    /// Whether our own row kernels serve this format: whole samples, one depth from 8 to 16, chroma of half or full
    /// size. The rest goes through swscale.
    var isPlain: Bool {
        guard !isOpaque, (8...16).contains(depth), chromaWidthShift <= 1, chromaHeightShift <= 1 else { return false }
        return components.allSatisfy {
            $0.depth == depth && $0.shift + $0.depth <= 8 * bytesPerSample && $0.step % bytesPerSample == 0
                && (bytesPerSample == 1 || $0.offset % 2 == 0)
        }
    }

    /// The same format with one chroma sample for each pixel, in libav's naming.
    var withoutSubsampling: PixelLayout? {
        guard isSubsampled else { return self }
        for tag in ["420", "422", "440", "411", "410"] where name.contains(tag) {
            guard let range = name.firstRange(of: tag) else { continue }
            return PixelLayout(named: name.replacingCharacters(in: range, with: "444"))
        }
        switch depth {
        case 8: return PixelLayout(named: "yuv444p")
        case 16: return PixelLayout(named: "yuv444p16le")
        default: return PixelLayout(named: "yuv444p\(depth)le")
        }
    }

    /// The format without its yuvj naming: range belongs to the colour description.
    var withoutRangeInName: PixelLayout {
        guard isFullRangeFormat else { return self }
        return PixelLayout(named: "yuv" + name.dropFirst(4)) ?? self
    }
}

extension String {
    fileprivate func replacingCharacters(in range: Range<String.Index>, with text: String) -> String {
        self[..<range.lowerBound] + text + self[range.upperBound...]
    }
}
