internal import FoundationEssentials
internal import Network

/// What a weight file says of itself beside the network.
public struct ModelMetadata: Codable, Hashable, Sendable {
    /// Where the weights came from.
    public struct Provenance: Codable, Hashable, Sendable {
        public var name: String?
        /// For people: a package and version, a file, an address.
        public var source: String?
        /// SPDX identifier or text.
        public var licence: String?
        public var credit: String?

        public init(name: String? = nil, source: String? = nil, licence: String? = nil, credit: String? = nil) {
            (self.name, self.source, self.licence, self.credit) = (name, source, licence, credit)
        }
    }

    /// How the weights were trained.
    public struct Training: Codable, Hashable, Sendable {
        /// SHA-256 of the recipe.
        public var recipeHash: String?
        public var iterations: Int?
        public var dataset: String?
        public var metrics: [String: Double]?

        public init(
            recipeHash: String? = nil, iterations: Int? = nil, dataset: String? = nil, metrics: [String: Double]? = nil
        ) {
            (self.recipeHash, self.iterations) = (recipeHash, iterations)
            (self.dataset, self.metrics) = (dataset, metrics)
        }
    }

    public var provenance: Provenance?
    public var training: Training?

    public init(provenance: Provenance? = nil, training: Training? = nil) {
        (self.provenance, self.training) = (provenance, training)
    }
}

/// The JSON text under `upframe` in a file's `__metadata__`.
struct MetadataEntry: Codable {
    static let key = "upframe"

    /// The architecture's name.
    var name: String
    var hyperparameters: [String: Hyperparameter]
    var scale: Int
    var colour: ColourAssumption
    /// For readers of the file; derived again when the model is opened.
    var receptiveFieldRadius: Int?
    var metadata: ModelMetadata
    /// See `SafetensorsFile.tensors`.
    var sha256: String

    enum CodingKeys: String, CodingKey {
        case format, architecture, hyperparameters, scale, colour, receptiveFieldRadius, provenance, training, sha256
    }

