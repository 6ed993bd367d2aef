import CPUExecutor
import Network
import Tensor
import TestSupport
import Testing
import Threads
import VulkanExecutor
import Weights

@testable import Pipeline

@Suite struct DeviceGroupTests {
    /// All results of a group, once its producer has ended.
    private func drained(_ group: DeviceGroup<Int, Int>, _ producer: WorkerThread) throws -> [Int] {
        var results: [Int] = []
        while let result = try group.next() { results.append(result) }
        producer.join()
        group.join()
        return results
    }

    /// A slow device computes fewer frames than a fast one; all come out in order, what needs no device too.
    @Test func resultsKeepTheirOrder() throws {
        let delays = [0.002, 0.008, 0.004]
        let group = try DeviceGroup<Int, Int>(
            names: ["a", "b", "c"],
            works: delays.map { delay in
                DeviceWork { number in
                    sleepSeconds(delay)
                    return number
                }
            })
        let producer = WorkerThread("producer") {
            for number in 0..<300 { _ = number % 10 == 9 ? group.pass(number) : group.submit(number) }
            group.finish()
        }
        let results = try drained(group, producer)
        #expect(results == Array(0..<300))
        let frames = group.shares.map(\.frames)
        #expect(frames.reduce(0, +) == 270)
        #expect(frames.allSatisfy { $0 > 0 })
        #expect(frames[0] > frames[2] && frames[2] > frames[1], "by speed: \(frames)")
    }

    /// A device that can have several jobs begun does: each ends its own in order, and never has more than it can.
    @Test func jobsOverlapOnADevice() throws {
        final class Queue: @unchecked Sendable {
            var held: [Int] = []
            var most = 0
        }
        let queues = [Queue(), Queue()]
        let group = try DeviceGroup<Int, Int>(
            names: ["a", "b"], window: 12,
            works: queues.map { queue in
                DeviceWork(
                    capacity: 3,
                    begin: {
                        queue.held.append($0)
                        queue.most = max(queue.most, queue.held.count)
                    },
                    end: {
                        sleepSeconds(0.001)
                        return queue.held.removeFirst()
                    })
            })
        let producer = WorkerThread("producer") {
            for number in 0..<200 { _ = group.submit(number) }
            group.finish()
        }
        let results = try drained(group, producer)
        #expect(results == Array(0..<200))
        #expect(queues.map(\.most) == [3, 3])
        #expect(queues.allSatisfy { $0.held.isEmpty })
    }

    /// An error when a job is begun comes at its place too, with jobs before it under way.
    @Test func errorsAtTheBeginning() throws {
        struct Failure: Error {}
        var held: [Int] = []
        let group = try DeviceGroup<Int, Int>(
            names: ["a"], window: 8,
            works: [
                DeviceWork(
                    capacity: 4,
                    begin: {
                        if $0 == 5 { throw Failure() }
                        held.append($0)
                    }, end: { held.removeFirst() })
            ])
        for number in 0..<8 { #expect(group.submit(number)) }
        for number in 0..<5 { #expect(try group.next() == number) }
        #expect(throws: Failure.self) { try group.next() }
        group.join()
    }

    /// A device that is slower than the window is long would only hold up the others.
    @Test func whatHoldsUpTheOthersIsPassedOver() {
        var sharing = FrameSharing(devices: 2, window: 8)
        #expect(sharing.mayTake(0) && sharing.mayTake(1), "nothing is known yet")
        sharing.measured(0, seconds: 0.01)
        #expect(sharing.mayTake(1), "it must be tried once")
        sharing.measured(1, seconds: 0.06)
        #expect(sharing.mayTake(0) && sharing.mayTake(1))
        for _ in 0..<50 { sharing.measured(1, seconds: 0.08) }
        #expect(sharing.mayTake(0) && !sharing.mayTake(1))
        // What it has already counts as well.
        sharing.measured(1, seconds: 0.02)
        let (own, other) = (sharing.seconds[1]!, sharing.seconds[0]!)
        let fitting = Int(7 * other / own)
        #expect(sharing.mayTake(1, holding: fitting - 1) && !sharing.mayTake(1, holding: fitting))
        for _ in 0..<50 { sharing.measured(1, seconds: 0.08) }
        // The fast one became slow.
        for _ in 0..<50 { sharing.measured(0, seconds: 0.02) }
        #expect(sharing.mayTake(1))
    }

    @Test func errorsComeAtTheirPlaceAndEndAll() throws {
        struct Failure: Error {}
        let group = try DeviceGroup<Int, Int>(
            names: ["a", "b"],
            works: (0..<2).map { _ in
                DeviceWork { number in
                    if number == 5 { throw Failure() }
                    return number
                }
            })
        let producer = WorkerThread("producer") {
            var number = 0
            while group.submit(number) { number += 1 }
        }
        for number in 0..<5 { #expect(try group.next() == number) }
        #expect(throws: Failure.self) { try group.next() }
        #expect(try group.next() == nil)
        producer.join()
        group.join()
    }

    @Test func devicesAreListed() {
        #expect(Device.list("vulkan:0,1") == [.vulkan(0), .vulkan(1)])
        #expect(Device.list("cpu,vulkan:2,0") == [.cpu, .vulkan(2), .vulkan(0)])
        #expect(Device.list("cpu") == [.cpu])
        for wrong in ["", "0,1", "cpu,", "vulkan,1", "vulkan:0,0", "cpu,1", "vulkan:0,x"] {
            #expect(Device.list(wrong) == nil, "\(wrong)")
        }
    }

    /// A processor and a Vulkan device share a stream: each frame's result is its own.
    @Test func twoExecutorsShareAStream() throws {
        let architecture = SRVGGNetCompact(features: 8, convolutions: 1, upscale: 2)
        let graph = architecture.graph(.nhwc(1, 12, 14, 3))
        let model = Model(architecture: architecture, parameters: randomParameters(graph, seed: 5))
        let executors: [any Executor] = [
            CPUExecutor(threads: 1), try VulkanExecutor(allowSoftware: true, cacheDirectory: nil),
        ]
        let group = try DeviceGroup<HostTensor, HostTensor>(
            names: executors.map(\.name), window: 64,
            works: executors.map { executor in
                let upscaler = Upscaler(model: model, executor: executor)
                return DeviceWork { try upscaler.upscale($0) }
            })
        let frames = (0..<40).map { randomTensor(.nhwc(1, 12, 14, 3), seed: UInt64($0), in: 0..<1) }
        let producer = WorkerThread("producer") {
            for frame in frames { _ = group.submit(frame) }
            group.finish()
        }
        let reference = Upscaler(model: model, executor: CPUExecutor(threads: 1))
        var count = 0
        while let result = try group.next() {
            #expect(largestDifference(result, try reference.upscale(frames[count])) < 1e-4)
            count += 1
        }
        producer.join()
        group.join()
        #expect(count == 40)
        #expect(group.shares.reduce(0) { $0 + $1.frames } == 40)
    }
}
