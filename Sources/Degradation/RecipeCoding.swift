// Recipes as text: one table of keys for each part. A part is written with all its keys, and read over what is there.

/// A key by its name.
internal struct TextKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// A row of a table: how a key is read into a part and written from it.
internal struct Field<Part> {
    let key: TextKey
    let take: (inout Part, KeyedDecodingContainer<TextKey>) throws -> Void
    let write: (Part, inout KeyedEncodingContainer<TextKey>) throws -> Void

    /// Plain values are replaced.
    static func value<Value: Codable>(_ name: String, _ path: WritableKeyPath<Part, Value>) -> Field {
        let key = TextKey(stringValue: name)
        return Field(
            key: key, take: { part, container in part[keyPath: path] = try container.decode(Value.self, forKey: key) },
            write: { part, container in try container.encode(part[keyPath: path], forKey: key) })
    }

    /// Parts take over what is said and keep the rest.
    static func part<Inner: Tabled>(_ name: String, _ path: WritableKeyPath<Part, Inner>) -> Field {
        let key = TextKey(stringValue: name)
        return Field(
            key: key,
            take: { part, container in
                try part[keyPath: path].take(container.nestedContainer(keyedBy: TextKey.self, forKey: key))
            },
            write: { part, container in
                var inner = container.nestedContainer(keyedBy: TextKey.self, forKey: key)
                try part[keyPath: path].write(to: &inner)
            })
    }
}

/// A part of a recipe with a table of its keys.
internal protocol Tabled {
    static var fields: [Field<Self>] { get }
}

extension Tabled {
    mutating func take(_ container: KeyedDecodingContainer<TextKey>) throws {
        for field in Self.fields where container.contains(field.key) { try field.take(&self, container) }
    }

    func write(to container: inout KeyedEncodingContainer<TextKey>) throws {
        for field in Self.fields { try field.write(self, &container) }
    }
}

extension DegradationRecipe: Codable, Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("preset", \.preset), .value("clean", \.clean), .part("sharpen", \.sharpen), .part("first", \.first),
            .part("middleCodec", \.middleCodec), .part("second", \.second), .part("last", \.last),
            .part("lastCodec", \.lastCodec), .part("walk", \.walk),
        ]
    }

    /// Throws `DecodingError`; where the settings make no sense, its `underlyingError` is a `DegradationError`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: TextKey.self)
        func refused(_ error: DegradationError) -> DecodingError {
            .dataCorrupted(
                .init(codingPath: container.codingPath, debugDescription: error.description, underlyingError: error))
        }
        let name = try container.decodeIfPresent(String.self, forKey: TextKey(stringValue: "preset")) ?? "real-esrgan"
        guard let preset = Self.preset(name) else { throw refused(.unknownPreset(name: name)) }
        self = preset
        try take(container)
        do { try validate() } catch { throw refused(error) }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: TextKey.self)
        try write(to: &container)
    }
}

extension DegradationRecipe.Sharpening: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("enabled", \.enabled), .value("weight", \.weight), .value("radius", \.radius),
            .value("threshold", \.threshold),
        ]
    }
}

extension DegradationRecipe.Order: Tabled {
    internal static var fields: [Field<Self>] {
        [.part("blur", \.blur), .part("resize", \.resize), .part("noise", \.noise), .part("jpeg", \.jpeg)]
    }
}

extension DegradationRecipe.Blur: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("probability", \.probability), .value("sizes", \.sizes), .value("sinc", \.sinc),
            .part("kinds", \.kinds), .value("sigma", \.sigma), .value("generalisedBeta", \.generalisedBeta),
            .value("plateauBeta", \.plateauBeta),
        ]
    }
}

extension DegradationRecipe.KernelWeights: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("isotropic", \.isotropic), .value("anisotropic", \.anisotropic),
            .value("generalisedIsotropic", \.generalisedIsotropic),
            .value("generalisedAnisotropic", \.generalisedAnisotropic),
            .value("plateauIsotropic", \.plateauIsotropic), .value("plateauAnisotropic", \.plateauAnisotropic),
        ]
    }
}

extension DegradationRecipe.Resizing: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("up", \.up), .value("down", \.down), .value("keep", \.keep), .value("factor", \.factor),
            .value("modes", \.modes),
        ]
    }
}

extension DegradationRecipe.Noising: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("probability", \.probability), .value("gaussian", \.gaussian), .value("sigma", \.sigma),
            .value("poissonScale", \.poissonScale), .value("gray", \.gray),
        ]
    }
}

extension DegradationRecipe.Compression: Tabled {
    internal static var fields: [Field<Self>] { [.value("probability", \.probability), .value("quality", \.quality)] }
}

extension DegradationRecipe.LastStage: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("sinc", \.sinc), .value("sizes", \.sizes), .value("compressLast", \.compressLast),
            .value("modes", \.modes),
        ]
    }
}

extension DegradationRecipe.CodecStage: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("probability", \.probability), .value("codecs", \.codecs), .value("stillFrames", \.stillFrames),
            .value("stillMotion", \.stillMotion),
        ]
    }
}

extension DegradationRecipe.RandomWalk: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("sigma", \.sigma), .value("rotation", \.rotation), .value("generalisedBeta", \.generalisedBeta),
            .value("plateauBeta", \.plateauBeta), .value("cutoff", \.cutoff), .value("firstResize", \.firstResize),
            .value("secondResize", \.secondResize), .value("noise", \.noise), .value("poissonScale", \.poissonScale),
            .value("quality", \.quality),
        ]
    }
}

extension DegradationRecipe.Codec: Codable, Tabled {
    internal static var fields: [Field<Self>] {
        // The ranges are written as null where there is none, so that the key is known.
        [
            .value("encoder", \.encoder), .value("weight", \.weight), .value("quality", \.quality),
            .value("bitsPerPixel", \.bitsPerPixel),
        ]
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: TextKey.self)
        self.init(try container.decode(String.self, forKey: TextKey(stringValue: "encoder")))
        try take(container)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: TextKey.self)
        try write(to: &container)
    }
}
