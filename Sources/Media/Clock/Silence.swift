internal import CFFmpeg

/// Gaps in a stream of sound, counted in the units (packets, or samples of PCM) of silence that fill them. A pure value.
///
/// A gap is measured from the end of the packet before, not by adding up durations, which containers round: what is rounded
/// would add up to gaps that are not there.
internal struct SoundGaps {
    /// Seconds of one unit of silence.
    let unit: Double
    /// Shorter gaps are rounding.
    private static let least = 0.01
    /// Seconds of the target's clock at which the packet before ends.
    private var end = 0.0
    /// Seconds that whole units did not fill, of all gaps so far.
    private var rest = 0.0

    init(unit: Double) { self.unit = unit }

    /// Units of silence that are to go before the next packet.
    ///
    /// - Parameters:
    ///   - start: when the packet is heard, in seconds of the target's clock.
    ///   - duration: of the packet, in seconds.
    mutating func units(before start: Double, duration: Double) -> Int {
        let gap = start - end
        end = start + duration
        guard abs(gap) > Self.least else { return 0 }
        rest += gap
        let count = max(0, Int((rest / unit).rounded()))
        rest -= Double(count) * unit
        return count
    }
}

/// Packets of silence for a stream of sound in a container that counts packets and knows no times (AVI, MXF): without them,
/// sound that begins late or pauses would be heard early.
///
/// Belongs to one thread at a time.
internal final class Silence {
    private var gaps: SoundGaps
    /// One unit: a packet of the stream's codec, or a sample of PCM.
    private let unit: UnsafeMutablePointer<AVPacket>
    private let rate: Int32
    private let unitSamples: Int
    /// True for PCM, of which a packet holds any number of units.
    private let isPCM: Bool
    /// Samples of PCM in a packet of silence.
    private static let packetSamples = 1024

    /// Nil where this FFmpeg cannot make packets that the stream's decoder takes.
    init?(_ parameters: UnsafeMutablePointer<AVCodecParameters>) {
        let p = parameters.pointee
        guard p.sample_rate > 0, uf_channel_count(parameters) > 0 else { return nil }
        rate = p.sample_rate
        if let zero = Self.zero(p.codec_id) {
            // Matroska says nothing of a block.
            let bytes = uf_channel_count(parameters) * av_get_exact_bits_per_sample(p.codec_id) / 8
            guard let packet = av_packet_alloc(), av_new_packet(packet, bytes) >= 0 else { fatalError("out of memory") }
            packet.pointee.data.update(repeating: zero, count: Int(bytes))
            (unit, unitSamples, isPCM) = (packet, 1, true)
        } else {
            guard let (packet, samples) = Self.encoded(parameters) else { return nil }
            (unit, unitSamples, isPCM) = (packet, samples, false)
        }
        gaps = SoundGaps(unit: Double(unitSamples) / Double(rate))
    }

    /// The byte of which silence consists in a PCM codec; nil for any other codec, and for PCM with a head in each packet.
    static func zero(_ codec: AVCodecID) -> UInt8? {
        guard String(cString: avcodec_get_name(codec)).hasPrefix("pcm_"), av_get_exact_bits_per_sample(codec) % 8 == 0,
            av_get_exact_bits_per_sample(codec) > 0
        else { return nil }
        switch codec {
        case AV_CODEC_ID_PCM_U8: return 0x80
        case AV_CODEC_ID_PCM_ALAW: return 0xD5
        case AV_CODEC_ID_PCM_MULAW: return 0xFF
        default: return 0
        }
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVPacket>? = unit
        av_packet_free(&pointer)
    }

