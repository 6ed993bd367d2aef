internal import Compute
internal import Network
internal import Planning
internal import Reference
internal import Tensor

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Compares the kernels of training with the reference before a device's first state is made. The verdict is kept beside
/// that on inference's kernels; see `SelfTest`.
struct TrainingSelfTest {
    let executor: VulkanExecutor
    let cacheDirectory: String?

    /// - Throws: `ComputeError.refused` when a result is wrong.
    func pass() throws {
        let identity = executor.device.capabilities.identity
        let verdict = cacheDirectory.map {
            "\($0)/trains-\(identity)-\(KernelLibrary.fingerprint)-\(Self.assemblyFingerprint)"
                + "-\(executor.precision.rawValue)"
        }
        if let verdict, FileManager.default.fileExists(atPath: verdict) { return }
        for (name, graph) in Self.cases { try check(name, graph) }
        // What large products are computed with, on small ones.
        let limits = TensorLimits(executor.device.capabilities, executor.precision)
        for tile in ProductTile.all.prefix(3) where tile.threads <= limits.threads {
            var limits = limits
            limits.tile = tile
            for (name, graph) in Self.cases.prefix(3) { try check("\(name), wide", graph, limits) }
        }
        // The directory was made for inference's verdict. If it cannot be kept, the device is tested again next time.
        if let verdict { try? Data().write(to: URL(filePath: verdict)) }
    }

    /// Each kernel, and each way through it that drivers could get wrong.
    static let cases: [(name: String, graph: Graph)] = {
        func graph(_ build: (inout GraphBuilder) -> [Value]) -> Graph {
            var b = GraphBuilder()
            let results = build(&b)
            return b.finish(results)
        }
        return [
            (
                "a convolution and its adjoints",
                graph { b in
                    let (x, weight) = (b.input("x", .nhwc(2, 9, 11, 12)), b.parameter("w", [24, 12, 4, 4]))
                    let y = b.apply(.convolution(stride: 2, padding: 1, groups: 1), x, weight, b.parameter("b", [24]))
                    return [
                        y,
                        b.apply(
                            .convolutionTranspose(stride: 2, padding: 1, groups: 1, height: 9, width: 11), y, weight),
                        b.apply(
                            .convolutionWeightGradient(
                                stride: 2, padding: 1, groups: 1, kernelHeight: 4, kernelWidth: 4),
                            x, y),
                    ]
                }
            ),
            (
                "odd convolutions in groups",
                graph { b in
                    let (x, weight) = (b.input("x", .nhwc(1, 7, 5, 6)), b.parameter("w", [9, 2, 3, 3]))
                    let y = b.apply(.convolution(stride: 1, padding: 1, groups: 3), x, weight)
                    return [
                        b.apply(
                            .convolutionTranspose(stride: 1, padding: 1, groups: 3, height: 7, width: 5), y, weight),
                        b.apply(
                            .convolutionWeightGradient(
                                stride: 1, padding: 1, groups: 3, kernelHeight: 3, kernelWidth: 3),
                            x, y),
                    ]
                }
            ),
            (
                "products of matrices",
                graph { b in
                    let (x, y) = (b.input("x", [2, 9, 20]), b.input("y", [2, 9, 7]))
                    let z = b.apply(.product(transposeLeft: true, transposeRight: false), x, y)
                    return [z, b.apply(.product(transposeLeft: false, transposeRight: true), y, z)]
                }
            ),
            (
                "sums",
                graph { b in
                    let x = b.input("x", .nhwc(3, 40, 50, 5))
                    return [[1, 1, 1, 1], [1, 1, 1, 5], [3, 40, 50, 1]].map { b.apply(.sum(to: $0), x) }
                }
            ),
            (
                "resampling",
                graph { b in
                    let x = b.input("x", .nhwc(1, 6, 8, 3))
                    let y = b.apply(.pad(Margins(top: 1, left: 2, bottom: 3, right: 9), .reflect), x)
                    return [b.apply(.resizeAdjoint(height: 5, width: 9, .bicubic), y), b.apply(.sumPool(factor: 2), x)]
                }
            ),
            (
                "pointwise functions",
                graph { b in
                    // Positive operands, which all functions take.
                    let x = b.apply(
                        .affine(scale: 1, offset: 0.25), b.apply(.pointwise(.absolute), b.input("x", .nhwc(1, 3, 5, 8)))
                    )
                    let y = b.parameter("y", [8])
                    return PointwiseFunction.Name.allCases.map { name in
                        name.example.operandCount == 1
                            ? b.apply(.pointwise(name.example), x) : b.apply(.pointwise(name.example), x, y)
                    }
                }
            ),
            (
                "pointwise expressions",
                graph { b in
                    let x = b.input("x", .nhwc(1, 4, 6, 8))
                    let narrow = b.apply(.sum(to: .nhwc(1, 1, 1, 8)), x)
                    let y = b.apply(.prelu, x, b.parameter("slopes", [8]))
                    let z = b.concatenate([y, b.apply(.sliceChannels(start: 3, count: 2), x)])
                    let w = b.apply(.pointwise(.silu), b.apply(.pixelShuffle(factor: 2), y))
                    return [
                        b.apply(.pointwise(.tanh), b.apply(.add, x, b.apply(.broadcast(to: b.shape(x)), narrow))),
                        b.apply(.pointwise(.softplus), z), w, b.apply(.transpose([0, 3, 1, 2]), x),
                        b.apply(
                            .pointwise(.squareRoot), b.apply(.pointwise(.exponential), b.apply(.pointwise(.sigmoid), x))
                        ),
                    ]
                }
            ),
        ]
    }()

