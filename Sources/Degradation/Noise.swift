internal import Glibc
public import Tensor

/// Noise as numbers.
public enum Noise: Hashable, Sendable, CustomStringConvertible {
    /// Standard deviation in 255ths. Gray: one value for a pixel's three channels.
    case gaussian(sigma: Double, gray: Bool)
    /// Shot noise: a pixel of value v becomes Poisson(v n) / n, n the number of distinct values (of 8 bits) in the
    /// picture rounded up to a power of two; the difference is multiplied by `scale`.
    case poisson(scale: Double, gray: Bool)

    public var description: String {
        switch self {
        case .gaussian(let sigma, let gray): "gaussian noise \(sigma.brief)\(gray ? " gray" : "")"
        case .poisson(let scale, let gray): "poisson noise x\(scale.brief)\(gray ? " gray" : "")"
        }
    }
}

extension HostTensor {
    /// The picture with noise, clamped to 0 … 1. A pure function of the picture and the draws.
    internal func with(_ noise: Noise, _ draws: Draws) -> HostTensor {
        expectPicture()
        var draws = draws
        switch noise {
        case .gaussian(let sigma, let gray): return gaussian(Float(sigma / 255), gray: gray, &draws)
        case .poisson(let scale, let gray):
            return gray ? poissonGray(Float(scale), &draws) : poissonColor(Float(scale), &draws)
        }
    }

    /// The picture with noise of its own, for tests and tools. A pure function of its arguments.
    public func with(_ noise: Noise, seed: UInt64) -> HostTensor {
        with(noise, Draws(seed: seed, index: 0, .firstGrain))
    }

    private func gaussian(_ sigma: Float, gray: Bool, _ draws: inout Draws) -> HostTensor {
        let total = values.count
        let deviates = gray ? total / 3 : total
        let quantiles = normalQuantiles
        var result = self
        result.withUnsafeMutableValues { pixels in
            quantiles.withUnsafeBufferPointer { quantiles in
                var i = 0
                while i < deviates {
                    // Eight deviates of 16 bits each.
                    let words = draws.block()
                    let halves = (words & 0xFFFF, words &>> 16)
                    for lane in 0..<min(8, deviates - i) {
                        let half = lane < 4 ? halves.0[lane] : halves.1[lane - 4]
                        let added = quantiles[Int(half)] * sigma
                        if gray {
                            for c in 0..<3 {
                                let place = (i + lane) * 3 + c
                                pixels[place] = min(max(pixels[place] + added, 0), 1)
                            }
                        } else {
                            pixels[i + lane] = min(max(pixels[i + lane] + added, 0), 1)
                        }
                    }
                    i += 8
                }
            }
        }
        return result
    }

    private func poissonColor(_ scale: Float, _ draws: inout Draws) -> HostTensor {
        let codes = values.map { UInt8(($0 > 0 ? min($0, 1) : 0) * 255 + 0.5) }
        let table = PoissonTable.serving(codes)
        var result = self
        result.withUnsafeMutableValues { pixels in
            var words = SIMD4<UInt32>()
            for i in 0..<codes.count {
                if i % 4 == 0 { words = draws.block() }
                let added = table.noise(codes[i], words[i % 4]) * scale
                pixels[i] = min(max(pixels[i] + added, 0), 1)
            }
        }
        return result
    }

    private func poissonGray(_ scale: Float, _ draws: inout Draws) -> HostTensor {
        let codes = (0..<values.count / 3).map { i in
            let luma = 0.2989 * values[3 * i] + 0.587 * values[3 * i + 1] + 0.114 * values[3 * i + 2]
            return UInt8((luma > 0 ? min(luma, 1) : 0) * 255 + 0.5)
        }
        let table = PoissonTable.serving(codes)
        var result = self
        result.withUnsafeMutableValues { pixels in
            var words = SIMD4<UInt32>()
            for i in 0..<codes.count {
                if i % 4 == 0 { words = draws.block() }
                let added = table.noise(codes[i], words[i % 4]) * scale
                for c in 0..<3 { pixels[3 * i + c] = min(max(pixels[3 * i + c] + added, 0), 1) }
            }
        }
        return result
    }
}

