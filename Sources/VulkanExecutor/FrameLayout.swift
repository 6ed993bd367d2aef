internal import Network

/// Where the planes of a picture lie in memory that both the host and the device see.
struct FrameLayout: Hashable {
    let format: FrameFormat
    private let arrangement: FrameArrangement
    /// Bytes before each plane, and from row to row in it.
    var starts: [Int] { arrangement.starts }
    var strides: [Int] { arrangement.strides }
    /// Size of the whole.
    let bytes: Int

    init(_ format: FrameFormat) {
        (self.format, arrangement) = (format, FrameArrangement(format))
        bytes = arrangement.bytes
    }

    /// As somebody else lays them; nil where kernels cannot read that.
    init?(_ format: FrameFormat, _ arrangement: FrameArrangement) {
        let (starts, strides) = (arrangement.starts, arrangement.strides)
        guard starts.count == format.planeCount, strides.count == format.planeCount else { return nil }
        for plane in 0..<format.planeCount {
            let (row, rows) = (format.rowBytes(plane: plane), format.extent(plane: plane).height)
            guard starts[plane] >= 0, strides[plane] >= row, starts[plane] % format.bytesPerSample == 0,
                strides[plane] % format.bytesPerSample == 0,
                starts[plane] + (rows - 1) * strides[plane] + row <= arrangement.bytes
            else { return nil }
        }
        (self.format, self.arrangement) = (format, arrangement)
        bytes = (arrangement.bytes + bindingAlignment - 1) / bindingAlignment * bindingAlignment
    }

    /// Bytes that hold samples.
    var sampleBytes: Int {
        starts.indices.reduce(0) { $0 + format.rowBytes(plane: $1) * format.extent(plane: $1).height }
    }

    /// The bytes of one plane of the picture after so many others.
    func range(plane: Int, of picture: Int = 0) -> Range<Int> {
        let start = picture * bytes + starts[plane]
        return start..<start + strides[plane] * format.extent(plane: plane).height
    }

    /// The planes of the picture after so many others, the first of which lies at `base`.
    func planes(_ base: UnsafeMutableRawPointer, of picture: Int = 0) -> FramePlanes {
        FramePlanes(format, arrangement, at: base + picture * bytes)
    }

    // MARK: For the kernels (Shaders/frame.glsl)

    /// The integers that both kernels share, from id 48 on.
    private var sharedConstants: [Int] {
        [
            format.kind == .lumaAndChroma ? 0 : format.kind == .grey ? 1 : 2, format.bytesPerSample,
            1 << format.depth - 1, format.shift, format.isBigEndian && format.bytesPerSample == 2 ? 1 : 0,
            format.horizontal == nil ? 1 : 2, format.vertical == nil ? 1 : 2,
        ]
    }

    /// Of the kernel that reads frames: the shared ones and each component's place.
    var inputConstants: [UInt32] {
        let places = (0..<3).flatMap { index -> [Int] in
            let component = format.components[min(index, format.components.count - 1)]
            return [starts[component.plane] + component.offset, strides[component.plane], component.step]
        }
        return (sharedConstants + places).map(UInt32.init)
    }

    /// Of the kernel that writes one plane.
    func outputConstants(plane: Int) -> [UInt32] {
        let colours = format.components.enumerated().map { ($0.offset, $0.element) }
        let own = (colours + (format.alpha.map { [(3, $0)] } ?? [])).filter { $0.1.plane == plane }
        let step = own.first?.1.step ?? format.bytesPerSample
        var places = [4, 4, 4, 4]
        for (index, component) in own { places[component.offset / format.bytesPerSample] = index }
        let isChroma = format.kind == .lumaAndChroma && own.contains { $0.0 == 1 || $0.0 == 2 }
        return
            (sharedConstants + [step, (format.rowBytes(plane: plane) + 3) / 4, strides[plane] / 4] + places
            + [isChroma ? 1 : 0]).map(UInt32.init)
    }

    private var limits: [Float] {
        format.clamps ? [0, 1] : [-Float.greatestFiniteMagnitude, .greatestFiniteMagnitude]
    }

    /// The floats that the kernel that reads frames finds in its constants.
    var inputNumbers: [Float] {
        var numbers = [format.luma.scale, format.luma.bias, format.chroma.scale, format.chroma.bias]
        numbers += limits + [0, 0, 0, 0, 0, 0]
        for row in 0..<3 { numbers += format.toRGB[row * 2..<row * 2 + 2] + [0, 0] }
        for filter in [format.horizontal, format.vertical] {
            for weights in [filter?.even, filter?.odd] { numbers += (weights ?? [0, 0, 1, 0, 0]) + [0, 0, 0] }
        }
        return numbers
    }

    /// Of the kernel that writes them: scales turned round, the other matrix and filters.
    var outputNumbers: [Float] {
        var numbers = [format.luma, format.chroma].flatMap { [1 / $0.scale, -$0.bias / $0.scale] }
        numbers += limits + [0, 0, 0, 0, 0, 0]
        for row in 0..<3 { numbers += format.fromRGB[row * 3..<row * 3 + 3] + [0] }
        for filter in [format.horizontal, format.vertical] {
            numbers += (filter?.halving ?? [0, 0, 1, 0, 0, 0]) + [0, 0]
            numbers += [0, 0, 0, 0, 0, 0, 0, 0]
        }
        return numbers
    }

    /// The picture's rows that some rows of a plane are made of.
    func sourceRows(_ rows: Range<Int>, plane: Int) -> Range<Int> {
        guard format.extent(plane: plane).height != format.height else { return rows }
        let low = min(max(0, 2 * rows.lowerBound - 2), format.height - 1)
        return low..<min(format.height, 2 * (rows.upperBound - 1) + 4)
    }
}

/// What a plan's ends are: a caller's tensors (nil), or frames.
struct PlanEnds {
    /// Where they come from.
    var input: FrameRing?
    var output: FrameLayout?
    static let tensors = PlanEnds()
}
