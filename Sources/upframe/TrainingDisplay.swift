internal import FoundationEssentials
internal import Synchronization
internal import TrainingRun

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Tells how a training run goes, on standard error.
final class TrainingDisplay {
    private let style: ProgressStyle
    private let isQuiet: Bool
    private var last = ContinuousClock.now - .seconds(3600)

    /// - Parameter isQuiet: nothing is told at all.
    init(_ style: ProgressStyle, isQuiet: Bool = false) {
        self.style = isQuiet ? .none : style == .auto ? (isatty(2) == 1 ? .bar : .plain) : style
        self.isQuiet = isQuiet
    }

    func note(_ text: String) {
        if isQuiet { return }
        if style == .json { return write(Event(event: "note", message: shown(text))) }
        clear()
        say(text)
    }

    func show(_ progress: TrainingProgress) {
        let interval: Duration = style == .plain ? .seconds(10) : style == .json ? .seconds(1) : .milliseconds(200)
        let now = ContinuousClock.now
        guard style != .none, now - last >= interval || progress.step == progress.steps else { return }
        last = now
        switch style {
        case .json:
            write(
                Event(
                    event: "progress", step: progress.step, steps: progress.steps,
                    stepsPerSecond: progress.stepsPerSecond, remainingSeconds: progress.remainingSeconds,
                    losses: progress.losses, validation: progress.validation, waitedShare: progress.waitedShare))
        case .plain: say(line(progress))
        default:
            var window = winsize()
            let columns = ioctl(2, UInt(TIOCGWINSZ), &window) == 0 && window.ws_col > 0 ? Int(window.ws_col) : 80
            standardError("\r\u{1B}[2K" + line(progress).prefix(columns - 1))
        }
    }

    func finish(_ summary: TrainingSummary) {
        clear()
        if style == .json {
            write(
                Event(
                    event: summary.interrupted ? "interrupted" : "done", step: summary.step, steps: summary.steps,
                    waitedShare: summary.waitedShare, model: summary.model, report: summary.report))
        } else if style != .none {
            let best = summary.best.map { ", best \(decimals($0)) at step \(summary.bestStep!)" } ?? ""
            say(
                "\(summary.interrupted ? "interrupted; saved" : "trained") \(summary.step) of \(summary.steps) "
                    + "steps in \(clock(summary.seconds))\(best), "
                    + "\(decimals(summary.waitedShare * 100)) % waiting for data")
            say("weights: \(summary.model), report: \(summary.report)")
        }
    }

    /// Takes the bar away, so that a message stands alone on its line.
    func clear() { if style == .bar { standardError("\r\u{1B}[2K") } }

    private func line(_ progress: TrainingProgress) -> String {
        var parts = ["\(progress.step)/\(progress.steps)", "\(decimals(progress.stepsPerSecond)) it/s"]
        parts.append("ETA \(clock(progress.remainingSeconds))")
        for (name, value) in progress.losses.sorted(by: { $0.key < $1.key }) where Self.isShown(name) {
            parts.append("\(name) \(significant(Double(value)))")
        }
        if let psnr = progress.validation["psnrY"], let gain = progress.validation["gainY"] {
            parts.append("PSNR-Y \(decimals(Double(psnr))) (\(gain >= 0 ? "+" : "")\(decimals(Double(gain))))")
        }
        if progress.waitedShare >= 0.01 { parts.append("waiting \(Int((progress.waitedShare * 100).rounded())) %") }
        return parts.joined(separator: "  ")
    }

    /// Norms and what the monitors watch stand in the log.
    private static func isShown(_ name: String) -> Bool {
        !name.hasSuffix("norm") && !name.contains("accuracy") && !name.hasSuffix("drift")
            && !name.hasSuffix("diversity")
    }

    private struct Event: Encodable {
        var event: String
        var message: String?
        var step: Int?
        var steps: Int?
        var stepsPerSecond: Double?
        var remainingSeconds: Double?
        var losses: [String: Float]?
        var validation: [String: Float]?
        var waitedShare: Double?
        var model: String?
        var report: String?
    }

    private func write(_ event: Event) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let data = try? encoder.encode(event) { standardError(plainJSON(data) + "\n") }
    }
}

/// Three significant digits, also of small numbers.
private func significant(_ value: Double) -> String {
    guard value != 0, value.isFinite else { return "\(value)" }
    if abs(value) >= 1 { return decimals(value) }
    let digits = 2 - Int(log10(abs(value)).rounded(.down))
    let factor = pow(10, Double(digits))
    return "\((value * factor).rounded() / factor)"
}
