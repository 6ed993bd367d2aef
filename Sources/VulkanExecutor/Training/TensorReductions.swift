internal import Network
internal import Planning
internal import Tensor

extension TensorCompiler {
    mutating func lowerSum(_ value: Value) {
        let node = graph[value]
        let source = graph.shape(node.operands[0])
        // Runs of axes that are kept and of axes that are summed.
        var runs: [(extent: Int, isSummed: Bool)] = []
        for axis in 0..<source.rank where source[axis] != 1 {
            let isSummed = node.shape[axis] == 1
            if runs.last?.isSummed == isSummed {
                runs[runs.count - 1].extent *= source[axis]
            } else {
                runs.append((source[axis], isSummed))
            }
        }
        let joins = joins(source)
        var current = operand(node.operands[0])
        if !runs.contains(where: \.isSummed) {
            let target = operand(value)
            appendCopy(from: current, to: target, [], count: source.count, joins: joins)
            return
        }
        while let position = runs.lastIndex(where: \.isSummed) {
            let outer = runs[..<position].reduce(1) { $0 * $1.extent }
            let inner = runs[(position + 1)...].reduce(1) { $0 * $1.extent }
            let rows = runs[position].extent
            runs.remove(at: position)
            let isLast = !runs.contains(where: \.isSummed)
            let target = isLast ? operand(value) : reference(newBuffer(outer * inner), count: outer * inner)
            appendSum(from: current, to: target, outer: outer, rows: rows, inner: inner, joins: joins)
            current = target
        }
    }

    /// `[outer, rows, inner]` to `[outer, inner]`.
    mutating func appendSum(
        from source: TensorReference, to target: TensorReference, outer: Int, rows: Int, inner: Int, joins: Bool
    ) {
        func powerOfTwo(_ count: Int, most: Int) -> Int {
            var power = 1
            while power < count && power < most { power *= 2 }
            return power
        }
        let innerLanes = powerOfTwo(inner, most: min(64, threads))
        // Where one pass has too few workgroups for a large device and each much to do, it is two.
        let results = outer * blocks(inner, innerLanes)
        let perLane = 16
        let least = threads / innerLanes * perLane
        let parts = max(1, min(1024 / max(1, results), rows / least))
        let perPart = blocks(rows, parts)
        let used = blocks(rows, perPart)
        let rowLanes = powerOfTwo(blocks(perPart, 4), most: threads / innerLanes)
        let partial =
            used == 1 ? target : reference(newBuffer(outer * used * inner), count: outer * used * inner)
        let outerLanes = threads / (innerLanes * rowLanes)
        let row = DeviceStep.Rows.Row(
            words: [outer, rows, inner, perPart, used].map { UInt32($0) }, tensors: [source, partial],
            blocks: blocks(outer, outerLanes) * used * blocks(inner, innerLanes))
        let constants = [threads, innerLanes, rowLanes].map { UInt32($0) }
        appendRows(
            "sum \(outer)x\(rows)x\(inner)",
            .shader("tensor_sum" + (source.isHalf ? ".from_half" : ""), constants: constants), [row], writes: 1,
            joins: joins)
        if used > 1 { appendSum(from: partial, to: target, outer: outer, rows: used, inner: inner, joins: joins) }
    }

    mutating func lowerResampling(_ value: Value) {
        let node = graph[value]
        let source = graph.shape(node.operands[0])
        let shape = node.shape
        var words: [UInt32] = []
        func append(_ table: LineTable) {
            let entriesAt = words.count + table.starts.count
            words += table.starts.map { UInt32(entriesAt + Int($0) * 2) }
            for (index, weight) in zip(table.indices, table.weights) { words += [UInt32(index), weight.bitPattern] }
        }
        append(LineTable(node.operation, isRow: true, from: source.height, to: shape.height))
        let columnsAt = words.count
        append(LineTable(node.operation, isRow: false, from: source.width, to: shape.width))
        let table = reference(store(words), count: words.count)
        let push = [
            shape.count, shape.height, shape.width, shape.channels, source.height, source.width, columnsAt,
        ]
        let input = operand(node.operands[0])
        appendDirect(
            "\(node.operation.name) \(shape)",
            .shader(
                "tensor_resample" + (input.isHalf ? ".half" : ""), bindings: 3, words: push.count,
                constants: [UInt32(threads)]),
            [input, table, operand(value)],
            push: push.map { UInt32($0) }, workgroups: blocks(shape.count, threads))
    }
}
