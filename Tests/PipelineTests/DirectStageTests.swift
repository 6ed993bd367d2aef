import Foundation
import Network
import Tensor
import TestSupport
import Testing
import Threads
import Weights

@testable import Media
@testable import Pipeline
@testable import VulkanExecutor

/// What waits behind a batch that is not full.
@Suite(.serialized) struct DirectStageTests {
    /// A stage with batches of three, its ends, and frames to feed it with.
    private struct Bench {
        let folder: URL
        let stage: DirectStage
        let input = Channel<Item<VideoFrame>>(capacity: 1000)
        let output = Channel<Item<Finished>>(capacity: 1000)
        let frames: [VideoFrame]
        let worker: DirectWorker

        init(isInterrupted: @escaping () -> Bool = { false }) throws {
            folder = FileManager.default.temporaryDirectory.appendingPathComponent("upframe-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let network = SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2)
            let model = Model(
                architecture: network, parameters: randomParameters(network.graph(.nhwc(1, 18, 34, 3)), seed: 3))
            let paths = ["in.mp4", "other.mp4", "out.mkv"].map { [folder] in folder.appendingPathComponent($0).path }
            try SyntheticClip.write(paths[0], width: 34, height: 18, frames: 8)
            try SyntheticClip.write(paths[1], width: 30, height: 18, frames: 4)
            let executor = try VulkanExecutor(
                device: nil, precision: .fp32, allowSoftware: true, validation: true, framesInFlight: 2,
                cacheDirectory: nil, bindingLimit: .max)
            let job = try UpscaleJob(
                UpscaleOptions(input: paths[0], output: paths[2], model: model, executor: executor))
            job.ladder[0].fillingPixels = 3 * 34 * 18
            worker = try #require(try DirectWorker(job, job.ladder[0], batches: true))
            stage = DirectStage(
                [worker], reuses: true, clock: StageClock("network"), places: Pool([]), input: input, output: output,
                downstream: { 0 }, isInterrupted: isInterrupted)
            var frames: [VideoFrame] = []
            for path in paths.prefix(2) {
                let reader = try MediaReader(path: path)
                while let event = try reader.next() {
                    if case .frame(let frame) = event { frames.append(frame.arrived(at: 0)) }
                }
            }
            self.frames = frames
        }

        func run() -> WorkerThread {
            nonisolated(unsafe) let stage = stage
            return WorkerThread("stage") { #expect(throws: Never.self) { try stage.run() } }
        }

        /// The kinds of the next items.
        func received(_ count: Int) -> String {
            (0..<count).map { _ in
                switch output.receive() {
                case .content: "c"
                case .repeated: "r"
                case .packet: "p"
                case nil: "."
                }
            }.joined()
        }
    }

    /// A picture that stands still fills no batch; it is shown all the same, long before the stream ends.
    @Test func stillPictures() throws {
        let bench = try Bench()
        defer { try? FileManager.default.removeItem(at: bench.folder) }
        let thread = bench.run()
        _ = bench.input.send(.content(bench.frames[0]))
        for _ in 0..<200 { _ = bench.input.send(.content(bench.frames[0])) }
        // Nothing more comes for now.
        #expect(bench.received(65) == "c" + String(repeating: "r", count: 64))
        _ = bench.input.send(.content(bench.frames[1]))
        bench.input.finish()
        #expect(bench.received(138) == String(repeating: "r", count: 136) + "c.")
        thread.join()
    }

    /// A frame that the plan was not made for goes another way, and does not wait for a batch that nothing fills any more.
    @Test func otherSizes() throws {
        let bench = try Bench()
        defer { try? FileManager.default.removeItem(at: bench.folder) }
        #expect(bench.frames.map(\.width) == [34, 34, 34, 34, 34, 34, 34, 34, 30, 30, 30, 30])
        let thread = bench.run()
        for index in [0, 1, 8, 9] { _ = bench.input.send(.content(bench.frames[index])) }
        #expect(bench.received(4) == "cccc")
        for index in [2, 3, 4, 5, 10, 6] { _ = bench.input.send(.content(bench.frames[index])) }
        bench.input.finish()
        #expect(bench.received(7) == "cccccc.")
        thread.join()
    }

    /// What an interruption finds on the device is collected, and what is not there yet is not begun with.
    @Test func interruption() throws {
        nonisolated(unsafe) var isInterrupted = false
        let bench = try Bench(isInterrupted: { isInterrupted })
        defer { try? FileManager.default.removeItem(at: bench.folder) }
        for index in 0..<4 { _ = bench.input.send(.content(bench.frames[index])) }
        isInterrupted = true
        bench.input.finish()
        let thread = bench.run()
        #expect(bench.received(4) == "ccc.")
        thread.join()
        #expect(bench.worker.framesWaiting == 1)
    }
}
