public import Media
public import Metrics
internal import Resampling
internal import Tensor

/// What a comparison is to do.
public struct ComparisonOptions: Sendable {
    /// Whose size both are brought to where they differ.
    public enum Side: String, Sendable { case a, b }

    public var a: String
    public var b: String
    /// Nil refuses pictures of different sizes.
    public var scaleTo: Side?
    /// A picture or video that shows both.
    public var composite: (path: String, layout: CompositeLayout)?
    public var encoder = EncoderSettings()
    public var overwrite = false

    public init(a: String, b: String) { (self.a, self.b) = (a, b) }
}

/// Measured pairs of frames, and the sums over them.
public struct Comparison: Sendable {
    public struct Frame: Sendable {
        /// Seconds, of `a`.
        public var seconds: Double
        public var metrics: PictureMetrics
    }

    public var a: String
    public var b: String
    /// Pixels at which both were compared.
    public var width: Int
    public var height: Int
    /// What luma is made of: `a`'s matrix.
    public var luma: LumaWeights
    public var frames: [Frame]
    /// Frames of either file; the comparison stops at the shorter one's end.
    public var framesOfA: Int
    public var framesOfB: Int

    private func mean(_ value: (PictureMetrics) -> Double) -> Double {
        frames.isEmpty ? 0 : frames.reduce(0) { $0 + value($1.metrics) } / Double(frames.count)
    }

    /// Of the mean squared error over all frames, which is what a viewer of the whole sees; the mean of the frames'
    /// decibels would be infinite as soon as one frame is equal.
    public var psnrRGB: Double { PSNR.decibels(mean(\.errorRGB)) }
    public var psnrY: Double { PSNR.decibels(mean(\.errorY)) }
    public var ssim: Double { mean(\.ssim) }
    public var multiScaleSSIM: Double { mean(\.multiScale.similarity) }
    public var scales: Int { frames.first?.metrics.multiScale.scales ?? 0 }

    /// Reads both files in step and measures every pair of frames. Blocks.
    ///
    /// - Parameter progress: called after every pair with its number and what `a` promises.
    /// - Throws: `MediaError`, `ComparisonError`.
    public static func run(
        _ options: ComparisonOptions, progress: (_ frames: Int, _ expected: Int?) -> Void = { _, _ in }
    ) throws -> Comparison {
        let first = PictureSource(try MediaReader(path: options.a))
        let second = PictureSource(
            try MediaReader(path: options.b, options: ReaderOptions(copiesStreams: false)))
        guard let x = try first.next(), let y = try second.next() else {
            throw ComparisonError.noFrames(path: first.delivered == 0 ? options.a : options.b)
        }
        if x.pixels.shape != y.pixels.shape, options.scaleTo == nil {
            throw ComparisonError.sizes(
                a: options.a, x.pixels.shape.width, x.pixels.shape.height, b: options.b, y.pixels.shape.width,
                y.pixels.shape.height)
        }
        let target = options.scaleTo == .b ? y.pixels.shape : x.pixels.shape
        let weights = LumaWeights(first.video.color.matrix)
        var result = Comparison(
            a: options.a, b: options.b, width: target.width, height: target.height, luma: weights, frames: [],
            framesOfA: 0, framesOfB: 0)
        // The composite is always of `a`'s size: it is `a` that has the sound and the times.
        var composite = try options.composite.map {
            try CompositeWriter(
                path: $0.path, layout: $0.layout, source: first, shape: x.pixels.shape, encoder: options.encoder,
                overwrite: options.overwrite)
        }
        var (fitA, fitB) = (Fit(to: target), Fit(to: target))
        var pair: (TimedPicture, TimedPicture)? = (x, y)
        while let (p, q) = pair {
            let metrics = PictureMetrics(
                fitA.fit(p.pixels).clamped, fitB.fit(q.pixels).clamped, luma: weights)
            result.frames.append(Frame(seconds: p.seconds, metrics: metrics))
            try composite?.write(p, q)
            progress(result.frames.count, first.video.frameCountEstimate)
            if let p = try first.next(), let q = try second.next() { pair = (p, q) } else { pair = nil }
        }
        // The rest is counted, so that it can be said.
        while try first.next() != nil {}
        while try second.next() != nil {}
        (result.framesOfA, result.framesOfB) = (first.delivered, second.delivered)
        try composite?.finish()
        return result
    }
}

/// What cannot be compared.
public enum ComparisonError: Error, Sendable, CustomStringConvertible {
    case noFrames(path: String)
    case sizes(a: String, Int, Int, b: String, Int, Int)

    public var description: String {
        switch self {
        case .noFrames(let path): "\(path): holds no frame to compare"
        case .sizes(let a, let w, let h, let b, let v, let g):
            "\(a) is \(w)x\(h) and \(b) is \(v)x\(g): bring both to one size"
        }
    }
}

extension LumaWeights {
    /// Of a video's matrix; what has none of its own, RGB above all, is BT.601 as in the literature.
    init(_ matrix: ColorDescription.Matrix) {
        switch matrix {
        case .bt709: self = .bt709
        case .bt2020ncl, .bt2020cl: self = .bt2020
        default: self = .bt601
        }
    }
}

/// A frame as RGB floats, with its time.
struct TimedPicture {
    var pixels: HostTensor
    var timestamp: Int64
    var duration: Int64
    var seconds: Double
}

extension HostTensor {
    /// As it is shown and measured: limited to 0 … 1.
    fileprivate var clamped: HostTensor { HostTensor(shape, values.map { min(max($0, 0), 1) }) }
}

/// The frames of a file as pictures; the packets between them are handed on to whoever wants them.
final class PictureSource {
    let reader: MediaReader
    private let converter: PixelConverter
    private(set) var delivered = 0
    var onPacket: ((EncodedPacket) throws -> Void)?

    var video: VideoDescription { reader.video }

    init(_ reader: MediaReader) {
        self.reader = reader
        // What lies beyond 0 … 1 is kept, so that a composite shows the very numbers of both.
        converter = PixelConverter(decoding: reader.video, clamps: false)
    }

    func next() throws -> TimedPicture? {
        while let event = try reader.next() {
            switch event {
            case .packet(let packet): try onPacket?(packet)
            case .frame(let frame):
                delivered += 1
                var pixels = HostTensor(.nhwc(1, frame.height, frame.width, 3))
                try pixels.withUnsafeMutableValues { try converter.rgb(from: frame, into: $0) }
                return TimedPicture(
                    pixels: pixels, timestamp: frame.timestamp, duration: frame.duration,
                    seconds: Double(frame.timestamp) * video.timeBase.value)
            }
        }
        return nil
    }
}

/// Brings pictures to one size; keeps the resampler of the latest.
struct Fit {
    let target: Shape
    private var resampler: Resampler?

    init(to target: Shape) { self.target = target }

    mutating func fit(_ picture: HostTensor) -> HostTensor {
        if picture.shape == target { return picture }
        if resampler?.source != picture.shape { resampler = Resampler(from: picture.shape, to: target) }
        var result = HostTensor(target)
        resampler?.resize(picture, into: &result)
        // Lanczos overshoots; pictures do not.
        result.withUnsafeMutableValues { values in
            for index in values.indices { values[index] = min(max(values[index], 0), 1) }
        }
        return result
    }
}
