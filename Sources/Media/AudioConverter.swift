internal import CFFmpeg

/// Sound from one codec to another, where a container cannot hold the source's and the user wants it converted: decoded,
/// brought to what the encoder takes by a filter graph, encoded. Times are the source's.
///
/// One thread at a time. Damaged packets are passed over and counted.
internal final class AudioConverter {
    let parameters: UnsafeMutablePointer<AVCodecParameters>
    /// Seconds of a tick of the packets that come out.
    let timeBase: AVRational
    private let decoder: UnsafeMutablePointer<AVCodecContext>
    private let encoder: UnsafeMutablePointer<AVCodecContext>
    private var graph: UnsafeMutablePointer<AVFilterGraph>?
    private var input: UnsafeMutablePointer<AVFilterContext>?
    private var output: UnsafeMutablePointer<AVFilterContext>?
    private let sourceTimeBase: AVRational
    private(set) var damagedPackets = 0
    private let frame: UnsafeMutablePointer<AVFrame>

    /// The codec that players of a container expect.
    static func usualCodec(in container: Container) -> AVCodecID? {
        let codec: AVCodecID =
            switch container.name {
            case "webm", "ogg", "ogv": AV_CODEC_ID_OPUS
            case "avi", "flv": AV_CODEC_ID_MP3
            case "mpegts", "mpeg", "vob", "svcd", "dvd": AV_CODEC_ID_MP2
            case "mxf", "mxf_d10", "mxf_opatom", "gxf": AV_CODEC_ID_PCM_S16LE
            case "asf", "asf_stream": AV_CODEC_ID_WMAV2
            default:
                container.isMovFamily || container.isMatroska || container.name == "nut"
                    ? AV_CODEC_ID_AAC : AV_CODEC_ID_NONE
            }
        return codec == AV_CODEC_ID_NONE || avcodec_find_encoder(codec) == nil ? nil : codec
    }

    /// Nil where this FFmpeg cannot decode the one or encode the other.
    init?(_ template: StreamTemplate, to codec: AVCodecID, in container: Container) {
        let source = template.parameters
        guard source.pointee.codec_type == AVMEDIA_TYPE_AUDIO, source.pointee.sample_rate > 0,
            let reading = avcodec_find_decoder(source.pointee.codec_id), let writing = Self.encoder(codec),
            let from = avcodec_alloc_context3(reading), let to = avcodec_alloc_context3(writing),
            let made = avcodec_parameters_alloc(), let frame = av_frame_alloc()
        else { return nil }
        (decoder, encoder, parameters, self.frame) = (from, to, made, frame)
        sourceTimeBase = template.timeBase
        // Broadcasters' files know one rate.
        let isBroadcast = ["mxf", "mxf_d10", "mxf_opatom", "gxf"].contains(container.name)
        let rate = isBroadcast ? 48000 : Self.rate(writing, source.pointee.sample_rate)
        timeBase = AVRational(num: 1, den: rate)
        avcodec_parameters_to_context(from, source)
        from.pointee.pkt_timebase = template.timeBase
        guard avcodec_open2(from, reading, nil) >= 0 else { return nil }
        to.pointee.sample_rate = rate
        to.pointee.sample_fmt = writing.pointee.sample_fmts?.pointee ?? AV_SAMPLE_FMT_S16
        to.pointee.time_base = timeBase
        let channels = min(max(1, uf_channel_count(source)), Self.mostChannels(codec))
        uf_set_default_layout(to, channels)
        to.pointee.bit_rate = Int64(channels) * 96_000
        if container.wantsGlobalHeader { to.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER }
        guard avcodec_open2(to, writing, nil) >= 0, avcodec_parameters_from_context(made, to) >= 0 else { return nil }
    }

    /// libav's own encoder of Opus is an experiment, and MP3's is a library's.
    private static func encoder(_ codec: AVCodecID) -> UnsafePointer<AVCodec>? {
        if codec == AV_CODEC_ID_OPUS { return avcodec_find_encoder_by_name("libopus") }
        return avcodec_find_encoder(codec)
    }

    private static func mostChannels(_ codec: AVCodecID) -> Int32 {
        codec == AV_CODEC_ID_AAC || codec == AV_CODEC_ID_OPUS || codec == AV_CODEC_ID_PCM_S16LE ? 8 : 2
    }

    /// The encoder's rate nearest to the source's, not below it where there is one.
    private static func rate(_ codec: UnsafePointer<AVCodec>, _ wanted: Int32) -> Int32 {
        guard var next = codec.pointee.supported_samplerates else { return wanted }
        var rates: [Int32] = []
        while next.pointee != 0 {
            rates.append(next.pointee)
            next += 1
        }
        return rates.filter { $0 >= wanted }.min() ?? rates.max() ?? wanted
    }

