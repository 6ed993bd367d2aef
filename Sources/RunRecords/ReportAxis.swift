/// Where numbers lie between two ends, on a linear or a logarithmic scale, and which of them get a tick.
struct Axis {
    let low: Double
    let high: Double
    let isLogarithmic: Bool

    /// - Precondition: `low < high`, and above zero on a logarithmic scale.
    init(low: Double, high: Double, isLogarithmic: Bool = false) {
        precondition(low < high && (!isLogarithmic || low > 0), "an axis from \(low) to \(high)")
        (self.low, self.high, self.isLogarithmic) = (low, high, isLogarithmic)
    }

    /// An axis that shows these numbers: all but the most outlying hundredth on either side, with some room. Logarithmic
    /// where all are positive and more than one and a half decades apart.
    init(showing values: [Double]) {
        let sorted = values.sorted()
        guard let smallest = sorted.first else {
            self.init(low: 0, high: 1)
            return
        }
        let cut = sorted.count / 100
        let (low, high) = (sorted[cut], sorted[sorted.count - 1 - cut])
        if smallest > 0 && high > low * 30 {
            self.init(low: low / 1.3, high: high * 1.3, isLogarithmic: true)
        } else if low == high {
            let room = low == 0 ? 1 : abs(low) * 0.1
            self.init(low: low - room, high: high + room)
        } else {
            self.init(low: low - (high - low) * 0.06, high: high + (high - low) * 0.06)
        }
    }

    /// 0 at the low end, 1 at the high one.
    func position(_ x: Double) -> Double {
        if !isLogarithmic { return (x - low) / (high - low) }
        return decades(max(x, low * 1e-3) / low) / decades(high / low)
    }

    /// Round numbers, about `count` of them.
    func ticks(_ count: Int) -> [Double] {
        if isLogarithmic {
            let span = decades(high / low)
            let marks: [Double] = span < 1.5 ? [1, 2, 3, 5, 7] : span < 3 ? [1, 3] : [1]
            let first = Int(decades(low).rounded(.down))
            let skip = max(1, Int((span / Double(count)).rounded(.up)))
            return stride(from: first, through: first + Int(span) + 1, by: skip).flatMap { exponent in
                marks.map { $0 * tenToThe(exponent) }
            }.filter { $0 >= low && $0 <= high }
        }
        let rough = (high - low) / Double(count)
        let unit = tenToThe(Int(decades(rough).rounded(.down)))
        func distance(_ step: Double) -> Double { abs(decades(step / rough)) }
        let step = [1, 2, 2.5, 5, 10].map { $0 * unit }.min { distance($0) < distance($1) }!
        // A tick at the very end is not lost to rounding.
        let first = Int((low / step - 1e-9).rounded(.up))
        let last = Int((high / step + 1e-9).rounded(.down))
        return first <= last ? (first...last).map { Double($0) * step } : []
    }

    /// A tick's text: no more digits than tell it from its neighbours.
    func label(_ x: Double, among ticks: [Double]) -> String {
        if x == 0 { return "0" }
        let steps = isLogarithmic ? [] : zip(ticks, ticks.dropFirst()).map { $1 - $0 }
        let step = steps.min() ?? abs(x)
        let size = abs(x)
        if size >= 1e6 && step >= 1e4 { return trimmed(x / 1e6, step: step / 1e6) + "M" }
        if size >= 1e3 && step >= 100 { return trimmed(x / 1e3, step: step / 1e3) + "k" }
        let largest = isLogarithmic ? size : ticks.reduce(0) { max($0, abs($1)) }
        if largest < 1e-3 || step < 1e-5 || size < 1e-4 {
            let parts = scientific(x, digits: 2).split(separator: "e")
            let mantissa = parts[0].reversed().drop { $0 == "0" }.drop { $0 == "." }
            return String(mantissa.reversed()) + "e" + parts[1]
        }
        return trimmed(x, step: step)
    }

    private func trimmed(_ x: Double, step: Double) -> String {
        var digits = 0
        var unit = 1.0
        // A step like 0.25 needs two.
        while digits < 6 && abs((step * unit).rounded() - step * unit) > 1e-3 * step * unit {
            digits += 1
            unit *= 10
        }
        return fixed(x, digits)
    }
}

/// log10, without a mathematics library.
private func decades(_ x: Double) -> Double {
    precondition(x > 0, "no logarithm of \(x)")
    // x = m 2^e with m in [1, 2): ln m by its quickly falling series in (m - 1) / (m + 1).
    let t = (x.significand - 1) / (x.significand + 1)
    var (sum, power) = (0.0, t)
    for k in stride(from: 1, through: 31, by: 2) {
        sum += power / Double(k)
        power *= t * t
    }
    return (2 * sum + Double(x.exponent) * 0.6931471805599453) / 2.302585092994046
}

private func tenToThe(_ exponent: Int) -> Double {
    let factor = (0..<abs(exponent)).reduce(1.0) { factor, _ in factor * 10 }
    return exponent < 0 ? 1 / factor : factor
}
