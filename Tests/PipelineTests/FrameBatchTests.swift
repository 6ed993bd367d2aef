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

/// Frames that a device computes together are those that it computes one by one, bit for bit.
@Suite(.serialized) struct FrameBatchTests {
    private let format = PlaneDescription(pixelFormat: "yuv420p", color: ColorDescription(), width: 18, height: 10)!
    private let larger = PlaneFrameMaker(width: 36, height: 20, pixelFormat: "yuv420p", color: ColorDescription())!

    private func executor(_ precision: StoragePrecision = .fp32) throws -> VulkanExecutor {
        try VulkanExecutor(
            device: nil, precision: precision, allowSoftware: true, validation: true, framesInFlight: 2,
            cacheDirectory: nil, bindingLimit: .max)
    }

    private func plan(
        _ executor: VulkanExecutor, _ graph: (Int) -> Graph, _ parameters: Parameters, frames: Int
    ) throws -> any FramePlan {
        try executor.compile(
            graph(frames), parameters: parameters, input: FrameFormat(format), output: FrameFormat(larger.description),
            arrangement: nil)
    }

    private let network = SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2)
    private func graph(_ frames: Int) -> Graph { network.graph(.nhwc(frames, 10, 18, 3)) }

    private func submit(_ frame: Int, to plan: any FramePlan, isDark: Bool = false) throws -> FrameTicket {
        let memory = FrameMemory(FrameFormat(format))
        memory.planes.fill(frame, isDark: isDark)
        return try plan.submit(memory.planes, owner: memory)
    }

    /// The results of frames, of which `held` at most are in flight.
    private func run(
        _ plan: any FramePlan, frames: Int, held: Int, isDark: (Int) -> Bool = { _ in false }
    ) throws -> [[UInt8]] {
        var tickets: [FrameTicket] = []
        var results: [[UInt8]] = []
        func collect() throws { try plan.wait(tickets.removeFirst()) { results.append($0.bytes) } }
        for frame in 0..<frames {
            while tickets.count >= held || !plan.hasRoom { try collect() }
            tickets.append(try submit(frame, to: plan, isDark: isDark(frame)))
        }
        while !tickets.isEmpty { try collect() }
        return results
    }

    /// Full batches, batches that are waited for before they are full, and a last one that never is.
    @Test func batchesAreTheirFrames() throws {
        let executor = try executor()
        let parameters = randomParameters(graph(1), seed: 3)
        let single = try plan(executor, graph, parameters, frames: 1)
        #expect((single.framesAtOnce, single.framesInFlight) == (1, 2))
        let expected = try run(single, frames: 11, held: 2)
        #expect(Set(expected).count == 11)
        let batched = try plan(executor, graph, parameters, frames: 3)
        #expect((batched.framesAtOnce, batched.framesInFlight) == (3, 6))
        for held in [1, 2, 3, 4, 6] {
            #expect(try run(batched, frames: 11, held: held) == expected, "\(held) at a time")
        }
        #expect(executor.validationMessages == [])
    }

    @Test func roomAndWaiting() throws {
        let executor = try executor()
        let plan = try plan(executor, graph, randomParameters(graph(1), seed: 3), frames: 2)
        #expect(plan.framesWaiting == 0)
        let first = try submit(0, to: plan)
        #expect(plan.framesWaiting == 1 && plan.hasRoom)
        let others = try (1..<4).map { frame in try submit(frame, to: plan) }
        #expect(plan.framesWaiting == 0 && !plan.hasRoom)
        var results: [[UInt8]] = []
        for ticket in [first] + others { try plan.wait(ticket) { results.append($0.bytes) } }
        #expect(plan.hasRoom)
        // Half a batch that was started takes no more: the next frame is another's.
        let early = try submit(0, to: plan)
        try plan.wait(early) { #expect($0.bytes == results[0]) }
        let late = try submit(3, to: plan)
        try plan.wait(late) { #expect($0.bytes == results[3]) }
        #expect(executor.validationMessages == [])
    }

    /// One frame that half floats cannot hold: its batch is computed again, and nothing is mixed up.
    @Test func overflowInABatch() throws {
        let graph = brightnessOverflows
        let parameters = randomParameters(graph(1), seed: 3)
        let isDark = { $0 != 4 }
        let expected = try run(plan(executor(), graph, parameters, frames: 1), frames: 9, held: 2, isDark: isDark)
        let half = try #require(plan(executor(.fp16), graph, parameters, frames: 2) as? VulkanFramePlan)
        _ = try run(half, frames: 4, held: 4, isDark: isDark)
        #expect(half.precision == .fp16)
        let found = try run(half, frames: 9, held: 4, isDark: isDark)
        #expect(half.precision == .fp32)
        #expect(found.count == 9)
        func difference(_ a: [UInt8], _ b: [UInt8]) -> Int { zip(a, b).map { abs(Int($0) - Int($1)) }.max() ?? 0 }
        for (index, found) in found.enumerated() {
            // Each is nearest to its own.
            for other in expected.indices {
                #expect((difference(found, expected[other]) <= 1) == (other == index), "\(index) and \(other)")
            }
        }
        #expect(found[4] == expected[4])
    }

    /// Frames that somebody keeps stay as they are while the plan goes on, as many as it can spare, and longer than the plan;
    /// others say that they must go.
    @Test(arguments: [1, 3]) func framesAreLent(_ batch: Int) throws {
        let executor = try executor()
        let parameters = randomParameters(graph(1), seed: 3)
        let count = 10 * batch
        var plan: (any FramePlan)? = try plan(executor, graph, parameters, frames: batch)
        let expected = try run(#require(plan), frames: count, held: 1)
        var kept: [(Int, LentFrame)] = []
        var tickets: [FrameTicket] = []
        var frame = 0
        func collect() throws {
            let lent = try #require(plan).wait(tickets.removeFirst())
            #expect(lent.planes.bytes == expected[frame])
            if lent.mayBeKept { kept.append((frame, lent)) }
            frame += 1
        }
        for next in 0..<count {
            while !plan!.hasRoom { try collect() }
            tickets.append(try submit(next, to: #require(plan)))
        }
        while !tickets.isEmpty { try collect() }
        #expect(kept.map(\.0) == Array(0..<4 * batch))
        for (frame, lent) in kept { #expect(lent.planes.bytes == expected[frame], "frame \(frame) was overwritten") }
        // Given back elsewhere, they serve again.
        nonisolated(unsafe) var gone = Array(kept.prefix(batch))
        kept.removeFirst(batch)
        let thread = WorkerThread("reader") { gone.removeAll() }
        thread.join()
        let again = try submit(7, to: #require(plan))
        let lent = try #require(plan).wait(again)
        #expect(lent.mayBeKept && lent.planes.bytes == expected[7])
        plan = nil
        #expect(lent.planes.bytes == expected[7])
        for (frame, lent) in kept { #expect(lent.planes.bytes == expected[frame], "frame \(frame) without its plan") }
        #expect(executor.validationMessages == [])
    }

    /// A file through the pipeline in batches: the same pictures with the same times.
    @Test(arguments: [7, 8]) func filesAreTheSame(_ frames: Int) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("upframe-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = folder.appendingPathComponent("in.mp4").path
        try SyntheticClip.write(input, width: 34, height: 18, frames: frames)
        let model = Model(architecture: network, parameters: randomParameters(graph(1), seed: 3))
        func upscaled(_ name: String, batch: Int, devices: Int = 1) throws -> [[Float]] {
            let output = folder.appendingPathComponent(name).path
            var options = UpscaleOptions(input: input, output: output, model: model, executor: try executor())
            options.reuses = false
            options.moreExecutors = try (1..<devices).map { _ in try executor() }
            options.encoder.codec = "ffv1"
            let job = try UpscaleJob(options)
            job.ladder[0].fillingPixels = batch * 34 * 18
            #expect(job.ladder[0].picturesAtOnce(.nhwc(1, 18, 34, 3)) == batch)
            #expect(try job.run().frames == frames)
            let reader = try MediaReader(path: output)
            let converter = PixelConverter(decoding: reader.video)
            var found: [[Float]] = []
            while let event = try reader.next() {
                guard case .frame(let frame) = event else { continue }
                var pixels = [Float](repeating: 0, count: 68 * 36 * 3)
                try pixels.withUnsafeMutableBufferPointer { try converter.rgb(from: frame, into: $0) }
                found.append(pixels + [Float(frame.timestamp)])
            }
            return found
        }
        let expected = try upscaled("one.mkv", batch: 1)
        #expect(expected.count == frames)
        #expect(try upscaled("three.mkv", batch: 3) == expected)
        #expect(try upscaled("many.mkv", batch: 60) == expected)
        #expect(try upscaled("two.mkv", batch: 1, devices: 2) == expected)
    }

    /// No more pictures at once than a part of the budget holds, and not any number of them.
    @Test func theBudgetIsKept() throws {
        let model = Model(architecture: network, parameters: randomParameters(graph(1), seed: 3))
        let shape = Shape.nhwc(1, 100, 100, 3)
        func most(_ budget: Int?, pictures: Int = 16) throws -> Int {
            let upscaler = Upscaler(model: model, executor: try executor(), memoryBudget: budget)
            upscaler.fillingPixels = pictures * 10_000
            return upscaler.picturesAtOnce(shape)
        }
        #expect(try most(nil) == 16)
        #expect(try most(nil, pictures: 1000) == 64)
        let few = try most(32 << 20)
        #expect((2..<16).contains(few), "\(few)")
        #expect(try most(1) == 1)
    }
}