    deinit {
        var (from, to): (UnsafeMutablePointer<AVCodecContext>?, UnsafeMutablePointer<AVCodecContext>?) =
            (decoder, encoder)
        avcodec_free_context(&from)
        avcodec_free_context(&to)
        var pointer: UnsafeMutablePointer<AVCodecParameters>? = parameters
        avcodec_parameters_free(&pointer)
        var picture: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&picture)
        avfilter_graph_free(&graph)
    }

    /// The packets that a packet of the source makes; the caller owns them.
    func convert(_ packet: UnsafeMutablePointer<AVPacket>) -> [UnsafeMutablePointer<AVPacket>] {
        guard avcodec_send_packet(decoder, packet) >= 0 else {
            damagedPackets += 1
            return []
        }
        return receive()
    }

    /// The packets that are still inside the decoder, the filters and the encoder at the end; the caller owns them.
    func finish() -> [UnsafeMutablePointer<AVPacket>] {
        avcodec_send_packet(decoder, nil)
        var packets = receive()
        if input != nil {
            _ = av_buffersrc_add_frame(input, nil)
            packets += filtered()
        }
        avcodec_send_frame(encoder, nil)
        return packets + encoded()
    }

    private func receive() -> [UnsafeMutablePointer<AVPacket>] {
        var packets: [UnsafeMutablePointer<AVPacket>] = []
        while true {
            let code = avcodec_receive_frame(decoder, frame)
            if code == uf_error_again() || code == uf_error_eof() { return packets }
            guard code >= 0 else {
                damagedPackets += 1
                return packets
            }
            frame.pointee.pts = frame.pointee.best_effort_timestamp
            if input == nil, !makeGraph() { return packets }
            guard av_buffersrc_add_frame(input, frame) >= 0 else {
                av_frame_unref(frame)
                damagedPackets += 1
                continue
            }
            packets += filtered()
        }
    }

    /// abuffer, aresample, asetnsamples, abuffersink: the first frame says what comes in.
    private func makeGraph() -> Bool {
        guard let made = avfilter_graph_alloc() else { return false }
        graph = made
        var layout = [CChar](repeating: 0, count: 128)
        uf_describe_layout(frame, &layout, layout.count)
        let name = String(decoding: layout.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let from =
            String(optionalCString: av_get_sample_fmt_name(AVSampleFormat(rawValue: frame.pointee.format))) ?? "s16"
        let to = String(optionalCString: av_get_sample_fmt_name(encoder.pointee.sample_fmt)) ?? "s16"
        uf_describe_encoder_layout(encoder, &layout, layout.count)
        let wanted = String(decoding: layout.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let size = encoder.pointee.frame_size
        let buffer = "time_base=\(sourceTimeBase.num)/\(sourceTimeBase.den):sample_rate=\(frame.pointee.sample_rate)"
        let text =
            "abuffer@in=\(buffer):sample_fmt=\(from):channel_layout=\(name),"
            + "aresample=\(encoder.pointee.sample_rate):async=1000:min_hard_comp=0.03,"
            + "aformat=sample_fmts=\(to):sample_rates=\(encoder.pointee.sample_rate):channel_layouts=\(wanted),"
            + (size > 0 ? "asetnsamples=n=\(size):p=0," : "") + "abuffersink@out"
        var open: UnsafeMutablePointer<AVFilterInOut>?
        var ends: UnsafeMutablePointer<AVFilterInOut>?
        let code = avfilter_graph_parse2(made, text, &open, &ends)
        avfilter_inout_free(&open)
        avfilter_inout_free(&ends)
        guard code >= 0, avfilter_graph_config(made, nil) >= 0 else { return false }
        input = avfilter_graph_get_filter(made, "abuffer@in")
        output = avfilter_graph_get_filter(made, "abuffersink@out")
        return input != nil && output != nil
    }

    private func filtered() -> [UnsafeMutablePointer<AVPacket>] {
        var packets: [UnsafeMutablePointer<AVPacket>] = []
        guard let made = av_frame_alloc() else { return packets }
        defer {
            var pointer: UnsafeMutablePointer<AVFrame>? = made
            av_frame_free(&pointer)
        }
        while av_buffersink_get_frame(output, made) >= 0 {
            let base = av_buffersink_get_time_base(output)
            if made.pointee.pts != Library.noTimestamp {
                made.pointee.pts = av_rescale_q(made.pointee.pts, base, timeBase)
            }
            avcodec_send_frame(encoder, made)
            av_frame_unref(made)
            packets += encoded()
        }
        return packets
    }

    private func encoded() -> [UnsafeMutablePointer<AVPacket>] {
        var packets: [UnsafeMutablePointer<AVPacket>] = []
        while let packet = av_packet_alloc() {
            guard avcodec_receive_packet(encoder, packet) >= 0 else {
                var pointer: UnsafeMutablePointer<AVPacket>? = packet
                av_packet_free(&pointer)
                break
            }
            packets.append(packet)
        }
        return packets
    }
}
