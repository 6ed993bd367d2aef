#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Decides, frame by frame, what a live stream can afford. Pure arithmetic on times that the caller measures, so that it
/// can be tested without a clock.
///
/// The user allows a ladder of models, the best first. The governor keeps a smoothed cost for each and takes the best
/// one with which a frame would still leave within the latency bound, and which the source's frame rate can sustain. It
/// steps down at once and up only after a while of ease, so that it does not flicker between two. When not even the
/// cheapest is quick enough, the previous result is shown again.
public struct Governor: Sendable {
    public enum Decision: Sendable, Hashable {
        case rung(Int)
        case repeatPrevious
    }

    /// What was decided so far.
    public struct Count: Sendable, Hashable, Codable {
        /// Frames computed by each rung of the ladder.
        public var framesByRung: [Int]
        /// Frames for which the previous result was shown again.
        public var repeatedFrames = 0
        public var stepsDown = 0
        public var stepsUp = 0
    }

    private let maximumLatency: Double
    /// Seconds between two frames of the source; 0 where it does not say.
    private let interval: Double
    /// Smoothed seconds a frame, for every rung.
    private var costs: [Double]
    private let initialCosts: [Double]
    private var current = 0
    /// Consecutive frames for which a better rung would have been affordable.
    private var easyFrames = 0
    private var hasResult = false
    public private(set) var count: Count

    /// So many easy frames in a row before a step up: about a second of video.
    private static let patience = 24
    /// A rung may use this much of the frame interval; the rest is for unevenness.
    private static let sustainedShare = 0.9
    /// A step up has to leave clearly more room than a stay needs, or the two would alternate.
    private static let stepUpShare = 0.75
    /// Weight of a new measurement in the smoothed cost.
    private static let smoothing = 0.2
    /// How fast the costs of unused rungs age: half of the way in about 140 frames.
    private static let ageing = 0.005

    /// - Parameters:
    ///   - costs: seconds a frame of every rung, measured before the stream begins; the best rung first.
    ///   - interval: seconds between two frames of the source, 0 if unknown.
    ///   - maximumLatency: seconds from a frame's arrival to its departure.
    /// - Precondition: there is at least one rung.
    public init(costs: [Double], interval: Double, maximumLatency: Double) {
        precondition(!costs.isEmpty)
        (self.costs, self.interval, self.maximumLatency) = (costs, interval, maximumLatency)
        initialCosts = costs
        count = Count(framesByRung: [Int](repeating: 0, count: costs.count))
        current = costs.firstIndex { isSustainable($0) } ?? costs.count - 1
    }

    private func isSustainable(_ cost: Double, share: Double = sustainedShare) -> Bool {
        interval <= 0 || cost <= interval * share
    }

    /// What to do with the next frame.
    ///
    /// - Parameters:
    ///   - age: seconds since the frame arrived.
    ///   - downstream: seconds that it will still take after the network.
    public mutating func decide(age: Double, downstream: Double) -> Decision {
        let room = maximumLatency - age - downstream
        // Up, after a while of ease.
        if current > 0, costs[current - 1] <= room, isSustainable(costs[current - 1], share: Self.stepUpShare) {
            easyFrames += 1
            if easyFrames >= Self.patience {
                current -= 1
                count.stepsUp += 1
                easyFrames = 0
            }
        } else {
            easyFrames = 0
        }
        // Down, at once: a rung that cannot hold the rate, or that would be late.
        if let affordable = costs.indices.first(where: {
            $0 >= current && costs[$0] <= room && isSustainable(costs[$0])
        }) {
            step(to: affordable)
        } else {
            // The cheapest, if it is in time at all: losing the rate slowly beats losing frames.
            step(to: costs.count - 1)
            if costs[current] > room && hasResult {
                count.repeatedFrames += 1
                return .repeatPrevious
            }
        }
        hasResult = true
        count.framesByRung[current] += 1
        return .rung(current)
    }

    private mutating func step(to rung: Int) {
        if rung > current {
            count.stepsDown += 1
            easyFrames = 0
        }
        current = rung
    }

    /// A frame that had to be dropped before it could be decided upon: the previous result stands for it.
    public mutating func countSkipped() { count.repeatedFrames += 1 }

    /// What a frame really took.
    public mutating func measured(_ rung: Int, seconds: Double) {
        costs[rung] += Self.smoothing * (seconds - costs[rung])
        // A rung that is not used is not measured. What is known of it ages towards what it cost at first, in proportion
        // to what the used one costs now: so a machine that was busy for a while is tried again.
        for other in costs.indices where other != rung && initialCosts[rung] > 0 {
            let expected = initialCosts[other] * costs[rung] / initialCosts[rung]
            costs[other] += Self.ageing * (expected - costs[other])
        }
    }
}

/// How long frames took from arrival to departure: counts in buckets one percent wide, so that a stream of any length
/// needs the same memory.
public struct LatencyHistogram: Sendable {
    private static let smallest = 1e-5
    private static let growth = 1.01
    private var buckets = [Int](repeating: 0, count: 2048)
    private var count = 0
    public private(set) var maximum = 0.0

    public init() {}

    public mutating func add(_ seconds: Double) {
        let index = Int((log(max(seconds, Self.smallest) / Self.smallest) / log(Self.growth)).rounded())
        buckets[min(index, buckets.count - 1)] += 1
        count += 1
        maximum = max(maximum, seconds)
    }

    /// The latency that this share of the frames did not exceed; 0 without frames.
    public func quantile(_ share: Double) -> Double {
        var left = Int((Double(count) * share).rounded(.up))
        guard count > 0 else { return 0 }
        for (index, bucket) in buckets.enumerated() {
            left -= bucket
            if left <= 0 && bucket > 0 { return min(Self.smallest * pow(Self.growth, Double(index)), maximum) }
        }
        return maximum
    }

    public var reading: LatencyReading {
        LatencyReading(
            medianSeconds: quantile(0.5), p99Seconds: quantile(0.99), maximumSeconds: maximum, frames: count)
    }
}

/// Latency from a frame's arrival to its departure.
public struct LatencyReading: Sendable, Hashable, Codable {
    public var medianSeconds: Double
    public var p99Seconds: Double
    public var maximumSeconds: Double
    public var frames: Int
}
