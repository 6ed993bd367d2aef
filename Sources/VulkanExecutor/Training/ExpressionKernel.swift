internal import Network
internal import Planning

/// A pointwise expression as a kernel computes it: what it reads and how, its operations, what it writes. Arrangements of
/// elements are expressions without operations.
///
/// Tensors are numbered; where they lie is not part of it, so that expressions that differ in nothing else (an optimiser's
/// on all parameters) are one kernel.
struct ExpressionForm: Hashable {
    /// How an element is found.
    struct Read: Hashable {
        var tensor: Int
        /// Extents and distances, outermost first, of the result's elements in order; empty where the tensor lies as the
        /// result does.
        let axes: [Axis]

        init(tensor: Int, axes: [Axis] = []) {
            self.tensor = tensor
            // What the kernel does not depend on is left out, so that more expressions are one kernel: where elements go,
            // and how far the outermost axis extends.
            self.axes = axes.enumerated().map { Axis($0 == 0 ? 0 : $1.extent, $1.source, 0) }
        }
    }

    /// A part of a concatenation: so many channels.
    struct Part: Hashable {
        var channels: Int
        /// The tensor that it is; nil for a number.
        var tensor: Int?
        var number: Float = 0
    }

    indirect enum Operand: Hashable {
        case number(Float)
        case read(Read)
        case joined([Part])
        /// What an earlier instruction gave.
        case result(Int)
    }

    struct Instruction: Hashable {
        var function: PointwiseFunction
        var operands: [Operand]
    }

    struct Output: Hashable {
        var value: Operand
        var tensor: Int
    }

    var instructions: [Instruction] = []
    var outputs: [Output] = []
    /// By tensor: whether it lies in memory as half floats.
    var halves: [Bool] = []
}

/// An expression's kernel: which of its buffers each tensor lies in.
struct ExpressionKernel: Hashable {
    var form: ExpressionForm
    /// By tensor.
    var buffers: [Int]
    var threads: Int
    /// Whether a table says which tensors a workgroup works on.
    var isMerged: Bool

    var bufferCount: Int { (buffers.max() ?? -1) + 1 }

    /// Elements that each invocation computes.
    static let perThread = 4

    /// The kernel: bindings are the buffers and then the table, whose records hold the element count and the offset of
    /// every tensor; push constants as in Shaders/tensor_rows.glsl.
    func assembled() -> [UInt32] {
        Assembly.module(threads: threads) { a in
            var writer = Writer(kernel: self, &a)
            writer.write(&a)
        }
    }

    private struct Writer {
        let kernel: ExpressionKernel
        /// By tensor, and what its elements are.
        let buffers: [Assembly.ID]
        let elements: [Assembly.ID]
        let table: Assembly.ID
        let push: Assembly.ID
        let group: Assembly.ID
        let groups: Assembly.ID
        let local: Assembly.ID
        let uint: Assembly.ID
        let float: Assembly.ID
        let bool: Assembly.ID
        /// Where tensors begin.
        var offsets: [Assembly.ID] = []
        /// Quotients and remainders that were computed, by what of and by which number.
        var quotients: [[UInt32]: Assembly.ID] = [:]
        var remainders: [[UInt32]: Assembly.ID] = [:]

        init(kernel: ExpressionKernel, _ a: inout Assembly) {
            self.kernel = kernel
            (uint, float, bool) = (a.uint, a.float, a.bool)
            let written = Set(kernel.form.outputs.map { kernel.buffers[$0.tensor] })
            // A buffer that holds both kinds of floats is declared twice.
            var (known, buffers, elements): ([[UInt32]: Assembly.ID], [Assembly.ID], [Assembly.ID]) = ([:], [], [])
            for (tensor, binding) in kernel.buffers.enumerated() {
                let element = kernel.form.halves[tensor] ? a.half : float
                let key = [UInt32(binding), element]
                let id = known[key] ?? a.buffer(element, binding: binding, isWritten: written.contains(binding))
                known[key] = id
                buffers.append(id)
                elements.append(element)
            }
            (self.buffers, self.elements) = (buffers, elements)
            table = a.buffer(uint, binding: kernel.bufferCount, isWritten: false)
            push = a.pushConstants(3)
            (group, groups) = (a.input(26, vector: true), a.input(24, vector: true))
            local = a.input(29, vector: false)
        }

