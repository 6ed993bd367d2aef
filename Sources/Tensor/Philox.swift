/// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
///
/// Random number *i* of a key is a pure function of (key, i): any part of a sequence can be made by any thread in any
/// order, and a stopped run goes on from a stored counter alone.
public struct Philox: Sendable {
    public let key: UInt64
    /// The index of the next block of four words.
    public var counter: UInt64

    public init(key: UInt64, counter: UInt64 = 0) {
        self.key = key
        self.counter = counter
    }

    /// The four 32-bit words of block `counter` in stream `stream`.
    public static func block(key: UInt64, counter: UInt64, stream: UInt64 = 0) -> SIMD4<UInt32> {
        var word = SIMD4<UInt32>(
            UInt32(truncatingIfNeeded: counter), UInt32(truncatingIfNeeded: counter >> 32),
            UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32))
        var k0 = UInt32(truncatingIfNeeded: key)
        var k1 = UInt32(truncatingIfNeeded: key >> 32)
        for _ in 0..<10 {
            let p0 = word[0].multipliedFullWidth(by: 0xD251_1F53)
            let p1 = word[2].multipliedFullWidth(by: 0xCD9E_8D57)
            word = SIMD4(p1.high ^ word[1] ^ k0, p1.low, p0.high ^ word[3] ^ k1, p0.low)
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return word
    }

    /// Four uniform numbers in [0, 1), each with 24 random bits.
    public mutating func nextUniform4() -> SIMD4<Float> {
        defer { counter &+= 1 }
        let word = Philox.block(key: key, counter: counter)
        return SIMD4<Float>(word &>> 8) * 0x1p-24
    }

    /// `count` uniform numbers in `[low, high)`.
    public mutating func uniform(_ count: Int, in range: Range<Float> = 0..<1) -> [Float] {
        let span = range.upperBound - range.lowerBound
        return [Float](unsafeUninitializedCapacity: count) { buffer, filled in
            var index = 0
            while index < count {
                let four = nextUniform4()
                for lane in 0..<min(4, count - index) {
                    buffer.initializeElement(at: index + lane, to: range.lowerBound + four[lane] * span)
                }
                index += 4
            }
            filled = count
        }
    }
}
