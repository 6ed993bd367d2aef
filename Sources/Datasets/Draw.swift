internal import Tensor

/// The random numbers of one thing: a pure function of the run's seed, of what they are for, and of which one it is.
///
/// Other parts of a run draw from the same seed. Philox's block counter has 64 bits, of which the upper half says what
/// the numbers are for, so that no two of them ever share a block.
struct Draw {
    enum Purpose: UInt64 {
        case order = 0x4453_0001
        case picture, crop, orientation, shot, mixture
    }

    private let seed: UInt64
    private let stream: UInt64
    private var counter: UInt64
    private var words = SIMD4<UInt32>()
    private var used = 4

    init(_ purpose: Purpose, seed: UInt64, index: Int) {
        self.seed = seed
        stream = UInt64(bitPattern: Int64(index))
        counter = purpose.rawValue << 32
    }

    mutating func word() -> UInt32 {
        if used == 4 {
            words = Philox.block(key: seed, counter: counter, stream: stream)
            counter += 1
            used = 0
        }
        defer { used += 1 }
        return words[used]
    }

    /// Uniform in [0, 1), 53 bits.
    mutating func unit() -> Double {
        let high = UInt64(word())
        return Double((high << 32 | UInt64(word())) >> 11) * 0x1p-53
    }

    /// Uniform in 0 ..< `count`.
    mutating func below(_ count: Int) -> Int {
        let high = UInt64(word())
        return Int((high << 32 | UInt64(word())).multipliedFullWidth(by: UInt64(count)).high)
    }

    /// Uniform in the range, both ends included as far as numbers go.
    mutating func number(in range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * unit()
    }
}

/// The order in which items come: each once in a round of `count` samples, every round in another order.
///
/// A Feistel network over the least even number of bits that holds `count`, walked until it hits a number below: a
/// shuffled deck of which any card can be looked at, and nothing has to be stored.
func item(_ index: Int, of count: Int, seed: UInt64) -> Int {
    guard count > 1 else { return 0 }
    let (round, position) = index.quotientAndRemainder(dividingBy: count)
    let bits = (Int.bitWidth - (count - 1).leadingZeroBitCount + 1) / 2
    let mask = UInt32(truncatingIfNeeded: (1 << bits) - 1)
    var number = position
    repeat {
        var left = UInt32(number >> bits)
        var right = UInt32(truncatingIfNeeded: number) & mask
        for turn in 0..<4 {
            let counter = Draw.Purpose.order.rawValue << 32 | UInt64(right)
            // Rounds and turns are told apart by the stream; four turns for each round.
            let mixed = Philox.block(key: seed, counter: counter, stream: UInt64(round) << 2 | UInt64(turn))[0]
            (left, right) = (right, left ^ (mixed & mask))
        }
        number = Int(left) << bits | Int(right)
    } while number >= count
    return number
}
