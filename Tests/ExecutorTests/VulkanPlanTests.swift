import Compute
import Foundation
import Network
import Reference
import Tensor
import TestSupport
import Testing

@testable import VulkanExecutor

/// What is particular to plans on a Vulkan device: overflow, frames in flight, limits, errors, caches.
@Suite(.serialized) struct VulkanPlanTests {
    private func executor(
        _ precision: StoragePrecision = .fp32, frames: Int = 2, bindingLimit: Int = .max
    ) throws -> VulkanExecutor {
        try VulkanExecutor(
            device: 0, precision: precision, allowSoftware: false, validation: true, framesInFlight: frames,
            cacheDirectory: nil, bindingLimit: bindingLimit)
    }

    private func graph(_ shape: Shape, _ build: (inout GraphBuilder, Value) -> Value) -> Graph {
        var b = GraphBuilder()
        let x = b.input("x", shape)
        let y = build(&b, x)
        return b.finish([y])
    }

    // MARK: Numbers that do not fit

    /// A number beyond 65504 in the middle makes the plan go on in single precision, from that frame on.
    @Test func halfFloatOverflowFallsBack() throws {
        let graph = graph(.nhwc(1, 3, 4, 5)) { b, x in
            let large = b.convolution(b.apply(.affine(scale: 100_000, offset: 0), x), "c", to: 5)
            return b.apply(.affine(scale: 1e-5, offset: 0), b.apply(.upsampleNearest(factor: 2), large))
        }
        let parameters = randomParameters(graph, seed: 3)
        let reference = try ReferenceExecutor().compile(graph, parameters: parameters)
        let plan = try executor(.fp16).plan(graph, parameters: parameters)
        let small = HostTensor(.nhwc(1, 3, 4, 5), repeating: 0.01)
        let first = try plan.run([small])[0]
        #expect(plan.precision == .fp16)
        #expect(largestDifference(first, try reference.run([small])[0]) < 1e-3)

        let input = randomTensor(.nhwc(1, 3, 4, 5), seed: 1, in: 0.9..<1)
        // The frame is submitted before it is known that it overflows, and so is the next.
        let tickets = [try plan.submit([input]), try plan.submit([input])]
        for ticket in tickets {
            var outputs = [HostTensor(graph.shape(graph.outputs[0]))]
            try plan.wait(ticket, into: &outputs)
            #expect(largestDifference(outputs[0], try reference.run([input])[0]) < 1e-4)
        }
        #expect(plan.precision == .fp32)
        let later = try plan.run([input])[0]
        #expect(largestDifference(later, try reference.run([input])[0]) < 1e-4)
        #expect(plan.memoryBytes > 0)
    }

    /// What a clamp would hide (an infinity becomes 1) is noticed as well.
    @Test func overflowBehindAClampIsNoticed() throws {
        let graph = graph(.nhwc(1, 2, 2, 3)) { b, x in
            let stored = b.apply(.upsampleNearest(factor: 2), b.apply(.affine(scale: 1e6, offset: 0), x))
            return b.apply(.clamp(low: 0, high: 1), b.apply(.affine(scale: 1e-7, offset: 0), stored))
        }
        let plan = try executor(.fp16).plan(graph, parameters: [:])
        let result = try plan.run([HostTensor(.nhwc(1, 2, 2, 3), repeating: 1)])[0]
        #expect(result.values.allSatisfy { abs($0 - 0.1) < 1e-6 })
        #expect(plan.precision == .fp32)
    }

    /// Weights that are no half floats.
    @Test func largeWeightsNeedSinglePrecision() throws {
        let graph = graph(.nhwc(1, 2, 2, 1)) { b, x in b.convolution(x, "c", to: 1, kernel: 1) }
        let parameters: Parameters = [
            "c.weight": HostTensor([1, 1, 1, 1], [100_000]), "c.bias": HostTensor([1], [0]),
        ]
        let plan = try executor(.fp16).plan(graph, parameters: parameters)
        #expect(plan.precision == .fp32)
        #expect(try plan.run([HostTensor(.nhwc(1, 2, 2, 1), repeating: 2)])[0].values == [2e5, 2e5, 2e5, 2e5])
    }

