/// What became of a run, as one HTML file that needs nothing beside itself: no script, no link, pictures and curves inside.
///
/// Curves follow the records' names: what begins with "d." tells of the discriminator, "g." of the generator; names that
/// differ only in a last "real" or "fake" share a picture.
public struct RunReport: Sendable {
    public var title: String
    /// What was done, in a line.
    public var lead: String
    public var records: [RunRecord]
    /// Pictures in PNG, with the step that each was made at.
    public var strips: [(step: Int, png: [UInt8])] = []
    /// The resolved recipe, as it was read.
    public var recipe = ""
    /// What only the caller knows ("Parameters": "24 116"), shown before what the records say themselves.
    public var facts: [(name: String, value: String)] = []
    /// What the run's monitors warned of.
    public var warnings: [String] = []

    public init(title: String, lead: String = "", records: [RunRecord]) {
        (self.title, self.lead, self.records) = (title, lead, records)
    }

    /// Writes the file; it is there as a whole or not at all.
    ///
    /// - Throws: `RecordError.notPNG` for a strip, `.unwritable`.
    public func write(path: String) throws(RecordError) {
        for strip in strips where PNGPicture(strip.png) == nil {
            throw .notPNG(name: "the strip of step \(strip.step)")
        }
        try replaceFile(path, with: Array(html.utf8))
    }

    /// The file's text.
    public var html: String {
        var page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        page += "<title>\(escaped(title))</title>\n<style>\n\(reportStyle)</style>\n</head>\n<body>\n"
        page += "<header><h1>\(escaped(title))</h1>"
        if !lead.isEmpty { page += "<p class=\"lead\">\(escaped(lead))</p>" }
        page += "</header>\n<dl>\n"
        for (name, value) in facts + ownFacts {
            page += "<div><dt>\(escaped(name))</dt><dd>\(escaped(value))</dd></div>\n"
        }
        page += "</dl>\n"
        if !warnings.isEmpty {
            let items = warnings.map { "<li>\(escaped($0))</li>" }.joined(separator: "\n")
            page += "<ul class=\"warnings\">\n\(items)\n</ul>\n"
        }
        var number = 0
        for (heading, charts) in sections {
            let figures = charts.map { chart in
                number += 1
                return chart.html(identifier: "clip\(number)")
            }.joined()
            if figures.isEmpty { continue }
            page += "<section><h2>\(heading)</h2>\n<div class=\"charts\">\n\(figures)</div></section>\n"
        }
        if number > 0 {
            page += "<p class=\"lead\">Curves run over steps. Pale: as measured; strong: smoothed.</p>\n"
        }
        if !strips.isEmpty {
            page += "<section><h2>Pictures: input, result, target</h2>\n"
            for (step, png) in strips {
                let caption = "step \(grouped(step))"
                page += "<figure class=\"strip\"><figcaption>\(caption)</figcaption>"
                page += "<img alt=\"input, result and target at \(caption)\" "
                if let picture = PNGPicture(png) { page += "width=\"\(picture.width)\" height=\"\(picture.height)\" " }
                page += "src=\"data:image/png;base64,\(base64(png))\"></figure>\n"
            }
            page += "</section>\n"
        }
        if !recipe.isEmpty { page += "<section><h2>Recipe</h2>\n<pre>\(escaped(recipe))</pre></section>\n" }
        return page + "</body>\n</html>\n"
    }

    /// What the records say themselves.
    private var ownFacts: [(name: String, value: String)] {
        guard let last = records.last else { return [("Steps", "none")] }
        var facts = [("Steps", grouped(last.step)), ("Duration", duration(last.seconds))]
        if last.seconds > 0 {
            let first = records[0]
            let (steps, seconds) = (last.step - first.step, last.seconds - first.seconds)
            let rate = seconds > 0 ? Double(steps) / seconds : Double(last.step) / last.seconds
            facts.append(("Steps a second", brief(rate)))
            if last.waited.isFinite {
                facts.append(("Waited for data", fixed(100 * last.waited / last.seconds, 1) + " %"))
            }
        }
        for (key, name, unit) in [("psnr", "Best PSNR", " dB"), ("ssim", "Best SSIM", "")] {
            let all = records.compactMap { record in record.validation[key].map { (record.step, Double($0)) } }
            guard let best = all.filter({ $0.1.isFinite }).max(by: { $0.1 < $1.1 }) else { continue }
            let value = key == "ssim" ? fixed(best.1, 4) : fixed(best.1, 2)
            facts.append(("\(name), step \(grouped(best.0))", value + unit))
        }
        let broken = records.count { $0.losses.values.contains { !$0.isFinite } }
        if broken > 0 { facts.append(("Records that were no number", grouped(broken))) }
        return facts
    }

