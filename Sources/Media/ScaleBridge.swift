internal import CFFmpeg

/// swscale, for the formats that the row kernels do not read or write: a change of memory layout that keeps size,
/// family, matrix and range.
internal final class ScaleBridge {
    private let context: OpaquePointer
    private let from: PixelLayout
    private let to: PixelLayout
    private let width: Int
    private let height: Int
    private let pool: FramePool

    /// The plain format nearest to one that is not: what to convert from or to.
    static func plainRelative(of layout: PixelLayout) throws(MediaError) -> PixelLayout {
        let name: String
        if layout.isRGB || layout.isPalette || layout.name.hasPrefix("xyz") || layout.name.hasPrefix("bayer") {
            let isDeep = layout.depth > 8
            name = layout.hasAlpha ? (isDeep ? "rgba64le" : "rgba") : (isDeep ? "rgb48le" : "rgb24")
        } else if layout.isGrey {
            name = layout.depth > 8 ? "gray16le" : "gray"
        } else {
            name = layout.depth > 8 ? "yuv444p16le" : "yuv444p"
        }
        guard let relative = PixelLayout(named: name), relative.isPlain else {
            throw .unsupportedConversion(pixelFormat: layout.name, reason: "no plain format is like it")
        }
        return relative
    }

    init(from: PixelLayout, to: PixelLayout, width: Int, height: Int, color: ColorDescription) throws(MediaError) {
        let flags = SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP | SWS_BICUBIC
        let mark = Library.mark()
        guard sws_isSupportedInput(from.format) > 0, sws_isSupportedOutput(to.format) > 0,
            let made = sws_getContext(
                Int32(width), Int32(height), from.format, Int32(width), Int32(height), to.format, flags, nil, nil, nil)
        else {
            throw .unsupportedConversion(
                pixelFormat: to.isPlain ? from.name : to.name,
                reason: Library.lastLine(since: mark) ?? "swscale does not know it")
        }
        context = made
        self.from = from
        self.to = to
        self.width = width
        self.height = height
        pool = FramePool(layout: to, width: width, height: height)
        let full: Int32 = color.range == .full ? 1 : 0
        let table = sws_getCoefficients(Int32(clamping: color.matrix == .rgb ? 1 : color.matrix.rawValue))
        sws_setColorspaceDetails(made, table, full, table, full, 0, 1 << 16, 1 << 16)
    }

    deinit { sws_freeContext(context) }

    func fits(from: AVPixelFormat, to: AVPixelFormat, width: Int, height: Int) -> Bool {
        self.from.format == from && self.to.format == to && self.width == width && self.height == height
    }

    /// A new frame, owned by the caller, with the tags of the old one.
    func convert(_ source: UnsafeMutablePointer<AVFrame>) throws(MediaError) -> UnsafeMutablePointer<AVFrame> {
        let target = try pool.frame()
        let sourceLines = [source.stride(0), source.stride(1), source.stride(2), source.stride(3)].map { Int32($0) }
        let targetLines = [target.stride(0), target.stride(1), target.stride(2), target.stride(3)].map { Int32($0) }
        let sourcePlanes = (0..<4).map { UnsafePointer<UInt8>(source.plane($0)) }
        let targetPlanes = (0..<4).map { target.plane($0) }
        let mark = Library.mark()
        let rows = sws_scale(context, sourcePlanes, sourceLines, 0, Int32(height), targetPlanes, targetLines)
        guard rows == Int32(height) else {
            var pointer: UnsafeMutablePointer<AVFrame>? = target
            av_frame_free(&pointer)
            throw .unsupportedConversion(
                pixelFormat: from.name, reason: Library.lastLine(since: mark) ?? "swscale gave up")
        }
        ColorDescription(source.pointee).tag(target)
        if to.isRGB {
            target.pointee.colorspace = AVCOL_SPC_RGB
            target.pointee.color_range = AVCOL_RANGE_JPEG
        }
        return target
    }
}
