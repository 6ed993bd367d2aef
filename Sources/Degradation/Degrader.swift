internal import Media
public import Tensor

/// A sample as the trainer takes it.
public struct Degraded: Sendable, Equatable {
    /// `[1, H / scale, W / scale, 3]` for each frame, in 0 … 1, rounded to 8 bits.
    public var low: [HostTensor]
    /// As they came in.
    public var high: [HostTensor]
    /// The target of pixel losses, where the recipe asks for a sharper one; a clean sample's are as they came in.
    public var sharpened: [HostTensor]?

    public init(low: [HostTensor], high: [HostTensor], sharpened: [HostTensor]? = nil) {
        self.low = low
        self.high = high
        self.sharpened = sharpened
    }
}

/// Makes bad pictures of good ones, by a recipe. A value without state: any thread may use it at any time.
public struct Degrader: Sendable {
    public let recipe: DegradationRecipe
    /// How many times smaller the low pictures are.
    public let scale: Int

    /// - Precondition: the recipe is valid (`validate`) and the scale at least 1.
    public init(_ recipe: DegradationRecipe, scale: Int) {
        precondition(scale >= 1, "a scale of \(scale)")
        do { try recipe.validate() } catch { preconditionFailure("\(error)") }
        self.recipe = recipe
        self.scale = scale
    }

    /// Sample `index` of the run that `seed` stands for, a pure function of its arguments (and, where encoders are drawn,
    /// of the versions of the codec libraries).
    ///
    /// Several frames are consecutive ones of a clip: what is drawn for them wanders from one to the next
    /// (`RandomWalk`), noise differs from frame to frame, and encoders encode them as a clip. A single frame through an
    /// encoder becomes a short film for it; see `CodecStage`.
    ///
    /// - Parameter high: `[1, H, W, 3]` RGB in 0 … 1, all of one size that is a multiple of the scale; 1 to 256 of them.
    /// - Throws: `MediaError` where an encoder is missing or refuses, `DegradationError` where libjpeg does.
    public func degrade(_ high: [HostTensor], seed: UInt64, index: Int) throws -> Degraded {
        try degradeWithTrace(high, seed: seed, index: index).sample
    }

    public func callAsFunction(_ high: [HostTensor], seed: UInt64, index: Int) throws -> Degraded {
        try degrade(high, seed: seed, index: index)
    }

    /// The same, and what was drawn.
    public func degradeWithTrace(
        _ high: [HostTensor], seed: UInt64, index: Int
    ) throws -> (sample: Degraded, trace: DegradationTrace) {
        precondition(!high.isEmpty, "a sample has at least one frame")
        for frame in high { frame.expectPicture() }
        let shape = high[0].shape
        precondition(high.allSatisfy { $0.shape == shape }, "the frames of a clip have one size")
        let trace = plan(frames: high.count, width: shape.width, height: shape.height, seed: seed, index: index)
        guard recipe.sharpen.enabled else {
            return (Degraded(low: try apply(trace, to: high, seed: seed, index: index), high: high), trace)
        }
        let settings = recipe.sharpen
        let targets =
            trace.isClean
            ? high
            : high.map {
                Degradation.sharpened(
                    $0, weight: Float(settings.weight), radius: settings.radius, threshold: Float(settings.threshold))
            }
        let low = try apply(trace, to: targets, seed: seed, index: index)
        return (Degraded(low: low, high: high, sharpened: targets), trace)
    }

    /// Draws, without touching pixels.
    public func plan(frames: Int, width: Int, height: Int, seed: UInt64, index: Int) -> DegradationTrace {
        precondition(
            width % scale == 0 && height % scale == 0, "\(width)x\(height) is no multiple of the scale \(scale)")
        return Planner(
            recipe: recipe, scale: scale, seed: seed, index: index, frames: frames, width: width, height: height
        ).plan()
    }

    /// Does what was drawn. `seed` and `index` give the noise its pixels.
    public func apply(
        _ trace: DegradationTrace, to frames: [HostTensor], seed: UInt64, index: Int
    ) throws -> [HostTensor] {
        var frames = frames
        for stage in trace.stages {
            if case .codec(let use)? = stage.first {
                frames = try use(frames)
                continue
            }
            precondition(stage.count == frames.count, "\(stage.count) steps for \(frames.count) frames")
            for (number, step) in stage.enumerated() {
                switch step {
                case .blur(let kernel): frames[number] = frames[number].blurred(by: kernel)
                case .resize(let width, let height, let mode):
                    frames[number] = frames[number].resized(height: height, width: width, mode)
                case .noise(let noise, let stream):
                    guard let stream = Stream(rawValue: stream) else { preconditionFailure("a stream of ours") }
                    frames[number] = frames[number].with(
                        noise, Draws(seed: seed, index: index, stream, frame: number))
                case .jpeg(let quality): frames[number] = try frames[number].throughJPEG(quality: quality)
                case .codec: preconditionFailure("a codec is the only step of its stage")
                }
            }
        }
        return frames.map(\.roundedToBytes)
    }
}

extension DegradationTrace.CodecUse {
    /// Through the encoder and back: a clip as a clip, a still as a film of itself of which one frame is kept.
    ///
    /// At low rates an encoder may leave out a motion altogether and repeat the frame before. A still that came out in
    /// its neighbour's place would teach a network to move pictures; it is encoded again without motion.
    /// - Throws: `MediaError`.
    public func callAsFunction(_ frames: [HostTensor]) throws -> [HostTensor] {
        let shape = frames[0].shape
        precondition(frames.allSatisfy { $0.shape == shape }, "encoders take frames of one size")
        let isStill = frames.count == 1
        let film =
            isStill
            ? (0..<self.frames).map { frames[0].moved(x: ($0 - kept) * motion.x, y: ($0 - kept) * motion.y) } : frames
        let perSecond = 25
        let encoding: CodecRoundTrip.Rate =
            switch rate {
            case .quality(let value): .quality(value)
            case .bitsPerPixel(let bits): .bitrate(bits * Double(shape.width * shape.height * perSecond))
            }
        let trip = CodecRoundTrip(encoder: encoder, rate: encoding, framesPerSecond: perSecond)
        let back = try trip(film.map(\.values), width: shape.width, height: shape.height)
        guard isStill else { return back.map { HostTensor(shape, $0) } }
        let found = back[kept]
        if motion != (0, 0) {
            let distances = film.map { frame in
                zip(frame.values, found).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            }
            if distances.contains(where: { $0 < distances[kept] }) {
                var resting = self
                resting.motion = (0, 0)
                return try resting(frames)
            }
        }
        return [HostTensor(shape, found)]
    }
}

extension HostTensor {
    /// The picture moved by whole pixels, right and down; what comes in at the edges is mirrored.
    internal func moved(x: Int, y: Int) -> HostTensor {
        if x == 0, y == 0 { return self }
        let (h, w) = (shape.height, shape.width)
        let columns = (0..<w).map { mirrored($0 - x, w) * 3 }
        let moved = [Float](unsafeUninitializedCapacity: h * w * 3) { target, count in
            withUnsafeValues { source in
                for row in 0..<h {
                    let from = mirrored(row - y, h) * w * 3
                    for column in 0..<w {
                        for c in 0..<3 { target[(row * w + column) * 3 + c] = source[from + columns[column] + c] }
                    }
                }
            }
            count = h * w * 3
        }
        return HostTensor(shape, moved)
    }
}
