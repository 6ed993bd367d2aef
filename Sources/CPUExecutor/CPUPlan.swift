internal import CKernels
public import Network
public import Tensor

/// A graph compiled for the processor. Owned by one thread at a time, together with its state if it has one.
public final class CPUPlan: ProfilingPlan, TimedPlan {
    public let inputShapes: [Shape]
    public let outputShapes: [Shape]
    public var memoryBytes: Int { memory.bytes + (state?.bytes ?? 0) }

    private let compiled: CompiledProgram
    /// The parameters that the plan reads and its updates change; nil where all are constants.
    private let state: CPUState?
    private let pool: ThreadPool
    private let memory: PlanMemory
    private let steps: UnsafeBufferPointer<ck_step>
    private let scratch: UnsafePointer<UnsafeMutableRawPointer?>
    /// How far a run has come.
    private let progress: UnsafeMutableRawPointer
    private let seconds: UnsafeMutablePointer<Double>
    /// Where profiled runs write; made by the first.
    private var profiled: [HostTensor] = []

    init(
        _ graph: Graph, _ compiled: CompiledProgram, state: CPUState?, pool: ThreadPool, memory: PlanMemory
    ) throws(ExecutionError) {
        (self.compiled, self.state, self.pool, self.memory) = (compiled, state, pool, memory)
        inputShapes = graph.inputs.map { graph.shape($0) }
        outputShapes = graph.outputs.map { graph.shape($0) }
        let count = compiled.steps.count
        steps = UnsafeBufferPointer(start: try memory.store(compiled.steps.map(\.step)), count: count)
        seconds = try memory.allocate(Double.self, count: count)
        // Transfers use the same memory.
        let prologue = UnsafeBufferPointer(
            start: try memory.store(compiled.prologue.map(\.step)), count: compiled.prologue.count)
        let lists = [steps, prologue] + (compiled.inputs + compiled.outputs).map { UnsafeBufferPointer($0.steps) }
        progress = UnsafeMutableRawPointer(
            try memory.allocate(UInt8.self, count: lists.map { pool.stateBytes($0) }.max()!))
        var perThread: [UnsafeMutableRawPointer?] = []
        for _ in 0..<pool.threads {
            perThread.append(UnsafeMutableRawPointer(try memory.allocate(UInt8.self, count: compiled.scratchBytes)))
        }
        scratch = UnsafePointer(try memory.allocate(UnsafeMutableRawPointer?.self, count: pool.threads))
        UnsafeMutablePointer(mutating: scratch).update(from: perThread, count: pool.threads)
        pool.exclusively { pool.run(prologue, scratch: scratch, state: progress) }
    }

    public func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws {
        run(inputs, into: &outputs) { steps, scratch in
            let computing = compiled.computingSteps
            pool.run(
                UnsafeBufferPointer(rebasing: steps[..<computing]), scratch: scratch, state: progress,
                seconds: seconds)
            // The others update parameters.
            if computing < steps.count, compiled.guards.allSatisfy({ $0.allSatisfy(\.isFinite) }) {
                pool.run(
                    UnsafeBufferPointer(rebasing: steps[computing...]), scratch: scratch, state: progress,
                    seconds: seconds + computing)
            }
        }
    }

    /// As `run`, where `compute` does the steps, with scratch memory per thread; for tests of their order.
    func run(
        _ inputs: [HostTensor], into outputs: inout [HostTensor],
        compute: (UnsafeBufferPointer<ck_step>, UnsafePointer<UnsafeMutableRawPointer?>) -> Void
    ) {
        checkShapes(inputs, outputs)
        pool.exclusively {
            for (index, transfer) in compiled.inputs.enumerated() {
                inputs[index].withUnsafeValues { values in
                    guard let base = values.baseAddress else { return }
                    if let tensor = transfer.dense {
                        tensor.update(from: base, count: values.count)
                    } else {
                        // The kernel only reads it on this way.
                        self.transfer(transfer, UnsafeMutablePointer(mutating: base))
                    }
                }
            }
            compute(steps, scratch)
            for (index, transfer) in compiled.outputs.enumerated() {
                outputs[index].withUnsafeMutableValues { values in
                    guard let base = values.baseAddress else { return }
                    if let tensor = transfer.dense {
                        base.update(from: tensor, count: values.count)
                    } else {
                        self.transfer(transfer, base)
                    }
                }
            }
        }
    }

    private func transfer(_ transfer: Transfer, _ values: UnsafeMutablePointer<Float>) {
        for (index, start) in transfer.starts.enumerated() { transfer.jobs[index].dense = values + start }
        pool.run(UnsafeBufferPointer(transfer.steps), scratch: scratch, state: progress)
    }

    /// The steps of the latest run, in order.
    public var layerTimings: [LayerTiming] {
        compiled.steps.enumerated().map { index, step in
            LayerTiming(
                name: step.name, kind: step.kind, seconds: seconds[index], multiplyAdds: step.multiplyAdds,
                bytes: step.bytes)
        }
    }

    public var stepTimings: [(name: String, milliseconds: Double)] {
        layerTimings.map { ($0.name, $0.milliseconds) }
    }

    public func profile(_ inputs: [HostTensor]) throws -> [LayerTiming] {
        if profiled.isEmpty { profiled = outputShapes.map { HostTensor($0) } }
        try run(inputs, into: &profiled)
        return layerTimings
    }
}

/// What `PlanCompiler` makes.
struct CompiledProgram {
    var steps: [CompiledStep]
    /// Steps that are run once, when the plan is made: what depends on constants alone.
    var prologue: [CompiledStep]
    /// The steps before those that update parameters.
    var computingSteps: Int
    var inputs: [Transfer]
    var outputs: [Transfer]
    /// Parameters are only updated when all numbers here are finite.
    var guards: [UnsafeBufferPointer<Float>]
    /// Bytes that each thread needs for its blocks.
    var scratchBytes: Int
}

struct CompiledStep {
    var name: String
    var step: ck_step
    var kind = LayerTiming.Kind.move
    var multiplyAdds = 0
    var bytes = 0
}

/// The way between a caller's tensor and the arena.
struct Transfer {
    /// Where it lies as it is; nil where it is a view, with one job for each segment of channels.
    var dense: UnsafeMutablePointer<Float>?
    var jobs = UnsafeMutableBufferPointer<ck_transfer_job>(start: nil, count: 0)
    var steps = UnsafeMutableBufferPointer<ck_step>(start: nil, count: 0)
    /// The first channel of each job's segment.
    var starts: [Int] = []
}
