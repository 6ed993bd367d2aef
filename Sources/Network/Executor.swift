public import Tensor

/// The trained tensors of a network by state-dict name.
public typealias Parameters = [String: HostTensor]

/// How numbers are stored between operations on a device. Arithmetic accumulates in fp32 either way.
public enum StoragePrecision: String, Sendable, Codable, CaseIterable {
    case fp32, fp16
}

/// Something that can run graphs: the reference interpreter, the CPU, a Vulkan device.
///
/// Safe to share between threads; the plans that it makes are not.
public protocol Executor: Sendable {
    /// For people: "CPU (AVX-512, 2 threads)", "Vulkan: NVIDIA H200".
    var name: String { get }

    /// Compiles `graph` for its shapes. Everything that can be done once is done here: fusion, memory placement, weight
    /// packing, command recording.
    ///
    /// - Throws: `ExecutionError` when parameters are missing or have other shapes, or the device lacks memory.
    func compile(_ graph: Graph, parameters: Parameters) throws -> any Plan
}

/// An executor with memory of its own, which knows what its plans will take of it.
public protocol MemoryBoundExecutor: Executor {
    /// Bytes that plans may take together.
    var memoryBudget: Int { get }
    /// Bytes that a plan for this graph will take, weights apart, as long as numbers fit its precision. Plans it, but
    /// makes nothing.
    func workingBytes(_ graph: Graph) -> Int
}

/// An executor whose device is wide: small pictures leave most of it idle, so that several are better run as a batch.
public protocol BatchingExecutor: Executor {
    /// Pixels of input that fill the device; 0 where batches gain nothing.
    var fillingPixels: Int { get }
}

/// A graph compiled for one executor. Owned by one thread at a time.
public protocol Plan: AnyObject {
    /// The shapes of inputs and outputs, in the graph's order.
    var inputShapes: [Shape] { get }
    var outputShapes: [Shape] { get }
    /// Bytes of working memory that the plan holds, weights included.
    var memoryBytes: Int { get }

    /// Runs the graph once and blocks until the outputs are written.
    ///
    /// - Parameters:
    ///   - inputs: one tensor per graph input, of its shape.
    ///   - outputs: one tensor per graph output, of its shape; overwritten in place, so that a caller's buffers are
    ///     used again for every frame.
    /// - Throws: `ExecutionError` when the device fails. Outputs are then undefined.
    func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws
}

extension Plan {
    /// Runs the graph once into new tensors.
    public func run(_ inputs: [HostTensor]) throws -> [HostTensor] {
        var outputs = outputShapes.map { HostTensor($0) }
        try run(inputs, into: &outputs)
        return outputs
    }

    /// Traps when a caller hands over tensors of other shapes; every plan calls it first.
    public func checkShapes(_ inputs: [HostTensor], _ outputs: [HostTensor]) {
        precondition(
            have(inputs, inputShapes), "inputs are \(inputs.map(\.shape)), expected \(inputShapes)")
        precondition(
            have(outputs, outputShapes), "outputs are \(outputs.map(\.shape)), expected \(outputShapes)")
    }

    /// Without an array of the shapes: it runs once a frame, and a frame allocates nothing.
    private func have(_ tensors: [HostTensor], _ shapes: [Shape]) -> Bool {
        tensors.count == shapes.count && tensors.indices.allSatisfy { tensors[$0].shape == shapes[$0] }
    }
}

/// What a caller of an executor cannot foresee. Descriptions are one line and name the remedy, in words of this library:
/// a program adds how its own users get it.
public enum ExecutionError: Error, CustomStringConvertible {
    case missingParameter(name: String)
    case parameterShape(name: String, found: Shape, expected: Shape)
    /// A plan was asked for with parameters that another executor's `makeState` made.
    case foreignState(executor: String)
    case outOfMemory(device: String, bytes: Int)
    /// The device failed for good, and all that lay in its memory is lost.
    case deviceLost(device: String)
    /// The device did not finish within so many seconds.
    case timeout(device: String, seconds: Double)
    /// The device is not there, lacks something, or computes wrong results.
    ///
    /// - Parameter instead: devices that may do, by the names that `Pipeline.Device` reads ("cpu", "vulkan:0").
    case unavailable(device: String, reason: String, instead: [String])
    /// A call of the device's driver failed, with the result in the driver's own words.
    case failed(device: String, call: String, result: String)
    /// Anything else that a device reports, in its own words.
    case device(device: String, message: String)

    public var description: String {
        switch self {
        case .missingParameter(let name):
            "the weights lack the tensor '\(name)': the file does not fit the network"
        case .parameterShape(let name, let found, let expected):
            "the tensor '\(name)' is \(found), the network expects \(expected)"
        case .foreignState(let executor):
            "the parameters' state was made by another executor than \(executor): make it with the one that compiles"
        case .outOfMemory(let device, let bytes):
            "\(device) has no room for \(bytes >> 20) MiB: use smaller tiles"
        case .deviceLost(let device):
            "\(device) was lost while computing: update its driver, or use another device"
        case .timeout(let device, let seconds):
            "\(device) did not finish within \(Int(seconds)) s: use smaller tiles, or another device"
        case .unavailable(let device, let reason, let instead):
            "\(device): \(reason)" + (instead.isEmpty ? "" : ", or use \(instead.joined(separator: " or "))")
        case .failed(let device, let call, let result):
            "\(device): \(call) failed with \(result): update its driver, or use another device"
        case .device(let device, let message):
            "\(device): \(message)"
        }
    }
}

extension Graph {
    /// Checks that `parameters` holds every tensor that this graph names, with its shape. Every executor calls it first.
    public func check(_ parameters: Parameters) throws(ExecutionError) {
        for (name, shape) in self.parameters {
            guard let tensor = parameters[name] else { throw .missingParameter(name: name) }
            guard tensor.shape == shape else {
                throw .parameterShape(name: name, found: tensor.shape, expected: shape)
            }
        }
    }
}
