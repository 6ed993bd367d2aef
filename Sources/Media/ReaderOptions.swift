/// What to do with pictures made of two fields.
public enum Deinterlacing: String, Sendable, Hashable, CaseIterable {
    /// Frames that are flagged as interlaced are deinterlaced.
    case auto
    case off
    /// Every frame is, whatever its flags say.
    case on
}

/// How a file is to be read.
public struct ReaderOptions: Sendable {
    /// Seconds from the file's beginning at which to start; frames before it are decoded but not delivered. All
    /// timestamps are then lowered by this much, and by nothing else.
    public var start: Double?
    /// Seconds to read.
    public var duration: Double?
    /// Frame threads of the decoder; 0 for one per core.
    public var decoderThreads: Int
    /// Whether the other streams' packets are delivered.
    public var copiesStreams: Bool
    /// libav's name of the demuxer, where the content does not say; also y4m, mkv, ts and mp4.
    public var inputFormat: String?
    /// Go on after a packet or picture that cannot be decoded, or only in part, in place of throwing;
    /// `MediaReader.damage` says what there was.
    public var toleratesDamage: Bool
    public var selection = StreamSelection()
    /// One frame comes out for each that goes in, at its own time.
    public var deinterlace = Deinterlacing.auto
    /// Raw video says nothing of itself: libav's name of its pixel format, and its size. Needed for `rawvideo`.
    public var pixelFormat: String?
    public var width: Int?
    public var height: Int?
    /// Frames a second of what has no times of its own: raw video, folders and sequences of pictures; nil is 25.
    public var frameRate: Rational?
    /// Decodes without frame threads, each of which holds a frame back; nil does so for pipes and the network.
    public var lowDelay: Bool?

    public init(
        start: Double? = nil, duration: Double? = nil, decoderThreads: Int = 0, copiesStreams: Bool = true,
        inputFormat: String? = nil, toleratesDamage: Bool = false
    ) {
        self.start = start
        self.duration = duration
        self.decoderThreads = decoderThreads
        self.copiesStreams = copiesStreams
        self.inputFormat = inputFormat
        self.toleratesDamage = toleratesDamage
    }

    internal var isTrimming: Bool { start != nil || duration != nil }

    internal var demuxer: String? { inputFormat.map(FormatNames.demuxer) }

    /// What libav's demuxer is told.
    internal func demuxerOptions(path: String) throws(MediaError) -> [(String, String)] {
        var options: [(String, String)] = []
        if demuxer == "rawvideo" {
            guard let pixelFormat, let width, let height, width > 0, height > 0 else {
                throw .rawVideoWithoutShape(path: path)
            }
            guard PixelLayout(named: pixelFormat) != nil else { throw .unknownPixelFormat(name: pixelFormat) }
            options = [("pixel_format", pixelFormat), ("video_size", "\(width)x\(height)")]
        }
        if let frameRate, ["rawvideo", "image2pipe"].contains(demuxer) {
            options.append(("framerate", "\(frameRate)"))
        }
        return options
    }
}
