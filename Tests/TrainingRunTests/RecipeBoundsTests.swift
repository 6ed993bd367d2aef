import CPUExecutor
import Degradation
import Foundation
import Network
import Planning
import Tensor
import TestSupport
import Testing
import Training
import Weights

@testable import TrainingRun

/// Whatever a recipe says is read or refused by a line, and what is read can be planned.
@Suite struct RecipeBoundsTests {
    private let base = """
        generator: {architecture: RealtimeSR, features: 8, convolutions: 1}
        discriminator: {architecture: UNetDiscriminatorSN, features: 8}
        data: {train: [{pictures: [a]}], validation: [{pictures: [a]}], crop: 32, batch: 1}
        """

    private func problem(_ overrides: String..., yaml: String? = nil) -> String {
        do {
            _ = try Recipe(yaml: yaml ?? base, path: "recipe.yaml", overrides: overrides)
            return ""
        } catch { return error.description }
    }

    /// A default's tree: dictionaries, lists and plain values.
    private func tree(_ value: any Encodable) throws -> Any {
        try JSONSerialization.jsonObject(with: JSONEncoder().encode(value), options: .fragmentsAllowed)
    }

    /// The defaults under every key of the top level, lists with an entry.
    private func defaults() throws -> [(key: String, tree: Any)] {
        let recipe = Recipe()
        var data = DataSettings()
        (data.train, data.validation) = ([SourceSettings()], [SourceSettings()])
        var optimizer = OptimizerSettings()
        optimizer.milestones = [1]
        var result: [(String, Any)] = [
            ("name", recipe.name), ("seed", Int(recipe.seed)), ("steps", recipe.steps), ("startFrom", recipe.startFrom),
            ("data", try tree(data)), ("degradation", try tree(recipe.degradation)),
            ("validationDegradation", try tree(recipe.validationDegradation)), ("losses", try tree(recipe.losses)),
            ("perceptual", try tree(recipe.perceptual)), ("adversarial", try tree(recipe.adversarial)),
            ("optimizer", try tree(optimizer)), ("discriminatorOptimizer", try tree(optimizer)),
            ("validation", try tree(recipe.validation)), ("checkpoint", try tree(recipe.checkpoint)),
        ]
        for network in standardArchitectures { result.append(("generator", try tree(network))) }
        for network in standardDiscriminators { result.append(("discriminator", try tree(network))) }
        return result
    }

    /// The places of all keys below `tree`, inner ones too, with their defaults.
    private func places(_ tree: Any, _ place: String) -> [(place: String, value: Any)] {
        var result: [(String, Any)] = [(place, tree)]
        if let members = tree as? [String: Any] {
            for key in members.keys.sorted() { result += places(members[key]!, place + "." + key) }
        } else if let list = tree as? [Any] {
            for (index, value) in list.enumerated() { result += places(value, "\(place).\(index)") }
        }
        return result
    }

    /// A new key needs a range.
    @Test func everyNumberHasARange() throws {
        #expect(Set(try defaults().map(\.key)) == Set(Recipe.keys))
        for (key, tree) in try defaults() {
            for (place, value) in places(tree, key) {
                guard let number = value as? NSNumber, isNumber(number), !RecipeRanges.free.contains(place)
                else { continue }
                if ["generator", "discriminator", "degradation", "validationDegradation"].contains(key) { continue }
                let range = try #require(RecipeRanges.range(of: place), "'\(place)' has no range")
                // 0 stands for a share or a count that is not used.
                #expect(range.contains(number.doubleValue), "'\(place)' is \(number) by default")
                #expect(range.lowerBound.isFinite && range.upperBound.isFinite)
            }
        }
    }

    private func isNumber(_ number: NSNumber) -> Bool { String(cString: number.objCType) != "c" }

