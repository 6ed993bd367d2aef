internal import CFFmpeg

/// A pixel format with its meaning as plain numbers, for those who convert pixels elsewhere (on a GPU): where samples
/// lie, what codes mean, how chroma is widened and narrowed. `PixelConverter` computes the same.
public struct PlaneDescription: Hashable, Sendable {
    public struct Component: Hashable, Sendable {
        public var plane: Int
        /// Bytes from one sample to the next, and before the first.
        public var step: Int
        public var offset: Int
    }

    public struct Scale: Hashable, Sendable {
        /// value = code * scale + bias
        public var scale: Float
        public var bias: Float
    }

    /// Filters along one axis, as `ColorMath` has them.
    public struct ChromaFilter: Hashable, Sendable {
        public var even: [Float]
        public var odd: [Float]
        public var halving: [Float]
    }

    public var width: Int
    public var height: Int
    public var depth: Int
    public var shift: Int
    public var isBigEndian: Bool
    public var isRGB: Bool
    /// Luma, blue and red difference; or red, green, blue; or luma alone.
    public var components: [Component]
    public var alpha: Component?
    public var horizontal: ChromaFilter?
    public var vertical: ChromaFilter?
    public var luma: Scale
    public var chroma: Scale
    /// Rows r, g, b of the weights of blue and red difference.
    public var toRGB: [Float]
    /// Rows luma, blue and red difference of the weights of r, g, b.
    public var fromRGB: [Float]

    /// Nil for formats that are not whole samples of 8 to 16 bits with chroma of full or half size, and for packed 4:2:2:
    /// those go through `PixelConverter`.
    ///
    /// - Parameter color: missing fields are guessed as players guess them.
    public init?(
        pixelFormat: String, color: ColorDescription, width: Int, height: Int, isPhotograph: Bool = false
    ) {
        Library.prepare()
        guard let layout = PixelLayout(named: pixelFormat), layout.isPlain else { return nil }
        self.init(layout, color, width, height, isPhotograph: isPhotograph)
    }

    /// The description of a decoded frame: its own tags, over the stream's, over the guess.
    public init?(of frame: VideoFrame, in video: VideoDescription) {
        Library.prepare()
        guard let layout = PixelLayout(frame.format), layout.isPlain else { return nil }
        var color = video.color
        let own = frame.color
        if own.matrix != .unspecified, own.matrix != .rgb { color.matrix = own.matrix }
        if own.range != .unspecified { color.range = own.range }
        if own.chromaLocation != .unspecified { color.chromaLocation = own.chromaLocation }
        self.init(layout, color, frame.width, frame.height, isPhotograph: video.codec == "mjpeg")
    }

    private init?(
        _ layout: PixelLayout, _ color: ColorDescription, _ width: Int, _ height: Int, isPhotograph: Bool
    ) {
        let color = color.resolved(
            height: height, isRGB: layout.isRGB, isFullRangeFormat: layout.isFullRangeFormat,
            isPhotograph: isPhotograph)
        let used = layout.components.prefix(layout.colorComponents)
        guard let first = used.first, used.allSatisfy({ $0.shift == first.shift }) else { return nil }
        // Packed 4:2:2, whose luma steps otherwise than the chroma in its plane, is rare.
        let pairs = used.flatMap { one in used.map { (one, $0) } }
        guard pairs.allSatisfy({ $0.plane != $1.plane || $0.step == $1.step }) else { return nil }
        func plain(_ component: PixelLayout.Component) -> Component {
            Component(plane: component.plane, step: component.step, offset: component.offset)
        }
        (self.width, self.height, depth, shift) = (width, height, layout.depth, first.shift)
        (isBigEndian, isRGB) = (layout.isBigEndian, layout.isRGB)
        components = used.map(plain)
        alpha = layout.alpha.map(plain)
        let siting = ColorMath.Siting(color.chromaLocation)
        func filter(_ siting: Double) -> ChromaFilter {
            let (even, odd) = ColorMath.doubling(siting: siting)
            return ChromaFilter(even: even, odd: odd, halving: ColorMath.halving(siting: siting))
        }
        horizontal = layout.chromaWidthShift > 0 ? filter(siting.horizontal) : nil
        vertical = layout.chromaHeightShift > 0 ? filter(siting.vertical) : nil
        let scale = ColorMath.Scale(depth: layout.depth, range: color.range)
        luma = Scale(scale: Float(scale.luma.scale), bias: Float(scale.luma.bias))
        chroma = Scale(scale: Float(scale.chroma.scale), bias: Float(scale.chroma.bias))
        toRGB = ColorMath.toRGB(color.matrix)
        fromRGB = ColorMath.fromRGB(color.matrix)
    }
}