    // MARK: Which curves there are

    private var sections: [(heading: String, charts: [Chart])] {
        let validation = Set(records.flatMap(\.validation.keys)).sorted().map { name in
            Chart(
                title: titles[name] ?? name, curves: [curve(name) { $0.validation[name] }],
                unit: name.hasPrefix("psnr") ? " dB" : "")
        }
        // The generator's first.
        let names = Set(records.flatMap(\.losses.keys)).sorted { a, b in
            a.hasPrefix("d.") == b.hasPrefix("d.") ? a < b : b.hasPrefix("d.")
        }
        var groups: [(stem: String, names: [String])] = []
        for name in names {
            let parts = name.split(separator: ".")
            let isHalf = parts.count > 1 && (parts.last == "real" || parts.last == "fake")
            let stem = isHalf ? parts.dropLast().joined(separator: ".") + ".*" : name
            if let index = groups.firstIndex(where: { $0.stem == stem }) {
                groups[index].names.append(name)
            } else {
                groups.append((stem, [name]))
            }
        }
        func charts(_ groups: [(stem: String, names: [String])]) -> [Chart] {
            groups.map { group in
                let curves = group.names.sorted(by: >).map { name in
                    let last = name.split(separator: ".").last.map(String.init) ?? name
                    return curve(group.names.count > 1 ? last : name) { $0.losses[name] }
                }
                return Chart(
                    title: titles[group.stem] ?? group.stem, curves: curves, isNoisy: group.stem != "augment.p")
            }
        }
        let (balance, course): (Set<String>, Set<String>) = (
            ["d.accuracy.*", "g.diversity", "g.drift", "augment.p"], ["g.norm", "d.norm"]
        )
        let rate = Chart(title: "Learning rate", curves: [curve("rate") { Float($0.rate) }], isNoisy: false)
        return [
            ("Quality on validation pictures", validation),
            ("Losses", charts(groups.filter { !balance.contains($0.stem) && !course.contains($0.stem) })),
            ("Balance", charts(groups.filter { balance.contains($0.stem) })),
            ("Course", charts(groups.filter { course.contains($0.stem) }) + [rate, speed]),
        ]
    }

    private func curve(_ name: String, _ value: (RunRecord) -> Float?) -> Curve {
        Curve(name, records.compactMap { record in value(record).map { (Double(record.step), Double($0)) } })
    }

    /// Steps a second between neighbouring records.
    private var speed: Chart {
        let points = zip(records, records.dropFirst()).map { before, after in
            (x: Double(after.step), y: Double(after.step - before.step) / (after.seconds - before.seconds))
        }
        return Chart(title: "Steps a second", curves: [Curve("speed", points.filter { $0.y >= 0 })])
    }
}

/// What a reader calls the numbers of a training run.
private let titles = [
    "psnr": "PSNR", "ssim": "SSIM", "ms-ssim": "MS-SSIM",
    "g.l1": "L1", "g.squared": "Squared distance", "g.charbonnier": "Charbonnier", "g.msSSIM": "1 − MS-SSIM",
    "g.focalFrequency": "Focal frequency", "g.colour": "Mean colour", "g.perceptual": "Perceptual",
    "g.adversarial": "Adversarial", "g.features": "Feature matching", "g.norm": "Gradient of G",
    "g.diversity": "Diversity of details", "g.drift": "Colour drift",
    "d.*": "Discriminator", "d.accuracy.*": "D's accuracy",
    "d.norm": "Gradient of D", "d.r1": "R1", "d.lipschitz": "Gradient penalty",
    "augment.p": "Probability of augmentation",
]
