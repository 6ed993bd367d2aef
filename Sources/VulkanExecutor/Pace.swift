internal import Compute
internal import Network
internal import Tensor

/// How much work a submission may hold.
///
/// Drivers reset a device whose submission takes too long: after 2 s on Windows (TDR) and with amdgpu on some kernels
/// (ggml-org/llama.cpp#21724), and what shares the device with a screen stutters much earlier. How long a piece of work
/// takes differs by a factor of a thousand between devices, so it is measured.
enum Pace {
    /// Seconds of one submission at most, at the measured pace: a layer that is four times as slow stays within a second.
    static let seconds = 0.25
    /// Multiply-adds of a submission where no pace is known: half a second of the slowest GPUs that are of use here.
    static let unknownWork = 20_000_000_000
    /// Software drivers have no such limit; what a submission costs there does not matter either.
    static let softwareWork = 200_000_000_000

    /// Multiply-adds of one submission on a device of so many multiply-adds a second.
    static func work(_ pace: Double) -> Int { Int(min(max(pace * seconds, 1e9), 4e12)) }
}

extension VulkanExecutor {
    /// How much faster than vectors matrices must multiply; what they cost in padding, and some. Drivers that compute them
    /// with vectors do not reach 1.
    static let worthwhileMatrices = 1.2

    /// Whether matrices multiply faster than vectors do: measured once, and kept with the tiles. True where nothing is
    /// measured.
    func matricesPay() -> Bool {
        let gain = try? tiles.figure("matrices") { try peak(.matrices).flops / peak(.vectors).flops }
        return gain.map { $0 >= VulkanExecutor.worthwhileMatrices } ?? true
    }

    func chosenSubmissionWork() -> Int {
        if isSoftware { return Pace.softwareWork }
        let pace = try? tiles.figure("pace-\(precision.rawValue)-\(multiplication)") { try measuredPace() }
        return pace.map(Pace.work) ?? Pace.unknownWork
    }

    /// Multiply-adds a second of the layer that most networks consist of, 64 to 64 channels of 256x256 pixels.
    func measuredPace() throws -> Double {
        try translatingErrors {
            var builder = GraphBuilder()
            let x = builder.input("x", .nhwc(1, 256, 256, 64))
            let graph = builder.finish([builder.convolution(x, "c", to: 64)])
            var parameters: Parameters = [:]
            for (name, shape) in graph.parameters { parameters[name] = HostTensor(shape) }
            let plan = try VulkanPlan(self, graph, parameters, precision)
            try plan.load([HostTensor(graph.shape(graph.inputs[0]))])
            let clock = ContinuousClock()
            var fastest = Double.infinity
            for _ in 0..<3 {
                let start = clock.now
                try plan.runLoaded()
                fastest = min(fastest, (clock.now - start) / .seconds(1))
            }
            return Double(256 * 256 * 64 * 64 * 9) / max(fastest, 1e-9)
        }
    }
}
