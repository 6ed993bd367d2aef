internal import CFFmpeg

extension InputFile {
    /// What the head of a stream says against it.
    enum Lack {
        /// It does not say what no container does without.
        case shape(String)
        /// No decoder takes what it says.
        case head(String)
    }

    /// What is wrong with the head of a stream of sound that is to be copied; nil where nothing is known against it, or it is
    /// no sound.
    func soundLack(_ index: Int) -> Lack? {
        guard let parameters = stream(index).pointee.codecpar, parameters.pointee.codec_type == AVMEDIA_TYPE_AUDIO
        else {
            return nil
        }
        if parameters.pointee.sample_rate <= 0 { return .shape("no sample rate") }
        if uf_channel_count(parameters) <= 0 { return .shape("no number of channels") }
        guard let codec = avcodec_find_decoder(parameters.pointee.codec_id) else { return nil }
        guard let context = avcodec_alloc_context3(codec) else { fatalError("out of memory") }
        defer {
            var pointer: UnsafeMutablePointer<AVCodecContext>? = context
            avcodec_free_context(&pointer)
        }
        avcodec_parameters_to_context(context, parameters)
        let mark = Library.mark()
        guard avcodec_open2(context, codec, nil) == uf_error_invalid_data() else { return nil }
        return .head(Library.lastLine(since: mark) ?? "its head cannot be read")
    }
}
