internal import Catalogue
internal import Yams

/// A recipe's text as a tree, and typed values out of it.
///
/// A typed value is read by laying the tree over the value's own defaults: those are encoded, so every key that a type
/// knows stands in them, and a key that does not stand there is a mistake.
struct RecipeTree {
    let path: String
    private(set) var root: Node

    init(yaml: String, path: String) throws(RecipeError) {
        self.path = path
        do {
            root = try Yams.compose(yaml: yaml) ?? Node([(Node, Node)]())
        } catch let error as YamlError {
            throw RecipeTree.failure(error, path: path)
        } catch {
            throw RecipeError(path: path, "not YAML: \(error)")
        }
        guard root.mapping != nil else {
            throw RecipeError(path: path, line: 1, "a recipe is a list of 'key: value' lines; this is something else")
        }
    }

    private static func failure(_ error: YamlError, path: String) -> RecipeError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return RecipeError(path: path, line: mark.line, "not YAML: \(problem)")
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.map { "'\($0)'" }.joined(separator: ", ")
            return RecipeError(path: path, line: context.mark.line, "\(names) stands there twice; keep one")
        default: return RecipeError(path: path, "not YAML: \(error)")
        }
    }

    // MARK: Overrides

    /// Sets one value as `--set data.batch=8` does; numbers in the path are places in a list, from 0.
    mutating func set(_ assignment: String) throws(RecipeError) {
        guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
            throw RecipeError(path: "--set \(assignment)", "expected key=value, as --set data.batch=8")
        }
        let keys = assignment[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let text = String(assignment[assignment.index(after: equals)...])
        guard let value = try? Yams.compose(yaml: text) ?? Node("") else {
            throw RecipeError(path: "--set \(assignment)", "the value is not YAML")
        }
        root = try Self.replaced(root, keys[...], value, assignment)
    }

    private static func replaced(
        _ node: Node, _ keys: ArraySlice<String>, _ value: Node, _ assignment: String
    ) throws(RecipeError) -> Node {
        guard let key = keys.first else { return value }
        let rest = keys.dropFirst()
        if case .sequence(var sequence) = node {
            guard let index = Int(key), sequence.indices.contains(index) else {
                throw RecipeError(
                    path: "--set \(assignment)", "'\(key)' is no place in a list of \(sequence.count); count from 0")
            }
            sequence[index] = try replaced(sequence[index], rest, value, assignment)
            return .sequence(sequence)
        }
        var mapping = node.mapping ?? Node.Mapping([])
        mapping[Node(key)] = try replaced(mapping[Node(key)] ?? Node([(Node, Node)]()), rest, value, assignment)
        return .mapping(mapping)
    }

    // MARK: Typed values

    /// Refuses keys of the top level that are not in `known`.
    func check(known: [String]) throws(RecipeError) {
        for (key, _) in root.mapping! where !known.contains(key.string ?? "") {
            throw unknown(key, among: known, section: "")
        }
    }

    func node(_ key: String) -> Node? { root.mapping![Node(key)] }

    /// The value under `key`, laid over `standard`.
    func value<T: Codable>(_ key: String, over standard: T) throws(RecipeError) -> T {
        guard let node = node(key) else { return standard }
        return try value(node, key, over: standard)
    }

    /// A list of values, each laid over `standard`.
    func values<T: Codable>(_ node: Node, _ place: String, over standard: T) throws(RecipeError) -> [T] {
        guard let sequence = node.sequence else {
            throw problem(node, "'\(place)' is a list: begin each entry with '- '")
        }
        var result: [T] = []
        for (index, node) in sequence.enumerated() {
            result.append(try value(node, "\(place).\(index)", over: standard))
        }
        return result
    }

    /// - Parameter ignoring: keys of the tree that somebody else reads.
    func value<T: Codable>(
        _ node: Node, _ place: String, over standard: T, ignoring: Set<String> = []
    ) throws(RecipeError) -> T {
        let base: Node
        do { base = try Yams.compose(yaml: YAMLEncoder().encode(standard))! } catch {
            preconditionFailure("the defaults of '\(place)' cannot be encoded: \(error)")
        }
        let whole = try laid(node, over: base, place, ignoring: ignoring)
        do { return try YAMLDecoder().decode(T.self, from: whole) } catch let error as DecodingError {
            throw problem(error, in: node, place)
        } catch {
            throw problem(node, "'\(place)': \(error)")
        }
    }

    private func laid(
        _ node: Node, over base: Node, _ place: String, ignoring: Set<String>
    ) throws(RecipeError) -> Node {
        guard case .mapping(var result) = base else {
            if base.scalar != nil, node.scalar == nil {
                throw problem(node, "'\(place)' is one value, as \(base.string ?? "")")
            }
            if base.sequence != nil, node.sequence == nil {
                throw problem(node, "'\(place)' is a list, as [a, b]")
            }
            return node
        }
        guard let mapping = node.mapping else {
            throw problem(node, "'\(place)' has members: write 'key: value' lines below it")
        }
        let known = result.compactMap { $0.key.string }
        for (key, value) in mapping {
            guard let name = key.string else { throw problem(key, "a key of '\(place)' is no text") }
            if ignoring.contains(name) { continue }
            guard let standard = result[key] else { throw unknown(key, among: known, section: place) }
            result[key] = try laid(value, over: standard, "\(place).\(name)", ignoring: [])
        }
        return .mapping(result)
    }

    // MARK: Words

    func problem(_ node: Node, _ message: String) -> RecipeError {
        RecipeError(path: path, line: node.mark?.line, message)
    }

    private func unknown(_ key: Node, among known: [String], section: String) -> RecipeError {
        let name = key.string ?? "?"
        let near = NearestNames.of(name, among: known)
        let remedy =
            near.isEmpty
            ? "known are \(known.sorted().joined(separator: ", "))"
            : "did you mean \(near.map { "'\($0)'" }.joined(separator: " or "))?"
        let owner = section.isEmpty ? "a recipe" : "'\(section)'"
        return problem(key, "'\(name)' is no key of \(owner); \(remedy)")
    }

    /// Names the value that does not fit, with its line.
    private func problem(_ error: DecodingError, in node: Node, _ place: String) -> RecipeError {
        let (codingPath, text): ([any CodingKey], String) =
            switch error {
            case .typeMismatch(let type, let context): (context.codingPath, "expected \(Self.words(type))")
            case .valueNotFound(let type, let context): (context.codingPath, "expected \(Self.words(type))")
            case .keyNotFound(let key, let context): (context.codingPath, "'\(key.stringValue)' is missing")
            case .dataCorrupted(let context): (context.codingPath, context.debugDescription)
            @unknown default: ([], "\(error)")
            }
        var blamed = node
        var name = place
        for key in codingPath {
            name += "." + key.stringValue
            guard let next = blamed.mapping?[Node(key.stringValue)] ?? key.intValue.flatMap({ blamed.sequence?[$0] })
            else { break }
            blamed = next
        }
        let found = blamed.string.map { ", found '\($0)'" } ?? ""
        return problem(blamed, "'\(name)': \(text)\(found)")
    }

    private static func words(_ type: any Any.Type) -> String {
        switch type {
        case is Int.Type, is UInt64.Type: "a whole number"
        case is Float.Type, is Double.Type: "a number"
        case is Bool.Type: "true or false"
        case is String.Type: "a text"
        default: "\(type)"
        }
    }
}
