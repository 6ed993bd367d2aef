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

    @Test func warmUp() {
        let schedule = Schedule(rate: 1, warmUp: 4)
        #expect((0..<6).map(schedule.rate(at:)) == [0.25, 0.5, 0.75, 1, 1, 1])
    }
}
