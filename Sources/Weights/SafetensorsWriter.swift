public import Tensor

/// How a weight file stores numbers.
public enum StoredPrecision: String, Sendable, CaseIterable {
    case fp32, fp16

    var type: ElementType { self == .fp32 ? .float32 : .float16 }
}

/// Writes tensors as a safetensors file: names in the order of their bytes, data 8-byte aligned, all or nothing (written
/// beside the target and renamed; an existing file is replaced).
///
/// - Parameter metadata: texts for `__metadata__`.
/// - Throws: `WeightError.unwritable`, or `.outOfRange` when a finite value is too large for fp16; nothing is left behind.
public func writeSafetensors(
    _ path: String, tensors: [String: HostTensor], metadata: [String: String] = [:], dtype: StoredPrecision = .fp32
) throws(WeightError) {
    try writeSafetensors(path, tensors: tensors, dtype: dtype) { _ in metadata }
}

/// As above; `metadata` is a function of the digest of the tensors as they are stored.
func writeSafetensors(
    _ path: String, tensors: [String: HostTensor], dtype: StoredPrecision, metadata: (String) -> [String: String]
) throws(WeightError) {
    let names = tensors.keys.sorted(by: precedesInBytes)
    // The digest stands in the header, before the data: 16-bit forms are made once and kept.
    var halves: [String: [UInt16]] = [:]
    if dtype == .fp16 {
        for name in names { halves[name] = try halfBits(tensors[name]!, name: name, path: path) }
    }
    func withBytes(_ name: String, _ body: (UnsafeRawBufferPointer) throws(WeightError) -> Void) throws(WeightError) {
        // The standard library's closures lose the error's type; it is the only one thrown.
        let result: Result<Void, WeightError>
        if let half = halves[name] {
            result = half.withUnsafeBytes { bytes in Result { () throws(WeightError) in try body(bytes) } }
        } else {
            result = tensors[name]!.values.withUnsafeBytes { bytes in
                Result { () throws(WeightError) in try body(bytes) }
            }
        }
        try result.get()
    }

    var digest = TensorDigest()
    for name in names {
        digest.begin(name: name, type: dtype.type, shape: tensors[name]!.shape)
        try withBytes(name) { (bytes) throws(WeightError) in digest.update(bytes) }
    }

    var members: [String] = []
    let texts = metadata(digest.finish())
    if !texts.isEmpty {
        let pairs = texts.sorted { precedesInBytes($0.key, $1.key) }
            .map { "\(quotedJSON($0.key)):\(quotedJSON($0.value))" }
        members.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var offset = 0
    for name in names {
        let shape = tensors[name]!.shape
        let end = offset + shape.count * dtype.type.bytes
        let extents = shape.dimensions.map(String.init).joined(separator: ",")
        members.append(
            "\(quotedJSON(name)):{\"dtype\":\"\(dtype.type.rawValue)\",\"shape\":[\(extents)],"
                + "\"data_offsets\":[\(offset),\(end)]}")
        offset = end
    }
    var header = Array("{\(members.joined(separator: ","))}".utf8)
    // The format allows spaces behind the header; with them the data start 8-byte aligned.
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    var start = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    start += header

    let file = try AtomicFile(path)
    try start.withUnsafeBytes { bytes in Result { () throws(WeightError) in try file.write(bytes) } }.get()
    for name in names { try withBytes(name) { (bytes) throws(WeightError) in try file.write(bytes) } }
    try file.commit()
}

private func halfBits(_ tensor: HostTensor, name: String, path: String) throws(WeightError) -> [UInt16] {
    var bits: [UInt16] = []
    bits.reserveCapacity(tensor.values.count)
    for value in tensor.values {
        let half = Float16(value)
        guard half.isFinite || !value.isFinite else { throw .outOfRange(path: path, tensor: name, value: value) }
        bits.append(half.bitPattern)
    }
    return bits
}
