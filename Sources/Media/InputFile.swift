internal import CFFmpeg
internal import Support

/// An opened and probed AVFormatContext. The checks that make a clear message come before libav is asked.
internal final class InputFile {
    let path: String
    let context: UnsafeMutablePointer<AVFormatContext>
    let interrupter: Interrupter
    /// Where the bytes come from when libav does not read them itself.
    let pipe: PipeInput?
    private let owner: ReadingOwner
    /// What the demuxer complains of.
    var log: ErrorLog { owner.log }
    /// Through which the times of all packets pass.
    var clock = InputClock(followsJumps: false)

    /// - Parameters:
    ///   - options: for the demuxer.
    ///   - isLookedInto: reads ahead until every stream is known; otherwise only what the header says is.
    init(
        path: String, format: String?, interrupter: Interrupter, options: [(String, String)] = [],
        isLookedInto: Bool = true
    ) throws(MediaError) {
        Library.prepare()
        self.path = path
        self.interrupter = interrupter
        try Self.checkExists(path)
        var named: UnsafePointer<AVInputFormat>?
        if let format {
            named = av_find_input_format(format)
            guard named != nil else { throw .notMedia(path: path, reason: "no input format is called \(format)") }
        }
        pipe = Self.isPipe(path) ? try PipeInput(path: path, interrupter: interrupter) : nil
        // What comes by file or pipe opens nothing else: a playlist could name any file and any address.
        let isAddress = path.contains("://") && !path.hasPrefix("file:")
        if !isAddress, pipe == nil, Self.isList(path) { throw .playlist(path: path) }
        owner = ReadingOwner(url: isAddress ? nil : FileSystem.url(path))
        guard let made = avformat_alloc_context() else { fatalError("out of memory") }
        if let pipe {
            made.pointee.pb = pipe.context
            made.pointee.flags |= AVFMT_FLAG_CUSTOM_IO
        }
        made.pointee.opaque = owner.pointer
        if !isAddress { owner.guardOpening(of: made) }
        // Counters that begin again are continued by `clock`; libav would begin below zero.
        made.pointee.correct_ts_overflow = 0
        made.pointee.interrupt_callback.opaque = Unmanaged.passUnretained(interrupter).toOpaque()
        made.pointee.interrupt_callback.callback = { opaque in
            guard let opaque else { return 0 }
            return Unmanaged<Interrupter>.fromOpaque(opaque).takeUnretainedValue().isInterrupted ? 1 : 0
        }
        // A file that is there under its very name is that file, not a pattern for a sequence of pictures.
        let options = OptionDictionary(options + (FileSystem.exists(path) ? [("pattern_type", "none")] : []))
        // ffmpeg's own lists for its file and pipe.
        if !isAddress { options.set("protocol_whitelist", pipe == nil ? "file,crypto,data" : "crypto,data") }
        let mark = Library.mark()
        var opened: UnsafeMutablePointer<AVFormatContext>? = made
        let code = avformat_open_input(&opened, FileSystem.url(path).systemPath, named, &options.pointer)
        guard code >= 0, let opened else {
            if owner.hasRefused { throw .playlist(path: path) }
            throw Self.openError(path, code, mark, interrupter)
        }
        context = opened
        // A text file is "probed" as a terminal animation or as subtitles by its name alone.
        let name = Self.formatName(opened)
        if name == "tiff_pipe", PictureMetadata.tiff(path)?.isTiled == true {
            throw .noDecoder(path: path, codec: "TIFF in tiles")
        }
        if name == "tty" {
            throw .notMedia(path: path, reason: "it reads as plain text")
        }
        guard isLookedInto else { return }
        let found = avformat_find_stream_info(opened, nil)
        if owner.hasRefused { throw .playlist(path: path) }
        if found < 0 {
            throw Self.openError(path, found, mark, interrupter)
        }
        startClock()
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVFormatContext>? = context
        avformat_close_input(&pointer)
    }

