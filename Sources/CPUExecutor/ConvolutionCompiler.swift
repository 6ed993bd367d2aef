internal import CKernels
internal import COpenBLAS
internal import Network
internal import Planning
internal import Tensor

/// What the choice of convolution kernels may be told.
struct ConvolutionOptions: Sendable {
    /// A kernel for every convolution that it can do, instead of the one expected to be fastest; for tests.
    var kernel: ConvolutionKernel?
}

enum ConvolutionKernel: String, Sendable, CaseIterable {
    /// F(6x6, 3x3): 5.1 times fewer multiplications than directly; errors of some 1e-5 of a layer's results.
    case winograd6
    /// F(4x4, 3x3): 4 times fewer; errors some six times smaller. `WinogradChoice.swift` says when.
    case winograd4
    /// im2col and this package's product kernel: everything with one group.
    case narrow
    /// im2col and a matrix product by OpenBLAS: the same, never chosen, because it was slower for every shape measured
    /// (`upframe-bench operations`: 1.2 to 1.9 times); kept as a second opinion for tests.
    case product
    /// Plain loops: everything.
    case grouped
}

extension PlanCompiler {
    mutating func compile(_ step: ConvolutionStep) throws(ExecutionError) {
        switch kernel(for: step) {
        case .winograd6: try compileWinograd(step, tile: 6)
        case .winograd4: try compileWinograd(step, tile: 4)
        case .narrow: try compileProduct(step, narrow: true)
        case .product: try compileProduct(step, narrow: false)
        case .grouped: try compileGrouped(step)
        }
    }

    func kernel(for step: ConvolutionStep) -> ConvolutionKernel {
        if let wanted = options.kernel, can(wanted, step) { return wanted }
        if step.groups > 1 { return .grouped }
        guard can(.winograd6, step) else { return .narrow }
        let isSmall = Self.prefers4(height: step.resultHeight, width: step.resultWidth)
        return isSmall || imprecise.contains(step.weight) ? .winograd4 : .winograd6
    }

    func can(_ kernel: ConvolutionKernel, _ step: ConvolutionStep) -> Bool {
        switch kernel {
        case .grouped: return true
        case .product, .narrow: return step.groups == 1
        case .winograd4, .winograd6:
            let square = step.weightShape[2] == 3 && step.weightShape[3] == 3
            return square && step.stride == 1 && step.padding == 1 && step.groups == 1
                && step.input.physicalChannels.count % 16 == 0
        }
    }

    func title(_ step: ConvolutionStep, _ kernel: String) -> String {
        let size = "\(step.resultWidth)x\(step.resultHeight)"
        let shape = step.weightShape
        let form = shape[2] == 3 && shape[3] == 3 && step.stride == 1 ? "" : " k\(shape[2])x\(shape[3]) s\(step.stride)"
        return "convolution \(shape[1] * step.groups)->\(shape[0])\(form) \(size) \(kernel)"
    }

    /// The common part of the kernels that gather their input tap by tap.
    private mutating func gathering(
        _ step: ConvolutionStep, input: ck_view, output: ck_output, pixels: Int
    ) -> ck_im2col_job {
        ck_im2col_job(
            input: input, output: output, upsampling: Int32(step.inputUpsampling), stride: Int32(step.stride),
            padding: Int32(step.padding), kernel_height: Int32(step.weightShape[2]),
            kernel_width: Int32(step.weightShape[3]), channels: input.extent, result_height: Int64(step.resultHeight),
            result_width: Int64(step.resultWidth), pixels: Int64(pixels), weights: nil, kernels: kernels)
    }

