internal import CKernels
internal import Network

/// The memory of one plan: everything that its jobs point to, freed with it.
final class PlanMemory {
    /// For messages.
    private let device: String
    private var blocks: [UnsafeMutableRawPointer] = []
    /// All that was allocated.
    private(set) var bytes = 0

    init(device: String) { self.device = device }

    deinit {
        for block in blocks { ck_free(block) }
    }

    /// Zeroed memory that lives as long as the plan, aligned to 64 bytes.
    func allocate<T: BitwiseCopyable>(_ type: T.Type, count: Int) throws(ExecutionError) -> UnsafeMutablePointer<T> {
        let size = max(1, count) * MemoryLayout<T>.stride
        guard let block = ck_allocate(Int64(size)) else { throw .outOfMemory(device: device, bytes: bytes + size) }
        blocks.append(block)
        bytes += size
        return block.bindMemory(to: T.self, capacity: max(1, count))
    }

    func store<T: BitwiseCopyable>(_ values: [T]) throws(ExecutionError) -> UnsafeMutablePointer<T> {
        let pointer = try allocate(T.self, count: values.count)
        for (index, value) in values.enumerated() { pointer[index] = value }
        return pointer
    }
}
