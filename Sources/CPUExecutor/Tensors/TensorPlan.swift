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

/// A graph of any tensors compiled for the processor.
final class TensorPlan: TimedPlan {
    let inputShapes: [Shape]
    let outputShapes: [Shape]
    var memoryBytes: Int { memory.bytes + state.bytes }

    private let compiled: CompiledTensors
    private let state: CPUState
    private let pool: ThreadPool
    private let memory: PlanMemory
    private let steps: UnsafeBufferPointer<ck_step>
    private let scratch: UnsafePointer<UnsafeMutableRawPointer?>
    private let progress: UnsafeMutableRawPointer
    private let seconds: UnsafeMutablePointer<Double>

    init(
        _ graph: Graph, _ compiled: CompiledTensors, state: CPUState, pool: ThreadPool, memory: PlanMemory
    ) throws(ExecutionError) {
        (self.compiled, self.state, self.pool, self.memory) = (compiled, state, pool, memory)
        inputShapes = graph.inputs.map { graph.shape($0) }
        outputShapes = graph.outputs.map { graph.shape($0) }
        let count = compiled.steps.count
        steps = UnsafeBufferPointer(start: try memory.store(compiled.steps.map(\.step)), count: count)
        seconds = try memory.allocate(Double.self, count: count)
        progress = UnsafeMutableRawPointer(try memory.allocate(UInt8.self, count: pool.stateBytes(steps)))
        var perThread: [UnsafeMutableRawPointer?] = []
        for _ in 0..<pool.threads {
            perThread.append(UnsafeMutableRawPointer(try memory.allocate(UInt8.self, count: compiled.scratchBytes)))
        }
        scratch = UnsafePointer(try memory.store(perThread))
    }

    func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws {
        checkShapes(inputs, outputs)
        pool.exclusively {
            for (input, place) in zip(inputs, compiled.inputs) {
                input.withUnsafeValues { values in
                    if let base = values.baseAddress { place.update(from: base, count: values.count) }
                }
            }
            let computing = compiled.computingSteps
            pool.run(
                UnsafeBufferPointer(rebasing: steps[..<computing]), scratch: scratch, state: progress,
                seconds: seconds)
            if compiled.guards.allSatisfy({ $0.allSatisfy(\.isFinite) }) {
                pool.run(
                    UnsafeBufferPointer(rebasing: steps[computing...]), scratch: scratch, state: progress,
                    seconds: seconds + computing)
            }
            for (index, place) in compiled.outputs.enumerated() {
                outputs[index].withUnsafeMutableValues { values in
                    if let base = values.baseAddress { base.update(from: place, count: values.count) }
                }
            }
        }
    }

    var stepTimings: [(name: String, milliseconds: Double)] {
        compiled.steps.enumerated().map { index, step in (step.name, seconds[index] * 1000) }
    }
}

/// What `TensorCompiler` makes.
struct CompiledTensors {
    var steps: [CompiledStep]
    var inputs: [UnsafeMutablePointer<Float>]
    var outputs: [UnsafeMutablePointer<Float>]
    var guards: [UnsafeBufferPointer<Float>]
    /// The steps before those that update parameters.
    var computingSteps: Int
    var scratchBytes: Int
}
