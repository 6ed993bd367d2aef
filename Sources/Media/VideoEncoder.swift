internal import CFFmpeg

/// An opened AVCodecContext for encoding, and the decisions that led to it.
internal final class VideoEncoder {
    let context: UnsafeMutablePointer<AVCodecContext>
    let name: String
    let layout: PixelLayout
    /// What the frames mean, resolved.
    let color: ColorDescription
    let timeBase: AVRational
    let notes: [String]
    /// Options that the encoder does not know; the container may.
    let leftoverOptions: [(String, String)]

    private let path: String
    private let sourceTimeBase: AVRational
    /// How long each frame that is inside the encoder lasts, by its time there: encoders that reorder lose it.
    private var durations: [Int64: Int64] = [:]
    private var lastTime: Int64?
    private var shownLast: Int64 = 0
    /// Where the target or the encoder knows only a frame rate: its places, which are ticks of `timeBase`.
    private(set) var grid: RateGrid?
    /// For places that the source leaves empty; the frame that was encoded last, and the time at which it ends.
    private var lastFrame: (frame: VideoFrame, end: Int64)?

    /// The pixel format and meaning that frames of a source are to have; without opening anything.
    static func target(
        for source: SourceDescription, height: Int, settings: EncoderSettings, container: Container, path: String
    ) throws(MediaError) -> (pixelFormat: String, color: ColorDescription) {
        let codec = try find(settings.codec, path: path, container: container)
        let layout = try layout(codec, source: source, settings: settings)
        return (layout.name, color(for: layout, source: source.video, height: height, codec: codec, in: container))
    }

    /// GIF is given frames of all colours, and finds a palette for each; any other encoder the format nearest to the source's.
    private static func layout(
        _ codec: UnsafePointer<AVCodec>, source: SourceDescription, settings: EncoderSettings
    ) throws(MediaError) -> PixelLayout {
        if codec.pointee.id == AV_CODEC_ID_GIF, settings.pixelFormat == nil, let all = PixelLayout(named: "bgra") {
            return all
        }
        return try FormatChoice(codec: codec, source: source.layout).layout(named: settings.pixelFormat)
    }

    /// - Parameter lowDelay: each frame is to come out before the next goes in, where the encoder can.
    init(
        path: String, source: SourceDescription, width: Int, height: Int, settings: EncoderSettings,
        container: Container, lowDelay: Bool, orientation: Orientation = .upright
    ) throws(MediaError) {
        self.path = path
        sourceTimeBase = source.video.timeBase.av
        let codec = try Self.find(settings.codec, path: path, container: container)
        name = String(cString: codec.pointee.name)
        let choice = FormatChoice(codec: codec, source: source.layout)
        let wanted = try Self.layout(codec, source: source, settings: settings)

        var notes: [String] = []
        var candidates = [wanted]
        let isOdd = (wanted.chromaWidthShift > 0 && width % 2 != 0) || (wanted.chromaHeightShift > 0 && height % 2 != 0)
        // Some encoders take odd sizes with subsampled chroma and some do not; asking is the only way to know.
        if isOdd, settings.pixelFormat == nil, let full = choice.withoutSubsampling(wanted) { candidates.append(full) }
        var timeBases = [sourceTimeBase]
        // MPEG-4 Part 2 and older have 16 bits or less for the clock.
        let rate = source.videoTemplate.averageFrameRate
        if rate.num > 0, rate.den > 0 {
            // The frame rate itself where it is one; else ticks that are short against any frame.
            let tick = AVRational(num: rate.den, den: rate.num)
            let fine = AVRational(num: 1, den: 60000)
            timeBases += av_cmp_q(rate, source.videoTemplate.realFrameRate) == 0 ? [tick, fine] : [fine, tick]
        }
        if codec.pointee.supported_framerates != nil, !container.isRateBased {
            let known = FrameRateSurvey.rate(of: source).av
            timeBases.append(AVRational(num: known.den, den: known.num))
        }
        let grid = RateGrid(for: source, in: container, encoder: name)
        if let grid { timeBases = [AVRational(num: Int32(grid.rate.denominator), den: Int32(grid.rate.numerator))] }

        var failure: MediaError?
        var opened: Opened?
        search: for timeBase in timeBases {
            for layout in candidates {
                let plan = Plan(
                    codec: codec, layout: layout,
                    color: Self.color(
                        for: layout, source: source.video, height: height, codec: codec, in: container),
                    timeBase: timeBase, frameRate: grid?.frameRate ?? rate, width: width, height: height,
                    lowDelay: lowDelay, orientation: orientation)
                do {
                    opened = try Self.open(plan, source: source, settings: settings, container: container)
                    break search
                } catch {
                    if case .badEncoderOption = error { throw error }
                    failure = failure ?? error
                }
            }
        }
        guard let opened else {
            throw failure ?? .encoderRefuses(encoder: String(cString: codec.pointee.name), reason: "no reason given")
        }
        if opened.plan.layout != wanted {
            notes.append(
                "\(name) takes no odd sizes in \(wanted.name), so \(width)x\(height) is written as "
                    + "\(opened.plan.layout.name).")
        }
        if settings.pixelFormat == nil, source.video.isRGB, !opened.plan.layout.isRGB, opened.plan.layout.isSubsampled,
            !container.isPicture
        {
            notes.append(
                "RGB is written as \(opened.plan.layout.name), which plays everywhere; "
                    + "--pixel-format yuv444p keeps the full colour resolution.")
        }
        if !source.video.isRGB, source.video.color.range == .full, opened.plan.color.range == .limited {
            notes.append(
                "\(name) in \(container.name) cannot say that levels use the full range, so they are converted to limited."
            )
        }
        if source.first.isTransparent, !opened.plan.layout.hasAlpha {
            notes.append(
                "\(name) has no transparency, so what is transparent shows the colour below; .png, .apng, .webm or "
                    + "--video-codec ffv1 or prores_ks keep it.")
        }
        if let grid, container.isRateBased, av_cmp_q(rate, source.videoTemplate.realFrameRate) != 0 {
            notes.append(
                "\(container.name) knows no times but only a rate: frames get the nearest of the times of "
                    + "\(grid.rate) frames a second.")
        } else if grid == nil, av_cmp_q(opened.plan.timeBase, sourceTimeBase) != 0 {
            notes.append("\(name) cannot count in \(source.video.timeBase) s; times are rounded to its frame rate.")
        }
        context = opened.context
        layout = opened.plan.layout
        color = opened.plan.color
        timeBase = opened.plan.timeBase
        leftoverOptions = opened.leftover
        self.notes = notes
        self.grid = grid ?? RateGrid(coarse: opened.plan.timeBase, for: sourceTimeBase)
    }

