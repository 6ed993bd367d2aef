internal import CFFmpeg

/// Single pictures to and from the bytes of a file, in memory, for whoever has floats and wants a picture of them.
/// Files of unknown origin go through `MediaReader`, which knows orientation, tags and alpha.
public enum PictureCodec {
    public enum Format: Sendable, Hashable {
        case png
        /// 4:4:4; quality from 1 to 100, in the sense of most programs: 90 is hard to tell from the original.
        case jpeg(quality: Int)
    }

    /// - Parameter rgb: `width * height * 3` gamma-encoded floats; what lies outside 0 … 1 is clamped.
    public static func encode(
        _ rgb: [Float], width: Int, height: Int, as format: Format
    ) throws(MediaError) -> [UInt8] {
        precondition(rgb.count == width * height * 3, "\(rgb.count) floats for \(width)x\(height)")
        Library.prepare()
        let name = format == .png ? "png" : "mjpeg"
        guard let codec = avcodec_find_encoder_by_name(name) else { throw .unknownEncoder(name: name, known: []) }
        guard let made = avcodec_alloc_context3(codec) else { fatalError("out of memory") }
        defer {
            var pointer: UnsafeMutablePointer<AVCodecContext>? = made
            avcodec_free_context(&pointer)
        }
        let pixelFormat = format == .png ? "rgb24" : "yuvj444p"
        var color = ColorDescription(matrix: .rgb, range: .full)
        if format != .png { color = ColorDescription(matrix: .bt470bg, range: .full, chromaLocation: .center) }
        let converter = try PixelConverter(encodingWidth: width, height: height, pixelFormat: pixelFormat, color: color)
        let frame = try rgb.withUnsafeBufferPointer { source throws(MediaError) in
            try converter.frame(fromRGB: source, width: width, height: height, timestamp: 0, duration: 1)
        }
        made.pointee.width = Int32(clamping: width)
        made.pointee.height = Int32(clamping: height)
        made.pointee.pix_fmt = av_get_pix_fmt(pixelFormat)
        made.pointee.color_range = AVCOL_RANGE_JPEG
        made.pointee.time_base = AVRational(num: 1, den: 25)
        made.pointee.thread_count = 1
        let options = OptionDictionary()
        if case .jpeg(let quality) = format {
            made.pointee.flags |= AV_CODEC_FLAG_QSCALE
            made.pointee.global_quality = FF_QP2LAMBDA * quantiser(quality)
        } else {
            options.set("pred", "mixed")
        }
        let mark = Library.mark()
        var code = avcodec_open2(made, codec, &options.pointer)
        guard code >= 0 else { throw .encoderRefuses(encoder: name, reason: Library.reason(code, since: mark)) }
        frame.frame.pointee.quality = made.pointee.global_quality
        frame.frame.pointee.pts = 0
        code = avcodec_send_frame(made, frame.frame)
        guard let packet = av_packet_alloc() else { fatalError("out of memory") }
        defer {
            var pointer: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&pointer)
        }
        if code >= 0 { code = avcodec_send_frame(made, nil) }
        if code >= 0 { code = avcodec_receive_packet(made, packet) }
        guard code >= 0, let data = packet.pointee.data else {
            throw .encodeFailed(path: name, seconds: nil, reason: Library.reason(code, since: mark))
        }
        return Array(UnsafeBufferPointer(start: data, count: Int(packet.pointee.size)))
    }

    /// libav's encoder has one quantiser for its own table, whose middle entries are about the IJG's at half of it.
    private static func quantiser(_ quality: Int) -> Int32 {
        let quality = Double(min(100, max(1, quality)))
        let scale = quality < 50 ? 50 / quality : 2 - quality / 50
        return Int32(min(31, max(1, (16 * scale).rounded())))
    }

    /// A PNG or JPEG, without its opacity, as `width * height * 3` gamma-encoded floats in 0 … 1.
    /// - Parameter name: for messages.
    public static func decode(_ bytes: [UInt8], name: String) throws(MediaError)
        -> (rgb: [Float], width: Int, height: Int)
    {
        Library.prepare()
        let isPNG = bytes.starts(with: [0x89, 0x50, 0x4E, 0x47])
        guard isPNG || bytes.starts(with: [0xFF, 0xD8]) else {
            throw .notMedia(path: name, reason: "neither PNG nor JPEG")
        }
        guard let codec = avcodec_find_decoder(isPNG ? AV_CODEC_ID_PNG : AV_CODEC_ID_MJPEG) else {
            throw .noDecoder(path: name, codec: isPNG ? "png" : "mjpeg")
        }
        guard let context = avcodec_alloc_context3(codec), let packet = av_packet_alloc() else {
            fatalError("out of memory")
        }
        defer {
            var pointer: UnsafeMutablePointer<AVCodecContext>? = context
            avcodec_free_context(&pointer)
            var other: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&other)
        }
        guard isPNG || JPEGEnd.isThere(bytes) else {
            throw .damagedPicture(path: name, reason: "the data end early", isLost: true)
        }
        context.pointee.thread_count = 1
        if !isPNG { context.pointee.err_recognition |= AV_EF_EXPLODE }
        let mark = Library.mark()
        var code = avcodec_open2(context, codec, nil)
        if code >= 0 { code = av_new_packet(packet, Int32(clamping: bytes.count)) }
        guard code >= 0, let data = packet.pointee.data else {
            throw .readFailed(path: name, reason: Library.reason(code, since: mark))
        }
        bytes.withUnsafeBufferPointer { data.update(from: $0.baseAddress!, count: bytes.count) }
        guard let decoded = av_frame_alloc() else { fatalError("out of memory") }
        let frame = VideoFrame(owning: decoded, timestamp: 0, duration: 1, isKey: true)
        code = avcodec_send_packet(context, packet)
        if code >= 0 { code = avcodec_receive_frame(context, decoded) }
        guard code >= 0, decoded.pointee.decode_error_flags == 0 else {
            throw .damagedPicture(path: name, reason: Library.reason(code, since: mark), isLost: true)
        }
        guard let layout = PixelLayout(frame.format) else {
            throw .unsupportedConversion(pixelFormat: frame.pixelFormat, reason: "not known")
        }
        let isRGB = layout.isRGB || layout.isPalette
        let video = VideoDescription(
            width: frame.width, height: frame.height, pixelFormat: layout.name, bitDepth: min(max(layout.depth, 8), 16),
            hasAlpha: layout.hasAlpha, isRGB: isRGB, timeBase: Rational(1, 25), averageFrameRate: Rational(25, 1),
            sampleAspectRatio: Rational(1, 1),
            color: frame.color.resolved(
                height: frame.height, isRGB: isRGB, isFullRangeFormat: layout.isFullRangeFormat,
                isFullRangeByDefault: layout.isGrey, isPhotograph: !isPNG),
            rotation: 0, codec: isPNG ? "png" : "mjpeg", isStillPicture: true)
        var rgb = [Float](repeating: 0, count: frame.width * frame.height * 3)
        try rgb.withUnsafeMutableBufferPointer { target throws(MediaError) in
            try PixelConverter(decoding: video).rgb(from: frame, into: target)
        }
        return (rgb, frame.width, frame.height)
    }
}
