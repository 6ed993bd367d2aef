internal import Compute
internal import Network
internal import Synchronization

/// A kernel for dense tensors: compiled from Shaders/tensor_*.comp, or assembled for an expression.
enum TensorKernel: Hashable {
    /// - Parameters:
    ///   - shader: its name in Shaders/Variants.txt, without the precision.
    ///   - constants: specialisation constants; the index is the constant's id.
    case shader(String, bindings: Int, words: Int, constants: [UInt32])
    case expression(ExpressionKernel)

    /// Storage buffers.
    var bindings: Int {
        switch self {
        case .shader(_, let bindings, _, _): bindings
        case .expression(let kernel): kernel.bufferCount + 1
        }
    }
}

/// Pipelines of tensor kernels, made on first use and kept. Safe to share between threads.
final class TensorKernelLibrary: Sendable {
    private let device: Device
    private let cache: PipelineCache
    private let pipelines = Mutex<[TensorKernel: Pipeline]>([:])

    init(_ device: Device, cache: PipelineCache) { (self.device, self.cache) = (device, cache) }

    func pipeline(_ kernel: TensorKernel) throws -> Pipeline {
        try pipelines.withLock { pipelines in
            if let pipeline = pipelines[kernel] { return pipeline }
            let pipeline: Pipeline
            switch kernel {
            case .shader(let shader, let bindings, let words, let constants):
                guard let code = KernelLibrary.code("\(shader).fp32") else {
                    preconditionFailure("there is no kernel \(shader)")
                }
                pipeline = try Pipeline(
                    device, name: shader, code: code, bindings: bindings, pushConstantBytes: words * 4,
                    specialisation: constants, cache: cache)
            case .expression(let expression):
                pipeline = try Pipeline(
                    device, name: "expression", code: expression.assembled(), bindings: kernel.bindings,
                    pushConstantBytes: 3 * 4, cache: cache)
            }
            pipelines[kernel] = pipeline
            return pipeline
        }
    }
}
