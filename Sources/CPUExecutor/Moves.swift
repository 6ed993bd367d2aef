internal import CKernels
internal import Network
internal import Planning
internal import Tensor

// Steps that move or resample pixels. Most are a table of source rows and one of source columns.

extension PlanCompiler {
    mutating func compile(_ step: MoveStep) throws(ExecutionError) {
        var input = try contiguous(step.input)
        let output = physical(step.output)
        let (height, width) = (step.output.height, step.output.width)
        let (sourceHeight, sourceWidth) = (step.input.height, step.input.width)
        let count = step.output.batch * height
        let rows = rowsPerBlock(count, elements: width * Int(output.extent))
        let title = "\(step.operation.name) \(step.output.channels) \(width)x\(height)"
        let blockCount = blocks(count, rows)

        func gather(_ rowIndex: [Int], _ columnIndex: [Int]) throws(ExecutionError) {
            let job = ck_gather_job(
                input: input, output: output, row_index: try memory.store(rowIndex.map { Int32($0) }),
                column_index: try memory.store(columnIndex.map { Int32($0) }), rows: Int64(rows))
            try append(title, kernels.pointee.gather, job, blocks: blockCount)
        }

        switch step.operation {
        case .sliceChannels(let start, _):
            input.data += start
            input.extent -= Int32(start)
            try gather(Array(0..<height), Array(0..<width))
        case .upsampleNearest(let factor):
            try gather((0..<height).map { $0 / factor }, (0..<width).map { $0 / factor })
        case .crop(let margins):
            try gather((0..<height).map { $0 + margins.top }, (0..<width).map { $0 + margins.left })
        case .pad(let margins, let mode):
            try gather(
                (0..<height).map { padded($0 - margins.top, sourceHeight, mode) },
                (0..<width).map { padded($0 - margins.left, sourceWidth, mode) })
        case .resize(_, _, .nearest):
            try gather(
                (0..<height).map { $0 * sourceHeight / height }, (0..<width).map { $0 * sourceWidth / width })
        case .resize(_, _, let filter):
            let (rowTaps, columnTaps) = (
                ResizeTaps(filter, from: sourceHeight, to: height), ResizeTaps(filter, from: sourceWidth, to: width)
            )
            let job = ck_resize_job(
                input: input, output: output, taps: Int32(rowTaps.taps), row_index: try memory.store(rowTaps.indices),
                column_index: try memory.store(columnTaps.indices), row_weight: try memory.store(rowTaps.weights),
                column_weight: try memory.store(columnTaps.weights), rows: Int64(rows))
            // One row of the input's width, and the vectors that reach past it.
            scratchBytes = max(scratchBytes, (sourceWidth * Int(input.pitch) + 64) * MemoryLayout<Float>.stride)
            try append(title, kernels.pointee.resize, job, blocks: blockCount)
        case .pixelShuffle(let factor):
            let job = ck_shuffle_job(input: input, output: logical(step), factor: Int32(factor), rows: Int64(rows))
            try append(title, kernels.pointee.shuffle, job, blocks: blockCount)
        case .pixelUnshuffle(let factor):
            let job = ck_shuffle_job(input: input, output: logical(step), factor: Int32(factor), rows: Int64(rows))
            try append(title, kernels.pointee.unshuffle, job, blocks: blockCount)
        default:
            preconditionFailure("\(step.operation.name) moves nothing")
        }
    }

    /// The output with its logical channel count.
    private func logical(_ step: MoveStep) -> ck_view {
        var view = physical(step.output)
        view.channels = Int32(step.output.channels)
        return view
    }

    /// The source of position `index`, which may lie outside `0 ..< count`; -1 for zero.
    private func padded(_ index: Int, _ count: Int, _ mode: PadMode) -> Int {
        switch mode {
        case .zero: return (0..<count).contains(index) ? index : -1
        case .reflect:
            if count == 1 { return 0 }
            let period = 2 * (count - 1)
            let phase = ((index % period) + period) % period
            return min(phase, period - phase)
        }
    }
}
