/// The order in which the packets of all streams go into a file: by decoding time, however far ahead of the others a
/// stream was read or encoded, so that a reader finds what belongs together in one place.
///
/// The packet of the least time leaves as soon as no stream can come with an earlier one: the encoder's stream has a
/// packet waiting or has ended; a copied stream has one waiting, or the source was read so far beyond that no container
/// would have kept it back (`patience`). What waits is bounded: beyond `limit` bytes the least leaves in any case.
///
/// A pure value. Times are microseconds.
internal struct MuxOrder<Packet> {
    enum Waiting {
        /// Always: an encoder's packets come for certain.
        case always
        /// Until the source was read ten seconds beyond: sound that stops, subtitles.
        case sparsely
        /// Not at all: covers, which come once.
        case never
    }

    private struct Entry {
        var packet: Packet
        var time: Int64
        var bytes: Int
    }

    private struct Stream {
        var waiting: Waiting
        /// Ordered by time; the first `taken` of them have left.
        var entries: [Entry] = []
        var taken = 0
        var lastTime: Int64 = .min
        var hasEnded = false

        var first: Entry? { taken < entries.count ? entries[taken] : nil }

        mutating func takeFirst() -> Entry {
            defer {
                taken += 1
                if taken > 256, taken * 2 > entries.count {
                    entries.removeFirst(taken)
                    taken = 0
                }
            }
            return entries[taken]
        }
    }

    private static var patience: Int64 { 10_000_000 }
    private let limit: Int
    private var streams: [Stream]
    private var position: Int64 = .min
    private(set) var bytesWaiting = 0

    /// - Parameter limit: bytes that may wait.
    init(streams: [Waiting], limit: Int = 64 << 20) {
        self.streams = streams.map { Stream(waiting: $0) }
        self.limit = limit
    }

    /// - Parameter time: decoding time; nil for that of the packet before it in its stream.
    mutating func add(_ packet: Packet, stream: Int, time: Int64?, bytes: Int) {
        let last = streams[stream].lastTime
        // Times within a stream never fall, or its packets would overtake each other.
        let time = max(time ?? last, last)
        streams[stream].lastTime = time
        streams[stream].entries.append(Entry(packet: packet, time: time, bytes: bytes))
        bytesWaiting += bytes
    }

    /// The source was read up to here.
    mutating func advance(to time: Int64) { position = max(position, time) }

    /// No more packets of a stream will come.
    mutating func end(stream: Int) { streams[stream].hasEnded = true }

    mutating func endAll() { for index in streams.indices { streams[index].hasEnded = true } }

    /// The packet that is to be written next; nil while none may leave.
    mutating func next() -> Packet? {
        var least: (stream: Int, time: Int64)?
        for (index, stream) in streams.enumerated() {
            guard let first = stream.first, first.time < least?.time ?? .max else { continue }
            least = (index, first.time)
        }
        guard let least, bytesWaiting > limit || streams.allSatisfy({ mayPass(least.time, $0) }) else { return nil }
        let entry = streams[least.stream].takeFirst()
        bytesWaiting -= entry.bytes
        return entry.packet
    }

    /// Whether a stream can be left behind at a time: nothing earlier of it will come, or nobody waits for it.
    private func mayPass(_ time: Int64, _ stream: Stream) -> Bool {
        if stream.first != nil || stream.hasEnded { return true }
        switch stream.waiting {
        case .always: return false
        case .sparsely: return position != .min && position - Self.patience >= time
        case .never: return true
        }
    }
}
