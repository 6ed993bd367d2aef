import Testing

@testable import Media

/// The one clock of a file, on packets that are made up: pure values, no files.
@Suite struct InputClockTests {
    private let tick = Rational(1, 90000).av
    private let second: Int64 = 90000

    /// Feeds one stream of 25 frames a second and gives the decoding times that come out.
    private func run(
        _ clock: inout InputClock, stream: Int = 0, from start: Int64, count: Int, step: Int64 = 3600, bits: Int32 = 33
    ) -> [Int64] {
        (0..<count).map { index in
            let time = (start + Int64(index) * step) & (bits < 60 ? (1 << Int64(bits)) - 1 : -1)
            var times = PacketTimes(pts: time, dts: time, duration: step)
            clock.correct(&times, stream: stream, base: tick, wrapBits: bits)
            #expect(times.pts == times.dts)
            return times.dts!
        }
    }

    @Test func timesThatGoForwardStay() {
        var clock = InputClock(followsJumps: true, start: 0)
        #expect(run(&clock, from: 126_000, count: 100) == (0..<100).map { 126_000 + 3600 * $0 })
        #expect(clock.jumps.isEmpty)
    }

    @Test func aCounterThatWrapsGoesOn() {
        let start: Int64 = (1 << 33) - 40 * 3600
        var clock = InputClock(followsJumps: true, start: Int64(95_442_000_000))
        #expect(run(&clock, from: start, count: 100) == (0..<100).map { start + 3600 * $0 })
        // A stream that begins behind the wrap is continued from the other.
        #expect(run(&clock, stream: 1, from: start + 60 * 3600, count: 3).first == start + 60 * 3600)
        #expect(clock.jumps.isEmpty)
    }

    @Test func aPresentationTimeMayWrapBeforeItsDecodingTime() {
        var clock = InputClock(followsJumps: true)
        var times = PacketTimes(pts: 1000, dts: (1 << 33) - 2600, duration: 3600)
        clock.correct(&times, stream: 0, base: tick, wrapBits: 33)
        var next = PacketTimes(pts: 4600, dts: 1000, duration: 3600)
        clock.correct(&next, stream: 0, base: tick, wrapBits: 33)
        #expect(next.dts! - times.dts! == 3600)
        #expect(next.pts! - next.dts! == 3600)
    }

    /// Two recordings of two streams, joined: the streams cross the joint one after the other, and keep their distance.
    @Test func joinedRecordingsFollowEachOther() {
        var clock = InputClock(followsJumps: true, start: 1_400_000)
        let first = run(&clock, from: 126_000, count: 50)
        let sound = run(&clock, stream: 1, from: 126_000, count: 45)
        let second = run(&clock, from: 126_000, count: 50)
        // The last of the first recording's sound comes behind the second's picture.
        let late = run(&clock, stream: 1, from: 126_000 + 45 * 3600, count: 5)
        let secondSound = run(&clock, stream: 1, from: 126_000, count: 50)
        #expect(second.first == first.last! + 3600)
        #expect(late.first == sound.last! + 3600)
        #expect(secondSound == second)
        #expect(clock.jumps.count == 1 && abs(clock.jumps[0].distance + 1.96) < 0.1)
    }

    @Test func aJumpForwardCloses() {
        var clock = InputClock(followsJumps: true)
        let before = run(&clock, from: 0, count: 50)
        let after = run(&clock, from: 500 * second, count: 50)
        #expect(after.first == before.last! + 3600)
        // Nine seconds without a frame are a gap in the recording, and stay one.
        #expect(run(&clock, from: 509 * second, count: 1)[0] - after.last! == 509 * second - 500 * second - 49 * 3600)
    }

    @Test func otherContainersAreBelieved() {
        var clock = InputClock(followsJumps: false)
        _ = run(&clock, from: 0, count: 50, bits: 64)
        #expect(run(&clock, from: 500 * second, count: 1, bits: 64) == [500 * second])
        #expect(run(&clock, from: 3600, count: 1, bits: 64) == [3600])
    }

    @Test(arguments: [Int64.min, .max, .min + 1, 1 << 62, -(1 << 61)])
    func timesThatNoFileHasAreMissing(_ time: Int64) {
        for jumps in [true, false] {
            var clock = InputClock(followsJumps: jumps, start: 0)
            var times = PacketTimes(pts: time, dts: time, duration: time)
            clock.correct(&times, stream: 0, base: tick, wrapBits: 33)
            #expect(times == PacketTimes(pts: nil, dts: nil, duration: 0))
            // And nothing that follows is led astray.
            #expect(run(&clock, from: 3600, count: 2) == [3600, 7200])
        }
    }

    /// Whatever jumps there are, no stream falls back behind the others.
    @Test(arguments: 0..<50) func decodingTimesRise(_ seed: UInt64) {
        var random = SplitMix(seed)
        var clock = InputClock(followsJumps: true, start: 0)
        var raw = (0..<3).map { _ in Int64(random.next() % 900_000) }
        var last: [Int64?] = [nil, nil, nil]
        for _ in 0..<2000 {
            let stream = Int(random.next() % 3)
            if random.next() % 200 == 0 {
                let base = Int64(random.next() % (1 << 33))
                raw = raw.map { _ in base + Int64(random.next() % 45000) }
            }
            raw[stream] += 3600
            var times = PacketTimes(pts: nil, dts: raw[stream] & ((1 << 33) - 1), duration: 3600)
            clock.correct(&times, stream: stream, base: tick, wrapBits: 33)
            // A stream steps back by what it lies before the one that crossed first, here half a second at most, and by a
            // tenth of a second that counts as a muxer's guess.
            if let before = last[stream] { #expect(times.dts! >= before - 45000 - 9000) }
            last[stream] = times.dts
        }
    }
}

/// The smallest generator that passes for random.
struct SplitMix {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

@Suite struct MuxOrderTests {
    @Test func theLeastTimeLeavesWhenNoStreamCanComeBeforeIt() {
        var order = MuxOrder<String>(streams: [.always, .sparsely, .never])
        order.add("sound 0", stream: 1, time: 0, bytes: 1)
        order.add("sound 5", stream: 1, time: 5_000_000, bytes: 1)
        // The picture is certain to come.
        #expect(order.next() == nil)
        order.add("picture 0", stream: 0, time: 0, bytes: 1)
        #expect(order.next() == "picture 0")
        order.add("picture 6", stream: 0, time: 6_000_000, bytes: 1)
        #expect(order.next() == "sound 0" && order.next() == "sound 5")
        // Sound that stays away holds the picture up for ten seconds of the source.
        #expect(order.next() == nil)
        order.advance(to: 15_999_999)
        #expect(order.next() == nil)
        order.advance(to: 16_000_000)
        #expect(order.next() == "picture 6" && order.next() == nil)
    }

