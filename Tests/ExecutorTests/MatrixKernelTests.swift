import Compute
import Foundation
import Network
import Reference
import Tensor
import TestSupport
import Testing

@testable import VulkanExecutor

/// The kernels for cooperative matrices, on a driver that has some. Debian 12's llvmpipe has none: `Scripts/mesa26` runs these
/// tests on a newer one, and says by UPFRAME_NEEDS_MATRICES that there they must not be passed over: "all" of the cases, or
/// "some", since every case has a pipeline of its own and that driver takes a second to compile one.
@Suite struct MatrixKernelTests {
    /// One that multiplies with matrices; nil, which is said, where the device has none.
    private func executor(_ tested: String) throws -> VulkanExecutor? {
        let capabilities = try Self.capabilities.get()
        guard Multiplication.matricesFit(capabilities) else {
            #expect(
                ProcessInfo.processInfo.environment["UPFRAME_NEEDS_MATRICES"] == nil,
                "\(capabilities.name) has no matrices that the kernels can use")
            print("\(tested): NOT tested with matrices, which \(capabilities.name) has not (see Scripts/mesa26)")
            return nil
        }
        let executor = try VulkanExecutor(
            device: nil, precision: .fp16, allowSoftware: true, validation: false, framesInFlight: 1,
            cacheDirectory: nil, bindingLimit: .max)
        executor.multiplication = .matrices
        return executor
    }

    private static let capabilities = Result {
        try VulkanExecutor.choose(Instance().physicalDevices(), index: nil, true).capabilities
    }

    private static let takesAll = ProcessInfo.processInfo.environment["UPFRAME_NEEDS_MATRICES"] != "some"
    private let convolutions = operationCases.filter { test in
        test.graph.nodes.contains { if case .convolution = $0.operation { true } else { false } }
    }

    /// All of them, or one in so many.
    private func chosen<Element>(_ cases: [Element], oneIn step: Int) -> [Element] {
        Self.takesAll ? cases : stride(from: 0, to: cases.count, by: step).map { cases[$0] }
    }

    @Test func operationsWithMatrices() throws {
        guard let executor = try executor("operations") else { return }
        #expect(convolutions.count > 40)
        let cases = Self.takesAll ? operationCases : chosen(convolutions, oneIn: 8)
        for test in cases { try VulkanTests.compare(test, executor, tolerance: 0.02) }
        print("operations with matrices: \(cases.count) cases")
        #expect(executor.multiplication == .matrices)
    }

    /// What decides whether matrices are worth it: both peaks, and how much larger that of matrices is.
    @Test func peaksOfBoth() throws {
        guard let executor = try executor("peaks") else { return }
        #expect(try executor.peak(.matrices).unit.hasPrefix("matrices of"))
        #expect(try executor.peak(.vectors).unit == "vectors, fp32")
        // Without a table nothing is measured, and nothing said against them.
        #expect(executor.matricesPay())
    }

    @Test func networksWithMatrices() throws {
        guard let executor = try executor("networks") else { return }
        for test in chosen(networkCases, oneIn: 4) { try VulkanTests.compare(test, executor, tolerance: 0.05) }
    }

    @Test func operationsWithHalfSums() throws {
        guard let executor = try executor("half sums") else { return }
        executor.halfSums = HalfSums(use: .always)
        for test in chosen(convolutions, oneIn: 16) { try VulkanTests.compare(test, executor, tolerance: 0.02) }
        for test in chosen(networkCases, oneIn: 8) { try VulkanTests.compare(test, executor, tolerance: 0.05) }
    }

    @Test(arguments: [17, 92]) func halfFloatsDoNotDrift(_ layers: Int) throws {
        guard let executor = try executor("drift") else { return }
        for multiplication in [Multiplication.matrices, .texels, .vectors] {
            executor.multiplication = multiplication
            let drift = try VulkanTests.drift(layers: layers, executor)
            #expect(abs(drift) < 1e-4, "\(multiplication): \(drift)")
        }
    }

    @Test func everyTileOfMatrices() throws {
        guard let executor = try executor("tiles of matrices") else { return }
        let names = ["64 outputs", "pixel shuffle of 12", "a picture in and out", "strided"]
        #expect(try TileTests.check(executor, names, tolerance: 0.02) >= 8)
    }

    /// Sums in half floats are what the device and the estimate say: rounded, but hardly more than storage rounds.
    @Test func sumsInHalfFloats() throws {
        guard let executor = try executor("sums in half floats") else { return }
        let depth = try #require(MatrixFragment.sizes(executor.device.capabilities, halfSums: true).first).depth
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 12, 16, 64))
        let graph = b.finish([b.convolution(x, "c", to: 32)])
        let parameters = randomParameters(graph, seed: 3)
        let input = randomTensor(.nhwc(1, 12, 16, 64), seed: 4, in: -0.5..<1.5)
        func results(_ use: HalfSums.Use) throws -> [Float] {
            executor.halfSums = HalfSums(use: use, depth: depth)
            return try VulkanPlan(executor, graph, parameters, .fp16).run([input])[0].values
        }
        let expected = try ReferenceExecutor().compile(graph, parameters: parameters).run([input])[0].values
        func error(_ values: [Float]) -> Double {
            let lost = zip(values, expected).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            return (lost / expected.reduce(0.0) { $0 + Double($1 * $1) }).squareRoot()
        }
        let (single, half) = (try results(.never), try results(.always))
        #expect(single != half, "half floats were not used")
        #expect(error(half) < 1e-3 && error(half) > error(single))
        #expect(try results(.whereExact) == half)
        #expect(executor.validationMessages.first == nil)
        let weight = try #require(parameters.values.first { $0.shape.rank == 4 })
        let estimate = HalfSums.error(weight, depth: depth)
        #expect(abs(error(half) / estimate - 1) < 0.5, "\(error(half)) was estimated as \(estimate)")
        // Layers that lose more than they may stay in single precision.
        executor.halfSums = HalfSums(use: .whereExact, networkLimit: estimate * 0.99, depth: depth)
        #expect(try VulkanPlan(executor, graph, parameters, .fp16).run([input])[0].values == single)
    }
}
