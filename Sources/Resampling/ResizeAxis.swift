#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// How the samples of one side of a picture make up those of another length.
public struct ResizeAxis: Sendable {
    /// The samples that are needed, of the whole side.
    public let source: Range<Int>
    /// The samples that are made, of the whole side.
    public let window: Range<Int>

    /// For each sample made, where its first tap lies in `source`.
    let first: [Int32]
    /// Where its weights begin, and behind the last where they end.
    let start: [Int32]
    let weights: [Float]

    /// - Parameters:
    ///   - window: the samples to make, in 0 ..< `target`; nil for all.
    /// - Precondition: both lengths are positive, and the window is not empty.
    public init(
        from count: Int, to target: Int, keeping window: Range<Int>? = nil, filter: AntialiasedFilter = .lanczos
    ) {
        let window = window ?? 0..<target
        precondition(count > 0 && target > 0, "no picture of \(count) samples can become one of \(target)")
        precondition(!window.isEmpty && window.lowerBound >= 0 && window.upperBound <= target)
        let step = Double(count) / Double(target)
        let stretch = max(step, 1)
        let radius = filter.support * stretch
        var (first, start, weights) = ([Int](), [Int32](), [Float]())
        var taps: [Double] = []
        for index in window {
            // The middle of the new sample; that of sample i lies at i + 1/2.
            let centre = (Double(index) + 0.5) * step
            let low = max(Int(centre - radius + 0.5), 0)
            let high = min(Int(centre + radius + 0.5), count)
            taps.removeAll(keepingCapacity: true)
            for sample in low..<high { taps.append(filter.weight((Double(sample) + 0.5 - centre) / stretch)) }
            let sum = taps.reduce(0, +)
            first.append(low)
            start.append(Int32(weights.count))
            for tap in taps { weights.append(Float(tap / sum)) }
        }
        start.append(Int32(weights.count))
        // A wider kernel begins earlier and ends later, so the outermost samples name the range.
        let last = first[first.count - 1] + weights.count - Int(start[first.count - 1])
        source = first[0]..<last
        self.window = window
        self.first = first.map { [base = first[0]] in Int32($0 - base) }
        self.start = start
        self.weights = weights
    }
}

extension AntialiasedFilter {
    /// The kernel at a distance from its middle, not yet normalised.
    func weight(_ distance: Double) -> Double {
        let x = abs(distance)
        switch self {
        case .area:
            // Half open, so that a sample on the border between two boxes belongs to one of them.
            return distance > -0.5 && distance <= 0.5 ? 1 : 0
        case .bilinear:
            return max(0, 1 - x)
        case .bicubic:
            if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
            if x < 2 { return ((-0.5 * x + 2.5) * x - 4) * x + 2 }
            return 0
        case .lanczos:
            if x == 0 { return 1 }
            if x >= 3 { return 0 }
            let angle = Double.pi * x
            return 3 * sin(angle) * sin(angle / 3) / (angle * angle)
        }
    }
}
