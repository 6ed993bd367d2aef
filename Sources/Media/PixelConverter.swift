internal import CFFmpeg
internal import CPixels

/// Frames <-> interleaved RGB floats (height x width x 3), gamma-encoded, full range, 0 … 1.
///
/// Serves any format of whole 8- to 16-bit samples by its own row kernels, with the frame's own matrix, range and
/// chroma siting; palettes, bit-packed, float and 4:1:1 formats pass through swscale first. A converter has scratch
/// memory: one thread at a time.
public final class PixelConverter {
    private enum Direction {
        case decoding(VideoDescription)
        case encoding(FrameMaker)
    }

    private let direction: Direction
    private let clamp: (low: Float, high: Float)
    private var unpacker: Unpacker?
    private var bridge: ScaleBridge?

    /// For `rgb(from:into:)`.
    ///
    /// - Parameter clamps: limits the floats to 0 … 1, as players do and as networks were trained; without it what
    ///   lies beyond (super-white, and chroma that no RGB shows) is kept.
    public init(decoding video: VideoDescription, clamps: Bool = true) {
        Library.prepare()
        direction = .decoding(video)
        clamp = clamps ? (0, 1) : (-Float.greatestFiniteMagnitude, .greatestFiniteMagnitude)
    }

    /// For `frame(fromRGB:…)`: frames of a pixel format, meaning what `color` says; both as `MediaWriter` wants them.
    public init(
        encodingWidth width: Int, height: Int, pixelFormat: String, color: ColorDescription, clamps: Bool = true
    ) throws(MediaError) {
        Library.prepare()
        guard let layout = PixelLayout(named: pixelFormat) else { throw .unknownPixelFormat(name: pixelFormat) }
        direction = .encoding(try FrameMaker(width: width, height: height, layout: layout, color: color))
        clamp = clamps ? (0, 1) : (-Float.greatestFiniteMagnitude, .greatestFiniteMagnitude)
    }

    /// Converts a frame to `width * height * 3` floats, the frame's own width and height. Its own tags count; where it
    /// has none, the stream's; where that has none, the guess in the description.
    public func rgb(from frame: VideoFrame, into target: UnsafeMutableBufferPointer<Float>) throws(MediaError) {
        guard case .decoding(let video) = direction else { preconditionFailure("made for encoding") }
        guard target.count == frame.width * frame.height * 3, let base = target.baseAddress else {
            throw .wrongFrame(
                expected: "\(target.count / 3) pixels", got: "\(frame.width)x\(frame.height) \(frame.pixelFormat)")
        }
        let (plain, owner) = try plainFrame(frame, video)
        let unpacker = try unpacker(for: plain, video)
        unpacker.rgb(from: plain, rows: 0..<frame.height, into: base, clamp: clamp)
        withExtendedLifetime((frame, owner)) {}
    }

    /// Converts a frame a few rows at a time, for those who need no picture of floats as a whole: `body` gets the rows and
    /// their `rows.count * width * 3` floats, which are valid inside it only, from the top to the bottom.
    ///
    /// - Precondition: `rowsAtATime >= 1`.
    public func rgb(
        from frame: VideoFrame, rowsAtATime count: Int,
        _ body: (_ rows: Range<Int>, _ pixels: UnsafeBufferPointer<Float>) -> Void
    ) throws(MediaError) {
        guard case .decoding(let video) = direction else { preconditionFailure("made for encoding") }
        precondition(count >= 1)
        let (plain, owner) = try plainFrame(frame, video)
        let unpacker = try unpacker(for: plain, video)
        let (width, height) = (frame.width, frame.height)
        withUnsafeTemporaryAllocation(of: Float.self, capacity: count * width * 3) { strip in
            guard let base = strip.baseAddress else { return }
            for top in stride(from: 0, to: height, by: count) {
                let rows = top..<min(top + count, height)
                unpacker.rgb(from: plain, rows: rows, into: base, clamp: clamp)
                body(rows, UnsafeBufferPointer(start: base, count: rows.count * width * 3))
            }
        }
        withExtendedLifetime((frame, owner)) {}
    }

