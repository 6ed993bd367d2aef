public import Media
public import Network

/// Frames of a decoder to a plan's memory, and from there to frames for an encoder, without a picture of floats between:
/// the device converts. Copies rows into the plan's memory; encoders read results where the device wrote them, or a copy where
/// that memory is needed. (Decoders do not write where it reads: they look at their pictures again and again, and keep
/// them.)
///
/// Made for one size and format of frames on either side. Owned by one thread at a time; the two directions may be used
/// by two threads.
public final class FrameTransfer {
    /// What the plan is to be compiled for.
    public let input: FrameFormat
    public let output: FrameFormat
    private let source: PlaneDescription
    private let maker: PlaneFrameMaker

    /// Nil where the device cannot convert: formats that need swscale, on either side. Frames then go through
    /// `PixelConverter` and a plan of tensors.
    ///
    /// - Parameters:
    ///   - video: what comes; `fits` says of each frame whether it is as described there.
    ///   - width, height: of what the network makes of it.
    public init?(
        from video: VideoDescription, toWidth width: Int, height: Int, pixelFormat: String, color: ColorDescription
    ) {
        guard
            let source = PlaneDescription(
                pixelFormat: video.pixelFormat, color: video.color, width: video.width, height: video.height,
                isPhotograph: video.codec == "mjpeg"),
            let maker = PlaneFrameMaker(width: width, height: height, pixelFormat: pixelFormat, color: color)
        else { return nil }
        self.source = source
        self.maker = maker
        input = FrameFormat(source)
        output = FrameFormat(maker.description)
    }

    /// Whether a frame is of the format, size and meaning that this was made for.
    public func fits(_ frame: VideoFrame, in video: VideoDescription) -> Bool {
        PlaneDescription(of: frame, in: video) == source
    }

    /// For `FramePlan.submit`: the frame's rows to the plan's memory.
    public func write(_ frame: VideoFrame, to target: FramePlanes) {
        for (index, plane) in target.planes.enumerated() {
            frame.withPlane(index) { first, stride in
                for row in 0..<plane.rows {
                    (plane.address + row * plane.stride).copyMemory(
                        from: first + row * stride, byteCount: plane.rowBytes)
                }
            }
        }
    }

    /// What `FramePlan.wait` gave, as a frame with the source frame's times and side data: in the plan's memory, or a copy
    /// where that must be given back.
    public func frame(from lent: LentFrame, like original: VideoFrame) -> VideoFrame {
        let planes = lent.planes.planes
        if lent.mayBeKept, let last = planes.last {
            return maker.frame(
                like: original, lending: planes.map { ($0.address, $0.stride) }, rows: last.rows, owner: lent)
        }
        return withExtendedLifetime(lent) {
            maker.frame(like: original) { index, first, stride in
                let plane = planes[index]
                for row in 0..<plane.rows {
                    (first + row * stride).copyMemory(
                        from: plane.address + row * plane.stride, byteCount: plane.rowBytes)
                }
            }
        }
    }
}

extension FrameFormat {
    init(_ planes: PlaneDescription) {
        self.init(
            width: planes.width, height: planes.height,
            kind: planes.isRGB ? .rgb : planes.components.count == 1 ? .grey : .lumaAndChroma, depth: planes.depth,
            components: planes.components.map(Component.init))
        (shift, isBigEndian) = (planes.shift, planes.isBigEndian)
        alpha = planes.alpha.map(Component.init)
        horizontal = planes.horizontal.map(Resampling.init)
        vertical = planes.vertical.map(Resampling.init)
        luma = (planes.luma.scale, planes.luma.bias)
        chroma = (planes.chroma.scale, planes.chroma.bias)
        (toRGB, fromRGB) = (planes.toRGB, planes.fromRGB)
    }
}

extension FrameFormat.Component {
    fileprivate init(_ component: PlaneDescription.Component) {
        self.init(plane: component.plane, step: component.step, offset: component.offset)
    }
}

extension FrameFormat.Resampling {
    fileprivate init(_ filter: PlaneDescription.ChromaFilter) {
        self.init(even: filter.even, odd: filter.odd, halving: filter.halving)
    }
}
