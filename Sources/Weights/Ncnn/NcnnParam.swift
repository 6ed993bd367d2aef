// The text half of an ncnn model: one line a layer.

/// A value of a layer's parameter list, as written.
enum NcnnValue: Equatable {
    case number(String)
    case list([String])

    /// As it is written, for messages.
    var text: String {
        switch self {
        case .number(let text): text
        case .list(let items): "[" + items.joined(separator: ",") + "]"
        }
    }
}

/// One line of a .param file.
struct NcnnLayer {
    let line: Int
    let type: String
    let name: String
    let inputs: [String]
    let outputs: [String]
    let values: [Int: NcnnValue]
}

/// A parsed .param file.
struct NcnnParam {
    static let magic = "7767517"
    /// More layers than any super-resolution network has; bounds the work that a hostile file can ask for.
    static let mostLayers = 10_000
    /// Bytes of the longest file and line that are read; a network of a thousand layers has about 100 kB.
    static let largestFile = 1 << 20
    private static let longestLine = 1 << 16

    let path: String
    let layers: [NcnnLayer]

    /// - Parameter bytes: of a file of at most `largestFile` bytes.
    init(_ bytes: [UInt8], path: String) throws(WeightError) {
        // Line by line: a file's words all at once would take twenty times its size.
        var lines = bytes.split(maxSplits: Self.mostLayers + 2) { $0 == 0x0A || $0 == 0x0D }.filter {
            !Self.words($0).isEmpty
        }[...]
        guard let magic = lines.popFirst(), Self.words(magic) == [Self.magic] else { throw .notWeights(path: path) }
        guard let counts = lines.popFirst().map(Self.words), counts.count == 2, let layerCount = Int(counts[0]),
            Int(counts[1]) != nil, (1...Self.mostLayers).contains(layerCount)
        else {
            throw .corruptHeader(
                path: path, reason: "its second line does not count layers (1 to \(Self.mostLayers)) and blobs")
        }
        guard lines.count >= layerCount else {
            throw .corruptHeader(
                path: path, reason: "it states \(layerCount) layers and has \(lines.count): cut short?")
        }
        guard lines.count == layerCount else {
            throw .corruptHeader(path: path, reason: "it states \(layerCount) layers and has \(lines.count)")
        }
        var layers: [NcnnLayer] = []
        for (index, line) in lines.enumerated() {
            guard line.count <= Self.longestLine, String(validating: line, as: UTF8.self) != nil,
                let layer = Self.layer(Self.words(line), line: index + 3)
            else { throw .corruptHeader(path: path, reason: "line \(index + 3) does not describe a layer") }
            layers.append(layer)
        }
        (self.path, self.layers) = (path, layers)
    }

    private static func words(_ line: ArraySlice<UInt8>) -> [String] {
        line.prefix(longestLine).split { $0 == 0x20 || $0 == 0x09 }.map { String(decoding: $0, as: UTF8.self) }
    }

    /// `type name inputCount outputCount inputs… outputs… key=value…`
    private static func layer(_ words: [String], line: Int) -> NcnnLayer? {
        guard words.count >= 4, let inputs = Int(words[2]), let outputs = Int(words[3]), inputs >= 0, outputs >= 0,
            inputs <= words.count, outputs <= words.count, words.count >= 4 + inputs + outputs
        else { return nil }
        var values: [Int: NcnnValue] = [:]
        for word in words[(4 + inputs + outputs)...] {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let id = Int(parts[0]) else { return nil }
            // Lists have keys from -23300 downwards and begin with their length.
            if id <= -23300 {
                let items = parts[1].split(separator: ",").map(String.init)
                guard let first = items.first, let count = Int(first), count == items.count - 1 else { return nil }
                let key = -(id + 23300)
                guard values.updateValue(.list(Array(items.dropFirst())), forKey: key) == nil else { return nil }
            } else {
                guard values.updateValue(.number(String(parts[1])), forKey: id) == nil else { return nil }
            }
        }
        return NcnnLayer(
            line: line, type: words[0], name: words[1], inputs: Array(words[4..<4 + inputs]),
            outputs: Array(words[(4 + inputs)..<(4 + inputs + outputs)]), values: values)
    }
}

/// Access to a layer's values with their defaults; a value of another kind is an error that names the layer.
struct NcnnReader {
    let layer: NcnnLayer
    let path: String
    /// The keys asked for so far: what is left over at the end was not understood.
    private(set) var read: Set<Int> = []

    /// Bounds what is compared with one value only.
    private static let anything = 1 << 31

    init(_ layer: NcnnLayer, path: String) { (self.layer, self.path) = (layer, path) }

    func problem(_ reason: String) -> WeightError {
        .unknownLayer(path: path, layer: "\(layer.type) \(layer.name)", reason: reason)
    }

    /// A whole number within `range`; `meaning` is its name in messages.
    mutating func integer(
        _ key: Int, _ meaning: String, default fallback: Int, in range: ClosedRange<Int>
    ) throws(WeightError) -> Int {
        read.insert(key)
        guard let value = layer.values[key] else { return fallback }
        guard case .number(let text) = value, let number = Int(text), range.contains(number) else {
            throw problem(
                "parameter \(key) (\(meaning)) is \(value.text); it must be a whole number between \(range.lowerBound) "
                    + "and \(range.upperBound)")
        }
        return number
    }

    /// Slopes, coefficients and the like: far more than any network has, far less than makes sums infinite.
    static let factors: ClosedRange<Float> = -1e6...1e6

    /// A number within `factors`.
    mutating func float(_ key: Int, _ meaning: String, default fallback: Float) throws(WeightError) -> Float {
        read.insert(key)
        guard let value = layer.values[key] else { return fallback }
        guard case .number(let text) = value, let number = Float(text), Self.factors.contains(number) else {
            throw problem("parameter \(key) (\(meaning)) is \(value.text); it must be a number between -1e6 and 1e6")
        }
        return number
    }

    /// A list of numbers within `factors`.
    mutating func floats(_ key: Int, _ meaning: String) throws(WeightError) -> [Float] {
        read.insert(key)
        guard let value = layer.values[key] else { return [] }
        guard case .list(let items) = value, items.allSatisfy({ Float($0).map(Self.factors.contains) ?? false }) else {
            throw problem(
                "parameter \(key) (\(meaning)) is \(value.text); it must be a list of numbers between -1e6 and 1e6")
        }
        return items.compactMap(Float.init)
    }

    /// Refuses a parameter that has any other value than the one that changes nothing.
    mutating func expect(_ key: Int, _ value: Int, _ meaning: String) throws(WeightError) {
        guard try integer(key, meaning, default: value, in: -Self.anything...Self.anything) == value else {
            throw problem("\(meaning) is not supported")
        }
    }

    /// Refuses parameters that nobody asked for.
    func finish() throws(WeightError) {
        if let key = layer.values.keys.filter({ !read.contains($0) }).min() {
            throw problem("parameter \(key) is not known")
        }
    }
}
