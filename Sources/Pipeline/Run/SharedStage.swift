internal import Media
internal import Threads

/// The network on several devices: frames are shared out by speed and leave in order. `feed` and `drain` run on a thread
/// each, every device on one of its own.
final class SharedStage<Input, Output> {
    private let group: DeviceGroup<Input, Item<Output>>
    private let clock: StageClock
    private let input: Channel<Item<Input>>
    private let output: Channel<Item<Output>>

    /// - Parameter window: frames under way at once; where each holds a buffer, there must be as many of those, or a later
    ///   frame could hold the one that an earlier frame waits for.
    /// - Throws: `PipelineError.noThread`.
    init(
        names: [String], window: Int, clock: StageClock, input: Channel<Item<Input>>, output: Channel<Item<Output>>,
        works: [DeviceWork<Input, Output>]
    ) throws(PipelineError) {
        (self.clock, self.input, self.output) = (clock, input, output)
        group = try DeviceGroup(
            names: names, window: window,
            works: works.map { work in
                DeviceWork(capacity: work.capacity, begin: work.begin) { .content(try work.end()) }
            })
    }

    func feed() throws {
        while let item = input.receive() {
            let goesOn: Bool
            switch item {
            case .packet(let packet): goesOn = group.pass(.packet(packet))
            case .repeated(let frame): goesOn = group.pass(.repeated(frame))
            case .content(let content):
                // Each is used by one device at a time.
                nonisolated(unsafe) let content = content
                goesOn = group.submit(content)
            }
            guard goesOn else { break }
        }
        group.finish()
    }

    /// Ends with the devices' threads.
    func drain() throws {
        defer {
            group.cancel()
            group.join()
        }
        var before = monotonicSeconds()
        while let item = try group.next() {
            if case .content = item {
                // Together they need so long for a frame.
                let now = monotonicSeconds()
                clock.add(now - before, frames: 1)
                before = now
            }
            guard output.send(item) else { return }
        }
        output.finish()
    }
}
