internal import Tensor

/// Who draws. The numbers are part of what a seed means: never renumber, only add.
internal enum Stream: UInt64, Sendable {
    case clean = 0
    case firstBlur, firstResize, firstNoise, firstJPEG, firstGrain
    case middleCodec
    case secondBlur, secondResize, secondNoise, secondJPEG, secondGrain
    case order, lastResize, lastSinc, lastCodec
}

/// The random numbers of one stage of one sample: a Philox sequence of its own.
internal struct Draws {
    let key: UInt64
    let stream: UInt64
    private var counter: UInt64 = 0
    private var words = SIMD4<UInt32>()
    private var left = 0

    /// - Parameters:
    ///   - index: the sample's, below 2^48.
    ///   - frame: 0 … 255; parameters of a clip are all drawn from frame 0's sequence, only pixels' from others.
    init(seed: UInt64, index: Int, _ stream: Stream, frame: Int = 0) {
        precondition((0..<1 << 48).contains(index), "sample \(index) is beyond what a stream can name")
        precondition((0..<256).contains(frame), "a clip has at most 256 frames")
        key = seed
        self.stream = UInt64(index) << 16 | UInt64(frame) << 8 | stream.rawValue
    }

    /// Four words at once, for pixels. Not to be mixed with the others' use of a half-used block.
    mutating func block() -> SIMD4<UInt32> {
        defer { counter += 1 }
        return Philox.block(key: key, counter: counter, stream: stream)
    }

    private mutating func word() -> UInt32 {
        if left == 0 {
            words = block()
            left = 4
        }
        left -= 1
        return words[3 - left]
    }

    /// Uniform in [0, 1).
    mutating func unit() -> Double { Double(word()) * 0x1p-32 }

    mutating func uniform(_ range: ClosedRange<Double>) -> Double {
        range.lowerBound + unit() * (range.upperBound - range.lowerBound)
    }

    /// True with this probability.
    mutating func happens(_ probability: Double) -> Bool { unit() < probability }

    mutating func integer(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(unit() * Double(range.upperBound - range.lowerBound + 1))
    }

    /// An index, by weights that need not sum to 1.
    mutating func choice(_ weights: [Double]) -> Int {
        var rest = unit() * weights.reduce(0, +)
        for (index, weight) in weights.enumerated() where weight > 0 {
            if rest < weight { return index }
            rest -= weight
        }
        return weights.lastIndex { $0 > 0 } ?? 0
    }
}
