import CPUExecutor
import Measure
import Network
import OperationCases
import Tensor
import Training

/// A recipe with random weights and random batches: time does not depend on them. Benchmarks/peers_training.py has the same
/// ones for PyTorch, and draws the same numbers.
struct TrainingCase {
    let name: String
    let rules: TrainingRules
    /// The shape of the small pictures.
    let low: Shape

    static let all: [TrainingCase] = [compact, gan]

    /// A real-time network trained for pixels.
    private static var compact: TrainingCase {
        var rules = TrainingRules(generator: SRVGGNetCompact(features: 64, convolutions: 16, upscale: 2))
        rules.generatorRate = Schedule(rate: 2e-4)
        return TrainingCase(name: "compact", rules: rules, low: .nhwc(8, 48, 48, 3))
    }

    /// Real-ESRGAN's second stage with smaller networks, and without the perceptual loss, whose weights are not ours.
    private static var gan: TrainingCase {
        var rules = TrainingRules(generator: RRDBNet(features: 32, growth: 16, blocks: 6))
        rules.adversarial = AdversarialRules(discriminator: UNetDiscriminatorSN(features: 32))
        return TrainingCase(name: "gan", rules: rules, low: .nhwc(4, 32, 32, 3))
    }
}

/// A trainer at work on a case.
final class TrainingRun {
    let trainer: Trainer
    private let batches: [(low: HostTensor, high: HostTensor)]
    /// What the first steps said.
    private(set) var firstLosses: [[String: Float]] = []
    private static let batchCount = 4

    init(_ name: String, _ executor: any Executor) throws {
        guard let test = TrainingCase.all.first(where: { $0.name == name }) else {
            throw UsageError("train \(name): expected \(TrainingCase.all.map(\.name).joined(separator: " or "))")
        }
        guard let executor = executor as? any TrainingExecutor else {
            throw UsageError("\(executor.name) cannot train")
        }
        let isAdversarial = test.rules.adversarial != nil
        let step = test.rules.step(
            low: test.low, TrainingRules.Parts(trainsGenerator: true, trainsDiscriminator: isAdversarial))
        let networks = step.parameters.filter { $0.name.hasPrefix("g.") || $0.name.hasPrefix("d.") }
        var parameters: Parameters = [:]
        for (index, (name, shape)) in networks.sorted(by: { $0.name < $1.name }).enumerated() {
            // Variance 1 / fan-in keeps activations where they are.
            let fanIn = shape.dimensions.dropFirst().reduce(1, *)
            let limit = shape.rank >= 2 ? Float((3 / Double(fanIn)).squareRoot()) : 0.1
            parameters[name] = randomTensor(shape, seed: UInt64(5000 + index), in: -limit..<limit)
        }
        trainer = try Trainer(test.rules, executor: executor, parameters: parameters)
        let scale = test.rules.generator.descriptor.scale
        let high = Shape.nhwc(test.low.batch, test.low.height * scale, test.low.width * scale, 3)
        batches = (0..<Self.batchCount).map { index in
            (
                randomTensor(test.low, seed: UInt64(9000 + index), in: 0..<1),
                randomTensor(high, seed: UInt64(9500 + index), in: 0..<1)
            )
        }
        // The plan is made in the first step.
        for _ in 0..<3 { firstLosses.append(try takeStep()) }
    }

    private func takeStep() throws -> [String: Float] {
        let batch = batches[trainer.step % Self.batchCount]
        let report = try trainer.step(low: batch.low, high: batch.high)
        guard report.failed == nil else { throw UsageError("'\(report.failed!)' is no finite number") }
        return report.values
    }

    /// Takes a step, and tells its milliseconds.
    func run() throws -> Double {
        let start = secondsNow()
        _ = try takeStep()
        return (secondsNow() - start) * 1000
    }

    /// The latest step's operations, put together by what they do, the longest first.
    var operations: [OperationTime] {
        var sums: [String: OperationTime] = [:]
        for (name, milliseconds) in trainer.timings {
            sums[name, default: OperationTime(name: name, count: 0, milliseconds: 0)].count += 1
            sums[name]!.milliseconds += milliseconds
        }
        return sums.values.sorted { $0.milliseconds > $1.milliseconds }
    }
}

struct OperationTime: Codable {
    var name: String
    var count: Int
    var milliseconds: Double
}

/// What `train --json` prints.
struct TrainingReport: Codable {
    var name: String
    var device: String
    /// Steps a second of each round.
    var rounds: [Double]
    var median: Double
    var planBytes: Int
    /// What the first three steps said.
    var losses: [[String: Float]]
    var operations: [OperationTime]?
}

/// Times a recipe's steps, and with `--layers` the operations of the last one.
func runTraining(_ options: CommandLineOptions) throws {
    guard options.arguments.count == 1 else { throw UsageError("train: expected one case") }
    let executor = try options.openExecutor()
    let run = try TrainingRun(options.arguments[0], executor)
    var rounds: [Double] = []
    for _ in 0..<(options.rounds ?? 3) {
        let start = secondsNow()
        var count = 0
        while count < 1 || secondsNow() - start < options.seconds ?? 5 {
            _ = try run.run()
            count += 1
        }
        rounds.append(Double(count) / (secondsNow() - start))
    }
    var report = TrainingReport(
        name: options.arguments[0], device: executor.name, rounds: rounds, median: median(rounds),
        planBytes: run.trainer.memoryBytes, losses: run.firstLosses)
    if options.layers { report.operations = run.operations }
    if options.json { return print(try jsonText(report)) }
    print(
        "\(report.name) on \(executor.name): \(fixed(report.median, 2)) steps a second "
            + "(\(rounds.map { fixed($0, 2) }.joined(separator: ", "))), \(report.planBytes >> 20) MiB")
    if let operations = report.operations {
        printTable(operations.map { [fixed($0.milliseconds, 2), "\($0.count)", $0.name] })
    }
}
