internal import CFFmpeg

/// What `--start` and `--duration` keep. A frame or packet is kept when its time lies in [start, start + duration);
/// its time is then lowered by start, in each stream's own ticks.
internal struct Trim {
    /// Microseconds on the file's own clock.
    let startMicroseconds: Int64
    private let endMicroseconds: Int64?
    private let shiftMicroseconds: Int64
    private let durationMicroseconds: Int64?
    private(set) var isVideoDone = false
    /// Copied streams of which nothing beyond the end was seen yet.
    private var unfinished: Set<Int>
    private var isPastEnd = false

    private static let microsecond = AVRational(num: 1, den: AV_TIME_BASE)

    init(start: Double?, duration: Double?, origin: Int64, copied: Set<Int>) {
        shiftMicroseconds = Int64(((start ?? 0) * 1e6).rounded())
        durationMicroseconds = duration.map { Int64(($0 * 1e6).rounded()) }
        startMicroseconds = origin + shiftMicroseconds
        endMicroseconds = durationMicroseconds.map { [startMicroseconds] in startMicroseconds + $0 }
        unfinished = copied
    }

    private var isWhole: Bool { shiftMicroseconds == 0 && endMicroseconds == nil }

    /// Nothing that is still to come can be wanted.
    var isDone: Bool { isVideoDone && (unfinished.isEmpty || isPastEnd) }

    func shift(_ timeBase: Rational) -> Int64 {
        shiftMicroseconds == 0 ? 0 : av_rescale_q(shiftMicroseconds, Self.microsecond, timeBase.av)
    }

    /// Frames come in order of time, so the first one beyond the end is the last that matters.
    mutating func acceptsFrame(at time: Int64, timeBase: Rational) -> Bool {
        if let endMicroseconds, av_compare_ts(time, timeBase.av, endMicroseconds, Self.microsecond) >= 0 {
            isVideoDone = true
            return false
        }
        return shiftMicroseconds == 0 || av_compare_ts(time, timeBase.av, startMicroseconds, Self.microsecond) >= 0
    }

    /// Whether to keep a copied packet; one that is kept gets its times lowered.
    mutating func accepts(_ packet: UnsafeMutablePointer<AVPacket>, timeBase: AVRational) -> Bool {
        guard !isWhole else { return true }
        let none = Library.noTimestamp
        let time = packet.pointee.pts != none ? packet.pointee.pts : packet.pointee.dts
        guard time != none else { return true }
        if let endMicroseconds, av_compare_ts(time, timeBase, endMicroseconds, Self.microsecond) >= 0 {
            unfinished.remove(Int(packet.pointee.stream_index))
            notice(packet, timeBase: timeBase)
            return false
        }
        if shiftMicroseconds > 0, av_compare_ts(time, timeBase, startMicroseconds, Self.microsecond) < 0 {
            return false
        }
        let ticks = shift(Rational(timeBase))
        if packet.pointee.pts != none { packet.pointee.pts -= ticks }
        if packet.pointee.dts != none { packet.pointee.dts -= ticks }
        return true
    }

    /// Subtitles and data may never come again, so a packet of any stream that lies well beyond the end ends the
    /// reading; two seconds are more than containers interleave by.
    mutating func notice(_ packet: UnsafeMutablePointer<AVPacket>, timeBase: AVRational) {
        guard let endMicroseconds, packet.pointee.dts != Library.noTimestamp else { return }
        if av_compare_ts(packet.pointee.dts, timeBase, endMicroseconds + 2_000_000, Self.microsecond) >= 0 {
            isPastEnd = true
        }
    }

    func apply(to video: VideoDescription) -> VideoDescription {
        guard !isWhole, !video.isStillPicture, let whole = video.durationSeconds else { return video }
        var result = video
        var seconds = max(0, whole - Double(shiftMicroseconds) / 1e6)
        if let durationMicroseconds { seconds = min(seconds, Double(durationMicroseconds) / 1e6) }
        result.durationSeconds = seconds
        result.frameCountEstimate = video.frameCountEstimate.map {
            whole > 0 ? Int((Double($0) * seconds / whole).rounded()) : $0
        }
        return result
    }

    func apply(to chapters: [Chapter]) -> [Chapter] {
        guard !isWhole else { return chapters }
        return chapters.compactMap { chapter in
            let ticks = shift(chapter.timeBase)
            var kept = chapter
            kept.start = max(0, chapter.start - ticks)
            kept.end = chapter.end - ticks
            if let durationMicroseconds {
                kept.end = min(kept.end, av_rescale_q(durationMicroseconds, Self.microsecond, chapter.timeBase.av))
            }
            return kept.end > kept.start ? kept : nil
        }
    }
}
