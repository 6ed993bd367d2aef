internal import Compute
public import Network
internal import Planning

/// A pipeline of a network, and what the driver's compiler says of it.
public struct PipelineDescription: Sendable {
    /// The first layer that it computes, and how many more.
    public let label: String
    public let uses: Int
    /// The kernel's name in Shaders/Variants.txt.
    public let kernel: String
    /// Of convolutions, the tile: pixels, output channels, and what an invocation or, of matrices, a subgroup sums up.
    public let tile: String?
    public let subgroupSize: Int?
    public let multiplyAdds: Int
    /// In the driver's order and words; empty where it says nothing.
    public let statistics: [(name: String, value: Double)]
    /// Its machine code, or what the driver shows of it; nil where that is nothing.
    public let code: String?
}

extension VulkanExecutor {
    /// Makes every pipeline of a network's steps on views and runs none: drivers will do that compile for a card which is not there, such as
    /// RADV with RADV_FORCE_FAMILY. No self-test, no measurement: convolutions have their first tiles.
    ///
    /// - Throws: `ComputeError` when there is no such device or a pipeline cannot be made.
    public static func describePipelines(
        device: Int?, precision: StoragePrecision, _ graph: Graph, _ parameters: Parameters, allTiles: Bool = false
    ) throws -> [PipelineDescription] {
        let executor = try VulkanExecutor(
            device: device, precision: precision, allowSoftware: true, validation: false, framesInFlight: 1,
            cacheDirectory: nil, bindingLimit: .max, describesPipelines: true)
        let capabilities = executor.device.capabilities
        var compiler = TensorCompiler(
            executor, graph, precision, isTraining: false, limits: TensorLimits(capabilities, precision))
        compiler.compile()
        let block = compiler.largestBlock(executor)
        let lowering = Lowering(
            compiler.program, compiler.steps,
            ArenaPlaces(offsets: compiler.arranged(block: block).offsets, blockWords: block), parameters, precision,
            capabilities, executor.multiplication, executor.halfSums, ends: .tensors,
            inputStarts: graph.inputs.map { _ in 0 }, outputStarts: graph.outputs.map { _ in 0 })
        var order: [Kernel] = []
        var found: [Kernel: (launch: Launch, uses: Int, work: Int)] = [:]
        for launch in lowering.launches {
            var variants = [launch]
            if allTiles, let convolution = launch.convolution {
                variants = ConvolutionKernel.tiles(
                    convolution.step, capabilities, convolution.multiplication, sums: convolution.sums
                ).map { launch.with($0, capabilities, convolution.multiplication) }
            }
            for variant in variants {
                // Layers of one shape differ in where their constants lie, of which the compiler makes the same code.
                let kernel = variant.kernel
                if found[kernel] == nil { order.append(kernel) }
                found[kernel, default: (variant, 0, 0)].uses += 1
                found[kernel]!.work += variant.convolution == nil ? 0 : variant.work
            }
        }
        return try order.map { kernel in
            let (launch, uses, work) = found[kernel]!
            let tile = launch.convolution?.tile
            let pipeline = try executor.kernels.pipeline(kernel)
            return PipelineDescription(
                label: launch.label, uses: uses, kernel: "\(kernel.shader).\(kernel.precision.rawValue)",
                tile: tile.map {
                    "\($0.width)x\($0.height), \($0.blockChannels) channels, \($0.pixels)x\($0.quads)"
                }, subgroupSize: kernel.subgroupSize, multiplyAdds: work,
                statistics: try pipeline.statistics().map { ($0.name, $0.value) }, code: try pipeline.code().last)
        }
    }
}
