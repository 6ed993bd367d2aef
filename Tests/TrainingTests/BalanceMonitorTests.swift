import FoundationEssentials
import Testing

@testable import Training

@Suite struct BalanceMonitorTests {
    private func feed(_ monitor: inout BalanceMonitor, _ values: [String: Float], times: Int) -> [String] {
        (0..<times).flatMap { _ in monitor.record(values).map(\.text) }
    }

    /// Said once, not before two windows are full; said again only after it was clearly well.
    @Test func discriminatorWins() {
        var monitor = BalanceMonitor(window: 50)
        let winning: [String: Float] = ["d.accuracy.real": 1, "d.accuracy.fake": 0.98]
        #expect(feed(&monitor, winning, times: 99).isEmpty)
        let said = feed(&monitor, winning, times: 500)
        #expect(said.count == 1)
        #expect(said[0].contains("it tells real from fake in 99 % of all cases") && said[0].contains("lower its rate"))
        #expect(monitor.conditions == [.discriminatorWins])
        // A little better is not well.
        #expect(feed(&monitor, ["d.accuracy.real": 0.96, "d.accuracy.fake": 0.94], times: 500).isEmpty)
        #expect(feed(&monitor, winning, times: 500).isEmpty)
        #expect(feed(&monitor, ["d.accuracy.real": 0.8, "d.accuracy.fake": 0.8], times: 500).isEmpty)
        #expect(monitor.conditions.isEmpty)
        #expect(feed(&monitor, winning, times: 500).count == 1)
    }

    @Test func discriminatorCollapsed() {
        var monitor = BalanceMonitor(window: 20)
        let said = feed(&monitor, ["d.accuracy.real": 0.01, "d.accuracy.fake": 0.99], times: 100)
        #expect(said.count == 1)
        #expect(said[0].contains("right on 1 % of real and 99 % of fake") && said[0].contains("everything fake"))
        var other = BalanceMonitor(window: 20)
        #expect(feed(&other, ["d.accuracy.real": 0.5, "d.accuracy.fake": 0.5], times: 100)[0].contains("like a coin"))
        var well = BalanceMonitor(window: 20)
        #expect(feed(&well, ["d.accuracy.real": 0.7, "d.accuracy.fake": 0.62], times: 100).isEmpty)
    }

    @Test func collapseAndDrift() {
        var monitor = BalanceMonitor(window: 20)
        let said = feed(&monitor, ["g.diversity": 0.12, "g.drift": 0.04], times: 100)
        #expect(said.count == 2)
        #expect(said[0].contains("hardly differ: their details are 12 % as unlike"))
        #expect(said[1].contains("10.2 of 255 steps") && said[1].contains("'colour'"))
        #expect(monitor.conditions == [.modeCollapse, .colourDrift])
    }

    /// Single batches say nothing; what is missing or no number does not count; a stopped run goes on.
    @Test func steady() throws {
        var monitor = BalanceMonitor(window: 50)
        _ = feed(&monitor, ["g.diversity": 1], times: 100)
        #expect(feed(&monitor, ["g.diversity": 0], times: 5).isEmpty)
        _ = feed(&monitor, ["g.diversity": .nan, "g.drift": .infinity], times: 100)
        let mean = try #require(monitor.mean("g.diversity"))
        #expect(abs(mean - 0.9) < 0.02 && monitor.mean("g.drift") == nil)
        let stored = try JSONDecoder().decode(BalanceMonitor.self, from: JSONEncoder().encode(monitor))
        #expect(stored == monitor)
    }
}

@Suite struct CropScheduleTests {
    @Test func sides() throws {
        let schedule = try CropSchedule([
            .init(step: 0, side: 32), .init(step: 100, side: 48), .init(step: 150, side: 64),
        ])
        #expect([0, 99, 100, 149, 150, 9999].map(schedule.side(at:)) == [32, 32, 48, 48, 64, 64])
        #expect(schedule.largest == 64)
        #expect(try CropSchedule(side: 40).side(at: 7) == 40)
        let grown = try CropSchedule(growingFrom: 32, to: 64, over: 900, stages: 4, multiple: 8)
        #expect(grown.stages.map(\.step) == [0, 300, 600, 900] && grown.stages.map(\.side) == [32, 40, 56, 64])
        let stored = try JSONDecoder().decode(CropSchedule.self, from: JSONEncoder().encode(grown))
        #expect(stored == grown)
    }

    @Test func faults() {
        func fault(_ stages: [(Int, Int)], multiple: Int = 1) -> CropScheduleError? {
            do {
                _ = try CropSchedule(stages.map { .init(step: $0.0, side: $0.1) }, multiple: multiple)
                return nil
            } catch { return error }
        }
        #expect(fault([]) == .empty)
        #expect(fault([(5, 32)]) == .lateStart(step: 5))
        #expect(fault([(0, 0)]) == .side(0, multiple: 1))
        #expect(fault([(0, 36)], multiple: 8)?.description.contains("36 pixels is no multiple of 8") == true)
        #expect(fault([(0, 32), (10, 40), (10, 48)]) == .order(step: 10, after: 10))
        #expect(fault([(0, 32), (10, 24)]) == .shrinking(from: 32, to: 24))
        #expect(throws: CropScheduleError.shrinking(from: 64, to: 32)) {
            try CropSchedule(growingFrom: 64, to: 32, over: 10)
        }
        #expect(throws: CropScheduleError.lateStart(step: 3)) {
            let text = #"{"stages":[{"step":3,"side":8}]}"#
            _ = try JSONDecoder().decode(CropSchedule.self, from: Data(text.utf8))
        }
    }
}
