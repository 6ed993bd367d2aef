internal import CFFmpeg

/// Demuxes a file and decodes its video. Belongs to one thread at a time; blocks in `init` and `next`. The one thing
/// that other threads may touch is `interrupter`.
public final class MediaReader {
    public private(set) var source: SourceDescription
    public let interrupter: Interrupter
    /// Packets that could not be decoded, or only in part: those before the first key frame of a stream that was joined in
    /// the middle, and, with `toleratesDamage`, any.
    public var damagedPackets: Int { watch.packets }
    /// What `toleratesDamage` was needed for, and complaints that are no reason to stop.
    public var damage: Damage { watch.damage }
    /// What a person should know and only showed itself while reading, each a sentence.
    public var notes: [String] { watch.notes(of: source, at: place) }
    /// Frames delivered so far.
    public private(set) var deliveredFrames = 0

    private let file: InputFile
    private let decoder: VideoDecoder
    private let watch: DamageWatch
    private var options: ReaderOptions
    private let videoIndex: Int
    private let copied: Set<Int>
    private let timeBase: Rational
    private var trim: Trim
    /// A folder or sequence in place of a file, and how many of its pictures were read.
    private let pictures: PictureList?
    private var nextPicture = 0
    private var deinterlacer: Deinterlacer?
    /// What is decoded and waits for its turn: the first frame, which is looked at before anybody asks for it, and what
    /// comes out of the deinterlacer at once.
    private var ready: [MediaEvent] = []
    /// What went wrong while the first frame was looked for; told in its turn.
    private var lateError: MediaError?
    private var times = FrameTimes()
    private var decodedFrames = 0

    /// Whether frames pass a deinterlacer.
    public var isDeinterlacing: Bool { deinterlacer != nil }

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
    /// Of the video, which an edit list hides.
    private var hiddenPackets = 0
    /// Where codecs leave it to the container: whether the upper field of each picture is shown first.
    private let fields: Bool?

    /// A pipe, a device or an address: nobody knows what comes next, and when.
    public var isLive: Bool { file.isLive }
    /// Seconds for which this reader has waited for the other end of a pipe.
    public var waitedSeconds: Double { file.pipe?.waited ?? 0 }

    /// How the decoder laid the first frame in memory; nil where memory is its own affair, where frames pass a deinterlacer,
    /// and where they are pictures of a list.
    public private(set) var arrangement: PictureArrangement?

    /// Has the decoder write its next pictures into others' memory, as far as there is any, to be read there once they are
    /// decoded. (It reads them too.)
    ///
    /// - Parameter lend: gives memory of `arrangement?.bytes`; nil while there is none. Called by any thread. Without it the
    ///   decoder writes into memory of its own again. Callable from any thread.
    public func decode(into lend: (@Sendable () -> PictureMemory?)?) { decoder.memory?.lend(lend) }

    public var video: VideoDescription { source.video }
    public var copiedStreams: [StreamDescription] { source.copiedStreams }

