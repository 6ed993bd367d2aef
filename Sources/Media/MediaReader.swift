internal import CFFmpeg

/// How a file is to be read.
public struct ReaderOptions: Sendable {
    /// Seconds from the file's beginning at which to start; frames before it are decoded but not delivered. All
    /// timestamps are then lowered by this much, and by nothing else.
    public var start: Double?
    /// Seconds to read.
    public var duration: Double?
    /// Frame threads of the decoder; 0 for one per core.
    public var decoderThreads: Int
    /// Whether the other streams' packets are delivered.
    public var copiesStreams: Bool
    /// libav's name of the demuxer, where the content does not say.
    public var inputFormat: String?
    /// Go on after a packet that cannot be decoded (counted in `MediaReader.damagedPackets`) in place of throwing.
    public var toleratesDamage: Bool

    public init(
        start: Double? = nil, duration: Double? = nil, decoderThreads: Int = 0, copiesStreams: Bool = true,
        inputFormat: String? = nil, toleratesDamage: Bool = false
    ) {
        self.start = start
        self.duration = duration
        self.decoderThreads = decoderThreads
        self.copiesStreams = copiesStreams
        self.inputFormat = inputFormat
        self.toleratesDamage = toleratesDamage
    }
}

/// Demuxes a file and decodes its video. Belongs to one thread at a time; blocks in `init` and `next`. The one thing
/// that other threads may touch is `interrupter`.
public final class MediaReader {
    public let source: SourceDescription
    public let interrupter: Interrupter
    /// Packets that could not be decoded and were passed over: those before the first key frame of a stream that was
    /// joined in the middle, and, with `toleratesDamage`, any.
    public private(set) var damagedPackets = 0
    /// Frames delivered so far.
    public private(set) var deliveredFrames = 0

    private let file: InputFile
    private let decoder: VideoDecoder
    private let options: ReaderOptions
    private let videoIndex: Int
    private let copied: Set<Int>
    private var trim: Trim

    private enum State {
        case reading
        /// The decoder is being emptied; then comes the error, if there is one.
        case draining(MediaError?)
        case ended
    }
    private var state = State.reading
    /// Packets that the seek read ahead.
    private var readAhead: [UnsafeMutablePointer<AVPacket>] = []
    private var mark: Int
    private var videoPackets = 0
    private var keylessPackets = 0
    private var hasSeenKey = false
    private var lastSeconds: Double?
    private var lastTimestamp: Int64?
    private var lastDuration: Int64 = 0
    /// Where the latest packet of any stream ends, in seconds.
    private var furthest = 0.0

    public var video: VideoDescription { source.video }
    public var copiedStreams: [StreamDescription] { source.copiedStreams }

    /// Opens a file (or `-`, standard input) and its decoder, and seeks to `options.start`.
    public init(
        path: String, options: ReaderOptions = ReaderOptions(), interrupter: Interrupter = Interrupter()
    ) throws(MediaError) {
        self.options = options
        self.interrupter = interrupter
        file = try InputFile(path: path, format: options.inputFormat, interrupter: interrupter)
        mark = Library.mark()
        videoIndex = try file.videoIndex()
        let description = try file.describeVideo(videoIndex)
        let threads = description.isStillPicture ? 1 : options.decoderThreads
        decoder = try VideoDecoder(file.stream(videoIndex), path: path, threads: threads)

        var templates: [StreamTemplate] = []
        for index in 0..<file.streamCount where index != videoIndex {
            let template = StreamTemplate(file.stream(index))
            let isWanted = options.copiesStreams && (template.kind != .video || template.isAttachedPicture)
            if isWanted {
                templates.append(template)
            } else {
                file.stream(index).pointee.discard = AVDISCARD_ALL
            }
        }
        copied = Set(templates.map(\.index))
        trim = Trim(
            start: options.start, duration: options.duration, origin: file.startTime, copied: copied)
        source = SourceDescription(
            path: path, video: trim.apply(to: description), copiedStreams: templates.map(\.description),
            metadata: file.metadata, chapters: trim.apply(to: file.chapters),
            startSeconds: Double(file.startTime) / Double(AV_TIME_BASE),
            videoTemplate: StreamTemplate(file.stream(videoIndex)), copiedTemplates: templates)
        if let start = options.start, start > 0, !description.isStillPicture {
            try seek()
        }
    }

    deinit {
        for packet in readAhead { Self.free(packet) }
    }

    /// Makes blocking reads return, now and later, with `MediaError.interrupted`. Callable from any thread through
    /// `interrupter`.
    public func interrupt() {
        interrupter.interrupt()
    }

