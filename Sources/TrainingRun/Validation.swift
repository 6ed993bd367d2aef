internal import Datasets
internal import Degradation
internal import Metrics
internal import Network
internal import Resampling
internal import RunRecords
internal import Tensor

/// The pictures that a run is judged by, and how.
final class Validation {
    private struct Picture {
        let low: HostTensor
        let high: HostTensor
        /// Of a plain resize: what the network must beat.
        let baseline: PictureMetrics
    }

    private let pictures: [Picture]
    /// Pictures in a strip.
    private static let shown = 4

    /// Makes the pictures once, the same in every run of the recipe. Blocks.
    ///
    /// - Throws: `DatasetError`, `DegradationError`.
    init(_ recipe: Recipe, scale: Int) throws {
        var pictures: [Picture] = []
        let degrader = Degrader(recipe.validationDegradation, scale: scale)
        for settings in recipe.data.validation {
            let source = try settings.open(
                scale: scale, augmentation: .none,
                cacheBytes: (recipe.data.cacheMegabytes << 20) / (4 * recipe.data.validation.count))
            try source.check(side: recipe.validation.side)
            // The seed is the validation's own: other crops in training must not change what it is measured on.
            let maker = SampleMaker(source: source, degrader: degrader, scale: scale, seed: 0x7661_6C69_6461_7465)
            for index in 0..<recipe.validation.pictures {
                let sample = try maker.sample(index, side: recipe.validation.side)
                let shape = sample.high.shape
                let enlarged = resized(sample.low, height: shape.height, width: shape.width, filter: .bicubic)
                pictures.append(
                    Picture(
                        low: sample.low, high: sample.high,
                        baseline: PictureMetrics(clamped(enlarged), sample.high, luma: .bt601)))
            }
        }
        self.pictures = pictures
    }

    var isEmpty: Bool { pictures.isEmpty }

    /// Runs a network on every picture.
    ///
    /// - Parameter parameters: under the architecture's own names.
    /// - Returns: means over the pictures, and a strip of the first ones to look at.
    /// - Throws: `ExecutionError`.
    func measure(
        _ architecture: any Architecture, _ parameters: Parameters, on executor: any Executor
    ) throws -> (values: [String: Float], strip: HostTensor) {
        var plans: [Shape: any Plan] = [:]
        var sums: [String: Double] = [:]
        var shown: [(low: HostTensor, generated: HostTensor, high: HostTensor)] = []
        for picture in pictures {
            let shape = picture.low.shape
            if plans[shape] == nil {
                plans[shape] = try executor.compile(architecture.graph(shape), parameters: parameters)
            }
            let generated = clamped(try plans[shape]!.run([picture.low])[0])
            let metrics = PictureMetrics(generated, picture.high, luma: .bt601)
            for (name, value) in [
                ("psnr", metrics.psnrRGB), ("psnrY", metrics.psnrY), ("ssim", metrics.ssim),
                ("gainY", metrics.psnrY - picture.baseline.psnrY),
            ] { sums[name, default: 0] += value }
            if shown.count < Self.shown, shown.isEmpty || shown[0].low.shape == shape {
                shown.append((picture.low, generated, picture.high))
            }
        }
        let strip = PictureStrip().layout(
            low: stacked(shown.map(\.low)), generated: stacked(shown.map(\.generated)),
            target: stacked(shown.map(\.high)))
        return (sums.mapValues { Float($0 / Double(pictures.count)) }, strip)
    }
}

/// To the range of pictures: networks overshoot at edges.
func clamped(_ x: HostTensor) -> HostTensor { HostTensor(x.shape, x.values.map { min(max($0, 0), 1) }) }
