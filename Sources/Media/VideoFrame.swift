internal import CFFmpeg

/// A decoded picture, or one to be encoded. Owns its AVFrame; immutable once made, so it may cross threads and be read
/// by several at once. Its memory comes from a pool and returns there when the last reference goes.
public final class VideoFrame: @unchecked Sendable {
    internal let frame: UnsafeMutablePointer<AVFrame>
    /// Presentation time in ticks of the stream's time base, exactly as the decoder gave it (its best effort).
    public let timestamp: Int64
    /// Ticks for which the frame is shown; 0 where the file does not say.
    public let duration: Int64
    public let isKey: Bool
    /// When the last byte of the packet that made the frame was read, in seconds of the monotonic clock; nil for frames
    /// that were never read.
    public let arrival: Double?

    /// Takes ownership of `frame`.
    internal init(
        owning frame: UnsafeMutablePointer<AVFrame>, timestamp: Int64, duration: Int64, isKey: Bool,
        arrival: Double? = nil
    ) {
        self.frame = frame
        self.arrival = arrival
        self.timestamp = timestamp
        self.duration = duration
        self.isKey = isKey
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&pointer)
    }

    public var width: Int { Int(frame.pointee.width) }
    public var height: Int { Int(frame.pointee.height) }

    /// libav's name of the pixel format.
    public var pixelFormat: String {
        String(optionalCString: av_get_pix_fmt_name(format)) ?? "unknown"
    }

    /// The frame's own tags, nothing guessed.
    public var color: ColorDescription { ColorDescription(frame.pointee) }

    /// Width to height of one sample; 0/1 where the frame does not say.
    public var sampleAspectRatio: Rational { Rational(frame.pointee.sample_aspect_ratio) }

    public var isInterlaced: Bool { uf_frame_is_interlaced(frame) != 0 }

    /// The decoder had to make up a part of the picture because its data were damaged.
    public var isDamaged: Bool { Self.isDamaged(frame) }

    internal static func isDamaged(_ frame: UnsafeMutablePointer<AVFrame>) -> Bool {
        frame.pointee.decode_error_flags != 0 || frame.pointee.flags & AV_FRAME_FLAG_CORRUPT != 0
    }

    internal var format: AVPixelFormat { AVPixelFormat(rawValue: frame.pointee.format) }

    /// The number of memory planes: 3 for planar YUV, 2 for NV12, 1 for RGB24.
    public var planeCount: Int { PixelLayout(format)?.planes ?? 0 }

    /// Lends the bytes of one plane, row by row `stride` bytes apart; the stride is positive or negative as libav laid
    /// the rows, and `body` gets the address of the first row. The pointer is valid for as long as the frame lives.
    public func withPlane<Result>(_ plane: Int, _ body: (_ firstRow: UnsafeRawPointer, _ stride: Int) -> Result)
        -> Result
    {
        precondition((0..<planeCount).contains(plane), "plane \(plane) of \(planeCount)")
        guard let data = frame.plane(plane) else { preconditionFailure("a software frame has all its planes") }
        return withExtendedLifetime(self) { body(UnsafeRawPointer(data), frame.stride(plane)) }
    }
}

extension UnsafeMutablePointer<AVFrame> {
    /// AVFrame's arrays are tuples to Swift; planes beyond 3 are never used for pictures.
    internal func plane(_ index: Int) -> UnsafeMutablePointer<UInt8>? {
        let data = pointee.data
        switch index {
        case 0: return data.0
        case 1: return data.1
        case 2: return data.2
        case 3: return data.3
        default: return nil
        }
    }

    internal func stride(_ index: Int) -> Int {
        let lines = pointee.linesize
        switch index {
        case 0: return Int(lines.0)
        case 1: return Int(lines.1)
        case 2: return Int(lines.2)
        case 3: return Int(lines.3)
        default: return 0
        }
    }
}

/// A packet of a stream that is copied as it is. Owns its AVPacket; immutable once made.
public final class EncodedPacket: @unchecked Sendable {
    internal let packet: UnsafeMutablePointer<AVPacket>
    /// The stream's index in the source file.
    public let streamIndex: Int

    /// Takes ownership of `packet`.
    internal init(owning packet: UnsafeMutablePointer<AVPacket>) {
        self.packet = packet
        streamIndex = Int(packet.pointee.stream_index)
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVPacket>? = packet
        av_packet_free(&pointer)
    }

    /// In ticks of the stream's time base; nil where the container gives none.
    public var timestamp: Int64? {
        packet.pointee.pts == Library.noTimestamp ? nil : packet.pointee.pts
    }
    public var duration: Int64 { packet.pointee.duration }
    public var byteCount: Int { Int(packet.pointee.size) }
    /// An edit list of the source says that it is not to be seen or heard: a decoder needs it for what follows.
    public var isHidden: Bool { packet.pointee.flags & AV_PKT_FLAG_DISCARD != 0 }
}

/// What a reader hands out, in the file's order.
public enum MediaEvent: Sendable {
    case frame(VideoFrame)
    case packet(EncodedPacket)
}
