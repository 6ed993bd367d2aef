internal import CFFmpeg
internal import CPixels

/// Stored samples to RGB floats, for one layout, meaning and size.
internal final class Unpacker {
    let layout: PixelLayout
    let color: ColorDescription
    let width: Int
    let height: Int

    private let components: [ComponentRow]
    private let alphaComponent: ComponentRow?
    private let scale: ColorMath.Scale
    private let matrix: [Float]
    private let chromaWidth: Int
    private let chromaHeight: Int
    private let horizontal: (even: [Float], odd: [Float])
    private let vertical: (even: [Float], odd: [Float])
    /// Rows 0 … 2: a luma row and the two chroma rows at its size; 3 and 4: chroma rows mixed but not yet widened.
    private let lines: RowBank
    /// The latest eight stored chroma rows of either kind, as floats: filter taps overlap from one row to the next.
    private let rings: [RowBank]
    private var held: [[Int]]

    private static let ringSize = 8

    init(layout: PixelLayout, color: ColorDescription, width: Int, height: Int) {
        precondition(layout.isPlain, "\(layout.name) goes through swscale first")
        self.layout = layout
        self.color = color
        self.width = width
        self.height = height
        components = layout.components.prefix(layout.colorComponents).map { ComponentRow($0, layout) }
        alphaComponent = layout.alpha.map { ComponentRow($0, layout) }
        scale = ColorMath.Scale(depth: layout.depth, range: color.range)
        matrix = ColorMath.toRGB(color.matrix)
        chromaWidth = (width + (1 << layout.chromaWidthShift) - 1) >> layout.chromaWidthShift
        chromaHeight = (height + (1 << layout.chromaHeightShift) - 1) >> layout.chromaHeightShift
        let siting = ColorMath.Siting(color.chromaLocation)
        horizontal = ColorMath.doubling(siting: siting.horizontal)
        vertical = ColorMath.doubling(siting: siting.vertical)
        // One more than the width: doubling writes pairs.
        lines = RowBank(rows: 5, width: width + 1)
        rings = (0..<2).map { _ in RowBank(rows: Self.ringSize, width: width + 1) }
        held = Array(repeating: Array(repeating: -1, count: Self.ringSize), count: 2)
    }

    /// The rows that are named; `target` begins with the first of them.
    func rgb(
        from frame: UnsafeMutablePointer<AVFrame>, rows: Range<Int>, into target: UnsafeMutablePointer<Float>,
        clamp: (low: Float, high: Float)
    ) {
        for kind in 0..<2 { held[kind] = Array(repeating: -1, count: Self.ringSize) }
        for row in rows {
            let out = target + (row - rows.lowerBound) * width * 3
            if layout.isRGB {
                for component in 0..<3 { load(frame, component, row, scale.luma, width, lines[component]) }
                pixels_interleave(lines[0], lines[1], lines[2], clamp.low, clamp.high, width, out)
                continue
            }
            load(frame, 0, row, scale.luma, width, lines[0])
            if layout.isGrey {
                pixels_interleave(lines[0], lines[0], lines[0], clamp.low, clamp.high, width, out)
                continue
            }
            let u = chromaRow(frame, 0, row)
            let v = chromaRow(frame, 1, row)
            pixels_to_rgb(lines[0], u, v, matrix, clamp.low, clamp.high, width, out)
        }
    }

    func alpha(from frame: UnsafeMutablePointer<AVFrame>, into target: UnsafeMutablePointer<Float>) {
        guard let alphaComponent else {
            target.update(repeating: 1, count: width * height)
            return
        }
        // Opacity is full range whatever the colour's range is.
        let unit = 1 / Float(alphaComponent.row.maximum)
        for row in 0..<height {
            pixels_load(
                alphaComponent.address(frame, row: row), alphaComponent.row, unit, 0, width, target + row * width)
        }
    }

    private func load(
        _ frame: UnsafeMutablePointer<AVFrame>, _ component: Int, _ row: Int, _ scale: (scale: Double, bias: Double),
        _ count: Int, _ target: UnsafeMutablePointer<Float>
    ) {
        let source = components[component]
        pixels_load(source.address(frame, row: row), source.row, Float(scale.scale), Float(scale.bias), count, target)
    }

    /// Chroma at the luma's size: mixed from the rows around, then widened.
    private func chromaRow(_ frame: UnsafeMutablePointer<AVFrame>, _ kind: Int, _ row: Int)
        -> UnsafePointer<Float>
    {
        let wide = layout.chromaWidthShift > 0
        let full = lines[1 + kind]
        guard layout.chromaHeightShift > 0 else {
            let narrow = wide ? lines[3 + kind] : full
            load(frame, 1 + kind, row, scale.chroma, chromaWidth, narrow)
            if wide { widen(3 + kind, into: full) }
            return UnsafePointer(full)
        }
        let taps = VerticalTaps(
            first: row / 2 - 2, weights: row % 2 == 0 ? vertical.even : vertical.odd, limit: chromaHeight)
        let sources: [UnsafePointer<Float>?] = taps.rows.map { UnsafePointer(stored(frame, kind, $0)) }
        pixels_mix(sources, taps.weights, Int32(sources.count), chromaWidth, wide ? lines[3 + kind] : full)
        if wide { widen(3 + kind, into: full) }
        return UnsafePointer(full)
    }

    private func widen(_ line: Int, into target: UnsafeMutablePointer<Float>) {
        lines.extend(line, width: chromaWidth)
        pixels_double(lines[line], horizontal.even, horizontal.odd, chromaWidth, target)
    }

    /// A stored chroma row as floats, kept for the rows that follow.
    private func stored(_ frame: UnsafeMutablePointer<AVFrame>, _ kind: Int, _ row: Int) -> UnsafeMutablePointer<Float>
    {
        let slot = row % Self.ringSize
        if held[kind][slot] != row {
            load(frame, 1 + kind, row, scale.chroma, chromaWidth, rings[kind][slot])
            held[kind][slot] = row
        }
        return rings[kind][slot]
    }
}
