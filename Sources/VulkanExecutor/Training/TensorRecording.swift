internal import Compute
internal import Network

/// Where everything of a plan lies, and steps as dispatches on it.
struct TensorMemory {
    /// A block of the arena or of the state, or the constants, as it is bound whole.
    enum Block: Hashable {
        case arena(Int)
        case state(Int)
        case constants
    }

    let arena: BlockedMemory
    /// By buffer.
    let offsets: [Int]
    /// The parameters; nil where no step on tensors reads any.
    let state: VulkanState?
    let constants: DeviceBuffer

    var bytes: Int { arena.bytes + constants.bytes }

    /// The block of a tensor's place, and the elements of it there.
    func range(_ tensor: TensorReference) -> (block: Block, elements: Range<Int>) {
        let count = max(1, tensor.words)
        func inside(_ offset: Int, _ memory: BlockedMemory) -> (Int, Range<Int>) {
            let start = offset % memory.blockElements
            return (offset / memory.blockElements, start..<start + count)
        }
        switch tensor.place {
        case .buffer(let index):
            let (block, elements) = inside(offsets[index], arena)
            return (.arena(block), elements)
        case .state(let name):
            guard let state else { preconditionFailure("there is no state") }
            let (block, elements) = inside(state.offset(name), state.memory)
            return (.state(block), elements)
        case .constant(let offset): return (.constants, offset..<offset + count)
        }
    }

    func slice(_ block: Block, _ elements: Range<Int>) -> BufferSlice {
        let buffer =
            switch block {
            case .arena(let index): arena.blocks[index]
            case .state(let index): state!.memory.blocks[index]
            case .constants: constants
            }
        return buffer.slice(offset: elements.lowerBound * 4, bytes: elements.count * 4)
    }

    func slice(_ tensor: TensorReference) -> BufferSlice {
        let (block, elements) = range(tensor)
        return slice(block, elements)
    }
}

/// A dispatch with everything that recording needs.
struct TensorDispatch {
    var kernel: TensorKernel
    var bindings: [Binding]
    var push: [UInt32]
    var workgroups: Int
    /// Where in the plan's tables its own begins, in words; nil where it has none.
    var table: Range<Int>?
}

/// Makes dispatches of steps, and the tables that they read.
struct TensorDispatches {
    let memory: TensorMemory
    let limits: TensorLimits
    private(set) var tables: [UInt32] = []

    /// More blocks of memory than a kernel can bind.
    struct TooManyBlocks: Error {}

    init(_ memory: TensorMemory, _ limits: TensorLimits) { (self.memory, self.limits) = (memory, limits) }

    mutating func dispatches(_ step: DeviceStep) throws(TooManyBlocks) -> [TensorDispatch] {
        switch step.work {
        case .direct(let direct):
            let bindings = direct.tensors.enumerated().map { index, tensor in
                Binding(memory.slice(tensor), index < direct.tensors.count - direct.writes ? .read : .write)
            }
            return [
                TensorDispatch(
                    kernel: direct.kernel, bindings: bindings, push: direct.push, workgroups: direct.workgroups)
            ]
        case .rows(let rows):
            // Rows whose tensors lie in other blocks need other bindings.
            var order: [[TensorMemory.Block]] = []
            var sorted: [[TensorMemory.Block]: [DeviceStep.Rows.Row]] = [:]
            for row in rows.rows {
                let blocks = row.tensors.map { memory.range($0).block }
                if sorted[blocks] == nil { order.append(blocks) }
                sorted[blocks, default: []].append(row)
            }
            var result: [TensorDispatch] = []
            for blocks in order {
                let group = sorted[blocks]!
                // What lies too far apart to be bound together is not computed together.
                for part in fits(group, blocks) ? [group] : group.map({ [$0] }) {
                    result.append(try dispatch(rows, part, blocks))
                }
            }
            return result
        case .views: preconditionFailure("a step on views is a launch")
        }
    }

    /// Whether what these rows touch of each block can be bound at once.
    private func fits(_ rows: [DeviceStep.Rows.Row], _ blocks: [TensorMemory.Block]) -> Bool {
        var hulls: [TensorMemory.Block: Range<Int>] = [:]
        for row in rows {
            for (tensor, block) in zip(row.tensors, blocks) {
                let elements = memory.range(tensor).elements
                let hull = hulls[block] ?? elements
                hulls[block] =
                    min(hull.lowerBound, elements.lowerBound)..<max(hull.upperBound, elements.upperBound)
            }
        }
        return hulls.values.allSatisfy { $0.count <= limits.bindingWords }
    }

    /// A piece of memory that is bound.
    private struct Window: Hashable {
        var block: TensorMemory.Block
        var access: Access
        /// Which tensor of a row, where each has a binding of its own.
        var tensor: Int?
    }

    private mutating func dispatch(
        _ work: DeviceStep.Rows, _ rows: [DeviceStep.Rows.Row], _ blocks: [TensorMemory.Block]
    ) throws(TooManyBlocks) -> TensorDispatch {
        // A single expression binds its tensors; several, or one with many tensors, the hull of what is read and of what
        // is written in each block.
        let count = blocks.count
        let isShader = if case .shader = work.kernel { true } else { false }
        let isApart = isShader || (rows.count == 1 && count < limits.bindings)
        var windows: [Window] = []
        var ranges: [Range<Int>] = []
        let buffers = blocks.enumerated().map { index, block in
            let window = Window(
                block: block, access: index < count - work.writes ? .read : .write, tensor: isApart ? index : nil)
            let known = windows.firstIndex(of: window)
            var hull = known.map { ranges[$0] } ?? memory.range(rows[0].tensors[index]).elements
            for row in rows {
                let elements = memory.range(row.tensors[index]).elements
                hull = min(hull.lowerBound, elements.lowerBound)..<max(hull.upperBound, elements.upperBound)
            }
            if let known {
                ranges[known] = hull
                return known
            }
            windows.append(window)
            ranges.append(hull)
            return windows.count - 1
        }
        if windows.count + 1 > limits.bindings { throw TooManyBlocks() }

        let workgroups = rows.reduce(0) { $0 + $1.blocks }
        while tables.count % (bindingAlignment / 4) != 0 { tables.append(0) }
        let begin = tables.count
        let list = rows.count > 1 ? workgroups * 2 : 0
        var records: [UInt32] = []
        for row in rows {
            if rows.count > 1 {
                for block in 0..<row.blocks { tables += [UInt32(list + records.count), UInt32(block)] }
            }
            records += row.words
            for (index, tensor) in row.tensors.enumerated() {
                let start = memory.range(tensor).elements.lowerBound - ranges[buffers[index]].lowerBound
                records.append(UInt32(start * (tensor.isHalf ? 2 : 1) + tensor.offset))
            }
        }
        tables += records

        let kernel: TensorKernel
        switch work.kernel {
        case .expression(let form):
            kernel = .expression(
                ExpressionKernel(form: form, buffers: buffers, threads: limits.threads, isMerged: rows.count > 1))
        case .shader(let name, let constants):
            kernel = .shader(name, bindings: windows.count + 1, words: 3, constants: constants)
        }
        return TensorDispatch(
            kernel: kernel, bindings: zip(windows, ranges).map { Binding(memory.slice($0.block, $1), $0.access) },
            push: [workgroups, list, work.parameter].map { UInt32($0) }, workgroups: workgroups,
            table: begin..<tables.count)
    }
}
