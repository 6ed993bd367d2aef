internal import CFFmpeg

/// Text subtitles from one codec to another, where a container knows only its own: words and times stay, and as much of
/// the styling as the target has.
internal final class SubtitleConverter {
    let parameters: UnsafeMutablePointer<AVCodecParameters>
    private let decoder: UnsafeMutablePointer<AVCodecContext>
    private let encoder: UnsafeMutablePointer<AVCodecContext>
    private var buffer = [UInt8](repeating: 0, count: 1 << 16)

    /// What text becomes in a container; nil where the container has no text subtitles.
    static func target(in container: Container) -> AVCodecID? {
        if container.isMovFamily { return AV_CODEC_ID_MOV_TEXT }
        switch container.name {
        case "matroska": return AV_CODEC_ID_SUBRIP
        case "webm": return AV_CODEC_ID_WEBVTT
        default: return nil
        }
    }

    /// Nil where the stream is not text, or this FFmpeg lacks the codecs.
    init?(_ template: StreamTemplate, to codec: AVCodecID) {
        let id = template.parameters.pointee.codec_id
        guard let descriptor = avcodec_descriptor_get(id), descriptor.pointee.props & AV_CODEC_PROP_TEXT_SUB != 0,
            let reading = avcodec_find_decoder(id), let writing = avcodec_find_encoder(codec),
            let from = avcodec_alloc_context3(reading), let to = avcodec_alloc_context3(writing),
            let made = avcodec_parameters_alloc()
        else { return nil }
        (decoder, encoder, parameters) = (from, to, made)
        avcodec_parameters_to_context(from, template.parameters)
        from.pointee.pkt_timebase = template.timeBase
        to.pointee.time_base = AVRational(num: 1, den: AV_TIME_BASE)
        guard avcodec_open2(from, reading, nil) >= 0 else { return nil }
        // The styles, in the language that libav's text codecs share.
        if let header = from.pointee.subtitle_header, from.pointee.subtitle_header_size > 0 {
            let size = Int(from.pointee.subtitle_header_size)
            guard let copy = av_mallocz(numericCast(size + 1)) else { fatalError("out of memory") }
            copy.copyMemory(from: header, byteCount: size)
            to.pointee.subtitle_header = copy.assumingMemoryBound(to: UInt8.self)
            to.pointee.subtitle_header_size = Int32(size)
        }
        guard avcodec_open2(to, writing, nil) >= 0, avcodec_parameters_from_context(made, to) >= 0 else { return nil }
    }

    deinit {
        var (from, to): (UnsafeMutablePointer<AVCodecContext>?, UnsafeMutablePointer<AVCodecContext>?) =
            (decoder, encoder)
        avcodec_free_context(&from)
        avcodec_free_context(&to)
        var pointer: UnsafeMutablePointer<AVCodecParameters>? = parameters
        avcodec_parameters_free(&pointer)
    }

    /// The packet in the other codec, with the same times; the caller owns it. Nil for one without words.
    func convert(_ packet: UnsafeMutablePointer<AVPacket>) -> UnsafeMutablePointer<AVPacket>? {
        var subtitle = AVSubtitle()
        var got: Int32 = 0
        guard avcodec_decode_subtitle2(decoder, &subtitle, &got, packet) >= 0, got != 0 else { return nil }
        defer { avsubtitle_free(&subtitle) }
        guard subtitle.num_rects > 0 else { return nil }
        var size: Int32 = -1
        while buffer.count <= 1 << 22 {
            size = buffer.withUnsafeMutableBufferPointer {
                avcodec_encode_subtitle(encoder, $0.baseAddress, Int32($0.count), &subtitle)
            }
            if size >= 0 { break }
            buffer = [UInt8](repeating: 0, count: 4 * buffer.count)
        }
        guard size > 0, let result = av_packet_alloc(), av_new_packet(result, size) >= 0 else { return nil }
        result.pointee.data.update(from: buffer, count: Int(size))
        av_packet_copy_props(result, packet)
        return result
    }
}
