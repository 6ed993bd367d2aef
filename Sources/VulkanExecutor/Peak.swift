internal import Compute
public import Network

extension VulkanExecutor: PeakMeasuringExecutor {
    /// Of what convolutions multiply with: cooperative matrices, or vectors in single precision.
    public func measurePeak() throws -> MultiplicationPeak {
        try peak(multiplication, halfSums.use == .never ? .single : .half)
    }

    /// - Parameters:
    ///   - multiplication: with matrices, where the device has them; or with vectors in single precision.
    ///   - sums: of matrices.
    func peak(_ multiplication: Multiplication, _ sums: SumPrecision = .single) throws -> MultiplicationPeak {
        try translatingErrors {
            let matrices = sums == .half ? "peak.matrices.half" : "peak.matrices"
            let fragment = MatrixFragment.sizes(device.capabilities, halfSums: sums == .half).first
            let usesMatrices =
                multiplication == .matrices && fragment != nil && KernelLibrary.code("\(matrices).fp16") != nil
            let size = fragment ?? MatrixFragment()
            let subgroup = device.capabilities.subgroupSize
            // Four subgroups, or what is usual where subgroups do not matter.
            let group = usesMatrices ? 4 * subgroup : 128
            let rounds = 256
            // A matrix product is a subgroup's work.
            let independent = 8
            let perGroup =
                rounds * independent * (usesMatrices ? 4 * size.pixels * size.channels * size.depth : group * 4)
            var constants = [UInt32](repeating: 0, count: 52)
            for index in 1...7 { constants[index] = 1 }
            constants[0] = UInt32(group)
            for (index, number) in [rounds, size.pixels, size.channels, size.depth].enumerated() {
                constants[48 + index] = UInt32(number)
            }
            let pipeline = try kernels.pipeline(
                Kernel(
                    shader: usesMatrices ? matrices : "peak", precision: usesMatrices ? .fp16 : .fp32,
                    subgroupSize: usesMatrices ? subgroup : nil, constants: constants))
            // The sums of a workgroup, or of one subgroup.
            let scratch = try DeviceBuffer(
                device, bytes: independent * (usesMatrices ? size.pixels * size.channels * 4 : group * 16))

            var best = 0.0
            // Enough groups to fill the device, found by doubling until a run is long against its start.
            var groups = 32
            var long = 0
            while long < 3 {
                let recorder = try CommandRecorder(
                    device, dispatches: 1, storageBuffers: KernelLibrary.bindings)
                var words = [UInt32](repeating: 0, count: KernelLibrary.pushConstantWords)
                // Below 1, so that sums stay finite.
                words[21] = 1
                try recorder.dispatch(
                    pipeline, Array(repeating: .writing(scratch.slice()), count: KernelLibrary.bindings),
                    pushConstants: words, groups: (groups, 1, 1))
                let commands = try recorder.finish()
                let clock = ContinuousClock()
                var failure: (any Error)?
                let elapsed = clock.measure { do { try commands.run() } catch { failure = error } }
                if let failure { throw failure }
                let seconds = elapsed / .seconds(1)
                best = max(best, 2 * Double(groups * perGroup) / seconds)
                if seconds > 0.02 || groups >= device.capabilities.maximumGroups[0] / 2 {
                    long += 1
                } else {
                    groups *= 2
                }
            }
            return MultiplicationPeak(
                flops: best,
                unit: usesMatrices
                    ? "matrices of \(size.pixels)x\(size.channels)x\(size.depth), fp16 with \(sums == .half ? "fp16" : "fp32") sums"
                    : "vectors, fp32")
        }
    }
}