    @Test(arguments: [Float.infinity, .nan, 3e38]) func overflowInSinglePrecisionIsAnError(_ value: Float) throws {
        let graph = graph(.nhwc(1, 2, 2, 3)) { b, x in
            b.apply(.clamp(low: 0, high: 1), b.convolution(b.apply(.affine(scale: 10, offset: 0), x), "c", to: 3))
        }
        let plan = try executor().plan(graph, parameters: randomParameters(graph, seed: 1))
        var input = HostTensor(.nhwc(1, 2, 2, 3))
        input[0, 1, 1, 2] = value
        #expect { try plan.run([input]) } throws: { "\($0)".contains("single precision") }
        // The plan is good for the next frame.
        #expect(try plan.run([HostTensor(.nhwc(1, 2, 2, 3))])[0].values.allSatisfy(\.isFinite))
    }

    /// Half floats are rounded, not cut off: at most half a unit in the last place.
    @Test func halfFloatsAreRounded() throws {
        let executor = try executor(.fp16)
        let shape = Shape.nhwc(1, 8, 8, 4)
        let plan = try executor.plan(graph(shape) { b, x in b.apply(.crop(Margins()), x) }, parameters: [:])
        let input = randomTensor(shape, seed: 9, in: 1..<2)
        let result = try plan.run([input])[0]
        let unit: Float = 0x1p-10
        let difference = largestDifference(input, result)
        #expect(difference <= unit / 2)
        #expect(difference > unit / 4, "what is stored are half floats")
    }

    // MARK: Frames in flight, memory, limits

    @Test func framesInFlightKeepTheirOwnResults() throws {
        let graph = SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2).graph(.nhwc(1, 6, 5, 3))
        let parameters = randomParameters(graph, seed: 1)
        let reference = try ReferenceExecutor().compile(graph, parameters: parameters)
        let executor = try executor(frames: 3)
        let plan = try executor.plan(graph, parameters: parameters)
        let frames = (0..<7).map { randomTensor(.nhwc(1, 6, 5, 3), seed: UInt64($0), in: 0..<1) }
        let expected = try frames.map { try reference.run([$0])[0] }
        var tickets: [VulkanPlan.Ticket] = []
        var results: [HostTensor] = []
        func collect() throws {
            var outputs = [HostTensor(graph.shape(graph.outputs[0]))]
            try plan.wait(tickets.removeFirst(), into: &outputs)
            results.append(outputs[0])
        }
        for frame in frames {
            if tickets.count == 3 { try collect() }
            tickets.append(try plan.submit([frame]))
        }
        while !tickets.isEmpty { try collect() }
        for (result, expected) in zip(results, expected) { #expect(largestDifference(result, expected) < 1e-4) }
        #expect(executor.validationMessages.first == nil)
    }

