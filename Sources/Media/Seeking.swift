internal import CFFmpeg

extension InputFile {
    var isTransportStream: Bool { formatName == "mpegts" }

    /// Goes to a key frame at or before a time. Some containers seek only roughly, so what was found is looked at, and the
    /// aim is moved back until it fits.
    ///
    /// - Parameters:
    ///   - target: microseconds on the file's own clock.
    ///   - video: the index of the stream whose key frames count.
    /// - Returns: packets that were read on the way and come before all others. The caller owns them.
    func seek(to target: Int64, video: Int) -> [UnsafeMutablePointer<AVPacket>] {
        for margin: Int64 in [0, 3_000_000, 20_000_000] {
            let aim = target - margin
            guard aim > startTime else { break }
            guard avformat_seek_file(context, -1, .min, aim, aim, 0) >= 0 else { continue }
            let (packets, fits) = readToKey(of: video, before: target)
            if fits { return packets }
            for packet in packets {
                var pointer: UnsafeMutablePointer<AVPacket>? = packet
                av_packet_free(&pointer)
            }
        }
        // From the beginning, then; a transport stream that is asked for its first time passes over its first key frame.
        let code =
            isTransportStream
            ? av_seek_frame(context, -1, 0, AVSEEK_FLAG_BYTE)
            : avformat_seek_file(context, -1, .min, startTime, startTime, 0)
        // Neither seek worked: a pipe. Reading from where we are does too, it only takes longer.
        return code >= 0 ? readToKey(of: video, before: target).packets : []
    }

    /// Reads up to the first key packet of the video; tells whether it lies at or before the target.
    private func readToKey(
        of video: Int, before target: Int64
    ) -> (packets: [UnsafeMutablePointer<AVPacket>], fits: Bool) {
        startClock()
        let base = stream(video).pointee.time_base
        var packets: [UnsafeMutablePointer<AVPacket>] = []
        while packets.count < 10_000, let packet = av_packet_alloc() {
            guard read(packet) >= 0 else {
                var pointer: UnsafeMutablePointer<AVPacket>? = packet
                av_packet_free(&pointer)
                return (packets, false)
            }
            packets.append(packet)
            guard Int(packet.pointee.stream_index) == video, packet.pointee.flags & AV_PKT_FLAG_KEY != 0 else {
                continue
            }
            let time = packet.pointee.pts != Library.noTimestamp ? packet.pointee.pts : packet.pointee.dts
            guard time != Library.noTimestamp else { return (packets, true) }
            return (packets, av_compare_ts(time, base, target, AVRational(num: 1, den: AV_TIME_BASE)) <= 0)
        }
        return (packets, false)
    }
}
