internal import CFFmpeg
internal import CPixels

/// One component of a layout as the row kernels want it.
internal struct ComponentRow {
    let plane: Int
    let offset: Int
    let row: PixelRow

    init(_ component: PixelLayout.Component, _ layout: PixelLayout) {
        plane = component.plane
        offset = component.offset
        #if _endian(little)
            let native = !layout.isBigEndian
        #else
            let native = layout.isBigEndian
        #endif
        row = PixelRow(
            step: Int32(component.step), wide: component.depth <= 8 ? 0 : native ? 1 : 2,
            shift: Int32(component.shift), maximum: Int32(1 << component.depth) - 1)
    }

    func address(_ frame: UnsafeMutablePointer<AVFrame>, row: Int) -> UnsafeMutablePointer<UInt8> {
        guard let data = frame.plane(plane) else { preconditionFailure("a software frame has all its planes") }
        return data + row * frame.stride(plane) + offset
    }
}

/// Rows of floats with a margin on either side that repeats the outermost samples. All rows lie in one allocation.
internal final class RowBank {
    /// Covers the widest filter (two before, three after) and keeps rows aligned to 64 bytes.
    static let margin = 16
    private let memory: UnsafeMutablePointer<Float>
    private let stride: Int
    let count: Int

    init(rows: Int, width: Int) {
        stride = (width + 2 * Self.margin + 15) / 16 * 16
        count = rows
        memory = UnsafeMutableRawPointer.allocate(
            byteCount: rows * stride * MemoryLayout<Float>.stride, alignment: 64
        ).bindMemory(to: Float.self, capacity: rows * stride)
        memory.initialize(repeating: 0, count: rows * stride)
    }

    deinit { memory.deallocate() }

    subscript(row: Int) -> UnsafeMutablePointer<Float> {
        precondition((0..<count).contains(row), "row \(row) of \(count)")
        return memory + row * stride + Self.margin
    }

    /// Repeats the first and last of `width` samples into the margins.
    func extend(_ row: Int, width: Int) {
        let line = self[row]
        for step in 1...4 {
            line[-step] = line[0]
            line[width - 1 + step] = line[width - 1]
        }
    }
}

/// A vertical filter: which rows it mixes, with the outermost rows repeated, and zero weights left out.
internal struct VerticalTaps {
    var rows: [Int]
    var weights: [Float]

    init(first: Int, weights all: [Float], limit: Int) {
        rows = []
        weights = []
        for (tap, weight) in all.enumerated() where weight != 0 {
            rows.append(min(max(first + tap, 0), limit - 1))
            weights.append(weight)
        }
    }
}
