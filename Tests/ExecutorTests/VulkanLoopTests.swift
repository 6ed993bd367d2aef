import Compute
import Network
import Reference
import Tensor
import TestSupport
import Testing

@testable import VulkanExecutor

/// What a frame loop costs besides its kernels, and what is said about the kernels.
@Suite(.serialized) struct VulkanLoopTests {
    private func executor(
        _ precision: StoragePrecision = .fp32, frames: Int = 3, memoryLimit: Int = .max
    ) throws -> VulkanExecutor {
        try VulkanExecutor(
            device: nil, precision: precision, allowSoftware: true, validation: true, framesInFlight: frames,
            cacheDirectory: nil, bindingLimit: .max, memoryLimit: memoryLimit)
    }

    private let shape = Shape.nhwc(1, 9, 13, 3)
    private var graph: Graph { SRVGGNetCompact(features: 8, convolutions: 2, upscale: 2).graph(shape) }

    /// Once a plan is made, a frame is a submission and at most one wait: no buffer, pipeline, recording or descriptor
    /// set is made, and nobody waits for anything but a finished frame.
    @Test func theSteadyStateMakesNothing() throws {
        let executor = try executor()
        let plan = try executor.plan(graph, parameters: randomParameters(graph, seed: 1))
        let frame = randomTensor(shape, seed: 2, in: 0..<1)
        var outputs = plan.outputShapes.map { HostTensor($0) }
        let before = executor.activity
        var tickets: [VulkanPlan.Ticket] = []
        for _ in 0..<30 {
            if tickets.count == plan.framesInFlight { try plan.wait(tickets.removeFirst(), into: &outputs) }
            tickets.append(try plan.submit([frame]))
        }
        while !tickets.isEmpty { try plan.wait(tickets.removeFirst(), into: &outputs) }
        let after = executor.activity
        #expect(after.submissions - before.submissions == 30)
        #expect(after.waits - before.waits <= 30)
        #expect(after.waits > before.waits, "waits are counted")
        var made = after
        (made.submissions, made.waits) = (before.submissions, before.waits)
        #expect(made == before)
        #expect(executor.validationMessages == [])
    }

    /// Pictures that stay on the device give what pictures give that come and go; a run is a submission and a wait.
    @Test(arguments: [StoragePrecision.fp32, .fp16]) func picturesThatStay(_ precision: StoragePrecision) throws {
        let executor = try executor(precision)
        let plan = try executor.plan(graph, parameters: randomParameters(graph, seed: 1))
        for seed in 2..<4 {
            let frame = randomTensor(shape, seed: UInt64(seed), in: 0..<1)
            let expected = try plan.run([frame])
            try plan.load([frame])
            var outputs = plan.outputShapes.map { HostTensor($0, repeating: .nan) }
            let before = executor.activity
            for _ in 0..<3 { try plan.runLoaded() }
            var after = executor.activity
            #expect(after.submissions - before.submissions == 3 && after.waits - before.waits <= 3)
            (after.submissions, after.waits) = (before.submissions, before.waits)
            #expect(after == before)
            try plan.unload(into: &outputs)
            #expect(outputs == expected)
        }
        #expect(executor.validationMessages == [])
    }

