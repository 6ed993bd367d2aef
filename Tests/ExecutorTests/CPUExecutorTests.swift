import Network
import Reference
import Tensor
import TestSupport
import Testing

@testable import CPUExecutor

/// Every instruction set that this machine has, with different numbers of threads.
private let executors: [CPUExecutor] = CPUExecutor.InstructionSet.supported.enumerated().map { index, set in
    CPUExecutor(threads: index + 1, instructionSet: set)
}

/// Executors that use one kernel for every convolution that it can do.
private let forced: [CPUExecutor] = ConvolutionKernel.allCases.flatMap { kernel in
    CPUExecutor.InstructionSet.supported.map { set in
        CPUExecutor(threads: 2, instructionSet: set, options: ConvolutionOptions(kernel: kernel))
    }
}

@Suite struct CPUExecutorTests {
    /// Every kernel on every convolution, chosen for it or not.
    @Test(arguments: operationCases.filter { $0.graph.multiplyAdds > 0 } + Self.convolutionShapes)
    func everyKernel(_ test: OperationCase) throws {
        try expectAgreement(test, forced, tolerance: 2e-5)
    }

    /// Sizes around one and two tiles of both Winograd kernels, widths of real networks and of none.
    static let convolutionShapes: [OperationCase] = {
        var cases: [OperationCase] = []
        func add(_ height: Int, _ width: Int, _ input: Int, _ output: Int, batch: Int = 1) {
            cases.append(
                OperationCase("3x3 \(batch)x\(height)x\(width) \(input)->\(output)", seed: UInt64(cases.count)) { b in
                    [b.leakyReLU(b.convolution(b.input("x", .nhwc(batch, height, width, input)), "c", to: output), 0.2)]
                })
        }
        for side in [3, 4, 5, 6, 7, 8, 9, 12, 13] { add(side, 14 - side, 16, 16) }
        for channels in [1, 3, 4, 16, 20, 24, 48, 64, 192] {
            add(7, 10, channels, 24)
            add(7, 10, 20, channels)
        }
        add(1, 200, 20, 40)
        add(200, 1, 20, 40)
        add(70, 61, 32, 32)
        // Every number of rows and columns that a tile at the picture's end can have, in blocks of several rows of tiles.
        for rest in 0..<6 { for other in 0..<6 { add(18 + rest, 24 + other, 16, 16, batch: 2) } }
        // A block of nothing but tiles cut off below, and one of whole ones.
        add(8, 200, 16, 16)
        add(11, 9, 24, 112, batch: 4)
        return cases
    }()

    @Test(arguments: operationCases)
    func operation(_ test: OperationCase) throws {
        // fp32 sums of up to 1728 products, and Winograd's transforms, against sums in double precision.
        try expectAgreement(test, executors, tolerance: 2e-5)
    }

    @Test(arguments: networkCases)
    func network(_ test: OperationCase) throws {
        try expectAgreement(test, executors, tolerance: 1e-4)
    }

    /// What one run leaves in padding channels and scratch must not be seen by the next.
    @Test func runsDoNotInfluenceEachOther() throws {
        for executor in executors {
            for test in operationCases + networkCases {
                let plan = try executor.compile(test.graph, parameters: test.parameters)
                let expected = try plan.run(test.inputs)
                for poison in [Float.nan, .infinity] {
                    var outputs = try plan.run(test.inputs.map { HostTensor($0.shape, repeating: poison) })
                    try plan.run(test.inputs, into: &outputs)
                    #expect(outputs == expected, "\(test) after \(poison) on \(executor.name)")
                }
            }
        }
    }

    /// Any number of threads gives the same bits: work is split, sums are not.
    @Test func threadsDoNotChangeResults() throws {
        for test in networkCases {
            var results: [[HostTensor]] = []
            for threads in 1...3 {
                let executor = CPUExecutor(threads: threads)
                #expect(executor.threads == threads)
                results.append(try executor.compile(test.graph, parameters: test.parameters).run(test.inputs))
            }
            #expect(results[1] == results[0] && results[2] == results[0], "\(test)")
        }
    }

    /// Plans of one executor may run at the same time on different threads.
    @Test func plansTakeTurns() async throws {
        let executor = CPUExecutor(threads: 2)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for test in networkCases {
                group.addTask {
                    let plan = try executor.compile(test.graph, parameters: test.parameters)
                    let first = try plan.run(test.inputs)
                    for _ in 0..<5 where try plan.run(test.inputs) != first { return false }
                    return true
                }
            }
            for try await same in group { #expect(same) }
        }
    }

