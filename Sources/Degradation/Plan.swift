internal import Glibc

/// Draws what happens to one sample.
internal struct Planner {
    let recipe: DegradationRecipe
    let scale: Int
    let seed: UInt64
    let index: Int
    let frames: Int
    let width: Int
    let height: Int

    private typealias Step = DegradationTrace.Step

    private func draws(_ stream: Stream) -> Draws { Draws(seed: seed, index: index, stream) }

    func plan() -> DegradationTrace {
        var draw = draws(.clean)
        let (lowWidth, lowHeight) = (width / scale, height / scale)
        if draw.happens(recipe.clean) {
            return DegradationTrace(
                isClean: true, stages: [all(.resize(width: lowWidth, height: lowHeight, .antialiased))])
        }
        var stages: [[Step]] = []
        // Codecs take frames of one size, so the first resize may only wander where none follows it before the second.
        let middle = codec(recipe.middleCodec, .middleCodec)
        let last = codec(recipe.lastCodec, .lastCodec)

        stages += blur(recipe.first.blur, .firstBlur)
        stages += resize(
            recipe.first.resize, .firstResize, width, height, step: middle == nil ? recipe.walk.firstResize : 0)
        stages += noise(recipe.first.noise, .firstNoise, grain: .firstGrain)
        stages += jpeg(recipe.first.jpeg, .firstJPEG)
        if let middle { stages.append([.codec(middle)]) }

        stages += blur(recipe.second.blur, .secondBlur)
        stages += resize(recipe.second.resize, .secondResize, lowWidth, lowHeight, step: recipe.walk.secondResize)
        stages += noise(recipe.second.noise, .secondNoise, grain: .secondGrain)

        let compression = jpeg(recipe.second.jpeg, .secondJPEG)
        var order = draws(.order)
        let compressLast = order.happens(recipe.last.compressLast)
        if !compressLast { stages += compression }
        var resizing = draws(.lastResize)
        let mode = recipe.last.modes[resizing.integer(0...recipe.last.modes.count - 1)]
        stages.append(all(.resize(width: lowWidth, height: lowHeight, mode)))
        stages += lastSinc()
        if compressLast { stages += compression }
        if let last { stages.append([.codec(last)]) }
        return DegradationTrace(isClean: false, stages: stages)
    }

    private func all(_ step: Step) -> [Step] { [Step](repeating: step, count: frames) }

    /// A value for each frame: the first as drawn, each other a step away from the one before, inside the range.
    private func walk(_ first: Double, step: Double, in range: ClosedRange<Double>, _ draw: inout Draws) -> [Double] {
        var values = [first]
        for _ in 1..<max(frames, 1) {
            let next = values[values.count - 1] + draw.uniform(-step...step)
            values.append(min(max(next, range.lowerBound), range.upperBound))
        }
        return values
    }

    private func size(_ range: ClosedRange<Int>, _ draw: inout Draws) -> Int {
        let lowest = range.lowerBound | 1
        return lowest + 2 * draw.integer(0...(range.upperBound - lowest) / 2)
    }

    private func beta(_ range: ClosedRange<Double>, _ draw: inout Draws) -> Double {
        guard range.contains(1) else { return draw.uniform(range) }
        return draw.happens(0.5) ? draw.uniform(range.lowerBound...1) : draw.uniform(1...range.upperBound)
    }

    private func blur(_ blur: DegradationRecipe.Blur, _ stream: Stream) -> [[Step]] {
        var draw = draws(stream)
        guard draw.happens(blur.probability) else { return [] }
        let size = size(blur.sizes, &draw)
        if draw.happens(blur.sinc) { return [sinc(size, &draw)] }
        let kind = draw.choice(blur.kinds.all)
        let isRound = kind % 2 == 0
        let rotations = -Double.pi...Double.pi
        let steps = recipe.walk
        // Everything is drawn whatever the kind: the numbers of one draw do not hang on another's.
        let sigmaX = walk(draw.uniform(blur.sigma), step: steps.sigma, in: blur.sigma, &draw)
        let sigmaY = walk(draw.uniform(blur.sigma), step: steps.sigma, in: blur.sigma, &draw)
        let rotation = walk(draw.uniform(rotations), step: steps.rotation, in: rotations, &draw)
        let isPlateau = kind >= 4
        let range = isPlateau ? blur.plateauBeta : blur.generalisedBeta
        let betas = walk(
            beta(range, &draw), step: isPlateau ? steps.plateauBeta : steps.generalisedBeta, in: range, &draw)
        return [
            (0..<frames).map { frame in
                let form: BlurKernel.Form =
                    switch kind {
                    case 0, 1: .gaussian
                    case 2, 3: .generalised(beta: betas[frame])
                    default: .plateau(beta: betas[frame])
                    }
                return .blur(
                    BlurKernel(
                        .bell(
                            form, sigmaX: sigmaX[frame], sigmaY: isRound ? sigmaX[frame] : sigmaY[frame],
                            rotation: isRound ? 0 : rotation[frame]), size: size))
            }
        ]
    }

