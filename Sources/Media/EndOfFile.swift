internal import CFFmpeg

extension InputFile {
    /// What it means that no more packets come: nil where the file is complete.
    ///
    /// - Parameters:
    ///   - code: what libav answered to the last read.
    ///   - isWhole: whether all of the file was to be read.
    ///   - videoPackets: that were read.
    func failure(
        _ code: Int32, since mark: Int, isWhole: Bool, videoIndex: Int, videoPackets: Int, times: FrameTimes
    ) -> MediaError? {
        func truncated(_ reason: String) -> MediaError {
            .truncated(path: path, seconds: times.lastSeconds, reason: reason)
        }
        // A demuxer that gives up on damage answers with its own code.
        if code == uf_error_invalid_data() { return truncated(Library.reason(code, since: mark)) }
        let io = context.pointee.pb
        if let io, io.pointee.error < 0, io.pointee.error != uf_error_eof() {
            return .readFailed(path: path, reason: Library.describe(io.pointee.error))
        }
        if code != uf_error_eof() {
            // A file that can be read fails for what it holds, whatever a demuxer calls that.
            if isLive, io?.pointee.eof_reached == 0 { return .readFailed(path: path, reason: Library.describe(code)) }
            return truncated(log.take().last ?? "what follows is not understood")
        }
        let reason = Library.lastLine(since: mark) ?? ""
        // Bytes after the last whole frame of y4m, which libav passes over.
        if formatName == "yuv4mpegpipe", let io, uf_position(io) > times.packetEnd {
            return truncated("the last frame is cut short")
        }
        if let lack = pipe == nil ? ContainerEnd.lack(in: path, format: formatName) : nil { return truncated(lack) }
        // libav takes a short file for a finished one; the container's own index or duration tells them apart.
        guard isWhole else { return nil }
        if formatName.hasPrefix("mov,"), case let expected = Int(stream(videoIndex).pointee.nb_frames),
            expected > videoPackets
        {
            return truncated("\(videoPackets) of \(expected) video packets are there")
        }
        if formatName.hasPrefix("matroska,") {
            if reason.contains("ended prematurely") { return truncated(reason) }
            if context.pointee.duration_estimation_method == AVFMT_DURATION_FROM_STREAM, let declared = durationSeconds,
                times.furthest < declared - max(1, declared / 50)
            {
                return truncated("its header promises \(declared) s")
            }
        }
        return nil
    }

    /// How long the last frame of an mp4 is shown: the packets' durations there are steps of decoding, and the last
    /// picture in decoding order is seldom the last to be seen; the edit list tells where the picture ends.
    ///
    /// - Parameter frames: up to and with the frame at `time`, hidden ones too.
    func rest(of index: Int, after time: Int64, frames: Int) -> Int64? {
        let stream = stream(index).pointee
        guard formatName.hasPrefix("mov,"), stream.nb_frames > 0, frames == Int(stream.nb_frames), stream.duration > 0,
            stream.start_time != Library.noTimestamp
        else { return nil }
        let rest = stream.start_time + stream.duration - time
        return rest > 0 && Double(rest) * Rational(stream.time_base).value < 60 ? rest : nil
    }
}

extension VideoDescription {
    /// Ticks of a frame at the average rate; 1 where nobody knows.
    internal var frameTicks: Int64 {
        guard averageFrameRate.isKnown, timeBase.isKnown else { return 1 }
        return max(1, Int64((1 / (averageFrameRate.value * timeBase.value)).rounded()))
    }
}
