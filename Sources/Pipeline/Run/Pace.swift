internal import Media
internal import Threads

/// Lets frames arrive when they are due, counted from the first one.
struct Pace {
    private let secondsPerTick: Double
    /// When tick zero is due.
    private var origin: Double?
    private var last: Int64 = 0
    /// A live source's clock may run faster than ours; so much of a frame's distance is taken for that and not waited
    /// for, or it would be later and later.
    private static let drift = 0.001

    init(_ timeBase: Rational) { secondsPerTick = timeBase.value }

    /// Waits until the frame is due; the time at which it is taken to have arrived.
    mutating func wait(for timestamp: Int64, notBefore arrival: Double) -> Double {
        let offset = Double(timestamp) * secondsPerTick
        guard let start = origin else {
            (origin, last) = (arrival - offset, timestamp)
            return arrival
        }
        let early = start + offset - arrival
        let step = Double(max(timestamp - last, 0)) * secondsPerTick
        last = timestamp
        guard early > 0 else { return arrival }
        let allowance = min(early, step * Self.drift)
        origin = start - allowance
        let due = start + offset - allowance
        let left = due - monotonicSeconds()
        if left > 0 { sleepSeconds(left) }
        return due
    }
}
