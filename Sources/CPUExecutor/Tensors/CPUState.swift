// Plans of any graph: training steps, gradients, whatever inference's programs are not made for.
//
// Tensors are dense and lie in one arena, placed by lifetime. Pointwise operations that only feed each other are one step:
// an expression that is computed block by block in the first-level cache (`Expressions`). Convolutions and their adjoints
// are matrix products by OpenBLAS over gathered rows (`TensorConvolutions`), or Winograd's method where that fits
// (`TensorWinograd`). Everything that only moves elements is one strided copy (`TensorMoves`); everything linear along
// rows and columns one table of weighted sums.
//
// Parameters are not part of a plan: they lie in a `CPUState`, which several plans may share and which a plan's updates
// change in place at the end of a run. Weights are therefore rearranged for the kernels in every run, as steps.
internal import CKernels
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

    func read(_ name: String) -> HostTensor {
        let (shape, data) = places[name]!
        return HostTensor(shape, Array(UnsafeBufferPointer(start: data, count: shape.count)))
    }

    func write(_ name: String, _ tensor: HostTensor) {
        let (shape, data) = places[name]!
        precondition(shape == tensor.shape, "'\(name)' has no place for \(tensor.shape)")
        tensor.withUnsafeValues { data.update(from: $0.baseAddress!, count: shape.count) }
    }
}
