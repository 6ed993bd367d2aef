/// What is to come out.
public struct EncoderSettings: Sendable {
    /// libav's name of an encoder (libx264) or of a codec (hevc); nil chooses by container: H.264 for films, PNG or
    /// JPEG for pictures.
    public var codec: String?
    /// Constant quality, lower is better; nil is 18 where the encoder has such a scale.
    public var crf: Double?
    public var preset: String?
    /// Handed to the encoder, and what it does not know to the container.
    public var options: [(String, String)]
    /// libav's name; nil keeps the source's family and depth as far as the encoder can.
    public var pixelFormat: String?
    /// 0 for as many as the encoder likes.
    public var threads: Int
    /// libav's name of the container, where the target's extension does not say; also y4m, mkv and ts.
    public var container: String?
    /// Each frame leaves the encoder at once, at some cost in size; nil does so for pipes, devices and addresses.
    public var lowDelay: Bool?
    /// Sound that the container cannot hold is converted to a codec that it can, in place of being left out.
    public var convertsSound = false

    public init(
        codec: String? = nil, crf: Double? = nil, preset: String? = nil, options: [(String, String)] = [],
        pixelFormat: String? = nil, threads: Int = 0, container: String? = nil
    ) {
        self.codec = codec
        self.crf = crf
        self.preset = preset
        self.options = options
        self.pixelFormat = pixelFormat
        self.threads = threads
        self.container = container
    }
}
