internal import Network
internal import Tensor

/// The parameters of a training run, in memory.
final class CPUState: ParameterState {
    private let memory: PlanMemory
    private var places: [String: (shape: Shape, data: UnsafeMutablePointer<Float>)] = [:]

    init(_ parameters: Parameters, device: String) throws(ExecutionError) {
        memory = PlanMemory(device: device)
        for (name, tensor) in parameters { places[name] = (tensor.shape, try memory.store(tensor.values)) }
    }

    var names: [String] { places.keys.sorted() }
    var bytes: Int { memory.bytes }

    func shape(_ name: String) -> Shape? { places[name]?.shape }
    func pointer(_ name: String) -> UnsafeMutablePointer<Float> { places[name]!.data }

    func read(_ name: String) throws(ExecutionError) -> HostTensor {
        guard let (shape, data) = places[name] else { throw .missingParameter(name: name) }
        return HostTensor(shape, Array(UnsafeBufferPointer(start: data, count: shape.count)))
    }

    func write(_ name: String, _ tensor: HostTensor) throws(ExecutionError) {
        guard let (shape, data) = places[name] else { throw .missingParameter(name: name) }
        guard shape == tensor.shape else {
            throw .parameterShape(name: name, found: tensor.shape, expected: shape)
        }
        tensor.withUnsafeValues { values in
            if let base = values.baseAddress { data.update(from: base, count: shape.count) }
        }
    }
}
