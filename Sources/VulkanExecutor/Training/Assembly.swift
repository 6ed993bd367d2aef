/// Assembles a SPIR-V module with one compute kernel: straight-line arithmetic, selections and one kind of loop, on
/// storage buffers of 32-bit words. The format is a list of words (SPIR-V 1.3, sections 2.3 and 3), so no compiler is
/// needed at run time.
///
/// Ids are numbers; a type's or constant's id is made on first use.
struct Assembly {
    typealias ID = UInt32

    enum Opcode: UInt32 {
        case extInstImport = 11, extInst = 12, memoryModel = 14, entryPoint = 15, executionMode = 16, capability = 17
        case typeVoid = 19, typeBool = 20, typeInt = 21, typeFloat = 22, typeVector = 23, typeRuntimeArray = 29
        case typeStruct = 30, typePointer = 32, typeFunction = 33, constant = 43, function = 54, functionEnd = 56
        case variable = 59, load = 61, store = 62, accessChain = 65, decorate = 71, memberDecorate = 72
        case compositeExtract = 81, convert = 115, bitcast = 124, add = 128, addFloat = 129, multiply = 132,
            multiplyFloat = 133
        case divide = 134, divideFloat = 136, remainder = 137, subtract = 130, subtractFloat = 131
        case select = 169, isGreater = 172, isLess = 176, isLessFloat = 184, isGreaterFloat = 186, and = 199
        case phi = 245, loopMerge = 246, selectionMerge = 247, label = 248, branch = 249, branchConditional = 250
        case returned = 253
    }

    /// Functions of GLSL.std.450.
    enum Builtin: UInt32 {
        case absolute = 4, floor = 8, exponential = 27, logarithm = 28, squareRoot = 31, minimum = 37, maximum = 40
    }

    enum Storage: UInt32 { case input = 1, pushConstant = 9, buffer = 12 }

    private var bound: ID = 1
    private var decorations: [UInt32] = []
    private var declarations: [UInt32] = []
    private var body: [UInt32] = []
    private var known: [[UInt32]: ID] = [:]
    private var interface: [ID] = []
    private var usesHalf = false
    private let builtins: ID = 1
    /// The label of the block that is being written.
    private(set) var block: ID = 0

    init() { bound = 2 }

    mutating func newID() -> ID {
        defer { bound += 1 }
        return bound
    }

    private static func words(_ opcode: Opcode, _ operands: [UInt32]) -> [UInt32] {
        [UInt32(operands.count + 1) << 16 | opcode.rawValue] + operands
    }

