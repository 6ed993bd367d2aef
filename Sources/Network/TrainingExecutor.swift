public import Tensor

/// Parameters that change: what the plans of a training run read and, by their graphs' updates, write. Several plans may
/// share one (a generator's step, a discriminator's step, an evaluation). One thread at a time uses a state and its plans.
public protocol ParameterState: AnyObject {
    /// Every tensor's name, sorted.
    var names: [String] { get }
    /// A copy of the tensor of this name. Blocks until the device has given it.
    /// - Throws: `ExecutionError.missingParameter` when there is none; what the device reports, `.deviceLost` among it. The
    ///   state's tensors are lost with their device.
    func read(_ name: String) throws(ExecutionError) -> HostTensor
    /// Replaces the tensor of this name. Blocks until the device has taken it.
    /// - Throws: as `read`, and `ExecutionError.parameterShape` when the tensor has another shape.
    func write(_ name: String, _ tensor: HostTensor) throws(ExecutionError)
}

extension ParameterState {
    /// Copies of all tensors.
    /// - Throws: as `read`.
    public var tensors: Parameters {
        get throws(ExecutionError) {
            var result: Parameters = [:]
            for name in names { result[name] = try read(name) }
            return result
        }
    }

    /// Checks that a state has every tensor that `graph` names, with its shape.
    /// - Parameter shape: the state's tensor of a name; nil where it has none.
    public func check(_ graph: Graph, shape: (String) -> Shape?) throws(ExecutionError) {
        for (name, expected) in graph.parameters {
            guard let found = shape(name) else { throw .missingParameter(name: name) }
            guard found == expected else { throw .parameterShape(name: name, found: found, expected: expected) }
        }
    }
}

/// An executor whose plans can change their parameters.
public protocol TrainingExecutor: Executor {
    /// A state that holds copies of these tensors.
    /// - Throws: `ExecutionError.outOfMemory`.
    func makeState(_ parameters: Parameters) throws -> any ParameterState

    /// Compiles `graph` to a plan that reads its parameters from `state` at every run, and applies the graph's updates at
    /// the end of it.
    ///
    /// - Throws: `ExecutionError` when another executor made the state, when it lacks a parameter or has it in another
    ///   shape, or when the device lacks memory.
    func compile(_ graph: Graph, state: any ParameterState) throws -> any Plan
}

/// A plan that knows how long its steps took.
public protocol TimedPlan: Plan {
    /// The steps of the latest run, in order.
    var stepTimings: [(name: String, milliseconds: Double)] { get }
}
