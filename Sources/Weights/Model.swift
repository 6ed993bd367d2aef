public import Network
public import Tensor

/// A network with its trained tensors: one image to another, larger by a whole factor. A value; safe to hand between threads.
public struct Model: Sendable {
    public let definition: NetworkDefinition
    /// Under the names of the definition's graph, exactly those that it has.
    public var parameters: Parameters
    public var metadata: ModelMetadata
    /// The network's descriptor, derived from its graph once.
    public let descriptor: ModelDescriptor

    /// - Throws: `GraphError` for a network that does not make one image of another, larger by a whole factor.
    public init(
        definition: NetworkDefinition, parameters: Parameters, metadata: ModelMetadata = ModelMetadata()
    ) throws(GraphError) {
        (self.definition, self.parameters, self.metadata) = (definition, parameters, metadata)
        descriptor = try ModelDescriptor(definition)
    }

    public init(architecture: any Architecture, parameters: Parameters, metadata: ModelMetadata = ModelMetadata()) {
        do {
            try self.init(definition: architecture.definition, parameters: parameters, metadata: metadata)
        } catch {
            preconditionFailure("\(error)")
        }
    }

    /// The architecture and its hyperparameters; nil where only a file describes the network.
    public var architecture: (any Architecture)? { definition.architecture }
    public var parameterCount: Int { parameters.values.reduce(0) { $0 + $1.values.count } }

    /// The network as a graph for one input shape `[N, H, W, channels]`, to `[N, H*scale, W*scale, outputChannels]`.
    ///
    /// - Throws: `GraphError` for a shape that the network does not take, or makes something else of.
    public func graph(_ shape: Shape) throws(GraphError) -> Graph {
        let graph = try definition.graph(shape)
        let (found, scale) = (graph.shape(graph.outputs[0]), descriptor.scale)
        guard found == .nhwc(shape.batch, shape.height * scale, shape.width * scale, descriptor.outputChannels) else {
            throw GraphError(
                operation: definition.name, operands: [shape],
                reason: "makes \(found), which is not \(scale) times as large")
        }
        return graph
    }

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
    /// - Throws: `WeightError.unwritable`, also for a network that only a file describes; `.outOfRange` when a value is too
    ///   large for fp16.
    public func save(path: String, dtype: StoredPrecision = .fp32) throws(WeightError) {
        guard architecture != nil else {
            throw .unwritable(
                path: path, reason: "the network is of no known architecture; use the file that it was read from")
        }
        try writeSafetensors(path, tensors: parameters, dtype: dtype) { digest in
            let entry = MetadataEntry(
                descriptor, hyperparameters: definition.hyperparameters, metadata: metadata, sha256: digest)
            return [MetadataEntry.key: entry.text]
        }
    }

    /// - Parameter known: the architectures that the file may hold.
    static func load(
        _ file: SafetensorsFile, known: [any Architecture.Type] = architectures
    ) throws(WeightError) -> Model {
        let path = file.path
        let shapes = file.shapes
        let entry = try MetadataEntry(file.metadata, path: path)
        let definition: NetworkDefinition
        var container = ""
        if let entry {
            // Our own files use the architecture's names; the entry also says what keys cannot.
            definition = try entry.definition(among: known, path: path)
        } else if let recognised = recogniseState(shapes, among: known) {
            definition = recognised.found.definition
            container = recognised.container
        } else {
            throw .unknownArchitecture(path: path, keys: shapes.keys.sorted(by: precedesInBytes))
        }
        let rules = try checkedRules(definition, file)
        // A tensor beside the recognised ones means a variant of the network that computes something else. Other
        // containers (an optimiser, the network without averaging) may stand beside the chosen one.
        let used = rules.reduce(into: Set<String>()) { $0.formUnion($1.value.tensors) }
        for key in shapes.keys.sorted(by: precedesInBytes) where !used.contains(key) {
            guard !key.hasPrefix(container) || definition.ignored.contains(key) else {
                throw .unexpectedTensor(path: path, tensor: key, architecture: definition.name)
            }
        }

        let (tensors, digest) = try file.tensors(used, digest: entry != nil)
        if let entry, digest != entry.sha256 { throw .damaged(path: path) }
        for key in used.sorted(by: precedesInBytes) { try checkFinite(tensors[key]!, key, path: path) }
        var parameters: Parameters = [:]
        for rule in rules {
            let value = rule.value.value(tensors)
            if case .tensor = rule.value {} else { try checkFinite(value, rule.parameter, path: path) }
            parameters[rule.parameter] = value
        }
        do {
            return try Model(
                definition: definition, parameters: parameters, metadata: entry?.metadata ?? ModelMetadata())
        } catch {
            throw .unusableNetwork(path: path, reason: error.reason)
        }
    }

    /// The rule of every parameter of a network, checked against what a file holds: shapes and element types.
    private static func checkedRules(
        _ definition: NetworkDefinition, _ file: SafetensorsFile
    ) throws(WeightError) -> [WeightRule] {
        let path = file.path
        let parameters: [(name: String, shape: Shape)]
        do { parameters = try definition.parameterShapes() } catch {
            throw .unusableNetwork(path: path, reason: error.reason)
        }
        let written = Dictionary((definition.rules ?? []).map { ($0.parameter, $0) }) { first, _ in first }
        var rules: [WeightRule] = []
        for (name, shape) in parameters {
            let rule = written[name] ?? WeightRule(name, .tensor(name))
            try check(rule, makes: shape, of: file)
            for key in rule.value.tensors.sorted(by: precedesInBytes) {
                guard let stored = file.entries[key], !stored.type.isReadable else { continue }
                throw .unknownType(path: path, tensor: key, type: stored.type.rawValue)
            }
            rules.append(rule)
        }
        return rules
    }

    private static func check(
        _ rule: WeightRule, makes expected: Shape, of file: SafetensorsFile
    ) throws(WeightError) {
        let path = file.path
        if case .tensor(let key) = rule.value {
            guard let stored = file.entries[key] else {
                throw .missingTensor(path: path, tensor: key, expected: expected)
            }
            guard stored.shape == expected else {
                throw .wrongShape(path: path, tensor: key, found: stored.shape, expected: expected)
            }
            return
        }
        do {
            let found = try rule.value.shape(file.shapes)
            guard found == expected else {
                throw WeightRuleError.mismatch(reason: "they make \(found), expected \(expected)")
            }
        } catch WeightRuleError.missing(let key) {
            throw .missingPart(path: path, tensor: key, parameter: rule.parameter)
        } catch WeightRuleError.mismatch(let reason) {
            throw .unfittingParts(path: path, parameter: rule.parameter, reason: reason)
        } catch {
            preconditionFailure("\(error)")
        }
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