    /// Where half floats do not do, it is the plan in single precision that is measured.
    @Test func whatOverflowsStaysInSinglePrecision() throws {
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 3, 4, 5))
        let large = b.convolution(b.apply(.affine(scale: 100_000, offset: 0), x), "c", to: 5)
        let graph = b.finish([b.apply(.affine(scale: 1e-5, offset: 0), b.apply(.upsampleNearest(factor: 2), large))])
        let parameters = randomParameters(graph, seed: 3)
        let input = randomTensor(.nhwc(1, 3, 4, 5), seed: 1, in: 0.9..<1)
        let plan = try executor(.fp16).plan(graph, parameters: parameters)
        try plan.load([input])
        #expect(plan.precision == .fp32)
        try plan.runLoaded()
        var outputs = plan.outputShapes.map { HostTensor($0) }
        try plan.unload(into: &outputs)
        #expect(try outputs == plan.run([input]))
    }

    /// What a plan takes is given back when it goes.
    @Test func memoryIsGivenBack() throws {
        let executor = try executor()
        let before = executor.activity
        do {
            let plan = try executor.plan(graph, parameters: randomParameters(graph, seed: 1))
            #expect(executor.activity.allocatedBytes - before.allocatedBytes >= plan.memoryBytes)
        }
        #expect(executor.activity.allocatedBytes == before.allocatedBytes)
        #expect(executor.activity.allocations > before.allocations)
    }

    /// A limit is kept as a full device keeps it: a plan that is too large fails as a whole, a smaller one is made.
    @Test func aMemoryLimitIsKept() throws {
        let limit = 2 << 20
        let executor = try executor(memoryLimit: limit)
        let network = SRVGGNetCompact(features: 16, convolutions: 2, upscale: 2)
        let large = network.graph(.nhwc(1, 400, 400, 3))
        let parameters = randomParameters(large, seed: 1)
        #expect { try executor.plan(large, parameters: parameters) } throws: {
            if case .outOfMemory = $0 as? ExecutionError { true } else { false }
        }
        #expect(executor.activity.allocatedBytes == 0, "nothing is left behind")
        let small = network.graph(.nhwc(1, 20, 20, 3))
        let plan = try executor.plan(small, parameters: parameters)
        #expect(executor.activity.allocatedBytes <= limit)
        let input = randomTensor(.nhwc(1, 20, 20, 3), seed: 3)
        let expected = try ReferenceExecutor().compile(small, parameters: parameters).run([input])[0]
        #expect(largestDifference(try plan.run([input])[0], expected) < 1e-4)
    }

    /// Frames in flight when half floats turn out not to do, and more behind them.
    @Test func overflowBetweenFramesInFlight() throws {
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 3, 4, 5))
        let large = b.convolution(b.apply(.affine(scale: 100_000, offset: 0), x), "c", to: 5)
        let y = b.apply(.affine(scale: 1e-5, offset: 0), b.apply(.upsampleNearest(factor: 2), large))
        let graph = b.finish([y])
        let parameters = randomParameters(graph, seed: 3)
        let reference = try ReferenceExecutor().compile(graph, parameters: parameters)
        let plan = try executor(.fp16, frames: 2).plan(graph, parameters: parameters)
        let frames = (0..<9).map { randomTensor(.nhwc(1, 3, 4, 5), seed: UInt64($0), in: 0.9..<1) }
        var tickets: [VulkanPlan.Ticket] = []
        var done = 0
        func collect() throws {
            var outputs = [HostTensor(graph.shape(graph.outputs[0]))]
            try plan.wait(tickets.removeFirst(), into: &outputs)
            #expect(largestDifference(outputs[0], try reference.run([frames[done]])[0]) < 1e-4)
            done += 1
        }
        for frame in frames {
            if tickets.count == 2 { try collect() }
            tickets.append(try plan.submit([frame]))
        }
        while !tickets.isEmpty { try collect() }
        #expect(plan.precision == .fp32)
    }

    @Test func stepsAreTimed() throws {
        let executor = try executor()
        let plan = try executor.plan(graph, parameters: randomParameters(graph, seed: 1))
        guard executor.device.capabilities.timestampNanoseconds > 0 else {
            #expect { try plan.profile([HostTensor(shape)]) } throws: { "\($0)".contains("no clock") }
            return
        }
        let timings = try plan.profile([randomTensor(shape, seed: 2, in: 0..<1)])
        #expect(timings.map(\.kind).first == .transfer && timings.map(\.kind).last == .transfer)
        #expect(timings.filter { $0.kind == .convolution }.count == 4)
        #expect(timings.reduce(0) { $0 + $1.multiplyAdds } == graph.multiplyAdds)
        #expect(timings.allSatisfy { $0.seconds >= 0 && $0.bytes > 0 })
        #expect(timings.reduce(0) { $0 + $1.seconds } > 0)
        #expect(timings[1].name.contains("3->8 13x9"))
        #expect(executor.validationMessages == [])
    }

    @Test func thePeakIsMeasured() throws {
        let executor = try executor()
        let peak = try executor.measurePeak()
        // Between a slow processor and a large GPU.
        #expect(peak.flops > 1e8 && peak.flops < 1e16)
        #expect(peak.unit.contains("fp32"))
        #expect(executor.validationMessages == [])
    }
}
