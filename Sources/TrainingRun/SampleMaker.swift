internal import Datasets
internal import Degradation
internal import Network
internal import Tensor

/// One batch, ready for a step.
struct TrainingBatch: Sendable {
    /// `[N, h, w, C]` and `[N, h * scale, w * scale, C]`.
    var low: HostTensor
    var high: HostTensor
    /// The sharpened target, where the degradation asks for one.
    var sharpened: HostTensor?
}

/// Makes batches: samples from their sources, degraded. A function of the seed and of the batch's number; any thread.
struct SampleMaker: Sendable {
    let source: any SampleSource
    let degrader: Degrader
    let scale: Int
    let seed: UInt64

    /// Sample `index` with a target of `side` x `side` pixels.
    func sample(_ index: Int, side: Int) throws -> (low: HostTensor, high: HostTensor, sharpened: HostTensor?) {
        let sample = try source.sample(index, seed: seed, side: side)
        guard sample.low.isEmpty else { return (sample.low.last!, sample.high.last!, nil) }
        // Of a clip that is degraded together the last frame carries all that codecs make of it.
        let degraded = try degrader.degrade(sample.high, seed: seed, index: index)
        return (degraded.low.last!, degraded.high.last!, degraded.sharpened?.last)
    }

    func batch(_ number: Int, count: Int, side: Int) throws -> TrainingBatch {
        let samples = try (0..<count).map { try sample(number * count + $0, side: side) }
        let sharpened = samples.compactMap(\.sharpened)
        return TrainingBatch(
            low: stacked(samples.map(\.low)), high: stacked(samples.map(\.high)),
            sharpened: sharpened.isEmpty
                ? nil : stacked(samples.map { $0.sharpened ?? $0.high }))
    }
}

/// Pictures of one shape `[1, …]` as one `[N, …]`.
func stacked(_ pictures: [HostTensor]) -> HostTensor {
    var values: [Float] = []
    values.reserveCapacity(pictures.count * pictures[0].values.count)
    for picture in pictures { values += picture.values }
    let shape = pictures[0].shape
    return HostTensor(.nhwc(pictures.count, shape.height, shape.width, shape.channels), values)
}

extension SourceSettings {
    /// Opens what the settings name. Blocks while headers are read.
    ///
    /// - Throws: `DatasetError`.
    func open(scale: Int, augmentation: Augmentation, cacheBytes: Int) throws -> any SampleSource {
        if !pictures.isEmpty {
            return try PictureFolder(
                pictures, downscale: shrink[0]...shrink[1], detail: detail, augmentation: augmentation,
                cacheBytes: cacheBytes)
        }
        if !videos.isEmpty {
            return try VideoFiles(
                videos, frames: frames, downscale: shrink[0]...shrink[1], detail: detail, augmentation: augmentation,
                cacheBytes: cacheBytes)
        }
        return list.isEmpty
            ? try PairedPictures(low: low, high: high, scale: scale, augmentation: augmentation, cacheBytes: cacheBytes)
            : try PairedPictures(list: list, scale: scale, augmentation: augmentation, cacheBytes: cacheBytes)
    }

    /// For messages.
    var name: String { pictures.first ?? videos.first ?? (list.isEmpty ? high : list) }
}

extension DataSettings {
    /// All training sources as one.
    func openTraining(scale: Int) throws -> any SampleSource {
        let augmentation = Augmentation(flips: flips, rotations: rotations)
        let bytes = (cacheMegabytes << 20) / max(1, train.count)
        let sources = try train.map {
            (source: try $0.open(scale: scale, augmentation: augmentation, cacheBytes: bytes), weight: $0.weight)
        }
        for source in sources { try source.source.check(side: crop) }
        return sources.count == 1 ? sources[0].source : MixedSources(sources)
    }
}
