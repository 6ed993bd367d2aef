internal import FoundationEssentials
public import Network
internal import Tensor
internal import Training

/// What a recipe will cost: told before a run, from one compiled step and a few runs of it on random pictures.
public struct TrainingEstimate: Sendable {
    public var generatorParameters: Int
    public var discriminatorParameters: Int?
    /// What the step's plan holds, the networks and their moments included.
    public var memoryBytes: Int
    public var secondsPerStep: Double
    public var steps: Int

    /// Compiles and runs the recipe's step. Blocks for a few steps. Reads no data.
    ///
    /// - Throws: `ExecutionError`, `WeightError`, `TrainingRunError`.
    public init(_ recipe: Recipe, executor: any TrainingExecutor) throws {
        let networks = try StartingNetworks(recipe) { _ in }
        let counts = { (prefix: String) in
            networks.parameters.filter { $0.key.hasPrefix(prefix) }.values.reduce(0) { $0 + $1.values.count }
        }
        generatorParameters = counts("g.")
        discriminatorParameters = recipe.discriminator.map { _ in counts("d.") }
        var rules = recipe.rules
        rules.adversarial?.warmUp = 0
        let trainer = try Trainer(rules, executor: executor, parameters: networks.parameters, seed: recipe.seed)
        let scale = recipe.generator.scale
        let side = recipe.data.crop / scale
        var random = Philox(key: recipe.seed)
        func pictures(_ side: Int, _ channels: Int) -> HostTensor {
            let shape = Shape.nhwc(recipe.data.batch, side, side, channels)
            return HostTensor(shape, random.uniform(shape.count))
        }
        let low = pictures(side, recipe.generator.inputChannels)
        let high = pictures(side * scale, recipe.generator.outputChannels)
        // The first step compiles, and may be one with a penalty.
        _ = try trainer.step(low: low, high: high)
        let start = ContinuousClock.now
        var runs = 0
        while runs < 1 || (runs < 20 && ContinuousClock.now - start < .seconds(2)) {
            _ = try trainer.step(low: low, high: high)
            runs += 1
        }
        let spent = (ContinuousClock.now - start).components
        secondsPerStep = (Double(spent.seconds) + Double(spent.attoseconds) * 1e-18) / Double(runs)
        memoryBytes = trainer.memoryBytes
        steps = recipe.steps
    }

    /// Names and values, for people.
    public var rows: [[String]] {
        var rows = [["generator", "\(generatorParameters) parameters"]]
        if let discriminatorParameters { rows.append(["discriminator", "\(discriminatorParameters) parameters"]) }
        rows.append(["memory", "\(memoryBytes >> 20) MiB for a step, pictures apart"])
        let hours = secondsPerStep * Double(steps) / 3600
        rows.append([
            "time",
            "\(Int(secondsPerStep * 1000)) ms a step on random pictures: "
                + (hours >= 1 ? "\((hours * 10).rounded() / 10) hours" : "\(Int((hours * 60).rounded(.up))) minutes")
                + " for \(steps) steps",
        ])
        return rows
    }
}
