internal import CFFmpeg

/// What a video stream says of itself, in plain values.
public struct VideoDescription: Sendable, Hashable {
    /// Pixels, as stored: before rotation and sample aspect ratio.
    public var width: Int
    public var height: Int
    /// libav's name: yuv420p, yuv420p10le, rgb24…
    public var pixelFormat: String
    /// Bits of one component, 8 to 16.
    public var bitDepth: Int
    public var hasAlpha: Bool
    public var isRGB: Bool
    /// Seconds of one tick of `VideoFrame.timestamp`.
    public var timeBase: Rational
    /// 0/1 where not known.
    public var averageFrameRate: Rational
    /// Width to height of one sample; 1/1 where not said.
    public var sampleAspectRatio: Rational
    /// Missing tags are filled in and named in `guessed`.
    public var color: ColorDescription
    /// Degrees clockwise by which the picture is to be turned for showing: 0, 90, 180, 270 as a rule.
    public var rotation: Double
    /// Frames, from the container's index or from duration and rate; nil where neither is known.
    public var frameCountEstimate: Int?
    public var durationSeconds: Double?
    /// libav's name of the codec: h264, hevc, png…
    public var codec: String
    /// A PNG, a JPEG and the like: one frame and no time.
    public var isStillPicture: Bool
    /// A folder or a sequence of picture files.
    public var isPictureList = false
    /// The first frame is made of two fields.
    public var isInterlaced = false
    /// Size and pixel format are not known before the first frame.
    internal var isIncomplete = false
}

/// A stream of a file, in plain values.
public struct StreamDescription: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case video, audio, subtitle, data, attachment, unknown
    }

    /// The index in the source file.
    public var index: Int
    public var kind: Kind
    public var codec: String
    /// ISO 639-2, as tagged.
    public var language: String?
    public var title: String?
    public var timeBase: Rational
    /// A cover: one picture, sent once.
    public var isAttachedPicture: Bool

    /// For messages: "audio stream 1 (aac, eng)".
    public var label: String {
        "\(kind.rawValue) stream \(index) (\(codec)\(language.map { ", " + $0 } ?? ""))"
    }
}

/// A chapter mark.
public struct Chapter: Sendable, Hashable {
    public var id: Int64
    public var timeBase: Rational
    public var start: Int64
    public var end: Int64
    public var metadata: [String: String]
}

/// Everything of a source that a writer needs to make a file like it; plain values, free of the reader's lifetime.
public struct SourceDescription: Sendable {
    /// As given to the reader.
    public let path: String
    public internal(set) var video: VideoDescription
    /// The streams that come as packets.
    public let copiedStreams: [StreamDescription]
    public let metadata: [String: String]
    public let chapters: [Chapter]
    /// Seconds from the file's time zero to its first packet; 0 where not known.
    public let startSeconds: Double

    /// The file's clock may jump and begin anywhere: a broadcast's.
    internal var hasJumpingClock = false
    /// Seconds at the file's beginning that are left out.
    internal var skippedSeconds = 0.0
    /// The reader goes on after damage.
    internal var toleratesDamage = false
    internal let videoTemplate: StreamTemplate
    internal let copiedTemplates: [StreamTemplate]
    /// The names of the pictures that the frames come from, in a folder or sequence, by the frames' timestamps.
    internal var pictureNames: [String] = []
    /// The files of those pictures, in the same order.
    internal var pictureFiles: [String] = []
    /// What a single picture's file says beside its pixels.
    internal var picture: PictureMetadata?
    /// How often an animation is played: 0 for ever; nil for what is no animation.
    internal var plays: Int?
    /// What the first frame said.
    internal var first = FirstFrame()
}

/// A stream's parameters, owned; immutable once made, hence free to cross threads.
internal final class StreamTemplate: @unchecked Sendable {
    let index: Int
    let parameters: UnsafeMutablePointer<AVCodecParameters>
    let sideData: [(type: AVPacketSideDataType, bytes: [UInt8])]
    let metadata: [(String, String)]
    let disposition: Int32
    let timeBase: AVRational
    let averageFrameRate: AVRational
    let realFrameRate: AVRational
    let sampleAspectRatio: AVRational
    /// A cover's file.
    let attachedPicture: [UInt8]?

    init(_ stream: UnsafeMutablePointer<AVStream>) {
        let s = stream.pointee
        index = Int(s.index)
        guard let copy = avcodec_parameters_alloc(), avcodec_parameters_copy(copy, s.codecpar) >= 0 else {
            fatalError("out of memory")
        }
        parameters = copy
        sideData = (0..<uf_side_data_count(stream)).compactMap { position in
            guard let side = uf_side_data(stream, position), let data = side.pointee.data else { return nil }
            return (side.pointee.type, Array(UnsafeBufferPointer(start: data, count: Int(side.pointee.size))))
        }
        metadata = OptionDictionary.entries(of: s.metadata)
        disposition = s.disposition
        timeBase = s.time_base
        averageFrameRate = s.avg_frame_rate
        realFrameRate = s.r_frame_rate
        sampleAspectRatio = s.sample_aspect_ratio
        attachedPicture = s.attached_pic.data.map {
            Array(UnsafeBufferPointer(start: $0, count: Int(s.attached_pic.size)))
        }
    }

    deinit {
        var pointer: UnsafeMutablePointer<AVCodecParameters>? = parameters
        avcodec_parameters_free(&pointer)
    }

    var kind: StreamDescription.Kind {
        switch parameters.pointee.codec_type {
        case AVMEDIA_TYPE_VIDEO: .video
        case AVMEDIA_TYPE_AUDIO: .audio
        case AVMEDIA_TYPE_SUBTITLE: .subtitle
        case AVMEDIA_TYPE_DATA: .data
        case AVMEDIA_TYPE_ATTACHMENT: .attachment
        default: .unknown
        }
    }

    var isAttachedPicture: Bool { disposition & AV_DISPOSITION_ATTACHED_PIC != 0 }

    var description: StreamDescription {
        let tags = Dictionary(metadata.map { ($0.0.lowercased(), $0.1) }, uniquingKeysWith: { first, _ in first })
        return StreamDescription(
            index: index, kind: kind, codec: String(cString: avcodec_get_name(parameters.pointee.codec_id)),
            language: tags["language"], title: tags["title"], timeBase: Rational(timeBase),
            isAttachedPicture: isAttachedPicture)
    }
}
