internal import CFFmpeg
internal import CPixels

/// RGB floats to frames of one layout, meaning and size. Frames come from a pool and return to it.
internal final class FrameMaker {
    let width: Int
    let height: Int
    private let target: PixelLayout
    /// What the row kernels write: the target, or what swscale makes the target from.
    private let layout: PixelLayout
    private let color: ColorDescription
    private let bridge: ScaleBridge?
    private let pool: FramePool

    private let components: [ComponentRow]
    private let alphaComponent: ComponentRow?
    /// Bytes of packed pixels that no component fills (the X of RGB0) are left as they were: zero.
    private let scale: ColorMath.Scale
    private let matrix: [Float]
    private let chromaWidth: Int
    private let chromaHeight: Int
    private let horizontal: [Float]
    private let vertical: [Float]
    /// Rows 0 … 2: luma and chroma at full size; 3: chroma ready to be stored.
    private let lines: RowBank
    private let rings: [RowBank]
    private static let ringSize = 8

    init(width: Int, height: Int, layout target: PixelLayout, color: ColorDescription) throws(MediaError) {
        self.width = width
        self.height = height
        self.target = target
        let color = color.resolved(
            height: height, isRGB: target.isRGB, isFullRangeFormat: target.isFullRangeFormat)
        self.color = color
        if target.isPlain {
            layout = target
            bridge = nil
        } else {
            layout = try ScaleBridge.plainRelative(of: target)
            bridge = try ScaleBridge(from: layout, to: target, width: width, height: height, color: color)
        }
        let layout = layout
        pool = FramePool(layout: layout, width: width, height: height)
        components = layout.components.prefix(layout.colorComponents).map { ComponentRow($0, layout) }
        alphaComponent = layout.alpha.map { ComponentRow($0, layout) }
        scale = ColorMath.Scale(depth: layout.depth, range: color.range)
        // Grey keeps the luma that its tag, or else the height, speaks of.
        matrix = ColorMath.fromRGB(color.matrix)
        chromaWidth = (width + (1 << layout.chromaWidthShift) - 1) >> layout.chromaWidthShift
        chromaHeight = (height + (1 << layout.chromaHeightShift) - 1) >> layout.chromaHeightShift
        let siting = ColorMath.Siting(color.chromaLocation)
        horizontal = ColorMath.halving(siting: siting.horizontal)
        vertical = ColorMath.halving(siting: siting.vertical)
        lines = RowBank(rows: 4, width: width + 1)
        rings = (0..<2).map { _ in RowBank(rows: Self.ringSize, width: width + 1) }
    }

    func frame(
        rgb: UnsafeBufferPointer<Float>, alpha: UnsafeBufferPointer<Float>?, clamp: (low: Float, high: Float)
    ) throws(MediaError) -> UnsafeMutablePointer<AVFrame> {
        guard let source = rgb.baseAddress else { preconditionFailure("a picture has at least one pixel") }
        let frame = try pool.frame()
        color.tagged.tag(frame)
        if layout.isRGB {
            for row in 0..<height {
                pixels_separate(
                    source + row * width * 3, clamp.low, clamp.high, width, lines[0], lines[1], lines[2])
                for component in 0..<3 { store(lines[component], frame, component, row, scale.luma, width) }
            }
        } else {
            storeLumaAndChroma(source, frame, clamp)
        }
        if let alphaComponent { storeAlpha(alpha, frame, alphaComponent) }
        guard let bridge else { return frame }
        defer {
            var pointer: UnsafeMutablePointer<AVFrame>? = frame
            av_frame_free(&pointer)
        }
        let converted = try bridge.convert(frame)
        color.tagged.tag(converted)
        return converted
    }

    private func storeLumaAndChroma(
        _ source: UnsafePointer<Float>, _ frame: UnsafeMutablePointer<AVFrame>, _ clamp: (low: Float, high: Float)
    ) {
        var next = 0
        for row in 0..<height {
            let chroma = (0..<2).map { halvesHeight ? rings[$0][row % Self.ringSize] : lines[1 + $0] }
            // Narrowed rows need their full-size row first; full-width ones go where they are kept at once.
            let u = halvesWidth ? lines[1] : chroma[0]
            let v = halvesWidth ? lines[2] : chroma[1]
            pixels_from_rgb(source + row * width * 3, matrix, clamp.low, clamp.high, width, lines[0], u, v)
            store(lines[0], frame, 0, row, scale.luma, width)
            if layout.isGrey { continue }
            if halvesWidth {
                for kind in 0..<2 {
                    lines.extend(1 + kind, width: width)
                    pixels_halve(
                        lines[1 + kind], horizontal, chromaWidth, halvesHeight ? chroma[kind] : lines[3])
                    if !halvesHeight { store(lines[3], frame, 1 + kind, row, scale.chroma, chromaWidth) }
                }
            } else if !halvesHeight {
                for kind in 0..<2 { store(lines[1 + kind], frame, 1 + kind, row, scale.chroma, chromaWidth) }
            }
            guard halvesHeight else { continue }
            // A chroma row is due once the last row it draws from is there.
            while next < chromaHeight, row == height - 1 || 2 * next + 3 <= row {
                storeMixed(next, frame)
                next += 1
            }
        }
    }

    private var halvesWidth: Bool { layout.chromaWidthShift > 0 }
    private var halvesHeight: Bool { layout.chromaHeightShift > 0 }

