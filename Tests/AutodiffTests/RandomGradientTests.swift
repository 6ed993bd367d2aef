import CPUExecutor
import Foundation
import Network
import Reference
import Tensor
import TestSupport
import Testing
import VulkanExecutor

@testable import Autodiff

/// Gradients of random graphs: against central differences, and on every executor. `Scripts/random-graphs` runs thousands.
@Suite(.serialized) struct RandomGradientTests {
    /// The number of graphs of each kind, and the first one's seed.
    static let (count, first) = (number("UPFRAME_RANDOM_GRAPHS") ?? 50, number("UPFRAME_RANDOM_SEED") ?? 1)
    static func number(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap { Int($0) } }

    static func seeds(every step: Int = 1) -> [UInt64] {
        stride(from: first, to: first + count, by: step).map(UInt64.init)
    }

    /// A random graph's outputs, weighted and added up; and the gradient of that with respect to all inputs and parameters.
    static func graphs(_ seed: UInt64, _ kind: RandomGraphKind) -> (value: OperationCase, gradient: OperationCase) {
        let test = randomCase(seed: seed, kind: kind)
        func make(_ differentiates: Bool) -> OperationCase {
            OperationCase("gradient, \(test.name)", seed: seed) { b in
                var copies: [Value] = []
                for node in test.graph.nodes {
                    let operands = node.operands.map { copies[$0.index] }
                    switch node.operation {
                    case .input(let name): copies.append(b.input(name, node.shape))
                    case .parameter(let name): copies.append(b.parameter(name, node.shape))
                    case .constant(let values): copies.append(b.constant(values, node.shape))
                    default:
                        do { copies.append(try b.tryApply(node.operation, operands)) } catch { fatalError("\(error)") }
                    }
                }
                var total: Value?
                for (index, output) in test.graph.outputs.enumerated() {
                    let y = copies[output.index]
                    let weights = randomTensor(b.shape(y), seed: seed + UInt64(index), in: 0.5..<1.5)
                    let part = b.mean(b.apply(.multiply, y, b.constant(weights.values, b.shape(y))))
                    total = total.map { b.apply(.add, $0, part) } ?? part
                }
                if !differentiates { return [total!] }
                let variables = test.graph.inputs.map { copies[$0.index] } + b.allParameters.map(\.value)
                return b.gradient(of: total!, withRespectTo: variables)
            }
        }
        return (make(false), make(true))
    }

    /// What executors run: without what differentiation leaves behind, with the parameters that the gradient is of.
    static func simplified(_ seed: UInt64, _ kind: RandomGraphKind) -> (
        graph: Graph, parameters: Parameters, [HostTensor]
    ) {
        let (value, gradient) = graphs(seed, kind)
        return (gradient.graph.simplified(), value.parameters, gradient.inputs)
    }

    @Test(arguments: seeds(), RandomGraphKind.allCases)
    func cpu(_ seed: UInt64, _ kind: RandomGraphKind) throws {
        let (graph, parameters, inputs) = Self.simplified(seed, kind)
        let expected = try ReferenceExecutor().compile(graph, parameters: parameters).run(inputs)
        for set in CPUExecutor.InstructionSet.supported {
            let executor = CPUExecutor(threads: 2, instructionSet: set)
            let found = try executor.compile(graph, state: executor.makeState(parameters)).run(inputs)
            Self.expect(found, expected, "seed \(seed) of \(kind) on \(executor.name)")
        }
    }

    @Test(arguments: seeds(every: 10), RandomGraphKind.allCases)
    func vulkan(_ seed: UInt64, _ kind: RandomGraphKind) throws {
        let (graph, parameters, inputs) = Self.simplified(seed, kind)
        let expected = try ReferenceExecutor().compile(graph, parameters: parameters).run(inputs)
        let executor = try Self.executor.get()
        let found = try executor.compile(graph, state: executor.makeState(parameters)).run(inputs)
        Self.expect(found, expected, "seed \(seed) of \(kind) on \(executor.name)")
    }

    static let executor = Result { try VulkanExecutor(allowSoftware: true, cacheDirectory: nil) }

    /// A rounding error can take a kinked function's derivative to its other side: single elements may differ.
    static func expect(_ found: [HostTensor], _ expected: [HostTensor], _ what: String) {
        for (index, (found, expected)) in zip(found, expected).enumerated() {
            let error = normalisedMeanSquare(found, expected)
            #expect(error < 1e-7, "\(what), output \(index): NMSE \(error)")
        }
    }

    /// Along a random direction, in double precision.
    @Test(arguments: seeds(every: 2), RandomGraphKind.allCases)
    func finiteDifferencesAgree(_ seed: UInt64, _ kind: RandomGraphKind) throws {
        let (value, gradient) = Self.graphs(seed, kind)
        let names = value.graph.parameters.map(\.name)
        // `detach` hides what central differences see.
        if value.graph.nodes.contains(where: { $0.operation == .detach }) { return }
        var (inputs, parameters) = (
            value.inputs.map { PreciseTensor($0) }, value.parameters.mapValues { PreciseTensor($0) }
        )
        let derivatives = ReferenceExecutor.evaluate(gradient.graph, parameters: parameters, inputs: inputs).outputs
        let steps = derivatives.enumerated().map { index, derivative in
            randomTensor(derivative.shape, seed: seed + 50 + UInt64(index)).values.map { Double($0) }
        }
        let expected = zip(derivatives, steps).reduce(0) { sum, pair in
            sum + zip(pair.0.values, pair.1).reduce(0) { $0 + $1.0 * $1.1 }
        }
        func moved(_ distance: Double) -> Double {
            for index in inputs.indices {
                for (element, step) in steps[index].enumerated() {
                    inputs[index].values[element] = Double(value.inputs[index].values[element]) + distance * step
                }
            }
            for (index, name) in names.enumerated() {
                for (element, step) in steps[inputs.count + index].enumerated() {
                    parameters[name]!.values[element] =
                        Double(value.parameters[name]!.values[element]) + distance * step
                }
            }
            return ReferenceExecutor.evaluate(value.graph, parameters: parameters, inputs: inputs).outputs[0].values[0]
        }
        let found = (moved(1e-6) - moved(-1e-6)) / 2e-6
        #expect(
            abs(found - expected) < 1e-4 * max(1, abs(expected)), "seed \(seed) of \(kind): \(found), not \(expected)")
    }
}
