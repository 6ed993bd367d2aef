internal import Degradation
internal import FoundationEssentials
internal import Network
internal import Weights
internal import Yams

extension Recipe {
    /// The whole recipe as YAML, defaults included, but of degradations only the preset and what differs from it: reading
    /// it again gives the same run. Where a later version has other presets, `digest` tells.
    public var yaml: String {
        let members = parts.map { key, value in
            switch value {
            case let network as NamedNetwork: (key, Self.node(network))
            case let degradation as DegradationRecipe: (key, Self.node(degradation))
            default: (key, Self.node(value))
            }
        }
        let root = Yams.Node.mapping(Yams.Node.Mapping(members.map { (Yams.Node($0.0), $0.1) }))
        do { return try Yams.serialize(node: root, width: 120) } catch {
            preconditionFailure("a recipe cannot be written: \(error)")
        }
    }

    /// A network among the parts of a recipe.
    private struct NamedNetwork: Encodable {
        var name: String
        var network: any Encodable

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(description(of: network, name: name))
        }
    }

    /// The top level's keys and values but for what has no effect.
    private var parts: [(String, any Encodable)] {
        var parts: [(String, any Encodable)] = [
            ("name", name), ("seed", seed), ("steps", steps),
            ("generator", NamedNetwork(name: type(of: generator).name, network: generator)),
        ]
        if !startFrom.isEmpty { parts.append(("startFrom", startFrom)) }
        if let discriminator {
            parts.append(
                ("discriminator", NamedNetwork(name: type(of: discriminator).name, network: discriminator)))
        }
        parts += [
            ("data", data), ("degradation", degradation), ("validationDegradation", validationDegradation),
            ("losses", losses),
        ]
        if perceptual.weight != 0 { parts.append(("perceptual", perceptual)) }
        parts.append(("optimizer", optimizer))
        if discriminator != nil {
            parts += [("adversarial", adversarial), ("discriminatorOptimizer", discriminatorOptimizer)]
        }
        parts += [("validation", validation), ("checkpoint", checkpoint)]
        return parts
    }

    private static func node(_ network: NamedNetwork) -> Yams.Node {
        let rest = node(network.network).mapping ?? Yams.Node.Mapping([])
        return .mapping(
            Yams.Node.Mapping(
                [(Yams.Node("architecture"), Yams.Node(network.name))] + rest.map { ($0.key, $0.value) }))
    }

    /// A preset's name, or a mapping of it and what differs.
    private static func node(_ degradation: DegradationRecipe) -> Yams.Node {
        let whole: Yams.Node = node(degradation as any Encodable)
        guard let preset = DegradationRecipe.preset(degradation.preset) else { return whole }
        let name = Yams.Node(degradation.preset)
        guard let rest = difference(whole, from: node(preset as any Encodable))?.mapping else { return name }
        return .mapping(Yams.Node.Mapping([(Yams.Node("preset"), name)] + rest.map { ($0.key, $0.value) }))
    }

    /// What of a tree is not the same in another one of the same keys; nil if nothing is. Lists differ as a whole.
    private static func difference(_ node: Yams.Node, from other: Yams.Node?) -> Yams.Node? {
        guard let mapping = node.mapping, let others = other?.mapping else { return node == other ? nil : node }
        let rest = mapping.compactMap { key, value in difference(value, from: others[key]).map { (key, $0) } }
        return rest.isEmpty ? nil : .mapping(Yams.Node.Mapping(rest))
    }

    private static func node(_ value: any Encodable) -> Yams.Node {
        do {
            let json = String(decoding: try jsonEncoder.encode(value), as: UTF8.self)
            let tree = try Yams.compose(yaml: YAMLEncoder().encode(value)) ?? Yams.Node("")
            return plain(tree, numbers: try Yams.compose(yaml: json))
        } catch {
            preconditionFailure("a recipe cannot be written: \(error)")
        }
    }

    /// Numbers as people write them and none of their digits lost, which is how JSON's encoder has them: YAML's makes
    /// "8.99999976158142e-1" of the single-precision 0.9, and cuts after 15 digits.
    private static func plain(_ node: Yams.Node, numbers json: Yams.Node?) -> Yams.Node {
        switch node {
        case .mapping(let mapping):
            let values = Dictionary((json?.mapping ?? [:]).map { ($0.key.string, $0.value) }) { first, _ in first }
            return .mapping(
                Yams.Node.Mapping(mapping.map { ($0.key, plain($0.value, numbers: values[$0.key.string])) }))
        case .sequence(let sequence):
            let values = json?.sequence.map(Array.init) ?? []
            return .sequence(
                Yams.Node.Sequence(
                    sequence.enumerated().map { plain($1, numbers: $0 < values.count ? values[$0] : nil) }))
        default:
            guard let number = json?.scalar, number.style == .plain, Double(number.string) != nil else { return node }
            return Yams.Node(number.string)
        }
    }

    static var jsonEncoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: ".inf", negativeInfinity: "-.inf", nan: ".nan")
        return encoder
    }

    /// SHA-256, in hexadecimal, of every value that has an effect, defaults and whole degradations included. It depends on
    /// the values alone: not on how a recipe was written, or on how `yaml` writes it.
    var digest: String {
        let hash = SHA256()
        for (key, value) in parts {
            guard let json = try? Self.jsonEncoder.encode(value) else { preconditionFailure("'\(key)' is no JSON") }
            (Data(key.utf8) + [0x20] + json + [0x0A]).withUnsafeBytes { hash.update($0) }
        }
        return hash.finish()
    }
}
