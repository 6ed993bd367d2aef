/// Everything that a file holds besides its pixels: each stream's tags and every packet's time and fingerprint, and for
/// the main video the time of every decoded frame. Two inventories side by side show what a copy lost.
public struct FileInventory: Sendable {
    public var path: String
    /// libav's name of the container, such as "mov,mp4,m4a,3gp,3g2,mj2".
    public var format: String
    public var metadata: [String: String]
    public var chapters: [Chapter]
    public var streams: [StreamInventory]
    /// Seconds at which the earliest stream begins.
    public var startSeconds = 0.0
    /// The format's clock may jump and begin anywhere, as a broadcast's does.
    public var hasJumpingClock = false

    /// The main video; every inventory has one.
    public var video: StreamInventory? { streams.first { $0.picture != nil } }
}

/// One stream of a `FileInventory`.
public struct StreamInventory: Sendable {
    public var description: StreamDescription
    public var metadata: [String: String]
    /// libav's names: default, forced, hearing_impaired…
    public var dispositions: Set<String>
    /// Setup data of the codec; the content itself of an attachment, the styles of ASS subtitles. Nil where empty.
    public var setup: Fingerprint?
    /// Per second; 0 for what is no sound.
    public var sampleRate: Int
    public var channels: Int
    /// Every packet in the file's order; empty for the main video, whose packets are not meant to survive.
    public var packets: [PacketRecord]
    /// Of all packets' bytes one after the other: the same however they are cut into packets.
    public var content: Fingerprint?
    /// Fingerprint of all bytes of PCM that are not silence; nil for other codecs.
    public var audible: Fingerprint?
    /// Tags of the main video; nil for every other stream.
    public var picture: PictureInventory?
    /// The decoded frames of the main video in order of showing.
    public var frames: [FrameRecord]
    /// Packets of the main video that could not be decoded.
    public var damagedPackets: Int
    /// Frames of the main video of which neither container nor codec says when they are shown.
    public var untimedFrames = 0
    /// Frames of the main video that the decoder had to fill up because their data were damaged.
    public var damagedFrames = 0
}

/// A packet's time, in ticks of its stream's time base, and what is in it.
public struct PacketRecord: Sendable, Hashable {
    /// Nil where the container gives none.
    public var timestamp: Int64?
    /// 0 where the container gives none.
    public var duration: Int64
    public var byteCount: Int
    /// Of the bytes as they lie in the file.
    public var data: Fingerprint
    /// Of what is left without the container's own wrapping; equal to `data` where there is none.
    public var payload: Fingerprint
    public var wrapping: PacketWrapping?
    /// Nothing to show or hear: the filling that mp4 puts between subtitles.
    public var isEmpty: Bool
    /// An edit list says that it is not to be seen or heard.
    public var isHidden = false
}

/// What a container puts around a packet, or how it writes the same thing otherwise.
public enum PacketWrapping: String, Sendable, Hashable {
    /// A seven- or nine-byte header before every packet of AAC, as MPEG-TS wants.
    case adts = "ADTS headers"
    /// Subtitles as plain text with a length before it.
    case movText = "mov_text framing"
    /// Subtitles as text with the markup of their format.
    case text = "text markup"
}

/// When a decoded frame is shown, in ticks of its stream's time base.
public struct FrameRecord: Sendable, Hashable {
    /// The decoder's best effort; made up from the durations where an elementary stream has no times.
    public var timestamp: Int64
    /// 0 where the file does not say.
    public var duration: Int64
    public var width: Int
    public var height: Int
    /// Width to height of the frame as it is shown.
    public var shape: Double
}

/// What the main video says about how it is to be shown; nothing guessed.
public struct PictureInventory: Sendable, Hashable {
    public var video: VideoDescription
    /// The stream's tags, or where it has none its first frame's.
    public var color: ColorDescription
    public var chromaWidthShift: Int
    public var chromaHeightShift: Int
    public var isGrey: Bool
    public var fieldOrder: FieldOrder
    /// The nine numbers of the display matrix, as containers store them (16.16 and 2.30 fixed point); nil without one.
    public var displayMatrix: [Int32]?
    public var masteringDisplay: MasteringDisplay?
    public var lightLevel: LightLevel?
    /// Width to height of a sample, as the first frame said; nil where it said nothing.
    internal var firstAspect: Rational?
}

public enum FieldOrder: String, Sendable, Hashable {
    case progressive
    case topFirst = "top field first"
    case bottomFirst = "bottom field first"
}

/// SMPTE ST 2086: the display on which the video was graded.
public struct MasteringDisplay: Sendable, Hashable, CustomStringConvertible {
    /// x and y of red, green, blue and white; empty where only the luminance is known.
    public var chromaticities: [Double]
    /// Candela per square metre; nil where only the chromaticities are known.
    public var luminance: ClosedRange<Double>?

    public var description: String {
        let points = chromaticities.map { "\(($0 * 10000).rounded() / 10000)" }.joined(separator: " ")
        let light = luminance.map { "\($0.lowerBound) to \($0.upperBound) cd/m2" } ?? "luminance not said"
        return points.isEmpty ? light : "\(points), \(light)"
    }
}

/// CTA-861.3: the brightest pixel and the brightest frame average, in candela per square metre.
public struct LightLevel: Sendable, Hashable, CustomStringConvertible {
    public var maximum: Int
    public var maximumAverage: Int

    public var description: String { "\(maximum)/\(maximumAverage)" }
}

/// A SHA-256.
public struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
    private var words: SIMD4<UInt64>

    internal init(bytes: [UInt8]) {
        precondition(bytes.count == 32, "a SHA-256 has 32 bytes")
        words = .zero
        for (index, byte) in bytes.enumerated() { words[index / 8] = words[index / 8] << 8 | UInt64(byte) }
    }

    /// 64 hexadecimal digits.
    public var description: String {
        (0..<4).map { index in
            let digits = String(words[index], radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}