    /// The next frame or packet; nil when everything was delivered and the decoder is empty. Blocks while reading.
    /// After an error, which comes only after all that precedes it was delivered, it returns nil.
    public func next() throws(MediaError) -> MediaEvent? {
        while true {
            if interrupter.isInterrupted {
                state = .ended
                throw .interrupted(path: source.path)
            }
            if case .ended = state { return nil }
            switch decoder.receive() {
            case .frame(let frame):
                if let event = accept(frame) { return event }
                continue
            case .failed(let code):
                try noteDamage(code)
                continue
            case .ended:
                return try end()
            case .needsPacket:
                break
            }
            if let event = try advance() { return event }
        }
    }

    /// Reads one packet: to the decoder, or out as an event.
    private func advance() throws(MediaError) -> MediaEvent? {
        guard let packet = readPacket() else { return nil }
        let index = Int(packet.pointee.stream_index)
        noteTime(of: packet)
        if index == videoIndex {
            defer { Self.free(packet) }
            if trim.isVideoDone {
                trim.notice(packet, timeBase: file.stream(index).pointee.time_base)
                if trim.isDone { drain(nil) }
                return nil
            }
            videoPackets += 1
            if packet.pointee.flags & AV_PKT_FLAG_KEY != 0 {
                hasSeenKey = true
            } else if !hasSeenKey {
                keylessPackets += 1
            }
            // A packet cut short by the end of the file is no picture; a transport stream marks lost pieces the same
            // way and has to be lived with.
            if packet.pointee.flags & AV_PKT_FLAG_CORRUPT != 0, !isTransportStream {
                drain(.truncated(path: source.path, seconds: lastSeconds, reason: "a packet is cut short"))
                return nil
            }
            let code = decoder.send(packet)
            if code < 0 { try noteDamage(code) }
            return nil
        }
        guard copied.contains(index), trim.accepts(packet, timeBase: file.stream(index).pointee.time_base) else {
            if trim.isDone { drain(nil) }
            Self.free(packet)
            return nil
        }
        return .packet(EncodedPacket(owning: packet))
    }

    private func readPacket() -> UnsafeMutablePointer<AVPacket>? {
        if !readAhead.isEmpty { return readAhead.removeFirst() }
        guard case .reading = state else { return nil }
        guard !trim.isDone else {
            drain(nil)
            return nil
        }
        guard let packet = av_packet_alloc() else { fatalError("out of memory") }
        let code = av_read_frame(file.context, packet)
        if code >= 0 { return packet }
        Self.free(packet)
        if code == uf_error_again() { return nil }
        drain(failure(code))
        return nil
    }

    /// What the end of the file means: nil for a good one.
    private func failure(_ code: Int32) -> MediaError? {
        if interrupter.isInterrupted { return .interrupted(path: source.path) }
        let path = source.path
        let reason = Library.lastLine(since: mark) ?? (code == uf_error_eof() ? "" : Library.describe(code))
        let io = file.context.pointee.pb
        if code != uf_error_eof() {
            if let io, io.pointee.eof_reached != 0 {
                return .truncated(path: path, seconds: lastSeconds, reason: reason)
            }
            return .readFailed(path: path, reason: reason)
        }
        if let io, io.pointee.error < 0, io.pointee.error != uf_error_eof() {
            return .readFailed(path: path, reason: Library.describe(io.pointee.error))
        }
        // libav takes a short file for a finished one; the container's own index or duration tells them apart.
        guard options.start == nil, options.duration == nil else { return nil }
        let name = file.formatName
        if name.hasPrefix("mov,"), case let expected = Int(file.stream(videoIndex).pointee.nb_frames),
            expected > videoPackets
        {
            return .truncated(
                path: path, seconds: lastSeconds, reason: "\(videoPackets) of \(expected) video packets are there")
        }
        if name.hasPrefix("matroska,") {
            if reason.contains("ended prematurely") {
                return .truncated(path: path, seconds: lastSeconds, reason: reason)
            }
            if file.context.pointee.duration_estimation_method == AVFMT_DURATION_FROM_STREAM,
                let declared = file.durationSeconds,
                furthest < declared - max(1, declared / 50)
            {
                return .truncated(path: path, seconds: lastSeconds, reason: "its header promises \(declared) s")
            }
        }
        return nil
    }

    private var isTransportStream: Bool { file.formatName == "mpegts" }

    private func drain(_ error: MediaError?) {
        guard case .reading = state else { return }
        state = .draining(error)
        decoder.flush()
    }

    private func end() throws(MediaError) -> MediaEvent? {
        let last = state
        state = .ended
        if case .draining(let error?) = last { throw error }
        return nil
    }

    /// A packet that the decoder refused ends the reading, unless it is one that nobody could decode: a stream that was
    /// joined in the middle begins with pictures whose references are not there.
    private func noteDamage(_ code: Int32) throws(MediaError) {
        damagedPackets += 1
        if options.toleratesDamage { return }
        if deliveredFrames == 0, damagedPackets <= keylessPackets { return }
        state = .ended
        throw .corrupt(
            path: source.path, seconds: lastSeconds, packet: videoPackets,
            reason: Library.reason(code, since: mark))
    }

