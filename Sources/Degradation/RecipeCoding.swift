// Recipes as text: one table of keys for each part. A part is written with all its keys, and read over what is there.

/// A key by its name.
internal struct TextKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

/// A value of a recipe whose numbers can be checked against bounds: a number, a range, a list.
internal protocol Bounded {
    func lies(in range: ClosedRange<Double>) -> Bool
    /// The value as recipes write it.
    var text: String { get }
}

extension Double: Bounded {
    internal func lies(in range: ClosedRange<Double>) -> Bool { range.contains(self) }
    internal var text: String { "\(self)" }
}

extension Int: Bounded {
    internal func lies(in range: ClosedRange<Double>) -> Bool { range.contains(Double(self)) }
    internal var text: String { "\(self)" }
}

extension ClosedRange: Bounded where Bound: Bounded {
    internal func lies(in range: ClosedRange<Double>) -> Bool {
        lowerBound.lies(in: range) && upperBound.lies(in: range)
    }
    internal var text: String { "[\(lowerBound.text), \(upperBound.text)]" }
}

extension Optional: Bounded where Wrapped: Bounded {
    internal func lies(in range: ClosedRange<Double>) -> Bool { self?.lies(in: range) ?? true }
    internal var text: String { self?.text ?? "null" }
}

/// A row of a table: how a key is read into a part and written from it, and which values it may have.
internal struct Field<Part> {
    let key: TextKey
    let take: (inout Part, KeyedDecodingContainer<TextKey>) throws -> Void
    let write: (Part, inout KeyedEncodingContainer<TextKey>) throws -> Void
    /// Refuses values outside their ranges; the second parameter stands before the key in messages.
    var check: (Part, String) throws(DegradationError) -> Void = { _, _ in }

    /// Plain values are replaced.
    static func value<Value: Codable>(_ name: String, _ path: WritableKeyPath<Part, Value>) -> Field {
        let key = TextKey(stringValue: name)
        return Field(
            key: key, take: { part, container in part[keyPath: path] = try container.decode(Value.self, forKey: key) },
            write: { part, container in try container.encode(part[keyPath: path], forKey: key) })
    }

    /// Numbers, and ranges of them, lie within bounds.
    static func value<Value: Codable & Bounded>(
        _ name: String, _ path: WritableKeyPath<Part, Value>, in range: ClosedRange<Double>
    ) -> Field {
        var field = value(name, path)
        field.check = { (part, place) throws(DegradationError) in
            let value = part[keyPath: path]
            guard value.lies(in: range) else {
                throw .outOfRange(key: place + name, value: value.text, range: range)
            }
        }
        return field
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
            },
            check: { (part, place) throws(DegradationError) in
                try part[keyPath: path].checkRanges("\(place)\(name).")
            })
    }

    /// Lists of parts are replaced as a whole.
    static func list<Inner: Tabled & Codable>(_ name: String, _ path: WritableKeyPath<Part, [Inner]>) -> Field {
        var field = value(name, path)
        field.check = { (part, place) throws(DegradationError) in
            for (index, inner) in part[keyPath: path].enumerated() {
                try inner.checkRanges("\(place)\(name).\(index).")
            }
        }
        return field
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

    /// - Parameter place: what stands before the keys in messages.
    func checkRanges(_ place: String) throws(DegradationError) {
        for field in Self.fields { try field.check(self, place) }
    }
}

/// Ranges of more than one key.
private enum Limits {
    static let chance = 0.0...1.0
    /// Relative weight with which one of several is drawn.
    static let weight = 0.0...1e6
    /// Sides of blur's windows.
    static let sides = 1.0...Double(BlurKernel.side)
    /// Exponents of blur's shapes.
    static let exponents = 0.1...20.0
    /// Largest steps of a clip's parameters from frame to frame.
    static let steps = 0.0...255.0
}

