internal import CKernels
public import Network
internal import Planning
internal import Tensor

extension CPUExecutor: TrainingExecutor {
    public func makeState(_ parameters: Parameters) throws -> any ParameterState {
        try CPUState(parameters, device: name)
    }

    public func compile(_ graph: Graph, state: any ParameterState) throws -> any Plan {
        try compileTensors(graph, state: state)
    }

    /// As `compile`, with the type that can be asked for its timings.
    func compileTensors(_ graph: Graph, state: any ParameterState) throws -> TensorPlan {
        guard let state = state as? CPUState else { preconditionFailure("a state of another executor") }
        for (name, shape) in graph.parameters {
            guard let found = state.shape(name) else { throw ExecutionError.missingParameter(name: name) }
            guard found == shape else {
                throw ExecutionError.parameterShape(name: name, found: found, expected: shape)
            }
        }
        let graph = graph.withoutMeans
        let memory = PlanMemory(device: name)
        var compiler = TensorCompiler(
            graph, state: state, memory: memory, kernels: ck_kernels_for(instructionSet.code),
            tensorKernels: ct_kernels_for(Int32(instructionSet.code.rawValue)), threads: threads)
        return try TensorPlan(graph, compiler.compile(), state: state, pool: pool, memory: memory)
    }
}
