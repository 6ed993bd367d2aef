internal import CFFmpeg

extension VideoFrame {
    /// The same picture at another time; the pixels are shared, not copied. For a frame whose content did not change, or
    /// that stands in for one that could not be computed.
    public func retimed(timestamp: Int64, duration: Int64) -> VideoFrame {
        let copy = clone()
        copy.pointee.pts = timestamp
        copy.pointee.best_effort_timestamp = timestamp
        return VideoFrame(owning: copy, timestamp: timestamp, duration: duration, isKey: false)
    }

    /// The same frame, taken to have arrived at this moment, in seconds of the monotonic clock.
    public func arrived(at time: Double) -> VideoFrame {
        if arrival == time { return self }
        return VideoFrame(owning: clone(), timestamp: timestamp, duration: duration, isKey: isKey, arrival: time)
    }

    /// Another AVFrame for the same pixels.
    internal func clone() -> UnsafeMutablePointer<AVFrame> {
        guard let copy = av_frame_clone(frame) else { fatalError("out of memory") }
        return copy
    }
}
