import Glibc
import Tensor
import TestSupport
import Testing

@testable import Degradation

/// What is drawn, how often, and how it wanders over clips.
@Suite struct DistributionTests {
    private typealias Step = DegradationTrace.Step

    private func traces(
        _ recipe: DegradationRecipe, count: Int, frames: Int = 1, side: Int = 256, scale: Int = 4
    ) -> [DegradationTrace] {
        let degrader = Degrader(recipe, scale: scale)
        return (0..<count).map { degrader.plan(frames: frames, width: side, height: side, seed: 1, index: $0) }
    }

    private func preset(_ name: String) throws -> DegradationRecipe { try #require(DegradationRecipe.preset(name)) }

    @Test func kindsOfTheFirstBlur() throws {
        let count = 20_000
        var kinds: [String: Int] = [:]
        var sizes: [Int: Int] = [:]
        var belowOne = 0
        var generalised = 0
        for trace in traces(try preset("real-esrgan"), count: count) {
            guard case .blur(let kernel)? = trace.stages.first?.first else {
                Issue.record("the first stage is a blur")
                continue
            }
            sizes[kernel.size, default: 0] += 1
            switch kernel.kind {
            case .sinc(let cutoff):
                kinds["sinc", default: 0] += 1
                #expect(cutoff >= .pi / (kernel.size < 13 ? 3 : 5) && cutoff <= .pi)
            case .bell(let form, let x, let y, let rotation):
                #expect((0.2...3).contains(x) && (0.2...3).contains(y) && abs(rotation) <= .pi)
                let isRound = x == y && rotation == 0
                switch form {
                case .gaussian: kinds[isRound ? "round" : "turned", default: 0] += 1
                case .generalised(let beta):
                    #expect((0.5...4).contains(beta))
                    generalised += 1
                    belowOne += beta < 1 ? 1 : 0
                    kinds[isRound ? "generalised round" : "generalised turned", default: 0] += 1
                case .plateau(let beta):
                    #expect((1...2).contains(beta))
                    kinds[isRound ? "plateau round" : "plateau turned", default: 0] += 1
                }
            }
        }
        let expected = [
            "sinc": 0.1, "round": 0.9 * 0.45, "turned": 0.9 * 0.25, "generalised round": 0.9 * 0.12,
            "generalised turned": 0.9 * 0.03, "plateau round": 0.9 * 0.12, "plateau turned": 0.9 * 0.03,
        ]
        for (kind, probability) in expected {
            #expect(agrees(kinds[kind] ?? 0, of: count, probability: probability), "\(kind): \(kinds[kind] ?? 0)")
        }
        #expect(sizes.keys.sorted() == [7, 9, 11, 13, 15, 17, 19, 21])
        for (size, hits) in sizes { #expect(agrees(hits, of: count, probability: 1.0 / 8), "size \(size)") }
        #expect(agrees(belowOne, of: generalised, probability: 0.5))
    }

    /// Every stage of the paper's recipe: how often, in which order, in which range.
    @Test func stagesOfRealESRGAN() throws {
        let count = 8000
        var hits: [String: Int] = [:]
        var qualities: [Double] = []
        for trace in traces(try preset("real-esrgan"), count: count) {
            let steps = trace.stages.map { $0[0] }
            let sizes = steps.compactMap { if case .resize(let width, _, _) = $0 { width } else { nil } }
            let noises = steps.compactMap { if case .noise(let noise, _) = $0 { noise } else { nil } }
            let jpegs = steps.indices.filter { if case .jpeg = steps[$0] { true } else { false } }
            let blurs = steps.indices.filter { if case .blur = steps[$0] { true } else { false } }
            // One resize is missing where the first keeps the size; the others are there always.
            if sizes.count == 2 { hits["first keeps", default: 0] += 1 }
            if sizes.count == 3, sizes[0] > 256 { hits["first up", default: 0] += 1 }
            let second = sizes[sizes.count - 2]
            if second == 64 { hits["second keeps", default: 0] += 1 }
            if second > 64 { hits["second up", default: 0] += 1 }
            #expect(sizes[sizes.count - 1] == 64)
            #expect(sizes.count == 2 || (38...384).contains(sizes[0]))
            #expect((19...76).contains(second))
            #expect(noises.count == 2 && jpegs.count == 2)
            for (name, noise) in zip(["first", "second"], noises) {
                switch noise {
                case .gaussian(let sigma, let gray):
                    hits["\(name) gaussian", default: 0] += 1
                    hits["\(name) gray", default: 0] += gray ? 1 : 0
                    #expect((1...(name == "first" ? 30 : 25)).contains(sigma))
                case .poisson(let scale, let gray):
                    hits["\(name) gray", default: 0] += gray ? 1 : 0
                    #expect((0.05...(name == "first" ? 3 : 2.5)).contains(scale))
                }
            }
            for place in jpegs {
                if case .jpeg(let quality) = steps[place] { qualities.append(Double(quality)) }
            }
            if jpegs[1] == steps.count - 1 { hits["JPEG last", default: 0] += 1 }
            // The final sinc filter stands behind the last resize, the second blur before the second.
            let resizes = steps.indices.filter { if case .resize = steps[$0] { true } else { false } }
            if blurs.contains(where: { $0 > resizes[resizes.count - 1] }) { hits["sinc", default: 0] += 1 }
            if blurs.contains(where: { $0 > jpegs[0] && $0 < resizes[resizes.count - 2] }) {
                hits["second blur", default: 0] += 1
            }
        }
        // 0.3 keep, and up and down by less than a pixel fall on it too.
        let kept = 0.3 + 0.3 * (1 / 64.0) / 0.2
        let expected = [
            "first keeps": 0.1, "first up": 0.2 * (1 - (1 / 256.0) / 0.5), "second keeps": kept,
            "second up": 0.3 * (1 - (1 / 64.0) / 0.2), "first gaussian": 0.5, "second gaussian": 0.5,
            "first gray": 0.4, "second gray": 0.4, "JPEG last": 0.5, "sinc": 0.8, "second blur": 0.8,
        ]
        for (name, probability) in expected {
            #expect(agrees(hits[name] ?? 0, of: count, probability: probability), "\(name): \(hits[name] ?? 0)")
        }
        #expect(qualities.min() == 30 && qualities.max() == 95)
        // Uniform over 66 whole numbers.
        #expect(abs(mean(qualities) - 62.5) < 5 * (363 / Double(qualities.count)).squareRoot())
    }

    @Test func cleanSamples() throws {
        var recipe = try preset("photo")
        recipe.clean = 0.3
        let count = 5000
        let all = traces(recipe, count: count)
        #expect(agrees(all.count(where: \.isClean), of: count, probability: 0.3))
        for trace in all where trace.isClean {
            #expect(trace.stages == [[.resize(width: 64, height: 64, .antialiased)]])
        }
        #expect(traces(try preset("bicubic"), count: 100).allSatisfy(\.isClean))
    }

    @Test func codecsByWeight() throws {
        let count = 5000
        var hits: [String: Int] = [:]
        var dirty = 0
        var kept: [Int: Int] = [:]
        for trace in traces(try preset("web-video"), count: count) where !trace.isClean {
            dirty += 1
            guard case .codec(let use)? = trace.stages.last?.first else { continue }
            hits[use.encoder, default: 0] += 1
            kept[use.kept, default: 0] += 1
            #expect((0..<use.frames).contains(use.kept) && abs(use.motion.x) <= 1 && abs(use.motion.y) <= 1)
        }
        for (name, weight) in [("libx264", 0.75), ("libvpx-vp9", 0.15), ("libx265", 0.1)] {
            #expect(agrees(hits[name] ?? 0, of: dirty, probability: 0.95 * weight), "\(name)")
        }
        #expect(kept.keys.sorted() == [0, 1, 2])
        // Each octave of a bit rate is equally likely.
        var recipe = try preset("web-video")
        recipe.clean = 0
        recipe.lastCodec.probability = 1
        recipe.lastCodec.codecs = [DegradationRecipe.Codec("mpeg4", bitsPerPixel: 0.1...1.6)]
        let rates = traces(recipe, count: 2000).compactMap { trace -> Double? in
            guard case .codec(let use)? = trace.stages.last?.first, case .bitsPerPixel(let bits) = use.rate else {
                return nil
            }
            return bits
        }
        #expect(rates.count == 2000 && rates.allSatisfy { (0.1...1.6).contains($0) })
        #expect(agrees(rates.count { $0 < 0.2 }, of: 2000, probability: 0.25))
    }

    /// Parameters move by no more than the published steps, and they do move; kinds and windows stay.
    @Test func clipsWander() throws {
        for trace in traces(try preset("real-esrgan"), count: 300, frames: 8) {
            for stage in trace.stages {
                #expect(stage.count == 8)
                for (a, b) in zip(stage, stage.dropFirst()) {
                    switch (a, b) {
                    case (.blur(let a), .blur(let b)):
                        #expect(a.size == b.size)
                        switch (a.kind, b.kind) {
                        case (.sinc(let a), .sinc(let b)): #expect(abs(a - b) <= 0.0628)
                        case (.bell(let f, let ax, let ay, let ar), .bell(let g, let bx, let by, let br)):
                            #expect(abs(ax - bx) <= 0.02 && abs(ay - by) <= 0.02 && abs(ar - br) <= 0.314)
                            switch (f, g) {
                            case (.gaussian, .gaussian): break
                            case (.generalised(let a), .generalised(let b)): #expect(abs(a - b) <= 0.05)
                            case (.plateau(let a), .plateau(let b)): #expect(abs(a - b) <= 0.1)
                            default: Issue.record("the form changes")
                            }
                        default: Issue.record("the kind changes")
                        }
                    case (.resize(let w, let h, let m), .resize(let v, let g, let n)):
                        // 0.015 of 256, 0.03 of 64, and rounding down.
                        #expect(m == n && abs(w - v) <= 4 && abs(h - g) <= 4)
                    case (.noise(.gaussian(let a, let g), _), .noise(.gaussian(let b, let h), _)):
                        #expect(g == h && abs(a - b) <= 0.1)
                    case (.noise(.poisson(let a, let g), _), .noise(.poisson(let b, let h), _)):
                        #expect(g == h && abs(a - b) <= 0.005)
                    case (.jpeg(let a), .jpeg(let b)): #expect(abs(a - b) <= 4 && (30...95).contains(b))
                    default: Issue.record("\(a) is followed by \(b)")
                    }
                }
            }
        }
        let strengths = traces(try preset("real-esrgan"), count: 50, frames: 8).map { trace in
            trace.stages.flatMap { stage in stage.map(\.description) }
        }
        #expect(strengths.allSatisfy { Set($0).count > 12 })
        // A walk's step is uniform: over many, its mean square is a third of its largest's.
        var squares: [Double] = []
        for trace in traces(try preset("real-esrgan"), count: 3000, frames: 2) {
            for stage in trace.stages {
                if case .noise(.gaussian(let a, _), _) = stage[0], case .noise(.gaussian(let b, _), _) = stage[1] {
                    squares.append((a - b) * (a - b))
                }
            }
        }
        #expect(abs(mean(squares) / (0.01 / 3) - 1) < 5 * (0.8 / Double(squares.count)).squareRoot())
    }

    /// Changing one stage leaves the draws of the others as they were.
    @Test func stagesHaveStreamsOfTheirOwn() throws {
        var recipe = try preset("real-esrgan")
        let before = traces(recipe, count: 50)
        recipe.first.noise.probability = 0
        let after = traces(recipe, count: 50)
        for (a, b) in zip(before, after) {
            let others = a.stages.filter {
                if case .noise(_, let stream) = $0[0] { stream != Stream.firstNoise.rawValue + 2 } else { true }
            }
            #expect(Stream.firstGrain.rawValue == Stream.firstNoise.rawValue + 2)
            #expect(b.stages == others)
        }
        #expect(before != after)
    }
}
