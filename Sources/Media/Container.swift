internal import CFFmpeg

/// The target's container: which it is, what it can hold, what it needs to be told so that times stay the same.
internal struct Container {
    let format: UnsafePointer<AVOutputFormat>
    let name: String
    /// A file that is one picture: the encoder's packet, and nothing around it.
    let isPicture: Bool
    /// Many such files.
    let isSequence: Bool
    /// The extension that says which encoder makes a picture.
    let ending: String

    /// Encoders of single pictures, by extension. image2 would do the same through a pattern in the file name, and trip
    /// over a per cent sign in it; concatenating packets, as image2pipe does, is all that one picture needs.
    static let pictureEncoders: [String: String] = [
        "png": "png", "jpg": "mjpeg", "jpeg": "mjpeg", "bmp": "bmp", "tif": "tiff", "tiff": "tiff", "webp": "libwebp",
        "ppm": "ppm", "pgm": "pgm", "pnm": "ppm", "tga": "targa",
    ]

    init(path: String, source: SourceDescription, settings: EncoderSettings) throws(MediaError) {
        let named = settings.container.map(FormatNames.muxer)
        isSequence = named == nil && PictureSequence.isMeant(by: path, source: source)
        ending =
            isSequence
            ? PictureSequence.ending(path, codec: settings.codec) : FileSystem.fileExtension(of: path)
        // A film in WebP is an animation; every other picture format of these holds one picture.
        let isAnimation = ending == "webp" && !isSequence && !source.video.isStillPicture
        if isSequence || (named == nil && Self.pictureEncoders[ending] != nil && !isAnimation) {
            guard let pipe = av_guess_format("image2pipe", nil, nil) else { throw .unknownContainer(path: path) }
            format = pipe
            name = "image2pipe"
            isPicture = true
            return
        }
        let guess: UnsafePointer<AVOutputFormat>?
        if let named {
            guess = av_guess_format(named, nil, nil)
            guard guess != nil else { throw .unknownFormat(name: named) }
        } else {
            if path == "-" { throw .pipeWithoutFormat }
            guess = av_guess_format(nil, "x." + ending, nil)
        }
        guard let guess,
            guess.pointee.video_codec != AV_CODEC_ID_NONE, guess.pointee.flags & AVFMT_NOFILE == 0
        else {
            throw .unknownContainer(path: path)
        }
        format = guess
        name = String(cString: guess.pointee.name)
        isPicture = false
    }

    var isMovFamily: Bool { ["mp4", "mov", "ipod", "3gp", "3g2", "psp", "ismv", "f4v"].contains(name) }
    var isTransportStream: Bool { name == "mpegts" }
    /// A broadcast's, whose clock may begin anywhere.
    var hasJumpingClock: Bool { ["mpegts", "mpeg", "vob", "svcd", "dvd"].contains(name) }
    var isY4M: Bool { name == "yuv4mpegpipe" }
    /// Counts frames at a rate and knows no times.
    var isRateBased: Bool { ["yuv4mpegpipe", "rawvideo", "avi", "mxf", "gxf"].contains(name) }
    /// Whether the muxer has an order of packets of its own.
    var ordersPackets: Bool { ["mxf", "mxf_d10", "mxf_opatom", "gxf"].contains(name) }
    /// Whether an edit list says which samples at the beginning are not to be heard.
    var hidesSamples: Bool { isMovFamily }
    /// Whether players turn the picture as the file says. Matroska has a place for it that FFmpeg 5 does not fill.
    var carriesRotation: Bool { isMovFamily }
    var isMatroska: Bool { name == "matroska" || name == "webm" }
    /// Whether packets may carry times below zero.
    var keepsNegativeTimes: Bool { format.pointee.flags & AVFMT_TS_NEGATIVE != 0 }
    var wantsGlobalHeader: Bool { format.pointee.flags & AVFMT_GLOBALHEADER != 0 }

