import FoundationEssentials
import Measure
import Network
import OperationCases
import Tensor
import VulkanExecutor
import Weights

/// A compact network that works at half its input's resolution: the input's 2x2 blocks become channels, the last
/// convolution's channels 4x4 blocks, so that the result is twice as large. For measuring.
struct HalfResolutionCompact: Architecture {
    static let name = "HalfResolutionCompact"
    static func recognise(_ shapes: [String: Shape]) -> RecognisedArchitecture? { nil }

    var features: Int
    var convolutions: Int

    var input: ImagePort { ImagePort("image", channels: 3) }
    var problem: String? { nil }

    func build(_ b: inout GraphBuilder, _ image: Value) -> Value {
        b.padded(image, toMultipleOf: 2, scale: 2) { b, image in
            var y = b.apply(.pixelUnshuffle(factor: 2), image)
            for index in 0...convolutions {
                y = b.convolution(y, "body.\(2 * index)", to: features)
                y = b.apply(.prelu, y, b.parameter("body.\(2 * index + 1).weight", [features]))
            }
            y = b.convolution(y, "body.\(2 * (convolutions + 1))", to: 48)
            return b.apply(.add, b.apply(.pixelShuffle(factor: 4), y), b.apply(.upsampleNearest(factor: 2), image))
        }
    }
}

/// "compact:16x8" (a compact network of 16 features and 8 convolutions between the first and the last, twice as large a
/// result) or "half:32x8" (the same at half resolution).
private func namedBySize(_ name: String) -> (any Architecture)? {
    let parts = name.split(separator: ":")
    guard parts.count == 2, let (features, convolutions) = try? parseSize(String(parts[1])) else { return nil }
    switch parts[0] {
    case "compact": return SRVGGNetCompact(features: features, convolutions: convolutions, upscale: 2)
    case "half": return HalfResolutionCompact(features: features, convolutions: convolutions)
    default: return nil
    }
}

/// A model from a file, or one of the known networks with random weights: time does not depend on them.
func loadModel(_ name: String) throws -> Model {
    let known: [String: any Architecture] = [
        "animevideov3-x2": SRVGGNetCompact(upscale: 4, outputScale: 2),
        "animevideov3-x4": SRVGGNetCompact(upscale: 4),
        "x4plus": RRDBNet(),
        "x4plus-anime": RRDBNet(blocks: 6),
    ]
    guard let architecture = known[name] ?? namedBySize(name) else { return try Model.load(path: name) }
    let graph = architecture.graph(.nhwc(1, 16, 16, architecture.input.channels))
    var parameters = randomParameters(graph, seed: 1)
    // Small enough that a deep network's activations stay within half floats.
    for (name, tensor) in parameters where tensor.shape.rank == 4 {
        parameters[name] = HostTensor(tensor.shape, tensor.values.map { $0 * 0.7 })
    }
    return Model(architecture: architecture, parameters: parameters)
}

/// What `network --json` prints.
struct NetworkReport: Codable {
    var model: String
    var device: String
    /// How a GPU stored numbers in the end.
    var precision: String?
    var width: Int
    var height: Int
    /// Of each run, in order, from host memory to host memory.
    var milliseconds: [Double]
    var median: Double
    var min: Double
    /// From the device's memory to the device's memory; nil where there is no device.
    var onDevice: Times?

    struct Times: Codable {
        var milliseconds: [Double]
        var median: Double
        var min: Double
        var effectiveGigaflopsPerSecond: Double
    }
    var gigaflopsPerFrame: Double
    var effectiveGigaflopsPerSecond: Double
    var planBytes: Int
    var layers: LayerReport?
}

/// Times a network, and with `--layers` its layers.
func runNetwork(_ options: CommandLineOptions) throws {
    guard options.arguments.count == 2 else { throw UsageError("network: expected MODEL WxH") }
    let model = try loadModel(options.arguments[0])
    let (width, height) = try parseSize(options.arguments[1])
    let shape = Shape.nhwc(1, height, width, model.descriptor.inputChannels)
    let executor = try options.openExecutor()
    let timer = try NetworkTimer(
        model.graph(shape), parameters: model.parameters,
        inputs: [randomTensor(shape, seed: 1, in: 0..<1)], executor: executor)
    let times = try timer.times(seconds: options.seconds ?? 5)
    let middle = median(times)
    var report = NetworkReport(
        model: options.arguments[0], device: executor.name, width: width, height: height, milliseconds: times,
        median: middle, min: times.min()!, gigaflopsPerFrame: timer.gigaflops,
        effectiveGigaflopsPerSecond: timer.gigaflops / middle * 1000, planBytes: timer.plan.memoryBytes)
    if let times = try timer.timesOnDevice(seconds: options.seconds ?? 5) {
        let middle = median(times)
        report.onDevice = .init(
            milliseconds: times, median: middle, min: times.min()!,
            effectiveGigaflopsPerSecond: timer.gigaflops / middle * 1000)
    }
    report.precision = (timer.plan as? VulkanPlan)?.precision.rawValue
    if options.layers {
        report.layers = try timer.layers(peak: try (executor as? any PeakMeasuringExecutor)?.measurePeak())
    }
    if options.json { return print(try jsonText(report)) }
    print(
        "\(report.model) \(width)x\(height)\(report.precision.map { ", \($0)," } ?? "") on \(executor.name): "
            + "\(fixed(middle, 2)) ms (min \(fixed(report.min, 2)), "
            + "\(times.count) runs), \(fixed(report.effectiveGigaflopsPerSecond, 0)) GFLOP/s counted as "
            + "direct convolution")
    if let times = report.onDevice {
        print(
            "without copies to and from the device: \(fixed(times.median, 2)) ms (min \(fixed(times.min, 2)), "
                + "\(times.milliseconds.count) runs), \(fixed(1000 / times.median, 1)) fps, "
                + "\(fixed(times.effectiveGigaflopsPerSecond, 0)) GFLOP/s")
    }
    if let layers = report.layers {
        if let peak = layers.peak { print("peak: \(fixed(peak.gigaflopsPerSecond, 0)) GFLOP/s, \(peak.unit)") }
        printTable(layers.rows)
    } else if options.layers {
        print("this device cannot time layers")
    }
}

func jsonText(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// Columns of numbers to the right, the last one to the left.
func printTable(_ rows: [[String]]) {
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in rows.map { column < $0.count ? $0[column].count : 0 }.max()! }
    for row in rows {
        print(
            row.enumerated().map { column, cell in
                column == columns - 1 ? cell : String(repeating: " ", count: widths[column] - cell.count) + cell
            }.joined(separator: "  "))
    }
}
