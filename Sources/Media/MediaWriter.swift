internal import CFFmpeg

/// Encodes frames, interleaves copied packets, and makes one file of them. Belongs to one thread at a time; `write`
/// blocks while the encoder works and the disk is written. Until `finish` the target's name is not touched.
public final class MediaWriter {
    public let path: String
    /// The format that `write(_ frame:)` takes, by libav's name.
    public let pixelFormat: String
    /// What the numbers in those frames have to mean.
    public let color: ColorDescription
    public let width: Int
    public let height: Int
    /// libav's name of the encoder in use.
    public let encoderName: String
    /// Source streams that the container cannot hold.
    public let droppedStreams: [StreamDescription]
    /// Things that were decided otherwise than one might expect, each a sentence for the user.
    public private(set) var notes: [String]
    public private(set) var writtenFrames = 0
    /// Ticks of the timestamps of `write(_ frame:)`: the source's.
    public let timeBase: Rational

    /// Degrees clockwise by which frames are turned because the container cannot say it: 0, 90, 180 or 270. A frame
    /// factory does the turning; `width` and `height` are those before it.
    public let appliedRotation: Int
    /// Whether a frame factory turns or mirrors the frames.
    public var laysFrames: Bool { orientation != .upright }
    /// Whether the target keeps opacity.
    public let hasAlpha: Bool
    /// Frames may differ in size and format, since each becomes a file of its own. Otherwise all have `width` and
    /// `height`.
    public var takesAnySize: Bool { sequence != nil }
    /// Somebody waits for each frame at the other end of a pipe, and gets it at once.
    public let isLive: Bool

    private let output: OutputFile?
    private let sequence: PictureSequence?
    private let container: Container
    private var encoder: VideoEncoder
    private let settings: EncoderSettings
    private let source: SourceDescription
    private let orientation: Orientation
    private let muxer: UnsafeMutablePointer<AVFormatContext>
    private let videoStream: UnsafeMutablePointer<AVStream>
    /// Source index to output stream and the source's ticks.
    private var copied: [Int: (stream: UnsafeMutablePointer<AVStream>, timeBase: AVRational)] = [:]
    private var subtitles: [Int: SubtitleConverter] = [:]
    /// Streams whose packets carry a configuration that the header has.
    private var stripped: Set<Int> = []
    private var pipe: PipeOutput?
    /// Frames inside the encoder, by their time there.
    private var waiting: [Int64: DeliveredFrame] = [:]
    private var delivered: [DeliveredFrame] = []
    private var isOpen = true
    private var hasWrittenPacket = false
    private var lastTimestamp: Int64?

    public convenience init(
        path: String, source: MediaReader, width: Int, height: Int, settings: EncoderSettings = EncoderSettings(),
        overwrite: Bool = false
    ) throws(MediaError) {
        try self.init(
            path: path, source: source.source, width: width, height: height, settings: settings, overwrite: overwrite)
    }