    private mutating func compileProduct(_ step: ConvolutionStep, narrow: Bool) throws(ExecutionError) {
        let input = physical(step.input)
        let (output, laneOf) = try output(
            step.output, shuffle: step.pixelShuffle, bias: step.bias, stages: step.stages)
        let weight = parameters[step.weight]!
        let (outputs, inputs) = (step.weightShape[0], step.weightShape[1])
        let taps = step.weightShape[2] * step.weightShape[3]
        let depth = taps * Int(input.extent)
        let lanes = Int(output.lanes)

        // [O, I, tap] to [tap, physical channel, lane], for the own kernel in panels of lanes.
        let widest = kernels.pointee.panel_lanes
        func place(_ row: Int, _ lane: Int) -> Int {
            if !narrow { return row * lanes + lane }
            let (chunk, rest) = (lane / 64 * 64, lane % 64)
            let panel = Int(ck_panel(Int32(min(64, lanes - chunk)), widest))
            return chunk * depth + rest / panel * panel * depth + row * panel + rest % panel
        }
        let packed = try memory.allocate(Float.self, count: depth * lanes)
        let channelMap = step.input.channelMap
        for o in 0..<outputs {
            for i in 0..<inputs {
                for tap in 0..<taps {
                    packed[place(tap * Int(input.extent) + channelMap[i], laneOf[o])] =
                        weight.values[(o * inputs + i) * taps + tap]
                }
            }
        }

        // A block's matrix and results stay in the second-level cache. The number of threads plays no part: OpenBLAS sums
        // in an order that depends on the number of rows, and results shall not depend on the machine's cores.
        let total = step.output.batch * step.resultHeight * step.resultWidth
        let fitting = max(8, (narrow ? depth <= 128 ? 16 : 48 : 96) * 1024 / (depth + lanes))
        let pixels = max(1, min(fitting, blocks(total, 16)))
        scratchBytes = max(scratchBytes, (pixels * (depth + lanes) + 64) * MemoryLayout<Float>.stride)
        var job = gathering(step, input: input, output: output, pixels: pixels)
        job.weights = UnsafePointer(packed)
        try append(
            title(step, narrow ? "narrow" : "product"), narrow ? kernels.pointee.narrow : productKernel, job,
            blocks: blocks(total, pixels), multiplyAdds: step.multiplyAdds,
            access: .gathering(job, blocks: blocks(total, pixels)))
    }

    private mutating func compileGrouped(_ step: ConvolutionStep) throws(ExecutionError) {
        let input = try contiguous(step.input)
        let (output, laneOf) = try output(
            step.output, shuffle: step.pixelShuffle, bias: step.bias, stages: step.stages)
        let weight = parameters[step.weight]!
        let (outputs, inputs) = (step.weightShape[0], step.weightShape[1])
        let taps = step.weightShape[2] * step.weightShape[3]
        // [O, I, tap] to [O, tap, I].
        let packed = try memory.allocate(Float.self, count: weight.shape.count)
        for o in 0..<outputs {
            for i in 0..<inputs {
                for tap in 0..<taps {
                    packed[(o * taps + tap) * inputs + i] = weight.values[(o * inputs + i) * taps + tap]
                }
            }
        }
        let total = step.output.batch * step.resultHeight * step.resultWidth
        let pixels = max(1, min(64, blocks(total, 16)))
        scratchBytes = max(scratchBytes, (pixels * Int(output.lanes) + 64) * MemoryLayout<Float>.stride)
        var base = gathering(step, input: input, output: output, pixels: pixels)
        base.weights = UnsafePointer(packed)
        let job = ck_grouped_job(
            base: base, groups: Int32(step.groups), group_inputs: Int32(inputs),
            group_outputs: Int32(outputs / step.groups), lane_of: try memory.store(laneOf.map { Int32($0) }))
        try append(
            title(step, "grouped"), kernels.pointee.grouped, job, blocks: blocks(total, pixels),
            multiplyAdds: step.multiplyAdds, access: .gathering(base, blocks: blocks(total, pixels)))
    }
}

/// One block of a convolution as a matrix product: [pixels, depth] x [depth, lanes].
private let productKernel: ck_kernel = { job, scratch, block, _ in
    let pointer = job!.assumingMemoryBound(to: ck_im2col_job.self)
    let job = pointer.pointee
    let total = job.input.batch * job.result_height * job.result_width
    let rows = min(job.pixels, total - block * job.pixels)
    let depth = Int32(job.kernel_height * job.kernel_width * job.channels)
    let lanes = job.output.lanes
    let matrix = scratch!.assumingMemoryBound(to: Float.self)
    let results = matrix + Int(job.pixels) * Int(depth)
    job.kernels.pointee.im2col(pointer, matrix, block)
    cblas_sgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rows), lanes, depth, 1, matrix, depth, job.weights, lanes, 0,
        results, lanes)
    job.kernels.pointee.finish(pointer, results, block)
}
