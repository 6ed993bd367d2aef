import Foundation
import Testing

@testable import Training

@Suite struct ScheduleTests {
    @Test func multiStep() {
        let schedule = Schedule(rate: 1, .multiStep(milestones: [10, 20], factor: 0.5))
        #expect([0, 9, 10, 19, 20, 99].map(schedule.rate(at:)) == [1, 1, 0.5, 0.5, 0.25, 0.25])
    }

    @Test func cosine() {
        let schedule = Schedule(rate: 2, .cosine(steps: 100, floor: 0.1))
        #expect(schedule.rate(at: 0) == 2)
        #expect(abs(schedule.rate(at: 50) - 1.1) < 1e-12)
        #expect(abs(schedule.rate(at: 100) - 0.2) < 1e-12 && abs(schedule.rate(at: 500) - 0.2) < 1e-12)
    }

    @Test func warmRestarts() {
        let schedule = Schedule(rate: 2, .cosine(steps: 120, floor: 0.25, cycles: 3, cycleFactor: 0.5), warmUp: 2)
        // Full, half and a quarter of the rate at the cycles' beginnings; the last begins at the floor and stays there.
        #expect([40, 80, 119, 120, 500].map(schedule.rate(at:)) == [1, 0.5, 0.5, 0.5, 0.5])
        // The middle of a cycle lies half way to the floor.
        #expect(abs(schedule.rate(at: 20) - 1.25) < 1e-12 && abs(schedule.rate(at: 60) - 0.75) < 1e-12)
        #expect(schedule.rate(at: 39) < 0.51 && schedule.rate(at: 39) > 0.5)
        // Warmed up at the beginning only.
        #expect(schedule.rate(at: 0) == 1)
        // Without a factor every cycle is the first again, and below the floor nothing goes.
        let even = Schedule(rate: 1, .cosine(steps: 90, floor: 0, cycles: 3))
        #expect((0..<90).allSatisfy { abs(even.rate(at: $0) - even.rate(at: $0 % 30)) < 1e-12 })
        let low = Schedule(rate: 1, .cosine(steps: 4, floor: 0.3, cycles: 4, cycleFactor: 0.5))
        #expect((0...4).map(low.rate(at:)) == [1, 0.5, 0.3, 0.3, 0.3])
    }

    /// 10 steps are no multiple of 3 cycles: these begin at 0, 3 1/3 and 6 2/3.
    @Test func cyclesBetweenSteps() {
        let schedule = Schedule(rate: 1, .cosine(steps: 10, floor: 0, cycles: 3))
        // Of each cycle, a third of a step after its beginning is a tenth of the way.
        for (step, done) in [(0, 0.0), (3, 0.9), (4, 0.2), (6, 0.8), (7, 0.1), (9, 0.7), (10, 1)] {
            #expect(abs(schedule.rate(at: step) - (1 + cos(Double.pi * done)) / 2) < 1e-12, "step \(step)")
        }
    }

    /// One cycle is what a cosine without restarts was before there were any, bit for bit: runs that began then go on.
    @Test func oneCycle() {
        let schedule = Schedule(rate: 2e-4, .cosine(steps: 777, floor: 0.01))
        for step in 0...800 {
            let done = min(1, Double(step) / 777)
            #expect(schedule.rate(at: step) == 2e-4 * (0.01 + (1 - 0.01) * (1 + cos(Double.pi * done)) / 2))
        }
    }

    @Test func warmUp() {
        let schedule = Schedule(rate: 1, warmUp: 4)
        #expect((0..<6).map(schedule.rate(at:)) == [0.25, 0.5, 0.75, 1, 1, 1])
    }
}
