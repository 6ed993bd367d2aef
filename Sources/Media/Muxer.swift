internal import CFFmpeg
internal import Support

/// An AVFormatContext that is written to: streams' packets go in as they come, and leave in the order of their decoding
/// times (`MuxOrder`). Towards a pipe they leave at once, in the order in which they come, which is the source's.
///
/// Owns the context and every packet that it is given. Belongs to one thread at a time; blocks while bytes are written.
internal final class Muxer {
    let context: UnsafeMutablePointer<AVFormatContext>
    private let path: String
    private let sourcePath: String
    private let container: Container
    private let isLive: Bool
    private var pipe: PipeOutput?
    private var order: MuxOrder<UnsafeMutablePointer<AVPacket>>?
    private var isOpen = false
    /// By output stream: the last decoding time that was written, in the stream's ticks.
    private var lastTimes: [Int: Int64] = [:]
    private let toleratesDamage: Bool
    /// Copied packets that the muxer refused, and why the first was.
    private(set) var refused: (count: Int, reason: String)?

    init(
        path: String, source: SourceDescription, container: Container, output: OutputFile?
    ) {
        self.path = path
        self.container = container
        sourcePath = source.path
        toleratesDamage = source.toleratesDamage
        isLive = output?.isLive ?? false
        var made: UnsafeMutablePointer<AVFormatContext>?
        guard avformat_alloc_output_context2(&made, container.format, nil, output?.url.systemPath) >= 0, let made else {
            fatalError("out of memory")
        }
        context = made
    }

    deinit {
        close()
        avformat_free_context(context)
    }

    /// Opens the file and writes the header, once all streams are added.
    ///
    /// - Parameters:
    ///   - waiting: for each stream, whether others wait for its packets.
    ///   - options: the container's own; `leftover` ones are the user's.
    ///   - delay: seconds by which the clock of MPEG-TS may run ahead of the data.
    func open(
        _ output: OutputFile, waiting: [MuxOrder<UnsafeMutablePointer<AVPacket>>.Waiting], options: [(String, String)],
        leftover: [(String, String)], encoder: String, delay: Double
    ) throws(MediaError) {
        var mark = Library.mark()
        var code: Int32 = 0
        isOpen = true
        if output.isPipe {
            let pipe = try PipeOutput(path: path)
            self.pipe = pipe
            context.pointee.pb = pipe.context
            context.pointee.flags |= AVFMT_FLAG_CUSTOM_IO
        } else {
            code = avio_open2(&context.pointee.pb, output.url.systemPath, AVIO_FLAG_WRITE, nil, nil)
        }
        guard code >= 0 else {
            if isLive { throw .writeFailed(path: path, reason: Library.reason(code, since: mark)) }
            throw .folderNotWritable(
                path: path, folder: FileSystem.folder(of: path), reason: Library.reason(code, since: mark))
        }
        output.claim()
        if isLive {
            context.pointee.flags |= AVFMT_FLAG_FLUSH_PACKETS
        } else if !container.ordersPackets {
            order = MuxOrder(streams: waiting)
        }
        // Deep y4m is an extension, though everybody reads it.
        if container.isY4M { context.pointee.strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL }
        if container.isTransportStream { context.pointee.max_delay = Int32(delay * Double(AV_TIME_BASE)) }
        if container.isMatroska || container.name == "avi" {
            // By default all streams are shifted until the first packet, which may be a few milliseconds of audio that
            // no one hears, is at zero. A block can lie before its cluster, so there is no need. AVI has no
            // times to shift.
            context.pointee.avoid_negative_ts = 0
        }
        let options = OptionDictionary(options)
        let ours = Set(options.entries.map(\.0))
        for (key, value) in leftover { options.set(key, value) }
        mark = Library.mark()
        code = avformat_write_header(context, &options.pointer)
        guard code >= 0 else {
            if pipe?.isReaderGone == true { throw .readerGone(path: path) }
            throw .containerRefuses(path: path, reason: Library.reason(code, since: mark))
        }
        if isLive { avio_flush(context.pointee.pb) }
        if let unknown = options.entries.first(where: { !ours.contains($0.0) }) {
            throw .unknownEncoderOption(key: unknown.0, encoder: encoder)
        }
    }

    private static let microsecond = AVRational(num: 1, den: AV_TIME_BASE)

    /// The source was read up to a time; what has waited for packets before it need not wait any longer.
    func advance(to ticks: Int64, _ base: AVRational) {
        order?.advance(to: av_rescale_q(ticks, base, Self.microsecond))
    }

    /// Takes a packet, timed in its stream's ticks, and writes what may be written.
    func write(_ packet: UnsafeMutablePointer<AVPacket>) throws(MediaError) {
        guard order != nil else { return try put(packet) }
        let p = packet.pointee
        let time = p.dts != Library.noTimestamp ? p.dts : p.pts
        let base = context.pointee.streams[Int(p.stream_index)]!.pointee.time_base
        order!.add(
            packet, stream: Int(p.stream_index),
            time: time == Library.noTimestamp ? nil : av_rescale_q(time, base, Self.microsecond), bytes: Int(p.size))
        while let next = order!.next() { try put(next) }
    }