    /// Numbers of networks and degradations: far outside, and not numbers, they are refused by name.
    @Test func numbersOfPartsHaveRanges() throws {
        for (key, tree) in try defaults() where ["generator", "discriminator", "degradation"].contains(key) {
            for (place, value) in places(tree, key) {
                guard let number = value as? NSNumber, isNumber(number) else { continue }
                if place.split(separator: ".").contains(where: { Int($0) != nil }) { continue }
                var yaml = base
                if let name = (tree as? [String: Any]).flatMap(network) {
                    yaml = base.split(separator: "\n").filter { !$0.hasPrefix(key) }.joined(separator: "\n")
                    yaml += "\n\(key): {architecture: \(name)}"
                }
                for bad in ["9223372036854775807", "-9223372036854775808"] {
                    let words = problem("\(place)=\(bad)", yaml: yaml)
                    #expect(
                        words.contains("between") && words.contains(place.split(separator: ".").last!),
                        "\(place): \(words)")
                }
            }
        }
    }

    /// The network with these hyperparameters.
    private func network(_ members: [String: Any]) -> String? {
        let all: [(String, any Encodable)] =
            standardArchitectures.map { (type(of: $0).name, $0) }
            + standardDiscriminators.map { (type(of: $0).name, $0) }
        return all.first { Set((try? tree($0.1) as? [String: Any])?.keys ?? [:].keys) == Set(members.keys) }?.0
    }

    @Test func refusalsNameKeyValueAndRange() {
        for (change, words) in [
            ("data.batch=9223372036854775807", "'data.batch' is 9223372036854775807; it must be between 1 and 1024"),
            ("data.batch=0", "'data.batch' is 0; it must be between 1 and 1024"),
            ("data.train.0.shrink=[1, .inf]", "'data.train.0.shrink.1' is .inf; it must be between 1 and 64"),
            ("data.train.0.shrink=[.nan, .nan]", "'data.train.0.shrink.0' is .nan; it must be between 1 and 64"),
            ("data.train.0.shrink=[3]", "'data.train.0.shrink' is a range"),
            (
                "adversarial.discriminatorSteps=0",
                "'adversarial.discriminatorSteps' is 0; it must be between 1 and 1000"
            ),
            ("optimizer.recompute=-1", "'optimizer.recompute' is -1; it must be between 1 and 1000"),
            (
                "degradation.lastCodec={probability: 1, codecs: [{encoder: mpeg4, weight: -1, quality: [3, 9]}]}",
                "degradation: lastCodec.codecs.0.weight is -1.0; it must lie between 0.0 and 1000000.0"
            ),
            (
                "degradation.lastCodec={codecs: [{encoder: mpeg4, quality: [3, 99]}]}",
                "degradation: lastCodec.codecs.0.quality is [3.0, 99.0]; it must lie between 0.0 and 63.0"
            ),
            ("losses.l1=1e300", "'losses.l1' is 1e300; it must be between 0 and 1000000"),
            (
                "generator.features=65536",
                "RealtimeSR's 'features' is 65536; it must be between 1 and 1024"
            ),
            (
                "degradation={preset: photo, walk: {noise: .nan}}",
                "degradation: walk.noise is nan; it must lie between 0.0 and 255.0"
            ),
            ("degradation={first: {blur: {sigma: [1]}}}", "'degradation.first.blur.sigma' has too few values, 1"),
            ("degradation={first: {blur: {sigma: []}}}", "'degradation.first.blur.sigma' has too few values, 0"),
            (
                "degradation={first: {blur: {sigma: [1, 2, 3]}}}",
                "'degradation.first.blur.sigma' has 3 values; there are 2"
            ),
            ("optimizer={rule: scheduleFree, beta1: 0}", "'optimizer.beta1' is 0.0; with 'rule: scheduleFree'"),
            ("name=..", "'name' is part of file names"),
            ("name=\"a\\u001b\"", "'name' is part of file names"),
            ("losses.msSSIM=1", "needs crops of at least 176"),
            (String(repeating: "a.", count: 5000) + "b=1", "parts"),
        ] {
            #expect(problem(change).contains(words), "\(change): \(problem(change))")
        }
        // Crops that grow begin small.
        #expect(
            problem("losses.msSSIM=1", "data.crop=192", "data.firstCrop=32", "data.growUntil=9").contains(
                "'data.firstCrop' is 32"))
        #expect(problem("validation.pictures=0").isEmpty)
    }

    /// Few bytes that stand for many values are not read; a few aliases are.
    @Test func aliasesAreFew() {
        let bomb =
            ["&a0 x"]
            + (1...8).map { "&a\($0) [" + [String](repeating: "*a\($0 - 1)", count: 10).joined(separator: ",") + "]" }
        for yaml in [
            "? [\(bomb.joined(separator: ", "))]\n: 1", base + "\nname: [\(bomb.joined(separator: ", "))]",
            bomb.enumerated().map { "a\($0): \($1)" }.joined(separator: "\n"),
            "{? \"\(String(repeating: "# ", count: 9))\" : [\(bomb.joined(separator: ","))]}",
        ] {
            #expect(problem(yaml: yaml).contains("aliases"))
        }
        #expect(problem("name=[\(bomb.joined(separator: ", "))]").contains("not YAML that is taken"))
        #expect(problem(yaml: "# *a *b *c *d *e *f *g *h *i *j\n" + base).isEmpty)
        #expect(
            problem(
                yaml: base.replacing("train: [{pictures: [a]}]", with: "train: &t [{pictures: [a]}]")
                    .replacing("validation: [{pictures: [a]}]", with: "validation: *t")
            ).isEmpty)
        #expect(problem(yaml: String(repeating: "[", count: 100_000)).contains("not YAML"))
        #expect(problem(yaml: String(repeating: "- ", count: 100_000)).contains("not YAML"))
        #expect(problem(yaml: String(repeating: "#\n", count: 200_000)).contains("too long"))
        #expect(throws: RecipeError.self) { try Recipe(path: "/dev/zero") }
    }

    /// Reading takes about the square of a list's length.
    @Test func listsAreBounded() {
        func list(_ entry: String, _ count: Int) -> String {
            "[" + [String](repeating: entry, count: count).joined(separator: ",") + "]"
        }
        for (place, entry) in [
            ("data.train", "{low: a}"), ("data.train.0.pictures", "a"), ("optimizer.milestones", "1"),
            ("degradation.first.resize.modes", "area"),
        ] {
            #expect(
                problem("\(place)=\(list(entry, 2049))").contains(
                    "'\(place)' has 2049 entries; a list has 2048 at most"))
        }
        #expect(problem("optimizer.milestones=\(list("1", 2048))").isEmpty)
    }

    /// Random values under every key: refused in at most three lines, or planned to the end.
    @Test func hostileValuesAreSurvived() throws {
        var random = SeededGenerator(seed: 14)
        let all = try defaults().flatMap { places($0.tree, $0.key) }
        let networks =
            standardArchitectures.map { "generator={architecture: \(type(of: $0).name)}" }
            + standardDiscriminators.map { "discriminator={architecture: \(type(of: $0).name)}" }
        var taken = 0
        // Every key once, then any.
        for number in 0..<(2 * all.count) {
            let place = number < all.count ? all[number].place : all.randomElement(using: &random)!.place
            var changes = [networks.randomElement(using: &random)!]
            // Of a list there is one before a place in it is set.
            let parts = place.split(separator: ".")
            if let index = parts.firstIndex(where: { Int($0) != nil }) {
                let list = parts[..<index].joined(separator: ".")
                if let value = all.first(where: { $0.place == list })?.value, !list.hasPrefix("data") {
                    let json = try JSONSerialization.data(withJSONObject: value)
                    changes.append(list + "=" + String(decoding: json, as: UTF8.self))
                }
            }
            changes.append(place + "=" + hostileValues.randomElement(using: &random)!)
            let recipe: Recipe
            do { recipe = try Recipe(yaml: base, path: "recipe.yaml", overrides: changes) } catch {
                #expect(error.description.split(separator: "\n").count <= 3, "\(changes)")
                continue
            }
            taken += 1
            #expect(!recipe.yaml.isEmpty && !recipe.digest.isEmpty)
            let estimate = TrainingEstimate(recipe)
            #expect(estimate.stepBytes > 0 && estimate.stepBytes.isFinite && estimate.rows.count >= 4, "\(changes)")
        }
        #expect(taken > 10)
    }

    /// A checkpoint is a file too.
    @Test(arguments: ["9223372036854775807", "-1", "10000000000000000"]) func countsOfCheckpoints(_ step: String) throws
    {
        let folder = try TemporaryFolder()
        let path = folder.file("checkpoint.safetensors")
        let counts = Checkpoint.Counts(
            generator: "g", discriminator: nil, trainer: Trainer.Progress(), monitor: BalanceMonitor(), best: 0.1 + 0.2)
        let text = String(decoding: try JSONEncoder().encode(counts), as: UTF8.self)
        try writeSafetensors(path, tensors: [:], metadata: ["upframe-checkpoint": text])
        #expect(try Checkpoint(path: path).counts == counts)
        let changed = text.replacing("\"step\":0", with: "\"step\":\(step)")
        #expect(changed != text)
        try writeSafetensors(path, tensors: [:], metadata: ["upframe-checkpoint": changed])
        #expect(throws: TrainingRunError.notACheckpoint(path: path)) { _ = try Checkpoint(path: path) }
    }

    // MARK: Memory

    @Test func whatHasNoRoomIsSaid() throws {
        let estimate = TrainingEstimate(
            try Recipe(
                yaml: base, path: "recipe.yaml",
                overrides: ["data.crop=4096", "data.batch=1024", "generator.features=1024"]))
        // 2^34 pixels of 1024 floats, in two layers, and more.
        #expect(estimate.stepBytes > 0x1p44)
        do {
            try estimate.check(processorComputes: true)
            Issue.record("there is a machine of \(estimate.stepBytes) bytes")
        } catch {
            #expect(error.description.contains("MiB") && error.description.contains("data.batch"))
        }
    }

    /// The estimate is of the size of what is really taken.
    @Test func estimatesAreNear() throws {
        let recipe = try Recipe(yaml: base, path: "recipe.yaml", overrides: ["data.batch=4", "data.crop=64"])
        var estimate = TrainingEstimate(recipe)
        try estimate.measure(recipe, executor: CPUExecutor(threads: 1))
        let ratio = Double(estimate.measured!.planBytes) / estimate.stepBytes
        #expect((0.5...2).contains(ratio), "\(ratio)")
    }
}
