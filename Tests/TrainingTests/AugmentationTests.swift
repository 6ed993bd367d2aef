import CPUExecutor
import Network
import Reference
import Tensor
import TestSupport
import Testing

@testable import Training

@Suite struct AugmentationTests {
    private func only(_ change: (inout Augmentation) -> Void) -> Augmentation {
        var settings = Augmentation()
        (settings.flips, settings.shifts, settings.scaling) = (false, false, false)
        (settings.colours, settings.cutout) = (false, false)
        change(&settings)
        return settings
    }

    /// Pictures as the discriminator would see them.
    private func apply(_ settings: Augmentation, _ x: HostTensor, p: Float, seed: UInt64) throws -> HostTensor {
        var random = Philox(key: seed)
        let drawn = settings.augmentationInputs(shape: x.shape, p: p, random: &random)
        var b = GraphBuilder()
        let input = b.input("x", x.shape)
        var values: [String: Value] = [:]
        let shapes = settings.inputShapes(x.shape)
        for (name, shape) in shapes { values[name] = b.input(name, shape) }
        let result = b.augmented(input, values)
        let plan = try ReferenceExecutor().compile(b.finish([result]), parameters: [:])
        return try plan.run([x] + shapes.map { drawn[$0.name]! })[0]
    }

    private func picture(_ x: HostTensor, _ n: Int) -> [Float] {
        let size = x.shape.count / x.shape.batch
        return Array(x.values[n * size..<(n + 1) * size])
    }

    /// With probability zero nothing changes, and the generator moves on by the same count as with one.
    @Test func identity() throws {
        let x = randomTensor([3, 9, 7, 3], seed: 1, in: 0..<1)
        #expect(largestDifference(try apply(Augmentation(), x, p: 0, seed: 4), x) < 1e-6)
        #expect(largestDifference(try apply(Augmentation(), x, p: 1, seed: 4), x) > 0.1)
        var (first, second) = (Philox(key: 1), Philox(key: 1))
        _ = Augmentation().augmentationInputs(shape: x.shape, p: 0, random: &first)
        _ = only { $0.cutout = true }.augmentationInputs(shape: x.shape, p: 1, random: &second)
        #expect(first.counter == second.counter && first.counter > 0)
    }

    /// Each picture is one of its four mirror images, each of them about as often.
    @Test func flips() throws {
        let x = randomTensor([400, 3, 4, 2], seed: 2, in: 0..<1)
        let y = try apply(only { $0.flips = true }, x, p: 1, seed: 5)
        var counts: [String: Int] = [:]
        for n in 0..<400 {
            for (rows, columns) in [(false, false), (false, true), (true, false), (true, true)] {
                let isThis = (0..<3).allSatisfy { row in
                    (0..<4).allSatisfy { column in
                        (0..<2).allSatisfy { c in
                            y[n, row, column, c] == x[n, rows ? 2 - row : row, columns ? 3 - column : column, c]
                        }
                    }
                }
                if isThis { counts["\(rows)\(columns)", default: 0] += 1 }
            }
        }
        #expect(counts.values.reduce(0, +) == 400 && counts.count == 4)
        // Four standard deviations around a hundred.
        #expect(counts.values.allSatisfy { (65...135).contains($0) })
    }

    /// Whole pixels, at most an eighth of the side, mirrored at the border.
    @Test func shifts() throws {
        let x = HostTensor([64, 16, 16, 1], (0..<64 * 256).map { Float($0 % 256) })
        let y = try apply(only { $0.shifts = true }, x, p: 1, seed: 6)
        var seen: Set<[Int]> = []
        for n in 0..<64 {
            // The middle tells the shift; every pixel must agree with it.
            let middle = Int(y[n, 8, 8, 0])
            let (rows, columns) = (8 - middle / 16, 8 - middle % 16)
            #expect(abs(rows) <= 2 && abs(columns) <= 2)
            seen.insert([rows, columns])
            for row in 0..<16 {
                for column in 0..<16 {
                    let source = [row - rows, column - columns].map { $0 < 0 ? -$0 : $0 > 15 ? 30 - $0 : $0 }
                    #expect(y[n, row, column, 0] == Float(source[0] * 16 + source[1]))
                }
            }
        }
        #expect(seen.count > 12)
    }

