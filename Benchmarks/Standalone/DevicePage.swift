import Measure

/// A line of `peers --json` and of `peers-training --json`: a case, an engine, or what one of them did in one of the others.
private struct PeerLine: Codable {
    var `case`: String?
    var engine: String?
    /// Version and device.
    var about: String?
    var failed: String?
    var milliseconds: Double?
    var min: Double?
    /// Its time over Upframe's in the same round: the median, the smallest and the largest.
    var ratio: Double?
    var low: Double?
    var high: Double?
    var difference: Double?
}

/// One device's part of the page.
struct DevicePage {
    private let folder: RunFolder
    private let device: String
    private let parts: [Part]

    init(_ folder: RunFolder, device: String) {
        self.folder = folder
        self.device = device
        parts = folder.parts.filter { $0.device == device }
    }

    /// Properties of the device, as its driver states them; nil where it could not be opened.
    var name: String? {
        guard let name = all("device", DeviceReport.self).lazy.compactMap(\.report).first?.name else { return nil }
        return name.hasPrefix("Vulkan: ") ? String(name.dropFirst(8)) : name
    }

    /// Headings and what is under them, empty where nothing of the kind was to be done.
    var sections: [(heading: String, body: String)] {
        [
            ("Machine", machine), ("Correctness", correctness), ("Peak", peaks), ("Networks", networks),
            ("From frames to frames", frames), ("The slowest layers", layers), ("Training", training),
            ("Beside its peers", peers("peers", "ms a frame")),
            ("Training beside PyTorch", peers("peers-training", "ms a step")),
            ("Single operations", operations), ("What the driver's compiler says", pipelines),
        ]
    }

    /// Verdict in a sentence: whether the results are right.
    var verdict: String {
        let opened = all("device", DeviceReport.self).map(\.part)
        let cases = all("cases", CasesReport.self)
        let wrong = cases.reduce(0) { $0 + ($1.report?.wrong ?? 0) }
        if opened.contains(where: { $0.status != .done }) { return "The device could not be opened and tested." }
        if wrong > 0 { return "\(wrong) cases gave wrong results." }
        if cases.contains(where: { $0.part.status == .failed }) { return "Not all cases came to their end." }
        let counts = cases.map { part, report in
            "\(report.map { $0.run == $0.cases ? "all \($0.cases)" : "\($0.run) of \($0.cases)" } ?? "no") in \(part.precision)"
        }
        return "No result is wrong of the cases that were run: \(counts.joined(separator: ", "))."
    }

    /// Parts of a kind, each with its first result, if it has any.
    private func all<Report: Decodable>(_ kind: String, _ type: Report.Type) -> [(part: Part, report: Report?)] {
        parts.filter { $0.kind == kind }.map { ($0, folder.results($0, as: type).first) }
    }

    private func reason(_ part: Part) -> String {
        if !part.reason.isEmpty { return part.reason }
        return part.status == .done ? "the device does not tell" : "it said nothing"
    }

    private var machine: String {
        var table = PageTable(["", ""])
        func add(_ label: String, _ text: String?, _ reason: String) { table.add([label, text], reason: reason) }
        let opened = all("device", DeviceReport.self)
        let first = opened.lazy.compactMap(\.report).first
        let closed = opened.first.map { reason($0.part) } ?? "the device was not opened"
        add("Device", name.map { "\($0) (`\(device)`)" }, closed)
        if device != "cpu" {
            add("Driver", first?.driver, closed)
            add("Kind", first?.kind, closed)
            add("Memory", first?.memoryBytes.map { "\(fixed(Double($0) / 1_073_741_824, 1)) GiB" }, closed)
            for (part, report) in opened {
                add(
                    "Convolutions in \(part.precision) multiply", report?.multiplication.map { "with \($0)" },
                    reason(part))
            }
        }
        for (label, text) in folder.machine where !["Date", "Seconds", "Limit"].contains(label) {
            // "-" and a reason stand for what the machine lacks.
            text.hasPrefix("- ") ? add(label, nil, String(text.dropFirst(2))) : add(label, text, "")
        }
        return table.text
    }