    /// The frame's opacity, `width * height` floats in 0 … 1; 1 everywhere where the format has none.
    public func alpha(from frame: VideoFrame, into target: UnsafeMutableBufferPointer<Float>) throws(MediaError) {
        guard case .decoding(let video) = direction else { preconditionFailure("made for encoding") }
        guard target.count == frame.width * frame.height, let base = target.baseAddress else {
            throw .wrongFrame(
                expected: "\(target.count) pixels", got: "\(frame.width)x\(frame.height) \(frame.pixelFormat)")
        }
        let (plain, owner) = try plainFrame(frame, video)
        let unpacker = try unpacker(for: plain, video)
        unpacker.alpha(from: plain, into: base)
        withExtendedLifetime((frame, owner)) {}
    }

    /// Makes a frame of floats: `width * height * 3`, and `width * height` of alpha for formats that have it (opaque
    /// where none is given). What is no number becomes black.
    public func frame(
        fromRGB source: UnsafeBufferPointer<Float>, alpha: UnsafeBufferPointer<Float>? = nil, width: Int, height: Int,
        timestamp: Int64, duration: Int64
    ) throws(MediaError) -> VideoFrame {
        guard case .encoding(let maker) = direction else { preconditionFailure("made for decoding") }
        guard width == maker.width, height == maker.height, source.count == width * height * 3,
            alpha.map({ $0.count == width * height }) ?? true
        else {
            throw .wrongFrame(
                expected: "\(maker.width)x\(maker.height)", got: "\(width)x\(height) (\(source.count) floats)")
        }
        let made = try maker.frame(rgb: source, alpha: alpha, clamp: clamp)
        return VideoFrame(owning: made, timestamp: timestamp, duration: duration, isKey: false)
    }

    /// The frame itself, or its conversion by swscale to a format that the row kernels read.
    private func plainFrame(_ frame: VideoFrame, _ video: VideoDescription) throws(MediaError)
        -> (UnsafeMutablePointer<AVFrame>, VideoFrame?)
    {
        guard let layout = PixelLayout(frame.format) else {
            throw .unsupportedConversion(pixelFormat: frame.pixelFormat, reason: "not known")
        }
        if layout.isPlain { return (frame.frame, nil) }
        let target = try ScaleBridge.plainRelative(of: layout)
        let color = Self.meaning(of: frame.frame, layout, video)
        if bridge?.fits(from: frame.format, to: target.format, width: frame.width, height: frame.height) != true {
            bridge = try ScaleBridge(
                from: layout, to: target, width: frame.width, height: frame.height, color: color)
        }
        guard let bridge else { preconditionFailure("just made") }
        let converted = try bridge.convert(frame.frame)
        return (converted, VideoFrame(owning: converted, timestamp: 0, duration: 0, isKey: false))
    }

    private func unpacker(for frame: UnsafeMutablePointer<AVFrame>, _ video: VideoDescription) throws(MediaError)
        -> Unpacker
    {
        let format = AVPixelFormat(rawValue: frame.pointee.format)
        guard let layout = PixelLayout(format) else {
            throw .unsupportedConversion(pixelFormat: video.pixelFormat, reason: "not known")
        }
        let color = Self.meaning(of: frame, layout, video)
        let (width, height) = (Int(frame.pointee.width), Int(frame.pointee.height))
        if let unpacker, unpacker.layout == layout, unpacker.color == color, unpacker.width == width,
            unpacker.height == height
        {
            return unpacker
        }
        let made = Unpacker(layout: layout, color: color, width: width, height: height)
        unpacker = made
        return made
    }

    /// The frame's tags, over the stream's, over the guess.
    private static func meaning(
        of frame: UnsafeMutablePointer<AVFrame>, _ layout: PixelLayout, _ video: VideoDescription
    ) -> ColorDescription {
        let own = ColorDescription(frame.pointee)
        var color = video.color
        if own.matrix != .unspecified, own.matrix != .rgb { color.matrix = own.matrix }
        if own.range != .unspecified { color.range = own.range }
        if own.chromaLocation != .unspecified { color.chromaLocation = own.chromaLocation }
        return color.resolved(
            height: Int(frame.pointee.height), isRGB: layout.isRGB, isFullRangeFormat: layout.isFullRangeFormat,
            isPhotograph: video.codec == "mjpeg")
    }
}
