import Foundation
import TestSupport
import Testing

@testable import RunRecords

@Suite struct ReportTests {
    private func records(_ count: Int) -> [RunRecord] {
        (0..<count).map { index in
            let loss: Float = 0.2 / Float(1 + index) + 0.01 * Float(index % 7)
            var record = RunRecord(
                step: index * 50, losses: ["g.l1": loss, "d.real": 0.6, "d.fake": 0.7, "a<b>&\"c\"": 1],
                seconds: Double(index) * 12.5, rate: 1e-4, waited: Double(index) * 0.125)
            if index % 10 == 5 { record.validation = ["psnr": 25 + Float(index) / 10, "ssim": 0.75] }
            return record
        }
    }

    private func pieces(_ html: String, _ tag: String) -> [String] {
        html.components(separatedBy: "<\(tag) ").dropFirst().map {
            "<\(tag) " + $0.components(separatedBy: "</\(tag)>")[0] + "</\(tag)>"
        }
    }

    @Test func structure() throws {
        var report = RunReport(title: "compact <x2> & more", lead: "a \"lead\"", records: records(60))
        report.recipe = "name: <b> & \"quoted\"\n\tloss: 1\u{0}\n"
        report.facts = [("Parameters", "24 116")]
        report.warnings = ["the discriminator wins: 99 % > 97 %"]
        let png = try bytes("\(goldenFolder)/records-colour.png")
        report.strips = [(step: 1000, png: png), (step: 20000, png: png)]
        let html = report.html
        #expect(html.contains("<title>compact &lt;x2&gt; &amp; more</title>"))
        #expect(html.contains("name: &lt;b&gt; &amp; &quot;quoted&quot;\n\tloss: 1\u{FFFD}\n</pre>"))
        #expect(html.contains("<li>the discriminator wins: 99 % &gt; 97 %</li>"))
        #expect(
            html.contains("<dd>24 116</dd>") && html.contains("<dt>Best PSNR, step 2\u{202F}750</dt><dd>30.50 dB</dd>"))
        #expect(html.contains("step 20\u{202F}000") && html.contains("width=\"5\" height=\"2\""))
        #expect(html.components(separatedBy: "data:image/png;base64," + Data(png).base64EncodedString()).count == 3)
        // Nothing is fetched from anywhere, and nothing runs.
        for word in ["http:", "https:", "href=", "<script", "<link", "@import", "src=\"/"] {
            #expect(!html.contains(word), "\(word)")
        }
        let charts = pieces(html, "svg")
        // PSNR, SSIM; the odd name, d.*, L1; the rate and the speed.
        #expect(charts.count == 7)
        var identifiers: [String] = []
        for chart in charts {
            let check = try XMLCheck(chart)
            #expect(check.elements["polyline", default: 0] >= 1 && check.elements["text", default: 0] >= 4)
            identifiers += check.identifiers
        }
        #expect(Set(identifiers).count == 7)
        // What needs no closing tag in HTML aside, all of it nests.
        let body = html.components(separatedBy: "<body>")[1].components(separatedBy: "</body>")[0]
        let closed = body.replacing(/<img [^>]*>/, with: "")
        _ = try XMLCheck("<body>" + closed.replacing("\u{FFFD}", with: "") + "</body>")
    }

    /// Without records, with one, with numbers that are none: still a page.
    @Test func littleToShow() throws {
        #expect(RunReport(title: "empty", records: []).html.contains("<dd>none</dd>"))
        let one = RunRecord(step: 1, losses: ["a": .nan, "b": 0], seconds: 0, rate: 0)
        let html = RunReport(title: "one", records: [one]).html
        #expect(html.contains("Records that were no number"))
        for chart in pieces(html, "svg") { _ = try XMLCheck(chart) }
        #expect(!html.contains("nan") && !html.contains("inf"))
    }

    /// A long run's report is no larger than its pictures need.
    @Test func longRun() throws {
        let report = RunReport(title: "long", records: records(200_000))
        let html = report.html
        #expect(html.utf8.count < 300_000)
        for chart in pieces(html, "svg") { _ = try XMLCheck(chart) }
        let folder = try TemporaryFolder()
        try report.write(path: folder.path + "/report.html")
        #expect(try bytes(folder.path + "/report.html") == Array(html.utf8))
    }

    @Test func texts() {
        // RFC 4648, section 10.
        let vectors = ["": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "foobar": "Zm9vYmFy"]
        for (text, code) in vectors { #expect(base64(Array(text.utf8)) == code) }
        #expect(fixed(1.005, 2) == "1.00" && fixed(-0.04, 1) == "0.0" && fixed(12.345, 0) == "12")
        #expect(fixed(0.05, 3) == "0.050" && fixed(-2.5, 2) == "-2.50" && fixed(.nan, 2) == "–")
        #expect(brief(0.02134) == "0.0213" && brief(31.256) == "31.26" && brief(2e-4) == "2.00e-4")
        #expect(brief(9.999e-4) == "1.00e-3" && brief(123456) == "1.23e5" && brief(0) == "0")
        #expect(
            grouped(1_234_567) == "1\u{202F}234\u{202F}567" && grouped(999) == "999"
                && grouped(-1000) == "-1\u{202F}000")
        #expect(duration(59.6) == "1 min 0 s" && duration(3725) == "1 h 2 min" && duration(.nan) == "–")
    }

    @Test func axes() {
        func labels(_ axis: Axis, _ count: Int) -> [String] {
            let ticks = axis.ticks(count)
            return ticks.map { axis.label($0, among: ticks) }
        }
        #expect(labels(Axis(low: 0, high: 20000), 5) == ["0", "5k", "10k", "15k", "20k"])
        #expect(labels(Axis(low: 24.6, high: 31.2), 4) == ["26", "28", "30"])
        #expect(labels(Axis(low: 0.7, high: 0.78), 4) == ["0.70", "0.72", "0.74", "0.76", "0.78"])
        #expect(labels(Axis(low: -1, high: 1), 4) == ["-1.0", "-0.5", "0", "0.5", "1.0"])
        #expect(labels(Axis(low: 0, high: 2e-4), 4) == ["0", "5e-5", "1e-4", "1.5e-4", "2e-4"])
        #expect(labels(Axis(low: 0.005, high: 2, isLogarithmic: true), 4) == ["0.01", "0.03", "0.1", "0.3", "1"])
        let logarithmic = Axis(low: 0.01, high: 100, isLogarithmic: true)
        #expect(abs(logarithmic.position(1) - 0.5) < 1e-12 && abs(logarithmic.position(10) - 0.75) < 1e-12)
        // One outlier among many does not flatten the curve.
        let values: [Double] = (0..<500).map { Double($0 % 10) }
        #expect(Axis(showing: values + [1e6]).high < 20)
        #expect(Axis(showing: [3, 3]).low < 3 && Axis(showing: []).high == 1)
    }

    @Test func smoothing() {
        var ramp: [(x: Double, y: Double)] = []
        for index in 0..<300 { ramp.append((Double(index), Double(index) + (index % 2 == 0 ? 5.0 : -5.0))) }
        let noisy = Curve("x", ramp)
        let smooth = noisy.smoothed(within: -100...400)
        // A line stays a line: no lag, and no bend at the ends.
        for (index, point) in smooth.enumerated() { #expect(abs(point.y - Double(index)) < 1) }
        #expect(smooth.count == 300)
        // One broken step counts as the border.
        var points: [(x: Double, y: Double)] = ramp.map { ($0.x, 1) }
        points[150].y = 1e9
        #expect(Curve("x", points).smoothed(within: 0...2).allSatisfy { abs($0.y - 1) < 0.1 })
        let few = Curve("x", Array(ramp.prefix(20)))
        #expect(few.smoothed(within: 0...1).map(\.y) == few.points.map(\.y))
        #expect(Curve("x", [(0, 1), (1, .nan), (2, .infinity)]).points.count == 1)
    }
}