    /// F(6x6) where it is precise enough and its tiles fit, else F(4x4).
    @Test func winogradIsChosenByErrorAndTime() throws {
        func graph(_ height: Int, _ width: Int, depth: Int) -> Graph {
            var b = GraphBuilder()
            let x = b.input("x", .nhwc(1, height, width, depth))
            let y = b.convolution(x, "c", to: 16)
            return b.finish([y])
        }
        func tile(_ height: Int, _ width: Int, depth: Int = 192) throws -> String {
            let graph = graph(height, width, depth: depth)
            let plan = try CPUExecutor(threads: 1).compilePlan(graph, parameters: randomParameters(graph, seed: 1))
            return try #require(plan.layerTimings.last { $0.multiplyAdds > 0 }).name
        }
        #expect(try tile(60, 60).hasSuffix("winograd 6x6"))
        #expect(try tile(64, 64).hasSuffix("winograd 6x6"))
        #expect(try tile(20, 20).hasSuffix("winograd 6x6"))
        #expect(try tile(8, 8).hasSuffix("winograd 4x4"))

        // What was measured on a few outputs of one tile holds for the layer: rounding grows with the depth.
        for (depth, wanted) in [(192, "winograd 6x6"), (2048, "winograd 4x4")] {
            #expect(try tile(60, 60, depth: depth).hasSuffix(wanted), "\(depth) channels")
            let test = graph(60, 60, depth: depth)
            let parameters = randomParameters(test, seed: 1)
            let input = randomTensor(.nhwc(1, 60, 60, depth), seed: 2)
            let right = try ReferenceExecutor().compile(test, parameters: parameters).run([input])[0]
            func error(_ kernel: ConvolutionKernel?) throws -> Float {
                let executor = CPUExecutor(threads: 2, instructionSet: nil, options: ConvolutionOptions(kernel: kernel))
                let results = try executor.compile(test, parameters: parameters).run([input])[0]
                let errors = zip(results.values, right.values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
                return (errors / right.values.reduce(0) { $0 + $1 * $1 }).squareRoot()
            }
            let (six, four) = (try error(.winograd6), try error(.winograd4))
            #expect(try error(nil) == (wanted.hasSuffix("6x6") ? six : four))
            #expect((six > PlanCompiler.errorLimit) == wanted.hasSuffix("4x4"), "\(depth) channels: \(six)")
            #expect(four < PlanCompiler.errorLimit / 2, "\(depth) channels: \(four)")
        }
    }

    @Test func tooLargeAPlanIsAnError() {
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 1 << 20, 1 << 20, 64))
        let graph = b.finish([b.leakyReLU(x, 0.1)])
        #expect { try CPUExecutor().compile(graph, parameters: [:]) } throws: { error in
            if case ExecutionError.outOfMemory(_, let bytes) = error { bytes > 1 << 48 } else { false }
        }
    }

    @Test func timingsNameEveryStep() throws {
        let graph = SRVGGNetCompact(features: 64, convolutions: 2, outputScale: 2).graph(.nhwc(1, 20, 30, 3))
        let plan = try CPUExecutor().compilePlan(graph, parameters: randomParameters(graph, seed: 1))
        _ = try plan.run([randomTensor(.nhwc(1, 20, 30, 3), seed: 2)])
        let timings = plan.layerTimings
        #expect(timings.count == 5)
        #expect(timings[1].name.hasPrefix("convolution 64->64 30x20"))
        #expect(timings.allSatisfy { $0.milliseconds > 0 })
        #expect(timings.reduce(0) { $0 + $1.multiplyAdds } == graph.multiplyAdds)
        #expect(timings[1].gigaflops > 0)
        #expect(plan.memoryBytes > 20 * 30 * 64 * 4 * 2)
    }
}

func expectAgreement(_ test: OperationCase, _ executors: [CPUExecutor], tolerance: Float) throws {
    let expected = try ReferenceExecutor().compile(test.graph, parameters: test.parameters).run(test.inputs)
    for executor in executors {
        let plan = try executor.compile(test.graph, parameters: test.parameters)
        let outputs = try plan.run(test.inputs)
        for (output, right) in zip(outputs, expected) {
            let scale = max(1, right.values.reduce(0) { max($0, abs($1)) })
            let difference = largestDifference(output, right)
            // Without fused multiply-adds every product is rounded too, and Winograd's transforms enlarge that.
            let allowed = executor.instructionSet == .portable ? tolerance * 1.5 : tolerance
            #expect(difference <= allowed * scale, "\(test) on \(executor.name)")
        }
        if !outputs.isEmpty, let timings = (plan as? CPUPlan)?.layerTimings, test.graph.multiplyAdds > 0 {
            #expect(timings.contains { $0.name.hasPrefix("convolution") })
        }
    }
}
