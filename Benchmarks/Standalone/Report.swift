import FoundationEssentials
import Measure

/// A line of parts.tsv: something that `run` did, or had no time for.
struct Part {
    enum Status: String {
        case done, failed, late, absent
    }

    /// Path of the part's output in the folder `parts`, without the ending.
    var file: String
    var device: String
    /// The command: device, cases, peak, network, frames, train, peers, peers-training, operations or pipelines.
    var kind: String
    /// The model or the recipe.
    var subject: String
    var size: String
    var precision: String
    var status: Status
    var seconds: Double
    /// Why there is no result; empty where it is done.
    var reason: String

    init?(line: Substring) {
        let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
        guard fields.count == 9, let status = Status(rawValue: fields[6]) else { return nil }
        (file, device, kind, subject, size, precision) =
            (fields[0], fields[1], fields[2], fields[3], fields[4], fields[5])
        (self.status, seconds, reason) = (status, Double(fields[7]) ?? 0, fields[8])
    }

    /// "network animevideov3-x2 640x360 fp16"
    var title: String { [kind, subject, size, precision].filter { !$0.isEmpty }.joined(separator: " ") }
}

/// The results that `run` left in a folder.
struct RunFolder {
    let path: String
    let parts: [Part]
    /// Labels and texts about the machine, in order.
    let machine: [(label: String, text: String)]

    init(_ path: String) throws {
        func lines(_ name: String) throws -> [Substring] {
            guard let data = try? Data(contentsOf: URL(filePath: "\(path)/\(name)")) else {
                throw FileError(description: "\(path)/\(name) cannot be read: report needs a folder that run has made")
            }
            return String(decoding: data, as: UTF8.self).split(separator: "\n")
        }
        self.path = path
        parts = try lines("parts.tsv").map { line in
            guard let part = Part(line: line) else {
                throw FileError(description: "\(path)/parts.tsv has a line that is no part: \(line)")
            }
            return part
        }
        machine = try lines("machine.tsv").compactMap { line in
            let fields = line.split(separator: "\t", maxSplits: 1).map(String.init)
            return fields.count == 2 ? (fields[0], fields[1]) : nil
        }
    }

    func text(_ label: String) -> String? { machine.first { $0.label == label }?.text }

    /// A part's lines of JSON; none where it printed none. A last line that was cut off by the end of its time is left out.
    func results<Report: Decodable>(_ part: Part, as type: Report.Type) -> [Report] {
        guard let data = try? Data(contentsOf: URL(filePath: "\(path)/parts/\(part.file).jsonl")) else { return [] }
        return data.split(separator: UInt8(ascii: "\n")).compactMap {
            try? JSONDecoder().decode(type, from: Data($0))
        }
    }
}

/// A Markdown table whose cells are blank only where something is missing. Such rows have a number behind their first
/// cell, and a line under the table says why.
struct PageTable {
    let header: [String]
    private var rows: [String] = []
    private var reasons: [String] = []

    init(_ header: [String]) { self.header = header }

    var isEmpty: Bool { rows.isEmpty }

    /// - Parameters:
    ///   - cells: nil is what is missing.
    ///   - reason: why, where something is missing.
    mutating func add(_ cells: [String?], reason: @autoclosure () -> String) {
        precondition(cells.count == header.count, "a cell for each column")
        var texts = cells.map { $0 ?? "" }
        if cells.contains(where: { $0 == nil }) {
            let reason = reason()
            let place = reasons.firstIndex(of: reason) ?? reasons.count
            if place == reasons.count { reasons.append(reason) }
            texts[0] += " [\(place + 1)]"
        }
        rows.append(PageTable.row(texts))
    }

    /// Of the table, or nothing where it has no rows.
    var text: String {
        guard !isEmpty else { return "" }
        var lines = [PageTable.row(header), PageTable.row(header.map { _ in "---" })] + rows
        if !reasons.isEmpty { lines.append("") }
        // Two spaces at the end break the line.
        for (index, reason) in reasons.enumerated() {
            lines.append("[\(index + 1)] \(reason)" + (index + 1 < reasons.count ? "  " : ""))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func row(_ cells: [String]) -> String {
        let cells = cells.map { $0.split(separator: "|", omittingEmptySubsequences: false).joined(separator: "\\|") }
        return "| " + cells.joined(separator: " | ") + " |"
    }
}

/// Makes RESULTS.md of what `run` left in a folder.
func runReport(_ options: CommandLineOptions) throws {
    guard options.arguments.count == 1 else { throw UsageError("report: expected a folder that run has made") }
    let folder = try RunFolder(options.arguments[0])
    let path = "\(folder.path)/RESULTS.md"
    do {
        try Data(page(folder).utf8).write(to: URL(filePath: path))
    } catch {
        throw FileError(description: "\(path) cannot be written: \(error)")
    }
    print(path)
}

/// The whole page.
private func page(_ folder: RunFolder) -> String {
    var devices: [String] = []
    for part in folder.parts where !devices.contains(part.device) { devices.append(part.device) }
    func count(_ status: Part.Status) -> Int { folder.parts.count { $0.status == status } }
    let names = devices.map { DevicePage(folder, device: $0).name ?? $0 }
    var counts = ["\(count(.done)) done", "\(count(.failed)) failed"]
    if count(.late) > 0 { counts.append("\(count(.late)) not finished in time") }
    if count(.absent) > 0 { counts.append("\(count(.absent)) left out") }
    var text = "# Upframe on \(names.joined(separator: " and on "))\n\n"
    text +=
        "\(folder.text("Date") ?? ""): \(folder.parts.count) parts, \(counts.joined(separator: ", ")), in "
        + "\(folder.text("Seconds") ?? "") seconds of at most \(folder.text("Limit") ?? "").\n"
    for device in devices {
        let page = DevicePage(folder, device: device)
        text += devices.count > 1 ? "\n# \(page.name ?? device)\n" : ""
        text += "\n**\(page.verdict)**\n"
        for (heading, body) in page.sections where !body.isEmpty { text += "\n## \(heading)\n\n\(body)" }
    }
    return text + problems(folder, devices)
}

/// What failed and what was not run.
private func problems(_ folder: RunFolder, _ devices: [String]) -> String {
    var text = ""
    for (heading, statuses, remark) in [
        ("What failed", [Part.Status.failed], "Their whole output is beside this page, in `parts`."),
        ("What was not run", [.late, .absent], ""),
    ] {
        var table = PageTable(["part", "device", "after", "reason"])
        // What was not begun is one line for each command and reason.
        var groups: [(first: Part, count: Int)] = []
        for part in folder.parts where statuses.contains(part.status) {
            let place = groups.firstIndex { first, _ in
                first.seconds == 0 && part.seconds == 0 && first.status == part.status && first.device == part.device
                    && first.kind == part.kind && first.reason == part.reason
            }
            if let place { groups[place].count += 1 } else { groups.append((part, 1)) }
        }
        if statuses.contains(.absent) {
            for device in devices {
                for (engine, reason) in DevicePage(folder, device: device).leftOut {
                    table.add([engine, device, "–", reason], reason: "")
                }
            }
        }
        for (part, count) in groups {
            table.add(
                [
                    count == 1 ? part.title : "\(part.kind), \(count) times", part.device,
                    "\(fixed(part.seconds, 0)) s", part.reason.isEmpty ? nil : part.reason,
                ], reason: "it said nothing")
        }
        text += "\n## \(heading)\n\n" + (table.isEmpty ? "Nothing.\n" : table.text)
        if !table.isEmpty && !remark.isEmpty { text += "\n\(remark)\n" }
    }
    return text
}
