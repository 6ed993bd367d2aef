internal import Threads

/// Decoded things within a budget of bytes. Thread-safe; a thing that several threads want at once is made once.
final class Cache<Key: Hashable, Value: Sendable>: @unchecked Sendable {
    /// What gives way when the budget is used up.
    enum Policy {
        /// Nothing: what does not fit any more is made again each time. When everything is wanted equally often, as
        /// pictures are, this serves as much as the budget can; throwing out what was used longest ago serves less.
        case first
        /// What was used longest ago: for things that are wanted for a while and then no more.
        case latest
    }

    private enum Entry {
        case making
        case there(Value, bytes: Int, used: Int)
    }

    private let monitor = Monitor()
    private let budget: Int
    private let policy: Policy
    private var entries: [Key: Entry] = [:]
    private var bytes = 0
    private var clock = 0
    private var made = 0

    init(budget: Int, policy: Policy) {
        (self.budget, self.policy) = (budget, policy)
    }

    /// How many things were made, and the bytes of those that are there.
    var reading: (made: Int, bytes: Int) { monitor.change { (made, bytes) } }

    /// The thing of a key, made by this thread if it is not there. Blocks while another makes it.
    func value<Failure: Error>(
        _ key: Key, bytes size: (Value) -> Int, make: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        let found: Value? = monitor.wait(until: { if case .making? = entries[key] { false } else { true } }) {
            clock += 1
            if case .there(let value, let bytes, _)? = entries[key] {
                entries[key] = .there(value, bytes: bytes, used: clock)
                return value
            }
            entries[key] = .making
            return nil
        }
        if let found { return found }
        let value: Value
        do throws(Failure) {
            value = try make()
        } catch {
            monitor.change { _ = entries.removeValue(forKey: key) }
            throw error
        }
        monitor.change {
            made += 1
            keep(value, key, bytes: size(value))
        }
        return value
    }

    private func keep(_ value: Value, _ key: Key, bytes size: Int) {
        entries[key] = nil
        guard size <= budget else { return }
        while policy == .latest, bytes + size > budget, let oldest = oldest {
            entries[oldest.key] = nil
            bytes -= oldest.bytes
        }
        guard bytes + size <= budget else { return }
        bytes += size
        entries[key] = .there(value, bytes: size, used: clock)
    }

    private var oldest: (key: Key, bytes: Int)? {
        var result: (key: Key, bytes: Int, used: Int)?
        for (key, entry) in entries {
            guard case .there(_, let bytes, let used) = entry, used < result?.used ?? .max else { continue }
            result = (key, bytes, used)
        }
        return result.map { ($0.key, $0.bytes) }
    }
}

typealias PictureCache = Cache<Int, StoredPicture>

extension Cache where Key == Int, Value == StoredPicture {
    func picture(_ key: Int, _ file: PictureFile) throws(DatasetError) -> StoredPicture {
        try value(key, bytes: \.byteCount) { () throws(DatasetError) in try file.decode() }
    }
}
