internal import CFFmpeg

/// Makes the frames that a writer takes, from RGB floats: in its pixel format and meaning, laid as it has to be laid,
/// and with everything that the source's frame carried beside its pixels. Has scratch memory: one thread at a time,
/// which need not be the writer's.
public final class FrameFactory {
    private let target: (VideoFrame) throws(MediaError) -> (pixelFormat: String, color: ColorDescription)
    private let orientation: (VideoFrame) -> Orientation
    private let clamps: Bool
    private var key: Key?
    private var converter: PixelConverter?
    private var laid: [Float] = []
    private var laidAlpha: [Float] = []

    private struct Key: Equatable {
        var width: Int
        var height: Int
        var pixelFormat: String
        var color: ColorDescription
    }

    internal init(
        orientation: @escaping (VideoFrame) -> Orientation, clamps: Bool,
        target: @escaping (VideoFrame) throws(MediaError) -> (pixelFormat: String, color: ColorDescription)
    ) {
        self.orientation = orientation
        self.clamps = clamps
        self.target = target
    }

    /// Whether what is made of such a frame has a place for opacity; otherwise there is no need to compute any.
    public func hasAlpha(for frame: VideoFrame) -> Bool {
        guard PixelLayout(frame.format)?.hasAlpha == true, let name = try? target(frame).pixelFormat else {
            return false
        }
        return PixelLayout(named: name)?.hasAlpha ?? false
    }

    /// A frame of `width * height * 3` floats, and `width * height` of opacity (opaque where none is given), that takes
    /// time, arrival and side data from the source's frame. The size is the picture's before it is laid otherwise:
    /// `MediaWriter.width` and `height`, or any where `MediaWriter.takesAnySize`.
    public func frame(
        fromRGB source: UnsafeBufferPointer<Float>, alpha: UnsafeBufferPointer<Float>? = nil, width: Int, height: Int,
        like original: VideoFrame
    ) throws(MediaError) -> VideoFrame {
        let (format, color) = try target(original)
        let orientation = orientation(original)
        let (outWidth, outHeight) = orientation.swapsSides ? (height, width) : (width, height)
        let wanted = Key(width: outWidth, height: outHeight, pixelFormat: format, color: color)
        if key != wanted {
            converter = try PixelConverter(
                encodingWidth: outWidth, height: outHeight, pixelFormat: format, color: color, clamps: clamps)
            key = wanted
        }
        guard let converter else { preconditionFailure("just made") }
        guard orientation != .upright else {
            return try converter.frame(
                fromRGB: source, alpha: alpha, width: outWidth, height: outHeight, like: original)
        }
        guard source.count == width * height * 3, alpha.map({ $0.count == width * height }) ?? true else {
            throw .wrongFrame(expected: "\(width * height * 3) floats", got: "\(source.count)")
        }
        lay(source, orientation, width, height, 3, into: &laid)
        if let alpha { lay(alpha, orientation, width, height, 1, into: &laidAlpha) }
        // Typed errors do not pass through the standard library's closures in this release.
        let colours = laid
        let opacity = alpha == nil ? nil : laidAlpha
        let result: Result<VideoFrame, MediaError> = colours.withUnsafeBufferPointer { colours in
            do throws(MediaError) {
                guard let opacity else {
                    return .success(
                        try converter.frame(fromRGB: colours, width: outWidth, height: outHeight, like: original))
                }
                return opacity.withUnsafeBufferPointer { opacity in
                    do throws(MediaError) {
                        return .success(
                            try converter.frame(
                                fromRGB: colours, alpha: opacity, width: outWidth, height: outHeight, like: original))
                    } catch {
                        return .failure(error)
                    }
                }
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// The pixels of a frame that was made here, once more, with time, arrival and side data of another of the source's
    /// frames.
    public func repeated(_ made: VideoFrame, like original: VideoFrame) -> VideoFrame {
        made.retimed(timestamp: original.timestamp, duration: original.duration).carrying(from: original)
    }

    private func lay(
        _ source: UnsafeBufferPointer<Float>, _ orientation: Orientation, _ width: Int, _ height: Int, _ channels: Int,
        into target: inout [Float]
    ) {
        if target.count != source.count { target = [Float](repeating: 0, count: source.count) }
        target.withUnsafeMutableBufferPointer {
            orientation.apply(source, width: width, height: height, channels: channels, into: $0)
        }
    }
}

extension PixelConverter {
    /// Like the other, and takes time, arrival and what describes the picture beside its pixels from a source's frame.
    public func frame(
        fromRGB source: UnsafeBufferPointer<Float>, alpha: UnsafeBufferPointer<Float>? = nil, width: Int, height: Int,
        like original: VideoFrame
    ) throws(MediaError) -> VideoFrame {
        try frame(
            fromRGB: source, alpha: alpha, width: width, height: height, timestamp: original.timestamp,
            duration: original.duration
        ).carrying(from: original)
    }
}

extension VideoFrame {
    /// Side data that stay true when the pixels change.
    private static let carried: [AVFrameSideDataType] = [
        AV_FRAME_DATA_A53_CC, AV_FRAME_DATA_MASTERING_DISPLAY_METADATA, AV_FRAME_DATA_CONTENT_LIGHT_LEVEL,
        AV_FRAME_DATA_DYNAMIC_HDR_PLUS, AV_FRAME_DATA_S12M_TIMECODE, AV_FRAME_DATA_GOP_TIMECODE,
        AV_FRAME_DATA_ICC_PROFILE, AV_FRAME_DATA_STEREO3D, AV_FRAME_DATA_SPHERICAL, AV_FRAME_DATA_AFD,
    ]

    /// The same pixels with another frame's arrival and side data.
    internal func carrying(from original: VideoFrame) -> VideoFrame {
        let copy = clone()
        for type in Self.carried {
            av_frame_remove_side_data(copy, type)
            guard let side = av_frame_get_side_data(original.frame, type),
                let buffer = av_buffer_ref(side.pointee.buf)
            else { continue }
            guard av_frame_new_side_data_from_buf(copy, type, buffer) != nil else { fatalError("out of memory") }
        }
        return VideoFrame(
            owning: copy, timestamp: timestamp, duration: duration, isKey: false, arrival: original.arrival)
    }
}
