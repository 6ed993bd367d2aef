// Hyperparameters of an architecture as a dictionary: what its `Codable` conformance writes, without a text in between.

/// Something in an architecture's coding that is no number, text or flag.
public struct HyperparameterCodingError: Error, CustomStringConvertible {
    public let key: String
    public var description: String { "the hyperparameter '\(key)' is no number, text or flag" }
}

extension Architecture {
    /// The hyperparameters by the names that the weight file's metadata gives them.
    ///
    /// - Precondition: the architecture's coding has one level, of numbers, texts and flags.
    public var hyperparameters: [String: Hyperparameter] {
        let encoder = HyperparameterEncoder()
        do { try encode(to: encoder) } catch { preconditionFailure("\(Self.name): \(error)") }
        return encoder.values.found
    }
}

/// Writes the values of one flat object into a dictionary.
private struct HyperparameterEncoder: Encoder {
    final class Values { var found: [String: Hyperparameter] = [:] }

    let values = Values()
    var codingPath: [any CodingKey] = []
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(Keyed<Key>(encoder: self))
    }
    func unkeyedContainer() -> any UnkeyedEncodingContainer { preconditionFailure("hyperparameters are no list") }
    func singleValueContainer() -> any SingleValueEncodingContainer { Single(encoder: self) }

    private func put(_ value: Hyperparameter) throws {
        guard let key = codingPath.last else { throw HyperparameterCodingError(key: "") }
        values.found[key.stringValue] = value
    }

    /// A value as a hyperparameter; nil for one that has to encode itself.
    private static func hyperparameter(_ value: any Encodable) -> Hyperparameter? {
        switch value {
        case let flag as Bool: .flag(flag)
        case let text as String: .text(text)
        case let number as Double: .number(number)
        // In decimal, as people write it: 0.1 and not 0.10000000149.
        case let number as Float: .number(Double(number.description) ?? Double(number))
        case let integer as any BinaryInteger: Int(exactly: integer).map { .integer($0) }
        default: nil
        }
    }

    private func encode(_ value: some Encodable) throws {
        if let known = Self.hyperparameter(value) { return try put(known) }
        // An enumeration with raw values encodes itself as one value.
        try value.encode(to: self)
    }

    private struct Keyed<Key: CodingKey>: KeyedEncodingContainerProtocol {
        let encoder: HyperparameterEncoder
        var codingPath: [any CodingKey] { encoder.codingPath }

        private func at(_ key: Key) -> HyperparameterEncoder {
            var inner = encoder
            inner.codingPath.append(key)
            return inner
        }

        mutating func encodeNil(forKey key: Key) throws {}
        mutating func encode<T: Encodable>(_ value: T, forKey key: Key) throws {
            guard encoder.codingPath.isEmpty else { throw HyperparameterCodingError(key: key.stringValue) }
            try at(key).encode(value)
        }
        mutating func nestedContainer<Nested: CodingKey>(
            keyedBy type: Nested.Type, forKey key: Key
        ) -> KeyedEncodingContainer<Nested> { at(key).container(keyedBy: type) }
        mutating func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
            at(key).unkeyedContainer()
        }
        mutating func superEncoder() -> any Encoder { encoder }
        mutating func superEncoder(forKey key: Key) -> any Encoder { at(key) }
    }

    private struct Single: SingleValueEncodingContainer {
        let encoder: HyperparameterEncoder
        var codingPath: [any CodingKey] { encoder.codingPath }

        mutating func encodeNil() throws {}
        mutating func encode<T: Encodable>(_ value: T) throws {
            guard let known = HyperparameterEncoder.hyperparameter(value) else {
                throw HyperparameterCodingError(key: codingPath.last?.stringValue ?? "")
            }
            try encoder.put(known)
        }
    }
}
