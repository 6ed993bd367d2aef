public import Network
internal import Tensor

/// Where a network's time goes, layer by layer. Encodes to the JSON of `upframe bench --json`.
public struct LayerReport: Sendable, Codable {
    public struct Layer: Sendable, Codable {
        public var name: String
        public var kind: LayerTiming.Kind
        /// The median of the runs.
        public var milliseconds: Double
        /// Counted as direct convolution, two operations a multiply-add, whatever the kernel did; 0 where a layer does not
        /// multiply.
        public var gigaflops: Double
        public var effectiveGigaflopsPerSecond: Double
        /// That rate over the device's measured peak. Above 1 where a kernel needs fewer multiplications than a direct
        /// convolution. Nil where there is no peak or nothing multiplies.
        public var shareOfPeak: Double?
        /// At the least: each activation and weight once, as they are stored.
        public var bytes: Int
        public var gigabytesPerSecond: Double
    }

    public struct Peak: Sendable, Codable {
        public var gigaflopsPerSecond: Double
        /// What was measured.
        public var unit: String

        public init(_ peak: MultiplicationPeak) {
            (gigaflopsPerSecond, unit) = (peak.flops / 1e9, peak.unit)
        }
    }

    public var width: Int
    public var height: Int
    public var peak: Peak?
    /// In the order in which they run.
    public var layers: [Layer]

    public var milliseconds: Double { layers.reduce(0) { $0 + $1.milliseconds } }

    /// Layers of the same name added up, those that take longest first.
    public var groups: [(count: Int, layer: Layer)] {
        var result: [(count: Int, layer: Layer)] = []
        var places: [String: Int] = [:]
        for layer in layers {
            guard let place = places[layer.name] else {
                places[layer.name] = result.count
                result.append((1, layer))
                continue
            }
            result[place].count += 1
            result[place].layer.milliseconds += layer.milliseconds
            result[place].layer.gigaflops += layer.gigaflops
            result[place].layer.bytes += layer.bytes
        }
        for index in result.indices { result[index].layer.setRates(peak) }
        return result.sorted { $0.layer.milliseconds > $1.layer.milliseconds }
    }
}

extension LayerReport.Layer {
    mutating func setRates(_ peak: LayerReport.Peak?) {
        effectiveGigaflopsPerSecond = milliseconds > 0 ? gigaflops / milliseconds * 1000 : 0
        gigabytesPerSecond = milliseconds > 0 ? Double(bytes) / milliseconds * 1e-6 : 0
        shareOfPeak = gigaflops > 0 ? peak.map { effectiveGigaflopsPerSecond / $0.gigaflopsPerSecond } : nil
    }
}

extension NetworkTimer {
    /// Times every layer in `runs` runs after one to warm up.
    ///
    /// - Parameter peak: what shares are of.
    /// - Returns: nil where the plan cannot tell, or where the device has no clock.
    public func layers(runs: Int = 5, peak: MultiplicationPeak?) throws -> LayerReport? {
        guard let plan = plan as? any ProfilingPlan else { return nil }
        _ = try plan.profile(inputs)
        var timings: [[LayerTiming]] = []
        for _ in 0..<max(1, runs) { timings.append(try plan.profile(inputs)) }
        let peak = peak.map(LayerReport.Peak.init)
        let layers = timings[0].indices.map { index in
            let timing = timings[0][index]
            var layer = LayerReport.Layer(
                name: timing.name, kind: timing.kind, milliseconds: median(timings.map { $0[index].milliseconds }),
                gigaflops: Double(timing.multiplyAdds) * 2e-9, effectiveGigaflopsPerSecond: 0, shareOfPeak: nil,
                bytes: timing.bytes, gigabytesPerSecond: 0)
            layer.setRates(peak)
            return layer
        }
        let shape = inputs[0].shape
        return LayerReport(width: shape.width, height: shape.height, peak: peak, layers: layers)
    }
}

extension LayerReport {
    /// A table for people: a header, a row for each group, the sum.
    public var rows: [[String]] {
        var rows = [["ms", "share", "GFLOP/s", "of peak", "MB", "GB/s", "", "layer"]]
        let whole = milliseconds
        for (count, layer) in groups {
            let multiplies = layer.gigaflops > 0
            rows.append([
                fixed(layer.milliseconds, 2), fixed(layer.milliseconds / whole * 100, 1) + "%",
                multiplies ? fixed(layer.effectiveGigaflopsPerSecond, 0) : "",
                layer.shareOfPeak.map { fixed($0, 2) } ?? "", fixed(Double(layer.bytes) * 1e-6, 1),
                fixed(layer.gigabytesPerSecond, 1), count > 1 ? "\(count) x" : "", layer.name,
            ])
        }
        rows.append([fixed(whole, 2), "100%", "", "", "", "", "", "all layers, \(width)x\(height)"])
        return rows
    }
}

/// With so many digits after the point; `String(format:)` would need Foundation.
public func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    var scale = 1
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((abs(value) * Double(scale)).rounded())
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return "\(sign)\(scaled)" }
    let rest = String(scaled % scale)
    return "\(sign)\(scaled / scale)." + String(repeating: "0", count: digits - rest.count) + rest
}