    private var correctness: String {
        var table = PageTable(["precision", "self-test", "cases", "wrong", "largest difference", "in the case"])
        for (part, report) in all("cases", CasesReport.self) {
            let opened = all("device", DeviceReport.self).first { $0.part.precision == part.precision }
            let verdict: String? =
                switch opened?.part.status {
                case .done: opened?.report.map { "passed (\(fixed($0.seconds, 1)) s)" } ?? "passed"
                case .failed: "failed"
                default: nil
                }
            table.add(
                [
                    part.precision, device == "cpu" ? "none needed" : verdict,
                    report.map { $0.run == $0.cases ? "\($0.cases)" : "\($0.run) of \($0.cases), out of time" },
                    report.map { "\($0.wrong)" }, report.map { $0.largestDifference.map(short) ?? "no number" },
                    report.map(\.worst),
                ], reason: reason(opened.map { $0.part.status == .done ? part : $0.part } ?? part))
        }
        return table.isEmpty
            ? ""
            : table.text
                + "\nDifferences are from the reference, as shares of the result's largest value (1, where that is "
                + "less). Up to \(device == "cpu" ? "3e-5" : "1e-2 in fp16 and 3e-5 in fp32") is right.\n"
    }

    private var peaks: String {
        var table = PageTable(["precision", "GFLOP/s", "of"])
        for (part, report) in all("peak", LayerReport.Peak.self) {
            table.add(
                [part.precision, report.map { fixed($0.gigaflopsPerSecond, 0) }, report?.unit], reason: reason(part))
        }
        return table.text
    }

    private func peak(_ precision: String) -> Double? {
        all("peak", LayerReport.Peak.self).first { $0.part.precision == precision }?.report?.gigaflopsPerSecond
    }

    private var networks: String {
        let isDevice = device != "cpu"
        var table = PageTable(
            ["model", "size", "precision", "ms a frame, median", "min", "fps", "GFLOP/s", "of peak"]
                + (isDevice ? ["from and to the host, ms"] : []) + ["memory, MiB"])
        for (part, report) in all("network", NetworkReport.self) {
            let own = report?.onDevice
            let middle = isDevice ? own?.median : report?.median
            let rate = isDevice ? own?.effectiveGigaflopsPerSecond : report?.effectiveGigaflopsPerSecond
            let peak = peak(part.precision)
            var cells: [String?] = [
                part.subject, part.size, stored(part, report?.precision), middle.map { fixed($0, 2) },
                (isDevice ? own?.min : report?.min).map { fixed($0, 2) }, middle.map { fixed(1000 / $0, 1) },
                rate.map { fixed($0, 0) }, rate.flatMap { rate in peak.map { fixed(rate / $0, 2) } },
            ]
            if isDevice { cells.append(report.map { fixed($0.median, 2) }) }
            cells.append(report.map { fixed(Double($0.planBytes) / 1_048_576, 0) })
            table.add(cells, reason: peak == nil && report != nil ? "the peak is not known" : reason(part))
        }
        guard !table.isEmpty else { return "" }
        return table.text
            + (isDevice ? "\nPictures stay in the device's memory, except in the column that says otherwise. " : "\n")
            + "GFLOP/s count every convolution as a direct one, so a share of the peak can be above 1 where a kernel needs "
            + "fewer multiplications.\n"
    }

    /// The precision that was asked for, and the one that a network ended in where that is another.
    private func stored(_ part: Part, _ precision: String?) -> String {
        guard let precision, !precision.isEmpty, precision != part.precision else { return part.precision }
        return "\(precision), not \(part.precision)"
    }

    private var frames: String {
        var table = PageTable(
            ["model", "size", "precision", "fps, copied", "fps, lent", "at once", "in flight", "largest difference"])
        for (part, report) in all("frames", FramesReport.self) {
            table.add(
                [
                    part.subject, part.size, stored(part, report?.precision), report.map { fixed($0.copied, 1) },
                    report.flatMap { $0.lent.map { fixed($0, 1) } }, report.map { "\($0.framesAtOnce)" },
                    report.map { "\($0.framesInFlight)" }, report.map { "\($0.largestDifference) of 255" },
                ], reason: report != nil && part.status == .done ? "the device lends no memory" : reason(part))
        }
        guard !table.isEmpty else { return "" }
        return table.text + "\n8-bit 4:2:0 in and out. Lent: the decoder writes where the device reads.\n"
    }

