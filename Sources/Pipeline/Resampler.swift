internal import Tensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Resizes pictures to any size: separable Lanczos with three lobes, widened when shrinking so that nothing aliases.
///
/// Made once for a pair of sizes. Owned by one thread at a time.
final class Resampler {
    let source: Shape
    let target: Shape
    private let rows: [Taps]
    private let columns: [Taps]
    /// One row, resized vertically.
    private var row: [Float]

    /// The samples that make up one target sample.
    private struct Taps {
        var first: Int
        var weights: [Float]
    }

    /// - Parameters: shapes `[1, H, W, C]` of equal channels.
    init(from source: Shape, to target: Shape) {
        precondition(source.channels == target.channels && source.batch == 1 && target.batch == 1)
        self.source = source
        self.target = target
        rows = Resampler.taps(from: source.height, to: target.height)
        columns = Resampler.taps(from: source.width, to: target.width)
        row = [Float](repeating: 0, count: source.width * source.channels)
    }

    private static func taps(from count: Int, to target: Int) -> [Taps] {
        let step = Double(count) / Double(target)
        let stretch = max(step, 1)
        let radius = 3 * stretch
        func lanczos(_ x: Double) -> Double {
            if x == 0 { return 1 }
            if abs(x) >= 3 { return 0 }
            let angle = Double.pi * x
            return 3 * sin(angle) * sin(angle / 3) / (angle * angle)
        }
        return (0..<target).map { index in
            let centre = (Double(index) + 0.5) * step - 0.5
            let first = Int((centre - radius).rounded(.up))
            let last = Int((centre + radius).rounded(.down))
            // Samples beyond the border repeat it: their weights go to the border sample.
            let (low, high) = (min(max(first, 0), count - 1), min(max(last, 0), count - 1))
            var weights = [Double](repeating: 0, count: high - low + 1)
            for sample in first...last {
                weights[min(max(sample, low), high) - low] += lanczos((Double(sample) - centre) / stretch)
            }
            let sum = weights.reduce(0, +)
            return Taps(first: low, weights: weights.map { Float($0 / sum) })
        }
    }

    /// - Precondition: the tensors have the sizes that this was made for.
    func resize(_ picture: HostTensor, into result: inout HostTensor) {
        precondition(picture.shape == source && result.shape == target)
        let channels = source.channels
        let stride = source.width * channels
        picture.withUnsafeValues { input in
            result.withUnsafeMutableValues { output in
                row.withUnsafeMutableBufferPointer { row in
                    for (y, taps) in rows.enumerated() {
                        row.update(repeating: 0)
                        for (offset, weight) in taps.weights.enumerated() {
                            let line = input.baseAddress! + (taps.first + offset) * stride
                            for index in 0..<stride { row[index] += weight * line[index] }
                        }
                        var index = y * target.width * channels
                        for taps in columns {
                            for channel in 0..<channels {
                                var sum: Float = 0
                                taps.weights.withUnsafeBufferPointer { weights in
                                    for offset in weights.indices {
                                        sum += weights[offset] * row[(taps.first + offset) * channels + channel]
                                    }
                                }
                                output[index] = sum
                                index += 1
                            }
                        }
                    }
                }
            }
        }
    }
}
