internal import Degradation
public import Network
internal import Planning
public import Tensor
internal import Training

/// What a recipe will cost: told before a run, from the graph of its largest step. Nothing is allocated for that, no data
/// are read, and nothing is computed unless `measure` is called.
public struct TrainingEstimate: Sendable {
    public let generatorParameters: Int
    public let discriminatorParameters: Int?
    /// Bytes of the networks, their moments and averages, and of the step's tensors in single precision.
    public let stepBytes: Double
    /// Bytes of pictures: of batches that lie ready or are made, and of validation.
    public let pictureBytes: Double
    /// Multiply-adds of a step.
    public let multiplyAdds: Double
    public let steps: Int
    /// Milliseconds of a step and bytes of its plan, where they were measured.
    public private(set) var measured: (milliseconds: Double, planBytes: Int)?

    private static let remedy = "make 'data.crop', 'data.batch' or a network smaller"

    /// Blocks for a moment.
    public init(_ recipe: Recipe) {
        let generator = recipe.generator.descriptor
        let scale = generator.scale
        let side = recipe.data.crop
        let parts = TrainingRules.Parts(
            trainsGenerator: true, trainsDiscriminator: recipe.discriminator != nil,
            penalises: recipe.adversarial.r1 > 0)
        let low = Shape.nhwc(recipe.data.batch, side / scale, side / scale, generator.inputChannels)
        let graph = recipe.rules.step(low: low, parts).graph

        // Of the trained tensors, without moments, averages and buffers.
        func count(_ prefix: String) -> Int {
            graph.parameters.reduce(0) { $1.name.hasPrefix(prefix) ? $0 + $1.shape.count : $0 }
        }
        generatorParameters = count("g.")
        discriminatorParameters = recipe.discriminator.map { _ in count("d.") }
        let workload = Workload(graph)
        multiplyAdds = workload.multiplyAdds
        let state = graph.parameters.reduce(0.0) { $0 + Double($1.shape.count) }
        stepBytes = 4 * (state + workload.workingElements)

        let float = 4.0
        let pixels = Double(side) * Double(side) * 3
        // High, low and perhaps sharpened pictures; the clip of a sample while it is degraded, a few copies of it.
        let batches = Double(recipe.data.batch) * pixels * 3 * Double(recipe.data.ahead + 1)
        let frames = Double(recipe.data.train.map(\.frames).max() ?? 1)
        let enlarged = max(recipe.degradation.first.resize.factor.upperBound, 1)
        let working =
            min(Double(recipe.data.threads), Double(recipe.data.ahead)) * frames * pixels * 3 * enlarged * enlarged
        let shown = Double(recipe.validation.side) * Double(recipe.validation.side) * 3 * 1.5
        let validation = Double(recipe.validation.pictures) * shown * Double(recipe.data.validation.count)
        pictureBytes = float * (batches + working + validation)
        steps = recipe.steps
    }

    /// Throws where the machine has not the memory.
    ///
    /// - Parameter computes: whether the processor computes the steps; a device's own memory answers for itself.
    public func check(processorComputes computes: Bool) throws(MemoryShortage) {
        try HostMemory.require(pictureBytes + (computes ? stepBytes : 0), for: "training", remedy: Self.remedy)
    }

    /// Compiles the recipe's step and runs it a few times on random pictures, for about two seconds after the first. Blocks.
    ///
    /// - Throws: `ExecutionError`, `WeightError`, `CatalogueError`, `TrainingRunError`, `MemoryShortage`.
    public mutating func measure(_ recipe: Recipe, executor: any TrainingExecutor) throws {
        try check(processorComputes: !(executor is any MemoryBoundExecutor))
        var rules = recipe.rules
        rules.adversarial?.warmUp = 0
        let networks = try StartingNetworks(recipe) { _ in }
        let trainer = try Trainer(rules, executor: executor, parameters: networks.parameters, seed: recipe.seed)
        let generator = recipe.generator.descriptor
        var random = Philox(key: recipe.seed)
        func pictures(_ side: Int, _ channels: Int) -> HostTensor {
            let shape = Shape.nhwc(recipe.data.batch, side, side, channels)
            return HostTensor(shape, random.uniform(shape.count))
        }
        let low = pictures(recipe.data.crop / generator.scale, generator.inputChannels)
        let high = pictures(recipe.data.crop, generator.outputChannels)
        // The first step compiles, and may be one with a penalty.
        _ = try trainer.step(low: low, high: high)
        let start = ContinuousClock.now
        var runs = 0
        while runs < 1 || (runs < 20 && ContinuousClock.now - start < .seconds(2)) {
            _ = try trainer.step(low: low, high: high)
            runs += 1
        }
        let spent = (ContinuousClock.now - start).components
        let seconds = (Double(spent.seconds) + Double(spent.attoseconds) * 1e-18) / Double(runs)
        measured = (seconds * 1000, trainer.memoryBytes)
    }

    /// Names and values, for people.
    public var rows: [[String]] {
        var rows = [["generator", "\(generatorParameters) parameters"]]
        if let discriminatorParameters { rows.append(["discriminator", "\(discriminatorParameters) parameters"]) }
        rows.append([
            "memory", "about \(mebibytes(stepBytes)) MiB for a step, \(mebibytes(pictureBytes)) MiB for pictures",
        ])
        rows.append(["work", "\((multiplyAdds * 2e-8).rounded() / 10) GFLOP a step, \(steps) steps"])
        guard let measured else {
            rows.append(["time", "not measured"])
            return rows
        }
        let hours = measured.milliseconds * Double(steps) / 3_600_000
        rows.append(["measured memory", "\(mebibytes(Double(measured.planBytes))) MiB for a step"])
        rows.append([
            "time",
            "\(Int(measured.milliseconds)) ms a step on random pictures: "
                + (hours >= 1 ? "\((hours * 10).rounded() / 10) hours" : "\(Int((hours * 60).rounded(.up))) minutes")
                + " for \(steps) steps",
        ])
        return rows
    }

    private func mebibytes(_ bytes: Double) -> Int { Int((bytes / 1_048_576).rounded(.up)) }
}
