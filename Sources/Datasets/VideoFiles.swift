internal import Media
internal import Tensor
internal import Threads

/// Videos of which frames, or clips of consecutive frames, are the high side; the low side is made by a degradation.
///
/// Decoding begins at a key frame, so that reaching a place costs many times more than taking a crop of it. Each clip
/// therefore serves several samples, at other crops, as far apart as the cache allows: samples that are near each other
/// come from different clips. Which clip a sample has is still a function of its index alone (and of the options).
///
/// Thread-safe. Owns its decoders and its cache.
public final class VideoFiles: SampleSource {
    private struct File {
        var path: String
        var size: PixelSize
        var isDeep: Bool
        var seconds: Double
        var framesPerSecond: Double
        var frameCount: Int
    }

    /// Clips of runs with other seeds are other clips; a validation beside the training may well ask for both.
    private struct ClipKey: Hashable {
        var clip: Int
        var seed: UInt64
    }

    private let files: [File]
    /// Up to which second of all the footage a file reaches.
    private let reach: [Double]
    private let frames: Int
    private let rule: Crop.Rule
    private let augmentation: Augmentation
    /// Clips by their numbers.
    private let cache: Cache<ClipKey, [StoredPicture]>
    private let readers = ReaderPool()
    /// Neighbouring samples that all come from different clips, and how many samples a clip serves.
    let spread: Int
    let uses: Int

    public let summary: String
    public var itemCount: Int { files.count }

    /// Opens every file once. Blocks.
    ///
    /// - Parameters:
    ///   - paths: folders, searched with all that is in them, and videos. Every second of footage is as likely as another.
    ///   - frames: of a sample; consecutive ones, with the same crop.
    ///   - downscale, detail: as for `PictureFolder`.
    ///   - samplesPerClip: how many samples a decoded clip serves.
    ///   - cacheBytes: what decoded clips may take.
    /// - Throws: `DatasetError`.
    /// - Precondition: `frames` and `samplesPerClip` are at least 1; the other numbers lie in the ranges given.
    public init(
        _ paths: [String], frames: Int = 1, downscale: ClosedRange<Double> = 1...1, detail: Float = 0,
        augmentation: Augmentation = Augmentation(), samplesPerClip: Int = 4, cacheBytes: Int = defaultCacheBytes
    ) throws(DatasetError) {
        precondition(frames >= 1 && samplesPerClip >= 1)
        let found = try FileList.files(.videos, at: paths)
        guard !found.isEmpty else { throw .noVideos(path: paths.first ?? "the list of folders") }
        var files: [File] = []
        for path in found { files.append(try Self.look(path, frames: frames)) }
        (self.files, self.frames, self.augmentation) = (files, frames, augmentation)
        rule = Crop.Rule(downscale: downscale, detail: detail)
        var seconds = 0.0
        reach = files.map { file in
            seconds += file.seconds
            return seconds
        }
        let clipBytes = frames * (files.map { StoredPicture.byteCount($0.size, isDeep: $0.isDeep) }.max() ?? 1)
        cache = Cache(budget: cacheBytes, policy: .latest)
        // A quarter is left for the clips that come next while the last samples of the former are made.
        spread = min(max(cacheBytes / 4 * 3 / clipBytes, 1), 64)
        uses = clipBytes <= cacheBytes ? samplesPerClip : 1
        let minutes = seconds < 90 ? "\(Int(seconds.rounded())) s" : "\(Int((seconds / 60).rounded())) min"
        summary = counted(files.count, "video") + ", \(minutes)" + (frames > 1 ? ", clips of \(frames) frames" : "")
    }

    private static func look(_ path: String, frames: Int) throws(DatasetError) -> File {
        let video: VideoDescription?
        do {
            video = try MediaProbe.describe(path: path).video
        } catch {
            throw DatasetError(error, path: path)
        }
        guard let video, !video.isStillPicture else { throw .noVideos(path: path) }
        guard let seconds = video.durationSeconds, seconds > 0 else { throw .unknownLength(path: path) }
        let rate = video.averageFrameRate.isKnown ? video.averageFrameRate.value : 25
        let count = video.frameCountEstimate ?? Int((seconds * rate).rounded())
        guard count >= frames else { throw .tooFewFrames(path: path, frames: count, needed: frames) }
        return File(
            path: path, size: PixelSize(width: video.width, height: video.height), isDeep: video.bitDepth > 8,
            seconds: seconds, framesPerSecond: rate, frameCount: count)
    }