    private func noteTime(of packet: UnsafeMutablePointer<AVPacket>) {
        let p = packet.pointee
        let time = p.pts != Library.noTimestamp ? p.pts : p.dts
        guard time != Library.noTimestamp else { return }
        let base = Rational(file.stream(Int(p.stream_index)).pointee.time_base).value
        furthest = max(furthest, Double(time + max(p.duration, 0)) * base)
        if Int(p.stream_index) == videoIndex { lastSeconds = Double(time) * base }
    }

    /// Gives a decoded frame its time, and drops it if it lies outside what was asked for.
    private func accept(_ frame: UnsafeMutablePointer<AVFrame>) -> MediaEvent? {
        var duration = uf_frame_duration(frame)
        var time = frame.pointee.best_effort_timestamp
        if time == Library.noTimestamp {
            // Elementary streams carry no time at all; then the rate has to do.
            time = lastTimestamp.map { $0 + max(lastDuration, 1) } ?? 0
        }
        if let rest = restOfStream(after: time) { duration = rest }
        lastTimestamp = time
        lastDuration = duration > 0 ? duration : frameTicks
        guard !options.isTrimming || trim.acceptsFrame(at: time, timeBase: source.video.timeBase) else {
            av_frame_unref(frame)
            var pointer: UnsafeMutablePointer<AVFrame>? = frame
            av_frame_free(&pointer)
            if trim.isDone { drain(nil) }
            return nil
        }
        deliveredFrames += 1
        return .frame(
            VideoFrame(
                owning: frame, timestamp: time - trim.shift(source.video.timeBase), duration: max(duration, 0),
                isKey: uf_frame_is_key(frame) != 0))
    }

    /// How long the last frame of an mp4 is shown: the packets' durations there are steps of decoding, and the last
    /// picture in decoding order is seldom the last to be seen; the edit list tells where the picture ends.
    private func restOfStream(after time: Int64) -> Int64? {
        let stream = file.stream(videoIndex).pointee
        guard file.formatName.hasPrefix("mov,"), stream.nb_frames > 0, deliveredFrames + 1 == Int(stream.nb_frames),
            stream.duration > 0, stream.start_time != Library.noTimestamp
        else { return nil }
        let rest = stream.start_time + stream.duration - time
        return rest > 0 && Double(rest) * source.video.timeBase.value < 60 ? rest : nil
    }

    private var frameTicks: Int64 {
        let rate = source.video.averageFrameRate
        guard rate.isKnown, source.video.timeBase.isKnown else { return 1 }
        return max(1, Int64((1 / (rate.value * source.video.timeBase.value)).rounded()))
    }

    /// Goes to a key frame at or before the start. Some containers seek only roughly, so what was found is looked at,
    /// and the aim is moved back until it fits.
    private func seek() throws(MediaError) {
        let target = trim.startMicroseconds
        for margin in [0, 3_000_000, 20_000_000, Int64.max] {
            let aim = margin == .max ? file.startTime : target - margin
            guard margin == .max || aim > file.startTime else { continue }
            let code = avformat_seek_file(file.context, -1, .min, aim, aim, 0)
            if code < 0 && margin != .max { continue }
            // Neither seek worked: a pipe. Reading from where we are does too, it only takes longer.
            if code < 0 { return }
            if readToKey(before: target) || margin == .max { return }
            for packet in readAhead { Self.free(packet) }
            readAhead = []
        }
    }

    /// Reads ahead to the first key packet of the video; tells whether it lies at or before the target.
    private func readToKey(before target: Int64) -> Bool {
        let base = file.stream(videoIndex).pointee.time_base
        while readAhead.count < 10_000, let packet = av_packet_alloc() {
            guard av_read_frame(file.context, packet) >= 0 else {
                Self.free(packet)
                return false
            }
            readAhead.append(packet)
            guard Int(packet.pointee.stream_index) == videoIndex, packet.pointee.flags & AV_PKT_FLAG_KEY != 0 else {
                continue
            }
            let time = packet.pointee.pts != Library.noTimestamp ? packet.pointee.pts : packet.pointee.dts
            guard time != Library.noTimestamp else { return true }
            return av_compare_ts(time, base, target, AVRational(num: 1, den: AV_TIME_BASE)) <= 0
        }
        return false
    }

    private static func free(_ packet: UnsafeMutablePointer<AVPacket>) {
        var pointer: UnsafeMutablePointer<AVPacket>? = packet
        av_packet_free(&pointer)
    }
}

extension ReaderOptions {
    internal var isTrimming: Bool { start != nil || duration != nil }
}
