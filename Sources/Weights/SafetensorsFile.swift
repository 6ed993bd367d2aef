public import Tensor

/// A safetensors file open for reading. The header is read and checked whole when the value is made, and no tensor before
/// that; a tensor is read when it is asked for. Safe to share between threads.
public struct SafetensorsFile: Sendable {
    /// Where a tensor stands in the file.
    public struct Entry: Hashable, Sendable {
        public let name: String
        public let type: ElementType
        public let shape: Shape
        /// Bytes within the data section.
        public let range: Range<Int>
    }

    /// Longest header that is read, in bytes. A network of ten thousand tensors needs about one megabyte.
    public static let largestHeader = 16 << 20
    /// Largest extent of a tensor, and number of extents; keeps arithmetic on shapes free of overflow.
    static let largestExtent = 1 << 31
    static let largestRank = 8
    /// Most tensors, texts of `__metadata__` and members of a tensor's description; they bound memory and time.
    static let mostTensors = 1 << 17
    static let mostTexts = 1 << 12
    static let mostFields = 16

    public let path: String
    /// The tensors by name.
    public let entries: [String: Entry]
    /// The texts of `__metadata__`.
    public let metadata: [String: String]
    private let file: ByteFile
    private let dataStart: Int

    public var shapes: [String: Shape] { entries.mapValues(\.shape) }

    /// - Throws: `WeightError` when there is no such file or its header is not sound: sizes, shapes and offsets that
    ///   contradict each other, overlapping tensors, gaps, unknown types, duplicate names, missing or surplus bytes.
    public init(path: String) throws(WeightError) {
        try self.init(file: ByteFile(path))
    }

    /// Whether a file that begins with these bytes claims to be safetensors.
    static func recognises(_ start: [UInt8]) -> Bool {
        start.count >= 9 && start[8] == UInt8(ascii: "{") && start[5...7].allSatisfy { $0 == 0 }
    }

    init(file: ByteFile) throws(WeightError) {
        let path = file.path
        guard file.count >= 8 else { throw .truncated(path: path, expectedBytes: 8, foundBytes: file.count) }
        let stated = try file.elements(UInt64.self, count: 1, at: 0)[0]
        guard stated >= 2, stated <= UInt64(Self.largestHeader) else {
            throw .corruptHeader(path: path, reason: "it states a length of \(stated) bytes")
        }
        let length = Int(stated)
        guard file.count >= 8 + length else {
            throw .truncated(path: path, expectedBytes: 8 + length, foundBytes: file.count)
        }
        let (entries, metadata) = try Self.header(try file.bytes(8..<8 + length), path: path)
        try Self.checkCoverage(Array(entries.values), dataBytes: file.count - 8 - length, headerBytes: 8 + length, path)
        (self.path, self.file, self.entries, self.metadata) = (path, file, entries, metadata)
        dataStart = 8 + length
    }

    /// What a header says, read in one pass.
    private static func header(
        _ bytes: [UInt8], path: String
    ) throws(WeightError) -> (entries: [String: Entry], metadata: [String: String]) {
        var entries: [String: Entry] = [:]
        var metadata: [String: String]?
        do {
            var reader = JSONReader(bytes)
            guard reader.kind() == .object else {
                try reader.skip()
                throw JSONTextError(reason: "it is no JSON object")
            }
            try reader.object { reader, key in
                if key == "__metadata__" {
                    guard metadata == nil else { throw JSONTextError(reason: twice(key)) }
                    metadata = try texts(&reader)
                    return
                }
                guard entries.count < mostTensors else {
                    throw JSONTextError(reason: "it names more than \(mostTensors) tensors")
                }
                if let other = entries.updateValue(try entry(key, &reader, path: path), forKey: key) {
                    // Swift's strings also equate different spellings of one character.
                    throw JSONTextError(
                        reason: other.name.utf8.elementsEqual(key.utf8)
                            ? twice(key) : "two names are spellings of one another")
                }
            }
            try reader.finish()
        } catch let error as JSONTextError {
            throw .corruptHeader(path: path, reason: error.reason)
        } catch {
            throw error as? WeightError ?? .unreadable(path: path, reason: "\(error)")
        }
        return (entries, metadata ?? [:])
    }