    /// A list of files that libav would open by itself, past our guard.
    private static func isList(_ path: String) -> Bool {
        let head = FileSystem.head(path, count: 4096)
        if head.starts(with: Array("ffconcat version".utf8)) { return true }
        // A manifest of DASH is XML.
        return head.first == UInt8(ascii: "<") && String(decoding: head, as: UTF8.self).contains("<MPD")
    }

    /// An animation in WebP, which libav takes for a damaged picture.
    private static func isAnimatedWebP(_ path: String) -> Bool {
        let head = FileSystem.head(path, count: 21)
        return head.count == 21 && head.starts(with: Array("RIFF".utf8))
            && head[8...].starts(with: Array("WEBPVP8X".utf8))
            && head[20] & 2 != 0
    }

    /// Whether to read by ourselves: from a pipe. Standard input that is a file can be sought in, and libav does that.
    private static func isPipe(_ path: String) -> Bool {
        FileSystem.isPipe(path == "-" ? "/dev/stdin" : path) || (path == "-" && !FileSystem.isFile("/dev/stdin"))
    }

    /// Read as it comes: a pipe, a network address, a device.
    var isLive: Bool { pipe != nil || (path.contains("://") && !path.hasPrefix("file:")) }

    private static func checkExists(_ path: String) throws(MediaError) {
        guard path != "-", !path.contains("://") else { return }
        switch FileSystem.kind(path) {
        case .missing:
            // frame_%05d.png names many files, and none of them is called so.
            if !path.contains("%") { throw .missingFile(path: path) }
        case .folder:
            throw .isFolder(path: path)
        case .regular:
            if !FileSystem.isReadable(path) { throw .unreadable(path: path, reason: FileSystem.lastError) }
            if FileSystem.size(path) == 0 { throw .notMedia(path: path, reason: "the file is empty") }
        case .other:
            break
        }
    }

    private static func openError(_ path: String, _ code: Int32, _ mark: Int, _ interrupter: Interrupter) -> MediaError
    {
        if interrupter.isInterrupted || code == uf_error_exit() { return .interrupted(path: path) }
        let reason = Library.reason(code, since: mark)
        if let line = Library.lastLine(since: mark), line.contains("moov atom not found"), beginsAsMovie(path) {
            return .truncated(path: path, seconds: nil, reason: "its index, the moov atom, is missing")
        }
        if code == -2 { return .missingFile(path: path) }
        // An address fails for a hundred reasons; a file that could be opened fails for its content.
        let isAddress = path.contains("://") && !path.hasPrefix("file:")
        return isAddress || uf_error_is_system(code) != 0
            ? .unreadable(path: path, reason: reason) : .notMedia(path: path, reason: reason)
    }

    /// Whether the file begins with a box of the mp4 family; the extension alone makes libav look for an index.
    private static func beginsAsMovie(_ path: String) -> Bool {
        let head = FileSystem.head(path, count: 8)
        guard head.count == 8 else { return false }
        return ["ftyp", "mdat", "wide", "free", "skip"].contains(String(decoding: head[4...], as: UTF8.self))
    }

    static func formatName(_ context: UnsafeMutablePointer<AVFormatContext>) -> String {
        String(optionalCString: context.pointee.iformat?.pointee.name) ?? "unknown"
    }

    var formatName: String { Self.formatName(context) }

    var streamCount: Int { Int(context.pointee.nb_streams) }
    /// True if the demuxer was told to skip a stream.
    var leavesStreamsOut: Bool {
        (0..<streamCount).contains { stream($0).pointee.discard.rawValue >= AVDISCARD_ALL.rawValue }
    }

    func stream(_ index: Int) -> UnsafeMutablePointer<AVStream> {
        guard let stream = context.pointee.streams[index] else { preconditionFailure("libav numbers streams densely") }
        return stream
    }

