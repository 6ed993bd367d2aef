import Measure
import Network
import OperationCases
import Tensor

/// One operation at a size where time means something.
private struct TimedOperation {
    var name: String
    var graph: Graph
}

/// Every kind of step that an executor has, at the sizes of real networks on a 320x180 picture.
private let timedOperations: [TimedOperation] = {
    var list: [TimedOperation] = []
    func add(_ name: String, _ build: (inout GraphBuilder) -> Value) {
        var builder = GraphBuilder()
        let output = build(&builder)
        list.append(TimedOperation(name: name, graph: builder.finish([output])))
    }
    let (height, width) = (180, 320)
    func input(_ b: inout GraphBuilder, _ channels: Int, _ height: Int = 180, _ width: Int = 320) -> Value {
        b.input("x", .nhwc(1, height, width, channels))
    }
    for (from, to) in [(3, 64), (64, 64), (64, 32), (160, 32), (192, 64), (64, 48), (64, 3)] {
        add("convolution 3x3 \(from)->\(to)") { b in
            let x = input(&b, from)
            return b.convolution(x, "c", to: to)
        }
    }
    func convolution(_ name: String, _ from: Int, _ to: Int, kernel: Int, stride: Int, padding: Int, groups: Int = 1) {
        add(name) { b in
            let x = input(&b, from)
            let weight = b.parameter("w", [to, from / groups, kernel, kernel])
            return b.apply(
                .convolution(stride: stride, padding: padding, groups: groups), x, weight, b.parameter("b", [to]))
        }
    }
    convolution("convolution 1x1 64->64", 64, 64, kernel: 1, stride: 1, padding: 0)
    convolution("convolution 1x1 256->256", 256, 256, kernel: 1, stride: 1, padding: 0)
    convolution("convolution 3x3 stride 2 64->64", 64, 64, kernel: 3, stride: 2, padding: 1)
    convolution("convolution 4x4 stride 2 64->128", 64, 128, kernel: 4, stride: 2, padding: 1)
    convolution("convolution 7x7 32->32", 32, 32, kernel: 7, stride: 1, padding: 3)
    convolution("convolution 3x3 64 groups", 64, 64, kernel: 3, stride: 1, padding: 1, groups: 64)
    for (name, activation) in [
        ("leaky ReLU", PointwiseFunction.leakyReLU(slope: 0.2)), ("sigmoid", .sigmoid), ("SiLU", .silu),
        ("tanh", .tanh),
    ] {
        add("\(name) 64") { b in
            let x = input(&b, 64)
            return b.apply(.pointwise(activation), x)
        }
    }
    add("add 64") { b in
        let x = input(&b, 64)
        return b.apply(.add, x, b.input("y", .nhwc(1, height, width, 64)))
    }
    add("nearest x2 64") { b in
        let x = input(&b, 64)
        return b.apply(.upsampleNearest(factor: 2), x)
    }
    add("pixel shuffle x4 48") { b in
        let x = input(&b, 48)
        return b.apply(.pixelShuffle(factor: 4), x)
    }
    add("pixel unshuffle x4 3") { b in
        let x = input(&b, 3, 720, 1280)
        return b.apply(.pixelUnshuffle(factor: 4), x)
    }
    for filter in [ResizeFilter.bilinear, .bicubic] {
        add("\(filter) 1280x720 to 640x360, 3") { b in
            let x = input(&b, 3, 720, 1280)
            return b.apply(.resize(height: 360, width: 640, filter), x)
        }
    }
    add("pad by reflection 64") { b in
        let x = input(&b, 64)
        return b.apply(.pad(Margins(top: 2, left: 2, bottom: 2, right: 2), .reflect), x)
    }
    return list
}()

/// What `operations --json` prints, a line each.
struct OperationReport: Codable {
    var operation: String
    var device: String
    /// What the operation's own steps take, without the way from and to the caller's memory.
    var milliseconds: Double
    var gigaflopsPerSecond: Double
    var shareOfPeak: Double?
    var gigabytesPerSecond: Double
}

/// Times single operations: their own steps, where the executor can tell, without the caller's memory.
func runOperations(_ options: CommandLineOptions) throws {
    let executor = try options.openExecutor()
    let peak = try (executor as? any PeakMeasuringExecutor)?.measurePeak()
    var rows = [["ms", "GFLOP/s", "of peak", "GB/s", "operation"]]
    for operation in timedOperations {
        let inputs = operation.graph.inputs.enumerated().map { index, value in
            randomTensor(operation.graph.shape(value), seed: UInt64(index + 1))
        }
        let timer = try NetworkTimer(
            operation.graph, parameters: randomParameters(operation.graph, seed: 1), inputs: inputs,
            executor: executor)
        let once = try timer.times(runs: 1).max()!
        let runs = max(3, min(200, Int((options.seconds ?? 0.5) * 1000 / once)))
        guard let layers = try timer.layers(runs: runs, peak: peak) else {
            throw UsageError("\(executor.name) cannot time single operations")
        }
        let own = layers.layers.filter { $0.kind != .transfer }
        let milliseconds = own.reduce(0) { $0 + $1.milliseconds }
        let rate = own.reduce(0) { $0 + $1.gigaflops } / milliseconds * 1000
        let report = OperationReport(
            operation: operation.name, device: executor.name, milliseconds: milliseconds, gigaflopsPerSecond: rate,
            shareOfPeak: rate > 0 ? peak.map { rate * 1e9 / $0.flops } : nil,
            gigabytesPerSecond: Double(own.reduce(0) { $0 + $1.bytes }) / milliseconds * 1e-6)
        if options.json { answer(try jsonText(report)) }
        rows.append([
            fixed(milliseconds, 3), rate > 0 ? fixed(rate, 0) : "", report.shareOfPeak.map { fixed($0, 2) } ?? "",
            fixed(report.gigabytesPerSecond, 1), operation.name,
        ])
    }
    if !options.json {
        print(executor.name)
        printTable(rows)
    }
}