    /// Checks the target, opens the encoder and writes the header to a hidden file beside the target.
    ///
    /// - Parameters:
    ///   - path: the target, or `-` for standard output (then `settings.container` has to be given).
    ///   - width, height: pixels of the frames to come.
    public init(
        path: String, source: SourceDescription, width: Int, height: Int,
        settings: EncoderSettings = EncoderSettings(), overwrite: Bool = false
    ) throws(MediaError) {
        precondition(width > 0 && height > 0, "a picture has at least one pixel")
        Library.prepare()
        self.path = path
        self.width = width
        self.height = height
        self.source = source
        self.settings = settings
        timeBase = source.video.timeBase
        let isSequence = settings.container == nil && PictureSequence.isMeant(by: path, source: source)
        let output = isSequence ? nil : try OutputFile(path: path, sourcePath: source.path, overwrite: overwrite)
        let container = try Container(path: path, source: source, settings: settings)
        self.container = container
        isLive = output?.isLive ?? false
        var notes: [String] = []
        orientation = Self.orientation(source, container, &notes)
        appliedRotation = orientation.quarterTurns * 90
        let (outWidth, outHeight) = orientation.swapsSides ? (height, width) : (width, height)
        encoder = try VideoEncoder(
            path: path, source: source, width: outWidth, height: outHeight, settings: settings, container: container,
            lowDelay: settings.lowDelay ?? isLive, orientation: orientation)
        pixelFormat = encoder.layout.name
        hasAlpha = encoder.layout.hasAlpha
        color = encoder.color
        encoderName = encoder.name
        self.notes = notes + encoder.notes
        self.output = output
        sequence =
            isSequence
            ? try PictureSequence(path: path, source: source, ending: container.ending, overwrite: overwrite) : nil

        var made: UnsafeMutablePointer<AVFormatContext>?
        guard avformat_alloc_output_context2(&made, container.format, nil, output?.url) >= 0, let muxer = made else {
            fatalError("out of memory")
        }
        self.muxer = muxer
        videoStream = try OutputStreams.addVideo(
            to: muxer, encoder: encoder, source: source, container: container, path: path)
        var dropped: [StreamDescription] = []
        var audioRates: [Int32] = []
        for template in source.copiedTemplates {
            let isText = template.kind == .subtitle
            if container.holds(template) {
                if template.isAttachedPicture, container.isMatroska {
                    guard OutputStreams.attach(template, to: muxer) else {
                        dropped.append(template.description)
                        continue
                    }
                    continue
                }
                let stream = OutputStreams.addCopy(of: template, to: muxer, container: container)
                copied[template.index] = (stream, template.timeBase)
                if isLive, container.isMatroska || container.isMovFamily,
                    AudioConfiguration.complete(stream.pointee.codecpar)
                {
                    stripped.insert(template.index)
                }
                if template.kind == .audio { audioRates.append(template.parameters.pointee.sample_rate) }
            } else if isText, let codec = SubtitleConverter.target(in: container),
                let converter = SubtitleConverter(template, to: codec)
            {
                let stream = OutputStreams.addCopy(
                    of: template, to: muxer, container: container, parameters: converter.parameters)
                copied[template.index] = (stream, template.timeBase)
                subtitles[template.index] = converter
                let name = String(cString: avcodec_get_name(codec))
                self.notes.append("\(template.description.label) is written as \(name), as \(container.name) wants it.")
            } else {
                dropped.append(template.description)
            }
        }
        droppedStreams = dropped
        if !dropped.isEmpty {
            let kind = container.isPicture ? "a picture" : container.name
            self.notes.append(
                "\(path): \(kind) cannot hold \(dropped.map(\.label).joined(separator: ", ")); left out.")
        }
        OutputStreams.copyMetadata(source, to: muxer)
        guard sequence == nil else { return }
        do throws(MediaError) {
            try open(leftover: encoder.leftoverOptions, audioRates: audioRates, startSeconds: source.startSeconds)
        } catch {
            close()
            output?.discard()
            throw error
        }
    }

    /// How frames have to be laid because the container cannot say it.
    private static func orientation(
        _ source: SourceDescription, _ container: Container, _ notes: inout [String]
    ) -> Orientation {
        let matrix =
            source.videoTemplate.sideData.first { $0.type == AV_PKT_DATA_DISPLAYMATRIX }?.bytes
            ?? source.first.displayMatrix
        guard let matrix, !container.carriesRotation else { return .upright }
        guard let orientation = Orientation(displayMatrix: matrix) else {
            notes.append("The source is to be turned by \(source.video.rotation) degrees, which is left out.")
            return .upright
        }
        if orientation != .upright {
            let turn = orientation.quarterTurns * 90
            let words = [orientation.isMirrored ? "mirrored" : nil, turn > 0 ? "turned by \(turn) degrees" : nil]
            notes.append(
                "The pictures are \(words.compactMap { $0 }.joined(separator: " and ")), since the target cannot say so."
            )
        }
        return orientation
    }