    @Test func whatWaitsIsBounded() {
        var order = MuxOrder<Int>(streams: [.always, .sparsely], limit: 100)
        for index in 0..<11 { order.add(index, stream: 1, time: Int64(index), bytes: 10) }
        #expect(order.next() == 0 && order.next() == nil)
        order.endAll()
        #expect((1..<11).allSatisfy { order.next() == $0 } && order.next() == nil && order.bytesWaiting == 0)
    }

    @Test func aStreamKeepsItsOrder() {
        var order = MuxOrder<Int>(streams: [.always, .sparsely])
        for (index, time) in ([5, nil, 3, 9] as [Int64?]).enumerated() {
            order.add(index, stream: 0, time: time, bytes: 1)
        }
        order.add(10, stream: 1, time: 4, bytes: 1)
        order.endAll()
        #expect((0..<5).map { _ in order.next() } == [10, 0, 1, 2, 3])
    }

    /// Against the plain definition: all packets sorted by time, streams' orders kept.
    @Test(arguments: 0..<50) func anyOrderOfComingGivesTheSame(_ seed: UInt64) {
        var random = SplitMix(seed)
        var packets: [[Int64]] = (0..<3).map { _ in
            (0..<100).map { _ in Int64(random.next() % 5_000_000) }.sorted()
        }
        let expected = packets.joined().sorted()
        var order = MuxOrder<Int64>(streams: [.always, .sparsely, .sparsely])
        var written: [Int64] = []
        while packets.contains(where: { !$0.isEmpty }) {
            let stream = Int(random.next() % 3)
            guard !packets[stream].isEmpty else { continue }
            let time = packets[stream].removeFirst()
            order.add(time, stream: stream, time: time, bytes: 1)
            while let next = order.next() { written.append(next) }
        }
        order.endAll()
        while let next = order.next() { written.append(next) }
        #expect(written == expected)
    }
}

@Suite struct RateGridTests {
    @Test func gapsOfSoundAreCountedInUnits() {
        var gaps = SoundGaps(unit: 0.024)
        // Begins half a second late: 20.8 units.
        #expect(gaps.units(before: 0.5, duration: 0.024) == 21)
        // Milliseconds of rounding are no gaps, however many there are.
        var time = 0.524
        for _ in 0..<1000 {
            time += 0.0005
            #expect(gaps.units(before: time, duration: 0.024) == 0)
            time += 0.024
        }
        // What a unit was too long for is taken off the next gap: 4 ms too much, then 0.1 s.
        #expect(gaps.units(before: time + 0.1, duration: 0.024) == 4)
        // An overlap of a whole unit is taken off as well.
        time += 0.124
        #expect(gaps.units(before: time - 0.024, duration: 0.024) == 0)
        #expect(gaps.units(before: time + 0.048, duration: 0.024) == 1)
    }

    @Test func regularFramesStay() {
        var grid = RateGrid(rate: Rational(25, 1), fills: true)
        for place in Int64(0)..<100 { #expect(grid.take(place) == .show(at: place, filling: place..<place)) }
        #expect(grid.dropped == 0 && grid.repeated == 0 && grid.finish(at: 100).isEmpty)
    }

    @Test func gapsAreFilledAndCrowdsThinned() {
        var grid = RateGrid(rate: Rational(25, 1), fills: true)
        #expect(grid.take(3) == .show(at: 3, filling: 3..<3))
        #expect(grid.take(3) == .drop)
        #expect(grid.take(7) == .show(at: 7, filling: 4..<7))
        #expect(grid.take(6) == .drop)
        #expect(grid.finish(at: 10) == 8..<10)
        #expect(grid.dropped == 2 && grid.repeated == 5)
    }

    @Test func aStepKeepsFramesApart() {
        // 59.94 frames a second in 1/100 s: no two closer than 2/100 s, and none late.
        var grid = RateGrid(rate: Rational(100, 1), step: 2, fills: false)
        var shown: [Int64] = []
        for frame in 0..<60 {
            let place = Int64((Double(frame) * 100 * 1001 / 60000).rounded())
            if case .show(let at, _) = grid.take(place) {
                #expect(at == place)
                shown.append(at)
            }
        }
        #expect(zip(shown.dropFirst(), shown).allSatisfy { (2...3).contains($0 - $1) })
        #expect(grid.dropped + shown.count == 60 && grid.repeated == 0)
    }

    @Test func aBrokenClockFillsNothing() {
        var grid = RateGrid(rate: Rational(25, 1), fills: true)
        _ = grid.take(0)
        #expect(grid.take(1 << 40) == .show(at: 1 << 40, filling: (1 << 40)..<(1 << 40)))
    }
}
