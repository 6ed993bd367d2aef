internal import CKernels
internal import Network
internal import Planning
internal import Tensor

extension PlanCompiler {
    mutating func appendCopy(
        _ name: String, from source: TensorPlace, to target: TensorPlace, sourceOffset: Int = 0, targetOffset: Int = 0,
        _ axes: [Axis]
    ) {
        var axes = Axis.merged(axes)
        // The last two axes are a block's inner loops; the others are what blocks divide.
        if axes.count == 1 { axes.insert(Axis(1, 0, 0), at: 0) }
        let total = axes.reduce(1) { $0 * $1.extent }
        if axes.count == 2 && axes[0].extent > 1 { axes.insert(Axis(1, 0, 0), at: 1) }
        if axes.count == 2 && total > 1 << 16 && total % 4096 == 0 {
            let last = axes[1]
            axes = [
                Axis(total / 4096, last.source * 4096, last.target * 4096), Axis(1, 0, 0),
                Axis(4096, last.source, last.target),
            ]
        }
        precondition(axes.count <= Int(ct_maximum_rank), "\(name) needs \(axes.count) axes")
        let outer = axes.dropLast(2).reduce(1) { $0 * $1.extent }
        let perBlock = max(1, 16384 * outer / max(1, total))
        let (source, target, all) = (source, target, axes)
        append(
            "\(name) \(total)", tensorKernels.pointee.copy, blocks: blocks(outer, perBlock), reads: [source],
            writes: [target]
        ) { (resolve) throws(ExecutionError) in
            var job = ct_copy_job()
            job.source = UnsafePointer(resolve(source) + sourceOffset)
            job.target = resolve(target) + targetOffset
            job.rank = Int32(all.count)
            fill(&job.extents, all.map(\.extent))
            fill(&job.source_strides, all.map(\.source))
            fill(&job.target_strides, all.map(\.target))
            (job.outer, job.per_block) = (Int64(outer), Int64(perBlock))
            return job
        }
    }

    /// Operations that only move elements.
    mutating func lowerMove(_ value: Value) throws(ExecutionError) {
        let node = graph[value]
        let target = try place(value)
        if case .concatenate = node.operation {
            let to = node.shape.strides
            var start = 0
            for operand in node.operands {
                let part = graph.shape(operand)
                let steps = part.strides
                appendCopy(
                    "concatenate", from: try place(operand), to: target, targetOffset: start,
                    part.dimensions.indices.map { Axis(part[$0], steps[$0], to[$0]) })
                start += part.channels
            }
            return
        }
        guard let move = StridedMove(node.operation, from: graph.shape(node.operands[0]), to: node.shape) else {
            preconditionFailure("\(node.operation.name) moves nothing")
        }
        appendCopy(
            node.operation.name, from: try place(node.operands[0]), to: target, sourceOffset: move.offset, move.axes)
    }

    // MARK: Sums

    mutating func lowerSum(_ value: Value) throws(ExecutionError) {
        let node = graph[value]
        let source = graph.shape(node.operands[0])
        // Runs of axes that are kept and of axes that are summed.
        var runs: [(extent: Int, summed: Bool)] = []
        for axis in 0..<source.rank where source[axis] != 1 {
            let summed = node.shape[axis] == 1
            if runs.last?.summed == summed {
                runs[runs.count - 1].extent *= source[axis]
            } else {
                runs.append((source[axis], summed))
            }
        }
        var current = try place(node.operands[0])
        if !runs.contains(where: \.summed) {
            try appendCopy("sum", from: current, to: place(value), [Axis(source.count, 1, 1)])
            return
        }
        while let position = runs.lastIndex(where: \.summed) {
            let outer = runs[..<position].reduce(1) { $0 * $1.extent }
            let inner = runs[(position + 1)...].reduce(1) { $0 * $1.extent }
            let rows = runs[position].extent
            runs.remove(at: position)
            let isLast = !runs.contains(where: \.summed)
            let target = isLast ? try place(value) : newBuffer(outer * inner)
            appendSum(from: current, to: target, outer: outer, rows: rows, inner: inner)
            current = target
        }
    }

    /// `[outer, rows, inner]` to `[outer, inner]`.
    mutating func appendSum(from source: TensorPlace, to target: TensorPlace, outer: Int, rows: Int, inner: Int) {
        let perPart = max(1, 16384 / inner)
        let parts = blocks(rows, perPart)
        let partial = parts == 1 ? target : newBuffer(outer * parts * inner)
        let perBlock = max(1, 16384 / (min(rows, perPart) * inner))
        append(
            "sum \(outer)x\(rows)x\(inner)", tensorKernels.pointee.sum, blocks: blocks(outer * parts, perBlock),
            reads: [source], writes: [partial]
        ) { (resolve) throws(ExecutionError) in
            ct_sum_job(
                source: resolve(source), target: resolve(partial), outer: Int64(outer), rows: Int64(rows),
                inner: Int64(inner), rows_per_part: Int64(perPart), parts: Int64(parts), per_block: Int64(perBlock))
        }
        if parts > 1 { appendFold(from: partial, to: target, outer: outer, parts: parts, inner: inner) }
    }

    /// `[outer, parts, inner]` to `[outer, inner]`, for few parts.
    mutating func appendFold(from source: TensorPlace, to target: TensorPlace, outer: Int, parts: Int, inner: Int) {
        let perBlock = 2048
        append(
            "fold \(outer)x\(parts)x\(inner)", tensorKernels.pointee.fold, blocks: blocks(outer * inner, perBlock),
            reads: [source], writes: [target]
        ) { (resolve) throws(ExecutionError) in
            ct_fold_job(
                source: resolve(source), target: resolve(target), outer: Int64(outer), parts: Int64(parts),
                inner: Int64(inner), per_block: Int64(perBlock))
        }
    }

    // MARK: Resampling

    mutating func lowerResampling(_ value: Value) throws(ExecutionError) {
        let node = graph[value]
        let source = graph.shape(node.operands[0])
        let (rows, columns) = (
            LineTable(node.operation, isRow: true, from: source.height, to: node.shape.height),
            LineTable(node.operation, isRow: false, from: source.width, to: node.shape.width)
        )
        let input = try place(node.operands[0])
        let target = try place(value)
        let shape = node.shape
        let perBlock = max(1, 8192 / max(1, shape.width * shape.channels))
        append(
            "\(node.operation.name) \(shape)", tensorKernels.pointee.resample,
            blocks: blocks(shape.batch * shape.height, perBlock), reads: [input], writes: [target],
            scratchFloats: source.width * source.channels
        ) { (resolve) throws(ExecutionError) in
            var job = ct_resample_job()
            (job.source, job.target) = (UnsafePointer(resolve(input)), resolve(target))
            (job.batch, job.source_height, job.source_width) = (
                Int64(source.batch), Int64(source.height), Int64(source.width)
            )
            (job.height, job.width, job.channels) = (Int64(shape.height), Int64(shape.width), Int64(shape.channels))
            job.per_block = Int64(perBlock)
            job.row_start = UnsafePointer(try resolve.memory.store(rows.starts))
            job.row_index = UnsafePointer(try resolve.memory.store(rows.indices))
            job.row_weight = UnsafePointer(try resolve.memory.store(rows.weights))
            job.column_start = UnsafePointer(try resolve.memory.store(columns.starts))
            job.column_index = UnsafePointer(try resolve.memory.store(columns.indices))
            job.column_weight = UnsafePointer(try resolve.memory.store(columns.weights))
            return job
        }
    }
}