    public func check(side: Int) throws {
        for file in files { try fit(file.path, file.size, side) }
    }

    private func fit(_ path: String, _ size: PixelSize, _ side: Int) throws(DatasetError) {
        guard rule.fits(size, side: side) else {
            throw .cropTooLarge(path: path, size: size, side: side, downscale: rule.downscale.lowerBound)
        }
    }

    public func sample(_ index: Int, seed: UInt64, side: Int) throws -> Sample {
        // Blocks of spread * uses samples; sample by sample the block's clips take turns.
        let clip = index / (spread * uses) * spread + index % spread
        let (number, seconds) = place(clip, seed: seed)
        let file = files[number]
        try fit(file.path, file.size, side)
        let pictures = try cache.value(ClipKey(clip: clip, seed: seed), bytes: { $0.reduce(0) { $0 + $1.byteCount } }) {
            () throws(DatasetError) in try decode(number, at: seconds)
        }
        try fit(file.path, pictures[0].size, side)
        var draw = Draw(.crop, seed: seed, index: index)
        let crop = rule.crop(pictures[0], side: side, &draw)
        let lay = Lay(augmentation, seed: seed, index: index)
        return Sample(high: crop.pixels(of: pictures, filter: rule.filter).map(lay.apply))
    }

    /// Where a clip begins: a file, and seconds from its beginning.
    private func place(_ clip: Int, seed: UInt64) -> (file: Int, seconds: Double) {
        var draw = Draw(.shot, seed: seed, index: clip)
        let second = draw.unit() * (reach.last ?? 0)
        let number = reach.firstIndex { second < $0 } ?? files.count - 1
        let file = files[number]
        // Half a frame early, so that rounding never passes the frame that is meant.
        let first = Double(draw.below(file.frameCount - frames + 1)) - 0.5
        return (number, max(0, first / file.framesPerSecond))
    }

    private func decode(_ number: Int, at seconds: Double) throws(DatasetError) -> [StoredPicture] {
        let file = files[number]
        do throws(MediaError) {
            let video = if let open = readers.take(number) { open } else { try OpenVideo(file.path) }
            // What headers say of a length is not always true: then the clip begins earlier.
            var margin = 0.0
            while true {
                let start = max(0, seconds - margin)
                let pictures = try video.clip(at: start, frames: frames, isDeep: file.isDeep)
                if pictures.count == frames {
                    readers.put(video, number)
                    return pictures
                }
                guard start > 0 else {
                    throw .truncated(
                        path: file.path, seconds: nil,
                        reason: "\(counted(pictures.count, "frame")) of one size where a clip takes \(frames)")
                }
                margin = max(2 * margin, Double(2 * frames) / file.framesPerSecond)
            }
        } catch {
            throw DatasetError(error, path: file.path)
        }
    }
}

/// An opened video, which goes from place to place. One thread at a time.
private final class OpenVideo: @unchecked Sendable {
    private let reader: MediaReader
    private let converter: PixelConverter

    init(_ path: String) throws(MediaError) {
        reader = try MediaReader(path: path, options: ReaderOptions(decoderThreads: 1, copiesStreams: false))
        converter = PixelConverter(decoding: reader.video)
    }

    /// The frames from a place on, fewer where the video ends or changes its size.
    func clip(at seconds: Double, frames: Int, isDeep: Bool) throws(MediaError) -> [StoredPicture] {
        reader.restart(at: seconds)
        var pictures: [StoredPicture] = []
        while pictures.count < frames, let event = try reader.next() {
            guard case .frame(let frame) = event else { continue }
            let picture = try StoredPicture(frame, converter, isDeep: isDeep)
            if let first = pictures.first, first.size != picture.size { break }
            pictures.append(picture)
        }
        return pictures
    }
}

/// Videos that are open and that nobody reads just now: a few, whose decoders are warm.
private final class ReaderPool: @unchecked Sendable {
    private static let limit = 8
    private let monitor = Monitor()
    private var idle: [(file: Int, video: OpenVideo)] = []

    func take(_ file: Int) -> OpenVideo? {
        monitor.change {
            idle.lastIndex { $0.file == file }.map { idle.remove(at: $0).video }
        }
    }

    func put(_ video: OpenVideo, _ file: Int) {
        monitor.change {
            if idle.count == Self.limit { idle.removeFirst() }
            idle.append((file, video))
        }
    }
}