/// Makes frames whose samples come from elsewhere. Frames come from a pool and return to it. One thread at a time.
public final class PlaneFrameMaker {
    public let description: PlaneDescription
    private let pool: FramePool
    private let color: ColorDescription

    /// Frames of a pixel format, tagged as `color` says. Nil where `PlaneDescription` is.
    public init?(width: Int, height: Int, pixelFormat: String, color: ColorDescription) {
        guard
            let description = PlaneDescription(
                pixelFormat: pixelFormat, color: color, width: width, height: height),
            let layout = PixelLayout(named: pixelFormat)
        else { return nil }
        self.description = description
        self.color = color.resolved(height: height, isRGB: layout.isRGB, isFullRangeFormat: layout.isFullRangeFormat)
        pool = FramePool(layout: layout, width: width, height: height)
    }

    /// A frame with the times, arrival and side data of the source's frame.
    ///
    /// - Parameter fill: is lent every plane once, row by row `stride` bytes apart; valid inside only.
    /// - Throws: `MediaError.noResources` where there is no memory for another frame.
    public func frame(
        like original: VideoFrame, _ fill: (_ plane: Int, _ firstRow: UnsafeMutableRawPointer, _ stride: Int) -> Void
    ) throws(MediaError) -> VideoFrame {
        let made = try pool.frame()
        let planes = (description.components + [description.alpha].compactMap { $0 }).map(\.plane).max() ?? 0
        for plane in 0...planes {
            guard let data = made.plane(plane) else { preconditionFailure("a new frame has all its planes") }
            fill(plane, UnsafeMutableRawPointer(data), made.stride(plane))
        }
        return finished(made, like: original)
    }

    /// A frame in somebody else's memory, otherwise as above.
    ///
    /// - Parameters:
    ///   - planes: each plane's first row and bytes from row to row, multiples of 64; in the order of their addresses. 64
    ///     bytes after the last row may be read.
    ///   - rows: of the last plane.
    ///   - owner: is kept until the last reference to the frame goes, on whatever thread; the memory stays for as long.
    public func frame(
        like original: VideoFrame, lending planes: [(firstRow: UnsafeMutableRawPointer, stride: Int)], rows: Int,
        owner: any AnyObject & Sendable
    ) -> VideoFrame {
        guard let first = planes.first, let last = planes.last else { preconditionFailure("a frame has planes") }
        let bytes = last.firstRow + last.stride * rows - first.firstRow
        // Read-only: who would write to it copies it before.
        guard let made = av_frame_alloc(),
            let buffer = UnsafeMutablePointer<AVBufferRef>.lent(
                first.firstRow, bytes: bytes, owner: owner, flags: AV_BUFFER_FLAG_READONLY)
        else { fatalError("out of memory") }
        made.pointee.format = pool.format.rawValue
        (made.pointee.width, made.pointee.height) = (Int32(description.width), Int32(description.height))
        made.pointee.buf.0 = buffer
        made.setPlanes(planes)
        return finished(made, like: original)
    }

    private func finished(_ made: UnsafeMutablePointer<AVFrame>, like original: VideoFrame) -> VideoFrame {
        color.tagged.tag(made)
        return VideoFrame(
            owning: made, timestamp: original.timestamp, duration: original.duration, isKey: false
        ).carrying(from: original)
    }
}