    /// Whether the container has a place for a stream.
    func holds(_ stream: StreamTemplate) -> Bool {
        if isPicture || isY4M || name == "rawvideo" { return false }
        let codec = stream.parameters.pointee.codec_id
        if stream.isAttachedPicture { return (isMovFamily && name != "mov") || name == "matroska" }
        switch stream.kind {
        case .attachment: return name == "matroska"
        case .unknown: return false
        // A second film in an animated picture makes no sense, whatever the format's table says.
        case .video where ["gif", "apng", "webp"].contains(name): return false
        case .audio, .video, .subtitle, .data: break
        }
        if let known = Abilities.holds(String(cString: avcodec_get_name(codec)), in: tableName) { return known }
        // What could not be tried here: libav's own list, or for muxers without one, which copy anything as nameless
        // bytes, the codecs that they name.
        let answer = avformat_query_codec(format, codec, FF_COMPLIANCE_NORMAL)
        if answer >= 0 { return answer == 1 }
        return ["aac_latm", "dvb_teletext", "timed_id3", "klv", "hdmv_pgs_subtitle"].contains(
            String(cString: avcodec_get_name(codec))) && isTransportStream
    }

    /// The muxer that was tried in place of this one, which is the same with another name.
    var tableName: String {
        switch name {
        case "3g2": "3gp"
        case "svcd", "dvd": "vob"
        case "asf_stream": "asf"
        case "ogv", "oga", "opus": "ogg"
        case "psp", "ismv": "mp4"
        default: name
        }
    }

    /// What has to be added to a copied stream's times so that they read back as they were, in seconds. Matroska's Opus
    /// carries its pre-skip as a delay that readers subtract; libavformat before 61 writes the delay and forgets to add
    /// it, and every copy pulls sound and picture further apart.
    func forgottenDelay(_ parameters: AVCodecParameters) -> AVRational? {
        guard isMatroska, avformat_version() >> 16 < 61, parameters.codec_id == AV_CODEC_ID_OPUS,
            parameters.initial_padding > 0
        else { return nil }
        return AVRational(num: parameters.initial_padding, den: 48000)
    }

    /// The tag that the container uses for a copied codec; 0 lets the muxer choose.
    func codecTag(for parameters: AVCodecParameters) -> UInt32 {
        guard let tags = format.pointee.codec_tag else { return parameters.codec_tag }
        if av_codec_get_id(tags, parameters.codec_tag) == parameters.codec_id { return parameters.codec_tag }
        return 0
    }

    /// Options that keep the times what they are.
    func timingOptions(
        videoTimeBase: AVRational, audioRates: [Int32], startSeconds: Double, isLive: Bool, hasListedKeys: Bool,
        plays: Int?
    ) -> [(String, String)] {
        var options: [(String, String)] = []
        if isMovFamily {
            // An index at the end is of no use where nobody can go back; each frame becomes a fragment of its own.
            let flags =
                (isLive ? "+frag_custom+delay_moov+default_base_moof" : "")
                + (hasListedKeys ? "+use_metadata_tags" : "")
            if !flags.isEmpty { options.append(("movflags", flags)) }
        }
        if isMovFamily {
            options.append(("video_track_timescale", String(videoTimeBase.den)))
            // Edit lists, which carry start offsets, count in the movie's ticks: choose those so that every track's
            // times are whole.
            let common = audioRates.reduce(Int(videoTimeBase.den)) { Self.leastCommonMultiple($0, Int($1)) }
            let timescale = common <= 100_000_000 ? max(common, 1000) : max(Int(videoTimeBase.den), 1000)
            options.append(("movie_timescale", String(timescale)))
        }
        // Films are played for ever, as ffmpeg has it for GIF; animations as often as the source.
        switch name {
        case "gif": options.append(("loop", plays.map { String($0 == 1 ? -1 : $0) } ?? "0"))
        case "apng": options.append(("plays", String(plays ?? 0)))
        case "webp": options.append(("loop", String(plays ?? 0)))
        default: break
        }
        if isTransportStream {
            // Without it the muxer adds a delay of its own to every time.
            options.append(("mpegts_copyts", "1"))
        }
        return options
    }

    private static func leastCommonMultiple(_ a: Int, _ b: Int) -> Int {
        guard a > 0, b > 0, a < 1 << 31, b < 1 << 31 else { return max(a, b) }
        var (x, y) = (a, b)
        while y != 0 { (x, y) = (y, x % y) }
        return a / x * b
    }
}
