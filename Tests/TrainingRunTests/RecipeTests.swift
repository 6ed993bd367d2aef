import Degradation
import Foundation
import Network
import Testing
import Training

@testable import TrainingRun

@Suite struct RecipeTests {
    private let minimal = """
        generator: RealtimeSR
        data:
          train:
            - pictures: [somewhere]
        """

    private func problem(_ yaml: String, _ overrides: String...) -> String {
        do {
            _ = try Recipe(yaml: yaml, path: "recipe.yaml", overrides: overrides)
            return ""
        } catch { return error.description }
    }

    @Test(arguments: [
        "psnr-x4", "real-esrgan-x4", "compact-realtime-x2", "finetune-paired", "video-web-x2", "realtime-gan-x2",
    ])
    func shippedRecipesAreSound(_ name: String) throws {
        let recipe = try Recipe(path: "\(packageFolder)/samples/recipes/\(name).yaml")
        #expect(recipe.steps > 0 && !recipe.data.train.isEmpty)
        // What a run writes down is the same recipe, and no long one.
        let again = try Recipe(yaml: recipe.yaml, path: "/again.yaml")
        #expect(again.yaml == recipe.yaml && again.digest == recipe.digest)
        #expect(again.degradation == recipe.degradation && again.data == recipe.data)
        #expect(again.validationDegradation == recipe.validationDegradation && again.optimizer == recipe.optimizer)
        #expect(recipe.yaml.split(separator: "\n").count < 170)
    }

    /// What the built-in models' runs wrote down, whole degradations included: it is read, and written briefly with what
    /// presets have become different in since.
    @Test(arguments: ["realtime-x2-first", "realtime-x2", "realtime-x2-video"])
    func longRecipesAreRead(_ name: String) throws {
        let path = "\(packageFolder)/docs/models/\(name).yaml"
        let recipe = try Recipe(path: path)
        #expect(recipe.degradation.lastCodec.stillMotion == (name == "realtime-x2-first" ? 2 : 1))
        let again = try Recipe(yaml: recipe.yaml, path: "/again.yaml")
        #expect(again.degradation == recipe.degradation && again.digest == recipe.digest)
        #expect(again.validationDegradation == recipe.validationDegradation)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count
        #expect(recipe.yaml.split(separator: "\n").count < lines / 2)
    }

    @Test(arguments: DegradationRecipe.presetNames)
    func degradationsAreWrittenBriefly(_ name: String) throws {
        var recipe = try Recipe(yaml: minimal, path: "recipe.yaml")
        recipe.degradation = DegradationRecipe.preset(name)!
        #expect(recipe.yaml.contains("\ndegradation: \(name)\nvalidationDegradation: bicubic\n"))
        #expect(try Recipe(yaml: recipe.yaml, path: "recipe.yaml").degradation == recipe.degradation)
        // Only what differs is said, on every level; lists whole.
        recipe.degradation.clean = 1.0 / 3
        recipe.degradation.second.blur.sigma = 0.125...0.75
        recipe.degradation.lastCodec.codecs = [.init("libx264", quality: 21...22)]
        recipe.validationDegradation = recipe.degradation
        let expected = """
              preset: \(name)
              clean: 0.3333333333333333
              second:
                blur:
                  sigma:
                  - 0.125
                  - 0.75
              lastCodec:
                codecs:
                - encoder: libx264
                  weight: 1
                  quality:
                  - 21
                  - 22
                  bitsPerPixel: null

            """
        #expect(recipe.yaml.contains("\ndegradation:\n\(expected)validationDegradation:\n\(expected)losses:\n"))
        let again = try Recipe(yaml: recipe.yaml, path: "recipe.yaml")
        #expect(again.degradation == recipe.degradation && again.validationDegradation == recipe.degradation)
        #expect(again.digest == recipe.digest)
    }

