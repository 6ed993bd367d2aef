import CPUExecutor
import Network
import Reference
import Tensor
import TestSupport
import Testing

/// What training needs of the CPU executor: every operation of it, and every operation of inference, as plain tensors.
@Suite struct TrainingOperationTests {
    static let executors = CPUExecutor.InstructionSet.supported.enumerated().map { index, set in
        CPUExecutor(threads: index + 1, instructionSet: set)
    }

    static func compare(_ test: OperationCase, tolerance: Float = 2e-5) throws {
        let expected = try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
        for executor in executors {
            let plan = try executor.compile(test.graph, state: executor.makeState(test.parameters))
            _ = try plan.run(test.inputs.map { HostTensor($0.shape, repeating: .nan) })
            // The second run must not see what the first left behind.
            let found = try plan.run(test.inputs)
            #expect(found.map(\.shape) == expected.map(\.shape))
            for (found, expected) in zip(found, expected) {
                let scale = expected.values.reduce(1) { max($0, abs($1)) }
                #expect(largestDifference(found, expected) <= tolerance * scale, "\(test) on \(executor.name)")
            }
        }
    }

    @Test(arguments: trainingOperationCases)
    func trainingOperation(_ test: OperationCase) throws {
        // Sums of up to some 10,000 products in single precision.
        try Self.compare(test)
    }

    /// The operations of inference, on tensors.
    @Test(arguments: operationCases + networkCases)
    func inferenceOperation(_ test: OperationCase) throws { try Self.compare(test, tolerance: 3e-5) }

    /// Neither the number of threads nor the second run changes a bit.
    @Test func threadsDoNotChangeResults() throws {
        for test in trainingOperationCases + networkCases {
            let results = try (1...3).map { threads in
                let executor = CPUExecutor(threads: threads)
                return try executor.compile(test.graph, state: executor.makeState(test.parameters)).run(test.inputs)
            }
            #expect(results[1] == results[0] && results[2] == results[0], "\(test)")
        }
    }

    /// A value that is no number stays none through every function.
    @Test func notANumberIsNotHidden() throws {
        // Comparisons have a result for everything.
        let functions = PointwiseFunction.Name.allCases.map(\.example).filter {
            $0.operandCount == 1 && $0.name != .step
        }.map { Operation.pointwise($0) }
        for operation in functions {
            var b = GraphBuilder()
            let y = b.apply(operation, b.input("x", [20]))
            let graph = b.finish([y])
            for executor in Self.executors {
                let result = try executor.compile(graph, parameters: [:]).run([HostTensor([20], repeating: .nan)])
                #expect(result[0].values.allSatisfy { $0.isNaN }, "\(operation) on \(executor.name)")
            }
        }
    }

    static func counting() -> (Graph, Parameters) {
        var b = GraphBuilder()
        let (a, c) = (b.parameter("a", [3]), b.parameter("c", [3]))
        let x = b.input("x", [3])
        let sum = b.apply(.add, a, x)
        // a becomes a + x; c becomes the old a; the output is the old a too.
        return (
            b.finish(
                [a, sum],
                updates: [ParameterUpdate(parameter: a, value: sum), ParameterUpdate(parameter: c, value: a)],
                guards: [sum]),
            ["a": HostTensor([3], [1, 2, 3]), "c": HostTensor([3]), "other": HostTensor([1], [7])]
        )
    }

    @Test func updatesHappenAtTheEnd() throws {
        let (graph, parameters) = Self.counting()
        let executors: [any TrainingExecutor] = [ReferenceExecutor()] + Self.executors
        for executor in executors {
            let state = try executor.makeState(parameters)
            let plan = try executor.compile(graph, state: state)
            let again = try executor.compile(graph, state: state)
            let x = HostTensor([3], [1, 1, 1])
            let first = try plan.run([x])
            #expect(first.map(\.values) == [[1, 2, 3], [2, 3, 4]])
            #expect(try state.read("a").values == [2, 3, 4] && state.read("c").values == [1, 2, 3])
            // Another plan of the same state sees it.
            let second = try again.run([x])
            #expect(second.map(\.values) == [[2, 3, 4], [3, 4, 5]])
            #expect(try state.read("c").values == [2, 3, 4])
            try state.write("a", HostTensor([3], [0, 0, 0]))
            let third = try plan.run([x])
            #expect(third[1].values == [1, 1, 1])
            // Where a guard is no number, nothing is changed.
            let poisoned = try plan.run([HostTensor([3], [1, .nan, 1])])
            #expect(try poisoned[1].values[1].isNaN && state.read("a").values == [1, 1, 1])
            #expect(try state.names == ["a", "c", "other"] && state.tensors["other"]?.values == [7])
        }
    }
}
