import Compute
import Network
import Planning
import Reference
import Tensor
import TestSupport
import Testing

@testable import VulkanExecutor

/// What training needs of the Vulkan executor: every operation of it, and every operation of inference, as plain tensors;
/// parameters that change; memory in blocks.
@Suite(.serialized) struct VulkanTrainingTests {
    static let shared = Result {
        try VulkanExecutor(precision: .fp32, allowSoftware: true, validation: true, cacheDirectory: nil)
    }

    static func executor(bindingLimit: Int = .max, memoryLimit: Int = .max) throws -> VulkanExecutor {
        try VulkanExecutor(
            device: nil, precision: .fp32, allowSoftware: true, validation: true, framesInFlight: 1,
            cacheDirectory: nil, bindingLimit: bindingLimit, memoryLimit: memoryLimit)
    }

    static func compare(_ test: OperationCase, _ executor: VulkanExecutor, tolerance: Float = 2e-5) throws {
        let expected = try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
        let plan = try executor.compile(test.graph, state: executor.makeState(test.parameters))
        _ = try plan.run(test.inputs.map { HostTensor($0.shape, repeating: .nan) })
        // The second run must not see what the first left behind, and the third must not differ from it in a bit.
        let found = try plan.run(test.inputs)
        #expect(found.map(\.shape) == expected.map(\.shape))
        for (found, expected) in zip(found, expected) {
            let scale = expected.values.reduce(1) { max($0, abs($1)) }
            #expect(largestDifference(found, expected) <= tolerance * scale, "\(test)")
        }
        #expect(try plan.run(test.inputs) == found, "two runs of \(test)")
        #expect(executor.validationMessages.first == nil)
    }

    @Test(arguments: trainingOperationCases)
    func trainingOperation(_ test: OperationCase) throws { try Self.compare(test, Self.shared.get()) }

    /// The operations of inference, on tensors.
    @Test(arguments: operationCases + networkCases)
    func inferenceOperation(_ test: OperationCase) throws { try Self.compare(test, Self.shared.get(), tolerance: 3e-5) }

    /// Smaller workgroups, less shared memory, few workgroups across, few bindings and memory in many blocks: what other
    /// devices have.
    @Test func lowerLimits() throws {
        let executor = try Self.executor(bindingLimit: 64 << 10)
        var limits = TensorLimits(executor.device.capabilities, .fp32, bindingLimit: 64 << 10)
        (limits.threads, limits.productDepth, limits.groupsAcross, limits.bindings) = (128, 8, 3, 7)
        let chosen = (trainingOperationCases + networkCases).enumerated().filter { $0.offset % 5 == 0 }.map(\.element)
        #expect(chosen.count > 30)
        var blocks = 0
        for test in chosen {
            let expected = try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
            let largest = test.graph.nodes.map(\.shape.count).max()! * 4
            if largest > 32 << 10 { continue }
            guard let state = try executor.makeState(test.parameters) as? VulkanState else {
                fatalError("not a Vulkan state")
            }
            let plan = try VulkanPlan(executor, test.graph, state: state, limits: limits)
            blocks = max(blocks, plan.arenaBlocks)
            for (found, expected) in zip(try plan.run(test.inputs), expected) {
                let scale = expected.values.reduce(1) { max($0, abs($1)) }
                #expect(largestDifference(found, expected) <= 3e-5 * scale, "\(test)")
            }
        }
        #expect(blocks > 1, "memory was cut into blocks")
        #expect(executor.validationMessages.first == nil)
        #expect(limits.folded(10) == (3, 4, 1))
    }

    /// A value that is no number stays none through every function.
    @Test func notANumberIsNotHidden() throws {
        // Comparisons have a result for everything.
        let functions = PointwiseFunction.Name.allCases.map(\.example).filter {
            $0.operandCount == 1 && $0.name != .step
        }.map { Operation.pointwise($0) }
        var b = GraphBuilder()
        let x = b.input("x", [20])
        let graph = b.finish(functions.map { b.apply($0, x) })
        let results = try Self.shared.get().compile(graph, parameters: [:]).run([HostTensor([20], repeating: .nan)])
        for (operation, result) in zip(functions, results) {
            #expect(result.values.allSatisfy { $0.isNaN }, "\(operation)")
        }
        // And the ends of what there is.
        let ends = try Self.shared.get().compile(graph, parameters: [:]).run([HostTensor([20], repeating: -.infinity)])
        let limits: [PointwiseFunction.Name: Float] = [
            .sigmoid: 0, .tanh: -1, .exponential: 0, .softplus: 0, .clamp: -0.25, .leakyReLU: -.infinity,
            .hardSigmoid: 0,
        ]
        var count = 0
        for (operation, result) in zip(functions, ends) {
            guard case .pointwise(let function) = operation, let limit = limits[function.name] else { continue }
            #expect(result.values[0] == limit, "\(operation)")
            count += 1
        }
        #expect(count == limits.count)
    }

