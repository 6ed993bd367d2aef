internal import CKernels
internal import Network

/// The memory of one plan: everything that its jobs point to, freed with it.
final class PlanMemory {
    /// For messages.
    private let device: String
    private var blocks: [UnsafeMutableRawPointer] = []
    /// What is left of the latest block.
    private var rest = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    /// All that was allocated.
    private(set) var bytes = 0

    init(device: String) { self.device = device }

    deinit {
        for block in blocks { ck_free(block) }
    }

    /// Zeroed memory that lives as long as the plan, aligned to 64 bytes.
    func allocate<T: BitwiseCopyable>(_ type: T.Type, count: Int) throws(ExecutionError) -> UnsafeMutablePointer<T> {
        let (size, overflow) = max(1, count).multipliedReportingOverflow(by: MemoryLayout<T>.stride)
        let rounded = (min(size, .max / 2) + 63) / 64 * 64
        if overflow || rounded > rest.count {
            // Many small pieces in few large blocks: those are made of huge pages, and a step's scratch memory and weights
            // touch so many places that small pages would cost more than the arithmetic.
            let block = max(rounded, min(max(bytes / 2, 64 << 10), 16 << 20))
            guard !overflow, let start = ck_allocate(Int64(block)) else {
                throw .outOfMemory(device: device, bytes: bytes + rounded)
            }
            blocks.append(start)
            bytes += block
            let new = UnsafeMutableRawBufferPointer(start: start, count: block)
            guard block - rounded > rest.count else { return start.bindMemory(to: T.self, capacity: max(1, count)) }
            rest = new
        }
        let start = rest.baseAddress!
        rest = UnsafeMutableRawBufferPointer(rebasing: rest[rounded...])
        return start.bindMemory(to: T.self, capacity: max(1, count))
    }

    func store<T: BitwiseCopyable>(_ values: [T]) throws(ExecutionError) -> UnsafeMutablePointer<T> {
        let pointer = try allocate(T.self, count: values.count)
        for (index, value) in values.enumerated() { pointer[index] = value }
        return pointer
    }
}
