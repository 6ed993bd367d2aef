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
    private let muxer: Muxer
    private let clock: OutputClock
    private let videoStream: UnsafeMutablePointer<AVStream>
    /// Source index to output stream and the source's ticks.
    private var copied: [Int: (stream: UnsafeMutablePointer<AVStream>, timeBase: AVRational)] = [:]
    private var subtitles: [Int: SubtitleConverter] = [:]
    private var sounds: [Int: AudioConverter] = [:]
    /// By output stream, where the container knows no times.
    private var silences: [Int32: Silence] = [:]
    /// Output streams of sound for which no silence can be made and of which no packet was written yet.
    private var unfilled: Set<Int32> = []
    /// Ticks of the source by which those of them that begin late are heard early: AVI's muxer refuses a gap before the first
    /// packet.
    private var lateness: [Int32: Int64] = [:]
    /// Streams whose packets carry a configuration that the header has.
    private var stripped: Set<Int> = []
    /// Streams of which a packet that is to be heard was written, and the last hidden one of each other.
    private var begun: Set<Int> = []
    private var preroll: [Int: EncodedPacket] = [:]
    /// Frames inside the encoder, by their time there.
    private var waiting: [Int64: DeliveredFrame] = [:]
    private var delivered: [DeliveredFrame] = []
    private var isOpen = true
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

        let muxer = Muxer(path: path, source: source, container: container, output: output)
        self.muxer = muxer
        clock = OutputClock(source: source, container: container)
        videoStream = try OutputStreams.addVideo(
            to: muxer.context, encoder: encoder, source: source, container: container, path: path)
        var dropped: [StreamDescription] = []
        var audioRates: [Int32] = []
        for template in source.copiedTemplates {
            let isText = template.kind == .subtitle
            if container.holds(template) {
                if template.isAttachedPicture, container.isMatroska {
                    guard OutputStreams.attach(template, to: muxer.context) else {
                        dropped.append(template.description)
                        continue
                    }
                    continue
                }
                let stream = OutputStreams.addCopy(of: template, to: muxer.context, container: container)
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
                    of: template, to: muxer.context, container: container, parameters: converter.parameters)
                copied[template.index] = (stream, template.timeBase)
                subtitles[template.index] = converter
                let name = String(cString: avcodec_get_name(codec))
                self.notes.append("\(template.description.label) is written as \(name), as \(container.name) wants it.")
            } else if settings.convertsSound, let codec = AudioConverter.usualCodec(in: container),
                let converter = AudioConverter(template, to: codec, in: container)
            {
                let stream = OutputStreams.addCopy(
                    of: template, to: muxer.context, container: container, parameters: converter.parameters)
                stream.pointee.time_base = converter.timeBase
                copied[template.index] = (stream, template.timeBase)
                sounds[template.index] = converter
                audioRates.append(converter.parameters.pointee.sample_rate)
                let name = String(cString: avcodec_get_name(codec))
                self.notes.append(
                    "\(template.description.label) is converted to \(name), as \(container.name) wants it.")
            } else {
                dropped.append(template.description)
            }
        }
        droppedStreams = dropped
        if container.isRateBased {
            for (stream, _) in copied.values {
                guard let parameters = stream.pointee.codecpar, parameters.pointee.codec_type == AVMEDIA_TYPE_AUDIO
                else { continue }
                silences[stream.pointee.index] = Silence(parameters)
                if silences[stream.pointee.index] == nil { unfilled.insert(stream.pointee.index) }
            }
        }
        if container.name == "mov" {
            let kept = source.copiedStreams.filter { stream in !dropped.contains { $0.index == stream.index } }
            for language in Set(kept.compactMap(\.language)).sorted() where LanguageCode.quickTime(language) == nil {
                self.notes.append("\(path): mov has no code for the language \(language), which is left out.")
            }
        }
        let homeless = Tags.homeless(source, kept: Set(copied.keys), in: container)
        if !homeless.isEmpty {
            self.notes.append(
                "\(path): \(container.name) has no place for the tags \(homeless.joined(separator: ", ")); left out.")
        }
        if let left = output?.leftovers, !left.isEmpty {
            self.notes.append(
                "\(left.joined(separator: ", ")): half-written, left by a run that was killed; remove what you do not need."
            )
        }
        let canConvert =
            !settings.convertsSound && dropped.contains { $0.kind == .audio }
            && AudioConverter.usualCodec(in: container) != nil
        if !dropped.isEmpty {
            let kind = container.isPicture ? "a picture" : container.name
            self.notes.append(
                "\(path): \(kind) cannot hold \(dropped.map(\.label).joined(separator: ", ")); left out"
                    + (canConvert ? " (--convert-sound keeps the sound)." : "."))
        }
        OutputStreams.copyMetadata(source, to: muxer.context, clock: clock)
        guard sequence == nil else { return }
        do throws(MediaError) {
            if let output { try open(output, audioRates: audioRates) }
        } catch {
            abandon()
            throw error
        }
    }

    /// How frames have to be laid because the container cannot say it.
    private static func orientation(
        _ source: SourceDescription, _ container: Container, _ notes: inout [String]
    ) -> Orientation {
        // Each picture of a list lies in its own way.
        guard !container.isSequence || !source.video.isPictureList else { return .upright }
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
            let orientation = orientation
            return FrameFactory(orientation: { _ in orientation }, clamps: clamps) { (_) throws(MediaError) in fixed }
        }
        let (source, settings, container, path) = (source, settings, container, path)
        // Each picture lies as its own file says.
        let own: (VideoFrame) -> Orientation = { frame in
            frame.sideData(AV_FRAME_DATA_DISPLAYMATRIX).flatMap(Orientation.init(displayMatrix:)) ?? .upright
        }
        return FrameFactory(orientation: own, clamps: clamps) { (frame) throws(MediaError) in
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
    }

    private func open(_ output: OutputFile, audioRates: [Int32]) throws(MediaError) {
        let start = clock.shifted(source.startSeconds)
        let waiting = (0..<Int(muxer.context.pointee.nb_streams)).map { index in
            let stream = muxer.context.pointee.streams[index]!.pointee
            if index == Int(videoStream.pointee.index) {
                return MuxOrder<UnsafeMutablePointer<AVPacket>>.Waiting.always
            }
            let comesOnce =
                stream.disposition & AV_DISPOSITION_ATTACHED_PIC != 0
                || stream.codecpar.pointee.codec_type == AVMEDIA_TYPE_ATTACHMENT
            return comesOnce ? .never : .sparsely
        }
        try muxer.open(
            output, waiting: waiting,
            options: container.timingOptions(
                videoTimeBase: encoder.timeBase, audioRates: audioRates, startSeconds: start, isLive: isLive,
                hasListedKeys: Container.areListed(source.metadata), plays: source.plays),
            leftover: encoder.leftoverOptions, encoder: encoder.name,
            // As far as the first timestamps leave any room for the clock to run ahead.
            delay: min(0.7, max(0, start / 2)))
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
        time = clock.shifted(time, timeBase.av)
        muxer.advance(to: time, timeBase.av)
        let ticket = try encoder.send(frame, at: time) { () throws(MediaError) in try takePackets() }
        if isLive, let ticket, let arrival = frame.arrival {
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
        // What an edit list hides stays hidden: where the container has a way to say so, it goes along. Otherwise only the
        // packet before the first that is heard does, which decoders of sound need, and which is a few milliseconds.
        if !container.hidesSamples {
            if packet.isHidden {
                if !begun.contains(packet.streamIndex) { preroll[packet.streamIndex] = packet }
                return
            }
            begun.insert(packet.streamIndex)
            // A container that counts from its first packet would play it in place of the first that is heard.
            if let first = preroll.removeValue(forKey: packet.streamIndex), !container.isRateBased {
                try copy(first, to: stream, timeBase)
            }
        }
        try copy(packet, to: stream, timeBase)
    }

    private func copy(
        _ packet: EncodedPacket, to stream: UnsafeMutablePointer<AVStream>, _ timeBase: AVRational
    ) throws(MediaError) {
        if let converter = sounds[packet.streamIndex] {
            for made in converter.convert(packet.packet) { try put(made, to: stream, converter.timeBase) }
            return
        }
        let made: UnsafeMutablePointer<AVPacket>?
        if let converter = subtitles[packet.streamIndex] {
            guard let words = converter.convert(packet.packet) else { return }
            made = words
        } else {
            made = av_packet_clone(packet.packet)
        }
        guard let copy = made else { fatalError("out of memory") }
        if stripped.contains(packet.streamIndex) { AudioConfiguration.strip(copy) }
        try put(copy, to: stream, timeBase)
    }

    /// Moves a packet's times onto the target's clock and hands it over, behind the silence that it may need.
    private func put(
        _ copy: UnsafeMutablePointer<AVPacket>, to stream: UnsafeMutablePointer<AVStream>, _ timeBase: AVRational
    ) throws(MediaError) {
        let none = Library.noTimestamp
        let time = copy.pointee.dts != none ? copy.pointee.dts : copy.pointee.pts
        if time != none { muxer.advance(to: clock.shifted(time, timeBase), timeBase) }
        if copy.pointee.pts != none { copy.pointee.pts = clock.shifted(copy.pointee.pts, timeBase) }
        if copy.pointee.dts != none { copy.pointee.dts = clock.shifted(copy.pointee.dts, timeBase) }
        // What counts from the first packet would play that of an encoder's delay in place of the first sound.
        if container.isRateBased, copy.pointee.pts != none, copy.pointee.pts + copy.pointee.duration / 2 < 0 {
            var pointer: UnsafeMutablePointer<AVPacket>? = copy
            av_packet_free(&pointer)
            return
        }
        if let silence = silences[stream.pointee.index] {
            for quiet in silence.before(copy, in: timeBase) { try send(quiet, to: stream, timeBase) }
        } else if unfilled.remove(stream.pointee.index) != nil, copy.pointee.pts != none {
            let late = Double(copy.pointee.pts) * Rational(timeBase).value
            if late > 0.02 {
                lateness[stream.pointee.index] = copy.pointee.pts
                let shown = (late * 1000).rounded() / 1000
                note(
                    "\(path): \(container.name) cannot say that sound begins \(shown) s late, and this FFmpeg makes no "
                        + "silence for its codec; it is heard early (.mkv, .mov and .mp4 keep its time).")
            }
        }
        if let late = lateness[stream.pointee.index] {
            if copy.pointee.pts != none { copy.pointee.pts -= late }
            if copy.pointee.dts != none { copy.pointee.dts -= late }
        }
        try send(copy, to: stream, timeBase)
    }

    /// Brings a packet's times to the stream's ticks and hands it to the muxer.
    private func send(
        _ copy: UnsafeMutablePointer<AVPacket>, to stream: UnsafeMutablePointer<AVStream>, _ timeBase: AVRational
    ) throws(MediaError) {
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
        try complete()
        try output?.settle()
    }

    /// Everything but the target's name.
    private func complete() throws(MediaError) {
        precondition(isOpen, "the writer was finished or abandoned")
        do throws(MediaError) {
            for (index, converter) in sounds.sorted(by: { $0.key < $1.key }) {
                guard let (stream, _) = copied[index] else { continue }
                for made in converter.finish() { try put(made, to: stream, converter.timeBase) }
                if converter.damagedPackets > 0 {
                    note(
                        "\(source.path): \(converter.damagedPackets) packets of sound could not be decoded and are left out."
                    )
                }
            }
            try encoder.finish { () throws(MediaError) in try takePackets() }
            try takePackets()
            countPlaces()
            if let sequence {
                isOpen = false
                sequence.settle()
                return
            }
            muxer.setFinalDelay(Double(encoder.lastDuration) * Rational(encoder.timeBase).value)
            try muxer.finish()
        } catch {
            abandon()
            throw error
        }
        isOpen = false
        let code = muxer.close()
        guard code >= 0 else {
            output?.discard()
            throw .writeFailed(path: path, reason: Library.describe(code))
        }
    }

    /// For Ctrl-C: makes a playable file of what was written so far, at the target, or beside it where an older file is
    /// there. With not one frame written nothing is left behind.
    ///
    /// - Returns: the file's name; nil where there is none.
    @discardableResult
    public func finishInterrupted() throws(MediaError) -> String? {
        guard writtenFrames > 0 else {
            abandon()
            return nil
        }
        try complete()
        return try output?.settlePart() ?? path
    }

    /// Gives up: nothing half-written stays behind. Harmless to repeat, and after `finish`.
    public func abandon() {
        isOpen = false
        muxer.close()
        output?.discard()
        sequence?.discard()
    }

    /// Says what a constant frame rate made of the frames.
    private func countPlaces() {
        guard let grid = encoder.grid else { return }
        if grid.dropped > 0 {
            note("\(path): \(grid.dropped) frames have no place at \(encoder.placeName) and were left out.")
        }
        if grid.repeated > 0 {
            note("\(path): \(grid.repeated) places at \(encoder.placeName) show the frame before again.")
        }
    }

    /// A picture's packet is its file; what the source's file said beside its pixels goes into it.
    private func addTags(to packet: UnsafeMutablePointer<AVPacket>, from metadata: PictureMetadata?) {
        guard let metadata, !metadata.isEmpty, let data = packet.pointee.data else { return }
        let bytes = Array(UnsafeBufferPointer(start: data, count: Int(packet.pointee.size)))
        let context = encoder.context.pointee
        let (tagged, left) = PictureTags.add(
            metadata, to: bytes, width: Int(context.width), height: Int(context.height))
        if !left.isEmpty {
            note(
                "\(path): \(left.joined(separator: ", ")) of the source found no place and are left out; .jpg, .png and "
                    + ".webp have one.")
        }
        guard tagged.count != bytes.count || tagged != bytes else { return }
        let (pts, dts, duration, flags, index) = (
            packet.pointee.pts, packet.pointee.dts, packet.pointee.duration, packet.pointee.flags,
            packet.pointee.stream_index
        )
        av_packet_unref(packet)
        guard av_new_packet(packet, Int32(tagged.count)) >= 0 else { fatalError("out of memory") }
        packet.pointee.data.update(from: tagged, count: tagged.count)
        (packet.pointee.pts, packet.pointee.dts, packet.pointee.duration, packet.pointee.flags) = (
            pts, dts, duration, flags
        )
        packet.pointee.stream_index = index
    }

    /// libwebp's encoder takes the mean for the last frame's time and gives the whole animation as one packet.
    private func setFinalDelay(of packet: UnsafeMutablePointer<AVPacket>) {
        let milliseconds = Int((Double(encoder.lastDuration) * Rational(encoder.timeBase).value * 1000).rounded())
        guard milliseconds > 0, milliseconds < 1 << 24, let data = packet.pointee.data else { return }
        let bytes = Array(UnsafeBufferPointer(start: data, count: Int(packet.pointee.size)))
        guard let last = RIFFChunks(bytes).filter({ $0.name == "ANMF" }).last, last.body.count >= 16 else { return }
        // Behind the frame's place and size (RFC 9649).
        for (offset, byte) in Bytes.little(milliseconds, count: 3).enumerated() {
            data[last.body.lowerBound + 12 + offset] = byte
        }
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
                let number = Int(av_rescale_q(ticket, encoder.timeBase, timeBase.av))
                let file = source.pictureFiles.indices.contains(number) ? source.pictureFiles[number] : nil
                addTags(to: packet, from: file.flatMap { PictureMetadata(contentsOf: $0) })
                try sequence.write(packet, as: source.video.isPictureList ? number : nil)
                continue
            }
            av_packet_rescale_ts(packet, encoder.timeBase, videoStream.pointee.time_base)
            packet.pointee.stream_index = videoStream.pointee.index
            if container.name == "webp" { setFinalDelay(of: packet) }
            if container.isPicture { addTags(to: packet, from: source.picture) }
            try mux(packet)
            guard isLive else { continue }
            try muxer.flush()
            if var frame = waiting.removeValue(forKey: ticket) {
                frame.written = monotonicSeconds()
                delivered.append(frame)
            }
        }
    }

    private func mux(_ packet: UnsafeMutablePointer<AVPacket>) throws(MediaError) {
        if packet.pointee.dts != Library.noTimestamp, packet.pointee.dts < 0, !container.keepsNegativeTimes,
            container.isTransportStream
        {
            note("\(path): this container holds no times below zero, so all streams start a little later.")
        }
        try muxer.write(packet)
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