    /// A plan that goes while a frame is in flight, and plans of several threads on one device.
    @Test func plansComeAndGo() async throws {
        let executor = try executor()
        let graph = SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2).graph(.nhwc(1, 6, 5, 3))
        let parameters = randomParameters(graph, seed: 1)
        let input = randomTensor(.nhwc(1, 6, 5, 3), seed: 2, in: 0..<1)
        let expected = try ReferenceExecutor().compile(graph, parameters: parameters).run([input])[0]
        try await withThrowingTaskGroup(of: Float.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    _ = try executor.plan(graph, parameters: parameters).submit([input])
                    let plan = try executor.plan(graph, parameters: parameters)
                    return largestDifference(try plan.run([input])[0], expected)
                }
            }
            for try await difference in group { #expect(difference < 1e-4) }
        }
        #expect(executor.validationMessages.first == nil)
    }

    /// Where a binding may span little, steps are computed in strips of rows. The result is the same to the bit.
    @Test func stripsGiveTheSameResult() throws {
        let (whole, strips) = (try executor(), try executor(bindingLimit: 60_000))
        // Winograd's tiles do not fit into every strip, and round otherwise.
        (whole.multiplication, strips.multiplication) = (.vectors, .vectors)
        let names = [
            "convolution 1x67", "resize bicubic 66", "pixelShuffle 2 [1, 17", "pad zero [1, 67", "batch of three",
        ]
        var tests = networkCases.filter { $0.name.hasPrefix("Compact x4") || $0.name.hasPrefix("RRDBNet x2") }
        tests += names.compactMap { name in operationCases.first { $0.name.hasPrefix(name) } }
        tests.append(
            OperationCase("strided, upsampled, shuffled") { b in
                let x = b.input("x", .nhwc(3, 33, 21, 5))
                let up = b.apply(.upsampleNearest(factor: 2), x)
                let y = b.apply(
                    .convolution(stride: 2, padding: 3, groups: 1), up, b.parameter("w", [12, 5, 5, 5]))
                return [b.apply(.add, b.apply(.pixelShuffle(factor: 2), y), b.input("y", .nhwc(3, 68, 44, 3)))]
            })
        #expect(tests.count == 8)
        var more = 0
        for test in tests {
            let one = try whole.plan(test.graph, parameters: test.parameters)
            let many = try strips.plan(test.graph, parameters: test.parameters)
            more += many.recorded.dispatches - one.recorded.dispatches
            #expect(try one.run(test.inputs) == many.run(test.inputs), "\(test)")
        }
        #expect(more > 20, "strips were used")
        #expect(strips.validationMessages.first == nil)
    }

    @Test func aRowThatIsTooLongIsAnError() throws {
        let graph = graph(.nhwc(1, 2, 5000, 3)) { b, x in b.leakyReLU(x, 0.1) }
        #expect { try executor(bindingLimit: 16_384).plan(graph, parameters: [:]) } throws: {
            $0 is ExecutionError && "\($0)".contains("one row")
        }
    }

    @Test func missingParametersAreNamed() throws {
        let graph = SRVGGNetCompact(features: 4, convolutions: 1).graph(.nhwc(1, 2, 2, 3))
        #expect { try executor().compile(graph, parameters: [:]) } throws: { "\($0)".contains("body.0.weight") }
    }

    @Test func memoryIsStatedAndShared() throws {
        let executor = try executor()
        executor.multiplication = .vectors
        let plan = try executor.plan(
            RRDBNet(features: 16, growth: 16, blocks: 2).graph(.nhwc(1, 16, 16, 3)),
            parameters: randomParameters(
                RRDBNet(features: 16, growth: 16, blocks: 2).graph(.nhwc(1, 16, 16, 3)), seed: 1))
        // 7 values of 16x16x16 in each of 2 blocks and the tail of 64x64x16 in single precision: buffers are used again.
        #expect(plan.memoryBytes < 4 << 20)
        #expect(plan.recorded.dispatches == 2 * 15 + 6 + 2, "upload, convolutions and download, nothing else")
    }

    // MARK: Devices

    @Test func devicesAreListedAndChosen() throws {
        let devices = try VulkanExecutor.devices()
        #expect(devices.map(\.index) == Array(devices.indices))
        #expect(devices.allSatisfy { !$0.name.isEmpty })
        #expect { try VulkanExecutor(device: 99, allowSoftware: true) } throws: {
            "\($0)".contains("vulkan:99") && "\($0)".contains("vulkan:0")
        }
        if devices.allSatisfy(\.isSoftware) {
            #expect { try VulkanExecutor() } throws: {
                "\($0)".contains("software") && "\($0)".contains("use cpu or vulkan:0")
            }
        } else {
            #expect(!devices[try VulkanExecutor().deviceIndex].isSoftware)
        }
    }

    /// A device that rounds half floats towards zero stays within every tolerance and is refused all the same.
    @Test func selfTestSeesABias() throws {
        struct Brighter: Executor {
            let name = "what such a device would be compared with"
            final class Brightened: Plan {
                let plan: any Plan
                init(_ plan: any Plan) { self.plan = plan }
                var inputShapes: [Shape] { plan.inputShapes }
                var outputShapes: [Shape] { plan.outputShapes }
                var memoryBytes: Int { plan.memoryBytes }
                func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws {
                    outputs = try plan.run(inputs).map { HostTensor($0.shape, $0.values.map { $0 * (1 + 3.4e-4) }) }
                }
            }
            func compile(_ graph: Graph, parameters: Parameters) throws -> any Plan {
                Brightened(try ReferenceExecutor().compile(graph, parameters: parameters))
            }
        }
        let executor = try VulkanExecutor(
            device: nil, precision: .fp16, allowSoftware: true, validation: false, framesInFlight: 1,
            cacheDirectory: nil, bindingLimit: .max)
        try SelfTest(executor, cacheDirectory: nil).pass()
        #expect { try SelfTest(executor, cacheDirectory: nil, reference: Brighter()).pass() } throws: {
            "\($0)".contains("wrong results")
        }
        #expect(abs(SelfTest.shrinkage([0.9, -0.9], of: [1, -1]) - 0.1) < 1e-6)
        #expect(SelfTest.shrinkage([1.1, -1.1], of: [1, -1]) < 0)
        #expect(abs(SelfTest.shrinkage([1.1, -0.9], of: [1, -1])) < 1e-6)
    }

    @Test func selfTestIsKeptAndRefusesByName() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "upframe-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let executor = try executor()
        // Something else than the device is right here.
        struct Wrong: Executor {
            let name = "wrong"
            func compile(_ graph: Graph, parameters: Parameters) throws -> any Plan {
                try ReferenceExecutor().compile(
                    graph,
                    parameters: parameters.mapValues { tensor in
                        HostTensor(tensor.shape, tensor.values.map { $0 * 1.01 })
                    })
            }
        }
        let wrong = SelfTest(executor, cacheDirectory: directory, reference: Wrong())
        #expect { try wrong.pass() } throws: {
            "\($0)".contains("wrong results") && "\($0)".contains("convolution with a halo")
        }
        #expect(!FileManager.default.fileExists(atPath: directory), "a refusal is not kept")
        try SelfTest(executor, cacheDirectory: directory).pass()
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == 1)
        // Passed before, so nothing is compared.
        try wrong.pass()
    }

    @Test func cachesAreKeptOnDisk() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "upframe-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for _ in 0..<2 {
            _ = try VulkanExecutor(device: 0, precision: .fp16, cacheDirectory: directory)
            let files = try FileManager.default.contentsOfDirectory(atPath: directory)
            #expect(files.contains { $0.hasPrefix("pipelines-") } && files.contains { $0.hasPrefix("passed-") })
        }
    }

    /// Long frames are submitted in parts.
    @Test func batchesOfWork() {
        func batches(_ work: [Int]) -> [Range<Int>] { FrameSlot.batches(work, limit: 200) }
        #expect(batches([]) == [])
        #expect(batches([1, 2, 3]) == [0..<3])
        #expect(batches([150, 1, 150, 150, 750, 1]) == [0..<2, 2..<3, 3..<4, 4..<5, 5..<6])
    }

    /// On a slow device layers are cut as well, down to a workgroup's rows, and the result stays the same to the bit; the
    /// time of a layer is that of all its parts.
    @Test(arguments: [StoragePrecision.fp16, .fp32]) func slowDevicesGetShortSubmissions(_ precision: StoragePrecision)
        throws
    {
        let executor = try VulkanExecutor(
            device: 0, precision: precision, allowSoftware: true, validation: true, framesInFlight: 1,
            cacheDirectory: nil, bindingLimit: .max)
        let graph = SRVGGNetCompact(features: 16, convolutions: 2, upscale: 2).graph(.nhwc(2, 40, 24, 3))
        let parameters = randomParameters(graph, seed: 3)
        let input = randomTensor(.nhwc(2, 40, 24, 3), seed: 7, in: 0..<1)
        let whole = try executor.plan(graph, parameters: parameters)
        let expected = try whole.run([input])
        executor.submissionWork = 500_000
        let cut = try executor.plan(graph, parameters: parameters)
        #expect(cut.recorded.dispatches > 2 * whole.recorded.dispatches)
        let before = executor.activity.submissions
        #expect(try cut.run([input]) == expected)
        #expect(executor.activity.submissions - before > 10)
        let layers = try cut.profile([input])
        #expect(try layers.map(\.name) == whole.profile([input]).map(\.name))
        #expect(try layers.map(\.multiplyAdds) == whole.profile([input]).map(\.multiplyAdds))
        #expect(executor.validationMessages == [])
    }

    /// What a submission may hold on slow, usual, fast and unknown devices; and that a pace can be measured.
    @Test func theWorkOfASubmission() throws {
        #expect(Pace.work(1e6) == 1_000_000_000)
        #expect(Pace.work(400e9) == 100_000_000_000)
        #expect(Pace.work(1e15) == 4_000_000_000_000)
        let executor = try VulkanExecutor(
            device: 0, precision: .fp16, allowSoftware: true, validation: false, framesInFlight: 1,
            cacheDirectory: nil, bindingLimit: .max)
        let pace = try executor.measuredPace()
        #expect(pace > 1e6 && pace < 1e15)
    }
}
