internal import CFFmpeg

/// The places of a constant frame rate, for containers and encoders that know no times: every frame is seen at its time, to
/// half a place, however irregular the source.
///
/// A frame that comes before the place of its predecessor is over is dropped; one that comes later leaves places that are
/// filled with its predecessor, where the target knows no gaps. Places come from times alone, so nothing adds up.
internal struct RateGrid {
    /// Places a second.
    let rate: Rational
    /// Places that a frame takes at least. GIF counts in 1/100 s, and viewers take 1/100 s for 1/10 s.
    let step: Int64
    /// Whether places at which no frame is due show the frame before; otherwise the target has a way to say that.
    let fills: Bool
    private(set) var dropped = 0
    private(set) var repeated = 0
    private var next: Int64?

    /// Places that are filled at most at once: a day at 100 a second. A clock that jumps further is broken.
    private static let mostFilled: Int64 = 8_640_000

    init(rate: Rational, step: Int64 = 1, fills: Bool) {
        (self.rate, self.step, self.fills) = (rate, step, fills)
    }

    enum Turn: Equatable {
        /// To be encoded at this place, after its predecessor was encoded again at each of `filling`.
        case show(at: Int64, filling: Range<Int64>)
        case drop
    }

    /// - Parameter place: of a frame, its time multiplied with `rate` and rounded. Frames come in order of time.
    mutating func take(_ place: Int64) -> Turn {
        guard let due = next else {
            next = place + step
            return .show(at: place, filling: place..<place)
        }
        guard place >= due else {
            dropped += 1
            return .drop
        }
        next = place + step
        let filling = fills && place - due <= Self.mostFilled ? due..<place : place..<place
        repeated += filling.count
        return .show(at: place, filling: filling)
    }

    /// The places that the last frame fills, which is shown up to `end`.
    mutating func finish(at end: Int64) -> Range<Int64> {
        guard fills, let due = next, end > due, end - due <= Self.mostFilled else { return 0..<0 }
        next = end
        repeated += Int(end - due)
        return due..<end
    }
}

extension RateGrid {
    /// The frame rate that people and encoders are told.
    var frameRate: AVRational { AVRational(num: Int32(rate.numerator), den: Int32(rate.denominator) * Int32(step)) }

    /// The places of a container or an encoder that counts frames; nil where both know times.
    init?(for source: SourceDescription, in container: Container, encoder: String) {
        if container.name == "gif" {
            self.init(rate: Rational(100, 1), step: 2, fills: false)
            return
        }
        guard container.isRateBased || encoder == "libtheora" else { return nil }
        self.init(rate: FrameRateSurvey.rate(of: source), fills: true)
    }

    /// The ticks of an encoder that counts more coarsely than the source: frames that would share one are dropped.
    init?(coarse timeBase: AVRational, for source: AVRational) {
        guard av_cmp_q(timeBase, source) > 0 else { return nil }
        self.init(rate: Rational(Int(timeBase.den), Int(timeBase.num)), fills: false)
    }
}

/// The constant frame rate at which all frames of a source have a place of their own.
internal enum FrameRateSurvey {
    /// Rates that players and encoders know, frames a second.
    private static let usual: [AVRational] = [
        (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48000, 1001), (48, 1), (50, 1), (60000, 1001),
        (60, 1),
        (100, 1), (120_000, 1001), (120, 1),
    ].map { AVRational(num: $0.0, den: $0.1) }

    /// The average rate where the frames come at it; otherwise that of libav's guess, or the least usual one, whose places
    /// are no further apart than the two closest frames.
    static func rate(of source: SourceDescription) -> Rational {
        let average = source.videoTemplate.averageFrameRate
        let real = source.videoTemplate.realFrameRate
        let isKnown = average.num > 0 && average.den > 0
        let fallback = isKnown ? Rational(average) : Rational(25, 1)
        guard isKnown, real.num > 0, real.den > 0, av_cmp_q(average, real) != 0 else { return fallback }
        guard let times = times(source) else {
            // A stream: what libav saw of its beginning has to do.
            return Rational(real).value <= 120 ? Rational(real) : fallback
        }
        // Times are rounded to the source's ticks, at both ends of a distance.
        let rounding = 1.01 * source.video.timeBase.value
        if times.isRegular(step: 1 / fallback.value, within: rounding) { return fallback }
        let rates = [real] + usual
        return Rational(
            rates.first { Double($0.den) / Double($0.num) <= times.shortest + rounding && Rational($0).value <= 120 }
                ?? usual[usual.count - 1])
    }

    /// When a source's frames are shown, in seconds from the first.
    private struct Times {
        var all: [Double]
        /// Between the two closest.
        var shortest: Double

        /// Whether all frames lie on the places of a rate.
        func isRegular(step: Double, within rounding: Double) -> Bool {
            all.enumerated().allSatisfy { abs($0.element - Double($0.offset) * step) <= rounding + step / 10 }
        }
    }

    /// From a pass over the file's packets; nil where it can be read only once.
    private static func times(_ source: SourceDescription) -> Times? {
        guard source.path != "-", FileSystem.isFile(source.path),
            let file = try? InputFile(path: source.path, format: nil, interrupter: Interrupter()),
            let packet = av_packet_alloc()
        else { return nil }
        defer {
            var pointer: UnsafeMutablePointer<AVPacket>? = packet
            av_packet_free(&pointer)
        }
        let index = source.videoTemplate.index
        for other in 0..<file.streamCount where other != index { file.stream(other).pointee.discard = AVDISCARD_ALL }
        var times: [Int64] = []
        while file.read(packet) >= 0 {
            if Int(packet.pointee.stream_index) == index, packet.pointee.pts != Library.noTimestamp {
                times.append(packet.pointee.pts)
            }
            av_packet_unref(packet)
        }
        times.sort()
        guard let first = times.first,
            let shortest = zip(times.dropFirst(), times).map({ $0 - $1 }).filter({ $0 > 0 }).min()
        else { return nil }
        let base = source.video.timeBase.value
        return Times(all: times.map { Double($0 - first) * base }, shortest: Double(shortest) * base)
    }
}