        mutating func write(_ a: inout Assembly) {
            let row = a.emit(.multiply, uint, a.component(group, 1), a.component(groups, 0))
            let workgroup = a.emit(.add, uint, a.component(group, 0), row)
            let (work, end) = (a.newID(), a.newID())
            let isNeeded = a.emit(.isLess, bool, workgroup, a.word(push, 0))
            a.select(isNeeded, work, end, merge: end)
            a.begin(work)
            var (record, block) = (a.constant(0), workgroup)
            if kernel.isMerged {
                let at = a.emit(.multiply, uint, workgroup, a.constant(2))
                record = a.load(table, at, uint)
                block = a.load(table, a.emit(.add, uint, at, a.constant(1)), uint)
            }
            let count = a.load(table, record, uint)
            for tensor in kernel.buffers.indices {
                offsets.append(a.load(table, a.emit(.add, uint, record, a.constant(tensor + 1)), uint))
            }
            let invocation = a.emit(.load, uint, local)
            let first = a.emit(
                .add, uint, a.emit(.multiply, uint, block, a.constant(kernel.threads * ExpressionKernel.perThread)),
                invocation)
            a.loop(ExpressionKernel.perThread) { a, turn in
                let step = a.emit(.multiply, uint, turn, a.constant(kernel.threads))
                let index = a.emit(.add, uint, first, step)
                let (inside, next) = (a.newID(), a.newID())
                let isInside = a.emit(.isLess, bool, index, count)
                a.select(isInside, inside, next, merge: next)
                a.begin(inside)
                element(&a, index)
                a.branch(next)
                a.begin(next)
            }
            a.branch(end)
            a.begin(end)
        }

        /// All instructions and stores for one element.
        private mutating func element(_ a: inout Assembly, _ index: Assembly.ID) {
            (quotients, remainders) = ([:], [:])
            var loaded: [ExpressionForm.Operand: Assembly.ID] = [:]
            var results: [Assembly.ID] = []
            func value(_ writer: inout Writer, _ operand: ExpressionForm.Operand, _ a: inout Assembly) -> Assembly.ID {
                if case .result(let instruction) = operand { return results[instruction] }
                if let id = loaded[operand] { return id }
                let id: Assembly.ID
                switch operand {
                case .number(let number): id = a.constant(number)
                case .read(let read): id = writer.load(read, index, &a)
                case .joined(let parts): id = writer.load(parts, index, &a)
                case .result: preconditionFailure("handled above")
                }
                loaded[operand] = id
                return id
            }
            for instruction in kernel.form.instructions {
                var operands: [Assembly.ID] = []
                for operand in instruction.operands { operands.append(value(&self, operand, &a)) }
                results.append(compute(instruction.function, operands, &a))
            }
            for output in kernel.form.outputs {
                let (result, element) = (value(&self, output.value, &a), elements[output.tensor])
                let stored = element == float ? result : a.emit(.convert, element, result)
                let at = a.emit(.add, uint, offsets[output.tensor], index)
                a.store(buffers[output.tensor], at, element, stored)
            }
        }

        // MARK: Reading

        private mutating func quotient(_ x: Assembly.ID, _ divisor: Int, _ a: inout Assembly) -> Assembly.ID {
            if divisor == 1 { return x }
            let key = [x, UInt32(divisor)]
            if let id = quotients[key] { return id }
            let id = a.emit(.divide, uint, x, a.constant(divisor))
            quotients[key] = id
            return id
        }

        private mutating func remainder(_ x: Assembly.ID, _ divisor: Int, _ a: inout Assembly) -> Assembly.ID {
            let key = [x, UInt32(divisor)]
            if let id = remainders[key] { return id }
            let id = a.emit(.remainder, uint, x, a.constant(divisor))
            remainders[key] = id
            return id
        }

        private func load(_ tensor: Int, _ place: Assembly.ID, _ a: inout Assembly) -> Assembly.ID {
            let at = a.emit(.add, uint, offsets[tensor], place)
            let stored = a.load(buffers[tensor], at, elements[tensor])
            return elements[tensor] == float ? stored : a.emit(.convert, float, stored)
        }

        private mutating func load(
            _ read: ExpressionForm.Read, _ index: Assembly.ID, _ a: inout Assembly
        ) -> Assembly.ID {
            if read.axes.isEmpty { return load(read.tensor, index, &a) }
            var (rest, place): (Assembly.ID, Assembly.ID?) = (index, nil)
            for (position, axis) in read.axes.enumerated().reversed() {
                if axis.source > 0 {
                    let along = position == 0 ? rest : remainder(rest, axis.extent, &a)
                    let distance = axis.source == 1 ? along : a.emit(.multiply, uint, along, a.constant(axis.source))
                    place = place.map { a.emit(.add, uint, $0, distance) } ?? distance
                }
                if position > 0 && read.axes[..<position].contains(where: { $0.source > 0 }) {
                    rest = quotient(rest, axis.extent, &a)
                }
            }
            return load(read.tensor, place ?? a.constant(0), &a)
        }

