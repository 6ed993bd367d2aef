internal import Metrics

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The measures over time as an SVG: decibels above, similarities below.
public enum ComparisonPlot {
    private static let (width, height) = (900.0, 560.0)
    private static let left = 70.0
    private static let right = 880.0

    /// - Parameter comparison: of at least one frame.
    public static func svg(_ comparison: Comparison) -> String {
        let frames = comparison.frames
        let top = Panel(
            top: 60, bottom: 270, label: "PSNR, dB", isAtMostOne: false,
            curves: [
                Curve(name: "RGB", color: "#c0392b", values: frames.map(\.metrics.psnrRGB), mean: comparison.psnrRGB),
                Curve(name: "Y", color: "#2c3e50", values: frames.map(\.metrics.psnrY), mean: comparison.psnrY),
            ])
        let bottom = Panel(
            top: 310, bottom: 510, label: "similarity of Y", isAtMostOne: true,
            curves: [
                Curve(name: "SSIM", color: "#2980b9", values: frames.map(\.metrics.ssim), mean: comparison.ssim),
                Curve(
                    name: "MS-SSIM", color: "#27ae60", values: frames.map(\.metrics.multiScale.similarity),
                    mean: comparison.multiScaleSSIM),
            ])
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" "
                + "width=\"\(Int(width))\" height=\"\(Int(height))\" font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            text(left, 28, "\(name(comparison.a)) against \(name(comparison.b))", size: 15),
            text(left, 46, "\(comparison.width)x\(comparison.height), \(frames.count) frames", color: "#666"),
        ]
        parts += top.draw() + bottom.draw()
        parts += frameAxis(frames.count, y: bottom.bottom)
        parts.append("</svg>\n")
        return parts.joined(separator: "\n")
    }

    private struct Curve {
        var name: String
        var color: String
        var values: [Double]
        var mean: Double
    }

    private struct Panel {
        var top: Double
        var bottom: Double
        var label: String
        var isAtMostOne: Bool
        var curves: [Curve]

        func draw() -> [String] {
            let finite = curves.flatMap(\.values).filter(\.isFinite)
            // Equal pictures only: there is nothing to scale by.
            var (low, high) = (finite.min() ?? 0, finite.max() ?? 1)
            if high - low < 1e-6 { (low, high) = (low - 0.5, isAtMostOne ? 1 : high + 0.5) }
            let ticks = Self.ticks(low, high)
            low = min(low, ticks.first ?? low)
            high = isAtMostOne ? min(max(high, ticks.last ?? high), 1) : max(high, ticks.last ?? high)
            if high <= low { low = high - 1 }
            func y(_ value: Double) -> Double {
                // What is infinite lies at the upper edge.
                value.isFinite ? bottom - (value - low) / (high - low) * (bottom - top) : top
            }
            var parts: [String] = []
            for tick in ticks where tick >= low - 1e-9 && tick <= high + 1e-9 {
                parts.append(line(left, y(tick), right, y(tick), "#e5e5e5"))
                parts.append(text(left - 8, y(tick) + 4, Self.label(tick), anchor: "end", color: "#444"))
            }
            parts.append(line(left, top, left, bottom, "#444"))
            parts.append(line(left, bottom, right, bottom, "#444"))
            parts.append(
                "<text transform=\"translate(18 \(number((top + bottom) / 2))) rotate(-90)\" "
                    + "text-anchor=\"middle\" fill=\"#444\">\(escaped(label))</text>")
            for (index, curve) in curves.enumerated() {
                parts.append(path(curve, y))
                let x = right - 300 + 160 * Double(index)
                parts.append(line(x, top - 12, x + 18, top - 12, curve.color, width: 2))
                parts.append(text(x + 24, top - 8, "\(curve.name) \(Self.mean(curve.mean))", color: "#222"))
            }
            return parts
        }

        private func path(_ curve: Curve, _ y: (Double) -> Double) -> String {
            if curve.values.count == 1 {
                return "<circle cx=\"\(number((left + right) / 2))\" cy=\"\(number(y(curve.values[0])))\" r=\"3\" "
                    + "fill=\"\(curve.color)\"/>"
            }
            let step = (right - left) / Double(curve.values.count - 1)
            let points = curve.values.enumerated().map { index, value in
                "\(number(left + step * Double(index))),\(number(y(value)))"
            }
            return "<polyline fill=\"none\" stroke=\"\(curve.color)\" stroke-width=\"1.5\" "
                + "points=\"\(points.joined(separator: " "))\"/>"
        }

        /// Round numbers, four to eight of them, that enclose the values.
        private static func ticks(_ low: Double, _ high: Double) -> [Double] {
            let raw = (high - low) / 5
            let power = pow(10, floor(log10(raw)))
            let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= raw * 0.999 } ?? raw
            let first = floor(low / step + 1e-9)
            let last = ceil(high / step - 1e-9)
            return stride(from: first, through: last, by: 1).map { $0 * step }
        }

        private static func label(_ tick: Double) -> String {
            let rounded = (tick * 1e5).rounded() / 1e5
            return rounded == rounded.rounded() ? String(Int(rounded)) : String(rounded)
        }

        private static func mean(_ value: Double) -> String {
            guard value.isFinite else { return "equal" }
            let digits = value > 1 ? 100.0 : 10000.0
            return String((value * digits).rounded() / digits)
        }
    }

    private static func frameAxis(_ count: Int, y: Double) -> [String] {
        var parts = [text((left + right) / 2, y + 38, "frame", anchor: "middle", color: "#444")]
        guard count > 1 else { return parts + [text((left + right) / 2, y + 18, "0", anchor: "middle", color: "#444")] }
        let raw = Double(count - 1) / 8
        let power = pow(10, floor(log10(max(raw, 1))))
        let step = max(1, Int([1, 2, 5, 10].map { $0 * power }.first { $0 >= raw } ?? raw))
        for frame in stride(from: 0, to: count, by: step) {
            let x = left + (right - left) * Double(frame) / Double(count - 1)
            parts.append(line(x, y, x, y + 5, "#444"))
            parts.append(text(x, y + 18, "\(frame)", anchor: "middle", color: "#444"))
        }
        return parts
    }

    private static func name(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }

    private static func number(_ value: Double) -> String { String((value * 100).rounded() / 100) }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    private static func text(
        _ x: Double, _ y: Double, _ content: String, anchor: String = "start", color: String = "#222", size: Int = 12
    ) -> String {
        "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\" fill=\"\(color)\" "
            + "font-size=\"\(size)\">\(escaped(content))</text>"
    }

    private static func line(
        _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ color: String, width: Double = 1
    ) -> String {
        "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" "
            + "stroke=\"\(color)\" stroke-width=\"\(number(width))\"/>"
    }
}
