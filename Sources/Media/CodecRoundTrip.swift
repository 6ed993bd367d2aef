internal import CFFmpeg

/// Frames through a real video encoder and back through its decoder, in memory: what a film of them would look like.
///
/// Stored as 8-bit 4:2:0 of limited range with chroma on the left, untagged, with the matrix that players guess for the
/// height (601 up to 576 rows, 709 above) both ways. One thread each, so that the result depends on nothing but the
/// frames and the settings (and the version of the libraries). A value: any thread may use it at any time; each call
/// opens and closes its own encoder, which takes from half a millisecond (MPEG-4) to some milliseconds (x265).
public struct CodecRoundTrip: Sendable, Hashable {
    public enum Rate: Sendable, Hashable {
        /// The encoder's own scale, lower is better: `crf` for libx264, libx265 (0 … 51) and libvpx-vp9 (0 … 63), the
        /// quantiser for mpeg4 and mpeg2video (2 … 31).
        case quality(Double)
        /// Bits a second on average.
        case bitrate(Double)
    }

    /// libav's name of the encoder: libx264, libx265, libvpx-vp9, mpeg4, mpeg2video, or another that takes yuv420p.
    public var encoder: String
    public var rate: Rate
    public var framesPerSecond: Int
    /// Frames from one that stands alone to the next, at most; nil leaves it to the encoder.
    public var keyInterval: Int?

    public init(encoder: String, rate: Rate, framesPerSecond: Int = 25, keyInterval: Int? = nil) {
        self.encoder = encoder
        self.rate = rate
        self.framesPerSecond = framesPerSecond
        self.keyInterval = keyInterval
    }

    /// Whether this FFmpeg has a video encoder of that name.
    public static func isAvailable(_ encoder: String) -> Bool {
        Library.prepare()
        guard let codec = avcodec_find_encoder_by_name(encoder) else { return false }
        return codec.pointee.type == AVMEDIA_TYPE_VIDEO
    }

    /// Smaller pictures, and odd sizes, which encoders refuse, are padded with their outermost pixels; these are cut off
    /// again.
    private var smallestSide: Int { encoder == "libx265" ? 64 : 32 }

    /// Frames in, as many frames out, in the same order: each `width * height * 3` gamma-encoded RGB floats in 0 … 1.
    ///
    /// Throws `unknownEncoder`, `noDecoder`, `encoderRefuses` or `encodeFailed`; the message names the encoder.
    /// - Precondition: there is at least one frame, and all are of that size.
    public func callAsFunction(_ frames: [[Float]], width: Int, height: Int) throws(MediaError) -> [[Float]] {
        precondition(!frames.isEmpty && width > 0 && height > 0, "a film has frames")
        precondition(frames.allSatisfy { $0.count == width * height * 3 }, "all frames are \(width)x\(height)")
        Library.prepare()
        let (w, h) = (max(smallestSide, width + width % 2), max(smallestSide, height + height % 2))
        let session = try CodecSession(self, width: w, height: h)
        let color = ColorDescription(
            matrix: ColorDescription.guessedMatrix(height: h), range: .limited, chromaLocation: .left)
        let maker = try PixelConverter(encodingWidth: w, height: h, pixelFormat: "yuv420p", color: color)
        for (index, frame) in frames.enumerated() {
            let padded = w == width && h == height ? frame : Self.padded(frame, width, height, w, h)
            let made = try padded.withUnsafeBufferPointer { source throws(MediaError) in
                try maker.frame(fromRGB: source, width: w, height: h, timestamp: Int64(index), duration: 1)
            }
            try session.encode(made)
        }
        let decoded = try session.finish()
        guard decoded.count == frames.count else {
            throw .encodeFailed(
                path: encoder, seconds: nil, reason: "\(decoded.count) of \(frames.count) frames came back")
        }
        let video = VideoDescription(
            width: w, height: h, pixelFormat: "yuv420p", bitDepth: 8, hasAlpha: false, isRGB: false,
            timeBase: Rational(1, framesPerSecond), averageFrameRate: Rational(framesPerSecond, 1),
            sampleAspectRatio: Rational(1, 1), color: color, rotation: 0, codec: encoder, isStillPicture: false)
        let reader = PixelConverter(decoding: video)
        var result: [[Float]] = []
        for frame in decoded {
            guard frame.width == w, frame.height == h else {
                throw .wrongFrame(expected: "\(w)x\(h)", got: "\(frame.width)x\(frame.height)")
            }
            var rgb = [Float](repeating: 0, count: w * h * 3)
            try rgb.withUnsafeMutableBufferPointer { target throws(MediaError) in
                try reader.rgb(from: frame, into: target)
            }
            result.append(w == width && h == height ? rgb : Self.cropped(rgb, w, width, height))
        }
        return result
    }

    private static func padded(_ rgb: [Float], _ width: Int, _ height: Int, _ w: Int, _ h: Int) -> [Float] {
        var result: [Float] = []
        result.reserveCapacity(w * h * 3)
        for y in 0..<h {
            let row = min(y, height - 1) * width * 3
            result += rgb[row..<row + width * 3]
            for _ in width..<w { result += rgb[row + width * 3 - 3..<row + width * 3] }
        }
        return result
    }

    private static func cropped(_ rgb: [Float], _ w: Int, _ width: Int, _ height: Int) -> [Float] {
        var result: [Float] = []
        result.reserveCapacity(width * height * 3)
        for y in 0..<height { result += rgb[y * w * 3..<(y * w + width) * 3] }
        return result
    }
}
