public import Network
internal import Tensor

/// A network with its trained tensors. A value; safe to hand between threads.
public struct Model: Sendable {
    public var architecture: any Architecture
    /// Under the architecture's own names, exactly those that its graph names.
    public var parameters: Parameters
    public var metadata: ModelMetadata

    public init(architecture: any Architecture, parameters: Parameters, metadata: ModelMetadata = ModelMetadata()) {
        (self.architecture, self.parameters, self.metadata) = (architecture, parameters, metadata)
    }

    public var descriptor: ModelDescriptor { architecture.descriptor }
    public var parameterCount: Int { parameters.values.reduce(0) { $0 + $1.values.count } }

    /// Reads a model, whatever kind of weight file it is in: safetensors, or ncnn's .param with its .bin beside it
    /// (either may be named).
    public static func load(path: String) throws(WeightError) -> Model {
        let file = try ByteFile(path)
        guard file.count > 0 else { throw .truncated(path: path, expectedBytes: 9, foundBytes: 0) }
        let start = try file.bytes(0..<min(16, file.count))
        if SafetensorsFile.recognises(start) { return try load(SafetensorsFile(file: file)) }
        if NcnnImporter.recognises(start) { return try NcnnImporter.load(param: file) }
        if path.hasSuffix(".bin"), let param = try? ByteFile(path.dropLast(4) + ".param") {
            return try NcnnImporter.load(param: param)
        }
        if path.hasSuffix(".safetensors") {
            throw file.count < 9
                ? .truncated(path: path, expectedBytes: 9, foundBytes: file.count)
                : .corruptHeader(path: path, reason: "it does not begin as a safetensors file does")
        }
        throw unsupported(start, path: path) ?? .notWeights(path: path)
    }

    /// Reads a model from the bytes of a safetensors file.
    ///
    /// - Parameter name: for messages.
    public static func load(_ bytes: [UInt8], name: String) throws(WeightError) -> Model {
        try load(SafetensorsFile(file: ByteFile(bytes, name: name)))
    }

    /// Writes the model as safetensors with the metadata entry `upframe`, all or nothing; an existing file is replaced.
    /// - Throws: `WeightError.unwritable`, or `.outOfRange` when a value is too large for fp16.
    public func save(path: String, dtype: StoredPrecision = .fp32) throws(WeightError) {
        try writeSafetensors(path, tensors: parameters, dtype: dtype) { digest in
            let entry = MetadataEntry(architecture: architecture, metadata: metadata, sha256: digest)
            return [MetadataEntry.key: entry.text]
        }
    }

    private static func load(_ file: SafetensorsFile) throws(WeightError) -> Model {
        let path = file.path
        let shapes = file.shapes
        let entry = try MetadataEntry(file.metadata, path: path)
        let state: RecognisedState
        if let entry {
            // Our own files use the architecture's names; the entry also says what keys cannot.
            let names = entry.architecture.parameterShapes.map { ($0.name, $0.name) }
            let keys = Dictionary(names) { first, _ in first }
            state = RecognisedState(
                found: RecognisedArchitecture(architecture: entry.architecture, keys: keys), container: "")
        } else if let recognised = recogniseState(shapes) {
            state = recognised
        } else {
            throw .unknownArchitecture(path: path, keys: shapes.keys.sorted(by: precedesInBytes))
        }
        let (architecture, keys) = (state.found.architecture, state.found.keys)
        for (name, shape) in architecture.parameterShapes {
            let key = keys[name] ?? name
            guard let stored = file.entries[key] else { throw .missingTensor(path: path, tensor: key, expected: shape) }
            guard stored.shape == shape else {
                throw .wrongShape(path: path, tensor: key, found: stored.shape, expected: shape)
            }
            guard stored.type.isReadable else {
                throw .unknownType(path: path, tensor: key, type: stored.type.rawValue)
            }
        }
        // A tensor beside the recognised ones means a variant of the network that computes something else. Other
        // containers (an optimiser, the network without averaging) may stand beside the chosen one.
        let used = Set(keys.values)
        for key in shapes.keys.sorted(by: precedesInBytes) where !used.contains(key) {
            guard !key.hasPrefix(state.container) else {
                throw .unexpectedTensor(path: path, tensor: key, architecture: type(of: architecture).name)
            }
        }

        let (tensors, digest) = try file.tensors(used, digest: entry != nil)
        if let entry, digest != entry.sha256 { throw .damaged(path: path) }
        for key in used.sorted(by: precedesInBytes) { try checkFinite(tensors[key]!, key, path: path) }
        var parameters: Parameters = [:]
        for (name, key) in keys { parameters[name] = tensors[key] }
        return Model(architecture: architecture, parameters: parameters, metadata: entry?.metadata ?? ModelMetadata())
    }

    /// The error for a kind of file that is known and not read.
    private static func unsupported(_ start: [UInt8], path: String) -> WeightError? {
        if start.starts(with: [0x50, 0x4B, 0x03, 0x04]) || start.starts(with: [0x80, 0x02]) {
            return .unsupportedFormat(
                path: path, format: "a PyTorch checkpoint",
                remedy: "convert it to safetensors (chaiNNer and spandrel do), that file opens here")
        }
        if start.starts(with: [0xDD, 0x85, 0x76, 0x00]) {
            return .unsupportedFormat(
                path: path, format: "a binary ncnn graph", remedy: "name the text file (.param) that it was made from")
        }
        return nil
    }
}

/// Refuses a tensor that holds an infinity or a NaN.
func checkFinite(_ tensor: HostTensor, _ name: String, path: String) throws(WeightError) {
    // A number minus itself is 0 unless it is not finite: a sum of those needs no branch for each element.
    if tensor.values.reduce(0, { $0 + ($1 - $1) }) == 0 { return }
    let value = tensor.values.first { !$0.isFinite } ?? .nan
    throw .notFinite(path: path, tensor: name, value: value)
}

extension Architecture {
    /// Every parameter of the network and its shape.
    var parameterShapes: [(name: String, shape: Shape)] {
        // Parameters do not depend on the picture's size.
        graph(.nhwc(1, sizeMultiple, sizeMultiple, inputChannels)).parameters
    }
}
