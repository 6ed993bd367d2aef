internal import CKernels
public import Network
public import Tensor

/// A graph compiled for the processor. Owned by one thread at a time.
public final class CPUPlan: ProfilingPlan {
    public let inputShapes: [Shape]
    public let outputShapes: [Shape]
    public var memoryBytes: Int { memory.bytes }

    private let compiled: CompiledProgram
    private let pool: ThreadPool
    private let memory: PlanMemory
    private let steps: UnsafeBufferPointer<ck_step>
    private let scratch: UnsafePointer<UnsafeMutableRawPointer?>
    private let state: UnsafeMutableRawPointer
    private let seconds: UnsafeMutablePointer<Double>
    /// Where profiled runs write; made by the first.
    private var profiled: [HostTensor] = []

    init(_ compiled: CompiledProgram, pool: ThreadPool, memory: PlanMemory) throws(ExecutionError) {
        self.compiled = compiled
        self.pool = pool
        self.memory = memory
        inputShapes = compiled.inputs.map(\.shape)
        outputShapes = compiled.outputs.map(\.shape)
        let count = compiled.steps.count
        steps = UnsafeBufferPointer(start: try memory.store(compiled.steps.map(\.step)), count: count)
        seconds = try memory.allocate(Double.self, count: count)
        // Transfers use the same memory.
        let lists = [steps] + (compiled.inputs + compiled.outputs).map { UnsafeBufferPointer($0.steps) }
        state = UnsafeMutableRawPointer(
            try memory.allocate(UInt8.self, count: lists.map { pool.stateBytes($0) }.max()!))
        var perThread: [UnsafeMutableRawPointer?] = []
        for _ in 0..<pool.threads {
            perThread.append(UnsafeMutableRawPointer(try memory.allocate(UInt8.self, count: compiled.scratchBytes)))
        }
        scratch = UnsafePointer(try memory.allocate(UnsafeMutableRawPointer?.self, count: pool.threads))
        UnsafeMutablePointer(mutating: scratch).update(from: perThread, count: pool.threads)
    }

    public func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws {
        run(inputs, into: &outputs) { steps, scratch in
            pool.run(steps, scratch: scratch, state: state, seconds: seconds)
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
                    // The kernel only reads it on this way.
                    self.transfer(transfer, UnsafeMutablePointer(mutating: values.baseAddress))
                }
            }
            compute(steps, scratch)
            for (index, transfer) in compiled.outputs.enumerated() {
                outputs[index].withUnsafeMutableValues { self.transfer(transfer, $0.baseAddress) }
            }
        }
    }

    private func transfer(_ transfer: Transfer, _ values: UnsafeMutablePointer<Float>?) {
        guard let values else { return }
        for (index, start) in transfer.starts.enumerated() { transfer.jobs[index].dense = values + start }
        pool.run(UnsafeBufferPointer(transfer.steps), scratch: scratch, state: state)
    }

    /// The steps of the latest run, in order.
    public var layerTimings: [LayerTiming] {
        compiled.steps.enumerated().map { index, step in
            LayerTiming(
                name: step.name, kind: step.kind, seconds: seconds[index], multiplyAdds: step.multiplyAdds,
                bytes: step.bytes)
        }
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
    var inputs: [Transfer]
    var outputs: [Transfer]
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

/// The way between a caller's tensor and an activation: one job for each segment of channels.
struct Transfer {
    var shape: Shape
    var jobs: UnsafeMutableBufferPointer<ck_transfer_job>
    var steps: UnsafeMutableBufferPointer<ck_step>
    /// The first channel of each job's segment.
    var starts: [Int]
}
