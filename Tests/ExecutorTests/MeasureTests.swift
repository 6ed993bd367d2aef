import CPUExecutor
import Measure
import Network
import Reference
import Tensor
import TestSupport
import Testing

@Suite struct MeasureTests {
    private let network = SRVGGNetCompact(features: 16, convolutions: 3, upscale: 2)
    private let shape = Shape.nhwc(1, 24, 31, 3)

    private func timer(_ executor: any Executor) throws -> NetworkTimer {
        let graph = network.graph(shape)
        return try NetworkTimer(
            graph, parameters: randomParameters(graph, seed: 1), inputs: [randomTensor(shape, seed: 2)],
            executor: executor)
    }

    @Test func layersAddUpToTheNetwork() throws {
        let timer = try timer(CPUExecutor(threads: 1))
        let peak = MultiplicationPeak(flops: 2e9, unit: "a guess")
        let report = try #require(try timer.layers(runs: 3, peak: peak))
        #expect((report.width, report.height) == (31, 24))
        #expect(report.layers.filter { $0.kind == .convolution }.count == 5)
        let work = report.layers.reduce(0) { $0 + $1.gigaflops }
        #expect(abs(work - timer.gigaflops) < 1e-9 * timer.gigaflops)
        for layer in report.layers {
            #expect(layer.milliseconds > 0 && layer.bytes > 0, "\(layer.name)")
            if layer.gigaflops > 0 {
                let rate = layer.gigaflops / layer.milliseconds * 1000
                #expect(abs(layer.effectiveGigaflopsPerSecond - rate) < 1e-9 * rate)
                #expect(abs(layer.shareOfPeak! - rate / 2) < 1e-9 * rate)
            } else {
                #expect(layer.shareOfPeak == nil)
            }
        }
        // Three equal convolutions are one group, and groups lose nothing.
        #expect(report.groups.contains { $0.count == 3 })
        #expect(report.groups.reduce(0) { $0 + $1.count } == report.layers.count)
        #expect(abs(report.groups.reduce(0) { $0 + $1.layer.milliseconds } - report.milliseconds) < 1e-9)
        #expect(report.rows.count == report.groups.count + 2)
    }

    /// Activations and weights of one layer, counted by hand.
    @Test func bytesAreThoseOfTheLayer() throws {
        let report = try #require(try timer(CPUExecutor(threads: 1)).layers(runs: 1, peak: nil))
        let middle = try #require(report.layers.first { $0.name.hasPrefix("convolution 16->16") })
        let activations = 2 * 24 * 31 * 16 * 4
        let weights = 16 * 16 * 9 * 4
        #expect(middle.bytes >= activations + weights && middle.bytes <= activations + weights + 4 * 16 * 4)
    }

    @Test func whatCannotTellSaysNothing() throws {
        #expect(try timer(ReferenceExecutor()).layers(peak: nil) == nil)
    }

    /// How fast a machine is, and how busy, is no matter of a test: only that the numbers are there and go together.
    @Test(arguments: CPUExecutor.InstructionSet.supported)
    func peaksAreMeasured(_ instructionSet: CPUExecutor.InstructionSet) throws {
        let executor = CPUExecutor(threads: 1, instructionSet: instructionSet)
        let peak = try executor.measurePeak()
        #expect(peak.flops > 0 && peak.flops.isFinite)
        #expect(peak.unit.contains(instructionSet.rawValue))
        let report = try #require(try timer(executor).layers(runs: 1, peak: peak))
        #expect(report.peak?.unit == peak.unit)
        let layers = report.layers.filter { $0.gigaflops > 0 }
        #expect(layers.count == 5)
        for layer in layers {
            let share = layer.effectiveGigaflopsPerSecond * 1e9 / peak.flops
            #expect(abs(layer.shareOfPeak! - share) < 1e-9 * share)
        }
    }

    @Test func timesAreOfThisRun() throws {
        let times = try timer(CPUExecutor(threads: 1)).times(runs: 4)
        #expect(times.count == 4 && times.allSatisfy { $0 > 0 })
        #expect(median([3, 1, 2]) == 2 && median([4, 1, 2, 3]) == 2.5)
    }

    @Test func numbersAsText() {
        #expect(fixed(1.005, 1) == "1.0" && fixed(12.345, 2) == "12.35" && fixed(-0.04, 1) == "0.0")
        #expect(fixed(-1.25, 0) == "-1" && fixed(0.05, 2) == "0.05" && fixed(.infinity, 2) == "inf")
    }
}