    /// Opens a file and its decoder, seeks to `options.start`, and decodes the first frame, which tells what no header
    /// does. Blocks until that has come.
    ///
    /// - Parameter path: a video or picture, `-` for standard input, a named pipe, an address that libavformat reads
    ///   (rtsp://…), a folder of pictures, or a pattern for a sequence of them such as `frame_%05d.png`.
    public init(
        path: String, options: ReaderOptions = ReaderOptions(), interrupter: Interrupter = Interrupter()
    ) throws(MediaError) {
        self.options = options
        self.interrupter = interrupter
        pictures = try path == "-" || path.contains("://") ? nil : PictureList(path: path)
        let demuxerOptions = try options.demuxerOptions(path: path)
        file = try InputFile(
            path: pictures?.first(toleratesDamage: options.toleratesDamage) ?? path, format: options.demuxer,
            interrupter: interrupter, options: demuxerOptions)
        mark = Library.mark()
        let chosen = try options.selection.resolved(file.streamKinds, path: path)
        videoIndex = try file.videoIndex(among: chosen ?? [])
        if let pictures { file.pretendSequence(videoIndex, of: pictures.files.count, rate: options.frameRate) }
        let description = try file.describeVideo(videoIndex, pictures: pictures?.files.count, awaitsFrame: true)
        timeBase = description.timeBase
        fields = pictures == nil ? FieldFlags.topFirst(file.stream(videoIndex).pointee.codecpar.pointee) : nil
        let threads = description.isStillPicture ? 1 : options.decoderThreads
        decoder = try VideoDecoder(
            file.stream(videoIndex), path: path, threads: threads, byFrames: !(options.lowDelay ?? file.isLive),
            refusesDamage: description.isStillPicture, memory: description.isStillPicture ? nil : DecoderMemory())
        watch = DamageWatch(
            source: path, options: options, isStillPicture: description.isStillPicture, file: file, decoder: decoder)

        var templates: [StreamTemplate] = []
        for index in 0..<file.streamCount where index != videoIndex {
            let template = StreamTemplate(file.stream(index))
            let isWanted = options.copiesStreams && options.selection.includes(index, template.kind, among: chosen)
            if isWanted, watch.accepts(index) {
                templates.append(template)
            } else {
                file.stream(index).pointee.discard = AVDISCARD_ALL
            }
        }
        mark = Library.mark()
        copied = Set(templates.map(\.index))
        trim = Trim(
            start: options.start, duration: options.duration, origin: pictures == nil ? file.startTime : 0,
            copied: copied)
        source = SourceDescription(
            path: path, video: trim.apply(to: description), copiedStreams: templates.map(\.description),
            metadata: pictures == nil ? file.metadata : [:], chapters: trim.apply(to: file.chapters),
            startSeconds: Double(file.startTime) / Double(AV_TIME_BASE),
            videoTemplate: StreamTemplate(file.stream(videoIndex)), copiedTemplates: templates)
        source.hasJumpingClock = file.hasJumpingClock && pictures == nil
        source.skippedSeconds = pictures == nil ? options.start ?? 0 : 0
        source.toleratesDamage = options.toleratesDamage
        source.pictureNames = pictures?.files.dropFirst(Int(trim.shift(timeBase))).map(FileSystem.name) ?? []
        source.pictureFiles = pictures.map { Array($0.files.dropFirst(Int(trim.shift(timeBase)))) } ?? []
        if pictures == nil, description.isStillPicture || Self.isPictureFile(path) {
            source.picture = PictureMetadata(contentsOf: path)
        }
        if pictures == nil { source.plays = AnimationLoop.plays(of: path, format: file.formatName) }
        if options.deinterlace == .on { deinterlacer = Deinterlacer(path: path, all: true) }
        if let start = options.start, start > 0, !description.isStillPicture, pictures == nil, file.pipe == nil {
            readAhead = file.seek(to: trim.startMicroseconds, video: videoIndex)
        }
        lookAhead()
        if source.video.isIncomplete { throw lateError ?? file.shapeless(description.codec) }
    }

    /// AVIF comes in the container of films.
    private static func isPictureFile(_ path: String) -> Bool {
        path != "-" && PictureMetadata.format(of: FileSystem.head(path, count: 16)) == .avif
    }

    /// Reads up to the first frame. What fails here fails in `next`, after what precedes it.
    private func lookAhead() {
        var events: [MediaEvent] = []
        do throws(MediaError) {
            while let event = try produce() {
                events.append(event)
                guard case .frame(let frame) = event else { continue }
                source.learn(from: frame)
                if deinterlacer == nil { arrangement = decoder.memory?.arrangement(of: frame.frame) }
                break
            }
        } catch {
            lateError = error
        }
        ready = events + ready
    }

    deinit {
        for packet in readAhead { Self.free(packet) }
    }

    /// Goes to another place of the file, as if it had been opened anew with `options.start`: what comes next is the first
    /// frame at or after `seconds`, and the same frames come whatever was read before. A good deal quicker than opening.
    ///
    /// - Precondition: the file can be sought in: it is neither live nor a list of pictures.
    public func restart(at seconds: Double) {
        precondition(!isLive && pictures == nil, "only files can be read from another place")
        for packet in readAhead { Self.free(packet) }
        (ready, lateError) = ([], nil)
        times.restart()
        (videoPackets, hiddenPackets, decodedFrames) = (0, 0, 0)
        watch.restart()
        mark = Library.mark()
        options.start = seconds
        trim = Trim(start: seconds, duration: options.duration, origin: file.startTime, copied: copied)
        deinterlacer = options.deinterlace == .on ? Deinterlacer(path: source.path, all: true) : nil
        state = .reading
        decoder.forget()
        readAhead = file.seek(to: trim.startMicroseconds, video: videoIndex)
    }

    /// Makes blocking reads return, now and later, with `MediaError.interrupted`. Callable from any thread through
    /// `interrupter`.
    public func interrupt() {
        interrupter.interrupt()
    }

    /// The next frame or packet; nil when everything was delivered and the decoder is empty. Blocks while reading.
    /// After an error, which comes only after all that precedes it was delivered, it returns nil.
    public func next() throws(MediaError) -> MediaEvent? {
        if interrupter.isInterrupted {
            state = .ended
            throw .interrupted(path: source.path)
        }
        if ready.isEmpty, let error = lateError {
            lateError = nil
            throw error
        }
        let event = try produce()
        if case .frame = event { deliveredFrames += 1 }
        return event
    }

