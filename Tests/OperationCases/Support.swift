// OperationCases: the graphs that every executor runs, seeded inputs for them, and how results are compared. No test
// framework and nothing of Foundation, so that the stand-alone benchmark carries them.
public import Tensor

/// A tensor of uniform random numbers that depends on the seed alone.
public func randomTensor(_ shape: Shape, seed: UInt64, in range: Range<Float> = -1..<1) -> HostTensor {
    var generator = Philox(key: seed)
    return HostTensor(shape, generator.uniform(shape.count, in: range))
}

/// The largest absolute difference; infinite where one side is not a number.
public func largestDifference(_ a: HostTensor, _ b: HostTensor) -> Float {
    precondition(a.shape == b.shape, "\(a.shape) against \(b.shape)")
    var largest: Float = 0
    for (x, y) in zip(a.values, b.values) {
        let difference = abs(x - y)
        if difference.isNaN { return .infinity }
        largest = max(largest, difference)
    }
    return largest
}

/// Peak signal-to-noise ratio in dB for a peak of 1.
public func psnr(_ a: HostTensor, _ b: HostTensor) -> Double {
    precondition(a.shape == b.shape, "\(a.shape) against \(b.shape)")
    var sum = 0.0
    for (x, y) in zip(a.values, b.values) { sum += Double((x - y) * (x - y)) }
    return sum == 0 ? .infinity : -10 * log10Of(sum / Double(a.values.count))
}
