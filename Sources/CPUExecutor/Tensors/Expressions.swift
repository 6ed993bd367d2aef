internal import CKernels
internal import Network
internal import Planning
internal import Tensor

extension PointwiseFunction {
    /// As an instruction without slots.
    fileprivate var instruction: ct_instruction {
        var result = ct_instruction()
        result.function = ck_function(rawValue: UInt32(code))
        let numbers = numbers + [0, 0, 0]
        (result.p, result.q, result.r) = (numbers[0], numbers[1], numbers[2])
        return result
    }
}

extension PlanCompiler {
    /// What an expression reads: a tensor, as it lies or repeated.
    private struct Source: Hashable {
        var place: TensorPlace
        /// Empty: as it lies.
        var axes: [Axis]
    }

    mutating func lowerExpression(_ members: [Int]) throws(ExecutionError) {
        let shape = graph.nodes[members[0]].shape
        let inside = Set(members)
        var sources: [Source] = []
        var outputs: [TensorPlace] = []

        /// Where an operand comes from: a member's value, or one of `sources`.
        enum Slot { case member(Int), source(Int) }
        func slot(of value: Value) throws(ExecutionError) -> Slot {
            if inside.contains(value.index) { return .member(value.index) }
            let source = try source(of: value, in: shape)
            if let index = sources.firstIndex(of: source) { return .source(index) }
            sources.append(source)
            return .source(sources.count - 1)
        }
        var operands: [[Slot]] = []
        for index in members {
            var slots: [Slot] = []
            for operand in graph.nodes[index].operands { slots.append(try slot(of: operand)) }
            operands.append(slots)
        }

        // Members that others read get a place; the rest live in registers until their last use.
        var lastUse: [Int: Int] = [:]
        for (position, slots) in operands.enumerated() {
            for case .member(let index) in slots { lastUse[index] = position }
        }
        var outputSlots: [Int: Int] = [:]
        for index in members {
            guard program.tensors[index] != nil else { continue }
            outputSlots[index] = sources.count + outputs.count
            outputs.append(try place(Value(index: index)))
        }
        let firstRegister = sources.count + outputs.count
        var registers = 0
        var free: [Int] = []
        var slots = outputSlots
        var instructions: [ct_instruction] = []
        for (position, index) in members.enumerated() {
            guard case .pointwise(let function) = graph.nodes[index].operation else {
                preconditionFailure("\(graph.nodes[index].operation.name) is not pointwise")
            }
            var instruction = function.instruction
            let numbers = operands[position].map { slot in
                switch slot {
                case .member(let member): slots[member]!
                case .source(let source): source
                }
            }
            instruction.a = Int32(numbers[0])
            instruction.b = Int32(numbers.last!)
            for case .member(let member) in operands[position]
            where lastUse[member] == position && outputSlots[member] == nil && slots[member] != nil {
                if !free.contains(slots[member]!) { free.append(slots[member]!) }
            }
            if outputSlots[index] == nil {
                if free.isEmpty {
                    free.append(firstRegister + registers)
                    registers += 1
                }
                slots[index] = free.removeLast()
            }
            instruction.target = Int32(slots[index]!)
            instructions.append(instruction)
        }

        let count = shape.count
        let lanes = Int(ct_lane_block)
        let perBlock = max(1, min(32, blocks(count, lanes * threads * 4))) * lanes
        let all = sources
        let targets = outputs
        let registerCount = registers
        let code = instructions
        append(
            "expression of \(members.count) on \(count)", tensorKernels.pointee.pointwise,
            blocks: blocks(count, perBlock), reads: sources.map(\.place), writes: outputs,
            scratchFloats: (registers + sources.count + outputs.count) * lanes
        ) { (resolve) throws(ExecutionError) in
            var job = ct_pointwise_job()
            job.instructions = UnsafePointer(try resolve.memory.store(code))
            job.operands = UnsafePointer(
                try resolve.memory.store(
                    all.map { source in
                        var operand = ct_operand()
                        operand.data = UnsafePointer(resolve(source.place))
                        operand.rank = Int32(source.axes.count)
                        fill(&operand.extents, source.axes.map(\.extent))
                        fill(&operand.strides, source.axes.map(\.source))
                        return operand
                    }))
            job.outputs = UnsafePointer(try resolve.memory.store(targets.map { Optional(resolve($0)) }))
            job.instruction_count = Int32(code.count)
            (job.operand_count, job.output_count) = (Int32(all.count), Int32(targets.count))
            job.register_count = Int32(registerCount)
            (job.count, job.per_block) = (Int64(count), Int64(perBlock))
            return job
        }
    }

    /// How an expression of shape `shape` reads `value`.
    private mutating func source(
        of value: Value, in shape: Shape
    ) throws(ExecutionError) -> Source {
        let node = graph[value]
        if case .constant(let values) = node.operation, values.count == 1 {
            return Source(place: .memory(try memory.store(values)), axes: [Axis(shape.count, 0, 0)])
        }
        if program.expressions.virtual.contains(value.index) {
            var axes = Axis.broadcast(graph.shape(node.operands[0]), to: node.shape)
            // A vector for every pixel, repeated before.
            if node.shape != shape { axes.insert(Axis(shape.count / node.shape.count, 0, node.shape.count), at: 0) }
            return Source(place: try place(node.operands[0]), axes: Axis.merged(axes))
        }
        if node.shape == shape { return Source(place: try place(value), axes: []) }
        // A vector for every pixel, or one number for all.
        let count = node.shape.count
        let axes =
            count == 1 ? [Axis(shape.count, 0, 0)] : [Axis(shape.count / count, 0, 0), Axis(count, 1, 0)]
        return Source(place: try place(value), axes: axes)
    }
}

/// Writes a short list into one of C's arrays.
func fill<Tuple>(_ tuple: inout Tuple, _ values: [Int]) {
    withUnsafeMutableBytes(of: &tuple) { bytes in
        let numbers = bytes.assumingMemoryBound(to: Int64.self)
        for (index, value) in values.enumerated() { numbers[index] = Int64(value) }
    }
}