    /// Layers of the network that takes longest of those that run at more than one frame a second, or else of the first.
    private var layers: String {
        let timed = all("network", NetworkReport.self).compactMap { part, report in report.map { (part, $0) } }
            .filter { $0.1.layers != nil }
        let fast = timed.filter { $0.1.median < 1000 }.max { $0.1.gigaflopsPerFrame < $1.1.gigaflopsPerFrame }
        guard let (part, report) = fast ?? timed.first, var layers = report.layers else { return "" }
        // Layers of one shape are one line.
        for index in layers.layers.indices { layers.layers[index].name = unnamed(layers.layers[index].name) }
        var table = PageTable(["layers", "times", "ms", "share", "GFLOP/s", "of peak", "GB/s"])
        for (count, layer) in layers.groups.prefix(8) {
            let multiplies = layer.gigaflops > 0
            table.add(
                [
                    layer.name, "\(count)", fixed(layer.milliseconds, 2),
                    "\(fixed(layer.milliseconds / layers.milliseconds * 100, 1)) %",
                    multiplies ? fixed(layer.effectiveGigaflopsPerSecond, 0) : "–",
                    multiplies ? layer.shareOfPeak.map { fixed($0, 2) } : "–", fixed(layer.gigabytesPerSecond, 1),
                ], reason: "the peak is not known")
        }
        return "\(part.subject), \(part.size), \(part.precision): \(fixed(layers.milliseconds, 2)) ms in all.\n\n"
            + table.text
    }

    private var training: String {
        var table = PageTable(["recipe", "precision", "ms a step, median", "min", "steps/s", "memory, MiB"])
        for (part, report) in all("train", TrainingReport.self) {
            table.add(
                [
                    part.subject, part.precision, report.map { fixed(1000 / $0.median, 1) },
                    report.flatMap { $0.rounds.max().map { fixed(1000 / $0, 1) } }, report.map { fixed($0.median, 2) },
                    report.map { fixed(Double($0.planBytes) / 1_048_576, 0) },
                ], reason: reason(part))
        }
        return table.text
    }

    /// Engines that took no part beside Upframe, or not in every case, and why.
    var leftOut: [(engine: String, reason: String)] {
        var found: [(engine: String, reason: String)] = []
        for part in parts where part.kind.hasPrefix("peers") {
            for line in folder.results(part, as: PeerLine.self) {
                guard let reason = line.failed else { continue }
                let place = [line.case, line.engine].compactMap { $0 }.joined(separator: ", ")
                found.append(("\(part.kind): \(place)", reason))
            }
        }
        return found
    }

    private func peers(_ kind: String, _ unit: String) -> String {
        guard let part = parts.first(where: { $0.kind == kind }) else { return "" }
        let lines = folder.results(part, as: PeerLine.self)
        var (cases, engines): ([String], [String]) = ([], [])
        for line in lines {
            if let name = line.case, !cases.contains(name) { cases.append(name) }
            if let name = line.engine, !engines.contains(name) { engines.append(name) }
        }
        var table = PageTable(["case", "engine", unit, "min", "times Upframe's", "largest difference"])
        for name in cases.isEmpty ? ["every case"] : cases {
            for engine in engines.isEmpty ? ["every engine"] : engines {
                let found = lines.last { $0.case == name && $0.engine == engine }
                let failure =
                    found?.failed ?? lines.first { $0.case == nil && $0.engine == engine && $0.failed != nil }?.failed
                    ?? lines.first { $0.case == name && $0.engine == nil && $0.failed != nil }?.failed
                let ratio = found?.ratio.map { ratio in
                    fixed(ratio, 2)
                        + (found?.low.flatMap { low in
                            found?.high.map { " (\(fixed(low, 2)) to \(fixed($0, 2)))" }
                        } ?? "")
                }
                table.add(
                    [
                        name, engine, found?.milliseconds.map { fixed($0, 2) }, found?.min.map { fixed($0, 2) },
                        ratio, found?.difference.map { short(Float($0)) },
                    ], reason: failure ?? reason(part))
            }
        }
        let about = lines.compactMap { line in
            line.about.flatMap { $0.isEmpty ? nil : "- \(line.engine ?? ""): \($0)" }
        }
        let remark =
            kind == "peers"
            ? "Times Upframe's: above 1 is slower than Upframe; the median of the rounds' ratios (the smallest to the "
                + "largest). "
                + (device == "cpu"
                    ? "" : "PyTorch's pictures stay on the device, and are compared with Upframe's that do. ")
                + "Differences are from PyTorch in fp32, or else from another peer in fp32, or from Upframe.\n"
            : "Times Upframe's: above 1 is slower than Upframe. The difference is the largest of the first losses.\n"
        return table.text + "\n\(remark)"
            + (about.isEmpty ? "" : "\n" + about.joined(separator: "\n") + "\n")
    }

