import Foundation
import Tensor
import TestSupport
import Testing

@testable import Degradation

/// The pipeline as the trainer uses it.
@Suite struct DegraderTests {
    private func preset(_ name: String) throws -> DegradationRecipe { try #require(DegradationRecipe.preset(name)) }

    @Test(arguments: DegradationRecipe.presetNames) func everyPresetDegrades(_ name: String) throws {
        let degrader = Degrader(try preset(name), scale: 4)
        #expect(degrader.recipe.missingEncoders == [])
        let high = [blocks(96, 64, seed: 1)]
        for index in 0..<24 {
            let (sample, trace) = try degrader.degradeWithTrace(high, seed: 5, index: index)
            #expect(sample.high == high)
            #expect(sample.low.count == 1 && sample.low[0].shape == [1, 24, 16, 3], "\(trace)")
            for value in sample.low[0].values {
                #expect(value >= 0 && value <= 1 && abs(value * 255 - (value * 255).rounded()) < 1e-4)
            }
            #expect((sample.sharpened != nil) == degrader.recipe.sharpen.enabled)
            #expect(sample.sharpened?[0].shape ?? high[0].shape == high[0].shape)
            #expect(!trace.description.isEmpty)
        }
    }

    @Test func cleanIsBicubic() throws {
        let high = blocks(64, 64, seed: 4)
        let sample = try Degrader(preset("bicubic"), scale: 2)([high], seed: 0, index: 0)
        #expect(sample.low == [high.resized(height: 32, width: 32, .antialiased).roundedToBytes])
        #expect(sample.sharpened == nil)
        // A clean sample of a recipe that sharpens is not sharpened.
        var recipe = try preset("real-esrgan")
        recipe.clean = 1
        #expect(try Degrader(recipe, scale: 2)([high], seed: 0, index: 0).sharpened == [high])
        recipe.clean = 0
        let sharp = try Degrader(recipe, scale: 2)([high], seed: 0, index: 0).sharpened
        #expect(sharp == [sharpened(high)])
    }

    @Test func samplesArePureFunctions() async throws {
        var recipe = try preset("web-video")
        recipe.clean = 0
        recipe.first.noise.probability = 1
        let degrader = Degrader(recipe, scale: 2)
        let high = [blocks(64, 64, seed: 3)]
        let alone = try (0..<16).map { try degrader(high, seed: 9, index: $0).low }
        #expect(Set(alone.map { $0[0].values }).count == 16)
        // In another order, from other threads, by another degrader of the same recipe.
        let other = Degrader(recipe, scale: 2)
        let together = try await withThrowingTaskGroup(of: (Int, [HostTensor]).self) { group in
            for index in (0..<16).reversed() {
                group.addTask { (index, try other(high, seed: 9, index: index).low) }
            }
            var found = [[HostTensor]](repeating: [], count: 16)
            for try await (index, low) in group { found[index] = low }
            return found
        }
        #expect(together == alone)
        #expect(try degrader(high, seed: 10, index: 0).low != alone[0])
    }

    @Test(arguments: ["real-esrgan", "web-video", "dvd"]) func clips(_ name: String) throws {
        let degrader = Degrader(try preset(name), scale: 2)
        let high = (0..<4).map { scene(64, 96, shift: 2 * $0).clamped }
        for index in 0..<8 {
            let sample = try degrader(high, seed: 2, index: index)
            #expect(sample.low.count == 4 && sample.low.allSatisfy { $0.shape == [1, 32, 48, 3] })
            #expect(try degrader(high, seed: 2, index: index) == sample)
        }
        // Noise is not the same in every frame.
        let still = [HostTensor](repeating: high[0], count: 3)
        var recipe = try preset("photo")
        recipe.clean = 0
        recipe.first.noise.probability = 1
        let low = try Degrader(recipe, scale: 2)(still, seed: 1, index: 1).low
        #expect(low[0] != low[1] && low[1] != low[2])
    }

    /// All presets but the clean one are worse than bicubic; the milder ones milder than the paper's.
    @Test func howBadTheyAre() throws {
        let high = scene(128, 128).clamped
        let plain = high.resized(height: 32, width: 32, .antialiased).roundedToBytes
        func quality(_ name: String) throws -> Double {
            let degrader = Degrader(try preset(name), scale: 4)
            return try mean((0..<60).map { min(60, psnr(try degrader([high], seed: 3, index: $0).low[0], plain)) })
        }
        let paper = try quality("real-esrgan")
        #expect(paper > 12 && paper < 30)
        for name in ["photo", "web-video", "dvd", "anime"] {
            let mild = try quality(name)
            #expect(mild > paper + 2 && mild < 50, "\(name): \(mild) dB, the paper's \(paper) dB")
        }
    }

    @Test(arguments: DegradationRecipe.presetNames) func recipesAsText(_ name: String) throws {
        let recipe = try preset(name)
        #expect(recipe.preset == name)
        try recipe.validate()
        let text = try JSONEncoder().encode(recipe)
        #expect(try JSONDecoder().decode(DegradationRecipe.self, from: text) == recipe)
        let short = Data("{\"preset\": \"\(name)\"}".utf8)
        #expect(try JSONDecoder().decode(DegradationRecipe.self, from: short) == recipe)
    }

    @Test func onlyWhatDiffers() throws {
        let text = """
            {"preset": "web-video", "clean": 0.5, "first": {"noise": {"sigma": [2, 3]}, "resize": {"modes": ["area"]}},
             "lastCodec": {"codecs": [{"encoder": "libx264", "quality": [20, 21]}]}, "walk": {"noise": 0.7}}
            """
        let found = try JSONDecoder().decode(DegradationRecipe.self, from: Data(text.utf8))
        var expected = try preset("web-video")
        expected.clean = 0.5
        expected.first.noise.sigma = 2...3
        expected.first.resize.modes = [.area]
        expected.lastCodec.codecs = [DegradationRecipe.Codec("libx264", quality: 20...21)]
        expected.walk.noise = 0.7
        #expect(found == expected)
        let bare = try JSONDecoder().decode(DegradationRecipe.self, from: Data("{}".utf8))
        #expect(bare == DegradationRecipe.preset("real-esrgan"))
        #expect(DegradationRecipe.preset("nonsense") == nil)
    }

    /// Every key is written, also those without a value.
    @Test func knownKeys() throws {
        let text = try JSONEncoder().encode(try preset("web-video"))
        let tree = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
        #expect(tree.count == 9)
        let stage = try #require(tree["lastCodec"] as? [String: Any])
        let codec = try #require((stage["codecs"] as? [[String: Any]])?.first)
        #expect(codec.keys.sorted() == ["bitsPerPixel", "encoder", "quality", "weight"])
        let blur = try #require((tree["first"] as? [String: Any])?["blur"] as? [String: Any])
        #expect(blur.count == 7 && (blur["kinds"] as? [String: Any])?.count == 6)
    }

    @Test(arguments: [
        (#"{"clean": 1.5}"#, "clean"), (#"{"preset": "fotos"}"#, "fotos"),
        (#"{"first": {"jpeg": {"quality": [0, 50]}}}"#, "first.jpeg.quality"),
        (#"{"first": {"blur": {"sizes": [8, 8]}}}"#, "first.blur.sizes"),
        (#"{"second": {"resize": {"factor": [0.2, 0.9]}}}"#, "second.resize.factor"),
        (#"{"second": {"resize": {"up": 0, "down": 0, "keep": 0}}}"#, "second.resize"),
        (#"{"last": {"modes": []}}"#, "last.modes"), (#"{"walk": {"noise": -1}}"#, "walk.noise"),
        (#"{"lastCodec": {"probability": 1, "codecs": [{"encoder": "mpeg4"}]}}"#, "mpeg4"),
        (#"{"lastCodec": {"probability": 1, "codecs": []}}"#, "lastCodec.codecs"),
    ])
    func settingsThatMakeNoSense(_ text: String, _ named: String) {
        do {
            _ = try JSONDecoder().decode(DegradationRecipe.self, from: Data(text.utf8))
            Issue.record("\(text) was taken")
        } catch DecodingError.dataCorrupted(let context) {
            #expect(context.debugDescription.contains(named) && context.underlyingError is DegradationError)
        } catch {
            Issue.record("\(error)")
        }
    }
}
