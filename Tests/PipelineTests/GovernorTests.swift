import Pipeline
import Testing

@Suite struct GovernorTests {
    /// A simulated stream: frames arrive at a rate, each rung really takes `costs`; returns the governor and all latencies.
    private func simulate(
        costs: (Int) -> [Double], guesses: [Double], rate: Double, bound: Double, frames: Int
    ) -> (Governor, [Double]) {
        var governor = Governor(costs: guesses, interval: 1 / rate, maximumLatency: bound)
        var now = 0.0
        var latencies: [Double] = []
        for frame in 0..<frames {
            let arrival = Double(frame) / rate
            now = max(now, arrival)
            if case .rung(let rung) = governor.decide(age: now - arrival, downstream: 0) {
                now += costs(frame)[rung]
                governor.measured(rung, seconds: costs(frame)[rung])
            }
            latencies.append(now - arrival)
        }
        return (governor, latencies)
    }

    @Test func theBestRungWhenItIsAffordable() {
        let (governor, latencies) = simulate(
            costs: { _ in [0.02, 0.005] }, guesses: [0.02, 0.005], rate: 25, bound: 0.2, frames: 500)
        #expect(governor.count.framesByRung == [500, 0])
        #expect(governor.count.repeatedFrames == 0)
        #expect(latencies.max()! < 0.021)
    }

    @Test func aSlowModelIsNotEvenTried() {
        let (governor, latencies) = simulate(
            costs: { _ in [0.1, 0.03] }, guesses: [0.1, 0.03], rate: 25, bound: 0.2, frames: 500)
        #expect(governor.count.framesByRung == [0, 500])
        #expect(latencies.max()! < 0.2)
    }

    /// Wrong guesses are corrected by measuring.
    @Test func aRungThatProvesSlowIsLeft() {
        let (governor, latencies) = simulate(
            costs: { _ in [0.06, 0.01] }, guesses: [0.02, 0.01], rate: 25, bound: 0.3, frames: 1000)
        #expect(governor.count.stepsDown >= 1)
        #expect(governor.count.framesByRung[1] > 900)
        #expect(latencies.max()! <= 0.36)
    }

    /// A machine that is busy for a while: down, and up again afterwards.
    @Test func itRecovers() {
        let (governor, latencies) = simulate(
            costs: { (200..<400).contains($0) ? [0.08, 0.03] : [0.02, 0.01] }, guesses: [0.02, 0.01], rate: 25,
            bound: 0.3, frames: 2000)
        #expect(governor.count.stepsDown >= 1)
        #expect(latencies.max()! <= 0.38)
        #expect(governor.count.stepsUp >= 1)
        #expect(governor.count.framesByRung[0] > 1300)
    }

    /// Overloaded even by the cheapest: latency stays bounded, at the price of repeats.
    @Test func overload() {
        let (governor, latencies) = simulate(
            costs: { _ in [0.3, 0.1] }, guesses: [0.3, 0.1], rate: 25, bound: 0.25, frames: 1000)
        #expect(governor.count.repeatedFrames > 400)
        #expect(governor.count.repeatedFrames + governor.count.framesByRung.reduce(0, +) == 1000)
        #expect(latencies.max()! <= 0.25 + 1e-9)
    }

    @Test func histogram() {
        var histogram = LatencyHistogram()
        for index in 1...1000 { histogram.add(Double(index) / 1000) }
        #expect(abs(histogram.quantile(0.5) - 0.5) < 0.01)
        #expect(abs(histogram.quantile(0.99) - 0.99) < 0.02)
        #expect(histogram.maximum == 1)
        #expect(LatencyHistogram().quantile(0.5) == 0)
    }
}