    /// The grid's frame rate, for messages.
    var placeName: String {
        guard let grid else { return "the source's times" }
        let rate = Double(grid.rate.numerator) / Double(grid.rate.denominator) / Double(grid.step)
        let text = rate == rate.rounded() ? "\(Int(rate))" : "\((rate * 1000).rounded() / 1000)"
        return "\(grid.step > 1 ? "at most " : "")\(text) frames a second"
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&pointer)
    }

    struct Plan {
        var codec: UnsafePointer<AVCodec>
        var layout: PixelLayout
        var color: ColorDescription
        var timeBase: AVRational
        var frameRate: AVRational
        var width: Int
        var height: Int
        var lowDelay: Bool
        var orientation: Orientation
    }

    private struct Opened {
        var context: UnsafeMutablePointer<AVCodecContext>
        var plan: Plan
        var leftover: [(String, String)]
    }

    private static func find(_ name: String?, path: String, container: Container) throws(MediaError)
        -> UnsafePointer<AVCodec>
    {
        if let name {
            if let codec = avcodec_find_encoder_by_name(name), codec.pointee.type == AVMEDIA_TYPE_VIDEO { return codec }
            if let descriptor = avcodec_descriptor_get_by_name(name), descriptor.pointee.type == AVMEDIA_TYPE_VIDEO,
                let codec = avcodec_find_encoder(descriptor.pointee.id)
            {
                return codec
            }
            throw .unknownEncoder(name: name, known: knownEncoders)
        }
        if container.isPicture {
            let encoder = Container.pictureEncoders[container.ending] ?? "png"
            guard let codec = avcodec_find_encoder_by_name(encoder) else {
                throw .unknownEncoder(name: encoder, known: knownEncoders)
            }
            return codec
        }
        // Frames as they are: y4m's muxer wants libav's own.
        if container.isY4M, let codec = avcodec_find_encoder(AV_CODEC_ID_WRAPPED_AVFRAME) { return codec }
        if container.name == "rawvideo", let codec = avcodec_find_encoder(AV_CODEC_ID_RAWVIDEO) { return codec }
        if container.name == "webp", let codec = avcodec_find_encoder_by_name("libwebp_anim") { return codec }
        if container.name == "webm", let codec = avcodec_find_encoder_by_name("libvpx-vp9") { return codec }
        if ["gif", "apng"].contains(container.name),
            let codec = avcodec_find_encoder(container.format.pointee.video_codec)
        {
            return codec
        }
        // H.264 wherever it fits, since it plays everywhere; else what the container prefers. Ogg has no way to hold it, and
        // MXF only some of its profiles; both muxers learn that late.
        if !["ogg", "ogv", "mxf", "mxf_opatom", "gxf"].contains(container.name),
            avformat_query_codec(container.format, AV_CODEC_ID_H264, FF_COMPLIANCE_NORMAL) != 0,
            let codec = avcodec_find_encoder_by_name("libx264") ?? avcodec_find_encoder(AV_CODEC_ID_H264)
        {
            return codec
        }
        if let codec = avcodec_find_encoder(container.format.pointee.video_codec) { return codec }
        throw .unknownEncoder(
            name: String(cString: avcodec_get_name(container.format.pointee.video_codec)), known: knownEncoders)
    }

    /// The encoders of this FFmpeg that people ask for, for a message.
    private static var knownEncoders: [String] {
        [
            "libx264", "libx265", "libsvtav1", "libaom-av1", "libvpx-vp9", "prores_ks", "dnxhd", "ffv1", "mpeg4",
            "mjpeg", "png",
        ].filter { avcodec_find_encoder_by_name($0) != nil }
    }

    /// What the source's colours become in the target's format.
    private static func color(
        for layout: PixelLayout, source: VideoDescription, height: Int, codec: UnsafePointer<AVCodec>,
        in container: Container
    ) -> ColorDescription {
        var color = source.color
        if layout.isRGB {
            color.matrix = .rgb
            color.range = .full
            color.chromaLocation = .unspecified
            color.guessed = []
            return color
        }
        if codec.pointee.id == AV_CODEC_ID_MJPEG {
            // JFIF knows one kind of colour: 601, full range, chroma in the centre.
            color.matrix = .bt470bg
            color.range = .full
            color.chromaLocation = .center
            color.guessed = []
            return color
        }
        if source.isRGB {
            color.matrix = ColorDescription.guessedMatrix(height: height)
            color.range = .limited
            color.chromaLocation = .left
            color.guessed = [.chromaLocation]
            return color
        }
        if source.codec == "mjpeg", codec.pointee.id != AV_CODEC_ID_MJPEG, color.guessed.contains(.chromaLocation) {
            // A photograph's chroma lies in the centre; written without a word it would be taken for the left.
            color.guessed.remove(.chromaLocation)
        }
        // Full range is never what a player takes for granted: said, or converted to what they do.
        if color.range == .full {
            color.guessed.remove(.range)
            if !Abilities.showsFullRange(encoder: String(cString: codec.pointee.name), in: container.name) {
                color.range = .limited
            }
        }
        // A guess depends on the height. Where players would guess otherwise for the larger picture, say it aloud.
        if color.guessed.contains(.matrix), color.matrix != ColorDescription.guessedMatrix(height: height) {
            color.guessed.remove(.matrix)
        }
        return color
    }

    private static func open(
        _ plan: Plan, source: SourceDescription, settings: EncoderSettings, container: Container
    ) throws(MediaError) -> Opened {
        guard let context = avcodec_alloc_context3(plan.codec) else { fatalError("out of memory") }
        var isKept = false
        defer {
            if !isKept {
                var pointer: UnsafeMutablePointer<AVCodecContext>? = context
                avcodec_free_context(&pointer)
            }
        }
        let tags = plan.color.tagged
        context.pointee.width = Int32(clamping: plan.width)
        context.pointee.height = Int32(clamping: plan.height)
        let usesPalette = plan.codec.pointee.id == AV_CODEC_ID_GIF && settings.pixelFormat == nil
        context.pointee.pix_fmt = usesPalette ? AV_PIX_FMT_PAL8 : plan.layout.format
        context.pointee.time_base = plan.timeBase
        context.pointee.framerate = plan.frameRate
        context.pointee.sample_aspect_ratio = aspect(of: source.video, plan)
        if source.video.isInterlaced { context.pointee.field_order = AV_FIELD_PROGRESSIVE }
        // A container of decoding times only would show reordered frames at the wrong ones.
        if container.name == "avi" { context.pointee.max_b_frames = 0 }
        context.pointee.colorspace = tags.avMatrix
        context.pointee.color_range = tags.avRange
        context.pointee.chroma_sample_location = tags.avLocation
        // A picture file with these would be re-rendered by whoever honours them, though it came without.
        if !container.isPicture || source.video.isStillPicture {
            context.pointee.color_primaries = tags.avPrimaries
            context.pointee.color_trc = tags.avTransfer
        }
        context.pointee.thread_count = Int32(clamping: max(0, settings.threads))
        if container.wantsGlobalHeader { context.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER }
        if container.isMovFamily, plan.codec.pointee.id == AV_CODEC_ID_HEVC {
            // hev1, the muxer's choice, does not play on Apple's machines.
            context.pointee.codec_tag = uf_tag(0x68, 0x76, 0x63, 0x31)
        }
        let name = String(cString: plan.codec.pointee.name)
        let options = OptionDictionary()
        // Whoever names a rate or a quantiser has chosen against constant quality.
        let choosesRate = settings.options.contains { ["b", "qp", "q", "qscale", "global_quality"].contains($0.0) }
        if settings.crf != nil || !choosesRate {
            try setQuality(settings.crf, in: options, context: context, encoder: name)
        }
        if let preset = settings.preset {
            guard has("preset", context) else { throw .unknownEncoderOption(key: "preset", encoder: name) }
            // x264 and x265 print their complaint straight to standard error, so it must not come to that.
            if ["libx264", "libx264rgb", "libx265"].contains(name), !presets.contains(preset) {
                throw .badEncoderOption(key: "preset", value: preset, encoder: name)
            }
            options.set("preset", preset)
        }
        let parametersKey = name == "libx265" ? "x265-params" : name.hasPrefix("libx264") ? "x264-params" : nil
        if let parametersKey {
            // Parameters of the user's come after and win.
            var parameters = rateParameters(name, source) + HighDynamicRange(source).parameters(encoder: name)
            // The same for its banner.
            if name == "libx265" { parameters.insert("log-level=none", at: 0) }
            parameters += settings.options.filter { $0.0 == parametersKey }.map(\.1)
            if !parameters.isEmpty { options.set(parametersKey, parameters.joined(separator: ":")) }
        }
        if plan.lowDelay { setLowDelay(options, context) }
        if name == "libvpx-vp9" {
            // Its own choice of speed is for those who encode once and send a million times.
            options.set("row-mt", "1")
            if !plan.lowDelay { options.set("cpu-used", "3") }
        }
        if name == "png" { options.set("pred", "paeth") }
        for (key, value) in settings.options where key != parametersKey { options.set(key, value) }

        let mark = Library.mark()
        let code = avcodec_open2(context, plan.codec, &options.pointer)
        guard code >= 0 else {
            let reason = Library.reason(code, line: Library.firstLine(since: mark))
            // libav names the option that it choked on in its log only: "Unable to parse option value "x"", or the
            // encoder's own words. Where an option of the user's is named there, the message names it too.
            if let (key, value) = blamed(reason, settings) {
                throw .badEncoderOption(key: key, value: value, encoder: name)
            }
            if code == uf_error_again() || code == uf_error_no_memory() {
                throw .noResources(path: source.path, reason: "\(name): \(reason)")
            }
            throw .encoderRefuses(encoder: name, reason: reason)
        }
        isKept = true
        return Opened(context: context, plan: plan, leftover: options.entries)
    }

    private static let presets: Set<String> = [
        "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
    ]

    private static func blamed(_ reason: String, _ settings: EncoderSettings) -> (String, String)? {
        var given = settings.options
        if let preset = settings.preset { given.append(("preset", preset)) }
        return given.first { key, value in
            reason.contains("option \(key) to value") || reason.contains("\"\(value)\"")
                || reason.contains("'\(value)'") || reason.contains("\(key)=\(value)")
                || (key == "preset" && reason.contains("preset"))
        }
    }

    /// Gives a frame, timed in the source's ticks, and tells the times of the encoder's ticks at which it was encoded: none
    /// where it is dropped because the target's frame rate has no place for it.
    ///
    /// - Parameter take: called between frames, for the packets that are ready.
    func send(_ frame: VideoFrame, at timestamp: Int64, take: () throws(MediaError) -> Void) throws(MediaError)
        -> Int64?
    {
        var time = av_rescale_q(timestamp, sourceTimeBase, timeBase)
        let duration = av_rescale_q(frame.duration, sourceTimeBase, timeBase)
        if grid != nil {
            guard case .show(let place, let filling) = grid!.take(time) else {
                // What it would have added to the time of the one before.
                lastFrame?.end = time + duration
                return nil
            }
            time = place
            if let lastFrame {
                for place in filling {
                    try encode(lastFrame.frame, at: place, duration: 1)
                    try take()
                }
            }
        } else if let lastTime, time <= lastTime {
            time = lastTime + 1
        }
        lastFrame = grid == nil ? nil : (frame, av_rescale_q(timestamp + frame.duration, sourceTimeBase, timeBase))
        try encode(frame, at: time, duration: duration)
        return time
    }

    private func encode(_ frame: VideoFrame, at time: Int64, duration: Int64) throws(MediaError) {
        guard let reference = av_frame_clone(frame.frame) else { fatalError("out of memory") }
        defer {
            var pointer: UnsafeMutablePointer<AVFrame>? = reference
            av_frame_free(&pointer)
        }
        // A frame lasts until the next one; what the file said of it was, at best, counted in decoding order. Only the
        // last frame's own word stands.
        if let lastTime, durations[lastTime] != nil { durations[lastTime] = time - lastTime }
        lastTime = time
        shownLast = duration
        durations[time] = duration
        reference.pointee.pts = time
        uf_frame_set_duration(reference, duration)
        // A decoder's choice of picture type is not to be the encoder's.
        reference.pointee.pict_type = AV_PICTURE_TYPE_NONE
        if context.pointee.flags & AV_CODEC_FLAG_QSCALE != 0 {
            reference.pointee.quality = context.pointee.global_quality
        }
        guard context.pointee.pix_fmt == AV_PIX_FMT_PAL8, frame.format != AV_PIX_FMT_PAL8 else {
            return try give(reference, at: time)
        }
        guard let made = PaletteFilter.apply(reference) else {
            throw .encodeFailed(
                path: path, seconds: Double(time) * Rational(timeBase).value,
                reason: "this FFmpeg lacks the filters palettegen and paletteuse")
        }
        defer {
            var pointer: UnsafeMutablePointer<AVFrame>? = made
            av_frame_free(&pointer)
        }
        try give(made, at: time)
    }

    /// Ticks for which the frame that was given last is shown; 0 where the source does not say.
    var lastDuration: Int64 { shownLast }

    /// No more frames will come; `receive` then gives what is left.
    ///
    /// - Parameter take: called between frames, for the packets that are ready.
    func finish(take: () throws(MediaError) -> Void = {}) throws(MediaError) {
        if let lastFrame, grid != nil {
            for place in grid!.finish(at: lastFrame.end) {
                try encode(lastFrame.frame, at: place, duration: 1)
                try take()
            }
        }
        lastFrame = nil
        try give(nil, at: nil)
    }

    private func give(_ frame: UnsafeMutablePointer<AVFrame>?, at timestamp: Int64?) throws(MediaError) {
        let mark = Library.mark()
        let code = avcodec_send_frame(context, frame)
        // Everything was received before, so "again" cannot be; the end may be told twice.
        guard code >= 0 || code == uf_error_eof() else {
            throw .encodeFailed(
                path: path, seconds: timestamp.map { Double($0) * Rational(timeBase).value },
                reason: Library.reason(code, since: mark))
        }
    }

    /// The next packet, timed in `timeBase`; the caller owns it. Nil when there is none for now.
    func receive() throws(MediaError) -> UnsafeMutablePointer<AVPacket>? {
        guard let packet = av_packet_alloc() else { fatalError("out of memory") }
        let mark = Library.mark()
        let code = avcodec_receive_packet(context, packet)
        if code >= 0 {
            if let duration = durations.removeValue(forKey: packet.pointee.pts), duration > 0 {
                packet.pointee.duration = duration
            }
            return packet
        }
        var pointer: UnsafeMutablePointer<AVPacket>? = packet
        av_packet_free(&pointer)
        if code == uf_error_again() || code == uf_error_eof() { return nil }
        throw .encodeFailed(path: path, seconds: nil, reason: Library.reason(code, since: mark))
    }
}

extension SourceDescription {
    /// The layout to make a target's like. Palettes and GIFs speak of transparency whether they have any or not.
    internal var layout: PixelLayout {
        guard let layout = PixelLayout(named: video.pixelFormat) else {
            preconditionFailure("a reader describes formats by libav's names")
        }
        // One bit a pixel, or a palette of greys: pictures without colour.
        if layout.isBilevel || first.isGrey && !first.isTransparent, let grey = PixelLayout(named: "gray") {
            return grey
        }
        if layout.isPalette || video.codec == "gif", !first.isTransparent {
            return PixelLayout(named: "rgb24") ?? layout
        }
        return layout
    }
}