    init(
        _ descriptor: ModelDescriptor, hyperparameters: [String: Hyperparameter], metadata: ModelMetadata,
        sha256: String
    ) {
        (name, scale, colour) = (descriptor.architecture, descriptor.scale, descriptor.colour)
        receptiveFieldRadius = descriptor.receptiveFieldRadius
        (self.hyperparameters, self.metadata, self.sha256) = (hyperparameters, metadata, sha256)
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let format = try values.decode(Int.self, forKey: .format)
        guard format == 1 else {
            throw MetadataProblem("its entry 'upframe' has format \(format); a newer upframe wrote it")
        }
        name = try values.decode(String.self, forKey: .architecture)
        hyperparameters = try values.decode([String: Hyperparameter].self, forKey: .hyperparameters)
        scale = try values.decode(Int.self, forKey: .scale)
        let colour = try values.decode(String.self, forKey: .colour)
        guard let known = ColourAssumption(rawValue: colour) else {
            throw MetadataProblem("its entry 'upframe' assumes the colours '\(colour)', which are not known")
        }
        self.colour = known
        metadata = ModelMetadata(
            provenance: try values.decodeIfPresent(ModelMetadata.Provenance.self, forKey: .provenance),
            training: try values.decodeIfPresent(ModelMetadata.Training.self, forKey: .training))
        sha256 = try values.decode(String.self, forKey: .sha256)
    }

    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(1, forKey: .format)
        try values.encode(name, forKey: .architecture)
        try values.encode(hyperparameters, forKey: .hyperparameters)
        try values.encode(scale, forKey: .scale)
        try values.encode(colour, forKey: .colour)
        try values.encodeIfPresent(receptiveFieldRadius, forKey: .receptiveFieldRadius)
        try values.encodeIfPresent(metadata.provenance, forKey: .provenance)
        try values.encodeIfPresent(metadata.training, forKey: .training)
        try values.encode(sha256, forKey: .sha256)
    }

    /// The network of the architecture that the entry names, with its hyperparameters.
    ///
    /// - Throws: `WeightError.corruptHeader` for a name, a value or a scale that cannot be.
    func definition(among known: [any Architecture.Type], path: String) throws(WeightError) -> NetworkDefinition {
        func corrupt(_ reason: String) -> WeightError { .corruptHeader(path: path, reason: reason) }
        guard let type = known.first(where: { $0.name == name }) else {
            throw corrupt("its entry 'upframe' names the architecture '\(name)', which is not known")
        }
        func decode<A: Architecture>(_ type: A.Type) throws -> any Architecture {
            try JSONDecoder().decode(A.self, from: JSONEncoder().encode(hyperparameters))
        }
        guard let architecture = try? decode(type) else {
            throw corrupt("its entry 'upframe' is not what upframe writes")
        }
        if let problem = architecture.problem { throw corrupt(problem) }
        let definition = architecture.definition
        do {
            guard try definition.traits().scale == Ratio(max(scale, 1)) else {
                throw corrupt("its entry 'upframe' contradicts itself in the scale")
            }
        } catch let error as WeightError {
            throw error
        } catch {
            throw .unusableNetwork(path: path, reason: (error as? GraphError)?.reason ?? "\(error)")
        }
        return definition
    }

    /// The entry in a file's metadata, or nil when it has none.
    init?(_ texts: [String: String], path: String) throws(WeightError) {
        guard let text = texts[Self.key] else { return nil }
        do {
            try Self.checkNumbers(text)
            let decoder = JSONDecoder()
            decoder.nonConformingFloatDecodingStrategy = .convertFromString(
                positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
            self = try decoder.decode(MetadataEntry.self, from: Data(text.utf8))
        } catch let problem as MetadataProblem {
            throw .corruptHeader(path: path, reason: problem.reason)
        } catch {
            throw .corruptHeader(path: path, reason: "its entry 'upframe' is not what upframe writes")
        }
    }

    /// Hyperparameters are small numbers: whatever else stands there must not reach Foundation's decoder, nor the graph that
    /// is built from them before they are compared with the tensors.
    private static func checkNumbers(_ text: String) throws {
        guard text.utf8.count <= longestText else {
            throw MetadataProblem(
                "its entry 'upframe' has \(text.utf8.count) bytes; upframe writes \(longestText) at most")
        }
        var reader = JSONReader(Array(text.utf8))
        var isThere = false
        guard reader.kind() == .object else { throw MetadataProblem("its entry 'upframe' is no JSON object") }
        do {
            try reader.object { reader, key in
                guard key == "hyperparameters", reader.kind() == .object else { return try reader.skip() }
                isThere = true
                try reader.object { reader, name in
                    guard reader.kind() == .number else { return try reader.skip() }
                    let (written, count) = try reader.number()
                    guard count.map({ $0 <= largestNumber }) ?? isSmallFraction(written) else {
                        throw MetadataProblem(
                            "its entry 'upframe' has the hyperparameter '\(name)' \(written); it must be a whole number "
                                + "between 0 and \(largestNumber), or a fraction between -\(largestNumber) and "
                                + "\(largestNumber)")
                    }
                }
            }
            try reader.finish()
        } catch is JSONTextError {
            throw MetadataProblem("its entry 'upframe' is no JSON object")
        }
        guard isThere else { throw MetadataProblem("its entry 'upframe' has no 'hyperparameters'") }
    }

    /// Whether a number with a point or a negative exponent is one that a hyperparameter may be.
    private static func isSmallFraction(_ written: String) -> Bool {
        // What a `Double` is written with has at most 24 characters.
        guard written.utf8.count <= 32, written.contains(".") || written.lowercased().contains("e-"),
            let number = Double(written)
        else { return false }
        return abs(number) <= Double(largestNumber)
    }

    /// Bytes of the longest entry that is read.
    private static let longestText = 1 << 20
    /// The largest number that any hyperparameter may be; each has a range of its own (`Architecture.problem`).
    private static let largestNumber = 4096

    var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // The values are plain; only a non-finite metric could fail, and is written as text.
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        do { return String(decoding: try encoder.encode(self), as: UTF8.self) } catch {
            preconditionFailure("metadata cannot be encoded: \(error)")
        }
    }
}

/// Why an `upframe` entry cannot be used.
struct MetadataProblem: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}
