import Foundation
import Network
import Tensor
import TestSupport
import Testing
import Weights

@testable import Compute
@testable import Media
@testable import Pipeline
@testable import VulkanExecutor

/// A device that is lost in the middle of a file, and an interruption, as a program with other work to do sees them.
@Suite(.serialized) struct LostDeviceTests {
    private static func model() -> Model {
        let network = SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2)
        return Model(
            architecture: network, parameters: randomParameters(network.graph(.nhwc(1, 18, 34, 3)), seed: 3))
    }

    /// Frames as the decoder has them (without reuse), and images in tiles (with it).
    @Test(arguments: [false, true]) func lossEndsTheJob(_ reuses: Bool) throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file("in.mp4"), folder.file("out.mkv"))
        try SyntheticClip.write(input, width: 34, height: 18, frames: 40)
        let executor = try VulkanExecutor(
            device: nil, precision: .fp32, allowSoftware: true, validation: false, framesInFlight: 2,
            cacheDirectory: nil, bindingLimit: .max)
        var options = UpscaleOptions(input: input, output: output, model: Self.model(), executor: executor)
        options.reuses = reuses
        let job = try UpscaleJob(options)
        #expect {
            try job.run(progress: { if $0.frames == 2 { executor.device.lose() } })
        } throws: {
            if case .deviceLost = $0 as? ExecutionError { true } else { false }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["in.mp4"])
    }

    /// An interrupted job has no thread at work when it returns, even where a frame takes long.
    @Test func interruptionJoins() throws {
        let folder = try TemporaryFolder()
        let (input, output) = (folder.file("in.mp4"), folder.file("out.mkv"))
        try SyntheticClip.write(input, width: 34, height: 18, frames: 40)
        let executor = SlowExecutor()
        let job = try UpscaleJob(
            UpscaleOptions(input: input, output: output, model: Self.model(), executor: executor))
        let summary = try job.run(progress: { if $0.frames == 2 { job.interrupt() } })
        #expect(summary.interrupted && summary.frames >= 2 && summary.frames < 40)
        #expect(executor.running == 0)
    }
}

/// The processor, with frames that take at least 50 ms.
private final class SlowExecutor: Executor, @unchecked Sendable {
    private let inner = try? Device.reference.open()
    private let lock = NSLock()
    private var count = 0
    var running: Int { lock.withLock { count } }
    var name: String { "slow" }

    func compile(_ graph: Graph, parameters: Parameters) throws -> any Plan {
        SlowPlan(try #require(inner).compile(graph, parameters: parameters), self)
    }

    fileprivate func change(_ by: Int) { lock.withLock { count += by } }
}

private final class SlowPlan: Plan {
    private let inner: any Plan
    private let executor: SlowExecutor
    var inputShapes: [Shape] { inner.inputShapes }
    var outputShapes: [Shape] { inner.outputShapes }
    var memoryBytes: Int { inner.memoryBytes }

    init(_ inner: any Plan, _ executor: SlowExecutor) { (self.inner, self.executor) = (inner, executor) }

    func run(_ inputs: [HostTensor], into outputs: inout [HostTensor]) throws {
        executor.change(1)
        defer { executor.change(-1) }
        Thread.sleep(forTimeInterval: 0.05)
        try inner.run(inputs, into: &outputs)
    }
}
