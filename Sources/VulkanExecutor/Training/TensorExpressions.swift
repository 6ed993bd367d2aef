internal import Network
internal import Planning
internal import Tensor

extension TensorCompiler {
    /// The tensors of an expression, numbered.
    private struct Tensors {
        private(set) var list: [TensorReference] = []

        mutating func number(_ tensor: TensorReference) -> Int {
            if let index = list.firstIndex(of: tensor) { return index }
            list.append(tensor)
            return list.count - 1
        }

        mutating func append(_ tensor: TensorReference) -> Int {
            list.append(tensor)
            return list.count - 1
        }
    }

    mutating func lowerExpression(_ members: [Int]) {
        let shape = graph.nodes[members[0]].shape
        let positions = Dictionary(uniqueKeysWithValues: members.enumerated().map { ($1, $0) })
        var tensors = Tensors()
        var form = ExpressionForm()
        for index in members {
            let node = graph.nodes[index]
            var operands: [ExpressionForm.Operand] = []
            for value in node.operands {
                operands.append(positions[value.index].map { .result($0) } ?? read(value, in: shape, &tensors))
            }
            guard case .pointwise(let function) = node.operation else {
                preconditionFailure("\(node.operation.name) is not pointwise")
            }
            form.instructions.append(ExpressionForm.Instruction(function: function, operands: operands))
        }
        let reads = tensors.list.count
        for (position, index) in members.enumerated() where program.tensors[index] != nil {
            let tensor = tensors.append(operand(Value(index: index)))
            form.outputs.append(ExpressionForm.Output(value: .result(position), tensor: tensor))
        }
        appendExpression(
            "expression of \(members.count)", form, tensors.list, writes: tensors.list.count - reads,
            count: shape.count, joins: joins(shape))
    }

    private mutating func appendExpression(
        _ name: String, _ form: ExpressionForm, _ tensors: [TensorReference], writes: Int, count: Int, joins: Bool
    ) {
        var form = form
        form.halves = tensors.map(\.isHalf)
        let row = DeviceStep.Rows.Row(
            words: [UInt32(count)], tensors: tensors, blocks: blocks(count, threads * ExpressionKernel.perThread))
        appendRows("\(name) on \(count)", .expression(form), [row], writes: writes, joins: joins)
    }

    /// How an expression of shape `shape` reads `value`.
    private mutating func read(_ value: Value, in shape: Shape, _ tensors: inout Tensors) -> ExpressionForm.Operand {
        let node = graph[value]
        if case .constant(let values) = node.operation, values.count == 1 { return .number(values[0]) }
        let isVirtual = program.expressions.virtual.contains(value.index)
        if isVirtual, case .concatenate = node.operation, node.shape == shape { return joined(node, &tensors) }
        if !isVirtual && node.shape == shape {
            return .read(ExpressionForm.Read(tensor: tensors.number(operand(value))))
        }
        var (source, axes) = (value, [Axis(node.shape.count, 1, 1)])
        var offset = 0
        if isVirtual {
            source = node.operands[0]
            guard let move = StridedMove(node.operation, from: graph.shape(source), to: node.shape) else {
                preconditionFailure("\(node.operation.name) cannot be read through")
            }
            (axes, offset) = (move.inTargetOrder, move.offset)
        }
        // A vector for every pixel, or one number for all.
        if node.shape != shape {
            if node.shape.count == 1 { axes = [] }
            axes.insert(Axis(shape.count / max(1, node.shape.count), 0, node.shape.count), at: 0)
        }
        var tensor = operand(source)
        tensor.offset = offset
        return .read(ExpressionForm.Read(tensor: tensors.number(tensor), axes: Axis.merged(axes)))
    }

    private mutating func joined(_ node: Node, _ tensors: inout Tensors) -> ExpressionForm.Operand {
        var parts: [ExpressionForm.Part] = []
        for value in node.operands {
            var part = ExpressionForm.Part(channels: graph.shape(value).channels)
            if case .constant(let values) = graph[value].operation, values.count == 1 {
                part.number = values[0]
            } else {
                part.tensor = tensors.number(operand(value))
            }
            parts.append(part)
        }
        return .joined(parts)
    }

    // MARK: Moves

    /// Operations that only move elements.
    mutating func lowerMove(_ value: Value) {
        let node = graph[value]
        let count = node.shape.count
        var tensors = Tensors()
        let moved: ExpressionForm.Operand
        if case .concatenate = node.operation {
            moved = joined(node, &tensors)
        } else {
            let source = node.operands[0]
            guard let move = StridedMove(node.operation, from: graph.shape(source), to: node.shape) else {
                preconditionFailure("\(node.operation.name) moves nothing")
            }
            var tensor = operand(source)
            tensor.offset = move.offset
            moved = .read(ExpressionForm.Read(tensor: tensors.number(tensor), axes: move.inTargetOrder))
        }
        let target = tensors.append(operand(value))
        appendExpression(
            node.operation.name,
            ExpressionForm(outputs: [ExpressionForm.Output(value: moved, tensor: target)]), tensors.list, writes: 1,
            count: count, joins: joins(node.shape))
    }

    /// A copy to a dense tensor of `count` elements, read along these axes (none: as it lies).
    mutating func appendCopy(
        from source: TensorReference, to target: TensorReference, _ axes: [Axis], count: Int, joins: Bool = false
    ) {
        let read = ExpressionForm.Read(tensor: 0, axes: axes)
        appendExpression(
            "copy", ExpressionForm(outputs: [ExpressionForm.Output(value: .read(read), tensor: 1)]),
            [source, target], writes: 1, count: count, joins: joins)
    }
}