    private func storeMixed(_ row: Int, _ frame: UnsafeMutablePointer<AVFrame>) {
        let taps = VerticalTaps(first: 2 * row - 2, weights: vertical, limit: height)
        for kind in 0..<2 {
            let sources: [UnsafePointer<Float>?] = taps.rows.map { UnsafePointer(rings[kind][$0 % Self.ringSize]) }
            pixels_mix(sources, taps.weights, Int32(sources.count), chromaWidth, lines[3])
            store(lines[3], frame, 1 + kind, row, scale.chroma, chromaWidth)
        }
    }

    private func storeAlpha(
        _ alpha: UnsafeBufferPointer<Float>?, _ frame: UnsafeMutablePointer<AVFrame>, _ component: ComponentRow
    ) {
        for row in 0..<height {
            let address = component.address(frame, row: row)
            if let base = alpha?.baseAddress {
                pixels_store(base + row * width, component.row, Float(component.row.maximum), 0, width, address)
            } else {
                pixels_fill(address, component.row, component.row.maximum, width)
            }
        }
    }

    private func store(
        _ line: UnsafeMutablePointer<Float>, _ frame: UnsafeMutablePointer<AVFrame>, _ component: Int, _ row: Int,
        _ scale: (scale: Double, bias: Double), _ count: Int
    ) {
        let target = components[component]
        pixels_store(
            line, target.row, Float(1 / scale.scale), Float(-scale.bias / scale.scale), count,
            target.address(frame, row: row))
    }
}

/// Frames whose memory returns here when their last reference goes, from whatever thread. The memory outlives the pool
/// as long as a frame uses it.
internal final class FramePool {
    private let layout: PixelLayout
    private let width: Int
    private let height: Int
    private var pool: OpaquePointer?
    private let size: Int
    /// Rows begin at multiples of this, as encoders like it.
    private static let alignment: Int32 = 64

    init(layout: PixelLayout, width: Int, height: Int) {
        self.layout = layout
        self.width = width
        self.height = height
        let bytes = av_image_get_buffer_size(layout.format, Int32(width), Int32(height), Self.alignment)
        precondition(bytes > 0, "a picture of \(width)x\(height) has a size")
        // Encoders may read some bytes beyond the last row.
        size = Int(bytes) + 4 * Int(Self.alignment)
        pool = av_buffer_pool_init(numericCast(size), { av_buffer_allocz($0) })
        precondition(pool != nil, "out of memory")
    }

    deinit { av_buffer_pool_uninit(&pool) }

    var format: AVPixelFormat { layout.format }

    /// - Throws: `MediaError.noResources` where there is no memory for another frame.
    func frame() throws(MediaError) -> UnsafeMutablePointer<AVFrame> {
        var made = av_frame_alloc()
        guard let frame = made, let buffer = av_buffer_pool_get(pool) else {
            av_frame_free(&made)
            throw .noResources(path: "a frame of \(width)x\(height)", reason: "out of memory")
        }
        frame.pointee.format = layout.format.rawValue
        frame.pointee.width = Int32(width)
        frame.pointee.height = Int32(height)
        frame.pointee.buf.0 = buffer
        let start = buffer.pointee.data
        let misfit = start.map { Int(bitPattern: $0) % Int(Self.alignment) } ?? 0
        let aligned = start.map { $0 + (misfit == 0 ? 0 : Int(Self.alignment) - misfit) }
        withUnsafeMutablePointer(to: &frame.pointee.data) { data in
            data.withMemoryRebound(to: UnsafeMutablePointer<UInt8>?.self, capacity: 8) { planes in
                withUnsafeMutablePointer(to: &frame.pointee.linesize) { lines in
                    lines.withMemoryRebound(to: Int32.self, capacity: 8) { strides in
                        _ = av_image_fill_arrays(
                            planes, strides, aligned, layout.format, Int32(width), Int32(height), Self.alignment)
                    }
                }
            }
        }
        frame.pointee.extended_data = frame.dataPointer
        return frame
    }
}

extension UnsafeMutablePointer<AVBufferRef> {
    /// A buffer in memory that is its owner's, who is kept until the last reference goes, on whatever thread. Nil where there
    /// is no memory for the reference itself.
    internal static func lent(
        _ address: UnsafeMutableRawPointer, bytes: Int, owner: any AnyObject & Sendable, flags: Int32 = 0
    ) -> UnsafeMutablePointer<AVBufferRef>? {
        let kept = Unmanaged.passRetained(owner as AnyObject)
        let buffer = av_buffer_create(
            address.assumingMemoryBound(to: UInt8.self), numericCast(bytes),
            { owner, _ in owner.map { Unmanaged<AnyObject>.fromOpaque($0).release() } }, kept.toOpaque(), flags)
        if buffer == nil { kept.release() }
        return buffer
    }
}

extension UnsafeMutablePointer<AVFrame> {
    /// The address of the array `data`, as `extended_data` wants it.
    fileprivate var dataPointer: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?> {
        guard let offset = MemoryLayout<AVFrame>.offset(of: \.data) else { preconditionFailure("a stored field") }
        return (UnsafeMutableRawPointer(self) + offset).assumingMemoryBound(to: UnsafeMutablePointer<UInt8>?.self)
    }

    /// Says where the rows of a new frame's planes lie.
    internal func setPlanes(_ planes: [(firstRow: UnsafeMutableRawPointer, stride: Int)]) {
        guard let offset = MemoryLayout<AVFrame>.offset(of: \.linesize) else { preconditionFailure("a stored field") }
        let lines = (UnsafeMutableRawPointer(self) + offset).assumingMemoryBound(to: Int32.self)
        for (index, plane) in planes.enumerated() {
            dataPointer[index] = plane.firstRow.assumingMemoryBound(to: UInt8.self)
            lines[index] = Int32(plane.stride)
        }
        pointee.extended_data = dataPointer
    }
}
