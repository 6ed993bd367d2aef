internal import CFFmpeg

/// What encoders are told, each in its own words.
extension VideoEncoder {
    /// The shape of a sample, so that nothing is stretched when the picture's sides grow by different factors. Rounding
    /// to even sizes is no reason to touch it.
    static func aspect(of video: VideoDescription, _ plan: Plan) -> AVRational {
        let (width, height) =
            plan.orientation.swapsSides ? (video.height, video.width) : (video.width, video.height)
        var aspect = video.sampleAspectRatio
        if plan.orientation.swapsSides { aspect = Rational(aspect.denominator, aspect.numerator) }
        let stretch = Double(plan.width * height) / Double(plan.height * width)
        guard abs(stretch - 1) > 0.02 else { return aspect.av }
        var reduced = AVRational()
        av_reduce(
            &reduced.num, &reduced.den, Int64(aspect.numerator) * Int64(width) * Int64(plan.height),
            Int64(aspect.denominator) * Int64(height) * Int64(plan.width), 65535)
        return reduced
    }

    /// The encoder counts in the source's ticks, but players should be told the rate: without this the bitstream would
    /// say 12800 pictures a second. x264 is told only where the rate is constant; times are never touched.
    static func rateParameters(_ encoder: String, _ source: SourceDescription) -> [String] {
        let rate = source.videoTemplate.averageFrameRate
        guard rate.num > 0, rate.den > 0 else { return [] }
        let fps = "fps=\(rate.num)/\(rate.den)"
        if encoder == "libx265" { return [fps] }
        guard av_cmp_q(rate, source.videoTemplate.realFrameRate) == 0 else { return [] }
        return [fps, "force-cfr=1"]
    }

    static func setLowDelay(_ options: OptionDictionary, _ context: UnsafeMutablePointer<AVCodecContext>) {
        context.pointee.max_b_frames = 0
        // Frame threads hold back a frame each.
        context.pointee.thread_type = FF_THREAD_SLICE
        switch context.pointee.codec_id {
        case AV_CODEC_ID_VP8, AV_CODEC_ID_VP9:
            options.set("lag-in-frames", "0")
            options.set("deadline", "realtime")
            options.set("cpu-used", "6")
        case AV_CODEC_ID_AV1:
            if has("lag-in-frames", context) { options.set("lag-in-frames", "0") }
            if has("usage", context) { options.set("usage", "realtime") }
        default:
            if String(cString: context.pointee.codec.pointee.name).hasPrefix("libx26") {
                options.set("tune", "zerolatency")
            } else if has("zerolatency", context) {
                options.set("zerolatency", "1")
            }
        }
    }

    static func has(_ option: String, _ context: UnsafeMutablePointer<AVCodecContext>) -> Bool {
        guard let priv = context.pointee.priv_data else { return false }
        return av_opt_find(priv, option, nil, 0, 0) != nil
    }

    /// Constant quality: by `crf` where the encoder has one, by the quantiser scale where that is all it has.
    static func setQuality(
        _ crf: Double?, in options: OptionDictionary, context: UnsafeMutablePointer<AVCodecContext>, encoder: String
    ) throws(MediaError) {
        if has("crf", context) {
            let value = crf ?? 18
            options.set("crf", value == value.rounded() ? String(Int(value)) : String(value))
            return
        }
        let scaled = ["mjpeg", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv", "msmpeg4", "libxvid"]
        guard scaled.contains(encoder) else {
            if crf != nil { throw .unknownEncoderOption(key: "crf", encoder: encoder) }
            return
        }
        // The quantiser runs from 2 to 31 and doubles where crf gains six; 18 is its best.
        var quantiser = 2.0
        var exponent = ((crf ?? 18) - 18) / 6
        while exponent >= 1 {
            quantiser *= 2
            exponent -= 1
        }
        if exponent > 0 { quantiser *= 1 + exponent }
        context.pointee.flags |= AV_CODEC_FLAG_QSCALE
        context.pointee.global_quality = FF_QP2LAMBDA * Int32(min(31, max(2, quantiser.rounded())))
    }
}
