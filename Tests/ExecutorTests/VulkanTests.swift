import Network
import Reference
import Tensor
import TestSupport
import Testing

@testable import VulkanExecutor

/// The first device of this machine, llvmpipe where there is no GPU, with validation and synchronisation checks. Made
/// once, so that kernels are compiled once. A machine without any driver, or without the layers, fails with the package
/// to install.
private enum Shared {
    static let fp32 = Result {
        try VulkanExecutor(precision: .fp32, allowSoftware: true, validation: true, cacheDirectory: nil)
    }
    static let fp16 = Result {
        try VulkanExecutor(precision: .fp16, allowSoftware: true, validation: true, cacheDirectory: nil)
    }
}

@Suite(.serialized) struct VulkanTests {
    @Test(arguments: operationCases)
    func operationInSinglePrecision(_ test: OperationCase) throws {
        try compare(test, Shared.fp32.get(), tolerance: 2e-5)
    }

    @Test(arguments: networkCases)
    func networkInSinglePrecision(_ test: OperationCase) throws {
        try compare(test, Shared.fp32.get(), tolerance: 1e-4)
    }

    /// One rounding to 11 bits a step, of numbers up to about 4: a few thousandths.
    @Test(arguments: operationCases)
    func operationInHalfFloats(_ test: OperationCase) throws {
        try compare(test, Shared.fp16.get(), tolerance: 0.02)
    }

    @Test(arguments: networkCases)
    func networkInHalfFloats(_ test: OperationCase) throws {
        try compare(test, Shared.fp16.get(), tolerance: 0.05)
    }

    /// The kernel for cooperative matrices, with its matrices emulated: everything but the hardware's products.
    @Test func matrixKernelWithEmulatedMatrices() throws {
        let executor = try VulkanExecutor(
            device: nil, precision: .fp16, allowSoftware: true, validation: true, framesInFlight: 1,
            cacheDirectory: nil, bindingLimit: .max)
        guard executor.hasSubgroupsOfEight else {
            print("the emulated matrix kernel was NOT tested: it needs subgroups of 8, which \(executor.name) lacks")
            return
        }
        executor.multiplication = .emulatedMatrices
        let convolutions = operationCases.filter { test in
            test.graph.nodes.contains { if case .convolution = $0.operation { true } else { false } }
        }
        #expect(convolutions.count > 40)
        for test in convolutions + networkCases.prefix(3) { try compare(test, executor, tolerance: 0.05) }
        #expect(executor.multiplication == .emulatedMatrices)
    }

    private func compare(_ test: OperationCase, _ executor: VulkanExecutor, tolerance: Float) throws {
        let expected = try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
        let plan = try executor.plan(test.graph, parameters: test.parameters)
        let found = try plan.run(test.inputs)
        #expect(plan.precision == executor.precision, "no case needs the fallback")
        for (expected, found) in zip(expected, found) {
            let scale = max(1, expected.values.reduce(0) { max($0, abs($1)) })
            #expect(largestDifference(expected, found) <= tolerance * scale, "\(test)")
        }
        #expect(executor.validationMessages.first == nil)
    }
}
