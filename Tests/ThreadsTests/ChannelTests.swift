import Glibc
import Synchronization
import Testing
import Threads

@Suite struct ChannelTests {
    @Test func everythingArrivesInOrder() {
        let channel = Channel<Int>(capacity: 3)
        let producer = WorkerThread("producer") {
            for value in 0..<10_000 { guard channel.send(value) else { return } }
            channel.finish()
        }
        var expected = 0
        while let value = channel.receive() {
            #expect(value == expected)
            expected += 1
        }
        producer.join()
        #expect(expected == 10_000)
    }

    @Test func aFullChannelBlocksItsProducer() {
        let channel = Channel<Int>(capacity: 2)
        let sent = Atomic<Int>(0)
        let producer = WorkerThread("producer") {
            for value in 0..<5 {
                guard channel.send(value) else { return }
                sent.add(1, ordering: .sequentiallyConsistent)
            }
        }
        // Two fit; a third can only follow a receive.
        while sent.load(ordering: .sequentiallyConsistent) < 2 {}
        usleep(20_000)
        let early = sent.load(ordering: .sequentiallyConsistent)
        #expect(early == 2)
        #expect(channel.receive() == 0)
        while sent.load(ordering: .sequentiallyConsistent) < 3 {}
        usleep(20_000)
        let late = sent.load(ordering: .sequentiallyConsistent)
        #expect(late == 3)
        channel.cancel()
        producer.join()
    }

    @Test func aConsumerThatLeavesFreesItsProducer() {
        let channel = Channel<Int>(capacity: 1)
        let refused = Atomic<Bool>(false)
        let producer = WorkerThread("producer") {
            while channel.send(1) {}
            refused.store(true, ordering: .sequentiallyConsistent)
        }
        #expect(channel.receive() == 1)
        channel.cancel()
        producer.join()
        let wasRefused = refused.load(ordering: .sequentiallyConsistent)
        #expect(wasRefused)
        #expect(channel.receive() == nil)
    }

    @Test func aPoolNeverHandsOutMoreThanItHas() {
        let pool = Pool([1, 2])
        let first = pool.take()
        let second = pool.take()
        #expect(Set([first, second]) == [1, 2])
        let waiter = WorkerThread("waiter") { _ = pool.take() }
        pool.put(1)
        waiter.join()
        pool.cancel()
        #expect(pool.take() == nil)
    }

    @Test func theFirstErrorIsKept() {
        struct Failure: Error { var number: Int }
        let errors = FirstError()
        #expect(errors.record(Failure(number: 1)))
        #expect(!errors.record(Failure(number: 2)))
        #expect((errors.value as? Failure)?.number == 1)
    }
}
