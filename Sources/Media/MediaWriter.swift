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

    private let output: OutputFile
    private let container: Container
    private let encoder: VideoEncoder
    private let muxer: UnsafeMutablePointer<AVFormatContext>
    private let videoStream: UnsafeMutablePointer<AVStream>
    /// Source index to output stream and the source's ticks.
    private var copied: [Int: (stream: UnsafeMutablePointer<AVStream>, timeBase: AVRational)] = [:]
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
        timeBase = source.video.timeBase
        let output = try OutputFile(path: path, sourcePath: source.path, overwrite: overwrite)
        container = try Container(path: path, named: settings.container)
        encoder = try VideoEncoder(
            path: path, source: source, width: width, height: height, settings: settings, container: container)
        pixelFormat = encoder.layout.name
        color = encoder.color
        encoderName = encoder.name
        notes = encoder.notes
        self.output = output

        var made: UnsafeMutablePointer<AVFormatContext>?
        guard avformat_alloc_output_context2(&made, container.format, nil, output.url) >= 0, let muxer = made else {
            fatalError("out of memory")
        }
        self.muxer = muxer
        videoStream = try Self.addVideo(to: muxer, encoder: encoder, source: source, container: container, path: path)
        var dropped: [StreamDescription] = []
        var audioRates: [Int32] = []
        for template in source.copiedTemplates {
            guard container.holds(template) else {
                dropped.append(template.description)
                continue
            }
            let stream = Self.addCopy(of: template, to: muxer, container: container)
            copied[template.index] = (stream, template.timeBase)
            if template.kind == .audio { audioRates.append(template.parameters.pointee.sample_rate) }
        }
        droppedStreams = dropped
        Self.copyMetadata(source, to: muxer)
        do throws(MediaError) {
            try open(leftover: encoder.leftoverOptions, audioRates: audioRates, startSeconds: source.startSeconds)
        } catch {
            close()
            output.discard()
            throw error
        }
    }

    deinit {
        abandon()
        avformat_free_context(muxer)
    }

    private static func addVideo(
        to muxer: UnsafeMutablePointer<AVFormatContext>, encoder: VideoEncoder, source: SourceDescription,
        container: Container, path: String
    ) throws(MediaError) -> UnsafeMutablePointer<AVStream> {
        guard let stream = avformat_new_stream(muxer, nil) else { fatalError("out of memory") }
        let template = source.videoTemplate
        guard avcodec_parameters_from_context(stream.pointee.codecpar, encoder.context) >= 0 else {
            fatalError("out of memory")
        }
        stream.pointee.time_base = encoder.timeBase
        stream.pointee.avg_frame_rate = template.averageFrameRate
        stream.pointee.r_frame_rate = template.realFrameRate
        stream.pointee.sample_aspect_ratio = encoder.context.pointee.sample_aspect_ratio
        stream.pointee.disposition = template.disposition & ~AV_DISPOSITION_ATTACHED_PIC
        for (key, value) in template.metadata where key.lowercased() != "encoder" {
            av_dict_set(&stream.pointee.metadata, key, value, 0)
        }
        // What describes the picture as a whole goes along; what describes the old bitstream does not.
        let carried: Set<AVPacketSideDataType> = [
            AV_PKT_DATA_DISPLAYMATRIX, AV_PKT_DATA_MASTERING_DISPLAY_METADATA, AV_PKT_DATA_CONTENT_LIGHT_LEVEL,
            AV_PKT_DATA_STEREO3D, AV_PKT_DATA_SPHERICAL,
        ]
        for side in template.sideData where carried.contains(side.type) {
            _ = side.bytes.withUnsafeBufferPointer {
                uf_add_side_data(stream, side.type, $0.baseAddress, $0.count)
            }
        }
        return stream
    }

    private static func addCopy(
        of template: StreamTemplate, to muxer: UnsafeMutablePointer<AVFormatContext>, container: Container
    ) -> UnsafeMutablePointer<AVStream> {
        guard let stream = avformat_new_stream(muxer, nil),
            avcodec_parameters_copy(stream.pointee.codecpar, template.parameters) >= 0
        else { fatalError("out of memory") }
        stream.pointee.codecpar.pointee.codec_tag = container.tag(for: template.parameters.pointee)
        stream.pointee.time_base = template.timeBase
        stream.pointee.avg_frame_rate = template.averageFrameRate
        stream.pointee.disposition = template.disposition
        for (key, value) in template.metadata { av_dict_set(&stream.pointee.metadata, key, value, 0) }
        // Side data of the stream lie in its parameters since FFmpeg 6.1, and were copied with them.
        if uf_side_data_count(stream) == 0 {
            for side in template.sideData {
                _ = side.bytes.withUnsafeBufferPointer {
                    uf_add_side_data(stream, side.type, $0.baseAddress, $0.count)
                }
            }
        }
        return stream
    }

    private static func copyMetadata(_ source: SourceDescription, to muxer: UnsafeMutablePointer<AVFormatContext>) {
        // The brands and the creating program describe the old container.
        let own: Set<String> = ["major_brand", "minor_version", "compatible_brands", "encoder"]
        for (key, value) in source.metadata.sorted(by: { $0.key < $1.key }) where !own.contains(key.lowercased()) {
            av_dict_set(&muxer.pointee.metadata, key, value, 0)
        }
        guard !source.chapters.isEmpty else { return }
        let list = av_calloc(source.chapters.count, MemoryLayout<UnsafeMutablePointer<AVChapter>?>.stride)
        guard let list else { fatalError("out of memory") }
        let chapters = list.assumingMemoryBound(to: UnsafeMutablePointer<AVChapter>?.self)
        for (position, chapter) in source.chapters.enumerated() {
            guard let memory = av_mallocz(MemoryLayout<AVChapter>.size) else { fatalError("out of memory") }
            let entry = memory.assumingMemoryBound(to: AVChapter.self)
            entry.pointee.id = numericCast(chapter.id)
            entry.pointee.time_base = chapter.timeBase.av
            entry.pointee.start = chapter.start
            entry.pointee.end = chapter.end
            for (key, value) in chapter.metadata.sorted(by: { $0.key < $1.key }) {
                av_dict_set(&entry.pointee.metadata, key, value, 0)
            }
            chapters[position] = entry
        }
        muxer.pointee.chapters = chapters
        muxer.pointee.nb_chapters = UInt32(source.chapters.count)
    }

    private func open(leftover: [(String, String)], audioRates: [Int32], startSeconds: Double) throws(MediaError) {
        var mark = Library.mark()
        var code = avio_open2(&muxer.pointee.pb, output.url, AVIO_FLAG_WRITE, nil, nil)
        guard code >= 0 else {
            throw .folderNotWritable(
                path: path, folder: FileSystem.folder(of: path), reason: Library.reason(code, since: mark))
        }
        if container.isTransportStream {
            // Room for the clock to run ahead of the data, as far as the first timestamps leave any.
            muxer.pointee.max_delay = Int32(clamping: Int(min(0.7, max(0, startSeconds / 2)) * Double(AV_TIME_BASE)))
        }
        if container.isMatroska {
            // By default all streams are shifted until the first packet, which may be a few milliseconds of audio that
            // no one hears, is at zero. A block can lie before its cluster, so there is no need.
            muxer.pointee.avoid_negative_ts = 0
        }
        let options = OptionDictionary(
            container.timingOptions(
                videoTimeBase: encoder.timeBase, audioRates: audioRates, startSeconds: startSeconds))
        let ours = Set(options.entries.map(\.0))
        for (key, value) in leftover { options.set(key, value) }
        mark = Library.mark()
        code = avformat_write_header(muxer, &options.pointer)
        guard code >= 0 else {
            throw .containerRefuses(path: path, reason: Library.reason(code, since: mark))
        }
        if let unknown = options.entries.first(where: { !ours.contains($0.0) }) {
            throw .unknownEncoderOption(key: unknown.0, encoder: encoder.name)
        }
    }

    /// Encodes a frame of `pixelFormat`, `width` and `height`, timed in `timeBase`. Frames come in order of time.
    public func write(_ frame: VideoFrame) throws(MediaError) {
        precondition(isOpen, "the writer was finished or abandoned")
        if container.isPicture, writtenFrames > 0 { throw .onePictureOnly(path: path) }
        guard frame.format == encoder.layout.format, frame.width == width, frame.height == height else {
            throw .wrongFrame(
                expected: "\(width)x\(height) \(pixelFormat)",
                got: "\(frame.width)x\(frame.height) \(frame.pixelFormat)")
        }
        var time = frame.timestamp
        if let lastTimestamp, time <= lastTimestamp {
            // No container holds two frames of one time; the frame is kept and its time gives way by a tick.
            time = lastTimestamp + 1
            note("Some frames of the source carry the same time or go back in time; they were moved by a tick.")
        }
        lastTimestamp = time
        try encoder.send(frame, at: time)
        writtenFrames += 1
        try takePackets()
    }

    /// Copies a packet of one of the source's streams; those of dropped streams are passed over.
    public func write(_ packet: EncodedPacket) throws(MediaError) {
        precondition(isOpen, "the writer was finished or abandoned")
        guard let (stream, timeBase) = copied[packet.streamIndex] else { return }
        guard let copy = av_packet_clone(packet.packet) else { fatalError("out of memory") }
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
            let mark = Library.mark()
            let code = av_write_trailer(muxer)
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
            output.discard()
            throw .writeFailed(path: path, reason: Library.describe(code))
        }
        try output.settle()
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
        output.discard()
    }

    @discardableResult
    private func close() -> Int32 {
        guard isOpen else { return 0 }
        isOpen = false
        return avio_closep(&muxer.pointee.pb)
    }

    private func note(_ text: String) {
        if !notes.contains(text) { notes.append(text) }
    }

    private func takePackets() throws(MediaError) {
        while let packet = try encoder.receive() {
            av_packet_rescale_ts(packet, encoder.timeBase, videoStream.pointee.time_base)
            packet.pointee.stream_index = videoStream.pointee.index
            try mux(packet)
        }
    }

    /// Hands a packet over to the interleaver, which owns it from then on.
    private func mux(_ packet: UnsafeMutablePointer<AVPacket>) throws(MediaError) {
        if !hasWrittenPacket, packet.pointee.dts != Library.noTimestamp, packet.pointee.dts < 0,
            !container.keepsNegativeTimes, container.isTransportStream
        {
            note("\(path): this container holds no times below zero, so all streams start a little later.")
        }
        hasWrittenPacket = true
        let mark = Library.mark()
        let code = av_interleaved_write_frame(muxer, packet)
        var pointer: UnsafeMutablePointer<AVPacket>? = packet
        av_packet_free(&pointer)
        guard code >= 0 else { throw .writeFailed(path: path, reason: Library.reason(code, since: mark)) }
    }
}