    private func produce() throws(MediaError) -> MediaEvent? {
        while true {
            if !ready.isEmpty { return ready.removeFirst() }
            if interrupter.isInterrupted {
                state = .ended
                throw .interrupted(path: source.path)
            }
            if case .ended = state { return nil }
            if let pictures {
                try readPicture(pictures)
                continue
            }
            switch decoder.receive() {
            case .frame(let frame):
                guard let frame = accept(frame) else { continue }
                try stop(watch.inspect(frame, at: place))
                try pass(frame)
                continue
            case .failed(let code):
                try stop(watch.note(.refused, Library.reason(code, since: mark), at: place))
                continue
            case .ended:
                try end()
                continue
            case .needsPacket:
                break
            }
            if let event = try advance() { return event }
        }
    }

    /// A frame on its way out, through the deinterlacer where there is one or has to be one from now on.
    private func pass(_ frame: VideoFrame) throws(MediaError) {
        if deinterlacer == nil, options.deinterlace == .auto, frame.isInterlaced, !source.video.isStillPicture {
            deinterlacer = Deinterlacer(path: source.path, all: false)
        }
        guard let deinterlacer else {
            ready.append(.frame(frame))
            return
        }
        ready += try deinterlacer.push(frame).map { .frame($0) }
    }

    private func readPicture(_ list: PictureList) throws(MediaError) {
        guard nextPicture < list.files.count, !trim.isVideoDone else {
            state = .ended
            return try checkAnythingCame()
        }
        let number = nextPicture
        nextPicture += 1
        let timestamp = Int64(number)
        guard !options.isTrimming || trim.acceptsFrame(at: timestamp, timeBase: timeBase) else { return }
        let path = list.files[number]
        do throws(MediaError) {
            let decoded = try StillPicture.decode(
                path, toleratesDamage: options.toleratesDamage, interrupter: interrupter)
            decodedFrames += 1
            if let damage = decoded.damage { watch.tolerate(.picture, path, damage, at: nil) }
            ready.append(
                .frame(
                    VideoFrame(
                        owning: decoded.frame, timestamp: timestamp - trim.shift(timeBase), duration: 1, isKey: true,
                        arrival: monotonicSeconds())))
        } catch {
            guard options.toleratesDamage, !interrupter.isInterrupted else {
                watch.refusePicture()
                state = .ended
                // The others can be had, whatever there is of this one.
                if case .damagedPicture(let path, let reason, _) = error, list.files.count > 1 {
                    throw .damagedPicture(path: path, reason: reason, isLost: false)
                }
                throw error
            }
            watch.tolerate(.picture, path, error.reason, at: nil)
        }
    }

    /// A source of which nothing could be decoded is an error, whatever is tolerated.
    ///
    /// - Parameter error: with which the file ended.
    private func checkAnythingCame(_ error: MediaError? = nil) throws(MediaError) {
        guard decodedFrames == 0 else { return }
        if damage.isEmpty {
            // A place to go on from would be of no use.
            if case .truncated(let path, _, let reason) = error {
                throw .truncated(path: path, seconds: nil, reason: reason)
            }
            if let error { throw error }
            // Nothing was asked for, or there is nothing at that place.
            if options.isTrimming { return }
        }
        throw watch.nothingCame(isPicture: source.video.isStillPicture || pictures != nil)
    }

    /// How far the reading has come, for whoever judges damage.
    private var place: DamageWatch.Place {
        var isDraining = false
        if case .draining = state { isDraining = true }
        return .init(
            seconds: source.video.isStillPicture ? nil : times.lastSeconds, packets: videoPackets,
            frames: decodedFrames,
            isDraining: isDraining)
    }

    /// Ends the reading with an error, after what is decoded already; nil goes on.
    private func stop(_ error: MediaError?) throws(MediaError) {
        guard let error else { return }
        state = .ended
        if let deinterlacer { ready += try deinterlacer.finish().map { .frame($0) } }
        if ready.isEmpty { throw error }
        lateError = error
    }