    private static func words(_ text: String) -> [UInt32] {
        var bytes = Array(text.utf8) + [0]
        while bytes.count % 4 != 0 { bytes.append(0) }
        return stride(from: 0, to: bytes.count, by: 4).map { at in
            (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) }
        }
    }

    // MARK: Declarations

    /// A type or constant: the same id for the same words. `type` is the result type, for constants.
    private mutating func declare(_ opcode: Opcode, type: ID? = nil, _ operands: [UInt32]) -> ID {
        let key = [opcode.rawValue, type ?? 0] + operands
        if let id = known[key] { return id }
        let id = newID()
        known[key] = id
        declarations += Assembly.words(opcode, (type.map { [$0] } ?? []) + [id] + operands)
        return id
    }

    var void: ID { mutating get { declare(.typeVoid, []) } }
    var bool: ID { mutating get { declare(.typeBool, []) } }
    var uint: ID { mutating get { declare(.typeInt, [32, 0]) } }
    var float: ID { mutating get { declare(.typeFloat, [32]) } }
    /// Only to be loaded, stored and converted.
    var half: ID {
        mutating get {
            usesHalf = true
            return declare(.typeFloat, [16])
        }
    }

    mutating func pointer(_ storage: Storage, _ type: ID) -> ID { declare(.typePointer, [storage.rawValue, type]) }
    mutating func constant(_ value: Int) -> ID {
        let type = uint
        return declare(.constant, type: type, [UInt32(value)])
    }
    mutating func constant(bits: UInt32) -> ID {
        let type = float
        return declare(.constant, type: type, [bits])
    }
    mutating func constant(_ value: Float) -> ID { constant(bits: value.bitPattern) }

    private mutating func decorate(_ id: ID, _ decoration: UInt32, _ operands: UInt32...) {
        decorations += Assembly.words(.decorate, [id, decoration] + operands)
    }

    /// A storage buffer of numbers at a binding of set 0.
    mutating func buffer(_ element: ID, binding: Int, isWritten: Bool) -> ID {
        let isNew = known[[Opcode.typeRuntimeArray.rawValue, 0, element]] == nil
        let array = declare(.typeRuntimeArray, [element])
        let structure = declare(.typeStruct, [array])
        if isNew {
            decorate(array, 6, known[[Opcode.typeFloat.rawValue, 0, 16]] == element ? 2 : 4)
            decorate(structure, 2)
            decorations += Assembly.words(.memberDecorate, [structure, 0, 35, 0])
        }
        let id = variable(.buffer, structure)
        decorate(id, 34, 0)
        decorate(id, 33, UInt32(binding))
        if !isWritten { decorate(id, 24) }
        return id
    }

    /// The block of push constants: so many words.
    mutating func pushConstants(_ count: Int) -> ID {
        let word = uint
        let structure = declare(.typeStruct, [UInt32](repeating: word, count: count))
        decorate(structure, 2)
        for index in 0..<count {
            decorations += Assembly.words(.memberDecorate, [structure, UInt32(index), 35, UInt32(index * 4)])
        }
        return variable(.pushConstant, structure)
    }

    /// An input that the device fills in, by its number in SPIR-V's list of BuiltIns.
    mutating func input(_ builtin: UInt32, vector: Bool) -> ID {
        let word = uint
        let type = vector ? declare(.typeVector, [word, 3]) : word
        let id = variable(.input, type)
        decorate(id, 11, builtin)
        interface.append(id)
        return id
    }

    private mutating func variable(_ storage: Storage, _ type: ID) -> ID {
        let pointer = pointer(storage, type)
        let id = newID()
        declarations += Assembly.words(.variable, [pointer, id, storage.rawValue])
        return id
    }

    // MARK: Instructions

    mutating func emit(_ opcode: Opcode, _ type: ID, _ operands: ID...) -> ID {
        let id = newID()
        body += Assembly.words(opcode, [type, id] + operands)
        return id
    }

    mutating func call(_ builtin: Builtin, _ operands: ID...) -> ID {
        let type = float
        let id = newID()
        body += Assembly.words(.extInst, [type, id, builtins, builtin.rawValue] + operands)
        return id
    }

    /// Component 0, 1 or 2 of a vector input.
    mutating func component(_ input: ID, _ index: UInt32) -> ID {
        let word = uint
        let vector = emit(.load, declare(.typeVector, [word, 3]), input)
        return emit(.compositeExtract, word, vector, index)
    }

    mutating func load(_ buffer: ID, _ index: ID, _ element: ID, _ storage: Storage = .buffer) -> ID {
        let pointer = address(of: buffer, index, element, storage)
        return emit(.load, element, pointer)
    }

    mutating func store(_ buffer: ID, _ index: ID, _ element: ID, _ value: ID) {
        let pointer = address(of: buffer, index, element, .buffer)
        body += Assembly.words(.store, [pointer, value])
    }

    /// A push constant.
    mutating func word(_ block: ID, _ index: Int) -> ID {
        let type = uint
        let pointerType = pointer(.pushConstant, type)
        let pointer = emit(.accessChain, pointerType, block, constant(index))
        return emit(.load, type, pointer)
    }

    private mutating func address(of buffer: ID, _ index: ID, _ element: ID, _ storage: Storage) -> ID {
        let type = pointer(storage, element)
        return emit(.accessChain, type, buffer, constant(0), index)
    }

    // MARK: Blocks

    mutating func begin(_ label: ID) {
        body += Assembly.words(.label, [label])
        block = label
    }

    mutating func branch(_ label: ID) { body += Assembly.words(.branch, [label]) }

    /// Ends a block with a choice; both ways meet at `merge`.
    mutating func select(_ condition: ID, _ yes: ID, _ no: ID, merge: ID) {
        body += Assembly.words(.selectionMerge, [merge, 0])
        body += Assembly.words(.branchConditional, [condition, yes, no])
    }

    mutating func phi(_ type: ID, _ first: (value: ID, from: ID), _ second: (value: ID, from: ID)) -> ID {
        emit(.phi, type, first.value, first.from, second.value, second.from)
    }

    /// Runs `body` with 0, 1, … up to `count`, which the driver is asked to unroll.
    mutating func loop(_ count: Int, _ content: (inout Assembly, ID) -> Void) {
        let (header, first, proceed, merge) = (newID(), newID(), newID(), newID())
        let (before, next, word) = (block, newID(), uint)
        branch(header)
        begin(header)
        let counter = phi(word, (constant(0), before), (next, proceed))
        body += Assembly.words(.loopMerge, [merge, proceed, 1])
        branch(first)
        begin(first)
        content(&self, counter)
        branch(proceed)
        begin(proceed)
        body += Assembly.words(.add, [word, next, counter, constant(1)])
        let type = bool
        let goesOn = emit(.isLess, type, next, constant(count))
        body += Assembly.words(.branchConditional, [goesOn, header, merge])
        begin(merge)
    }

    /// The finished module.
    ///
    /// - Parameters:
    ///   - threads: of a workgroup.
    ///   - content: writes the kernel's blocks, but for the first label and the last return.
    static func module(threads: Int, _ content: (inout Assembly) -> Void) -> [UInt32] {
        var assembly = Assembly()
        let (void, main, entry) = (assembly.void, assembly.newID(), assembly.newID())
        let type = assembly.declare(.typeFunction, [void])
        assembly.begin(entry)
        content(&assembly)
        var code: [UInt32] = [0x0723_0203, 0x0001_0300, 0, 0, 0]
        code += words(.capability, [1])
        // Half floats in storage buffers.
        if assembly.usesHalf { code += words(.capability, [4433]) }
        code += words(.extInstImport, [assembly.builtins] + words("GLSL.std.450"))
        code += words(.memoryModel, [0, 1])
        code += words(.entryPoint, [5, main] + words("main") + assembly.interface)
        code += words(.executionMode, [main, 17, UInt32(threads), 1, 1])
        code += assembly.decorations + assembly.declarations
        code += words(.function, [void, main, 0, type]) + assembly.body
        code += words(.returned, []) + words(.functionEnd, [])
        code[3] = assembly.bound
        return code
    }
}
