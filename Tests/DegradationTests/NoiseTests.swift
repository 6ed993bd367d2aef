import Glibc
import Tensor
import TestSupport
import Testing

@testable import Degradation

/// Moments of the noise, within what statistics allow for that many pixels.
@Suite struct NoiseTests {
    private static let side = 200
    private static let pixels = side * side

    /// The noise that came upon a flat picture, by channel.
    private func noise(_ noise: Noise, on level: Float, seed: UInt64) -> [[Double]] {
        let flat = HostTensor(.nhwc(1, Self.side, Self.side, 3), repeating: level)
        let values = flat.with(noise, seed: seed).values
        return (0..<3).map { c in (0..<Self.pixels).map { Double(values[3 * $0 + c]) - Double(level) } }
    }

    private func correlation(_ a: [Double], _ b: [Double]) -> Double {
        let (m, n) = (mean(a), mean(b))
        let product = zip(a, b).reduce(0) { $0 + ($1.0 - m) * ($1.1 - n) } / Double(a.count)
        return product / (variance(a) * variance(b)).squareRoot()
    }

    @Test func normalDeviates() {
        let values = normalQuantiles.map { Double($0) }
        #expect(values.count == 65536)
        #expect(abs(mean(values)) < 1e-9)
        #expect(abs(variance(values) - 1) < 1e-6)
        // The fourth moment of a normal distribution is 3; leaving out what lies beyond 4.3 takes a little.
        #expect(abs(mean(values.map { $0 * $0 * $0 * $0 }) - 3) < 0.01)
        #expect(values == values.sorted())
        // Quantiles by heart.
        #expect(abs(values[Int(0.975 * 65536)] - 1.95996) < 5e-4)
        #expect(abs(values[Int(0.8413447 * 65536)] - 1) < 5e-4)
    }

    @Test(arguments: [2.0, 25.0]) func gaussian(_ sigma: Double) {
        let channels = noise(.gaussian(sigma: sigma, gray: false), on: 0.5, seed: 4)
        let expected = sigma / 255
        let n = Double(Self.pixels)
        for channel in channels {
            #expect(abs(mean(channel)) < 5 * expected / n.squareRoot())
            #expect(abs(variance(channel) / (expected * expected) - 1) < 5 * (2 / n).squareRoot())
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            #expect(abs(correlation(channels[a], channels[b])) < 5 / n.squareRoot())
        }
        // Neighbours know nothing of each other.
        #expect(abs(correlation(Array(channels[0].dropLast()), Array(channels[0].dropFirst()))) < 5 / n.squareRoot())
    }

    @Test func grayNoiseIsTheSameInAllChannels() {
        for kind in [Noise.gaussian(sigma: 10, gray: true), .poisson(scale: 1, gray: true)] {
            let channels = noise(kind, on: 0.5, seed: 5)
            #expect(zip(channels[0], channels[1]).allSatisfy { abs($0 - $1) < 1e-6 })
            #expect(zip(channels[0], channels[2]).allSatisfy { abs($0 - $1) < 1e-6 })
            #expect(variance(channels[0]) > 1e-4)
        }
        let color = noise(.poisson(scale: 1, gray: false), on: 0.5, seed: 5)
        #expect(abs(correlation(color[0], color[1])) < 5 / Double(Self.pixels).squareRoot())
    }

    /// Poisson(v n) / n has mean v and variance v / n.
    @Test(arguments: [1, 5, 40, 128, 200, 255]) func poissonTables(_ code: UInt8) {
        for levels in [1, 16, 256] {
            let table = PoissonTable(levels: levels)
            var generator = Philox(key: 77, counter: UInt64(code))
            let value = Double(code) / 255
            var draws: [Double] = []
            for _ in 0..<25_000 {
                let words = Philox.block(key: generator.key, counter: generator.counter, stream: 1)
                generator.counter += 1
                for lane in 0..<4 { draws.append(Double(table.noise(code, words[lane]))) }
            }
            let n = Double(draws.count)
            let expected = value / Double(levels)
            #expect(abs(mean(draws)) < 5 * (expected / n).squareRoot())
            // The variance of a sample variance holds the fourth moment: lambda + 3 lambda^2.
            let lambda = value * Double(levels)
            let spread = ((lambda + 2 * lambda * lambda) / n).squareRoot() / lambda
            #expect(abs(variance(draws) / expected - 1) < 5 * spread)
            // How often nothing arrives.
            let zeros = draws.count { abs($0 + value) < 1e-6 }
            #expect(agrees(zeros, of: draws.count, probability: exp(-lambda)))
        }
    }

    @Test func poissonCountsTheValuesOfThePicture() {
        // One value only: one level, and noise of the variance v times scale squared, half of it cut off by 0 and 1 here;
        // so look at a small scale.
        let one = noise(.poisson(scale: 0.1, gray: false), on: 0.25, seed: 8)
        let value = (0.25 * 255).rounded() / 255
        let n = Double(Self.pixels)
        #expect(abs(variance(one[0]) / (0.01 * value) - 1) < 5 * ((1 / value + 2) / n).squareRoot())

        // 200 values: 256 levels.
        let values = (0..<Self.pixels).map { Float(28 + $0 % 200) / 255 }
        let picture = HostTensor(.nhwc(1, Self.side, Self.side, 3), values.flatMap { [$0, $0, $0] })
        let noisy = picture.with(.poisson(scale: 1, gray: false), seed: 9)
        var scaled: [Double] = []
        for i in 0..<values.count where values[i] < 0.6 {
            let level = Double(values[i])
            scaled.append((Double(noisy.values[3 * i]) - level) / (level / 256).squareRoot())
        }
        #expect(abs(variance(scaled) - 1) < 0.03)
    }

    @Test func noiseStaysInsideAndIsReproducible() {
        let picture = blocks(33, 21, seed: 2)
        for kind in [
            Noise.gaussian(sigma: 200, gray: false), .gaussian(sigma: 200, gray: true),
            .poisson(scale: 30, gray: false), .poisson(scale: 30, gray: true),
        ] {
            let noisy = picture.with(kind, seed: 3)
            #expect(noisy.values.allSatisfy { (0...1).contains($0) })
            #expect(noisy.values.contains(0) && noisy.values.contains(1))
            #expect(noisy == picture.with(kind, seed: 3))
            #expect(noisy != picture.with(kind, seed: 4))
        }
    }
}
