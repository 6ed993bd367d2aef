internal import Datasets
internal import Degradation
internal import Network
public import Tensor

/// What a recipe's degradations make of its data, to be looked at.
public struct DegradationPreview: Sendable {
    /// Rows of good picture, plain small picture, and degraded small picture.
    public var picture: HostTensor
    /// What was drawn for each, one line a sample.
    public var traces: [String]

    /// Makes the samples that training would begin with. Blocks.
    ///
    /// - Parameter count: samples, two in a row.
    /// - Throws: `DatasetError`, `DegradationError`; `TrainingRunError.nothingToDegrade` where the data have small pictures
    ///   of their own.
    public init(_ recipe: Recipe, count: Int = 16) throws {
        let scale = recipe.generator.descriptor.scale
        let source = try recipe.data.openTraining(scale: scale)
        let degrader = Degrader(recipe.degradation, scale: scale)
        var samples: [Degraded] = []
        traces = []
        for index in 0..<count {
            let sample = try source.sample(index, seed: recipe.seed, side: recipe.data.crop)
            guard sample.low.isEmpty else { continue }
            let (degraded, trace) = try degrader.degradeWithTrace(sample.high, seed: recipe.seed, index: index)
            traces.append("\(samples.count + 1): \(trace)")
            samples.append(degraded)
        }
        guard !samples.isEmpty else { throw TrainingRunError.nothingToDegrade }
        picture = contactSheet(samples, columns: 2)
    }
}
