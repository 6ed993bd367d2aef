internal import CKernels
internal import Network
internal import Planning
internal import Tensor

// What steps on views have in common: pointers into the arena, the way to and from dense tensors, and what is done to a
// result before it is stored.

extension PlanCompiler {
    func pointer(_ view: View) -> UnsafeMutablePointer<Float> {
        pointer(.buffer(view.buffer)) + view.segments[0].offset
    }

    /// The view with all channels from its first segment to its last one, gaps included.
    func physical(_ view: View) -> ck_view {
        ck_view(
            data: pointer(view), batch: Int64(view.batch), height: Int64(view.height), width: Int64(view.width),
            pitch: Int64(view.pitch), channels: Int32(view.physicalChannels.count),
            extent: Int32(view.physicalChannels.count))
    }

    /// The view with its logical channels side by side and at least `lanes` lanes a pixel; where that is not so, it is
    /// copied first. Lanes of the copy that are no channel's are zero.
    mutating func contiguous(_ view: View, lanes: Int = 0) throws(ExecutionError) -> ck_view {
        var result = physical(view)
        result.channels = Int32(view.channels)
        if view.channelMap == Array(0..<view.channels), view.physicalChannels.count >= lanes { return result }

        let pitch = (max(view.channels, lanes) + 15) / 16 * 16
        let packed = try memory.allocate(Float.self, count: view.pixels * pitch + Self.slack)
        var start = 0
        for segment in view.segments {
            let rows = rowsPerBlock(view.batch * view.height, elements: view.width * segment.count)
            let job = ck_transfer_job(
                dense: packed + start, dense_channels: Int64(pitch), view: self.segment(segment, of: view),
                rows: Int64(rows))
            try append(
                "gather \(view.height)x\(view.width)", kernels.pointee.download, job,
                blocks: blocks(view.batch * view.height, rows))
            start += segment.count
        }
        result.data = packed
        result.pitch = Int64(pitch)
        result.extent = Int32(pitch)
        return result
    }

    private func segment(_ segment: ChannelSegment, of view: View) -> ck_view {
        var part = view
        part.segments = [segment]
        var result = physical(part)
        result.channels = Int32(segment.count)
        result.extent = Int32(segment.extent)
        return result
    }

    // MARK: Layouts

    /// A job for each segment of a view: its channels from or to those of a dense tensor, whose address is still missing.
    private func transfers(_ view: View) -> (jobs: [ck_transfer_job], starts: [Int], blocks: Int) {
        var jobs: [ck_transfer_job] = []
        var starts: [Int] = []
        var start = 0
        let rows = rowsPerBlock(view.batch * view.height, elements: view.width * view.channels)
        for segment in view.segments {
            jobs.append(
                ck_transfer_job(
                    dense: nil, dense_channels: Int64(view.channels), view: self.segment(segment, of: view),
                    rows: Int64(rows)))
            starts.append(start)
            start += segment.count
        }
        return (jobs, starts, blocks(view.batch * view.height, rows))
    }

    /// The way of a caller's tensor; `place` is where it lies if it is no view.
    func transfer(_ port: Port, _ place: TensorPlace?, _ kernel: ck_kernel?) throws(ExecutionError) -> Transfer {
        guard let view = port.view else { return Transfer(dense: place.map(pointer)) }
        let (jobs, starts, blocks) = transfers(view)
        let stored = try memory.store(jobs)
        let steps = jobs.indices.map { ck_step(run: kernel, job: stored + $0, blocks: Int64(blocks), needs: nil) }
        return Transfer(
            jobs: UnsafeMutableBufferPointer(start: stored, count: jobs.count),
            steps: UnsafeMutableBufferPointer(start: try memory.store(steps), count: steps.count), starts: starts)
    }

    mutating func compile(_ step: LayoutStep) throws(ExecutionError) {
        let (jobs, starts, blocks) = transfers(step.view)
        let kernel = step.makesView ? kernels.pointee.upload : kernels.pointee.download
        let tensor = pointer(.buffer(step.tensor))
        for (job, start) in zip(jobs, starts) {
            var job = job
            job.dense = tensor + start
            try append(
                "\(step.makesView ? "pad" : "pack") \(step.view.channels) \(step.view.width)x\(step.view.height)",
                kernel, job, blocks: blocks)
        }
    }

    // MARK: Results

