internal import CKernels
public import Network

extension CPUExecutor: PeakMeasuringExecutor {
    /// Multiply-adds in single precision, on registers alone, on all threads at once: the best of about half a second.
    public func measurePeak() throws -> MultiplicationPeak {
        let memory = PlanMemory(device: name)
        let kernels = ck_kernels_for(instructionSet.code)!.pointee
        let blocks = threads * 16
        var job = ck_peak_job(iterations: 1 << 14, factor: 0.5)
        let stored = try memory.store([job])
        let step = try memory.store([ck_step(run: kernels.peak, job: stored, blocks: Int64(blocks), needs: nil)])
        let steps = UnsafeBufferPointer(start: step, count: 1)
        let state = UnsafeMutableRawPointer(try memory.allocate(UInt8.self, count: pool.stateBytes(steps)))
        var vectors: [UnsafeMutableRawPointer?] = []
        for _ in 0..<threads { vectors.append(UnsafeMutableRawPointer(try memory.allocate(Float.self, count: 64))) }
        let scratch = UnsafePointer(try memory.store(vectors))
        let seconds = try memory.allocate(Double.self, count: 1)

        var best = 0.0
        var spent = 0.0
        pool.exclusively {
            while spent < 0.5 {
                pool.run(steps, scratch: scratch, state: state, seconds: seconds)
                spent += seconds[0]
                best = max(best, kernels.peak_flops * Double(job.iterations) * Double(blocks) / seconds[0])
                // Long enough that starting threads weighs nothing.
                if seconds[0] < 0.02 {
                    job.iterations *= 2
                    stored[0] = job
                    best = 0
                }
            }
        }
        return MultiplicationPeak(
            flops: best, unit: "fp32 multiply-adds, \(instructionSet.rawValue), \(threads) threads")
    }
}
