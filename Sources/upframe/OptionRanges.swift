internal import ArgumentParser
internal import Media
internal import Pipeline

/// What the numbers of options may be. Each is read by `number(in:)` or one of the parsers of texts, which refuse the rest
/// before anything is opened; whatever lies within is safe to compute with.
enum OptionRange {
    /// Worker threads: as many as large machines have cores, and few enough to start.
    static let threads = 1...1024
    /// Timed runs of a network.
    static let runs = 1...1_000_000
    /// Side of a tile, in input pixels.
    static let tile = 16...65536
    /// Side of a picture, in pixels.
    static let side = 1...65536
    /// Output pixels per input pixel along each side.
    static let scale = 0.001...64
    /// Constant quality of encoders: AV1's scale is the longest.
    static let crf = 0.0...63
    /// Longest time that a frame may take, in seconds.
    static let latency = 0.001...3600
    /// Places in a file and durations, in seconds: thirty years.
    static let seconds = 0.0...1e9
    /// Frames a second.
    static let rate = 0.001...1000
    /// Numerator and denominator of a rate.
    static let fraction = 1...10_000_000
    /// Memory, in bytes.
    static let bytes = 1.0...1e15
}

/// Reads an option's number; what lies outside `range` is refused, with the range.
func number<N: LosslessStringConvertible & Comparable & Sendable>(
    in range: ClosedRange<N>
) -> @Sendable (String) throws -> N {
    { text in
        guard let number = N(text), range.contains(number) else {
            throw ValidationError("expected a number between \(range.lowerBound) and \(range.upperBound)")
        }
        return number
    }
}

/// "1280x720"
func parseSize(_ text: String) -> (width: Int, height: Int)? {
    let sides = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    guard sides.count == 2, sides.allSatisfy(OptionRange.side.contains) else { return nil }
    return (sides[0], sides[1])
}

/// "90", "1:30", "0:01:30.5": seconds.
func parseTime(_ text: String) -> Double? {
    var seconds = 0.0
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard (1...3).contains(parts.count) else { return nil }
    for part in parts {
        guard let value = Double(part), OptionRange.seconds.contains(value) else { return nil }
        seconds = seconds * 60 + value
    }
    return OptionRange.seconds.contains(seconds) ? seconds : nil
}

/// "auto", "off" or the side of a tile.
func parseTiling(_ text: String) -> Tiling? {
    switch text {
    case "auto": .automatic
    case "off": .off
    default: Int(text).flatMap { OptionRange.tile.contains($0) ? .size($0) : nil }
    }
}

/// "25", "29.97", "30000/1001": frames a second.
func parseRate(_ text: String) -> Rational? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    if parts.count == 2, let numerator = Int(parts[0]), let denominator = Int(parts[1]),
        OptionRange.fraction.contains(numerator), OptionRange.fraction.contains(denominator)
    {
        let rate = Rational(numerator, denominator)
        return OptionRange.rate.contains(rate.value) ? rate : nil
    }
    guard parts.count == 1, let value = Double(text), OptionRange.rate.contains(value) else { return nil }
    // The rates of NTSC are not what their two decimals say.
    for base in [24, 30, 60, 120] where abs(value - Double(base) * 1000 / 1001) < 0.005 {
        return Rational(base * 1000, 1001)
    }
    return Rational(Int((value * 1000).rounded()), 1000)
}

/// "800M", "4G", "4GiB", "65536": bytes, by powers of 1024.
func parseBytes(_ text: String) -> Int? {
    var rest = text[...]
    for suffix in ["iB", "B"] where rest.hasSuffix(suffix) {
        rest = rest.dropLast(suffix.count)
        break
    }
    var shift = 0
    if let last = rest.last, let step = ["K", "M", "G", "T"].firstIndex(of: last.uppercased()) {
        shift = 10 * (step + 1)
        rest = rest.dropLast()
    }
    guard let number = Double(rest) else { return nil }
    let bytes = number * Double(1 << shift)
    return OptionRange.bytes.contains(bytes) ? Int(bytes) : nil
}