    /// The digest is of what a recipe says, not of how.
    @Test func digests() throws {
        func digest(_ more: String, _ overrides: String...) throws -> String {
            try Recipe(yaml: minimal + "\n" + more, path: "recipe.yaml", overrides: overrides).digest
        }
        let plain = try digest("")
        #expect(plain.count == 64 && plain.allSatisfy { $0.isHexDigit })
        #expect(
            try digest("optimizer: {rate: 0.20e-3}\ndegradation: {preset: bicubic, clean: 1}\nsteps: 10000") == plain)
        // Of no effect without a discriminator.
        #expect(try digest("adversarial: {weight: 7}") == plain)
        let others = try [
            digest("optimizer: {rate: 2.0000001e-4}"), digest("degradation: photo"),
            digest("degradation: {preset: bicubic, last: {sinc: 0.1}}"), digest("validationDegradation: photo"),
            digest("", "data.train.0.weight=2"), digest("", "generator=RRDBNet"),
            digest("discriminator: PatchGAN"), digest("discriminator: PatchGAN\nadversarial: {weight: 7}"),
            digest("optimizer: {cycles: 2}"),
        ]
        #expect(Set(others + [plain]).count == others.count + 1)
    }

    /// Every digit of a number comes through, and a text that looks like a number stays one.
    @Test func valuesAreWrittenWhole() throws {
        var recipe = try Recipe(yaml: minimal, path: "recipe.yaml")
        (recipe.name, recipe.optimizer.rate, recipe.optimizer.average) = ("1e5", 1.0 / 3, 0.1 + 0.2)
        recipe.optimizer.epsilon = 1.2345678e-30
        let again = try Recipe(yaml: recipe.yaml, path: "recipe.yaml")
        #expect(again.name == "1e5" && again.optimizer == recipe.optimizer && again.digest == recipe.digest)
        #expect(recipe.yaml.contains("beta1: 0.9\n") && recipe.yaml.contains("rate: 0.3333333333333333\n"))
    }

    @Test func whatIsNotSaidHasItsDefault() throws {
        let recipe = try Recipe(yaml: minimal, path: "folder/recipe.yaml")
        #expect(recipe.data.train[0].pictures == ["folder/somewhere"])
        #expect((recipe.generator as? RealtimeSR) == RealtimeSR())
        #expect(recipe.rules.pixelLosses == [.l1: 1] && recipe.rules.averageDecay == 0.999)
        #expect(recipe.rules.adversarial == nil)
    }

    @Test func valuesAreTaken() throws {
        let recipe = try Recipe(
            yaml: """
                name: trial
                generator: {architecture: RRDBNet, blocks: 3, features: 16, growth: 8}
                discriminator: {architecture: UNetDiscriminatorSN, features: 8}
                data:
                  train: [{pictures: [a]}, {low: b, high: c, weight: 2}]
                  crop: 64
                degradation:
                  preset: real-esrgan
                  first:
                    noise: {probability: 0.25}
                losses: {charbonnier: 0.5}
                adversarial: {loss: hinge, weight: 0.05, discriminatorSteps: 2, r1: 4}
                optimizer: {rule: scheduleFree, rate: 1e-3, decay: multiStep, milestones: [10, 20], average: 0}
                """, path: "recipe.yaml")
        let network = try #require(recipe.generator as? RRDBNet)
        #expect(network.blocks == 3 && network.features == 16 && network.upsamplings == 2)
        #expect(recipe.data.train[1].weight == 2 && recipe.data.train[0].weight == 1)
        #expect(recipe.degradation.first.noise.probability == 0.25 && recipe.degradation.first.noise.gray == 0.4)
        let rules = recipe.rules
        #expect(rules.pixelLosses == [.l1: 1, .charbonnier: 0.5])
        #expect(rules.generatorOptimizer.rule == .scheduleFree && rules.averageDecay == nil)
        #expect(abs(rules.generatorRate.rate(at: 15) - 5e-4) < 1e-12)
        let other = try #require(rules.adversarial)
        #expect(other.loss == .hinge && other.weight == 0.05 && other.stepsPerGeneratorStep == 2)
        #expect(other.gradientPenalty == 4 && other.weightLimit == nil)
    }

    @Test func overridesAreTaken() throws {
        let recipe = try Recipe(
            yaml: minimal, path: "recipe.yaml",
            overrides: [
                "data.batch=3", "data.train.0.weight=0.5", "generator={architecture: RealtimeSR, features: 48}",
                "losses.msSSIM=0", "name=other",
            ])
        #expect(recipe.data.batch == 3 && recipe.data.train[0].weight == 0.5 && recipe.name == "other")
        #expect((recipe.generator as? RealtimeSR)?.features == 48)
        #expect(problem(minimal, "data.train.4.weight=1").contains("no place in a list of 1"))
        #expect(problem(minimal, "data.batch").contains("key=value"))
    }

    @Test func cyclesAreTaken() throws {
        let recipe = try Recipe(
            yaml: minimal + "\nsteps: 100\noptimizer: {rate: 1, decay: cosine, cycles: 2, cycleFactor: 0.5}",
            path: "recipe.yaml")
        #expect(
            recipe.rules.generatorRate == Schedule(rate: 1, .cosine(steps: 100, floor: 0, cycles: 2, cycleFactor: 0.5)))
        for section in ["optimizer", "discriminatorOptimizer"] {
            func problem(_ settings: String) -> String {
                self.problem(minimal + "\nsteps: 9\n\(section): {\(settings)}")
            }
            #expect(problem("cycles: 9").isEmpty && problem("cycleFactor: 1").isEmpty)
            for (setting, words) in [
                ("cycles: 0", "cycles' is 0; it must be between 1 and 1000000"),
                ("cycles: -1", "cycles' is -1; it must be between 1 and 1000000"),
                ("cycles: 10", "cycles' is 10; it must be between 1 and the number of steps, 9"),
                ("cycleFactor: 0", "cycleFactor' is 0; it must be between 1e-06 and 1"),
                ("cycleFactor: 1.01", "cycleFactor' is 1.01; it must be between 1e-06 and 1"),
                ("cycleFactor: .nan", "cycleFactor' is .nan; it must be between 1e-06 and 1"),
                ("floor: 1.5", "floor' is 1.5; it must be between 0 and 1"),
                ("rate: 0", "rate' is 0; it must be between 1e-12 and 10"),
            ] {
                #expect(problem(setting) == "recipe.yaml:6: '\(section).\(words)")
            }
        }
    }

    /// Known by what it says of itself alone.
    private struct Strips: Discriminator {
        static let name = "Strips"
        var inputChannels = 3
        var sides: PictureSides { PictureSides(multiplesOf: 12, from: 36) }
        var problem: String? { nil }

        func judge(_ b: inout GraphBuilder, _ x: Value, _ buffers: inout NetworkBuffers) -> Judgement {
            Judgement(logits: b.convolution(x, "only", to: 1), features: [])
        }
    }

    @Test func cropsSuitTheDiscriminator() throws {
        var recipe = try Recipe(yaml: minimal, path: "recipe.yaml")
        recipe.discriminator = Strips()
        for (crop, first, wrong) in [
            (48, 0, nil), (36, 36, nil), (48, 40, "'data.firstCrop' is 40"), (50, 0, "'data.crop' is 50"),
            (24, 0, "'data.crop' is 24"),
        ] as [(Int, Int, String?)] {
            (recipe.data.crop, recipe.data.firstCrop) = (crop, first)
            #expect(
                recipe.cropProblem
                    == wrong.map { "Strips judges pictures whose sides are multiples of 12 from 36 up; \($0)" })
        }
        // Crops that grow stay sides that both networks take: multiples of 12 and of 8.
        recipe.generator = RealtimeSR(upscale: 8)
        (recipe.data.firstCrop, recipe.data.crop, recipe.data.growUntil) = (48, 120, 300)
        #expect(recipe.cropProblem == nil)
        #expect(try recipe.cropSchedule.stages.map(\.side) == [48, 72, 96, 120])
    }

    @Test func discriminatorsAreChecked() {
        func problem(_ discriminator: String, _ crop: Int) -> String {
            self.problem(minimal + "\ndiscriminator: \(discriminator)", "data.crop=\(crop)")
        }
        #expect(problem("UNetDiscriminatorSN", 96).isEmpty)
        #expect(
            problem("UNetDiscriminatorSN", 100).contains(
                "UNetDiscriminatorSN judges pictures whose sides are multiples of 8; 'data.crop' is 100"))
        #expect(problem("VGGStyleDiscriminator", 128).isEmpty)
        #expect(problem("VGGStyleDiscriminator", 96).contains("whose sides are exactly 128; 'data.crop' is 96"))
        #expect(problem("{architecture: VGGStyleDiscriminator, size: 96}", 96).isEmpty)
        #expect(problem("{architecture: VGGStyleDiscriminator, size: 100}", 100).contains("multiple of 32"))
        #expect(problem("PatchGAN", 24).isEmpty)
        #expect(problem("PatchGAN", 22).contains("whose sides are 24 or more; 'data.crop' is 22"))
        #expect(problem("{architecture: PatchGAN, layers: 0}", 24).contains("recipe.yaml:5: PatchGAN's 'layers' is 0"))
        #expect(problem("{architecture: UNetDiscriminatorSN, features: 0}", 24).contains("must be between 1 and 512"))
        #expect(
            problem("{architecture: PatchGAN, inputChannels: 1}", 24)
                == "recipe.yaml:5: the discriminator works on 1 channel; pictures have 3")
        #expect(
            self.problem(minimal, "generator={architecture: RealtimeSR, channels: 4}").contains(
                "the generator works on 4 channels; pictures have 3"))
    }

    /// One line: file, line, the wrong word, what was meant.
    @Test func mistakesAreNamed() {
        let mistyped = minimal + "\noptimizer:\n  lerning: 1\n  rat: 1e-3\n"
        #expect(problem(mistyped).hasPrefix("recipe.yaml:6: 'lerning' is no key of 'optimizer'; known are "))
        #expect(
            problem(minimal + "\noptimizer:\n  rat: 1e-3\n").contains(
                "recipe.yaml:6: 'rat' is no key of 'optimizer'; did you mean 'rate'"))
        #expect(problem(minimal + "\nstep: 5").contains("'step' is no key of a recipe; did you mean 'steps'"))
        #expect(
            problem(minimal + "\nsteps: many").contains("recipe.yaml:5: 'steps': expected a whole number, found 'many'")
        )
        #expect(
            problem(minimal + "\noptimizer: {rate: fast}").contains("'optimizer.rate': expected a number, found 'fast'")
        )
        #expect(problem(minimal + "\ndata:\n  batch: 2").contains("'data' stands there twice"))
        #expect(problem("generator: [").contains("not YAML"))
        #expect(problem("just words").contains("a recipe is a list"))
        #expect(problem("data: {train: [{pictures: [a]}]}").contains("no 'generator'"))
        #expect(problem("generator: RealtimSR").contains("did you mean 'RealtimeSR'?"))
        #expect(problem("generator: RealtimeSR").contains("'data.train' is empty"))
        #expect(problem(minimal + "\ndegradation: web-vidio").contains("did you mean 'web-video'?"))
        #expect(
            problem(minimal, "data.crop=99").contains("'data.crop' is 99; with this network it must be a multiple of 2")
        )
        #expect(problem(minimal, "data.train.0.videos=[x]").contains("'data.train.0' needs one of"))
        #expect(problem(minimal, "losses.featureMatching=1").contains("needs a 'discriminator'"))
        #expect(problem(minimal, "perceptual={weight: 1}").contains("'perceptual.weights' is missing"))
        #expect(problem(minimal, "generator={architecture: RealtimeSR, features: 0}").contains("between 1 and 1024"))
        #expect(problem(minimal, "losses.l1=0").contains("no loss has a weight"))
        #expect((try? Recipe(path: "/nowhere.yaml")) == nil)
    }
}

let packageFolder = String(#filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 })