/// The standard normal distribution as 65536 equally likely values: the quantile at the middle of each 65536th, scaled so
/// that the variance is 1. The largest is 4.3; noise that is added to 8-bit pictures needs no longer tail, and a look-up
/// costs a twentieth of logarithm and cosine.
internal let normalQuantiles: [Float] = {
    let count = 1 << 16
    var half = (0..<count / 2).map { -inverseNormal((Double($0) + 0.5) / Double(count)) }
    half.reverse()
    let variance = half.reduce(0) { $0 + $1 * $1 } / Double(count / 2)
    half = half.map { $0 / variance.squareRoot() }
    return half.reversed().map { Float(-$0) } + half.map { Float($0) }
}()

/// Below the middle: the deviate that the standard normal distribution stays under with probability p <= 0.5, by Newton's
/// method on erfc from an asymptotic start.
private func inverseNormal(_ p: Double) -> Double {
    let t = (-2 * log(p)).squareRoot()
    // Abramowitz and Stegun 26.2.23, to 4.5e-4.
    var x =
        -(t - (2.515517 + 0.802853 * t + 0.010328 * t * t)
            / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t))
    for _ in 0..<3 {
        let error = 0.5 * erfc(-x / 2.0.squareRoot()) - p
        x -= error * (2 * Double.pi).squareRoot() * exp(0.5 * x * x)
    }
    return x
}

/// Poisson distributions for the 256 values of 8 bits at one number of levels, to draw from by one 32-bit word each.
internal struct PoissonTable: Sendable {
    private let levels: Int
    /// For each value where its distribution begins in `bounds`, and the count that belongs there.
    private var offsets: [Int32] = []
    private var firsts: [Int32] = []
    /// Cumulative probabilities in 2^-32.
    private var bounds: [UInt32] = []
    /// For each value and each 32nd of probability, where in `bounds` to begin to look.
    private var guide: [Int32] = []

    /// For 1, 2, 4 … 256 levels.
    private static let all = (0...8).map { PoissonTable(levels: 1 << $0) }

    /// The table for a picture's number of distinct values.
    static func serving(_ codes: [UInt8]) -> PoissonTable {
        var seen = [Bool](repeating: false, count: 256)
        for code in codes { seen[Int(code)] = true }
        let distinct = seen.count { $0 }
        return all[(0...8).first { 1 << $0 >= distinct } ?? 8]
    }

    init(levels: Int) {
        self.levels = levels
        for code in 0..<256 {
            let mean = Double(code) / 255 * Double(levels)
            let spread = mean.squareRoot()
            let first = max(0, Int(mean - 8 * spread))
            let last = Int(mean + 9 * spread) + 12
            offsets.append(Int32(bounds.count))
            firsts.append(Int32(first))
            var probability = mean == 0 ? 1 : exp(Double(first) * log(mean) - mean - lgamma(Double(first) + 1))
            var sum = 0.0
            let start = bounds.count
            for k in first...last {
                sum += probability
                bounds.append(UInt32(min(sum * 0x1p32, 0x1p32 - 1)))
                probability *= mean / Double(k + 1)
            }
            bounds[bounds.count - 1] = .max
            var place = start
            for bucket in 0..<32 {
                while bounds[place] < UInt32(bucket) << 27 { place += 1 }
                guide.append(Int32(place))
            }
        }
    }

    /// Poisson(v n) / n - v for v = code / 255.
    func noise(_ code: UInt8, _ word: UInt32) -> Float {
        let code = Int(code)
        var place = Int(guide[code * 32 + Int(word >> 27)])
        while bounds[place] < word { place += 1 }
        let count = place - Int(offsets[code]) + Int(firsts[code])
        return Float(count) / Float(levels) - Float(code) / 255
    }
}
