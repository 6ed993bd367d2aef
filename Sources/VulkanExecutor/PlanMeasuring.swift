internal import Compute
public import Network
public import Tensor

/// What a network costs, layer by layer and without the way to the device and back.
extension VulkanPlan: ProfilingPlan, ResidentPlan, TimedPlan {
    public func profile(_ inputs: [HostTensor]) throws -> [LayerTiming] {
        guard executor.device.capabilities.timestampNanoseconds > 0 else {
            throw ExecutionError.device(device: executor.device.name, message: "it has no clock for compute work")
        }
        let (plan, memory) = try settled(inputs)
        if plan !== self { return try plan.profile(inputs) }
        return try translatingErrors {
            let slot = try FrameSlot(executor, memory, isTimed: true, isResident: true)
            for _ in 0..<2 {
                try slot.fill { VulkanPlan.copy(inputs, to: $0) }
                try slot.submit()
                _ = try slot.finish()
            }
            var timings: [LayerTiming] = []
            var places: [Int: Int] = [:]
            for (step, seconds) in zip(memory.steps, try slot.stepSeconds()) {
                guard case .launch(let launch) = step else {
                    if case .dispatches(let step, _) = step {
                        timings.append(
                            LayerTiming(
                                name: step.name, kind: step.multiplyAdds > 0 ? .convolution : step.kind,
                                seconds: seconds, multiplyAdds: step.multiplyAdds, bytes: step.leastBytes))
                    }
                    continue
                }
                // The strips of a step are one line.
                let place = places[launch.step] ?? timings.count
                places[launch.step] = place
                let before = place < timings.count ? timings[place] : nil
                let timing = LayerTiming(
                    name: launch.label, kind: launch.kind, seconds: seconds + (before?.seconds ?? 0),
                    multiplyAdds: (launch.kind == .convolution ? launch.work : 0) + (before?.multiplyAdds ?? 0),
                    bytes: launch.leastBytes + (before?.bytes ?? 0))
                if before == nil { timings.append(timing) } else { timings[place] = timing }
            }
            return timings
        }
    }

    /// Runs as usual first, for nothing may be in flight beside what is measured, and its numbers must fit.
    ///
    /// - Returns: whose numbers do: this plan, or the one in single precision.
    private func settled(_ inputs: [HostTensor]) throws -> (plan: VulkanPlan, memory: PlanMemory) {
        var outputs = outputShapes.map { HostTensor($0) }
        try run(inputs, into: &outputs)
        let plan = fallback ?? self
        guard let memory = plan.memory else { preconditionFailure("there is a fallback where there is no memory") }
        return (plan, memory)
    }

    /// The steps of the latest run; empty where the device has no clock, and for plans without a state, whose runs are not
    /// timed.
    public var stepTimings: [(name: String, milliseconds: Double)] {
        guard let memory, let seconds = timedSeconds else { return [] }
        return zip(memory.steps, seconds).map { ($0.label, $1 * 1000) }
    }

    // MARK: On the device

    public func load(_ inputs: [HostTensor]) throws {
        precondition(inputs.map(\.shape) == inputShapes, "inputs are \(inputs.map(\.shape)), expected \(inputShapes)")
        let (plan, memory) = try settled(inputs)
        if plan !== self { return try plan.load(inputs) }
        try translatingErrors {
            let slot = try resident ?? FrameSlot(executor, memory, isResident: true)
            try slot.fill { VulkanPlan.copy(inputs, to: $0) }
            resident = slot
        }
    }

    public func runLoaded() throws {
        if let fallback { return try fallback.runLoaded() }
        guard let resident else { preconditionFailure("nothing was loaded") }
        try translatingErrors {
            try resident.submit()
            // Loading has shown that numbers fit.
            _ = try resident.finish()
        }
    }

    public func unload(into outputs: inout [HostTensor]) throws {
        if let fallback { return try fallback.unload(into: &outputs) }
        precondition(outputs.map(\.shape) == outputShapes, "outputs are \(outputs.map(\.shape))")
        guard let resident else { preconditionFailure("nothing was loaded") }
        try translatingErrors { try resident.read { VulkanPlan.copy($0, to: &outputs) } }
    }
}
