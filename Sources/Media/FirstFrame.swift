internal import CFFmpeg

/// What only a decoded frame tells: the format that the decoder truly gives, tags inside the bitstream, HDR's numbers.
internal struct FirstFrame: Sendable {
    /// AVMasteringDisplayMetadata, as libav lays it out.
    var mastering: [UInt8]?
    /// AVContentLightMetadata.
    var light: [UInt8]?
    /// A display matrix that the frame carries: a JPEG's orientation.
    var displayMatrix: [UInt8]?
    /// Its palette knows no colour: a scan in one bit, line art.
    var isGrey = false
    /// Some pixel of it can be seen through.
    var isTransparent = false
}

extension SourceDescription {
    /// Takes over what the first frame says of itself.
    internal mutating func learn(from frame: VideoFrame) {
        guard let layout = PixelLayout(frame.format) else { return }
        let frameTags = frame.color
        var tags = video.color.tagged
        if frameTags.matrix != .unspecified { tags.matrix = frameTags.matrix }
        if frameTags.range != .unspecified { tags.range = frameTags.range }
        if frameTags.primaries != .unspecified { tags.primaries = frameTags.primaries }
        if frameTags.transfer != .unspecified { tags.transfer = frameTags.transfer }
        if frameTags.chromaLocation != .unspecified { tags.chromaLocation = frameTags.chromaLocation }
        video.color = tags.resolved(
            height: frame.height, isRGB: layout.isRGB || layout.isPalette,
            isFullRangeFormat: layout.isFullRangeFormat,
            isFullRangeByDefault: layout.isGrey && !InputFile.limitedByDefault.contains(video.codec),
            isPhotograph: video.codec == "mjpeg")
        video.isIncomplete = false
        (video.width, video.height) = (frame.width, frame.height)
        video.pixelFormat = layout.name
        video.bitDepth = min(max(layout.depth, 8), 16)
        video.hasAlpha = layout.hasAlpha
        video.isRGB = layout.isRGB || layout.isPalette
        video.isInterlaced = frame.isInterlaced
        let aspect = frame.frame.pointee.sample_aspect_ratio
        if video.sampleAspectRatio == Rational(1, 1), aspect.num > 0, aspect.den > 0 {
            video.sampleAspectRatio = Rational(aspect)
        }
        if video.hasAlpha {
            var alpha = [Float](repeating: 1, count: frame.width * frame.height)
            let converter = PixelConverter(decoding: video)
            alpha.withUnsafeMutableBufferPointer { try? converter.alpha(from: frame, into: $0) }
            first.isTransparent = alpha.contains { $0 < 0.999 }
        }
        first.isGrey = frame.hasGreyPalette
        first.mastering = frame.sideData(AV_FRAME_DATA_MASTERING_DISPLAY_METADATA)
        first.light = frame.sideData(AV_FRAME_DATA_CONTENT_LIGHT_LEVEL)
        if video.isStillPicture || video.isPictureList || picture != nil {
            first.displayMatrix = frame.sideData(AV_FRAME_DATA_DISPLAYMATRIX)
        }
    }
}

extension VideoFrame {
    /// Whether the frame has a palette of greys alone.
    internal var hasGreyPalette: Bool {
        guard format == AV_PIX_FMT_PAL8, let palette = frame.plane(1) else { return false }
        return (0..<256).allSatisfy { palette[4 * $0] == palette[4 * $0 + 1] && palette[4 * $0] == palette[4 * $0 + 2] }
    }

    /// A copy of the frame's side data of a kind, or nil.
    internal func sideData(_ type: AVFrameSideDataType) -> [UInt8]? {
        guard let side = av_frame_get_side_data(frame, type), let data = side.pointee.data else { return nil }
        return Array(UnsafeBufferPointer(start: data, count: Int(side.pointee.size)))
    }
}
