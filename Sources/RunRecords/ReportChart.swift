/// A curve over steps.
struct Curve {
    let name: String
    /// By rising step; numbers that are not finite are left out.
    let points: [(x: Double, y: Double)]

    init(_ name: String, _ points: [(x: Double, y: Double)]) {
        (self.name, self.points) = (name, points.filter { $0.y.isFinite })
    }

    /// Fewer points than this are shown as they are.
    static let fewest = 24

    /// A smooth line without a lag: at each point the straight line that fits its neighbourhood best, about a thirtieth of
    /// all points on either side, and the same again. The points themselves when they are few.
    ///
    /// - Parameter range: what is outside counts as its border, so that one broken step bends nothing.
    func smoothed(within range: ClosedRange<Double>) -> [(x: Double, y: Double)] {
        guard points.count >= Self.fewest else { return points }
        let radius = max(1, points.count / 30)
        var values = points.map { min(range.upperBound, max(range.lowerBound, $0.y)) }
        for _ in 0..<2 { values = fitted(values, radius) }
        return zip(points, values).map { ($0.x, $1) }
    }

    /// Least squares over a window, which at the ends lies to one side. Sums that run along make it linear in time.
    private func fitted(_ values: [Double], _ radius: Int) -> [Double] {
        var sums = [(plain: 0.0, weighted: 0.0)]
        for (index, value) in values.enumerated() {
            sums.append((sums[index].plain + value, sums[index].weighted + value * Double(index)))
        }
        return values.indices.map { index in
            let (first, last) = (max(0, index - radius), min(values.count - 1, index + radius))
            let count = Double(last - first + 1)
            let middle = Double(first + last) / 2
            let plain = sums[last + 1].plain - sums[first].plain
            let moment = sums[last + 1].weighted - sums[first].weighted - middle * plain
            let spread = count * (count * count - 1) / 12
            return plain / count + moment / spread * (Double(index) - middle)
        }
    }
}

/// One picture of curves: SVG, drawn by hand, coloured by the page's style sheet.
struct Chart {
    var title: String
    var curves: [Curve]
    /// What is read off the last point: a unit, or nothing.
    var unit = ""
    /// Whether a smooth line is drawn through the points, or what was recorded is the truth.
    var isNoisy = true

    // The picture's own units; the page scales it.
    private static let (width, height) = (360.0, 210.0)
    private static let (left, right, top, bottom) = (46.0, 10.0, 8.0, 24.0)

    /// A figure with the title, the last values and the picture; empty when there is nothing to show.
    /// - Parameter identifier: of its clip path, unique on the page.
    func html(identifier: String) -> String {
        let shown = curves.filter { !$0.points.isEmpty }
        guard !shown.isEmpty else { return "" }
        let xs = shown.flatMap { $0.points.map(\.x) }
        let (first, last) = (xs.min()!, xs.max()!)
        let horizontal = first < last ? Axis(low: first, high: last) : Axis(low: first - 1, high: first + 1)
        let vertical = Axis(showing: shown.flatMap { $0.points.map(\.y) })

        var caption = "<span class=\"title\">\(escaped(title))</span>"
        let lines = shown.map { curve in
            isNoisy ? curve.smoothed(within: vertical.low...vertical.high) : curve.points
        }
        for (index, curve) in shown.enumerated() {
            let value = brief(lines[index].last!.y) + unit
            let name = shown.count > 1 ? escaped(curve.name) + "&#160;" : ""
            caption += " <span class=\"key\"><i class=\"c\(index % 4)\"></i>\(name)<b>\(escaped(value))</b></span>"
        }
        let label = escaped("\(title) over steps, \(shown.map(\.name).joined(separator: " and "))")
        var svg = "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" role=\"img\" aria-label=\"\(label)\">"
        svg += grid(horizontal, vertical)
        svg += "<clipPath id=\"\(identifier)\"><rect x=\"\(text(Self.left))\" y=\"\(text(Self.top))\" "
        svg += "width=\"\(text(Self.width - Self.left - Self.right))\" "
        svg += "height=\"\(text(Self.height - Self.top - Self.bottom))\"/></clipPath>"
        svg += "<g clip-path=\"url(#\(identifier))\">"
        for (index, curve) in shown.enumerated() where isNoisy && curve.points.count >= Curve.fewest {
            svg += raw(curve, "c\(index % 4)", horizontal, vertical)
        }
        for (index, points) in lines.enumerated() { svg += line(points, "c\(index % 4)", horizontal, vertical) }
        svg += "</g></svg>"
        return "<figure class=\"chart\"><figcaption>\(caption)</figcaption>\(svg)</figure>\n"
    }

