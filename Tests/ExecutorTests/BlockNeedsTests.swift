import CKernels
import Network
import Tensor
import TestSupport
import Testing

@testable import CPUExecutor

/// Blocks begin before the step before theirs has ended: that nothing is read too early or overwritten too early.
@Suite struct BlockNeedsTests {
    /// Networks large enough for several blocks a step: dense blocks with and without shared transforms, pixel shuffle,
    /// upsampling, residuals over several steps, several pictures, and steps whose needs are not known.
    static let cases: [OperationCase] = {
        var cases: [OperationCase] = []
        func add(
            _ name: String, batch: Int = 1, _ height: Int, _ width: Int, _ build: (inout GraphBuilder, Value) -> Value
        ) {
            cases.append(
                OperationCase("\(name) \(batch)x\(height)x\(width)", seed: UInt64(cases.count)) { b in
                    let x = b.input("x", .nhwc(batch, height, width, 3))
                    return [build(&b, x)]
                })
        }
        func add(_ name: String, batch: Int = 1, _ height: Int, _ width: Int, _ network: some Architecture) {
            add(name, batch: batch, height, width) { b, x in network.build(&b, x) }
        }
        add("Compact", 50, 44, SRVGGNetCompact(features: 16, convolutions: 6))
        add("RRDBNet", 45, 52, RRDBNet(features: 32, growth: 16, blocks: 1))
        add("RRDBNet, wide", 70, 190, RRDBNet(features: 64, growth: 32, blocks: 1))
        add("RRDBNet, two pictures", batch: 2, 40, 36, RRDBNet(features: 16, growth: 16, blocks: 1, unshuffle: 2))
        add("kernels of several sizes", batch: 2, 41, 37) { b, x in
            let first = b.leakyReLU(b.convolution(x, "a", to: 32), 0.2)
            let second = b.convolution(first, "b", to: 32, kernel: 1)
            let third = b.apply(.add, b.convolution(b.leakyReLU(second, 0), "c", to: 32, kernel: 5), first)
            return b.convolution(b.apply(.upsampleNearest(factor: 2), third), "d", to: 16)
        }
        return cases
    }()

    /// Does the steps' blocks in the strangest order that `needs` allow: of two steps under way the later one's wherever
    /// possible, in no order within a step.
    static func runWildly(
        _ steps: UnsafeBufferPointer<ck_step>, _ scratch: UnsafeMutableRawPointer?, seed: UInt64, heeding: Bool = true
    ) -> Int {
        var random = Philox(key: seed)
        func shuffled(_ values: [Int]) -> [Int] {
            zip(values, random.uniform(values.count)).sorted { $0.1 < $1.1 }.map(\.0)
        }
        var early = 0
        var done: [Set<Int>] = steps.map { _ in [] }
        func run(_ step: Int, _ block: Int) {
            steps[step].run(steps[step].job, scratch, Int64(block), -1)
            done[step].insert(block)
        }
        func mayRun(_ step: Int, _ block: Int) -> Bool {
            if !heeding { return true }
            guard let needs = steps[step].needs else { return false }
            let (first, last) = (Int(needs[block].first), Int(needs[block].last))
            return first > last || (first...last).allSatisfy { done[step - 1].contains($0) }
        }
        for step in steps.indices {
            for block in shuffled((0..<Int(steps[step].blocks)).filter { !done[step].contains($0) }) {
                run(step, block)
                guard step + 1 < steps.count else { continue }
                let open = (0..<Int(steps[step + 1].blocks)).filter { !done[step + 1].contains($0) }
                for next in open where mayRun(step + 1, next) {
                    run(step + 1, next)
                    if done[step].count < Int(steps[step].blocks) { early += 1 }
                }
            }
        }
        return early
    }

    private func isSame(_ a: [HostTensor], _ b: [HostTensor]) -> Bool {
        zip(a, b).allSatisfy { $0.values == $1.values }
    }

    @Test(arguments: cases)
    func anyAllowedOrderIsRight(_ test: OperationCase) throws {
        for threads in [1, 3] {
            let executor = CPUExecutor(threads: threads)
            let plan = try executor.compilePlan(test.graph, parameters: test.parameters)
            // Memory holds another picture's numbers, so that what is read too early is wrong.
            let other = test.inputs.map { HostTensor($0.shape, $0.values.map { 1 - 3 * $0 }) }
            var expected = plan.outputShapes.map { HostTensor($0) }
            try plan.run(test.inputs, into: &expected)
            var results = expected
            for seed in 0..<4 as Range<UInt64> {
                try plan.run(other, into: &results)
                #expect(!isSame(results, expected))
                var early = 0
                plan.run(test.inputs, into: &results) { steps, scratch in
                    early = Self.runWildly(steps, scratch[0], seed: seed)
                }
                #expect(isSame(results, expected), "\(test), \(threads) threads, seed \(seed)")
                #expect(early > 0, "needs of everything prove nothing")
            }
            // The test itself: without needs results are wrong.
            try plan.run(other, into: &results)
            plan.run(test.inputs, into: &results) { steps, scratch in
                _ = Self.runWildly(steps, scratch[0], seed: 0, heeding: false)
            }
            #expect(!isSame(results, expected))
        }
    }

