/// Several sources, each of which gives the share of samples that its weight says.
public final class MixedSources: SampleSource {
    private let sources: [any SampleSource]
    /// Up to which number in 0 … 1 a source is taken.
    private let limits: [Double]

    public let summary: String
    public let itemCount: Int

    /// - Precondition: there is a source, and the weights are positive. They need not add up to 1.
    public init(_ parts: [(source: any SampleSource, weight: Double)]) {
        precondition(!parts.isEmpty && parts.allSatisfy { $0.weight > 0 && $0.weight.isFinite })
        sources = parts.map(\.source)
        let sum = parts.reduce(0) { $0 + $1.weight }
        var reached = 0.0
        limits = parts.map { part in
            reached += part.weight / sum
            return reached
        }
        itemCount = sources.reduce(0) { $0 + $1.itemCount }
        summary = parts.map { part in
            "\(Int((part.weight / sum * 100).rounded())) % of \(part.source.summary)"
        }.joined(separator: "; ")
    }

    public func check(side: Int) throws {
        for source in sources { try source.check(side: side) }
    }

    public func sample(_ index: Int, seed: UInt64, side: Int) throws -> Sample {
        var draw = Draw(.mixture, seed: seed, index: index)
        let number = draw.unit()
        let chosen = limits.firstIndex { number < $0 } ?? sources.count - 1
        return try sources[chosen].sample(index, seed: seed, side: side)
    }
}
