internal import CFFmpeg

/// An AVCodecContext for decoding with frame threads.
internal final class VideoDecoder {
    private let context: UnsafeMutablePointer<AVCodecContext>
    /// Where it writes its pictures; nil where that is its own affair.
    var memory: DecoderMemory? { owner.memory }
    private let owner: ReadingOwner
    /// What the decoder complains of.
    var log: ErrorLog { owner.log }

    enum Outcome {
        /// The caller owns the frame.
        case frame(UnsafeMutablePointer<AVFrame>)
        case needsPacket
        case ended
        case failed(Int32)
    }

    /// - Parameter byFrames: several frames at once, each of which comes out that much later; otherwise the threads
    ///   share one frame where the codec can.
    /// - Parameter refusesDamage: takes a damaged picture for a failure where the decoder would fill it up and say nothing:
    ///   that of JPEG. Only for pictures: videos of cameras have their quirks.
    /// - Parameter memory: for its pictures.
    init(
        _ stream: UnsafeMutablePointer<AVStream>, path: String, threads: Int, byFrames: Bool = true,
        refusesDamage: Bool = false, memory: DecoderMemory? = nil
    ) throws(MediaError) {
        owner = ReadingOwner(memory: memory)
        let parameters = stream.pointee.codecpar
        let name = String(cString: avcodec_get_name(stream.pointee.codecpar.pointee.codec_id))
        guard parameters?.pointee.codec_id != AV_CODEC_ID_NONE else {
            throw .corrupt(path: path, seconds: nil, packet: 0, reason: "its video names no codec that is known")
        }
        guard let codec = Self.find(stream) else { throw .noDecoder(path: path, codec: name) }
        guard let made = avcodec_alloc_context3(codec) else { fatalError("out of memory") }
        context = made
        let mark = Library.mark()
        avcodec_parameters_to_context(context, parameters)
        context.pointee.pkt_timebase = stream.pointee.time_base
        context.pointee.framerate = stream.pointee.avg_frame_rate
        context.pointee.thread_count = Int32(clamping: max(0, threads))
        context.pointee.thread_type = (byFrames ? FF_THREAD_FRAME : 0) | FF_THREAD_SLICE
        if refusesDamage, codec.pointee.id == AV_CODEC_ID_MJPEG { context.pointee.err_recognition |= AV_EF_EXPLODE }
        context.pointee.opaque = owner.pointer
        memory?.attach(to: context, codec)
        let code = avcodec_open2(context, codec, nil)
        guard code >= 0 else {
            let reason = Library.reason(code, since: mark)
            if code == uf_error_again() || code == uf_error_no_memory() {
                throw .noResources(path: path, reason: "\(name): \(reason)")
            }
            // There is a decoder, so it is what the file tells it that it cannot use.
            throw code == uf_error_not_implemented()
                ? .noDecoder(path: path, codec: "\(name) (\(reason))")
                : .corrupt(path: path, seconds: nil, packet: 0, reason: "\(name): \(reason)")
        }
    }

    /// libav's own decoders of VP8 and VP9 leave out the opacity that Matroska carries beside the picture.
    private static func find(_ stream: UnsafeMutablePointer<AVStream>) -> UnsafePointer<AVCodec>? {
        let id = stream.pointee.codecpar.pointee.codec_id
        let named: [AVCodecID.RawValue: String] = [
            AV_CODEC_ID_VP8.rawValue: "libvpx", AV_CODEC_ID_VP9.rawValue: "libvpx-vp9",
        ]
        if let name = named[id.rawValue],
            OptionDictionary.entries(of: stream.pointee.metadata).contains(where: {
                $0.0.lowercased() == "alpha_mode" && $0.1 == "1"
            }), let codec = avcodec_find_decoder_by_name(name)
        {
            return codec
        }
        return avcodec_find_decoder(id)
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

    /// From now on does what it can with damaged pictures. For decoders with one thread.
    func tolerateDamage() {
        context.pointee.err_recognition &= ~AV_EF_EXPLODE
    }

    /// No more packets will come.
    func flush() {
        avcodec_send_packet(context, nil)
    }

    /// Forgets everything that it was given, for packets of another place.
    func forget() {
        avcodec_flush_buffers(context)
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