    /// What a block of `poolsKeepOrder` is told.
    private struct Probe {
        var step: Int
        /// Per step and block whether it is done; per step where its blocks start; per step its needs.
        var done: UnsafeMutablePointer<Int32>
        var first: UnsafeMutablePointer<Int>
        var blocks: UnsafeMutablePointer<Int>
        var needs: UnsafePointer<ck_range>?
    }

    /// Blocks of random sizes with random needs on more threads than there are cores: each is done once, and after what it
    /// needs.
    @Test(arguments: [1, 2, 3, 8], [false, true])
    func poolsKeepOrder(_ threads: Int, _ slow: Bool) throws {
        var random = Philox(key: UInt64(threads))
        func draw(_ below: Int) -> Int { Int(random.uniform(1)[0] * Float(below)) }
        // Steps without blocks come first, last and between others.
        let counts = [0] + (0..<60).map { _ in [0, 1, 2, 5, 17, 40][draw(6)] } + [0]
        let total = counts.reduce(0, +)
        let done = UnsafeMutablePointer<Int32>.allocate(capacity: total)
        let first = UnsafeMutablePointer<Int>.allocate(capacity: counts.count)
        let blocks = UnsafeMutablePointer<Int>.allocate(capacity: counts.count)
        let probes = UnsafeMutablePointer<Probe>.allocate(capacity: counts.count)
        let needs = UnsafeMutablePointer<ck_range>.allocate(capacity: total)
        defer {
            done.deallocate()
            first.deallocate()
            blocks.deallocate()
            probes.deallocate()
            needs.deallocate()
        }
        var start = 0
        var steps: [ck_step] = []
        for (step, count) in counts.enumerated() {
            (first[step], blocks[step]) = (start, count)
            let before = step == 0 ? 0 : counts[step - 1]
            for block in 0..<count {
                let low = before == 0 ? 0 : draw(before)
                // Some need nothing.
                needs[start + block] =
                    draw(9) == 0
                    ? ck_range(first: .max, last: -1)
                    : ck_range(first: Int32(low), last: Int32(min(before - 1, low + 2)))
            }
            // Some need everything.
            let mine = draw(4) == 0 ? nil : UnsafePointer(needs + start)
            probes[step] = Probe(step: step, done: done, first: first, blocks: blocks, needs: mine)
            steps.append(
                ck_step(run: slow ? slowProbe : quickProbe, job: probes + step, blocks: Int64(count), needs: mine))
            start += count
        }
        let pool = ThreadPool(threads: threads)
        let scratch = [UnsafeMutableRawPointer?](repeating: nil, count: pool.threads)
        try steps.withUnsafeBufferPointer { steps in
            let state = try #require(ck_allocate(Int64(pool.stateBytes(steps))))
            defer { ck_free(state) }
            for _ in 0..<(slow ? 3 : 300) {
                done.update(repeating: 0, count: total)
                scratch.withUnsafeBufferPointer { scratch in
                    pool.exclusively { pool.run(steps, scratch: scratch.baseAddress!, state: state) }
                }
                #expect((0..<total).allSatisfy { done[$0] == 1 }, "each block once, after what it needs")
            }
        }
    }

    private static func probe(_ job: UnsafeRawPointer?, _ block: Int64) {
        let probe = job!.assumingMemoryBound(to: Probe.self).pointee
        let place = probe.first[probe.step] + Int(block)
        var isWrong = probe.done[place] != 0
        if probe.step > 0 {
            let before = probe.first[probe.step - 1]
            let everything = 0..<probe.blocks[probe.step - 1]
            let range = probe.needs.map { needs in
                let (first, last) = (Int(needs[Int(block)].first), Int(needs[Int(block)].last))
                return last < first ? 0..<0 : first..<last + 1
            }
            for index in range ?? everything where probe.done[before + index] != 1 { isWrong = true }
        }
        for step in 0..<max(0, probe.step - 1) {
            for index in 0..<probe.blocks[step] where probe.done[probe.first[step] + index] != 1 { isWrong = true }
        }
        probe.done[place] = isWrong ? 2 : 1
    }

    private let quickProbe: ck_kernel = { job, _, block, _ in BlockNeedsTests.probe(job, block) }
    /// Now and then long enough for the others to fall asleep.
    private let slowProbe: ck_kernel = { job, _, block, _ in
        if block % 7 == 3 {
            let end = ContinuousClock.now + .milliseconds(1)
            while ContinuousClock.now < end {}
        }
        BlockNeedsTests.probe(job, block)
    }
}
