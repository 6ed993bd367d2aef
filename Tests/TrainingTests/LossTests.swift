import Network
import Reference
import Tensor
import TestSupport
import Testing
import Weights

@testable import Autodiff
@testable import Training

/// Losses and optimisers beside PyTorch; see Tests/Golden/make_training.py.
@Suite struct LossTests {
    /// The loss's value, and its derivatives along random directions.
    private func measure(
        _ arguments: [PreciseTensor], seed: UInt64, _ loss: (inout GraphBuilder, [Value]) -> Value
    ) -> [Double] {
        var b = GraphBuilder()
        let variables = arguments.enumerated().map { b.input("x\($0)", $1.shape) }
        let value = loss(&b, variables)
        #expect(b.shape(value) == [1])
        let gradients = b.gradient(of: value, withRespectTo: variables)
        var outputs = [value]
        for (index, gradient) in gradients.enumerated() {
            let shape = arguments[index].shape
            let direction = randomTensor(shape, seed: seed + UInt64(index))
            outputs.append(b.total(b.apply(.multiply, gradient, b.constant(direction.values, shape))))
        }
        let graph = b.finish(outputs)
        return ReferenceExecutor.evaluate(graph, parameters: [:], inputs: arguments).outputs.map { $0.values[0] }
    }

    private func draw(_ shape: Shape, _ seed: UInt64, in range: Range<Float> = 0..<1) -> PreciseTensor {
        PreciseTensor(randomTensor(shape, seed: seed, in: range))
    }

    private func expect(_ found: [Double], _ name: String, in file: SafetensorsFile) throws {
        let expected = try file.tensor(name).values.map { Double($0) }
        #expect(found.count == expected.count)
        // Constants of windows and transforms are single precision.
        for (a, b) in zip(found, expected) {
            #expect(abs(a - b) < 2e-6 * max(1, abs(b)), "\(name): \(found) \(expected)")
        }
    }

    @Test func pixelLosses() throws {
        let file = try SafetensorsFile(path: "\(goldenFolder)/losses.safetensors")
        let (x, y) = (draw([2, 8, 10, 3], 1), draw([2, 8, 10, 3], 2))
        for loss in PixelLoss.allCases where loss != .msSSIM {
            try expect(measure([x, y], seed: 50) { $0.pixelLoss(loss, $1[0], $1[1]) }, loss.rawValue, in: file)
        }
        let wide = draw([1, 176, 176, 2], 3)
        let noise = draw([1, 176, 176, 2], 4)
        let other = PreciseTensor(wide.shape, zip(wide.values, noise.values).map { $0 * 0.7 + $1 * 0.3 })
        try expect(measure([wide, other], seed: 50) { $0.msSSIMLoss($1[0], $1[1]) }, "msSSIM", in: file)
    }

    @Test func adversarialLosses() throws {
        let file = try SafetensorsFile(path: "\(goldenFolder)/losses.safetensors")
        let (real, fake) = (draw([2, 5, 4, 1], 5, in: -2..<2), draw([2, 5, 4, 1], 6, in: -2..<2))
        for loss in AdversarialLoss.allCases {
            try expect(
                measure([real, fake], seed: 60) { $0.generatorLoss(loss, fake: $1[1], real: $1[0]) },
                "generator.\(loss)", in: file)
            try expect(
                measure([real, fake], seed: 60) {
                    let (a, b) = $0.discriminatorLoss(loss, real: $1[0], fake: $1[1])
                    return $0.apply(.add, a, b)
                }, "discriminator.\(loss)", in: file)
        }
    }

