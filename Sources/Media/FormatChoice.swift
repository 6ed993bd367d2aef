internal import CFFmpeg

/// Which pixel format an encoder is given.
internal struct FormatChoice {
    let encoder: String
    let accepted: [PixelLayout]
    let source: PixelLayout

    /// What a y4m header can name.
    private static let y4m: [String] =
        ["gray", "gray10le", "gray12le", "gray16le"]
        + ["420", "422", "444"].flatMap { kind in
            ["", "10le", "12le", "14le", "16le"].map { "yuv\(kind)p\($0)" }
        }

    init(codec: UnsafePointer<AVCodec>, source: PixelLayout) {
        encoder = String(cString: codec.pointee.name)
        self.source = source
        var formats: [PixelLayout] = []
        if var next = uf_encoder_pixel_formats(codec) {
            while next.pointee != AV_PIX_FMT_NONE {
                if let layout = PixelLayout(next.pointee) { formats.append(layout) }
                next += 1
            }
        }
        if codec.pointee.id == AV_CODEC_ID_WRAPPED_AVFRAME { formats = Self.y4m.compactMap { PixelLayout(named: $0) } }
        accepted = formats
    }

    /// The named format, or the one nearest to the source.
    func layout(named name: String?) throws(MediaError) -> PixelLayout {
        guard let name else { return nearest }
        guard let layout = PixelLayout(named: name) else { throw .unknownPixelFormat(name: name) }
        guard !accepted.isEmpty else { return layout }
        if accepted.contains(layout) { return layout }
        // mjpeg knows its formats by their old names, which say the range too.
        if let old = PixelLayout(named: name.replacing("yuv4", with: "yuvj4")), accepted.contains(old) { return old }
        throw .encoderRefusesPixelFormat(encoder: encoder, pixelFormat: name, accepted: accepted.map(\.name))
    }

    /// The same family and depth where the encoder has it; else the one that loses least. RGB goes to 4:2:0 in film
    /// codecs, since nothing else plays everywhere.
    var nearest: PixelLayout {
        let source = plainSource
        let usable = accepted.filter { !$0.isOpaque }
        guard !usable.isEmpty else { return accepted.first ?? source }
        if usable.contains(source) { return source }
        return usable.min { penalty($0, source) < penalty($1, source) } ?? source
    }

    func withoutSubsampling(_ layout: PixelLayout) -> PixelLayout? {
        guard let full = layout.withoutSubsampling else { return nil }
        if accepted.isEmpty || accepted.contains(full) { return full }
        return nil
    }

    /// The source's format as one would write it: palettes as RGB; one plane for each component; without a range in its
    /// name.
    private var plainSource: PixelLayout {
        if source.isPalette { return PixelLayout(named: "rgba") ?? source }
        guard !source.isOpaque else { return PixelLayout(named: source.isRGB ? "rgb24" : "yuv420p") ?? source }
        let depth = source.depth
        if source.isGrey {
            if source.hasAlpha { return source }
            return PixelLayout(named: depth == 8 ? "gray" : depth == 16 ? "gray16le" : "gray\(depth)le") ?? source
        }
        if source.isRGB {
            // The fourth byte of RGB0 says nothing.
            guard source.hasAlpha || source.components.contains(where: { $0.step > 3 * source.bytesPerSample }) else {
                return source
            }
            if source.hasAlpha, source.depth != 8, source.depth != 16 { return source }
            let name = depth == 8 ? (source.hasAlpha ? "rgba" : "rgb24") : source.hasAlpha ? "rgba64le" : "rgb48le"
            return PixelLayout(named: name) ?? source
        }
        let sampling: String
        switch (source.chromaWidthShift, source.chromaHeightShift) {
        case (0, 0): sampling = "444"
        case (0, _): sampling = "440"
        case (1, 0): sampling = "422"
        case (1, 1): sampling = "420"
        case (_, 0): sampling = "411"
        default: sampling = "410"
        }
        let name = (source.hasAlpha ? "yuva" : "yuv") + sampling + "p" + (depth == 8 ? "" : "\(depth)le")
        return PixelLayout(named: name) ?? source
    }

    /// How far a format is from the source, the most important first: family, depth, chroma, then memory layout.
    private func penalty(_ candidate: PixelLayout, _ source: PixelLayout) -> Int {
        var penalty = 0
        if candidate.isRGB != source.isRGB { penalty += 1000 }
        if source.isGrey != candidate.isGrey { penalty += candidate.isGrey ? 100_000 : 500 }
        if candidate.depth < source.depth { penalty += 200 * (source.depth - candidate.depth) }
        if candidate.depth > source.depth { penalty += 2 * (candidate.depth - source.depth) }
        if candidate.hasAlpha, !source.hasAlpha { penalty += 20 }
        // What can be seen through is not filled in for the sake of a family of formats.
        if source.hasAlpha, !candidate.hasAlpha { penalty += 2000 }
        if !candidate.isGrey && !candidate.isRGB {
            // From RGB to a film codec the widely playable 4:2:0; a JPEG of an RGB picture keeps its chroma.
            let isFilm = encoder != "mjpeg"
            let wantedWidth = source.isRGB ? (isFilm ? 1 : 0) : source.chromaWidthShift
            let wantedHeight = source.isRGB ? (isFilm ? 1 : 0) : source.chromaHeightShift
            let width = candidate.chromaWidthShift - wantedWidth
            let height = candidate.chromaHeightShift - wantedHeight
            // Coarser chroma than the source's is a loss; finer costs only bits.
            penalty += (width > 0 ? 40 * width : -10 * width) + (height > 0 ? 40 * height : -10 * height)
        }
        // Plain planes before NV12 and packed kinds, native byte order before the other, current names before yuvj.
        if candidate.planes != source.planes { penalty += 3 }
        if candidate.isBigEndian { penalty += 1 }
        if candidate.isFullRangeFormat { penalty += 4 }
        return penalty
    }
}
