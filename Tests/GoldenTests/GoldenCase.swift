import FoundationEssentials
import Glibc
import Network
import Tensor
import Weights

/// A file of golden values; see Tests/Golden/make_golden.py.
struct GoldenCase: Sendable {
    /// The text `golden` of a file.
    struct Description: Decodable, Sendable {
        var kind: String
        var model: String?
        var parameters: Int?
        var sum: Double?
        var architecture: String?
        var seed: UInt64?
        var gain: Float?
        var hyperparameters: [String: Hyperparameter]?
        var cases: [String: OperationDescription]?
    }

    enum Hyperparameter: Codable, Sendable {
        case number(Int)
        case text(String)

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let number = try? value.decode(Int.self) {
                self = .number(number)
            } else {
                self = .text(try value.decode(String.self))
            }
        }

        func encode(to encoder: any Encoder) throws {
            var value = encoder.singleValueContainer()
            switch self {
            case .number(let number): try value.encode(number)
            case .text(let text): try value.encode(text)
            }
        }
    }

    struct OperationDescription: Decodable, Sendable {
        var operation: String
        var height, width, factor, stride, padding, groups, top, left, bottom, right: Int?
        var filter, mode: String?
        var slope: Float?
    }

    static let folder = goldenFolder

    let file: SafetensorsFile
    let description: Description

    init(_ name: String) throws {
        file = try SafetensorsFile(path: "\(Self.folder)/\(name).safetensors")
        description = try JSONDecoder().decode(Description.self, from: Data(file.metadata["golden"]!.utf8))
    }

    /// Inputs and the outputs expected of them.
    func pictures() throws -> [(input: HostTensor, output: HostTensor)] {
        let count = file.entries.keys.count { $0.hasPrefix("input.") }
        return try (0..<count).map { (try file.tensor("input.\($0)"), try file.tensor("output.\($0)")) }
    }

    /// The network of a random case, its weights drawn as the script draws them.
    func randomModel() throws -> Model {
        let json = try JSONEncoder().encode(description.hyperparameters!)
        func decode<A: Architecture>(_ type: A.Type) throws -> any Architecture {
            try JSONDecoder().decode(type, from: json)
        }
        let type: any Architecture.Type = architectures.first { $0.name == description.architecture }!
        let architecture = try decode(type)
        let graph = architecture.graph(.nhwc(1, 1, 1, 3))
        var generator = Philox(key: description.seed!)
        var parameters: Parameters = [:]
        for (name, shape) in graph.parameters.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
            let range: Range<Float>
            if shape.rank == 4 {
                let bound = description.gain! / Float(shape[1] * shape[2] * shape[3]).squareRoot()
                range = -bound..<bound
            } else {
                range = name.hasSuffix(".bias") ? Float(-0.1)..<Float(0.1) : Float(0)..<Float(0.5)
            }
            parameters[name] = HostTensor(shape, generator.uniform(shape.count, in: range))
        }
        return Model(architecture: architecture, parameters: parameters)
    }

    /// The names of the files, by what they begin with.
    static func names(_ prefixes: String...) -> [String] {
        var names: [String] = []
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasSuffix(".safetensors"), prefixes.contains(where: name.hasPrefix) {
                names.append(String(name.dropLast(".safetensors".count)))
            }
        }
        return names.sorted()
    }
}

private let goldenFolder =
    String(#filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 }) + "/Golden/data"

/// The largest absolute difference; infinite when the shapes differ or a value is no number.
func largestDifference(_ a: HostTensor, _ b: HostTensor) -> Float {
    guard a.shape == b.shape else { return .infinity }
    var largest: Float = 0
    for (x, y) in zip(a.values, b.values) {
        let difference = abs(x - y)
        guard difference.isFinite else { return .infinity }
        largest = max(largest, difference)
    }
    return largest
}
