import CPUExecutor
import Network
import Reference
import Tensor
import TestSupport
import Testing
import VulkanExecutor

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
        // Without fused multiply-adds every product is rounded too, and Winograd's transforms enlarge that.
        let tolerance: Float = instructionSet == .portable ? 3e-5 : 2e-5
        try Self.compare(CPUExecutor(threads: 2, instructionSet: instructionSet), test, tolerance: tolerance)
    }

    @Test(arguments: [1, 3]) func cpuThreads(_ threads: Int) throws {
        for test in networkCases { try Self.compare(CPUExecutor(threads: threads), test, tolerance: 2e-5) }
    }
}

/// The same cases on a Vulkan device: the GPU if there is one, else the software driver.
@Suite(.serialized) struct VulkanConformanceTests {
    static func executor(_ precision: StoragePrecision) throws -> VulkanExecutor {
        try VulkanExecutor(device: nil, precision: precision, allowSoftware: true, validation: true)
    }

    @Test(arguments: [StoragePrecision.fp32, .fp16]) func vulkan(_ precision: StoragePrecision) throws {
        let executor = try Self.executor(precision)
        // Half precision keeps 11 bits; a chain of layers loses a few more.
        let tolerance: Float = precision == .fp32 ? 2e-5 : 1e-2
        for test in operationCases + networkCases {
            try ConformanceTests.compare(executor, test, tolerance: tolerance)
        }
        #expect(executor.validationMessages == [])
    }
}
