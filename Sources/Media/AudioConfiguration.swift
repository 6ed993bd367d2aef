internal import CFFmpeg

/// AAC in a transport stream carries its configuration with every packet; Matroska and MP4 want it in their header. A
/// file's header is completed at its end, when the packets were seen. Into a pipe it has to be right at once.
internal enum AudioConfiguration {
    private static let rates: [Int32] = [
        96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
    ]

    /// Audio object types less one, as libav counts profiles.
    private static let (lowComplexity, highEfficiency, highEfficiency2): (Int32, Int32, Int32) = (1, 4, 28)

    /// Gives parameters of AAC that have none the AudioSpecificConfig of ISO 14496-3, 1.6.2.1: object type (5 bits),
    /// rate (4), channels (4), three zero bits. Spectral band replication is left implicit, as in the stream: the core's
    /// rate is half of what comes out, and with parametric stereo it has one channel.
    ///
    /// - Returns: whether it did; packets then go through `strip`.
    static func complete(_ parameters: UnsafeMutablePointer<AVCodecParameters>) -> Bool {
        guard parameters.pointee.codec_id == AV_CODEC_ID_AAC, parameters.pointee.extradata_size == 0 else {
            return false
        }
        var profile = parameters.pointee.profile
        var rate = parameters.pointee.sample_rate
        var channels = uf_channel_count(parameters)
        if profile == highEfficiency || profile == highEfficiency2 {
            if profile == highEfficiency2 { channels = 1 }
            profile = lowComplexity
            rate /= 2
        }
        if profile < 0 { profile = lowComplexity }
        let layout: Int32 = channels == 8 ? 7 : channels
        guard let index = rates.firstIndex(of: rate), (1...7).contains(layout), profile < 31,
            let bytes = av_mallocz(2 + Int(AV_INPUT_BUFFER_PADDING_SIZE))?.assumingMemoryBound(to: UInt8.self)
        else { return false }
        let bits = (profile + 1) << 11 | Int32(index) << 7 | layout << 3
        bytes[0] = UInt8(bits >> 8 & 255)
        bytes[1] = UInt8(bits & 255)
        parameters.pointee.extradata = bytes
        parameters.pointee.extradata_size = 2
        return true
    }

    /// Takes the ADTS header (ISO 14496-3, 1.A.2) off a packet, if there is one: seven bytes, nine with a checksum.
    static func strip(_ packet: UnsafeMutablePointer<AVPacket>) {
        guard let data = packet.pointee.data, packet.pointee.size > 9, data[0] == 0xFF, data[1] & 0xF6 == 0xF0 else {
            return
        }
        let header = data[1] & 1 == 1 ? 7 : 9
        packet.pointee.data = data + header
        packet.pointee.size -= Int32(header)
    }
}
