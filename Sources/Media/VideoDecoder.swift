internal import CFFmpeg

/// An AVCodecContext for decoding with frame threads.
internal final class VideoDecoder {
    private let context: UnsafeMutablePointer<AVCodecContext>

    enum Outcome {
        /// The caller owns the frame.
        case frame(UnsafeMutablePointer<AVFrame>)
        case needsPacket
        case ended
        case failed(Int32)
    }

    init(_ stream: UnsafeMutablePointer<AVStream>, path: String, threads: Int) throws(MediaError) {
        let parameters = stream.pointee.codecpar
        let name = String(cString: avcodec_get_name(stream.pointee.codecpar.pointee.codec_id))
        guard let codec = avcodec_find_decoder(stream.pointee.codecpar.pointee.codec_id) else {
            throw .noDecoder(path: path, codec: name)
        }
        guard let made = avcodec_alloc_context3(codec) else { fatalError("out of memory") }
        context = made
        let mark = Library.mark()
        avcodec_parameters_to_context(context, parameters)
        context.pointee.pkt_timebase = stream.pointee.time_base
        context.pointee.framerate = stream.pointee.avg_frame_rate
        context.pointee.thread_count = Int32(clamping: max(0, threads))
        context.pointee.thread_type = FF_THREAD_FRAME | FF_THREAD_SLICE
        let code = avcodec_open2(context, codec, nil)
        guard code >= 0 else {
            throw .noDecoder(path: path, codec: "\(name) (\(Library.reason(code, since: mark)))")
        }
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&pointer)
    }

    /// Gives a packet; `receive` must have answered `needsPacket` before. A negative code is the decoder's refusal.
    func send(_ packet: UnsafeMutablePointer<AVPacket>) -> Int32 {
        let code = avcodec_send_packet(context, packet)
        precondition(code != uf_error_again(), "send only when the decoder asked for a packet")
        return code == uf_error_eof() ? 0 : code
    }

    /// No more packets will come.
    func flush() {
        avcodec_send_packet(context, nil)
    }

    func receive() -> Outcome {
        guard let frame = av_frame_alloc() else { fatalError("out of memory") }
        let code = avcodec_receive_frame(context, frame)
        if code >= 0 { return .frame(frame) }
        var pointer: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&pointer)
        if code == uf_error_again() { return .needsPacket }
        if code == uf_error_eof() { return .ended }
        return .failed(code)
    }
}
