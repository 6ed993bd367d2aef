import CPUExecutor
import Network
import Reference
import Tensor
import TestSupport
import Testing

/// One suite, many executors: every operation and network case, against the reference.
@Suite struct ConformanceTests {
    /// Compares with the reference; differences are measured against the size of the numbers.
    static func compare(_ executor: any Executor, _ test: OperationCase, tolerance: Float) throws {
        let expected = try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
        let plan = try executor.compile(test.graph, parameters: test.parameters)
        #expect(plan.inputShapes == test.inputs.map(\.shape))
        // Twice: the second run must not depend on what the first left behind.
        _ = try plan.run(test.inputs)
        let results = try plan.run(test.inputs)
        #expect(results.map(\.shape) == expected.map(\.shape))
        for (result, expected) in zip(results, expected) {
            let size = expected.values.reduce(1) { max($0, abs($1)) }
            #expect(largestDifference(result, expected) <= tolerance * size)
        }
    }

    static let instructionSets = CPUExecutor.InstructionSet.supported

    @Test(arguments: operationCases + networkCases, instructionSets)
    func cpu(_ test: OperationCase, _ instructionSet: CPUExecutor.InstructionSet) throws {
        try Self.compare(CPUExecutor(threads: 2, instructionSet: instructionSet), test, tolerance: 2e-5)
    }

    @Test(arguments: [1, 3]) func cpuThreads(_ threads: Int) throws {
        for test in networkCases { try Self.compare(CPUExecutor(threads: threads), test, tolerance: 2e-5) }
    }
}