    @Test func updatesHappenAtTheEnd() throws {
        let (graph, parameters) = TrainingOperationTests.counting()
        let executor = try Self.shared.get()
        let state = try executor.makeState(parameters)
        let plan = try executor.compile(graph, state: state)
        let again = try executor.compile(graph, state: state)
        let x = HostTensor([3], [1, 1, 1])
        #expect(try plan.run([x]).map(\.values) == [[1, 2, 3], [2, 3, 4]])
        #expect(try state.read("a").values == [2, 3, 4] && state.read("c").values == [1, 2, 3])
        // Another plan of the same state sees it.
        #expect(try again.run([x]).map(\.values) == [[2, 3, 4], [3, 4, 5]])
        #expect(try state.read("c").values == [2, 3, 4])
        try state.write("a", HostTensor([3], [0, 0, 0]))
        #expect(try plan.run([x])[1].values == [1, 1, 1])
        // Where a guard is no finite number, nothing is changed.
        for bad in [Float.nan, .infinity, -.infinity] {
            let poisoned = try plan.run([HostTensor([3], [1, bad, 1])])
            #expect(try !poisoned[1].values[1].isFinite && state.read("a").values == [1, 1, 1])
        }
        #expect(try state.names == ["a", "c", "other"] && state.tensors["other"]?.values == [7])
        #expect(executor.validationMessages.first == nil)
    }

