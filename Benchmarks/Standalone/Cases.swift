import CPUExecutor
import Measure
import Network
import OperationCases
import Reference
import Tensor

/// The object that `cases --json` prints.
struct CasesReport: Codable {
    var device: String
    /// Numbers of cases: that exist, and that were run.
    var cases: Int
    var run: Int
    var wrong: Int
    /// Largest difference of all cases, as a share of their results' size; nil where a result is no number.
    var largestDifference: Float?
    /// The case with that difference.
    var worst: String
}

/// A kernel gave other results than the reference.
struct WrongResults: Error, CustomStringConvertible {
    var description: String
}

/// Runs every operation and network case on the device and compares with the reference, as the tests do; with `--seconds`
/// as many as fit.
func runCases(_ options: CommandLineOptions) throws {
    let executor = try options.openExecutor()
    let half = options.device.hasPrefix("vulkan") && options.precision == .fp16
    // Half precision keeps 11 bits, and a chain of layers loses a few more.
    let tolerance: Float = half ? 1e-2 : 3e-5
    var worst = (difference: Float(0), name: "")
    var wrong: [(name: String, difference: Float)] = []
    let all = operationCases + networkCases
    let start = secondsNow()
    var run = 0
    for test in all {
        if let seconds = options.seconds, secondsNow() - start > seconds { break }
        run += 1
        let expected = try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
        let plan = try executor.compile(test.graph, parameters: test.parameters)
        // Twice: the second run must not depend on what the first left behind.
        _ = try plan.run(test.inputs)
        for (result, expected) in zip(try plan.run(test.inputs), expected) {
            let size = expected.values.reduce(1) { max($0, abs($1)) }
            let difference = largestDifference(result, expected) / size
            if !(difference <= worst.difference) { worst = (difference, test.name) }
            if !(difference <= tolerance) { wrong.append((test.name, difference)) }
        }
    }
    if options.json {
        let isNumber = worst.difference.isFinite
        print(
            try jsonText(
                CasesReport(
                    device: executor.name, cases: all.count, run: run, wrong: Set(wrong.map { $0.name }).count,
                    largestDifference: isNumber ? worst.difference : nil, worst: worst.name)))
    } else {
        print("\(executor.name): \(run) of \(all.count) cases, largest difference \(worst.difference) (\(worst.name))")
    }
    guard wrong.isEmpty else {
        let list = wrong.map { "\($0.name): \($0.difference)" }
        throw WrongResults(description: "wrong results: " + list.joined(separator: "; "))
    }
}