    private var operations: String {
        guard let part = parts.first(where: { $0.kind == "operations" }) else { return "" }
        let list = folder.results(part, as: OperationReport.self)
        var table = PageTable(["operation", "ms", "GFLOP/s", "of peak", "GB/s"])
        for operation in list {
            let multiplies = operation.gigaflopsPerSecond > 0
            table.add(
                [
                    operation.operation, fixed(operation.milliseconds, 3),
                    multiplies ? fixed(operation.gigaflopsPerSecond, 0) : "–",
                    multiplies ? operation.shareOfPeak.map { fixed($0, 2) } : "–",
                    fixed(operation.gigabytesPerSecond, 1),
                ], reason: "the peak is not known")
        }
        if part.status != .done {
            table.add([list.isEmpty ? "all" : "the rest", nil, nil, nil, nil], reason: reason(part))
        }
        return "In \(part.precision), on 320x180 pictures where the name says nothing else.\n\n" + table.text
    }

    /// The pipelines of one network that have most to multiply.
    private var pipelines: String {
        guard let part = parts.first(where: { $0.kind == "pipelines" }) else { return "" }
        let list = folder.results(part, as: PipelineReport.self).sorted { $0.multiplyAdds > $1.multiplyAdds }
        var table = PageTable(["pipeline", "uses", "kernel", "tile", "subgroup", "statistics"])
        for pipeline in list.prefix(6) {
            let statistics = pipeline.statistics.sorted { $0.key < $1.key }
                .map { "\($0.key) \(Int(exactly: $0.value).map(String.init) ?? fixed($0.value, 2))" }
            table.add(
                [
                    unnamed(pipeline.label), "\(pipeline.uses)", pipeline.kernel, pipeline.tile ?? "–",
                    pipeline.subgroupSize.map { "\($0)" } ?? "–",
                    statistics.isEmpty ? nil : statistics.joined(separator: ", "),
                ], reason: "the driver says nothing of its pipelines")
        }
        if part.status != .done {
            table.add([list.isEmpty ? "all" : "the rest", nil, nil, nil, nil, nil], reason: reason(part))
        }
        return "\(part.subject), \(part.size), \(part.precision); the first tile of each.\n\n" + table.text
    }
}

/// A layer without the name of its weights: "convolution 64->64 32x32".
private func unnamed(_ layer: String) -> String {
    layer.split(separator: " ").filter { !$0.hasSuffix(".weight") }.joined(separator: " ")
}

/// "1.2e-5"
private func short(_ value: Float) -> String {
    guard value.isFinite, value != 0 else { return "\(value)" }
    var (scaled, exponent) = (abs(Double(value)), 0)
    while scaled >= 9.95 { (scaled, exponent) = (scaled / 10, exponent + 1) }
    while scaled < 0.995 { (scaled, exponent) = (scaled * 10, exponent - 1) }
    return "\(value < 0 ? "-" : "")\(fixed(scaled, 1))e\(exponent)"
}
