internal import Tensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Peak signal-to-noise ratio for a peak of 1.
public enum PSNR {
    /// The mean of the squared differences.
    /// - Precondition: as many values on both sides, at least one.
    public static func meanSquaredError(_ a: [Float], _ b: [Float]) -> Double {
        precondition(a.count == b.count && !a.isEmpty, "\(a.count) values against \(b.count)")
        return a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                var total = 0.0
                var start = 0
                // Short sums in floats, which vectorise, gathered in a double.
                while start < a.count {
                    let end = min(start + 1024, a.count)
                    var lanes = SIMD16<Float>.zero
                    var index = start
                    while index + 16 <= end {
                        var difference = SIMD16<Float>.zero
                        for lane in 0..<16 { difference[lane] = a[index + lane] - b[index + lane] }
                        lanes += difference * difference
                        index += 16
                    }
                    var sum = Double(lanes.sum())
                    while index < end {
                        sum += Double((a[index] - b[index]) * (a[index] - b[index]))
                        index += 1
                    }
                    total += sum
                    start = end
                }
                return total / Double(a.count)
            }
        }
    }

    /// Decibels; infinite for no error at all.
    public static func decibels(_ meanSquaredError: Double) -> Double {
        meanSquaredError > 0 ? -10 * log10(meanSquaredError) : .infinity
    }
}
