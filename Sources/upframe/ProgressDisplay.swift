internal import FoundationEssentials
internal import Pipeline
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// How a job's progress is told on standard error.
enum ProgressStyle: String, CaseIterable {
    /// A bar on a terminal, lines elsewhere.
    case auto
    case bar
    case plain
    /// One JSON object a line.
    case json
    /// Notes, of what was passed over or could not be kept, are told all the same.
    case none
}

/// Writes progress to standard error. Thread-safe.
final class ProgressDisplay: Sendable {
    private let style: ProgressStyle
    private let isQuiet: Bool
    private let lastTime = Mutex(-Double.infinity)

    /// - Parameter isQuiet: nothing is told at all.
    init(_ style: ProgressStyle, isQuiet: Bool = false) {
        self.style = isQuiet ? .none : style == .auto ? (isatty(2) == 1 ? .bar : .plain) : style
        self.isQuiet = isQuiet
    }

    /// A line for people, before or after the bar; JSON has its own events.
    func note(_ text: String) {
        if isQuiet { return }
        if style == .json { return write(Event(event: "note", message: shown(text))) }
        say(text)
    }

    func show(_ progress: Progress) {
        // Often enough for the eye, seldom enough for a log.
        let interval: Double = style == .plain ? 5 : style == .json ? 0.5 : 0.1
        let isLast = progress.expectedFrames.map { progress.frames >= $0 } ?? false
        let due = lastTime.withLock { last in
            guard isLast || progress.elapsedSeconds - last >= interval else { return false }
            last = progress.elapsedSeconds
            return true
        }
        guard due, style != .none else { return }
        if style == .json { return write(Event(event: "progress", progress)) }
        if style == .plain { return say(line(progress)) }
        standardError("\r\u{1B}[2K" + bar(progress))
    }

    /// The last word on a job.
    func finish(_ summary: UpscaleSummary, output: String) {
        let last = Progress(
            frames: summary.frames, expectedFrames: summary.frames, elapsedSeconds: summary.elapsedSeconds,
            stages: summary.stages)
        switch style {
        case .none: break
        case .json:
            var event = Event(event: summary.interrupted ? "interrupted" : "done", last)
            event.reuse = summary.reuse
            event.latency = summary.latency
            event.realtime = summary.governor
            event.readerGone = summary.readerGone ? true : nil
            write(event)
        default:
            clear()
            let frames = summary.frames == 1 ? "1 frame" : "\(summary.frames) frames"
            let verb = summary.writtenTo != nil ? "wrote \(frames) to \(output)" : "stopped before the first frame"
            let slowest = last.slowestStage.map { ", slowest stage: \($0.name)" } ?? ""
            say(
                "\(summary.interrupted ? "interrupted; " : "")\(verb) in \(clock(summary.elapsedSeconds)) "
                    + "(\(decimals(last.framesPerSecond)) fps\(slowest))")
            if summary.readerGone { say("the reader of \(output) stopped reading") }
            if summary.isLive || summary.governor != nil {
                let milliseconds = { (seconds: Double) in "\(decimals(seconds * 1000)) ms" }
                let latency = summary.latency
                say(
                    "latency \(milliseconds(latency.medianSeconds)) median, \(milliseconds(latency.p99Seconds)) "
                        + "p99, \(milliseconds(latency.maximumSeconds)) at most")
            }
            if let governor = summary.governor {
                let rungs = governor.framesByRung.enumerated().map { "\($1) by model \($0 + 1)" }
                say(
                    "real time: \(rungs.joined(separator: ", ")), \(governor.repeatedFrames) shown again; "
                        + "\(governor.stepsDown) steps down, \(governor.stepsUp) up")
            }
            if let share = summary.reuse?.savedShare, share >= 0.01 {
                say(
                    "\(Int((share * 100).rounded())) % of the frames' area had not changed and was reused")
            }
        }
    }

    /// Takes the bar away, so that a message stands alone on its line.
    func clear() {
        if style == .bar { standardError("\r\u{1B}[2K") }
    }

    // MARK: Text

    private func line(_ progress: Progress) -> String {
        let total = progress.expectedFrames.map { "/\($0)" } ?? ""
        var parts = ["\(progress.frames)\(total) frames", "\(decimals(progress.framesPerSecond)) fps"]
        if let remaining = progress.remainingSeconds { parts.append("ETA \(clock(remaining))") }
        if let slowest = progress.slowestStage { parts.append("slowest stage: \(slowest.name)") }
        return parts.joined(separator: ", ")
    }

    private func bar(_ progress: Progress) -> String {
        let text = line(progress)
        var window = winsize()
        let columns = ioctl(2, UInt(TIOCGWINSZ), &window) == 0 && window.ws_col > 0 ? Int(window.ws_col) : 80
        guard let expected = progress.expectedFrames, expected > 0 else { return String(text.prefix(columns - 1)) }
        let width = min(30, columns - text.count - 10)
        guard width >= 5 else { return String(text.prefix(columns - 1)) }
        let share = min(1, Double(progress.frames) / Double(expected))
        let filled = Int(share * Double(width))
        let blocks = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
        let percent = "\(Int(share * 100))%"
        return blocks + " " + String(repeating: " ", count: 4 - percent.count) + percent + "  " + text
    }

    /// One object of `--progress json`.
    private struct Event: Encodable {
        struct Stage: Encodable {
            var name: String
            var frames: Int
            var busySeconds: Double
            var framesPerSecond: Double
        }
        var event: String
        var message: String?
        var frames: Int?
        var expectedFrames: Int?
        var elapsedSeconds: Double?
        var framesPerSecond: Double?
        var remainingSeconds: Double?
        var slowestStage: String?
        var stages: [Stage]?
        var reuse: ReuseCount?
        var latency: LatencyReading?
        var realtime: Governor.Count?
        var readerGone: Bool?
        /// Of this process, now and at most so far.
        var memory: ProcessMemory?

        init(event: String, message: String) {
            self.event = event
            self.message = message
        }

        init(event: String, _ progress: Progress) {
            self.event = event
            memory = .current
            frames = progress.frames
            expectedFrames = progress.expectedFrames
            elapsedSeconds = progress.elapsedSeconds
            framesPerSecond = progress.framesPerSecond
            remainingSeconds = progress.remainingSeconds
            slowestStage = progress.slowestStage?.name
            stages = progress.stages.map {
                Stage(
                    name: $0.name, frames: $0.frames, busySeconds: $0.busySeconds, framesPerSecond: $0.framesPerSecond)
            }
        }
    }

    private func write(_ event: Event) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let data = try? encoder.encode(event) { standardError(plainJSON(data) + "\n") }
    }
}

/// "1:02:03" or "2:03".
func clock(_ seconds: Double) -> String {
    let total = Int(seconds.rounded())
    let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return hours > 0 ? "\(hours):\(two(minutes)):\(two(rest))" : "\(minutes):\(two(rest))"
}

/// Three significant digits, at most two decimals.
func decimals(_ value: Double) -> String {
    if value >= 100 { return "\(Int(value.rounded()))" }
    let factor: Double = value >= 10 ? 10 : 100
    return "\((value * factor).rounded() / factor)"
}
