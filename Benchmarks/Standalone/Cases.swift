import CPUExecutor
import Measure
import Network
import OperationCases
import Reference
import Tensor

/// A kernel gave other results than the reference.
struct WrongResults: Error, CustomStringConvertible {
    var description: String
}

/// Runs every operation and network case on the device and compares with the reference, as the tests do.
func runCases(_ options: CommandLineOptions) throws {
    let executor = try options.openExecutor()
    let half = options.device.hasPrefix("vulkan") && options.precision == .fp16
    // Half precision keeps 11 bits, and a chain of layers loses a few more.
    let tolerance: Float = half ? 1e-2 : 3e-5
    var worst = (difference: Float(0), name: "")
    var wrong: [String] = []
    let all = operationCases + networkCases
    for test in all {
        let expected = try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
        let plan = try executor.compile(test.graph, parameters: test.parameters)
        // Twice: the second run must not depend on what the first left behind.
        _ = try plan.run(test.inputs)
        for (result, expected) in zip(try plan.run(test.inputs), expected) {
            let size = expected.values.reduce(1) { max($0, abs($1)) }
            let difference = largestDifference(result, expected) / size
            if !(difference <= worst.difference) { worst = (difference, test.name) }
            if !(difference <= tolerance) { wrong.append("\(test.name): \(difference)") }
        }
    }
    if options.json {
        print(
            "{\"device\": \"\(executor.name)\", \"cases\": \(all.count), \"wrong\": \(wrong.count), "
                + "\"largestDifference\": \(worst.difference.isFinite ? "\(worst.difference)" : "null")}")
    } else {
        print("\(executor.name): \(all.count) cases, largest difference \(worst.difference) (\(worst.name))")
    }
    if !wrong.isEmpty { throw WrongResults(description: "wrong results: " + wrong.joined(separator: "; ")) }
}