    /// Makes the frames that `write` takes. Each factory may be used on a thread of its own.
    ///
    /// - Parameter clamps: see `PixelConverter`.
    public func frameFactory(clamps: Bool = true) -> FrameFactory {
        let fixed = (pixelFormat, color)
        guard takesAnySize else {
            return FrameFactory(orientation: orientation, clamps: clamps) { (_) throws(MediaError) in fixed }
        }
        let (source, settings, container, path) = (source, settings, container, path)
        return FrameFactory(orientation: orientation, clamps: clamps) { (frame) throws(MediaError) in
            // Each picture keeps its own format, too.
            var own = source
            own.learn(from: frame)
            return try VideoEncoder.target(
                for: own, height: frame.height, settings: settings, container: container, path: path)
        }
    }

    /// The frames that left since the last call, with the times of their arrival and departure. Only where `isLive`,
    /// and only for frames whose arrival is known; to be emptied now and then.
    public func takeDelivered() -> [DeliveredFrame] {
        defer { delivered = [] }
        return delivered
    }

    deinit {
        abandon()
        avformat_free_context(muxer)
    }

    private func open(leftover: [(String, String)], audioRates: [Int32], startSeconds: Double) throws(MediaError) {
        guard let output else { return }
        var mark = Library.mark()
        var code: Int32 = 0
        if output.isPipe {
            let pipe = try PipeOutput(path: path)
            self.pipe = pipe
            muxer.pointee.pb = pipe.context
            muxer.pointee.flags |= AVFMT_FLAG_CUSTOM_IO
        } else {
            code = avio_open2(&muxer.pointee.pb, output.url, AVIO_FLAG_WRITE, nil, nil)
        }
        guard code >= 0 else {
            if output.isLive { throw .writeFailed(path: path, reason: Library.reason(code, since: mark)) }
            throw .folderNotWritable(
                path: path, folder: FileSystem.folder(of: path), reason: Library.reason(code, since: mark))
        }
        if isLive { muxer.pointee.flags |= AVFMT_FLAG_FLUSH_PACKETS }
        // Deep y4m is an extension, though everybody reads it.
        if container.isY4M { muxer.pointee.strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL }
        if container.isTransportStream {
            // Room for the clock to run ahead of the data, as far as the first timestamps leave any.
            muxer.pointee.max_delay = Int32(clamping: Int(min(0.7, max(0, startSeconds / 2)) * Double(AV_TIME_BASE)))
        }
        if container.isMatroska || container.name == "avi" {
            // By default all streams are shifted until the first packet, which may be a few milliseconds of audio that
            // no one hears, is at zero. A block can lie before its cluster, so there is no need. AVI has no
            // times to shift.
            muxer.pointee.avoid_negative_ts = 0
        }
        let options = OptionDictionary(
            container.timingOptions(
                videoTimeBase: encoder.timeBase, audioRates: audioRates, startSeconds: startSeconds,
                isLive: isLive))
        let ours = Set(options.entries.map(\.0))
        for (key, value) in leftover { options.set(key, value) }
        mark = Library.mark()
        code = avformat_write_header(muxer, &options.pointer)
        guard code >= 0 else {
            if pipe?.isReaderGone == true { throw .readerGone(path: path) }
            throw .containerRefuses(path: path, reason: Library.reason(code, since: mark))
        }
        if isLive { avio_flush(muxer.pointee.pb) }
        if let unknown = options.entries.first(where: { !ours.contains($0.0) }) {
            throw .unknownEncoderOption(key: unknown.0, encoder: encoder.name)
        }
    }