    /// A ramp scaled about its centre is a ramp of another slope, the same along both axes.
    @Test func scaling() throws {
        var ramps: [Float] = []
        for index in 0..<40 * 441 { ramps += [Float(index / 21 % 21), Float(index % 21)] }
        let x = HostTensor([40, 21, 21, 2], ramps)
        let y = try apply(only { $0.scaling = true }, x, p: 1, seed: 7)
        var logarithms: [Double] = []
        for n in 0..<40 {
            let slope = y[n, 11, 10, 0] - y[n, 10, 10, 0]
            #expect(abs(y[n, 10, 11, 1] - y[n, 10, 10, 1] - slope) < 1e-5)
            #expect(abs(y[n, 10, 10, 0] - 10) < 1e-5)
            for row in 6...14 { #expect(abs(y[n, row, 10, 0] - (10 + Float(row - 10) * slope)) < 1e-4) }
            logarithms.append(logarithm(1 / Double(slope)) / logarithm(2))
        }
        let mean = logarithms.reduce(0, +) / 40
        let deviation = (logarithms.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 39).squareRoot()
        #expect(abs(mean) < 0.13 && (0.12...0.29).contains(deviation), "\(mean) \(deviation)")
    }

    /// Gray stays gray; what is not gray goes to or from it; contrast turns about the middle.
    @Test func colours() throws {
        let pixels: [Float] = [0.5, 0.5, 0.5, 0.8, 0.8, 0.8, 0.9, 0.2, 0.4]
        let x = HostTensor([60, 1, 3, 3], (0..<60).flatMap { _ in pixels })
        let y = try apply(only { $0.colours = true }, x, p: 1, seed: 8)
        for n in 0..<60 {
            let values = picture(y, n)
            let brightness = values[0] - 0.5
            let contrast = (values[3] - values[0]) / 0.3
            #expect(contrast > 0 && abs(brightness) < 0.5)
            for c in 1..<3 { #expect(abs(values[c] - values[0]) < 1e-5 && abs(values[3 + c] - values[3]) < 1e-5) }
            // The third pixel is 0.4, -0.3 and -0.1 away from gray 0.5: all three are scaled alike.
            let away = values[6..<9].map { ($0 - brightness - 0.5) / contrast }
            let saturation = away[0] / 0.4
            #expect(saturation > 0 && abs(away[1] + 0.3 * saturation) < 1e-4 && abs(away[2] + 0.1 * saturation) < 1e-4)
        }
        // One channel has no saturation.
        let gray = try apply(only { $0.colours = true }, HostTensor([2, 1, 1, 1], [0.5, 0.5]), p: 1, seed: 9)
        #expect(gray.values[0] != 0.5 && gray.values[0] != gray.values[1])
    }

    /// A rectangle of at most half the sides is gray, the rest as it was; as many pictures as the probability says.
    @Test func cutout() throws {
        let x = randomTensor([300, 8, 12, 2], seed: 3, in: 0.6..<1)
        let y = try apply(only { $0.cutout = true }, x, p: 0.3, seed: 10)
        var cut = 0
        for n in 0..<300 {
            var (gray, kept) = (0, 0)
            for (a, b) in zip(picture(y, n), picture(x, n)) {
                if a == 0.5 { gray += 1 } else if abs(a - b) < 1e-6 { kept += 1 }
            }
            #expect(gray + kept == 8 * 12 * 2 && gray <= 4 * 6 * 2)
            if gray > 0 { cut += 1 }
        }
        #expect((60...120).contains(cut))
    }

    /// Towards the target, by no more than the pictures allow, between zero and the largest probability.
    @Test func controller() {
        var settings = Augmentation()
        (settings.pictures, settings.interval, settings.largest) = (1000, 2, 0.1)
        var controller = AugmentationController(settings)
        var course: [Float] = []
        for accuracy in [1, 0.9, 1, 0.9, 1, 0.9, 0.5, 0.6, 0.8, 0.8] as [Float] {
            controller.record(accuracy: accuracy, pictures: 16)
            course.append(controller.p)
        }
        let expected: [Float] = [0, 0.032, 0.032, 0.064, 0.064, 0.096, 0.096, 0.064, 0.064, 0.064]
        for (a, b) in zip(course, expected) { #expect(abs(a - b) < 1e-6, "\(course)") }
        for _ in 0..<20 { controller.record(accuracy: 1, pictures: 16) }
        #expect(controller.p == 0.1)
        for _ in 0..<40 { controller.record(accuracy: 0, pictures: 16) }
        #expect(controller.p == 0)
        settings.target = nil
        settings.start = 0.25
        controller = AugmentationController(settings)
        for _ in 0..<9 { controller.record(accuracy: 1, pictures: 16) }
        #expect(controller.p == 0.25)
    }

    /// In a training step: with probability zero it trains as without, with one it does not, and the probability moves.
    @Test func training() throws {
        let low = Shape.nhwc(2, 8, 8, 3)
        func run(_ augmentation: Augmentation?, penalty: Bool) throws -> (values: [[String: Float]], p: Float?) {
            var rules = TrainingRules(generator: SRVGGNetCompact(features: 4, convolutions: 1, upscale: 2))
            var other = AdversarialRules(discriminator: UNetDiscriminatorSN(features: 2))
            (other.augmentation, other.featureWeight, other.gradientPenalty) = (augmentation, 1, penalty ? 1 : nil)
            other.penaltyInterval = 2
            rules.adversarial = other
            let step = rules.step(
                low: low, TrainingRules.Parts(trainsGenerator: true, trainsDiscriminator: true))
            var parameters: Parameters = [:]
            for (index, (name, shape)) in step.parameters.enumerated()
            where name.hasPrefix("g.") || name.hasPrefix("d.") {
                parameters[name] = randomTensor(shape, seed: UInt64(index), in: -0.2..<0.2)
            }
            let trainer = try Trainer(rules, executor: CPUExecutor(threads: 2), parameters: parameters)
            let values = try (0..<6).map { step in
                try trainer.step(
                    low: randomTensor(low, seed: UInt64(step), in: 0..<1),
                    high: randomTensor(.nhwc(2, 16, 16, 3), seed: UInt64(90 + step), in: 0..<1)
                ).values
            }
            return (values, trainer.progress.augmentation?.p)
        }
        var none = Augmentation()
        none.target = nil
        var always = none
        (always.start, always.largest) = (1, 1)
        let (plain, still, changed) = try (
            run(nil, penalty: true), run(none, penalty: true), run(always, penalty: true)
        )
        for (a, b) in zip(plain.values, still.values) {
            #expect(a.keys.sorted() == b.keys.sorted())
            for (name, value) in a where !name.hasPrefix("d.accuracy") {
                #expect(abs(b[name]! - value) < 1e-3 * max(1e-2, abs(value)), "\(name)")
            }
        }
        // Both networks' losses are those of changed pictures.
        for name in ["g.adversarial", "g.features", "d.real", "d.fake", "d.r1"] {
            #expect(abs(changed.values[0][name]! - plain.values[0][name]!) > 1e-5, "\(name)")
        }
        #expect(changed.values[0]["g.l1"] == plain.values[0]["g.l1"])
        var adaptive = Augmentation()
        (adaptive.target, adaptive.pictures) = (-2, 16)
        #expect(try run(adaptive, penalty: false).p == 0.5)
    }
}