    /// A result's way into `view`, with stages. `laneOf` tells for each logical channel of the result before the pixel
    /// shuffle which lane a kernel has to compute it in.
    mutating func output(
        _ view: View, shuffle: Int = 1, bias: String? = nil, stages: [PointwiseStage]
    ) throws(ExecutionError) -> (output: ck_output, laneOf: [Int]) {
        precondition(view.segments.count == 1, "a step writes one run of channels")
        let target = physical(view)
        let group = Int(target.extent)
        let channels = view.channels
        let lanes = (group * shuffle * shuffle + 15) / 16 * 16

        var result = ck_output()
        result.view = target
        result.view.channels = Int32(channels)
        (result.shuffle, result.group, result.lanes) = (Int32(shuffle), Int32(group), Int32(lanes))

        // Channel c of sub-pixel s stands in channel c * shuffle² + s before the shuffle.
        let subs = shuffle * shuffle
        let laneOf = (0..<channels * subs).map { $0 % subs * group + $0 / subs }
        if let bias {
            var padded = [Float](repeating: 0, count: lanes)
            for (index, value) in parameters[bias]!.values.enumerated() { padded[laneOf[index]] = value }
            result.bias = UnsafePointer(try memory.store(padded))
        }
        var compiled: [ck_stage] = []
        for stage in stages {
            compiled.append(try compile(stage, group: group, subs: subs, lanes: lanes))
            // Padding lanes become zero: the next convolution multiplies them by zero weights, and infinity times zero is not
            // a number.
            if let function = stage.function, !function.row.isSafeOnPadding, channels < group {
                let used = (0..<lanes).map { $0 < group * subs && $0 % group < channels ? Float(1) : 0 }
                var mask = ck_stage()
                (mask.source, mask.vector) = (CK_VECTOR, UnsafePointer(try memory.store(used)))
                (mask.target, mask.left) = (Int32(stage.target), Int32(stage.target))
                compiled.append(mask)
            }
        }
        result.uses_registers = stages.contains { !$0.isChained }
        precondition(compiled.count <= Int(ck_maximum_stages), "\(compiled.count) stages in one step")
        for (index, stage) in compiled.enumerated() {
            withUnsafeMutableBytes(of: &result.stages) { bytes in
                bytes.assumingMemoryBound(to: ck_stage.self)[index] = stage
            }
        }
        result.stage_count = Int32(compiled.count)
        return (result, laneOf)
    }

    private mutating func compile(
        _ stage: PointwiseStage, group: Int, subs: Int, lanes: Int
    ) throws(ExecutionError) -> ck_stage {
        var result = ck_stage()
        result.upsampling = 1
        func vector(_ name: String) throws(ExecutionError) -> UnsafePointer<Float> {
            let values = parameters[name]!.values
            var padded = [Float](repeating: 0, count: lanes)
            for sub in 0..<subs {
                // A vector of one number holds for all channels; `prelu` may name such.
                for channel in 0..<group where channel < values.count || values.count == 1 {
                    padded[sub * group + channel] = values.count == 1 ? values[0] : values[channel]
                }
            }
            return UnsafePointer(try memory.store(padded))
        }
        if let function = stage.function {
            result.function = ck_function(rawValue: UInt32(function.code))
            let numbers = function.numbers + [0, 0, 0]
            (result.a, result.b, result.c) = (numbers[0], numbers[1], numbers[2])
        }
        (result.target, result.left) = (Int32(stage.target), Int32(stage.left))
        switch stage.source {
        case .none: break
        case .register(let register): (result.source, result.right) = (CK_REGISTER, Int32(register))
        case .vector(let name): (result.source, result.vector) = (CK_VECTOR, try vector(name))
        case .operand(let view, let upsampling):
            result.source = CK_OPERAND
            (result.operand, result.upsampling) = (try contiguous(view, lanes: group), Int32(upsampling))
        }
        return result
    }

    mutating func compile(_ step: MapStep) throws(ExecutionError) {
        let input = try contiguous(step.input, lanes: step.output.physicalChannels.count)
        let (output, _) = try output(step.output, stages: step.stages)
        let count = step.output.batch * step.output.height
        let rows = rowsPerBlock(count, elements: step.output.width * Int(output.lanes))
        var access = BlockAccess(blocks: blocks(count, rows))
        for block in 0..<blocks(count, rows) {
            let done = block * rows..<min((block + 1) * rows, count)
            access.reads(input, rows: done, in: block)
            access.ends(output, rows: done, in: block)
        }
        try append(
            "map \(step.output.channels) \(step.output.width)x\(step.output.height)", kernels.pointee.map,
            ck_map_job(input: input, output: output, rows: Int64(rows)), blocks: blocks(count, rows), access: access)
    }
}
