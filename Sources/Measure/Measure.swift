// Measure: how long a network takes on an executor, as a whole and layer by layer.
//
// The parts: `Clock`, `NetworkTimer` (a compiled network run again and again on the same picture, which comes from the host
// and goes there, or stays on the device) and `LayerReport` (its steps, against the device's peak). It knows graphs and plans, no video and no device in particular, so that the
// command, the stand-alone benchmark and tests measure in the same way. Every figure comes from a run of this process;
// nothing is estimated but the bytes that a layer moves, which follow from its shapes.
public import Network
public import Tensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Seconds of a clock that never goes back.
public func secondsNow() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// The middle of some numbers; the mean of the two middle ones where their count is even.
public func median(_ values: [Double]) -> Double {
    precondition(!values.isEmpty, "no values have no median")
    let sorted = values.sorted()
    return (sorted[sorted.count / 2] + sorted[(sorted.count - 1) / 2]) / 2
}

/// A network compiled for one size, with its input and a place for its output in host memory.
///
/// Owned by one thread at a time.
public final class NetworkTimer {
    public let plan: any Plan
    /// Work of a run counted as direct convolution, two operations a multiply-add.
    public let gigaflops: Double
    public private(set) var inputs: [HostTensor]
    public private(set) var outputs: [HostTensor]

    /// Compiles; runs nothing yet.
    ///
    /// - Parameter inputs: one tensor per input of the graph.
    /// - Throws: `ExecutionError`.
    public init(_ graph: Graph, parameters: Parameters, inputs: [HostTensor], executor: any Executor) throws {
        plan = try executor.compile(graph, parameters: parameters)
        gigaflops = Double(2 * graph.multiplyAdds) / 1e9
        self.inputs = inputs
        outputs = plan.outputShapes.map { HostTensor($0) }
    }

    /// Runs once, from host memory to host memory.
    ///
    /// - Returns: the milliseconds that it took.
    @discardableResult public func run() throws -> Double {
        let begin = secondsNow()
        try plan.run(inputs, into: &outputs)
        return (secondsNow() - begin) * 1000
    }

    /// Runs once to warm up, then `runs` times, or as often as fits into `seconds`, at least three times.
    ///
    /// - Returns: the milliseconds of each run, in order.
    public func times(runs: Int? = nil, seconds: Double = 5) throws -> [Double] {
        try run()
        return try times(runs, seconds) { try run() }
    }

    private func times(_ runs: Int?, _ seconds: Double, _ once: () throws -> Double) rethrows -> [Double] {
        var times: [Double] = []
        let start = secondsNow()
        while times.count < (runs ?? 3) || (runs == nil && secondsNow() - start < seconds && times.count < 1000) {
            times.append(try once())
        }
        return times
    }

    // MARK: On the device

    /// Copies the input to the device, runs there once to warm up, and copies the result back into `outputs`.
    ///
    /// - Returns: false where there is no device, or nothing can stay there.
    public func load() throws -> Bool {
        guard let plan = plan as? any ResidentPlan else { return false }
        try plan.load(inputs)
        try plan.runLoaded()
        try plan.unload(into: &outputs)
        return true
    }

    /// Runs once from the device's memory to the device's memory.
    ///
    /// - Precondition: `load` was called, and `run` was not since.
    /// - Returns: the milliseconds until the result was complete.
    public func runLoaded() throws -> Double {
        guard let plan = plan as? any ResidentPlan else { preconditionFailure("nothing was loaded") }
        let begin = secondsNow()
        try plan.runLoaded()
        return (secondsNow() - begin) * 1000
    }

    /// As `times`, from the device's memory to the device's memory; nil where there is no device.
    public func timesOnDevice(runs: Int? = nil, seconds: Double = 5) throws -> [Double]? {
        guard try load() else { return nil }
        return try times(runs, seconds) { try runLoaded() }
    }
}
