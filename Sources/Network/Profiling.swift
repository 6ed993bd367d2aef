public import Tensor

/// What one step of a plan did and how long it took.
public struct LayerTiming: Sendable, Hashable {
    /// What kind of step it is, for adding up.
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        case convolution
        /// Activations, sums and copies that no convolution took in.
        case pointwise
        /// Pixels or channels moved or resampled.
        case move
        /// Between the caller's memory and the executor's.
        case transfer
    }

    /// For people: "convolution 64->64 320x180 winograd 6x6".
    public let name: String
    public let kind: Kind
    public let seconds: Double
    /// Multiply-adds counted as direct convolution; 0 for other steps.
    public let multiplyAdds: Int
    /// Bytes that the step must move at the least: each activation and weight once, as they are stored.
    public let bytes: Int

    public init(name: String, kind: Kind, seconds: Double, multiplyAdds: Int, bytes: Int) {
        (self.name, self.kind, self.seconds) = (name, kind, seconds)
        (self.multiplyAdds, self.bytes) = (multiplyAdds, bytes)
    }

    public var milliseconds: Double { seconds * 1000 }
    /// Effective rate: two operations a multiply-add, whatever the kernel really did.
    public var gigaflops: Double { seconds > 0 ? Double(multiplyAdds) * 2e-9 / seconds : 0 }
    public var gigabytesPerSecond: Double { seconds > 0 ? Double(bytes) * 1e-9 / seconds : 0 }
}

/// A plan that can say where its time goes.
public protocol ProfilingPlan: Plan {
    /// Runs the graph once, as `run` does but perhaps more slowly, and times every step of it, in order.
    ///
    /// - Throws: `ExecutionError` as `run` does, and where the device has no clock for its work.
    func profile(_ inputs: [HostTensor]) throws -> [LayerTiming]
}

/// A plan that can run on pictures that lie on the device: what a network costs without the way there and back, which is
/// how other engines for GPUs are timed.
public protocol ResidentPlan: Plan {
    /// Copies inputs to the device, where they stay. Runs once as `run` does.
    ///
    /// - Throws: `ExecutionError`, as `run` does, and where the device has no room for a second set of inputs and outputs.
    func load(_ inputs: [HostTensor]) throws

    /// Runs once on what was loaded, and blocks until the results are complete in the device's memory.
    ///
    /// - Precondition: something was loaded, and the plan has not run on other inputs since.
    func runLoaded() throws

    /// Copies the results of the last `runLoaded` to the host.
    func unload(into outputs: inout [HostTensor]) throws
}

/// The rate at which a device multiplies when it does nothing else: the denominator of "share of peak".
public struct MultiplicationPeak: Sendable, Hashable {
    /// Operations a second, two a multiply-add.
    public let flops: Double
    /// What was measured: "16x16x16 matrices, fp16 with fp32 sums".
    public let unit: String

    public init(flops: Double, unit: String) { (self.flops, self.unit) = (flops, unit) }
}

/// An executor that can measure its device's peak.
public protocol PeakMeasuringExecutor: Executor {
    /// Runs a kernel of nothing but multiply-adds for a second at most, and returns the best rate.
    ///
    /// - Throws: `ExecutionError`.
    func measurePeak() throws -> MultiplicationPeak
}
