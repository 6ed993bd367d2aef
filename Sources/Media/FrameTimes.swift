internal import CFFmpeg

/// What a reader knows of time: when packets are shown and when they came, and what that makes of frames.
internal struct FrameTimes {
    /// Where the latest packet of the video begins, in seconds; nil before the first.
    private(set) var lastSeconds: Double?
    /// Where the latest packet of any stream ends, in seconds.
    private(set) var furthest = 0.0
    /// Where the latest packet of the video ends in the file, in bytes.
    private(set) var packetEnd: Int64 = 0
    /// When the packets inside the decoder came, by their times.
    private var arrivals: [(time: Int64, arrival: Double)] = []
    private var latestArrival = 0.0
    private var lastTimestamp: Int64?
    private var lastDuration: Int64 = 0

    /// What comes next is from another place of the file.
    mutating func restart() {
        let end = packetEnd
        self = FrameTimes()
        packetEnd = end
    }

    /// - Parameter base: seconds of a tick.
    mutating func note(_ packet: UnsafeMutablePointer<AVPacket>, base: Double, isVideo: Bool) {
        let p = packet.pointee
        let time = p.pts != Library.noTimestamp ? p.pts : p.dts
        guard time != Library.noTimestamp else { return }
        furthest = max(furthest, Double(time + max(p.duration, 0)) * base)
        if isVideo { lastSeconds = Double(time) * base }
    }

    /// A packet of the video goes to the decoder.
    ///
    /// - Parameter end: where the file was read up to, in bytes.
    mutating func note(_ packet: UnsafeMutablePointer<AVPacket>, arrival: Double, end: Int64?) {
        latestArrival = arrival
        if let end { packetEnd = end }
        guard packet.pointee.pts != Library.noTimestamp else { return }
        // No decoder holds more; what it swallowed without a frame must not gather.
        if arrivals.count >= 512 { arrivals.removeFirst(256) }
        arrivals.append((packet.pointee.pts, arrival))
    }

    mutating func arrival(of frame: UnsafeMutablePointer<AVFrame>) -> Double {
        guard let position = arrivals.firstIndex(where: { $0.time == frame.pointee.pts }) else { return latestArrival }
        return arrivals.remove(at: position).arrival
    }

    /// When a frame that comes next is shown, and for how long (0 where the file does not say).
    ///
    /// - Parameters:
    ///   - ticks: of a frame at the stream's average rate.
    ///   - rest: how long a frame of that time is shown if it is the last; nil where it is not, or nobody knows.
    mutating func show(
        _ frame: UnsafeMutablePointer<AVFrame>, ticks: Int64, rest: (Int64) -> Int64?
    ) -> (time: Int64, duration: Int64) {
        var duration = uf_frame_duration(frame)
        var time = frame.pointee.best_effort_timestamp
        if time == Library.noTimestamp {
            // Elementary streams carry no time at all; then the rate has to do.
            time = lastTimestamp.map { $0 + max(lastDuration, 1) } ?? 0
        }
        if let rest = rest(time) { duration = rest }
        lastTimestamp = time
        lastDuration = duration > 0 ? duration : ticks
        return (time, max(duration, 0))
    }
}
