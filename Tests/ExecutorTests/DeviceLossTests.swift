import Network
import Synchronization
import Tensor
import TestSupport
import Testing

@testable import CPUExecutor
@testable import Compute
@testable import Reference
@testable import VulkanExecutor

/// What users of executors can cause, or meet, is thrown and leaves the process alone.
@Suite(.serialized) struct DeviceLossTests {
    private static func executor(_ framesInFlight: Int = 1) throws -> VulkanExecutor {
        try VulkanExecutor(
            device: nil, precision: .fp32, allowSoftware: true, validation: false, framesInFlight: framesInFlight,
            cacheDirectory: nil, bindingLimit: .max)
    }

    private static func isLoss(_ error: any Error) -> Bool {
        if case .deviceLost = error as? ExecutionError { true } else { false }
    }

    /// A plan of inference on a device that the driver gives up between two frames.
    @Test func inference() throws {
        let executor = try Self.executor()
        let test = try #require(networkCases.first)
        let plan = try executor.compile(test.graph, parameters: test.parameters)
        _ = try plan.run(test.inputs)
        executor.device.lose()
        for _ in 0..<2 {
            #expect { try plan.run(test.inputs) } throws: { Self.isLoss($0) && !"\($0)".contains("\n") }
        }
        // Nor can anything else be made to work on it.
        #expect {
            _ = try executor.compile(test.graph, parameters: test.parameters).run(test.inputs)
        } throws: { Self.isLoss($0) }
    }

    /// The parameters of a training are lost with their device, and say so.
    @Test func training() throws {
        let (graph, parameters) = TrainingOperationTests.counting()
        let executor = try Self.executor()
        let state = try executor.makeState(parameters)
        let plan = try executor.compile(graph, state: state)
        _ = try plan.run([HostTensor([3], [1, 1, 1])])
        #expect(try state.read("a").values == [2, 3, 4])
        executor.device.lose()
        #expect { try plan.run([HostTensor([3], [1, 1, 1])]) } throws: { Self.isLoss($0) }
        #expect { try state.read("a") } throws: { Self.isLoss($0) }
        #expect { try state.write("a", HostTensor([3], [0, 0, 0])) } throws: { Self.isLoss($0) }
        #expect { try state.tensors } throws: { Self.isLoss($0) }
        #expect { try executor.makeState(parameters) } throws: { Self.isLoss($0) }
    }

    /// Names that a state lacks, tensors of other shapes, and states of other executors.
    @Test func misuseOfStates() throws {
        let (graph, parameters) = TrainingOperationTests.counting()
        let vulkan = try Self.executor()
        let executors: [any TrainingExecutor] = [ReferenceExecutor(), CPUExecutor(threads: 1), vulkan]
        for (index, executor) in executors.enumerated() {
            let state = try executor.makeState(parameters)
            #expect { try state.read("none") } throws: {
                if case .missingParameter("none") = $0 as? ExecutionError { true } else { false }
            }
            #expect { try state.write("none", HostTensor([3])) } throws: {
                if case .missingParameter("none") = $0 as? ExecutionError { true } else { false }
            }
            #expect { try state.write("a", HostTensor([4])) } throws: {
                if case .parameterShape("a", [4], [3]) = $0 as? ExecutionError { true } else { false }
            }
            #expect(try state.read("a") == parameters["a"])
            let other = try executors[(index + 1) % executors.count].makeState(parameters)
            #expect { try executor.compile(graph, state: other) } throws: {
                if case .foreignState(executor.name) = $0 as? ExecutionError { true } else { false }
            }
        }
        // Of another device too, although the type is the same.
        let foreign = try Self.executor().makeState(parameters)
        #expect { try vulkan.compile(graph, state: foreign) } throws: {
            if case .foreignState = $0 as? ExecutionError { true } else { false }
        }
    }

    /// OpenBLAS has one number of threads for the whole process: it is 1 while any plan runs, and then again what it was.
    @Test func threadsOfOpenBLAS() throws {
        let process = Mutex<[Int32]>([8])
        let threads = BLASThreads(
            read: { process.withLock { $0.last! } }, write: { value in process.withLock { $0.append(value) } })
        struct Failure: Error {}
        threads.withOne {
            #expect(process.withLock { $0 } == [8, 1])
            #expect(throws: Failure.self) { try threads.withOne { throw Failure() } }
            #expect(process.withLock { $0 } == [8, 1])
        }
        #expect(process.withLock { $0 } == [8, 1, 8])
        // A process that has chosen one thread itself is not touched.
        process.withLock { $0 = [1] }
        threads.withOne {}
        #expect(process.withLock { $0 } == [1])
    }
}