    /// Changes when the assembly of expressions does (FNV-1a over one).
    static let assemblyFingerprint: String = {
        var form = ExpressionForm()
        for name in PointwiseFunction.Name.allCases {
            let read = ExpressionForm.Read(
                tensor: 0, axes: StridedMove(.transpose([1, 0]), from: [2, 3], to: [3, 2])!.axes)
            let operands = [ExpressionForm.Operand](repeating: .read(read), count: name.example.operandCount)
            form.instructions.append(ExpressionForm.Instruction(function: name.example, operands: operands))
        }
        let parts = [ExpressionForm.Part(channels: 2, tensor: 0), ExpressionForm.Part(channels: 3, tensor: nil)]
        form.outputs = [
            ExpressionForm.Output(value: .joined(parts), tensor: 1),
            ExpressionForm.Output(value: .result(0), tensor: 1),
        ]
        form.halves = [false, true]
        let code = ExpressionKernel(form: form, buffers: [0, 1], threads: 256, isMerged: true).assembled()
        let hash = code.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16)
    }()

    private func check(_ name: String, _ graph: Graph, _ limits: TensorLimits? = nil) throws {
        func numbers(_ shape: Shape, key: Int, _ limit: Float) -> HostTensor {
            var generator = Philox(key: UInt64(key))
            return HostTensor(shape, generator.uniform(shape.count, in: -limit..<limit))
        }
        var parameters: Parameters = [:]
        for (index, (name, shape)) in graph.parameters.enumerated() {
            parameters[name] = numbers(shape, key: index + 1, 0.1)
        }
        let inputs = graph.inputs.enumerated().map { numbers(graph.shape($1), key: $0 + 100, 1) }
        let expected = try ReferenceExecutor().compile(graph, parameters: parameters).run(inputs)
        let state = try VulkanState(executor, parameters)
        let found = try VulkanPlan(executor, graph, state: state, limits: limits).run(inputs)
        let tolerance: Float = executor.precision == .fp32 ? 1e-4 : 1e-2
        for (expected, found) in zip(expected, found) {
            let size = expected.values.reduce(1) { max($0, abs($1)) }
            let isRight = zip(expected.values, found.values).allSatisfy { abs($0 - $1) <= tolerance * size }
            if !isRight { throw ComputeError.refused(device: executor.device.name, reason: name) }
        }
    }
}
