import Measure
import Network
import OperationCases
import Tensor
import Weights

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// A model from a file, or one of the known networks with random weights: time does not depend on them.
func loadModel(_ name: String) throws -> Model {
    let known: [String: any Architecture] = [
        "animevideov3-x2": SRVGGNetCompact(features: 64, convolutions: 16, outputScale: 2),
        "animevideov3-x4": SRVGGNetCompact(features: 64, convolutions: 16, outputScale: 4),
    ]
    guard let architecture = known[name] else { return try Model.load(path: name) }
    let graph = architecture.graph(.nhwc(1, 16, 16, architecture.inputChannels))
    return Model(architecture: architecture, parameters: randomParameters(graph, seed: 1))
}

/// Processor time of all threads so far.
func processorSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

func runNetwork(_ options: CommandLineOptions) throws {
    guard options.arguments.count == 2 else { throw UsageError("network: expected MODEL WxH") }
    let model = try loadModel(options.arguments[0])
    let (width, height) = try parseSize(options.arguments[1])
    let shape = Shape.nhwc(1, height, width, model.descriptor.inputChannels)
    let executor = try options.openExecutor()
    let timer = try NetworkTimer(
        model.architecture.graph(shape), parameters: model.parameters,
        inputs: [randomTensor(shape, seed: 1, in: 0..<1)], executor: executor)
    let before = processorSeconds()
    let times = try timer.times(seconds: options.seconds ?? 5)
    let middle = median(times)
    let processor = (processorSeconds() - before) * 1000 / Double(times.count + 1)
    print("\(executor.name) \(options.arguments.joined(separator: " ")): \(middle) ms (min \(times.min()!), cpu \(processor), \(times.count) runs), \(timer.gigaflops / middle * 1000) GFLOP/s")
    if options.layers { printLayers(timer) }
}

import CPUExecutor

func printLayers(_ timer: NetworkTimer) {
    guard let plan = timer.plan as? CPUPlan else { return }
    for layer in plan.layerTimings {
        print("\(Int(layer.milliseconds * 1000)) us  \(Int(layer.gigaflops)) GFLOP/s  \(layer.name)")
    }
}
