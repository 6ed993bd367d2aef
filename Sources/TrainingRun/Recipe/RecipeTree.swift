internal import Catalogue
internal import FoundationEssentials
internal import Yams

/// A recipe's text as a tree, and typed values out of it.
///
/// A typed value is read by laying the tree over the value's own defaults: those are encoded, so every key that a type
/// knows stands in them, and a key that does not stand there is a mistake.
struct RecipeTree {
    let path: String
    private(set) var root: Node

    /// Bytes of the longest recipe that is read.
    static let longest = 256 << 10
    /// Most aliases (`*name`). Few, nested into one another, stand for more values than memory holds.
    private static let mostAliases = 8
    /// Most entries of a list; more belong into a folder or a list of files.
    private static let mostEntries = 2048
    /// Keys of the deepest place that can be set.
    private static let deepest = 16

    init(yaml: String, path: String) throws(RecipeError) {
        self.path = path
        guard yaml.utf8.count <= Self.longest else {
            throw RecipeError(path: path, "is too long for a recipe, which has \(Self.longest) bytes at most")
        }
        if let line = Self.lineOfAlias(Self.mostAliases, in: yaml) {
            throw RecipeError(
                path: path, line: line, "has more than \(Self.mostAliases) aliases (*name); write the values out")
        }
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

    /// The line on which the alias after the first `count` stands; nil where there are no more.
    ///
    /// Whatever may be an alias counts, words like *this* in quotes and after values included: what YAML makes of a text
    /// is only known when it is read.
    private static func lineOfAlias(_ count: Int, in yaml: String) -> Int? {
        var found = 0
        for (index, line) in yaml.utf8.split(
            omittingEmptySubsequences: false, whereSeparator: { $0 == 0x0A || $0 == 0x0D }
        )
        .enumerated() {
            // Lines of comments have none, whatever stands before them.
            if line.first(where: { $0 != 0x20 && $0 != 0x09 }) == UInt8(ascii: "#") { continue }
            var before = UInt8(ascii: " ")
            for byte in line {
                if byte == UInt8(ascii: "*"), " \t[{,:?-\"'".utf8.contains(before) {
                    found += 1
                    if found > count { return index + 1 }
                }
                before = byte
            }
        }
        return nil
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

    /// Sets one value as `data.batch=8` says; numbers in the path are places in a list, from 0.
    mutating func set(_ assignment: String) throws(RecipeError) {
        guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
            throw RecipeError(path: assignment, "expected key=value, as data.batch=8")
        }
        let keys = assignment[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard keys.count <= Self.deepest else {
            throw RecipeError(path: assignment, "the key has \(keys.count) parts; \(Self.deepest) are most")
        }
        let text = String(assignment[assignment.index(after: equals)...])
        guard Self.lineOfAlias(Self.mostAliases, in: text) == nil, let value = try? Yams.compose(yaml: text) ?? Node("")
        else { throw RecipeError(path: assignment, "the value is not YAML that is taken here") }
        root = try Self.replaced(root, keys[...], Self.unmarked(value), assignment)
    }

    /// Without the places in its own text, which are none of the recipe's.
    private static func unmarked(_ node: Node) -> Node {
        switch node {
        case .scalar(var scalar):
            scalar.mark = nil
            return .scalar(scalar)
        case .sequence(let sequence): return Node(sequence.map(unmarked), sequence.tag, sequence.style)
        case .mapping(let mapping):
            return Node(mapping.map { (unmarked($0.key), unmarked($0.value)) }, mapping.tag, mapping.style)
        default: return node
        }
    }

    private static func replaced(
        _ node: Node, _ keys: ArraySlice<String>, _ value: Node, _ assignment: String
    ) throws(RecipeError) -> Node {
        guard let key = keys.first else { return value }
        let rest = keys.dropFirst()
        if case .sequence(var sequence) = node {
            guard let index = Int(key), sequence.indices.contains(index) else {
                throw RecipeError(
                    path: assignment, "'\(key)' is no place in a list of \(sequence.count); count from 0")
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
        try checkLength(sequence, node, place)
        var result: [T] = []
        for (index, node) in sequence.enumerated() {
            result.append(try value(node, "\(place).\(index)", over: standard))
        }
        return result
    }

    private func checkLength(_ sequence: Node.Sequence, _ node: Node, _ place: String) throws(RecipeError) {
        guard sequence.count <= Self.mostEntries else {
            throw problem(node, "'\(place)' has \(sequence.count) entries; a list has \(Self.mostEntries) at most")
        }
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
        let value: T
        do { value = try YAMLDecoder().decode(T.self, from: whole) } catch let error as DecodingError {
            throw problem(error, in: node, place)
        } catch {
            throw problem(node, "'\(place)': \(error)")
        }
        // As they were understood: "1e400" is infinite, and "0x10" is 16.
        // (Through JSON, since YAML's encoder takes the square of a list's length.)
        guard let json = try? Recipe.jsonEncoder.encode(value),
            let understood = try? Yams.compose(yaml: String(decoding: json, as: UTF8.self))
        else {
            preconditionFailure("'\(place)' cannot be encoded")
        }
        try checkRanges(understood, node, place, line: node)
        return value
    }

    /// Refuses numbers outside their ranges.
    ///
    /// - Parameters:
    ///   - written: what the recipe says at this place; nil where it says nothing.
    ///   - line: the innermost part of the recipe around it.
    private func checkRanges(
        _ understood: Node, _ written: Node?, _ place: String, line: Node
    ) throws(RecipeError) {
        switch understood {
        case .mapping(let mapping):
            for (key, value) in mapping {
                let inner = written?.mapping?[key]
                try checkRanges(value, inner, "\(place).\(key.string ?? "?")", line: inner ?? line)
            }
        case .sequence(let sequence):
            if let list = written?.sequence, !sequence.isEmpty, list.count > sequence.count {
                throw problem(line, "'\(place)' has \(list.count) values; there are \(sequence.count) at most")
            }
            for (index, value) in sequence.enumerated() {
                let inner = written?.element(index)
                try checkRanges(value, inner, "\(place).\(index)", line: inner ?? line)
            }
        default:
            guard let range = RecipeRanges.range(of: place), let text = understood.string else { return }
            let number = Double(text) ?? (text.hasPrefix("-") ? -.infinity : text.contains("inf") ? .infinity : .nan)
            guard range.contains(number) else {
                throw problem(
                    line, "'\(place)' is \(written?.string ?? text); it must be between \(RecipeRanges.words(range))")
            }
        }
    }

    private func laid(
        _ node: Node, over base: Node, _ place: String, ignoring: Set<String>
    ) throws(RecipeError) -> Node {
        guard case .mapping(var result) = base else {
            if base.scalar != nil, node.scalar == nil {
                throw problem(node, "'\(place)' is one value, as \(base.string ?? "")")
            }
            if base.sequence != nil {
                guard let sequence = node.sequence else { throw problem(node, "'\(place)' is a list, as [a, b]") }
                try checkLength(sequence, node, place)
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
            if let index = key.intValue, let list = blamed.sequence, !list.indices.contains(index) {
                return problem(blamed, "'\(name)' has too few values, \(list.count)")
            }
            name += "." + (key.intValue.map(String.init) ?? key.stringValue)
            guard let next = blamed.mapping?[Node(key.stringValue)] ?? key.intValue.flatMap({ blamed.element($0) })
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

extension Node {
    /// The element at this place of a list; nil where there is no list or it is shorter.
    fileprivate func element(_ index: Int) -> Node? {
        guard let sequence, sequence.indices.contains(index) else { return nil }
        return sequence[index]
    }
}
