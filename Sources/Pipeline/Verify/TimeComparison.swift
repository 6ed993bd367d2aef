internal import Media

/// Compares times of two streams that count in different ticks.
///
/// A time survives exactly where the target's ticks can express it, and within one tick of the target otherwise: that is
/// the most that a container can do.
struct TimeComparison {
    let source: Rational
    let target: Rational
    /// Seconds.
    let tolerance: Double
    /// Seconds by which everything was moved together.
    let shift: Double
    private(set) var exact = 0
    private(set) var rounded = 0
    private(set) var wrong = 0
    /// Of the wrong ones the first: its number, and both times in seconds.
    private(set) var firstWrong: (index: Int, source: Double, target: Double)?
    private(set) var largest = 0.0

    /// - Parameter sourceTicksMatter: the source's own rounding is forgiven too; for durations, which containers that
    ///   count coarsely round on their own and others take from the distances of times.
    init(source: Rational, target: Rational, sourceTicksMatter: Bool = false, shift: Double = 0) {
        (self.source, self.target, self.shift) = (source, target, shift)
        tolerance = sourceTicksMatter ? max(source.value, target.value) : target.value
    }

    mutating func compare(_ index: Int, _ a: Int64, _ b: Int64) {
        if shift == 0, Self.isEqual(a, source, b, target) {
            exact += 1
            return
        }
        let difference = abs(Double(b) * target.value - Double(a) * source.value - shift)
        largest = max(largest, difference)
        // Doubles lose some of the last digits of large times.
        if difference <= tolerance * 1.001 + 1e-9 {
            rounded += 1
        } else {
            wrong += 1
            if firstWrong == nil { firstWrong = (index, Double(a) * source.value, Double(b) * target.value) }
        }
    }

    /// Exact, by whole numbers; ticks too large for that are compared as doubles.
    static func isEqual(_ a: Int64, _ aBase: Rational, _ b: Int64, _ bBase: Rational) -> Bool {
        let left = a.multipliedReportingOverflow(by: Int64(aBase.numerator) * Int64(bBase.denominator))
        let right = b.multipliedReportingOverflow(by: Int64(bBase.numerator) * Int64(aBase.denominator))
        if left.overflow || right.overflow { return Double(a) * aBase.value == Double(b) * bBase.value }
        return left.partialValue == right.partialValue
    }

    var result: Finding.Result { wrong > 0 ? .changed : .ok }

    var note: String {
        if let firstWrong {
            return
                "\(wrong) differ, the first is number \(firstWrong.index): "
                + "\(seconds(firstWrong.source)) became \(seconds(firstWrong.target))"
        }
        guard rounded > 0 else { return "exact" }
        if shift != 0 { return "all moved by \(seconds(shift)), in step to \(seconds(largest))" }
        return "\(rounded) of \(exact + rounded) rounded to the output's ticks of \(target), at most by "
            + seconds(largest)
    }
}

/// "1.400 s", "0.000333 s": six decimals, without the zeros that say nothing.
func seconds(_ value: Double) -> String {
    let micros = Int((abs(value) * 1e6).rounded())
    var fraction = String(String(1_000_000 + micros % 1_000_000).dropFirst())
    while fraction.count > 3, fraction.hasSuffix("0") { fraction.removeLast() }
    return "\(value < 0 && micros > 0 ? "-" : "")\(micros / 1_000_000).\(fraction) s"
}