    private static func twice(_ key: String) -> String { "the key '\(key)' stands there twice" }

    /// The member `__metadata__`.
    private static func texts(_ reader: inout JSONReader) throws -> [String: String] {
        guard reader.kind() == .object else {
            try reader.skip()
            throw JSONTextError(reason: "'__metadata__' is no object")
        }
        var result: [String: String] = [:]
        try reader.object { reader, key in
            guard reader.kind() == .string else {
                try reader.skip()
                throw JSONTextError(reason: "'__metadata__' holds '\(key)', which is no text")
            }
            guard result.updateValue(try reader.string(), forKey: key) == nil else {
                throw JSONTextError(reason: twice(key))
            }
            guard result.count <= mostTexts else {
                throw JSONTextError(reason: "'__metadata__' holds more than \(mostTexts) texts")
            }
        }
        return result
    }

    /// What a tensor's description says, as far as it says it.
    private struct Fields {
        var names: Set<String> = []
        var type: String?
        var shape: Numbers?
        var offsets: Numbers?
    }

    /// The numbers of a list; nil stands for what is no whole number. Only the first few are kept.
    private struct Numbers {
        var count = 0
        var first: [Int?] = []

        /// Nil where there is no list.
        init?(_ reader: inout JSONReader) throws {
            guard reader.kind() == .array else {
                try reader.skip()
                return nil
            }
            var numbers: (count: Int, first: [Int?]) = (0, [])
            try reader.array { reader in
                var number: Int?
                if reader.kind() == .number { number = try reader.number().count } else { try reader.skip() }
                numbers.count += 1
                if numbers.count <= SafetensorsFile.largestRank { numbers.first.append(number) }
            }
            (count, first) = numbers
        }
    }

