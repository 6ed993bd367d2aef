internal import CFFmpeg

extension VideoFrame {
    /// The same picture at another time; the pixels are shared, not copied. For a frame whose content did not change, or
    /// that stands in for one that could not be computed.
    public func retimed(timestamp: Int64, duration: Int64) -> VideoFrame {
        guard let copy = av_frame_clone(frame) else { fatalError("out of memory") }
        copy.pointee.pts = timestamp
        copy.pointee.best_effort_timestamp = timestamp
        return VideoFrame(owning: copy, timestamp: timestamp, duration: duration, isKey: false)
    }
}
