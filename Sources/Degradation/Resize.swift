internal import CFilters
public import Tensor

/// How a picture is brought to another size.
public enum ResizeMode: String, Codable, Hashable, Sendable, CaseIterable {
    /// The mean of the source pixels that a target pixel touches (PyTorch's `area`).
    case area
    /// Between the two nearest pixels each way, however small the target is (PyTorch's `bilinear`, corners not aligned).
    case bilinear
    /// Between the four nearest, a = -0.75 (PyTorch's `bicubic`, corners not aligned).
    case bicubic
    /// Bicubic, a = -0.5, with a window that grows as the picture shrinks (Pillow's BICUBIC, MATLAB's imresize): what
    /// "bicubic" means in the field's benchmarks.
    case antialiased
}

/// For each target sample the first source sample that it draws from, how many, and their weights one after another.
internal struct AxisTaps {
    var starts: [Int32] = []
    var counts: [Int32] = []
    var weights: [Float] = []

    init(_ mode: ResizeMode, from source: Int, to target: Int) {
        let scale = Double(source) / Double(target)
        for index in 0..<target {
            switch mode {
            case .area:
                let first = index * source / target
                let last = ((index + 1) * source + target - 1) / target
                append(first, [Double](repeating: 1 / Double(last - first), count: last - first))
            case .bilinear:
                let position = max(0, (Double(index) + 0.5) * scale - 0.5)
                let first = min(Int(position), source - 1)
                let t = position - Double(first)
                append(clamping: first, [1 - t, t], source)
            case .bicubic:
                let position = (Double(index) + 0.5) * scale - 0.5
                let first = position.rounded(.down)
                let t = position - first
                append(
                    clamping: Int(first) - 1, [-1, 0, 1, 2].map { Self.cubic($0 - t, a: -0.75) }, source)
            case .antialiased:
                let stretch = max(scale, 1)
                let centre = (Double(index) + 0.5) * scale
                let first = max(0, Int((centre - 2 * stretch + 0.5)))
                let last = min(source, Int(centre + 2 * stretch + 0.5))
                let raw = (first..<last).map { Self.cubic((Double($0) - centre + 0.5) / stretch, a: -0.5) }
                let sum = raw.reduce(0, +)
                append(first, raw.map { $0 / sum })
            }
        }
    }

    private mutating func append(_ first: Int, _ values: [Double]) {
        starts.append(Int32(first))
        counts.append(Int32(values.count))
        weights += values.map { Float($0) }
    }

    /// Weights of samples outside go to the outermost.
    private mutating func append(clamping first: Int, _ values: [Double], _ limit: Int) {
        let (low, high) = (min(max(first, 0), limit - 1), min(max(first + values.count - 1, 0), limit - 1))
        var inside = [Double](repeating: 0, count: high - low + 1)
        for (tap, value) in values.enumerated() { inside[min(max(first + tap, low), high) - low] += value }
        append(low, inside)
    }

    /// Keys's kernel.
    private static func cubic(_ x: Double, a: Double) -> Double {
        let x = abs(x)
        if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
        return 0
    }
}

extension HostTensor {
    /// The picture at another size. The result may leave 0 … 1 where the mode overshoots.
    public func resized(height: Int, width: Int, _ mode: ResizeMode) -> HostTensor {
        expectPicture()
        precondition(height > 0 && width > 0, "a picture of \(width)x\(height)")
        if height == shape.height, width == shape.width { return self }
        // The direction that shrinks more goes first.
        let vertical = AxisTaps(mode, from: shape.height, to: height)
        let horizontal = AxisTaps(mode, from: shape.width, to: width)
        if height * shape.width <= shape.height * width {
            return resizedRows(vertical).resizedColumns(horizontal)
        }
        return resizedColumns(horizontal).resizedRows(vertical)
    }

    private func resizedRows(_ taps: AxisTaps) -> HostTensor {
        var offsets = [0]
        for count in taps.counts { offsets.append(offsets[offsets.count - 1] + Int(count)) }
        return mixingRows(height: taps.starts.count) { y in
            let first = Int(taps.starts[y])
            return (Array(first..<first + Int(taps.counts[y])), Array(taps.weights[offsets[y]..<offsets[y + 1]]))
        }
    }

    private func resizedColumns(_ taps: AxisTaps) -> HostTensor {
        let (h, w, target) = (shape.height, shape.width, taps.starts.count)
        let values = [Float](unsafeUninitializedCapacity: h * target * 3) { result, count in
            withUnsafeValues { source in
                for y in 0..<h {
                    filters_gather(
                        source.baseAddress! + y * w * 3, taps.starts, taps.counts, taps.weights, target,
                        result.baseAddress! + y * target * 3)
                }
            }
            count = h * target * 3
        }
        return HostTensor(.nhwc(1, h, target, 3), values)
    }

    /// Each pixel as a square of `factor` by `factor`.
    public func enlargedNearest(_ factor: Int) -> HostTensor {
        expectPicture()
        let (h, w) = (shape.height, shape.width)
        var result = HostTensor(.nhwc(1, h * factor, w * factor, 3))
        for y in 0..<h * factor {
            for x in 0..<w * factor {
                for c in 0..<3 { result[0, y, x, c] = self[0, y / factor, x / factor, c] }
            }
        }
        return result
    }
}
