internal import CFFmpeg

/// An encoder that feeds a decoder. Used by one thread, for one film.
internal final class CodecSession {
    private let encoder: UnsafeMutablePointer<AVCodecContext>
    private let decoder: UnsafeMutablePointer<AVCodecContext>
    private let packet: UnsafeMutablePointer<AVPacket>
    private let name: String
    private var decoded: [VideoFrame] = []

    init(_ trip: CodecRoundTrip, width: Int, height: Int) throws(MediaError) {
        name = trip.encoder
        guard let codec = avcodec_find_encoder_by_name(trip.encoder), codec.pointee.type == AVMEDIA_TYPE_VIDEO else {
            throw .unknownEncoder(
                name: trip.encoder,
                known: ["libx264", "libx265", "libvpx-vp9", "mpeg4", "mpeg2video"].filter(CodecRoundTrip.isAvailable))
        }
        guard let counterpart = avcodec_find_decoder(codec.pointee.id) else {
            throw .noDecoder(path: trip.encoder, codec: String(cString: avcodec_get_name(codec.pointee.id)))
        }
        guard let e = avcodec_alloc_context3(codec), let d = avcodec_alloc_context3(counterpart),
            let p = av_packet_alloc()
        else { fatalError("out of memory") }
        // From here on deinit frees them, thrown or not.
        (encoder, decoder, packet) = (e, d, p)
        e.pointee.width = Int32(clamping: width)
        e.pointee.height = Int32(clamping: height)
        e.pointee.pix_fmt = AV_PIX_FMT_YUV420P
        e.pointee.time_base = AVRational(num: 1, den: Int32(clamping: trip.framesPerSecond))
        e.pointee.framerate = AVRational(num: Int32(clamping: trip.framesPerSecond), den: 1)
        e.pointee.thread_count = 1
        if let interval = trip.keyInterval { e.pointee.gop_size = Int32(clamping: interval) }
        let options = OptionDictionary(Self.options(trip.encoder))
        try Self.setRate(trip, e, options)
        let mark = Library.mark()
        var code = avcodec_open2(e, codec, &options.pointer)
        guard code >= 0 else { throw .encoderRefuses(encoder: name, reason: Library.reason(code, since: mark)) }
        d.pointee.thread_count = 1
        code = avcodec_open2(d, counterpart, nil)
        guard code >= 0 else {
            throw .noDecoder(path: name, codec: "its own output (\(Library.reason(code, since: mark)))")
        }
    }

    deinit {
        var (e, d): (UnsafeMutablePointer<AVCodecContext>?, UnsafeMutablePointer<AVCodecContext>?) = (encoder, decoder)
        var p: UnsafeMutablePointer<AVPacket>? = packet
        avcodec_free_context(&e)
        avcodec_free_context(&d)
        av_packet_free(&p)
    }

    /// The faster presets, as live and web encoders use them, and no threads.
    ///
    /// What looks ahead along motion is off, and x265's largest blocks are too: on pictures smaller than some 100 pixels
    /// x264's mbtree (r3095, AVX-512), and x265 (3.5) where one block is the whole picture, let memory that nobody wrote
    /// into their decisions, so that results differ from run to run, and x265's cutree writes beyond its arrays. Found by
    /// filling fresh memory with different bytes, and by valgrind.
    private static func options(_ encoder: String) -> [(String, String)] {
        switch encoder {
        case "libx264": [("preset", "veryfast"), ("x264-params", "lookahead-threads=1:sync-lookahead=0:mbtree=0")]
        case "libx265":
            [
                ("preset", "veryfast"),
                ("x265-params", "log-level=none:pools=none:frame-threads=1:wpp=0:cutree=0:ctu=32"),
            ]
        case "libvpx-vp9", "libvpx": [("deadline", "realtime"), ("cpu-used", "8"), ("lag-in-frames", "0")]
        // As discs and broadcasts have them.
        case "mpeg2video", "mpeg4": [("bf", "2")]
        default: []
        }
    }

    private static func setRate(
        _ trip: CodecRoundTrip, _ context: UnsafeMutablePointer<AVCodecContext>, _ options: OptionDictionary
    ) throws(MediaError) {
        switch trip.rate {
        case .bitrate(let bits):
            context.pointee.bit_rate = Int64(bits.rounded())
            // A second of buffer: without one libav's own rate control lets the first frame take what it likes.
            context.pointee.rc_max_rate = context.pointee.bit_rate
            context.pointee.rc_buffer_size = Int32(clamping: context.pointee.bit_rate)
        case .quality(let value):
            if VideoEncoder.has("crf", context) {
                options.set("crf", "\(value)")
                context.pointee.bit_rate = 0
            } else if ["mpeg4", "mpeg2video", "mpeg1video", "mjpeg"].contains(trip.encoder) {
                context.pointee.flags |= AV_CODEC_FLAG_QSCALE
                context.pointee.global_quality = Int32((Double(FF_QP2LAMBDA) * min(31, max(1, value))).rounded())
            } else {
                throw .unknownEncoderOption(key: "crf", encoder: trip.encoder)
            }
        }
    }

    func encode(_ frame: VideoFrame) throws(MediaError) {
        guard let reference = av_frame_clone(frame.frame) else { fatalError("out of memory") }
        defer {
            var pointer: UnsafeMutablePointer<AVFrame>? = reference
            av_frame_free(&pointer)
        }
        reference.pointee.pts = frame.timestamp
        if encoder.pointee.flags & AV_CODEC_FLAG_QSCALE != 0 {
            reference.pointee.quality = encoder.pointee.global_quality
        }
        try give(reference)
    }

    /// All frames, in the order of their times.
    func finish() throws(MediaError) -> [VideoFrame] {
        try give(nil)
        try decode(nil)
        return decoded.sorted { $0.timestamp < $1.timestamp }
    }

    private func give(_ frame: UnsafeMutablePointer<AVFrame>?) throws(MediaError) {
        let mark = Library.mark()
        var code = avcodec_send_frame(encoder, frame)
        guard code >= 0 else { throw failure(code, mark) }
        while true {
            code = avcodec_receive_packet(encoder, packet)
            if code == uf_error_again() || code == uf_error_eof() { return }
            guard code >= 0 else { throw failure(code, mark) }
            defer { av_packet_unref(packet) }
            try decode(packet)
        }
    }

    private func decode(_ packet: UnsafeMutablePointer<AVPacket>?) throws(MediaError) {
        let mark = Library.mark()
        var code = avcodec_send_packet(decoder, packet)
        guard code >= 0 else { throw failure(code, mark) }
        while true {
            guard let frame = av_frame_alloc() else { fatalError("out of memory") }
            code = avcodec_receive_frame(decoder, frame)
            guard code >= 0 else {
                var pointer: UnsafeMutablePointer<AVFrame>? = frame
                av_frame_free(&pointer)
                if code == uf_error_again() || code == uf_error_eof() { return }
                throw failure(code, mark)
            }
            let time = frame.pointee.best_effort_timestamp
            decoded.append(VideoFrame(owning: frame, timestamp: time, duration: 1, isKey: false))
        }
    }

    private func failure(_ code: Int32, _ mark: Int) -> MediaError {
        .encodeFailed(path: name, seconds: nil, reason: Library.reason(code, since: mark))
    }
}