    /// Frees the packet. A copied packet that the muxer refuses is damage of the source.
    private func put(_ packet: UnsafeMutablePointer<AVPacket>) throws(MediaError) {
        let index = Int(packet.pointee.stream_index)
        let isCopied = index != 0
        let none = Library.noTimestamp
        if packet.pointee.dts != none {
            // Muxers want times that rise; a stream that steps back is straightened, as ffmpeg does it. Frames a tick of the
            // source apart may fall on one tick of the target.
            let least = lastTimes[index].map {
                container.format.pointee.flags & AVFMT_TS_NONSTRICT != 0 ? $0 : $0 + 1
            }
            if let least, packet.pointee.dts < least {
                if packet.pointee.pts != none { packet.pointee.pts = max(packet.pointee.pts, least) }
                packet.pointee.dts = least
            }
            lastTimes[index] = packet.pointee.dts
        }
        let seconds = Self.seconds(of: packet, context)
        let mark = Library.mark()
        let code =
            container.ordersPackets && !isLive
            ? av_interleaved_write_frame(context, packet) : av_write_frame(context, packet)
        var pointer: UnsafeMutablePointer<AVPacket>? = packet
        av_packet_free(&pointer)
        guard code < 0 else { return }
        // What the disk or the pipe refuses shows in the stream of bytes.
        let isWriting = context.pointee.pb.map { $0.pointee.error < 0 } ?? false
        guard isCopied, !isWriting, pipe?.isReaderGone != true, code != uf_error_no_memory() else {
            throw failure(code, since: mark)
        }
        let reason = Library.reason(code, since: mark)
        guard toleratesDamage else {
            throw .corruptStream(path: sourcePath, stream: index, seconds: seconds, reason: reason)
        }
        refused = (1 + (refused?.count ?? 0), refused?.reason ?? reason)
    }

    private static func seconds(
        of packet: UnsafeMutablePointer<AVPacket>, _ context: UnsafeMutablePointer<AVFormatContext>
    ) -> Double? {
        guard packet.pointee.pts != Library.noTimestamp else { return nil }
        let stream = context.pointee.streams[Int(packet.pointee.stream_index)]
        return stream.map { Double(packet.pointee.pts) * Rational($0.pointee.time_base).value }
    }

    /// Ends what the container is gathering (a cluster, a fragment) and writes all that lies in buffers.
    func flush() throws(MediaError) {
        let mark = Library.mark()
        if container.format.pointee.flags & AVFMT_ALLOW_FLUSH != 0 {
            let code = av_write_frame(context, nil)
            guard code >= 0 else { throw failure(code, since: mark) }
        }
        guard let io = context.pointee.pb else { return }
        avio_flush(io)
        guard io.pointee.error >= 0 else { throw failure(io.pointee.error, since: mark) }
    }

    /// Says how long the last frame of an animation is shown, which muxers of GIF and APNG guess otherwise.
    ///
    /// - Parameter delay: seconds.
    func setFinalDelay(_ delay: Double) {
        let hundredths = Int64((delay * 100).rounded())
        guard hundredths > 0, hundredths < 65536, let settings = context.pointee.priv_data else { return }
        switch container.name {
        // Viewers take less for 1/10 s.
        case "gif": av_opt_set_int(settings, "final_delay", max(2, hundredths), 0)
        case "apng": av_opt_set(settings, "final_delay", "\(hundredths)/100", 0)
        default: break
        }
    }

    /// Writes what waits, and the trailer.
    func finish() throws(MediaError) {
        order?.endAll()
        while let next = order?.next() { try put(next) }
        let mark = Library.mark()
        let code = av_write_trailer(context)
        if pipe?.isReaderGone == true { throw .readerGone(path: path) }
        guard code >= 0 else { throw .writeFailed(path: path, reason: Library.reason(code, since: mark)) }
        if let io = context.pointee.pb, io.pointee.error < 0 {
            throw .writeFailed(path: path, reason: Library.describe(io.pointee.error))
        }
    }

    /// Closes the file; harmless to repeat. A negative code where the last bytes could not be written.
    @discardableResult
    func close() -> Int32 {
        guard isOpen else { return 0 }
        isOpen = false
        order?.endAll()
        while let packet = order?.next() {
            var pointer: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&pointer)
        }
        guard pipe != nil else { return avio_closep(&context.pointee.pb) }
        context.pointee.pb = nil
        // Whoever reads learns now that this was all.
        pipe = nil
        return 0
    }

    private func failure(_ code: Int32, since mark: Int) -> MediaError {
        if pipe?.isReaderGone == true || (isLive && code == uf_error_pipe()) { return .readerGone(path: path) }
        return .writeFailed(path: path, reason: Library.reason(code, since: mark))
    }
}
