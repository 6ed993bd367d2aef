import Compute
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

/// Frames that a decoder writes where the device reads them give what copies give, bit for bit.
@Suite(.serialized) struct FrameRingTests {
    private let format = PlaneDescription(pixelFormat: "yuv420p", color: ColorDescription(), width: 18, height: 10)!
    private let larger = PlaneFrameMaker(width: 36, height: 20, pixelFormat: "yuv420p", color: ColorDescription())!
    /// Rows with a margin, planes that begin at odd bytes, as a decoder may have them.
    private let arrangement = FrameArrangement(starts: [67, 900, 1301], strides: [64, 33, 33], bytes: 1600)
    private let network = SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2)
    private func graph(_ frames: Int) -> Graph { network.graph(.nhwc(frames, 10, 18, 3)) }

    private func executor(
        _ precision: StoragePrecision = .fp32, bindingLimit: Int = .max, memoryLimit: Int = .max
    ) throws -> VulkanExecutor {
        try VulkanExecutor(
            device: nil, precision: precision, allowSoftware: true, validation: true, framesInFlight: 2,
            cacheDirectory: nil, bindingLimit: bindingLimit, memoryLimit: memoryLimit)
    }

    private func plan(
        _ executor: VulkanExecutor, _ graph: (Int) -> Graph, _ parameters: Parameters, frames: Int = 1,
        arrangement: FrameArrangement? = nil
    ) throws -> VulkanFramePlan {
        try #require(
            try executor.compile(
                graph(frames), parameters: parameters, input: FrameFormat(format),
                output: FrameFormat(larger.description), arrangement: arrangement) as? VulkanFramePlan)
    }

    private func planes(_ memory: LentMemory) throws -> FramePlanes {
        try #require(FrameLayout(FrameFormat(format), arrangement)).planes(memory.address)
    }

    /// The results of frames; those that `isLent` says lie in the plan's memory.
    private func run(
        _ plan: VulkanFramePlan, frames: Int, held: Int, isDark: (Int) -> Bool = { _ in false },
        isLent: (Int) -> Bool = { _ in false }
    ) throws -> [[UInt8]] {
        var tickets: [FrameTicket] = []
        var results: [[UInt8]] = []
        func collect() throws { try plan.wait(tickets.removeFirst()) { results.append($0.bytes) } }
        for frame in 0..<frames {
            while tickets.count >= held || !plan.hasRoom { try collect() }
            scribble(plan)
            if isLent(frame) {
                let memory = try #require(plan.lend?())
                #expect(UInt(bitPattern: memory.address) % 64 == 0 && memory.bytes >= arrangement.bytes)
                try planes(memory).fill(frame, isDark: isDark(frame))
                tickets.append(try plan.submit(planes(memory), owner: memory))
            } else {
                let memory = FrameMemory(FrameFormat(format))
                memory.planes.fill(frame, isDark: isDark(frame))
                tickets.append(try plan.submit(memory.planes, owner: memory))
            }
        }
        scribble(plan)
        while !tickets.isEmpty { try collect() }
        return results
    }

    /// Writes over all memory that nobody keeps: what is at work is kept by the plan alone.
    private func scribble(_ plan: VulkanFramePlan) {
        guard let lend = plan.lend else { return }
        var all: [LentMemory] = []
        while let memory = lend() { all.append(memory) }
        for memory in all { memset(memory.address, 255, memory.bytes) }
    }

    @Test(arguments: [1, 3]) func lentFramesAreCopiedFrames(_ batch: Int) throws {
        let executor = try executor()
        let parameters = randomParameters(graph(1), seed: 3)
        let plain = try plan(executor, graph, parameters)
        #expect(plain.lend == nil)
        let expected = try run(plain, frames: 13, held: 2)
        #expect(plain.copied == 13 && Set(expected).count == 13)
        let ring = try plan(executor, graph, parameters, frames: batch, arrangement: arrangement)
        #expect(try run(ring, frames: 13, held: 2 * batch, isLent: { _ in true }) == expected)
        #expect(ring.copied == 0)
        // Side by side in one batch.
        #expect(try run(ring, frames: 13, held: 2 * batch, isLent: { $0 % 3 != 1 }) == expected)
        #expect(ring.copied == 4)
        for held in 1...2 * batch {
            #expect(try run(ring, frames: 13, held: held, isLent: { $0 % 5 < 3 }) == expected)
        }
        #expect(executor.validationMessages == [])
    }

    /// What cannot be read in place is copied: other arrangements, and what only begins in the plan's memory.
    @Test func otherArrangements() throws {
        let executor = try executor()
        let parameters = randomParameters(graph(1), seed: 3)
        let ring = try plan(executor, graph, parameters, arrangement: arrangement)
        let expected = try run(ring, frames: 1, held: 1)[0]
        func check(_ planes: FramePlanes, _ owner: AnyObject, copies: Int) throws {
            planes.fill(0)
            let before = ring.copied
            try ring.wait(ring.submit(planes, owner: owner)) { #expect($0.bytes == expected) }
            #expect(ring.copied - before == copies)
        }
        let memory = try #require(ring.lend?())
        let arranged = try planes(memory)
        try check(arranged, memory, copies: 0)
        let own = FrameLayout(FrameFormat(format)).planes(memory.address)
        try check(own, memory, copies: 1)
        let elsewhere = FrameMemory(FrameFormat(format))
        try check(FramePlanes([arranged.planes[0], arranged.planes[1], elsewhere.planes.planes[2]]), memory, copies: 1)
        // Upside down, as some decoders have it.
        let flipped = elsewhere.planes.planes.map {
            FramePlanes.Plane(
                address: $0.address + ($0.rows - 1) * $0.stride, stride: -$0.stride, rowBytes: $0.rowBytes,
                rows: $0.rows)
        }
        try check(FramePlanes(flipped), elsewhere, copies: 1)
        // Arrangements that kernels cannot read lend nothing.
        for (starts, strides, bytes) in [
            ([0, 700], [64, 32], 1600), ([0, 700, 1000], [16, 16, 16], 1600), ([0, 700, 1000], [64, 32, 32], 1100),
        ] {
            let unfit = FrameArrangement(starts: starts, strides: strides, bytes: bytes)
            let plan = try plan(executor, graph, parameters, arrangement: unfit)
            #expect(plan.lend == nil)
            #expect(try run(plan, frames: 1, held: 1)[0] == expected)
        }
    }

    /// A frame is a submission and at most one wait, wherever it lies; nothing is made on the device.
    @Test(arguments: [false, true]) func theSteadyStateMakesNothing(_ isLent: Bool) throws {
        let executor = try executor()
        let ring = try plan(executor, graph, randomParameters(graph(1), seed: 3), arrangement: arrangement)
        let before = executor.activity
        _ = try run(ring, frames: 30, held: 2, isLent: { _ in isLent })
        var after = executor.activity
        #expect(after.submissions - before.submissions == 30 && after.waits - before.waits <= 30)
        (after.submissions, after.waits) = (before.submissions, before.waits)
        #expect(after == before)
        #expect(ring.copied == (isLent ? 0 : 30))
    }

    /// So many and no more, never a frame's that is not done, and for longer than the plan.
    @Test func memoryIsLentForLong() throws {
        let executor = try executor()
        let parameters = randomParameters(graph(1), seed: 3)
        var ring: VulkanFramePlan? = try plan(executor, graph, parameters, arrangement: arrangement)
        let lend = try #require(ring?.lend)
        var all: [LentMemory] = []
        while let memory = lend() { all.append(memory) }
        #expect(all.count == 64 && Set(all.map(\.address)).count == 64)
        let expected = try run(#require(ring), frames: 4, held: 2)
        // A frame's memory comes back when it was waited for.
        try planes(all[0]).fill(0)
        let ticket = try #require(ring).submit(planes(all[0]), owner: all[0])
        let address = all.removeFirst().address
        #expect(lend() == nil)
        try #require(ring).wait(ticket) { #expect($0.bytes == expected[0]) }
        let again = try #require(lend())
        #expect(again.address == address)
        // Copies still have their places.
        #expect(try run(#require(ring), frames: 4, held: 2) == expected)
        ring = nil
        try planes(again).fill(3)
        nonisolated(unsafe) var gone = all
        all = []
        let thread = WorkerThread("decoder") { gone.removeAll() }
        thread.join()
        #expect(lend() != nil)
        #expect(executor.validationMessages == [])
    }

    /// Frames that half floats cannot hold are computed again from where they lie. The places of a batch that nobody
    /// filled do no harm, whatever was written there.
    @Test func overflow() throws {
        let graph = brightnessOverflows
        let parameters = randomParameters(graph(1), seed: 3)
        let expected = try run(plan(executor(), graph, parameters), frames: 9, held: 2, isDark: { $0 != 4 })
        let half = try plan(executor(.fp16), graph, parameters, frames: 3, arrangement: arrangement)
        // What lies elsewhere in the memory is too bright for half floats.
        _ = try run(half, frames: 4, held: 4, isDark: { _ in true }, isLent: { _ in true })
        #expect(half.precision == .fp16)
        let found = try run(half, frames: 9, held: 6, isDark: { $0 != 4 }, isLent: { _ in true })
        #expect(half.precision == .fp32 && half.copied == 0)
        for (index, found) in found.enumerated() {
            #expect(zip(found, expected[index]).allSatisfy { abs(Int($0) - Int($1)) <= 1 }, "frame \(index)")
        }
        #expect(found[4] == expected[4])
    }

    /// A ring takes no more than a part of the memory, and nothing where it does not fit.
    @Test func limits() throws {
        let parameters = randomParameters(graph(1), seed: 3)
        // Places are of 1792 bytes: two for copies, and lent ones.
        let narrow = try plan(executor(bindingLimit: 10 * 1792), graph, parameters, arrangement: arrangement)
        let some = try #require(narrow.lend)
        let lent = (0..<20).map { _ in some() }
        #expect(lent.compactMap { $0 }.count == 8)
        let narrower = try plan(executor(bindingLimit: 5 * 1792), graph, parameters, arrangement: arrangement)
        #expect(narrower.lend == nil)
        #expect(try run(narrower, frames: 3, held: 2) == run(narrow, frames: 3, held: 2))
        // Where the plan needs the memory, it has it.
        var least = 1 << 14
        while (try? plan(executor(memoryLimit: least), graph, parameters)) == nil { least += 1 << 12 }
        for more in [0, 1 << 12, 1 << 14] {
            _ = try plan(executor(memoryLimit: least + more), graph, parameters, arrangement: arrangement)
        }
    }

    /// A real decoder through the whole pipeline: all but the first frames are read where it wrote them.
    @Test(arguments: [1, 3], [1, 2]) func filesAreTheSame(_ batch: Int, _ devices: Int) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("upframe-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let input = folder.appendingPathComponent("in.mp4").path
        try SyntheticClip.write(input, width: 34, height: 18, frames: 40)
        let model = Model(architecture: network, parameters: randomParameters(graph(1), seed: 3))
        func upscaled(_ name: String, device: Bool) throws -> [[Float]] {
            let output = folder.appendingPathComponent(name).path
            var options = UpscaleOptions(input: input, output: output, model: model, executor: try executor())
            options.reuses = !device
            options.reader.decoderThreads = 2
            options.moreExecutors = try device ? (1..<devices).map { _ in try executor() } : []
            options.encoder.codec = "ffv1"
            let job = try UpscaleJob(options)
            job.ladder[0].fillingPixels = batch * 34 * 18
            #expect(job.reader.arrangement != nil)
            let run = UpscaleRun(job, { _ in }, { _ in })
            #expect(try run.run().frames == 40)
            let plans = run.plans.compactMap { $0 as? VulkanFramePlan }
            #expect(plans.count == (device ? devices : 0))
            if device {
                // Those decoded before there was a plan.
                #expect(plans[0].copied <= 10, "\(plans[0].copied) of 40")
                // The others have no memory to lend.
                #expect(plans.dropFirst().allSatisfy { $0.lend == nil })
            }
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
        let expected = try upscaled("plain.mkv", device: false)
        let found = try upscaled("device.mkv", device: true)
        #expect(found.count == 40 && expected.count == 40)
        for (a, b) in zip(expected, found) {
            // Converted here and there: codes may be rounded otherwise.
            #expect(zip(a, b).allSatisfy { abs($0 - $1) < 0.02 } && a.last == b.last)
        }
    }
}