    /// Reads one packet: to the decoder, or out as an event.
    private func advance() throws(MediaError) -> MediaEvent? {
        guard let packet = readPacket() else { return nil }
        let index = Int(packet.pointee.stream_index)
        noteTime(of: packet)
        watch.follow(packet)
        if index == videoIndex {
            noteArrival(of: packet)
            defer { Self.free(packet) }
            if trim.isVideoDone {
                trim.notice(packet, timeBase: file.stream(index).pointee.time_base)
                if trim.isDone { drain(nil) }
                return nil
            }
            videoPackets += 1
            if packet.pointee.flags & AV_PKT_FLAG_DISCARD != 0 { hiddenPackets += 1 }
            watch.count(packet)
            if source.video.isStillPicture {
                let damage = StillPicture.send(
                    packet, to: decoder, toleratesDamage: options.toleratesDamage, since: mark)
                if let damage { try stop(watch.note(.refused, damage, at: place)) }
                return nil
            }
            // A packet cut short by the end of the file is no picture; a transport stream marks lost pieces the same
            // way and has to be lived with.
            if packet.pointee.flags & AV_PKT_FLAG_CORRUPT != 0, !file.isTransportStream {
                drain(.truncated(path: source.path, seconds: times.lastSeconds, reason: "a packet is cut short"))
                return nil
            }
            let code = decoder.send(packet)
            if code < 0 { try stop(watch.note(.refused, Library.reason(code, since: mark), at: place)) }
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
        let code = file.read(packet)
        if code >= 0 { return packet }
        Self.free(packet)
        if code == uf_error_again() { return nil }
        drain(failure(code))
        return nil
    }

    /// What the end of the file means: nil for a good one.
    private func failure(_ code: Int32) -> MediaError? {
        if interrupter.isInterrupted { return .interrupted(path: source.path) }
        let isWhole = options.start == nil && options.duration == nil
        let error = file.failure(
            code, since: mark, isWhole: isWhole, videoIndex: videoIndex, videoPackets: videoPackets, times: times)
        guard error == nil, isWhole, let lack = watch.lackAtEnd() else { return error }
        return .truncated(path: source.path, seconds: times.lastSeconds, reason: lack)
    }

    private func drain(_ error: MediaError?) {
        guard case .reading = state else { return }
        state = .draining(error)
        // What the demuxer complained of is this very error.
        if error != nil { _ = file.log.take() }
        decoder.flush()
    }

    /// The decoder is empty; so is then the deinterlacer.
    private func end() throws(MediaError) {
        if !source.video.isStillPicture, decodedFrames > 0 {
            try stop(watch.weighComplaints(isLast: true, at: place))
        }
        guard case .draining = state else { return }
        let last = state
        state = .ended
        if let deinterlacer { ready += try deinterlacer.finish().map { .frame($0) } }
        guard case .draining(let error) = last else { return }
        try checkAnythingCame(error)
        guard let error else { return }
        // What is missing at the end of a file is damage as any other. A live source that broke off is told all the same.
        if options.toleratesDamage, !isLive, decodedFrames > 0, case .truncated = error {
            return watch.tolerate(.end, source.path, error.reason, at: times.lastSeconds)
        }
        if ready.isEmpty { throw error }
        lateError = error
    }

    private func noteTime(of packet: UnsafeMutablePointer<AVPacket>) {
        let index = Int(packet.pointee.stream_index)
        times.note(
            packet, base: Rational(file.stream(index).pointee.time_base).value, isVideo: index == videoIndex)
    }

    private func noteArrival(of packet: UnsafeMutablePointer<AVPacket>) {
        let p = packet.pointee
        let end = p.pos >= 0 && !file.isTransportStream ? p.pos + Int64(p.size) : nil
        times.note(
            packet, arrival: file.pipe?.arrival(of: end) ?? monotonicSeconds(),
            end: file.context.pointee.pb.map { uf_position($0) })
    }

    /// Gives a decoded frame its time, and drops it if it lies outside what was asked for.
    private func accept(_ frame: UnsafeMutablePointer<AVFrame>) -> VideoFrame? {
        let arrival = times.arrival(of: frame)
        let (time, duration) = times.show(frame, ticks: source.video.frameTicks) { time in
            file.rest(of: videoIndex, after: time, frames: decodedFrames + hiddenPackets + 1)
        }
        guard !options.isTrimming || trim.acceptsFrame(at: time, timeBase: timeBase) else {
            av_frame_unref(frame)
            var pointer: UnsafeMutablePointer<AVFrame>? = frame
            av_frame_free(&pointer)
            if trim.isDone { drain(nil) }
            return nil
        }
        decodedFrames += 1
        if let fields { uf_frame_set_fields(frame, fields ? 1 : 0) }
        if let picture = source.picture { StillPicture.lay(frame, picture) }
        return VideoFrame(
            owning: frame, timestamp: time - trim.shift(timeBase), duration: duration,
            isKey: uf_frame_is_key(frame) != 0, arrival: arrival)
    }

    private static func free(_ packet: UnsafeMutablePointer<AVPacket>) {
        var pointer: UnsafeMutablePointer<AVPacket>? = packet
        av_packet_free(&pointer)
    }
}
