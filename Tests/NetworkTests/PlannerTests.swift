import Network
import Planning
import Tensor
import TestSupport
import Testing

@Suite struct PlannerTests {
    /// A Compact network is one convolution a layer and nothing else.
    @Test func compactIsConvolutionsOnly() throws {
        let program = Planner.plan(SRVGGNetCompact().graph(.nhwc(1, 16, 16, 3)))
        #expect(program.steps.count == 18)
        #expect(program.steps.allSatisfy { if case .convolution = $0 { true } else { false } })
    }

    /// RRDBNet too: dense blocks are views, residuals and upsampling are fused.
    @Test func denseBlocksAreConvolutionsOnly() throws {
        let program = Planner.plan(RRDBNet(blocks: 3).graph(.nhwc(1, 16, 16, 3)))
        #expect(program.steps.count == 3 * 15 + 6)
        #expect(program.steps.allSatisfy { if case .convolution = $0 { true } else { false } })
        // Wide buffers of consecutive blocks take turns in the arena.
        let wide = 16 * 16 * (64 + 4 * 32)
        #expect(program.arenaElements <= 6 * wide + 64 * 64 * (64 + 64 + 4))
    }

    /// Buffers that are alive at the same time do not overlap, and every step reads what was written.
    @Test(arguments: operationCases + networkCases + trainingOperationCases, [false, true])
    func placesDoNotOverlap(_ test: OperationCase, _ parametersChange: Bool) throws {
        var options = PlanningOptions()
        options.parametersChange = parametersChange
        let program = Planner.plan(test.graph, options: options)
        for (index, a) in program.buffers.enumerated() {
            #expect(a.offset % 64 == 0 && a.offset + a.elements <= program.arenaElements)
            for b in program.buffers[(index + 1)...]
            where a.firstStep <= b.lastStep && b.firstStep <= a.lastStep && a.elements > 0 && b.elements > 0 {
                #expect(a.offset + a.elements <= b.offset || b.offset + b.elements <= a.offset)
            }
        }
        /// Segments of views, and tensors at the beginning of their buffers.
        func pieces(_ view: View) -> [[Int]] { view.segments.map { [view.buffer, $0.offset] } }
        func pieces(_ port: Port) -> [[Int]] {
            switch port {
            case .view(let view): pieces(view)
            case .tensor(let value): program.tensors[value.index].map { [[$0, 0]] } ?? []
            }
        }
        var written = Set(program.inputs.flatMap { pieces($0) })
        for step in program.steps {
            var (reads, writes) = (step.reads.flatMap { pieces($0) }, step.output.map { pieces($0) } ?? [])
            switch step {
            case .layout(let layout):
                if layout.makesView { reads.append([layout.tensor, 0]) } else { writes.append([layout.tensor, 0]) }
            case .tensors(let tensors):
                #expect(!tensors.writes.isEmpty)
                reads += tensors.reads.map { [$0, 0] }
                writes += tensors.writes.map { [$0, 0] }
            default: break
            }
            #expect(written.isSuperset(of: reads))
            written.formUnion(writes)
        }
        #expect(written.isSuperset(of: program.outputs.flatMap { pieces($0) }))
        if parametersChange { #expect(program.steps.allSatisfy { if case .tensors = $0 { true } else { false } }) }
    }

    /// What inference's kernels do not take becomes steps on tensors between steps on views; a value with whole vectors of
    /// channels is both without a copy.
    @Test func layoutsMeet() throws {
        func program(channels: Int) -> Program {
            var b = GraphBuilder()
            let x = b.input("x", .nhwc(1, 8, 8, 3))
            let y = b.leakyReLU(b.convolution(x, "a", to: channels), 0.1)
            let gate = b.apply(.pointwise(.sigmoid), b.mean(y, over: [1, 2]))
            let scaled = b.apply(.multiply, y, b.broadcast(gate, to: b.shape(y)))
            return Planner.plan(b.finish([b.convolution(scaled, "b", to: 3)]))
        }
        func kinds(_ program: Program) -> [String] {
            program.steps.map { step in
                switch step {
                case .convolution: "convolution"
                case .layout(let step): step.makesView ? "to view" : "to tensor"
                case .tensors(let step): "tensors \(step.nodes.count)"
                case .map, .move: "other"
                }
            }
        }
        #expect(kinds(program(channels: 32)) == ["convolution", "tensors 1", "tensors 2", "tensors 1", "convolution"])
        #expect(
            kinds(program(channels: 20)) == [
                "convolution", "to tensor", "tensors 1", "tensors 2", "tensors 1", "to view", "convolution",
            ])
    }
}