extension DegradationRecipe: Codable, Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("preset", \.preset), .value("clean", \.clean, in: Limits.chance), .part("sharpen", \.sharpen),
            .part("first", \.first),
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
            .value("enabled", \.enabled), .value("weight", \.weight, in: -10...10),
            .value("radius", \.radius, in: 1...255),
            .value("threshold", \.threshold, in: 0...255),
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
            .value("probability", \.probability, in: Limits.chance), .value("sizes", \.sizes, in: Limits.sides),
            .value("sinc", \.sinc, in: Limits.chance),
            .part("kinds", \.kinds), .value("sigma", \.sigma, in: 0.05...50),
            .value("generalisedBeta", \.generalisedBeta, in: Limits.exponents),
            .value("plateauBeta", \.plateauBeta, in: Limits.exponents),
        ]
    }
}

extension DegradationRecipe.KernelWeights: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("isotropic", \.isotropic, in: Limits.weight),
            .value("anisotropic", \.anisotropic, in: Limits.weight),
            .value("generalisedIsotropic", \.generalisedIsotropic, in: Limits.weight),
            .value("generalisedAnisotropic", \.generalisedAnisotropic, in: Limits.weight),
            .value("plateauIsotropic", \.plateauIsotropic, in: Limits.weight),
            .value("plateauAnisotropic", \.plateauAnisotropic, in: Limits.weight),
        ]
    }
}

extension DegradationRecipe.Resizing: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("up", \.up, in: Limits.weight), .value("down", \.down, in: Limits.weight),
            .value("keep", \.keep, in: Limits.weight),
            .value("factor", \.factor, in: 0.01...8),
            .value("modes", \.modes),
        ]
    }
}

extension DegradationRecipe.Noising: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("probability", \.probability, in: Limits.chance), .value("gaussian", \.gaussian, in: Limits.chance),
            .value("sigma", \.sigma, in: 0...255),
            .value("poissonScale", \.poissonScale, in: 0...100), .value("gray", \.gray, in: Limits.chance),
        ]
    }
}

extension DegradationRecipe.Compression: Tabled {
    internal static var fields: [Field<Self>] {
        [.value("probability", \.probability, in: Limits.chance), .value("quality", \.quality, in: 1...100)]
    }
}

extension DegradationRecipe.LastStage: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("sinc", \.sinc, in: Limits.chance), .value("sizes", \.sizes, in: Limits.sides),
            .value("compressLast", \.compressLast, in: Limits.chance),
            .value("modes", \.modes),
        ]
    }
}

extension DegradationRecipe.CodecStage: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("probability", \.probability, in: Limits.chance), .list("codecs", \.codecs),
            .value("stillFrames", \.stillFrames, in: 1...64),
            .value("stillMotion", \.stillMotion, in: 0...64),
        ]
    }
}

extension DegradationRecipe.RandomWalk: Tabled {
    internal static var fields: [Field<Self>] {
        [
            .value("sigma", \.sigma, in: Limits.steps), .value("rotation", \.rotation, in: Limits.steps),
            .value("generalisedBeta", \.generalisedBeta, in: Limits.steps),
            .value("plateauBeta", \.plateauBeta, in: Limits.steps), .value("cutoff", \.cutoff, in: Limits.steps),
            .value("firstResize", \.firstResize, in: Limits.steps),
            .value("secondResize", \.secondResize, in: Limits.steps), .value("noise", \.noise, in: Limits.steps),
            .value("poissonScale", \.poissonScale, in: Limits.steps),
            .value("quality", \.quality, in: Limits.steps),
        ]
    }
}

extension DegradationRecipe.Codec: Codable, Tabled {
    internal static var fields: [Field<Self>] {
        // The ranges are written as null where there is none, so that the key is known.
        [
            .value("encoder", \.encoder), .value("weight", \.weight, in: Limits.weight),
            .value("quality", \.quality, in: 0...63),
            .value("bitsPerPixel", \.bitsPerPixel, in: 0.001...24),
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