    /// Encodes a frame of `pixelFormat`, `width` and `height`, timed in `timeBase`. Frames come in order of time.
    public func write(_ frame: VideoFrame) throws(MediaError) {
        precondition(isOpen, "the writer was finished or abandoned")
        if container.isPicture, sequence == nil, writtenFrames > 0 { throw .onePictureOnly(path: path) }
        let (outWidth, outHeight) = orientation.swapsSides ? (height, width) : (width, height)
        if sequence != nil {
            try changeEncoder(for: frame)
        } else if frame.format != encoder.layout.format || frame.width != outWidth || frame.height != outHeight {
            throw .wrongFrame(
                expected: "\(outWidth)x\(outHeight) \(pixelFormat)",
                got: "\(frame.width)x\(frame.height) \(frame.pixelFormat)")
        }
        var time = frame.timestamp
        if let lastTimestamp, time <= lastTimestamp {
            // No container holds two frames of one time; the frame is kept and its time gives way by a tick.
            time = lastTimestamp + 1
            note("Some frames of the source carry the same time or go back in time; they were moved by a tick.")
        }
        lastTimestamp = time
        let ticket = try encoder.send(frame, at: time)
        if isLive, let arrival = frame.arrival {
            waiting[ticket] = DeliveredFrame(timestamp: frame.timestamp, arrival: arrival, written: 0)
        }
        writtenFrames += 1
        try takePackets()
    }

    /// Pictures of a folder need not be alike: another size or format takes another encoder.
    private func changeEncoder(for frame: VideoFrame) throws(MediaError) {
        let context = encoder.context.pointee
        guard
            frame.format != encoder.layout.format || frame.width != Int(context.width)
                || frame.height != Int(context.height)
        else { return }
        try encoder.finish()
        try takePackets()
        var settings = settings
        settings.pixelFormat = frame.pixelFormat
        encoder = try VideoEncoder(
            path: path, source: source, width: frame.width, height: frame.height, settings: settings,
            container: container, lowDelay: settings.lowDelay ?? isLive)
    }

    /// Copies a packet of one of the source's streams; those of dropped streams are passed over.
    public func write(_ packet: EncodedPacket) throws(MediaError) {
        precondition(isOpen, "the writer was finished or abandoned")
        guard let (stream, timeBase) = copied[packet.streamIndex] else { return }
        let made: UnsafeMutablePointer<AVPacket>?
        if let converter = subtitles[packet.streamIndex] {
            guard let words = converter.convert(packet.packet) else { return }
            made = words
        } else {
            made = av_packet_clone(packet.packet)
        }
        guard let copy = made else { fatalError("out of memory") }
        if stripped.contains(packet.streamIndex) { AudioConfiguration.strip(copy) }
        av_packet_rescale_ts(copy, timeBase, stream.pointee.time_base)
        if let delay = container.forgottenDelay(stream.pointee.codecpar.pointee) {
            let base = stream.pointee.time_base
            let ticks = av_rescale_q(Int64(delay.num), AVRational(num: 1, den: delay.den), base)
            if copy.pointee.pts != Library.noTimestamp { copy.pointee.pts += ticks }
            if copy.pointee.dts != Library.noTimestamp { copy.pointee.dts += ticks }
        }
        copy.pointee.stream_index = stream.pointee.index
        copy.pointee.pos = -1
        try mux(copy)
    }

    /// Empties the encoder, writes the trailer, closes the file and gives it the target's name. After an error nothing
    /// is left behind.
    public func finish() throws(MediaError) {
        guard writtenFrames > 0 else {
            abandon()
            throw .nothingWritten(path: path)
        }
        precondition(isOpen, "the writer was finished or abandoned")
        do throws(MediaError) {
            try encoder.finish()
            try takePackets()
            if let sequence {
                isOpen = false
                sequence.settle()
                return
            }
            let mark = Library.mark()
            let code = av_write_trailer(muxer)
            if pipe?.isReaderGone == true { throw MediaError.readerGone(path: path) }
            guard code >= 0 else { throw MediaError.writeFailed(path: path, reason: Library.reason(code, since: mark)) }
            if let io = muxer.pointee.pb, io.pointee.error < 0 {
                throw MediaError.writeFailed(path: path, reason: Library.describe(io.pointee.error))
            }
        } catch {
            abandon()
            throw error
        }
        let code = close()
        guard code >= 0 else {
            output?.discard()
            throw .writeFailed(path: path, reason: Library.describe(code))
        }
        try output?.settle()
    }

