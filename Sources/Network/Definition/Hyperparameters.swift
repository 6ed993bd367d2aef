/// The value of a hyperparameter, as a recipe or a weight file states it.
public enum Hyperparameter: Hashable, Sendable {
    case integer(Int)
    /// A number that may have a fraction: a slope, a share.
    case number(Double)
    case text(String)
    case flag(Bool)
}

extension Hyperparameter: Codable {
    /// - Throws: `DecodingError` for what is no number, text or flag.
    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let flag = try? value.decode(Bool.self) {
            self = .flag(flag)
        } else if let integer = try? value.decode(Int.self) {
            self = .integer(integer)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else {
            self = .text(try value.decode(String.self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .integer(let integer): try value.encode(integer)
        case .number(let number): try value.encode(number)
        case .text(let text): try value.encode(text)
        case .flag(let flag): try value.encode(flag)
        }
    }
}

/// A whole hyperparameter and the range that it may lie in.
struct BoundedHyperparameter {
    let key: String
    let value: Int
    let range: ClosedRange<Int>

    init(_ key: String, _ value: Int, _ range: ClosedRange<Int>) {
        (self.key, self.value, self.range) = (key, value, range)
    }

    /// Channels between layers. Twice the width of the widest networks in use (512), and small enough that products of
    /// widths, sides and kernels fit an `Int`.
    static let widths = 1...1024
    /// Channels of a discriminator at full resolution; it has eight times as many at the bottom.
    static let discriminatorWidths = 1...512
    /// Channels of pictures.
    static let channels = 1...64
    /// Layers or blocks in a row; published networks have at most 64.
    static let depths = 0...256
    /// Output pixels per input pixel along each side.
    static let scales = 1...16
    /// Factors by which pictures are folded into channels.
    static let folds = 1...8
}

/// What is wrong with the first hyperparameter outside its range, in words that name the key, the value and the range;
/// nil if nothing is.
func problem(of network: String, _ values: [BoundedHyperparameter]) -> String? {
    values.first { !$0.range.contains($0.value) }.map {
        "\(network)'s '\($0.key)' is \($0.value); it must be between \($0.range.lowerBound) and \($0.range.upperBound)"
    }
}