    private static func entry(_ name: String, _ reader: inout JSONReader, path: String) throws -> Entry {
        func corrupt(_ reason: String) -> JSONTextError { JSONTextError(reason: "tensor '\(name)' \(reason)") }
        guard reader.kind() == .object else {
            try reader.skip()
            throw corrupt("is described by no object")
        }
        var fields = Fields()
        try reader.object { reader, key in
            guard fields.names.insert(key).inserted else { throw JSONTextError(reason: twice(key)) }
            guard fields.names.count <= mostFields else { throw corrupt("has more than \(mostFields) members") }
            switch key {
            case "dtype" where reader.kind() == .string: fields.type = try reader.string()
            case "shape": fields.shape = try Numbers(&reader)
            case "data_offsets": fields.offsets = try Numbers(&reader)
            default: try reader.skip()
            }
        }
        guard let typeName = fields.type else { throw corrupt("has no 'dtype'") }
        guard let type = ElementType(rawValue: typeName) else {
            throw WeightError.unknownType(path: path, tensor: name, type: typeName)
        }
        guard let extents = fields.shape else { throw corrupt("has no 'shape'") }
        guard extents.count <= largestRank else { throw corrupt("has \(extents.count) extents") }
        var dimensions: [Int] = []
        var bytes = type.bytes
        for extent in extents.first {
            guard let extent, extent < largestExtent else { throw corrupt("has an impossible shape") }
            let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw corrupt("has an impossible shape") }
            dimensions.append(extent)
            bytes = product
        }
        guard let offsets = fields.offsets, offsets.count == 2, let begin = offsets.first[0],
            let end = offsets.first[1],
            begin <= end
        else { throw corrupt("has no valid 'data_offsets'") }
        guard end - begin == bytes else {
            throw corrupt("of type \(typeName) and shape \(Shape(dimensions)) needs \(bytes) bytes, not \(end - begin)")
        }
        return Entry(name: name, type: type, shape: Shape(dimensions), range: begin..<end)
    }

    /// The tensors lie one behind the other, without gap or overlap, and fill the data section.
    private static func checkCoverage(
        _ entries: [Entry], dataBytes: Int, headerBytes: Int, _ path: String
    ) throws(WeightError) {
        let ordered = entries.sorted {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        var end = 0
        var previous = ""
        for entry in ordered {
            if entry.range.lowerBound < end { throw .overlap(path: path, tensor: entry.name, other: previous) }
            if entry.range.lowerBound > end {
                throw .corruptHeader(
                    path: path,
                    reason: "\(entry.range.lowerBound - end) bytes before tensor '\(entry.name)' belong to none")
            }
            (end, previous) = (entry.range.upperBound, entry.name)
        }
        let (expected, overflow) = end.addingReportingOverflow(headerBytes)
        if overflow { throw .corruptHeader(path: path, reason: "tensor '\(previous)' has no valid 'data_offsets'") }
        if end > dataBytes {
            throw .truncated(path: path, expectedBytes: expected, foundBytes: dataBytes + headerBytes)
        }
        if end < dataBytes {
            throw .corruptHeader(path: path, reason: "\(dataBytes - end) bytes after the last tensor belong to none")
        }
    }

    // MARK: Reading tensors

    /// Reads one tensor and converts it to 32-bit floats.
    /// - Precondition: `entries` holds `name`.
    public func tensor(_ name: String) throws(WeightError) -> HostTensor {
        try tensor(name) { _ in }
    }

    /// Reads one tensor, and shows its bytes as they stand in the file to `inspect`.
    private func tensor(_ name: String, inspect: (UnsafeRawBufferPointer) -> Void) throws(WeightError) -> HostTensor {
        guard let entry = entries[name] else { preconditionFailure("\(path) has no tensor '\(name)'") }
        let offset = dataStart + entry.range.lowerBound
        let count = entry.shape.count
        func stored<T: BitwiseCopyable>(_ type: T.Type) throws(WeightError) -> [T] {
            let values = try file.elements(T.self, count: count, at: offset)
            values.withUnsafeBytes { inspect($0) }
            return values
        }
        switch entry.type {
        case .float32: return HostTensor(entry.shape, try stored(Float.self))
        case .float16: return HostTensor(entry.shape, try stored(UInt16.self).map(floatFromHalf))
        case .bfloat16: return HostTensor(entry.shape, try stored(UInt16.self).map(floatFromBrain))
        case .float64: return HostTensor(entry.shape, try stored(Double.self).map(Float.init))
        default: throw .unknownType(path: path, tensor: name, type: entry.type.rawValue)
        }
    }

    /// Reads the named tensors; with `digest`, also hashes all tensors of the file on the way.
    ///
    /// The digest is SHA-256 over, for each tensor in the order of the bytes of its name: name, newline, element type,
    /// newline, extents in decimals joined by commas, newline (all in UTF-8), and the data bytes as stored.
    func tensors(_ names: some Collection<String>, digest: Bool) throws(WeightError) -> (
        tensors: [String: HostTensor], digest: String?
    ) {
        var tensors: [String: HostTensor] = [:]
        guard digest else {
            for name in names { tensors[name] = try tensor(name) }
            return (tensors, nil)
        }
        let wanted = Set(names)
        var hash = TensorDigest()
        for name in entries.keys.sorted(by: precedesInBytes) {
            let entry = entries[name]!
            hash.begin(name: name, type: entry.type, shape: entry.shape)
            if wanted.contains(name) {
                tensors[name] = try tensor(name) { hash.update($0) }
            } else {
                let bytes = try file.bytes(dataStart + entry.range.lowerBound..<dataStart + entry.range.upperBound)
                bytes.withUnsafeBytes { hash.update($0) }
            }
        }
        return (tensors, hash.finish())
    }
}

/// Whether `a` stands before `b` in the order of their UTF-8 bytes, which is also the order of their code points: other
/// languages sort so by default.
func precedesInBytes(_ a: String, _ b: String) -> Bool { a.utf8.lexicographicallyPrecedes(b.utf8) }

/// The digest over tensors that weight files state; see `SafetensorsFile.tensors`.
struct TensorDigest {
    private let hash = SHA256()

    mutating func begin(name: String, type: ElementType, shape: Shape) {
        let extents = shape.dimensions.map(String.init).joined(separator: ",")
        let text = Array("\(name)\n\(type.rawValue)\n\(extents)\n".utf8)
        text.withUnsafeBytes { hash.update($0) }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bytes) }

    func finish() -> String { hash.finish() }
}

func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