    /// For Ctrl-C: makes a playable file at the target of what was written so far. With not one frame written nothing
    /// is left behind, and the answer is false.
    @discardableResult
    public func finishInterrupted() throws(MediaError) -> Bool {
        guard writtenFrames > 0 else {
            abandon()
            return false
        }
        try finish()
        return true
    }

    /// Gives up: nothing half-written stays behind. Harmless to repeat, and after `finish`.
    public func abandon() {
        close()
        output?.discard()
        sequence?.discard()
    }

    @discardableResult
    private func close() -> Int32 {
        guard isOpen else { return 0 }
        isOpen = false
        guard pipe != nil else { return avio_closep(&muxer.pointee.pb) }
        muxer.pointee.pb = nil
        // Whoever reads learns now that this was all.
        pipe = nil
        return 0
    }

    private func note(_ text: String) {
        if !notes.contains(text) { notes.append(text) }
    }

    private func takePackets() throws(MediaError) {
        while let packet = try encoder.receive() {
            let ticket = packet.pointee.pts
            if let sequence {
                var pointer: UnsafeMutablePointer<AVPacket>? = packet
                defer { av_packet_free(&pointer) }
                let number = av_rescale_q(ticket, encoder.timeBase, timeBase.av)
                try sequence.write(packet, as: source.video.isPictureList ? Int(number) : nil)
                continue
            }
            av_packet_rescale_ts(packet, encoder.timeBase, videoStream.pointee.time_base)
            packet.pointee.stream_index = videoStream.pointee.index
            try mux(packet)
            guard isLive else { continue }
            try flush()
            if var frame = waiting.removeValue(forKey: ticket) {
                frame.written = monotonicSeconds()
                delivered.append(frame)
            }
        }
    }

    /// Ends what the container is gathering (a cluster, a fragment) and writes all that lies in buffers.
    private func flush() throws(MediaError) {
        let mark = Library.mark()
        if container.format.pointee.flags & AVFMT_ALLOW_FLUSH != 0 {
            let code = av_write_frame(muxer, nil)
            guard code >= 0 else { throw failure(code, since: mark) }
        }
        guard let io = muxer.pointee.pb else { return }
        avio_flush(io)
        guard io.pointee.error >= 0 else { throw failure(io.pointee.error, since: mark) }
    }

    private func failure(_ code: Int32, since mark: Int) -> MediaError {
        if pipe?.isReaderGone == true || (isLive && code == uf_error_pipe()) { return .readerGone(path: path) }
        return .writeFailed(path: path, reason: Library.reason(code, since: mark))
    }

    /// Hands a packet over to the interleaver, which owns it from then on. Towards a pipe there is none: packets leave
    /// in the order in which they come, which is the source's.
    private func mux(_ packet: UnsafeMutablePointer<AVPacket>) throws(MediaError) {
        if !hasWrittenPacket, packet.pointee.dts != Library.noTimestamp, packet.pointee.dts < 0,
            !container.keepsNegativeTimes, container.isTransportStream
        {
            note("\(path): this container holds no times below zero, so all streams start a little later.")
        }
        hasWrittenPacket = true
        let mark = Library.mark()
        let code = isLive ? av_write_frame(muxer, packet) : av_interleaved_write_frame(muxer, packet)
        var pointer: UnsafeMutablePointer<AVPacket>? = packet
        av_packet_free(&pointer)
        guard code >= 0 else { throw failure(code, since: mark) }
    }
}

/// A frame that has left, in seconds of the monotonic clock.
public struct DeliveredFrame: Sendable, Hashable {
    public var timestamp: Int64
    /// When the last byte of it was read.
    public var arrival: Double
    /// When the last byte of it was written.
    public var written: Double
    public var latency: Double { written - arrival }
}
