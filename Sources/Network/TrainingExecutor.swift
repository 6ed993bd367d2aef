public import Tensor

/// Parameters that change: what the plans of a training run read and, by their graphs' updates, write. Several plans may
/// share one (a generator's step, a discriminator's step, an evaluation). One thread at a time uses a state and its plans.
public protocol ParameterState: AnyObject {
    /// Every tensor's name, sorted.
    var names: [String] { get }
    /// A copy of the tensor of this name.
    /// - Precondition: there is one.
    func read(_ name: String) -> HostTensor
    /// Replaces the tensor of this name.
    /// - Precondition: there is one, of the same shape.
    func write(_ name: String, _ tensor: HostTensor)
}

extension ParameterState {
    /// Copies of all tensors.
    public var tensors: Parameters { Dictionary(uniqueKeysWithValues: names.map { ($0, read($0)) }) }
}

/// An executor whose plans can change their parameters.
public protocol TrainingExecutor: Executor {
    /// A state that holds copies of these tensors.
    /// - Throws: `ExecutionError.outOfMemory`.
    func makeState(_ parameters: Parameters) throws -> any ParameterState

    /// Compiles `graph` to a plan that reads its parameters from `state` at every run, and applies the graph's updates at
    /// the end of it.
    ///
    /// - Precondition: this executor made `state`.
    /// - Throws: `ExecutionError` when the state lacks a parameter or has it in another shape, or the device lacks memory.
    func compile(_ graph: Graph, state: any ParameterState) throws -> any Plan
}

/// A plan that knows how long its steps took.
public protocol TimedPlan: Plan {
    /// The steps of the latest run, in order.
    var stepTimings: [(name: String, milliseconds: Double)] { get }
}