        /// A concatenation along the last axis.
        private mutating func load(
            _ parts: [ExpressionForm.Part], _ index: Assembly.ID, _ a: inout Assembly
        ) -> Assembly.ID {
            let channels = parts.reduce(0) { $0 + $1.channels }
            let (pixel, channel) = (quotient(index, channels, &a), remainder(index, channels, &a))
            func load(from part: Int, _ begin: Int, _ a: inout Assembly) -> Assembly.ID {
                if part < parts.count - 1 {
                    let (yes, no, merge) = (a.newID(), a.newID(), a.newID())
                    let isHere = a.emit(.isLess, bool, channel, a.constant(begin + parts[part].channels))
                    a.select(isHere, yes, no, merge: merge)
                    a.begin(yes)
                    let here = one(part, begin, &a)
                    let fromHere = a.block
                    a.branch(merge)
                    a.begin(no)
                    let further = load(from: part + 1, begin + parts[part].channels, &a)
                    let fromFurther = a.block
                    a.branch(merge)
                    a.begin(merge)
                    return a.phi(float, (here, fromHere), (further, fromFurther))
                }
                return one(part, begin, &a)
            }
            func one(_ part: Int, _ begin: Int, _ a: inout Assembly) -> Assembly.ID {
                guard let tensor = parts[part].tensor else { return a.constant(parts[part].number) }
                let row = a.emit(.multiply, uint, pixel, a.constant(parts[part].channels))
                let column = begin == 0 ? channel : a.emit(.subtract, uint, channel, a.constant(begin))
                return self.load(tensor, a.emit(.add, uint, row, column), &a)
            }
            return load(from: 0, 0, &a)
        }

        // MARK: Arithmetic

        private func compute(
            _ function: PointwiseFunction, _ x: [Assembly.ID], _ a: inout Assembly
        ) -> Assembly.ID {
            if case .affine(let scale, let offset) = function {
                let product = scale == 1 ? x[0] : a.emit(.multiplyFloat, float, x[0], a.constant(scale))
                return offset == 0 ? product : a.emit(.addFloat, float, product, a.constant(offset))
            }
            var known: [Scalar: Assembly.ID] = [:]
            let (row, numbers) = (function.row, function.numbers)
            func value(_ expression: Scalar, _ a: inout Assembly) -> Assembly.ID {
                if let id = known[expression] { return id }
                let id: Assembly.ID
                switch expression {
                case .operand(let index): id = x[index]
                case .constant(let index): id = a.constant(numbers[index])
                case .number(let number): id = a.constant(number)
                case .unary(.inverse, let x): id = a.emit(.divideFloat, float, a.constant(Float(1)), value(x, &a))
                case .unary(let function, let x): id = a.call(function.builtin, value(x, &a))
                case .binary(.minimum, let x, let y): id = a.call(.minimum, value(x, &a), value(y, &a))
                case .binary(.maximum, let x, let y): id = a.call(.maximum, value(x, &a), value(y, &a))
                case .binary(let function, let x, let y):
                    let (x, y) = (value(x, &a), value(y, &a))
                    id = a.emit(function.opcode, float, x, y)
                case .whereLess(let x, let y, let yes, let no):
                    let (x, y, yes, no) = (value(x, &a), value(y, &a), value(yes, &a), value(no, &a))
                    id = a.emit(.select, float, a.emit(.isLessFloat, bool, x, y), yes, no)
                }
                known[expression] = id
                return id
            }
            var result = value(row.body, &a)
            for index in row.hidesNotANumber { result = unlessNotANumber(x[index], result, &a) }
            return result
        }

        /// x where it is no number: minima and maxima may drop that. Told by its bits, so that no compiler can assume it
        /// away.
        private func unlessNotANumber(_ x: Assembly.ID, _ y: Assembly.ID, _ a: inout Assembly) -> Assembly.ID {
            let magnitude = a.emit(.and, uint, a.emit(.bitcast, uint, x), a.constant(0x7FFF_FFFF))
            let isNone = a.emit(.isGreater, bool, magnitude, a.constant(0x7F80_0000))
            return a.emit(.select, float, isNone, x, y)
        }
    }
}

extension Scalar.Unary {
    fileprivate var builtin: Assembly.Builtin {
        switch self {
        case .exponential: .exponential
        case .logarithm: .logarithm
        case .squareRoot: .squareRoot
        case .absolute: .absolute
        case .floor: .floor
        case .inverse: preconditionFailure("a division, not a builtin")
        }
    }
}

extension Scalar.Binary {
    fileprivate var opcode: Assembly.Opcode {
        switch self {
        case .add: .addFloat
        case .subtract: .subtractFloat
        case .multiply: .multiplyFloat
        case .divide: .divideFloat
        case .minimum, .maximum: preconditionFailure("builtins, not opcodes")
        }
    }
}