    /// Rotating parameters: each takes another's old value, which must not have been overwritten yet.
    @Test func updatesReadOldValues() throws {
        var b = GraphBuilder()
        let shapes = Shape([3000])
        let parameters = (0..<4).map { b.parameter("p\($0)", shapes) }
        let updates = (0..<4).map { ParameterUpdate(parameter: parameters[$0], value: parameters[($0 + 1) % 4]) }
        let graph = b.finish([], updates: updates)
        let start = Parameters(
            uniqueKeysWithValues: (0..<4).map { ("p\($0)", randomTensor(shapes, seed: UInt64($0))) })
        let executor = try Self.shared.get()
        let state = try executor.makeState(start)
        let plan = try executor.compile(graph, state: state)
        for _ in 0..<3 { _ = try plan.run([]) }
        for index in 0..<4 { #expect(try state.read("p\(index)") == start["p\((index + 3) % 4)"]) }
    }

    /// A step of an optimiser on many parameters: how many dispatches that is does not depend on how many they are.
    @Test func updatesShareDispatches() throws {
        func dispatches(_ count: Int) throws -> Int {
            var b = GraphBuilder()
            let rate = b.input("rate", [1])
            var (updates, squares): ([ParameterUpdate], Value?) = ([], nil)
            for index in 0..<count {
                let shape = Shape([40 + index, 17])
                let (p, m) = (b.parameter("p\(index)", shape), b.parameter("m\(index)", shape))
                let gradient = b.apply(.pointwise(.tanh), p)
                let total = b.total(b.square(gradient))
                squares = squares.map { b.apply(.add, $0, total) } ?? total
                let moment = b.apply(.add, b.scaled(m, 0.9), b.scaled(gradient, 0.1))
                updates.append(ParameterUpdate(parameter: m, value: moment))
                updates.append(ParameterUpdate(parameter: p, value: b.difference(p, b.multiplied(moment, by: rate))))
            }
            let graph = b.finish([squares!], updates: updates, guards: [squares!])
            let executor = try Self.shared.get()
            let parameters = randomParameters(graph, seed: 4)
            let state = try executor.makeState(parameters)
            let plan = try executor.plan(graph, state: state)
            let other = ReferenceExecutor().makeState(parameters)
            let reference = try ReferenceExecutor().compile(graph, state: other)
            let numbers = [HostTensor([1], [0.1])]
            for _ in 0..<2 {
                let (found, expected) = (try plan.run(numbers), try reference.run(numbers))
                #expect(largestDifference(found[0], expected[0]) < 1e-5 * expected[0].values[0])
            }
            for name in state.names {
                #expect(try largestDifference(state.read(name), other.read(name)) < 1e-6, "\(name)")
            }
            #expect(executor.validationMessages.first == nil)
            return plan.recorded.dispatches
        }
        let (few, many) = (try dispatches(3), try dispatches(40))
        // Sums of other lengths may be laid out otherwise.
        #expect(many <= few + 2, "\(many) dispatches for 40 parameters, \(few) for 3")
    }

    /// Once a plan is made, a run is a submission and a wait.
    @Test func theSteadyStateMakesNothing() throws {
        let executor = try Self.executor()
        let (graph, parameters) = TrainingOperationTests.counting()
        let plan = try executor.compile(graph, state: executor.makeState(parameters))
        var outputs = plan.outputShapes.map { HostTensor($0) }
        let before = executor.activity
        for _ in 0..<10 { try plan.run([HostTensor([3], [1, 1, 1])], into: &outputs) }
        var after = executor.activity
        #expect(after.submissions - before.submissions == 10 && after.waits - before.waits <= 20)
        (after.submissions, after.waits) = (before.submissions, before.waits)
        #expect(after == before)
        let hasClock = executor.device.capabilities.timestampNanoseconds > 0
        #expect((plan as? any TimedPlan)?.stepTimings.isEmpty == !hasClock)
    }

    /// What does not fit is said in one line, and nothing is left behind.
    @Test func limitsAreErrors() throws {
        let executor = try Self.executor(memoryLimit: 1 << 20)
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 300, 300, 8))
        let graph = b.finish([b.apply(.pointwise(.absolute), b.apply(.sumPool(factor: 2), x))])
        #expect { try executor.compile(graph, parameters: [:]) } throws: {
            if case .outOfMemory = $0 as? ExecutionError { true } else { false }
        }
        #expect { try executor.makeState(["p": HostTensor([1 << 19])]) } throws: {
            if case .outOfMemory = $0 as? ExecutionError { true } else { false }
        }
        #expect(executor.activity.allocatedBytes == 0)
        let small = try Self.executor(bindingLimit: 64 << 10)
        #expect { try small.compile(graph, parameters: [:]) } throws: {
            if case .outOfMemory = $0 as? ExecutionError { true } else { false }
        }
        #expect { try small.compile(graph, state: small.makeState([:])) } throws: {
            "\($0)".contains("smaller patches")
        }

        var c = GraphBuilder()
        let named = c.finish([c.total(c.parameter("p", [3]))])
        #expect { try executor.compile(named, state: executor.makeState([:])) } throws: {
            if case .missingParameter("p") = $0 as? ExecutionError { true } else { false }
        }
        #expect { try executor.compile(named, state: executor.makeState(["p": HostTensor([4])])) } throws: {
            if case .parameterShape = $0 as? ExecutionError { true } else { false }
        }
    }

    private static let half = Result {
        try VulkanExecutor(precision: .fp16, allowSoftware: true, validation: true, cacheDirectory: nil)
    }

    /// One rounding to 11 bits a step where activations are half floats.
    @Test(arguments: trainingOperationCases + networkCases)
    func halfFloats(_ test: OperationCase) throws { try Self.compare(test, Self.half.get(), tolerance: 0.01) }

    /// Which values are half floats: those of trained convolutions, and what is made of them alone.
    @Test func whatIsHalf() {
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 6, 6, 8))
        let y = b.convolution(x, "c", to: 8)
        let gate = b.apply(.pointwise(.sigmoid), b.apply(.add, y, b.parameter("v", [8])))
        let shuffled = b.apply(.pixelShuffle(factor: 2), gate)
        let picture = b.convolution(y, "d", to: 3)
        let window = b.apply(
            .convolution(stride: 1, padding: 0, groups: 8), x, b.constant([1], [8, 1, 3, 3]))
        let mixed = b.apply(.add, y, x)
        let squared = b.square(y)
        let centred = b.apply(.add, y, b.broadcast(b.mean(y, over: [1, 2]), to: b.shape(y)))
        let sums = b.total(y)
        let all = [y, gate, shuffled, centred, x, picture, window, mixed, squared, sums]
        let isHalf = HalfValues(b.finish(all))
        let graph = b.finish(all)
        #expect(graph.outputs.map { isHalf($0) } == [true, true, true, true] + [Bool](repeating: false, count: 6))
    }

    /// Every tile of products, also those that only large ones take, with single and half floats.
    @Test(arguments: ProductTile.all) func tiles(_ tile: ProductTile) throws {
        let products = trainingOperationCases.filter { test in
            test.graph.nodes.contains { node in
                switch node.operation {
                case .convolution, .convolutionTranspose, .convolutionWeightGradient, .product: true
                default: false
                }
            }
        }
        for executor in [try Self.shared.get(), try Self.half.get()] {
            var limits = TensorLimits(executor.device.capabilities, executor.precision)
            guard tile.threads <= limits.threads else { continue }
            limits.tile = tile
            let turn = ProductTile.all.firstIndex(of: tile)! % 9
            let chosen = products.enumerated().filter { $0.offset % 9 == turn }.map(\.element)
            #expect(chosen.count > 7)
            for test in chosen {
                let expected = try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
                guard let state = try executor.makeState(test.parameters) as? VulkanState else {
                    fatalError("not a Vulkan state")
                }
                let plan = try VulkanPlan(executor, test.graph, state: state, limits: limits)
                for (found, expected) in zip(try plan.run(test.inputs), expected) {
                    let scale = expected.values.reduce(1) { max($0, abs($1)) }
                    let tolerance: Float = executor.precision == .fp32 ? 2e-5 : 0.01
                    #expect(largestDifference(found, expected) <= tolerance * scale, "\(test)")
                }
            }
            #expect(executor.validationMessages.first == nil)
        }
    }
}
