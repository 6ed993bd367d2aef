// Steps on tensors on a device: training steps, gradients, and what no kernel on views takes of a network.
//
// Tensors are dense and lie in the plan's arena; parameters lie in a `VulkanState`, which several plans of a training may
// share. Both are cut into blocks that the device can allocate and bind whole, and no tensor crosses from one to the next.
// Numbers are in single precision; an executor of fp16 stores activations of training and their gradients as half floats
// (`HalfValues`).
//
// `TensorCompiler` makes steps of a program. Convolutions, their adjoints and products are one tiled loop with different
// indices (Shaders/tensor_tile.glsl). Pointwise operations that only feed each other, and the arrangements that they read
// through, are one kernel, assembled for the expression (`ExpressionKernel`, `Assembly`). Steps of one kernel that do not
// depend on each other are one dispatch with a table: an optimiser's update of all parameters is, and so is the packing of
// all weights of one shape. `TensorDispatches` makes dispatches of steps, with bindings and tables, when the arena is known.
//
// Sums are taken in an order that the shapes alone decide: two runs give the same bits. Parameters change at the end of a
// run, on the device, and only where every guard is finite.
internal import Compute
public import Network
internal import Planning
internal import Synchronization
internal import Tensor

extension VulkanExecutor: TrainingExecutor {
    /// A state on the device, in single precision whatever the executor's. The first one of an executor tests the kernels
    /// of training.
    ///
    /// Reading and writing its tensors waits for the device. A device that is lost takes the parameters with it: all that
    /// is asked of the state then throws `ExecutionError.deviceLost`.
    ///
    /// - Throws: `ExecutionError.outOfMemory`; `.device` when a tensor is more than the device can bind at once, or when
    ///   it fails the self-test.
    public func makeState(_ parameters: Parameters) throws -> any ParameterState {
        try translatingErrors {
            try testTensorKernels()
            return try VulkanState(self, parameters)
        }
    }

    /// Tests the kernels for tensors, unless that was done.
    func testTensorKernels() throws {
        try trainingIsUntested.withLock { isUntested in
            if isUntested { try TrainingSelfTest(executor: self, cacheDirectory: cacheDirectory).pass() }
            isUntested = false
        }
    }

    /// - Throws: as the protocol says, and `.device` when a tensor is more than the device can bind at once.
    public func compile(_ graph: Graph, state: any ParameterState) throws -> any Plan {
        try plan(graph, state: state)
    }

    /// As `compile`, with the type that can be asked for its timings.
    func plan(_ graph: Graph, state: any ParameterState) throws -> VulkanPlan {
        guard let state = state as? VulkanState, state.belongs(to: self) else {
            throw ExecutionError.foreignState(executor: name)
        }
        try state.check(graph) { state.shape($0) }
        let plan = try translatingErrors { try VulkanPlan(self, graph, state: state) }
        kernels.cache.save()
        return plan
    }
}
