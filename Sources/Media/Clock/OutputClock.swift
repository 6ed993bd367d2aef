internal import CFFmpeg

/// What a target makes of a source's times: they stay what they are, but for one shift of all streams together where the
/// target could not hold them.
///
/// - A broadcast's clock begins anywhere. Beyond a minute it is put to zero in containers of other kinds, in which players
///   would show hours of nothing.
/// - A container that counts frames at a rate begins with its first frame: the earliest of all streams comes to zero.
internal struct OutputClock {
    /// Microseconds that are taken from every time.
    let shift: Int64

    private static let microsecond = AVRational(num: 1, den: AV_TIME_BASE)
    static let latestStart = 60.0

    init(source: SourceDescription, container: Container) {
        let start = source.startSeconds
        let isBroadcast = source.hasJumpingClock && abs(start) > Self.latestStart && !container.hasJumpingClock
        shift = isBroadcast || container.isRateBased ? Int64((start * 1e6).rounded()) : 0
    }

    func shifted(_ ticks: Int64, _ base: AVRational) -> Int64 {
        shift == 0 ? ticks : ticks - av_rescale_q(shift, Self.microsecond, base)
    }

    func shifted(_ seconds: Double) -> Double { seconds - Double(shift) * 1e-6 }
}
