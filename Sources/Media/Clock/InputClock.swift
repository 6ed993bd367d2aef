internal import CFFmpeg

/// The times of one packet, in ticks of its stream; nil where the container gives none.
internal struct PacketTimes: Equatable {
    var pts: Int64?
    var dts: Int64?
    /// 0 where not known.
    var duration: Int64 = 0
}

/// One line of time for all streams of a file: the demuxer's timestamps go in, in the file's order, and timestamps that
/// only go forward come out.
///
/// - A counter of few bits (33 in MPEG-TS, 95443.7 s) that starts again from zero is continued.
/// - Where the format allows its clock to jump (AVFMT_TS_DISCONT: MPEG-TS and -PS, Ogg), a jump begins a new *epoch*: its
///   times are moved, all streams by the same amount, so that they follow what came before. A jump is a step of a stream
///   backwards, or a distance of more than ten seconds to everything that came before, as ffmpeg takes it. Streams
///   cross a jump one after the other, and each packet is counted to the epoch that it fits, so that sound and picture
///   keep their distance on both sides of it.
/// - Times that no file of this universe has (beyond 2^60 ticks) count as missing.
///
/// A pure value: it knows packets' times and nothing else. A stream keeps its time base; a correction is rounded once a
/// stream and epoch.
internal struct InputClock {
    /// A place where the clock jumped.
    struct Jump: Equatable {
        /// On the corrected line.
        var seconds: Double
        /// By how much the file's own clock jumped; negative where it went back.
        var distance: Double
    }

    private struct Stream {
        var base: AVRational
        var wrapBits: Int32
        /// The last decoding time, continued beyond wraps and not yet moved; nil before the first.
        var last: Int64?
        var epoch = 0
    }

    private struct Epoch {
        /// What is added, in ticks of `base`.
        var offset: Int64
        var base: AVRational
        /// The largest decoding time of any stream, not moved, in microseconds.
        var front: Int64
    }

    private var streams: [Int: Stream] = [:]
    private var epochs: [Epoch] = []
    private let followsJumps: Bool
    /// The time near which the first packets lie, in microseconds: the last packet of any stream, and at first the
    /// beginning of the file.
    private var reference: Int64?
    /// Where the latest of all streams ends, moved, in microseconds.
    private var end: Int64 = .min
    /// The latest jump; for a note.
    private(set) var jumps: [Jump] = []

    private static let microsecond = AVRational(num: 1, den: AV_TIME_BASE)
    private static let limit: UInt64 = 1 << 60
    /// Microseconds by which a packet may lie away from everything before it.
    private static let reach: Int64 = 10_000_000
    /// Microseconds by which a stream may step back: muxers guess decoding times here and there.
    private static let slack: Int64 = 100_000
    private static let jumpsKept = 64

    /// - Parameters:
    ///   - followsJumps: whether the format allows its clock to jump.
    ///   - start: where the file begins, in microseconds; nil where not known.
    init(followsJumps: Bool, start: Int64? = nil) {
        self.followsJumps = followsJumps
        reference = start
    }

    /// The one of all values equal to `value` modulo 2^bits that lies nearest to `reference`.
    static func continued(_ value: Int64, near reference: Int64, bits: Int32) -> Int64 {
        guard bits > 0, bits < 60 else { return value }
        let period = Int64(1) << Int64(bits)
        var distance = (value - reference) % period
        if distance > period / 2 { distance -= period }
        if distance < -period / 2 { distance += period }
        return reference + distance
    }

    /// Corrects a packet's times.
    ///
    /// - Parameters:
    ///   - base: seconds of a tick of the stream.
    ///   - wrapBits: of the container's counter; 64 where it does not wrap.
    mutating func correct(_ times: inout PacketTimes, stream index: Int, base: AVRational, wrapBits: Int32) {
        times.pts = times.pts.flatMap { $0.magnitude < Self.limit ? $0 : nil }
        times.dts = times.dts.flatMap { $0.magnitude < Self.limit ? $0 : nil }
        if times.duration < 0 || times.duration.magnitude >= Self.limit { times.duration = 0 }
        guard base.num > 0, base.den > 0, times.pts != nil || times.dts != nil else { return }
        var stream = streams[index] ?? Stream(base: base, wrapBits: wrapBits)
        defer { streams[index] = stream }
        let near = stream.last ?? reference.flatMap { Self.rescaled($0, Self.microsecond, base) }
        if let near {
            times.dts = times.dts.map { Self.continued($0, near: near, bits: wrapBits) }
            times.pts = times.pts.map { Self.continued($0, near: times.dts ?? near, bits: wrapBits) }
        }
        guard let time = times.dts ?? times.pts, let raw = Self.rescaled(time, base, Self.microsecond) else { return }
        let isFirst = stream.last == nil
        if followsJumps {
            stream.epoch = epoch(of: raw, stream: stream, isFirst: isFirst)
            if times.dts != nil || isFirst { stream.last = time }
            let offset = self.offset(of: stream.epoch, base)
            times.pts = times.pts.map { $0 + offset }
            times.dts = times.dts.map { $0 + offset }
        } else {
            stream.last = time
        }
        reference = raw
        if let moved = Self.rescaled((times.dts ?? times.pts ?? time) + times.duration, base, Self.microsecond) {
            end = max(end, moved)
        }
    }

