import Network
import Planning
import Tensor
import TestSupport
import Testing

@Suite struct PlannerTests {
    /// A Compact network is one convolution a layer and nothing else.
    @Test func compactIsConvolutionsOnly() throws {
        let program = try Planner.plan(SRVGGNetCompact().graph(.nhwc(1, 16, 16, 3)))
        #expect(program.steps.count == 18)
        #expect(program.steps.allSatisfy { if case .convolution = $0 { true } else { false } })
    }

    /// RRDBNet too: dense blocks are views, residuals and upsampling are fused.
    @Test func denseBlocksAreConvolutionsOnly() throws {
        let program = try Planner.plan(RRDBNet(blocks: 3).graph(.nhwc(1, 16, 16, 3)))
        #expect(program.steps.count == 3 * 15 + 6)
        #expect(program.steps.allSatisfy { if case .convolution = $0 { true } else { false } })
        // Wide buffers of consecutive blocks take turns in the arena.
        let wide = 16 * 16 * (64 + 4 * 32)
        #expect(program.arenaElements <= 6 * wide + 64 * 64 * (64 + 64 + 4))
    }

    /// Buffers that are alive at the same time do not overlap, and every step reads what was written.
    @Test(arguments: operationCases + networkCases) func placesDoNotOverlap(_ test: OperationCase) throws {
        let program = try Planner.plan(test.graph)
        for (index, a) in program.buffers.enumerated() {
            #expect(a.offset % 64 == 0 && a.offset + a.elements <= program.arenaElements)
            for b in program.buffers[(index + 1)...]
            where a.firstStep <= b.lastStep && b.firstStep <= a.lastStep && a.elements > 0 && b.elements > 0 {
                #expect(a.offset + a.elements <= b.offset || b.offset + b.elements <= a.offset)
            }
        }
        var written = Set(program.inputs.flatMap { view in view.segments.map { [view.buffer, $0.offset] } })
        for step in program.steps {
            for view in step.reads {
                for segment in view.segments { #expect(written.contains([view.buffer, segment.offset])) }
            }
            for segment in step.output.segments { written.insert([step.output.buffer, segment.offset]) }
        }
        for view in program.outputs {
            for segment in view.segments { #expect(written.contains([view.buffer, segment.offset])) }
        }
    }
}