    /// In a blur's place: small windows get no low cutoffs, whose rings they would cut off.
    private func sinc(_ size: Int, _ draw: inout Draws) -> [Step] {
        cutoffs(size, (size < 13 ? Double.pi / 3 : Double.pi / 5)...Double.pi, &draw)
    }

    private func cutoffs(_ size: Int, _ range: ClosedRange<Double>, _ draw: inout Draws) -> [Step] {
        walk(draw.uniform(range), step: recipe.walk.cutoff, in: range, &draw).map {
            .blur(BlurKernel(.sinc(cutoff: $0), size: size))
        }
    }

    private func lastSinc() -> [[Step]] {
        var draw = draws(.lastSinc)
        guard draw.happens(recipe.last.sinc) else { return [] }
        return [cutoffs(size(recipe.last.sizes, &draw), Double.pi / 3...Double.pi, &draw)]
    }

    /// - Parameters:
    ///   - width: what the factor multiplies.
    private func resize(
        _ resize: DegradationRecipe.Resizing, _ stream: Stream, _ width: Int, _ height: Int, step: Double
    ) -> [[Step]] {
        var draw = draws(stream)
        let direction = draw.choice([resize.up, resize.down, resize.keep])
        let mode = resize.modes[draw.integer(0...resize.modes.count - 1)]
        var factors = [Double](repeating: 1, count: frames)
        if direction < 2 {
            let range = direction == 0 ? 1...resize.factor.upperBound : resize.factor.lowerBound...1
            factors = walk(draw.uniform(range), step: step, in: resize.factor, &draw)
        } else if stream == .firstResize {
            return []
        }
        return [
            factors.map {
                .resize(
                    width: max(1, Int(Double(width) * $0)), height: max(1, Int(Double(height) * $0)), mode)
            }
        ]
    }

    private func noise(_ noise: DegradationRecipe.Noising, _ stream: Stream, grain: Stream) -> [[Step]] {
        var draw = draws(stream)
        guard draw.happens(noise.probability) else { return [] }
        let isGaussian = draw.happens(noise.gaussian)
        let gray = draw.happens(noise.gray)
        let range = isGaussian ? noise.sigma : noise.poissonScale
        let strengths = walk(
            draw.uniform(range), step: isGaussian ? recipe.walk.noise : recipe.walk.poissonScale, in: range, &draw)
        return [
            strengths.map {
                .noise(
                    isGaussian ? .gaussian(sigma: $0, gray: gray) : .poisson(scale: $0, gray: gray),
                    stream: grain.rawValue)
            }
        ]
    }

    private func jpeg(_ jpeg: DegradationRecipe.Compression, _ stream: Stream) -> [[Step]] {
        var draw = draws(stream)
        guard draw.happens(jpeg.probability) else { return [] }
        let first = draw.integer(jpeg.quality)
        let range = Double(jpeg.quality.lowerBound)...Double(jpeg.quality.upperBound)
        return [
            walk(Double(first), step: recipe.walk.quality, in: range, &draw).map { .jpeg(quality: Int($0.rounded())) }
        ]
    }

    private func codec(_ stage: DegradationRecipe.CodecStage, _ stream: Stream) -> DegradationTrace.CodecUse? {
        var draw = draws(stream)
        guard draw.happens(stage.probability) else { return nil }
        let codec = stage.codecs[draw.choice(stage.codecs.map(\.weight))]
        let place = draw.unit()
        let rate: DegradationTrace.CodecUse.Rate
        if let bits = codec.bitsPerPixel {
            rate = .bitsPerPixel(bits.lowerBound * pow(bits.upperBound / bits.lowerBound, place))
        } else if let quality = codec.quality {
            rate = .quality(quality.lowerBound + place * (quality.upperBound - quality.lowerBound))
        } else {
            preconditionFailure("degradation: \(codec.encoder) has neither quality nor bitsPerPixel")
        }
        let motion = -stage.stillMotion...stage.stillMotion
        return DegradationTrace.CodecUse(
            encoder: codec.encoder, rate: rate, frames: stage.stillFrames,
            kept: draw.integer(0...stage.stillFrames - 1),
            motion: (draw.integer(motion), draw.integer(motion)))
    }
}