    @Test func monitors() throws {
        let file = try SafetensorsFile(path: "\(goldenFolder)/losses.safetensors")
        func values(_ arguments: [PreciseTensor], _ make: (inout GraphBuilder, [Value]) -> [Value]) -> [Double] {
            var b = GraphBuilder()
            let variables = arguments.enumerated().map { b.input("x\($0)", $1.shape) }
            let outputs = make(&b, variables)
            // Nothing is trained for them.
            for gradient in b.gradient(of: outputs[0], withRespectTo: variables) {
                #expect(isZero(b.node(gradient)))
            }
            let graph = b.finish(outputs)
            return ReferenceExecutor.evaluate(graph, parameters: [:], inputs: arguments).outputs.map { $0.values[0] }
        }
        let (real, fake) = (draw([2, 5, 4, 1], 5, in: -2..<2), draw([2, 5, 4, 1], 6, in: -2..<2))
        for loss in AdversarialLoss.allCases {
            let found = values([real, fake]) { b, x in
                let shares = b.accuracy(loss, real: x[0], fake: x[1])
                return [shares.real, shares.fake]
            }
            try expect(found, "accuracy.\(loss)", in: file)
        }
        let (pictures, targets) = (draw([3, 8, 12, 3], 7), draw([3, 8, 12, 3], 8))
        let one = draw([1, 8, 12, 3], 10).values
        let alike = PreciseTensor([3, 8, 12, 3], zip(one + one + one, pictures.values).map { $0 + 0.05 * $1 })
        let equal = (0..<3).flatMap { _ in alike.values[..<288] }
        let found = [(pictures, 2), (alike, 4), (PreciseTensor([3, 8, 12, 3], equal), 4)].map { x, factor in
            values([x, targets]) { [$0.diversity($1[0], $1[1], factor: factor)] }[0]
        }
        try expect(found, "diversity", in: file)
        #expect(found[0] > 0.9 && found[1] < 0.2 && found[2] < 0.02)
        try expect(values([pictures, draw([3, 4, 6, 3], 9)]) { [$0.drift($1[0], from: $1[1])] }, "drift", in: file)
    }

    private func isZero(_ node: Node) -> Bool {
        if case .constant(let values) = node.operation { return values.allSatisfy { $0 == 0 } }
        return false
    }

    /// What the discriminator is shown, and that derivatives go back through it.
    @Test func augmented() throws {
        let file = try SafetensorsFile(path: "\(goldenFolder)/losses.safetensors")
        let draws: [(String, Shape)] = [
            ("rows", [2, 6, 6]), ("columns", [2, 5, 5]), ("colours", [2, 3, 3]), ("offsets", [2, 1, 3]),
            ("mask", [2, 6, 5, 1]),
        ]
        let found = measure([draw([2, 6, 5, 3], 16)], seed: 70) { b, x in
            var values: [String: Value] = [:]
            for (index, (name, shape)) in draws.enumerated() {
                let drawn = randomTensor(shape, seed: UInt64(11 + index), in: name == "mask" ? 0..<1 : -1..<1)
                values["augment." + name] = b.constant(drawn.values, shape)
            }
            let weights = b.constant(randomTensor([2, 6, 5, 3], seed: 17).values, [2, 6, 5, 3])
            return b.total(b.apply(.multiply, b.square(b.augmented(x[0], values)), weights))
        }
        try expect(found, "augmented", in: file)
    }

    @Test(arguments: [
        ("adam", Optimizer()),
        ("adam-decay", Optimizer(beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.1)),
        ("adamW", Optimizer(.adamW, weightDecay: 0.5)),
        ("scheduleFree", Optimizer(.scheduleFree, weightDecay: 0.2)),
    ])
    func optimizers(_ name: String, _ optimizer: Optimizer) throws {
        let file = try SafetensorsFile(path: "\(goldenFolder)/optimizers.safetensors")
        var b = GraphBuilder()
        let p = b.parameter("p", [11])
        let (target, coefficients) = (b.input("target", [11]), b.input("c", [Optimizer.coefficientCount]))
        let updates = b.update(
            p, "p", gradient: b.difference(p, target), optimizer: optimizer, coefficients: coefficients)
        let graph = b.finish([], updates: updates)
        let start = ["p": randomTensor([11], seed: 1)]
        let executor = ReferenceExecutor()
        let state = executor.makeState(start.merging(optimizer.initialMoments(start)) { old, _ in old })
        let plan = try executor.compile(graph, state: state)
        var history = OptimizerHistory()
        for step in 0..<10 {
            let numbers = optimizer.coefficients(
                step: step + 1, rate: 1e-2 / Double(1 + step), history: &history)
            _ = try plan.run([randomTensor([11], seed: UInt64(100 + step)), numbers])
        }
        #expect(try largestDifference(state.read("p"), file.tensor(name)) < 1e-6)
        if optimizer.rule == .scheduleFree {
            let average = try optimizer.averaged("p", in: state.tensors)
            #expect(largestDifference(average, try file.tensor("scheduleFree.average")) < 1e-6)
            #expect(try largestDifference(average, state.read("p")) > 1e-4)
        }
    }
}