    /// A packet of silence from the codec's encoder, which is not its first: that one may hold the encoder's delay.
    private static func encoded(
        _ parameters: UnsafeMutablePointer<AVCodecParameters>
    ) -> (UnsafeMutablePointer<AVPacket>, samples: Int)? {
        let p = parameters.pointee
        guard let codec = avcodec_find_encoder(p.codec_id), codec.pointee.type == AVMEDIA_TYPE_AUDIO,
            codec.pointee.capabilities & AV_CODEC_CAP_EXPERIMENTAL == 0, let context = avcodec_alloc_context3(codec),
            let frame = av_frame_alloc()
        else { return nil }
        defer {
            var (context, frame): (UnsafeMutablePointer<AVCodecContext>?, UnsafeMutablePointer<AVFrame>?) =
                (context, frame)
            avcodec_free_context(&context)
            av_frame_free(&frame)
        }
        context.pointee.sample_rate = p.sample_rate
        context.pointee.sample_fmt = codec.pointee.sample_fmts?.pointee ?? AV_SAMPLE_FMT_S16
        context.pointee.time_base = AVRational(num: 1, den: p.sample_rate)
        uf_set_default_layout(context, uf_channel_count(parameters))
        if p.bit_rate > 0 { context.pointee.bit_rate = p.bit_rate }
        if p.extradata_size > 0 { context.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER }
        guard avcodec_open2(context, codec, nil) >= 0, context.pointee.frame_size > 0 else { return nil }
        // Another setup would make packets of another language.
        if p.extradata_size > 0 {
            let count = Int(min(p.extradata_size, 2))
            guard context.pointee.extradata_size >= count,
                (0..<count).allSatisfy({ context.pointee.extradata[$0] == p.extradata[$0] })
            else { return nil }
        }
        let samples = context.pointee.frame_size
        frame.pointee.nb_samples = samples
        frame.pointee.format = context.pointee.sample_fmt.rawValue
        frame.pointee.sample_rate = p.sample_rate
        uf_copy_layout(frame, context)
        guard av_frame_get_buffer(frame, 0) >= 0 else { return nil }
        av_samples_set_silence(
            frame.pointee.extended_data, 0, samples, uf_channel_count(parameters), context.pointee.sample_fmt)
        var made: [UnsafeMutablePointer<AVPacket>] = []
        for number in 0..<8 {
            frame.pointee.pts = Int64(number) * Int64(samples)
            avcodec_send_frame(context, frame)
            while let packet = av_packet_alloc() {
                if avcodec_receive_packet(context, packet) >= 0 {
                    made.append(packet)
                    continue
                }
                var pointer: UnsafeMutablePointer<AVPacket>? = packet
                av_packet_free(&pointer)
                break
            }
        }
        let chosen = made.count > 3 ? made.remove(at: 3) : nil
        for packet in made {
            var pointer: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&pointer)
        }
        return chosen.map { ($0, Int(samples)) }
    }

    /// The silence that goes before a packet; the caller owns it. Times are in `base`.
    ///
    /// - Parameter packet: timed on the target's clock.
    func before(
        _ packet: UnsafeMutablePointer<AVPacket>, in base: AVRational
    ) -> [UnsafeMutablePointer<AVPacket>] {
        guard packet.pointee.pts != Library.noTimestamp else { return [] }
        let tick = Rational(base).value
        let start = Double(packet.pointee.pts) * tick
        var left = gaps.units(before: start, duration: Double(packet.pointee.duration) * tick)
        var samples = -Double(left * unitSamples)
        var packets: [UnsafeMutablePointer<AVPacket>] = []
        while left > 0 {
            let count = isPCM ? min(left, Self.packetSamples) : 1
            guard let made = isPCM ? repeated(count) : av_packet_clone(unit) else { fatalError("out of memory") }
            let time = packet.pointee.pts + Int64((samples / Double(rate) / tick).rounded())
            (made.pointee.pts, made.pointee.dts) = (time, time)
            made.pointee.duration = Int64((Double(count * unitSamples) / Double(rate) / tick).rounded())
            made.pointee.flags = AV_PKT_FLAG_KEY
            packets.append(made)
            samples += Double(count * unitSamples)
            left -= count
        }
        return packets
    }

    private func repeated(_ count: Int) -> UnsafeMutablePointer<AVPacket>? {
        let size = Int(unit.pointee.size)
        guard let packet = av_packet_alloc(), av_new_packet(packet, Int32(size * count)) >= 0 else { return nil }
        for index in 0..<count { (packet.pointee.data + index * size).update(from: unit.pointee.data, count: size) }
        return packet
    }
}
