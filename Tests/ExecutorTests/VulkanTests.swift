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
        try Self.compare(test, Shared.fp32.get(), tolerance: 2e-5)
    }

    @Test(arguments: networkCases)
    func networkInSinglePrecision(_ test: OperationCase) throws {
        try Self.compare(test, Shared.fp32.get(), tolerance: 2e-5)
    }

    /// One rounding to 11 bits a step, of numbers up to about 4: a few thousandths. But for `floor`, where a rounding that
    /// reaches a whole number makes a difference of 1.
    @Test(arguments: operationCases.filter { test in !test.graph.nodes.contains { $0.operation.name == "floor" } })
    func operationInHalfFloats(_ test: OperationCase) throws {
        try Self.compare(test, Shared.fp16.get(), tolerance: 0.01)
    }

    @Test(arguments: networkCases)
    func networkInHalfFloats(_ test: OperationCase) throws {
        try Self.compare(test, Shared.fp16.get(), tolerance: 0.01)
    }

    /// Half floats are rounded to nearest: over as many layers as animevideov3 and x4plus's trunk store, the mean of a
    /// picture stays. Weights are exact in half floats, each layer's add up to 1, and hardly any sum lies in the middle between two
    /// half floats, where the last bit of a sum decides.
    ///
    /// - Returns: how far the mean is from the reference's, of values from 0 to 1.
    static func drift(layers: Int, _ executor: VulkanExecutor) throws -> Double {
        let shape = Shape.nhwc(1, 24, 40, 16)
        var b = GraphBuilder()
        var value = b.input("x", shape)
        var parameters: Parameters = [:]
        for layer in 0..<layers {
            value = b.apply(
                .convolution(stride: 1, padding: 1, groups: 1), value, b.parameter("w\(layer)", [16, 16, 3, 3]))
            var weights = [Float](repeating: 0, count: 16 * 16 * 9)
            for channel in 0..<16 {
                weights[(channel * 16 + channel) * 9 + 4] = 1917.0 / 2048
                weights[(channel * 16 + (channel + 1) % 16) * 9 + 4] = 131.0 / 2048
            }
            parameters["w\(layer)"] = HostTensor([16, 16, 3, 3], weights)
        }
        let graph = b.finish([value])
        let input = randomTensor(shape, seed: 5, in: 0..<1)
        let expected = try ReferenceExecutor().compile(graph, parameters: parameters).run([input])[0].values
        let found = try VulkanPlan(executor, graph, parameters, .fp16).run([input])[0].values
        return zip(found, expected).reduce(0) { $0 + Double($1.0 - $1.1) } / Double(expected.count)
    }

    @Test(arguments: [17, 92]) func halfFloatsDoNotDrift(_ layers: Int) throws {
        let executor = try VulkanExecutor(
            device: nil, precision: .fp16, allowSoftware: true, validation: false, framesInFlight: 1,
            cacheDirectory: nil, bindingLimit: .max)
        for multiplication in [Multiplication.texels, .vectors] {
            executor.multiplication = multiplication
            let drift = try Self.drift(layers: layers, executor)
            #expect(abs(drift) < 1e-4, "\(multiplication): \(drift)")
        }
    }

    static func compare(_ test: OperationCase, _ executor: VulkanExecutor, tolerance: Float) throws {
        let expected = try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
        let plan = try executor.plan(test.graph, parameters: test.parameters)
        // Twice: the second run must not depend on what the first left behind.
        _ = try plan.run(test.inputs)
        let found = try plan.run(test.inputs)
        #expect(found.map(\.shape) == expected.map(\.shape))
        #expect(plan.precision == executor.precision, "no case needs the fallback")
        for (expected, found) in zip(expected, found) {
            let scale = max(1, expected.values.reduce(0) { max($0, abs($1)) })
            #expect(largestDifference(expected, found) <= tolerance * scale, "\(test)")
        }
        #expect(executor.validationMessages.first == nil)
    }
}
