internal import CKernels
public import Network
internal import Planning
internal import Tensor

extension CPUExecutor: TrainingExecutor {
    public func makeState(_ parameters: Parameters) throws -> any ParameterState {
        try CPUState(parameters, device: name)
    }

    public func compile(_ graph: Graph, state: any ParameterState) throws -> any Plan {
        try compilePlan(graph, state: state)
    }

    /// As `compile`, with the type that can be asked for its timings.
    func compilePlan(_ graph: Graph, state: any ParameterState) throws -> CPUPlan {
        guard let state = state as? CPUState else { throw ExecutionError.foreignState(executor: name) }
        try state.check(graph) { state.shape($0) }
        return try compile(graph, [:], state: state)
    }
}
