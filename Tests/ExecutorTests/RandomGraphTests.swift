import CPUExecutor
import Foundation
import Network
import Reference
import Tensor
import TestSupport
import Testing
import VulkanExecutor

/// Random graphs through every executor and both kinds of plan. `Scripts/random-graphs` runs thousands.
@Suite struct RandomGraphTests {
    /// The number of graphs of each kind, and the first one's seed.
    static let (count, first) = (number("UPFRAME_RANDOM_GRAPHS") ?? 50, number("UPFRAME_RANDOM_SEED") ?? 1)
    static func number(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap { Int($0) } }

    /// Software drivers compile a graph's pipelines in a second or so: an eighth of the graphs.
    static func cases(every step: Int = 1) -> [OperationCase] {
        stride(from: first, to: first + count, by: step).flatMap { seed in
            RandomGraphKind.allCases.map { randomCase(seed: UInt64(seed), kind: $0) }
        }
    }

    /// Twice, since a run must not depend on what the last one left behind.
    ///
    /// - Parameter before: what the first run's inputs are filled with.
    static func compare(
        _ name: String, _ plan: any Plan, _ test: OperationCase, _ expected: [HostTensor], _ tolerance: Double,
        before: Float = .nan
    ) throws {
        _ = try plan.run(test.inputs.map { HostTensor($0.shape, repeating: before) })
        let found = try plan.run(test.inputs)
        #expect(found.map(\.shape) == expected.map(\.shape))
        for (index, (found, expected)) in zip(found, expected).enumerated() {
            let error = normalisedMeanSquare(found, expected)
            let size = expected.values.reduce(1) { max($0, abs($1)) }
            let largest = Double(largestDifference(found, expected) / size)
            #expect(
                error <= 4 * tolerance * tolerance && largest <= 20 * tolerance,
                "\(test), output \(index) on \(name): NMSE \(error), largest \(largest)")
        }
    }

    static func expected(_ test: OperationCase) throws -> [HostTensor] {
        try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
    }

    @Test(arguments: cases()) func cpu(_ test: OperationCase) throws {
        let expected = try Self.expected(test)
        for executor in TrainingOperationTests.executors {
            let plan = try executor.compile(test.graph, parameters: test.parameters)
            try Self.compare(executor.name, plan, test, expected, 1e-5)
            let training = try executor.compile(test.graph, state: executor.makeState(test.parameters))
            try Self.compare("\(executor.name), training", training, test, expected, 1e-5)
        }
    }

    /// The kinds are what they say, and all operations occur.
    @Test func allOperationsOccur() {
        var seen: Set<String> = []
        for seed in 1...400 as ClosedRange<UInt64> {
            for kind in RandomGraphKind.allCases {
                let graph = randomCase(seed: seed, kind: kind).graph
                seen.formUnion(graph.nodes.map(\.operation.name))
            }
        }
        let all = Set((operationCases + trainingOperationCases).flatMap { $0.graph.nodes.map(\.operation.name) })
        // Derivatives, which random gradients are made of; and what jumps.
        #expect(
            all.subtracting(seen) == [
                "convolutionWeightGradient", "resizeAdjoint", "padAdjoint", "sampleAdjoint", "step", "greater", "floor",
            ])
    }
}

@Suite(.serialized) struct VulkanRandomGraphTests {
    @Test(arguments: RandomGraphTests.cases(every: 8)) func vulkan(_ test: OperationCase) throws {
        let executor = try VulkanTrainingTests.shared.get()
        let expected = try RandomGraphTests.expected(test)
        let plan = try executor.compile(test.graph, parameters: test.parameters)
        try RandomGraphTests.compare("Vulkan", plan, test, expected, 1e-5, before: 1)
        let training = try executor.compile(test.graph, state: executor.makeState(test.parameters))
        try RandomGraphTests.compare("Vulkan, training", training, test, expected, 1e-5, before: 1)
        #expect(executor.validationMessages.first == nil)
    }
}