    /// Microseconds at which the file begins on its one clock, or 0.
    var startTime: Int64 {
        let start = context.pointee.start_time
        guard start != Library.noTimestamp else { return 0 }
        // A counter that wraps soon after the beginning makes a later stream look like the first.
        guard let streams = startOfStreams, streams > start else { return start }
        return streams
    }

    var durationSeconds: Double? {
        let duration = context.pointee.duration
        return duration == Library.noTimestamp || duration <= 0 ? nil : Double(duration) / Double(AV_TIME_BASE)
    }

    /// One picture without time: a PNG, a JPEG…, but not a numbered sequence of them.
    var isStillPicture: Bool {
        let name = formatName
        if name.hasSuffix("_pipe") { return true }
        return name == "image2" && context.pointee.nb_streams == 1 && stream(0).pointee.duration <= 1
    }

    /// Why there is no picture to work on, for a message.
    var streamSummary: String {
        guard streamCount > 0 else { return "no streams at all" }
        return "only " + (0..<streamCount).map { StreamTemplate(stream($0)).description.label }.joined(separator: ", ")
    }

    var streamKinds: [StreamDescription.Kind] { (0..<streamCount).map { StreamTemplate(stream($0)).kind } }

    /// The main video stream, or the first video among the chosen streams: covers do not count.
    func videoIndex(among chosen: [Int] = []) throws(MediaError) -> Int {
        for index in chosen where (0..<streamCount).contains(index) {
            let candidate = stream(index).pointee
            if candidate.codecpar.pointee.codec_type == AVMEDIA_TYPE_VIDEO,
                candidate.disposition & AV_DISPOSITION_ATTACHED_PIC == 0
            {
                return index
            }
        }
        let best = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nil, 0)
        guard best >= 0, stream(Int(best)).pointee.disposition & AV_DISPOSITION_ATTACHED_PIC == 0 else {
            // Nothing but a name or a chance likeness spoke for this format.
            if context.pointee.probe_score <= AVPROBE_SCORE_MAX / 4 {
                throw .notMedia(path: path, reason: "at best it resembles \(formatName)")
            }
            throw .noVideo(path: path, streams: streamSummary)
        }
        return Int(best)
    }

    /// Gives the stream of a sequence's first picture the times of the sequence.
    func pretendSequence(_ index: Int, of count: Int, rate: Rational?) {
        let rate = rate.flatMap { $0.isKnown ? $0.av : nil } ?? AVRational(num: 25, den: 1)
        let stream = stream(index)
        stream.pointee.time_base = AVRational(num: rate.den, den: rate.num)
        stream.pointee.avg_frame_rate = rate
        stream.pointee.r_frame_rate = rate
        stream.pointee.nb_frames = Int64(count)
        stream.pointee.duration = Int64(count)
        stream.pointee.start_time = 0
    }

    /// - Parameters:
    ///   - pictures: how many there are of which this is the first; nil for a file of its own.
    ///   - awaitsFrame: takes a stream of which the beginning of the file shows neither size nor format; `isIncomplete` then
    ///     says that the first frame has to.
    func describeVideo(
        _ index: Int, pictures: Int? = nil, awaitsFrame: Bool = false
    ) throws(MediaError) -> VideoDescription {
        let stream = stream(index)
        let s = stream.pointee
        let parameters = s.codecpar.pointee
        let codec = String(cString: avcodec_get_name(parameters.codec_id))
        let format = AVPixelFormat(rawValue: parameters.format)
        let known = parameters.width > 0 && parameters.height > 0 ? PixelLayout(format) : nil
        let stands = awaitsFrame && !isStillPicture && avcodec_find_decoder(parameters.codec_id) != nil
        guard let layout = known ?? (stands ? PixelLayout(named: "yuv420p") : nil) else {
            if parameters.codec_id == AV_CODEC_ID_NONE {
                throw .corrupt(path: path, seconds: nil, packet: 0, reason: "its video names no codec that is known")
            }
            if avcodec_find_decoder(parameters.codec_id) == nil { throw .noDecoder(path: path, codec: codec) }
            if Self.isAnimatedWebP(path) { throw .noDecoder(path: path, codec: "animated WebP") }
            if isStillPicture {
                throw .damagedPicture(path: path, reason: "its header shows neither size nor format", isLost: true)
            }
            throw shapeless(codec)
        }
        let isPicture = isStillPicture && pictures == nil
        let color = ColorDescription(parameters).resolved(
            height: Int(parameters.height), isRGB: layout.isRGB || layout.isPalette,
            isFullRangeFormat: layout.isFullRangeFormat,
            isFullRangeByDefault: layout.isGrey && !Self.limitedByDefault.contains(codec),
            isPhotograph: codec == "mjpeg")
        let timeBase = Rational(s.time_base)
        var seconds: Double? = s.duration > 0 ? Double(s.duration) * timeBase.value : durationSeconds
        if isPicture { seconds = nil }
        let rate = Rational(s.avg_frame_rate)
        let count: Int? =
            isPicture
            ? 1
            : s.nb_frames > 0
                ? Int(s.nb_frames) : rate.isKnown ? seconds.map { Int(($0 * rate.value).rounded()) } : nil
        let aspect = av_guess_sample_aspect_ratio(context, stream, nil)
        var description = VideoDescription(
            width: Int(parameters.width), height: Int(parameters.height), pixelFormat: layout.name,
            bitDepth: min(max(layout.depth, 8), 16), hasAlpha: layout.hasAlpha, isRGB: layout.isRGB || layout.isPalette,
            timeBase: timeBase, averageFrameRate: rate,
            sampleAspectRatio: aspect.num > 0 && aspect.den > 0 ? Rational(aspect) : Rational(1, 1), color: color,
            rotation: Self.rotation(stream), frameCountEstimate: count, durationSeconds: seconds, codec: codec,
            isStillPicture: isPicture, isPictureList: pictures != nil)
        description.isIncomplete = known == nil
        return description
    }

    func shapeless(_ codec: String) -> MediaError {
        .corrupt(path: path, seconds: nil, packet: 0, reason: "its \(codec) video shows neither size nor format")
    }

    /// Codecs that say "limited" by saying nothing, grey included; PNG and its kin store grey over the full range.
    static let limitedByDefault: Set<String> = [
        "h264", "hevc", "av1", "vp8", "vp9", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "prores", "dnxhd",
    ]

    private static func rotation(_ stream: UnsafeMutablePointer<AVStream>) -> Double {
        for position in 0..<uf_side_data_count(stream) {
            guard let side = uf_side_data(stream, position), side.pointee.type == AV_PKT_DATA_DISPLAYMATRIX,
                side.pointee.size >= 36, let data = side.pointee.data
            else { continue }
            let counterclockwise = data.withMemoryRebound(to: Int32.self, capacity: 9) { av_display_rotation_get($0) }
            guard counterclockwise.isFinite else { return 0 }
            let clockwise = (-counterclockwise).truncatingRemainder(dividingBy: 360)
            return clockwise < 0 ? clockwise + 360 : clockwise + 0
        }
        return 0
    }

    var chapters: [Chapter] {
        (0..<Int(context.pointee.nb_chapters)).compactMap { position in
            guard let chapter = context.pointee.chapters[position]?.pointee else { return nil }
            return Chapter(
                id: Int64(chapter.id), timeBase: Rational(chapter.time_base), start: chapter.start, end: chapter.end,
                metadata: Dictionary(
                    OptionDictionary.entries(of: chapter.metadata), uniquingKeysWith: { first, _ in first }))
        }
    }

    var metadata: [String: String] {
        Dictionary(OptionDictionary.entries(of: context.pointee.metadata), uniquingKeysWith: { first, _ in first })
    }
}
