public import Tensor

/// Lays pictures out side by side, to be looked at: one row for each sample, what went in (enlarged), what came out, and
/// what should have come out.
public struct PictureStrip: Sendable {
    /// How the small picture is enlarged.
    public enum Enlargement: String, Codable, Sendable {
        /// Every pixel becomes a square: one sees what the network was given.
        case nearest
        /// Keys' cubic with a = -0.5, the field's baseline: one sees what the network is better than.
        case bicubic
    }

    public var enlargement: Enlargement
    /// Pixels between pictures.
    public var gap: Int
    /// The gaps' gray.
    public var background: Float

    public init(enlargement: Enlargement = .bicubic, gap: Int = 4, background: Float = 1) {
        precondition(gap >= 0, "a gap of \(gap) pixels")
        (self.enlargement, self.gap, self.background) = (enlargement, gap, background)
    }

    /// - Parameters:
    ///   - low: `[N, h, w, C]`, values in [0, 1].
    ///   - generated, target: `[N, h * s, w * s, C]` with a whole s.
    /// - Returns: `[1, N * h * s + gaps, 3 * w * s + gaps, C]`, clamped to [0, 1].
    public func layout(low: HostTensor, generated: HostTensor, target: HostTensor) -> HostTensor {
        let (small, large) = (low.shape, target.shape)
        let factor = large.height / max(1, small.height)
        precondition(
            generated.shape == large && large.batch == small.batch && large.channels == small.channels
                && small.height * factor == large.height && small.width * factor == large.width,
            "a strip of \(small), \(generated.shape) and \(large)")
        let columns = [enlarged(low, by: factor), generated, target]
        var strip = HostTensor(
            .nhwc(
                1, small.batch * large.height + (small.batch - 1) * gap, 3 * large.width + 2 * gap, large.channels),
            repeating: background)
        let rowLength = large.width * large.channels
        for sample in 0..<small.batch {
            for (column, picture) in columns.enumerated() {
                for y in 0..<large.height {
                    let from = (sample * large.height + y) * rowLength
                    let row = sample * (large.height + gap) + y
                    let to = (row * strip.shape.width + column * (large.width + gap)) * large.channels
                    for index in 0..<rowLength {
                        let value = picture.values[from + index]
                        strip.values[to + index] = value.isNaN ? 0 : min(1, max(0, value))
                    }
                }
            }
        }
        return strip
    }

    /// The pictures `factor` times as large.
    func enlarged(_ x: HostTensor, by factor: Int) -> HostTensor {
        let shape = x.shape
        let rows = taps(shape.height, factor)
        let columns = taps(shape.width, factor)
        var result = HostTensor(.nhwc(shape.batch, rows.count, columns.count, shape.channels))
        for n in 0..<shape.batch {
            for c in 0..<shape.channels {
                for (y, vertical) in rows.enumerated() {
                    for (x0, horizontal) in columns.enumerated() {
                        var sum = 0.0
                        for (sourceY, weightY) in vertical {
                            for (sourceX, weightX) in horizontal {
                                sum += weightY * weightX * Double(x[n, sourceY, sourceX, c])
                            }
                        }
                        result[n, y, x0, c] = Float(sum)
                    }
                }
            }
        }
        return result
    }

    /// What each enlarged sample is a mixture of. Beyond the border there is nothing, and the other weights grow.
    private func taps(_ count: Int, _ factor: Int) -> [[(source: Int, weight: Double)]] {
        (0..<count * factor).map { target in
            guard enlargement == .bicubic else { return [(target / factor, 1)] }
            let centre = (Double(target) + 0.5) / Double(factor) - 0.5
            let first = Int(centre.rounded(.down)) - 1
            let inside = (first..<first + 4).filter { (0..<count).contains($0) }
            let weights = inside.map { keys(abs(Double($0) - centre)) }
            let sum = weights.reduce(0, +)
            return Array(zip(inside, weights.map { $0 / sum }))
        }
    }

    private func keys(_ distance: Double) -> Double {
        if distance < 1 { return (1.5 * distance - 2.5) * distance * distance + 1 }
        if distance < 2 { return ((-0.5 * distance + 2.5) * distance - 4) * distance + 2 }
        return 0
    }
}
