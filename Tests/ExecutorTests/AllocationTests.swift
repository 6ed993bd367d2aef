import CAllocationCounter
import Network
import Tensor
import TestSupport
import Testing

@testable import CPUExecutor

/// A frame allocates nothing: counted, not believed.
@Suite struct AllocationTests {
    /// What the calling thread allocates in `body`.
    private func allocations(_ body: () throws -> Void) rethrows -> Int {
        let before = ac_count()
        ac_mark(true)
        defer { ac_mark(false) }
        try body()
        return Int(ac_count() - before)
    }

    /// That the counter counts: without this, the tests below could not fail.
    @Test func theCounterCounts() throws {
        try #require(ac_available(), "the counter needs glibc")
        #expect(allocations {} == 0)
        var kept: [[Int]] = []
        #expect(allocations { kept.append([Int](repeating: 1, count: 100)) } >= 1)
        #expect(kept[0][99] == 1)
    }

    /// The whole network on one thread, so that the counted thread does everything: kernels of every kind, and the way in
    /// and out. Workers of a pool run the same kernels, which are C and allocate nothing.
    @Test(arguments: operationCases + networkCases) func aRunAllocatesNothing(_ test: OperationCase) throws {
        try #require(ac_available(), "the counter needs glibc")
        let plan = try CPUExecutor(threads: 1).compile(test.graph, parameters: test.parameters)
        var outputs = plan.outputShapes.map { HostTensor($0) }
        // OpenBLAS takes its buffers on first use.
        try plan.run(test.inputs, into: &outputs)
        let count = try allocations { for _ in 0..<3 { try plan.run(test.inputs, into: &outputs) } }
        #expect(count == 0)
    }

    /// Several threads: what the caller does to start and to end them.
    @Test func manyThreadsNeedNoneEither() throws {
        try #require(ac_available(), "the counter needs glibc")
        let test = networkCases[0]
        let plan = try CPUExecutor(threads: 3).compile(test.graph, parameters: test.parameters)
        var outputs = plan.outputShapes.map { HostTensor($0) }
        try plan.run(test.inputs, into: &outputs)
        #expect(try allocations { for _ in 0..<20 { try plan.run(test.inputs, into: &outputs) } } == 0)
    }
}
