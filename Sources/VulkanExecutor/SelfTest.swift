internal import Compute
internal import Network
internal import Reference
internal import Tensor

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Compares every family of kernels with the reference on first use of a device. The verdict is kept beside the compiled
/// kernels, under the device, its driver and the kernels' fingerprint, so a new driver or kernel is tested again.
struct SelfTest {
    private let executor: VulkanExecutor
    private let reference: any Executor
    private let verdict: String?

    /// - Parameter reference: what says what is right.
    init(_ executor: VulkanExecutor, cacheDirectory: String?, reference: any Executor = ReferenceExecutor()) {
        self.executor = executor
        self.reference = reference
        verdict = cacheDirectory.map {
            let device = executor.device.capabilities.identity
            return
                "\($0)/passed-\(device)-\(KernelLibrary.fingerprint)-\(executor.precision.rawValue)-\(executor.multiplication)"
                + (executor.halfSums.use == .never ? "" : "-half")
        }
    }

    /// - Throws: `ComputeError.refused` when a result is wrong.
    func pass() throws {
        if let verdict, FileManager.default.fileExists(atPath: verdict) { return }
        for test in SelfTest.cases { try check(test) }
        guard let verdict else { return }
        let directory = String(verdict[..<(verdict.lastIndex(of: "/") ?? verdict.startIndex)])
        try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        // If it cannot be kept, the device is tested again next time.
        try? Data().write(to: URL(filePath: verdict))
    }

    struct Case {
        let name: String
        let graph: Graph
        init(_ name: String, _ shape: Shape, _ build: (inout GraphBuilder, Value) -> Value) {
            self.name = name
            var b = GraphBuilder()
            let x = b.input("x", shape)
            let y = build(&b, x)
            graph = b.finish([y])
        }
    }

    /// A few graphs that use each kernel, and each way through it that drivers could get wrong.
    static let cases = [
        Case("convolution with a halo", .nhwc(1, 9, 18, 20)) { b, x in
            b.scaledResidual(b.leakyReLU(b.convolution(x, "c", to: 64), 0.2), scale: 0.2, b.convolution(x, "d", to: 64))
        },
        Case("convolution of a picture with a pixel shuffle", .nhwc(1, 9, 17, 3)) { b, x in
            let y = b.apply(.pixelShuffle(factor: 2), b.convolution(x, "c", to: 12))
            return b.apply(.add, y, b.apply(.upsampleNearest(factor: 2), x))
        },
        Case("strided convolution", .nhwc(1, 9, 7, 20)) { b, x in
            let weight = b.parameter("w", [32, 20, 4, 4])
            return b.apply(.convolution(stride: 2, padding: 1, groups: 1), x, weight)
        },
        Case("pointwise stages", .nhwc(1, 5, 7, 18)) { b, x in
            let y = b.apply(.prelu, b.apply(.pointwise(.silu), x), b.parameter("slopes", [18]))
            return b.apply(.clamp(low: -0.1, high: 0.4), b.apply(.multiply, b.apply(.pointwise(.tanh), y), x))
        },
        Case("pixel unshuffle and slice", .nhwc(1, 6, 8, 5)) { b, x in
            b.apply(.sliceChannels(start: 3, count: 14), b.apply(.pixelUnshuffle(factor: 2), x))
        },
        Case("reflection and bicubic resize", .nhwc(1, 6, 8, 3)) { b, x in
            let y = b.apply(.pad(Margins(top: 1, left: 2, bottom: 3, right: 9), .reflect), x)
            return b.apply(.resize(height: 7, width: 23, .bicubic), y)
        },
    ]

    private func check(_ test: Case) throws {
        var parameters: Parameters = [:]
        for (index, (name, shape)) in test.graph.parameters.enumerated() {
            var generator = Philox(key: UInt64(index + 1))
            parameters[name] = HostTensor(shape, generator.uniform(shape.count, in: -0.1..<0.1))
        }
        var generator = Philox(key: 0)
        let shape = test.graph.shape(test.graph.inputs[0])
        let input = HostTensor(shape, generator.uniform(shape.count, in: -1..<1))
        let expected = try reference.compile(test.graph, parameters: parameters).run([input])[0]
        // Not `compile`, which would save the cache each time.
        let plan = try VulkanPlan(executor, test.graph, parameters, executor.precision)
        let found = try plan.run([input])[0]
        // Results are near 1: single precision is good for 1e-4 at the least, half floats (11 bits, three roundings) for
        // a hundredth.
        let tolerance: Float = executor.precision == .fp32 ? 1e-4 : 1e-2
        let isRight = zip(expected.values, found.values).allSatisfy { abs($0 - $1) <= tolerance }
        if !isRight || SelfTest.shrinkage(found.values, of: expected.values).magnitude > SelfTest.largestShrinkage {
            throw ComputeError.refused(device: executor.device.name, reason: test.name)
        }
    }

    /// What results may be too small, or too large, on average, as a share of their size. Half floats that are rounded
    /// towards zero lose 3.4e-4 each time that they are stored, which no largest difference shows, and which adds up over
    /// layers to a darker picture. Rounded to nearest they lose nothing but by chance.
    static let largestShrinkage = 1.5e-4

    static func shrinkage(_ found: [Float], of expected: [Float]) -> Double {
        var (lost, size) = (0.0, 0.0)
        for (found, expected) in zip(found, expected) {
            lost += Double(expected < 0 ? found - expected : expected - found)
            size += Double(abs(expected))
        }
        return size > 0 ? lost / size : 0
    }
}