    /// The epoch to which a packet belongs; a new one where it fits none.
    private mutating func epoch(of raw: Int64, stream: Stream, isFirst: Bool) -> Int {
        guard !epochs.isEmpty else {
            epochs.append(Epoch(offset: 0, base: stream.base, front: raw))
            return 0
        }
        let newest = epochs.count - 1
        for candidate in isFirst || stream.epoch == newest ? [newest] : [stream.epoch, newest] {
            let isOwn = candidate == stream.epoch && !isFirst
            let last = isOwn ? stream.last.flatMap { Self.rescaled($0, stream.base, Self.microsecond) } : nil
            if let last, raw < last - Self.slack { continue }
            if abs(raw - epochs[candidate].front) > Self.reach { continue }
            epochs[candidate].front = max(epochs[candidate].front, raw)
            return candidate
        }
        let previous = epochs[newest]
        // Rounded once, in the ticks of the stream that crosses first.
        let ticks =
            (Self.rescaled(end, Self.microsecond, stream.base) ?? 0)
            - (Self.rescaled(raw, Self.microsecond, stream.base) ?? 0)
        epochs.append(Epoch(offset: ticks, base: stream.base, front: raw))
        if jumps.count < Self.jumpsKept {
            jumps.append(
                Jump(seconds: Double(end) * 1e-6, distance: Double(raw - previous.front) * 1e-6))
        }
        return epochs.count - 1
    }

    private func offset(of epoch: Int, _ base: AVRational) -> Int64 {
        epochs[epoch].offset == 0 ? 0 : Self.rescaled(epochs[epoch].offset, epochs[epoch].base, base) ?? 0
    }

    /// nil beyond 2^60.
    private static func rescaled(_ ticks: Int64, _ from: AVRational, _ to: AVRational) -> Int64? {
        let result = av_rescale_q(ticks, from, to)
        return result.magnitude < limit ? result : nil
    }
}

extension InputFile {
    /// Reads the next packet, with times on the file's one clock. Answers as av_read_frame does.
    func read(_ packet: UnsafeMutablePointer<AVPacket>) -> Int32 {
        let code = av_read_frame(context, packet)
        guard code >= 0 else { return code }
        let none = Library.noTimestamp
        let stream = stream(Int(packet.pointee.stream_index)).pointee
        var times = PacketTimes(
            pts: packet.pointee.pts == none ? nil : packet.pointee.pts,
            dts: packet.pointee.dts == none ? nil : packet.pointee.dts, duration: packet.pointee.duration)
        clock.correct(
            &times, stream: Int(packet.pointee.stream_index), base: stream.time_base, wrapBits: stream.pts_wrap_bits)
        packet.pointee.pts = times.pts ?? none
        packet.pointee.dts = times.dts ?? none
        packet.pointee.duration = times.duration
        return code
    }

    /// Begins the clock where the file does; after it was opened, and after each seek.
    func startClock() {
        clock = InputClock(
            followsJumps: hasJumpingClock, start: context.pointee.start_time == Library.noTimestamp ? nil : startTime)
    }

    /// Whether the format's clock may jump.
    var hasJumpingClock: Bool { (context.pointee.iformat?.pointee.flags ?? 0) & AVFMT_TS_DISCONT != 0 }

    /// Microseconds at which the earliest stream begins, on the file's one clock; nil where no stream says. Streams whose
    /// counter has wrapped before the first packet are continued from those whose has not.
    var startOfStreams: Int64? {
        let none = Library.noTimestamp
        let starts = (0..<streamCount).compactMap { index -> (ticks: Int64, base: AVRational, bits: Int32)? in
            let stream = stream(index).pointee
            guard stream.start_time != none, stream.start_time.magnitude < 1 << 60, stream.time_base.den > 0,
                stream.disposition & AV_DISPOSITION_ATTACHED_PIC == 0
            else { return nil }
            return (stream.start_time, stream.time_base, stream.pts_wrap_bits)
        }
        let microsecond = AVRational(num: 1, den: AV_TIME_BASE)
        guard let latest = starts.map({ av_rescale_q($0.ticks, $0.base, microsecond) }).max() else { return nil }
        return starts.map { start in
            let near = av_rescale_q(latest, microsecond, start.base)
            return av_rescale_q(
                InputClock.continued(start.ticks, near: near, bits: start.bits), start.base, microsecond)
        }.min()
    }
}
