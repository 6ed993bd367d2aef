public import Media
public import Network

/// Frames of a decoder to a plan's memory, and from there to frames for an encoder, without a picture of floats between:
/// the device converts. Decoders that let themselves be given memory write where the device reads (`LentMemory`), and
/// encoders read where it wrote (`LentFrame`), as far as there is such memory; what lies elsewhere is copied.
///
/// Made for one size and format of frames on either side. Owned by one thread at a time; the two directions may be used
/// by two threads.
public final class FrameTransfer {
    /// What the plan is to be compiled for.
    public let input: FrameFormat
    public let output: FrameFormat
    /// How the decoder lays its pictures, where it is to write them into the plan's memory.
    public let arrangement: FrameArrangement?
    private let source: PlaneDescription
    private let maker: PlaneFrameMaker

    /// Nil where the device cannot convert: formats that need swscale, on either side. Frames then go through
    /// `PixelConverter` and a plan of tensors.
    ///
    /// - Parameters:
    ///   - video: what comes; `fits` says of each frame whether it is as described there.
    ///   - arrangement: of the decoder's pictures.
    ///   - width, height: of what the network makes of it.
    public init?(
        from video: VideoDescription, arrangement: PictureArrangement? = nil, toWidth width: Int, height: Int,
        pixelFormat: String, color: ColorDescription
    ) {
        guard
            let source = PlaneDescription(
                pixelFormat: video.pixelFormat, color: video.color, width: video.width, height: video.height,
                isPhotograph: video.codec == "mjpeg"),
            let maker = PlaneFrameMaker(width: width, height: height, pixelFormat: pixelFormat, color: color)
        else { return nil }
        self.source = source
        self.maker = maker
        self.arrangement = arrangement.map {
            FrameArrangement(starts: $0.starts, strides: $0.strides, bytes: $0.bytes)
        }
        input = FrameFormat(source)
        output = FrameFormat(maker.description)
    }

    /// Whether a frame is of the format, size and meaning that this was made for.
    public func fits(_ frame: VideoFrame, in video: VideoDescription) -> Bool {
        PlaneDescription(of: frame, in: video) == source
    }

    /// For `FramePlan.submit`: where a frame lies, for as long as it lives.
    public func planes(of frame: VideoFrame) -> FramePlanes {
        FramePlanes(
            (0..<input.planeCount).map { plane in
                frame.withPlane(plane) { first, stride in
                    // Planes are told in one form for both directions; these are for reading.
                    FramePlanes.Plane(
                        address: UnsafeMutableRawPointer(mutating: first), stride: stride,
                        rowBytes: input.rowBytes(plane: plane), rows: input.extent(plane: plane).height)
                }
            })
    }

    /// A decoder's pictures into a plan's memory, where it has some to lend.
    public static func decode(_ reader: MediaReader, into plan: any FramePlan) {
        guard let lend = plan.lend else { return }
        reader.decode { lend().map { PictureMemory($0.address, bytes: $0.bytes, owner: $0) } }
    }

    /// What `FramePlan.wait` gave, as a frame with the source frame's times and side data: in the plan's memory, or a copy
    /// where that must be given back.
    ///
    /// - Throws: `MediaError.noResources`.
    public func frame(from lent: LentFrame, like original: VideoFrame) throws -> VideoFrame {
        let planes = lent.planes.planes
        if lent.mayBeKept, let last = planes.last {
            return maker.frame(
                like: original, lending: planes.map { ($0.address, $0.stride) }, rows: last.rows, owner: lent)
        }
        return try withExtendedLifetime(lent) {
            try maker.frame(like: original) { index, first, stride in
                let plane = planes[index]
                plane.copy(
                    to: FramePlanes.Plane(address: first, stride: stride, rowBytes: plane.rowBytes, rows: plane.rows))
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