    private func grid(_ horizontal: Axis, _ vertical: Axis) -> String {
        var svg = "<g class=\"axis\">"
        let rows = vertical.ticks(4)
        for tick in rows {
            let y = text(place(vertical: vertical.position(tick)))
            svg += "<line x1=\"\(text(Self.left))\" x2=\"\(text(Self.width - Self.right))\" y1=\"\(y)\" y2=\"\(y)\"/>"
            svg += "<text x=\"\(text(Self.left - 6))\" y=\"\(y)\" dy=\"0.32em\" text-anchor=\"end\">"
            svg += "\(vertical.label(tick, among: rows))</text>"
        }
        let columns = horizontal.ticks(4)
        for tick in columns {
            let x = place(horizontal: horizontal.position(tick))
            let (from, to) = (text(Self.height - Self.bottom), text(Self.height - Self.bottom + 4))
            svg += "<line x1=\"\(text(x))\" x2=\"\(text(x))\" y1=\"\(from)\" y2=\"\(to)\"/>"
            let anchor = x < Self.left + 12 ? "start" : x > Self.width - Self.right - 12 ? "end" : "middle"
            svg += "<text x=\"\(text(x))\" y=\"\(text(Self.height - 7))\" text-anchor=\"\(anchor)\">"
            svg += "\(horizontal.label(tick, among: columns))</text>"
        }
        return svg + "</g>"
    }

    /// What was measured, behind the smooth line: a thin line, or, where a column of pixels has many points, the band from
    /// the smallest to the largest.
    private func raw(_ curve: Curve, _ colour: String, _ horizontal: Axis, _ vertical: Axis) -> String {
        let columns = Self.width - Self.left - Self.right
        if Double(curve.points.count) <= columns {
            return "<polyline class=\"raw \(colour)\" points=\"\(path(curve.points, horizontal, vertical))\"/>"
        }
        var (upper, lower): ([(x: Double, y: Double)], [(x: Double, y: Double)]) = ([], [])
        for point in curve.points {
            let column = (horizontal.position(point.x) * columns).rounded(.down)
            if let last = upper.last, (horizontal.position(last.x) * columns).rounded(.down) == column {
                upper[upper.count - 1].y = max(last.y, point.y)
                lower[lower.count - 1].y = min(lower[lower.count - 1].y, point.y)
            } else {
                upper.append(point)
                lower.append(point)
            }
        }
        return "<polygon class=\"band \(colour)\" points=\"\(path(upper + lower.reversed(), horizontal, vertical))\"/>"
    }

    private func line(
        _ all: [(x: Double, y: Double)], _ colour: String, _ horizontal: Axis, _ vertical: Axis
    ) -> String {
        // As many points as the picture can show.
        let step = max(1, all.count / 400)
        var points = stride(from: 0, to: all.count, by: step).map { all[$0] }
        if (all.count - 1) % step != 0 { points.append(all[all.count - 1]) }
        var svg = "<polyline class=\"line \(colour)\" points=\"\(path(points, horizontal, vertical))\"/>"
        if all.count < Curve.fewest {
            for point in all {
                let (x, y) = place(point, horizontal, vertical)
                svg += "<circle class=\"\(colour)\" cx=\"\(text(x))\" cy=\"\(text(y))\" r=\"2.4\"/>"
            }
        }
        return svg
    }

    private func path(_ points: [(x: Double, y: Double)], _ horizontal: Axis, _ vertical: Axis) -> String {
        points.map { point in
            let (x, y) = place(point, horizontal, vertical)
            return "\(text(x)),\(text(y))"
        }.joined(separator: " ")
    }

    private func place(
        _ point: (x: Double, y: Double), _ horizontal: Axis, _ vertical: Axis
    ) -> (x: Double, y: Double) {
        (place(horizontal: horizontal.position(point.x)), place(vertical: vertical.position(point.y)))
    }

    private func place(horizontal share: Double) -> Double {
        Self.left + share * (Self.width - Self.left - Self.right)
    }

    /// Outliers stay near the picture.
    private func place(vertical share: Double) -> Double {
        Self.top + (1 - min(2, max(-1, share))) * (Self.height - Self.top - Self.bottom)
    }

    /// Tenths of a unit are finer than a pixel.
    private func text(_ x: Double) -> String {
        let text = fixed(x, 1)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
