/// Places buffers in memory by how long they are needed: two whose steps do not meet may lie in the same place.
public struct Lifetimes {
    private let elements: [Int]
    private let steps: Int
    private var first: [Int]
    private var last: [Int]

    /// - Parameters:
    ///   - elements: of each buffer.
    ///   - steps: how many steps there are.
    public init(elements: [Int], steps: Int) {
        (self.elements, self.steps) = (elements, steps)
        first = [Int](repeating: Int.max, count: elements.count)
        last = [Int](repeating: -1, count: elements.count)
    }

    /// The buffer is read or written in this step.
    public mutating func touch(_ buffer: Int, step: Int) {
        first[buffer] = min(first[buffer], step)
        last[buffer] = max(last[buffer], step)
    }

    /// The buffer is written before the first step.
    public mutating func holdFromStart(_ buffer: Int) { touch(buffer, step: -1) }
    /// The buffer is read after the last step.
    public mutating func holdToEnd(_ buffer: Int) { touch(buffer, step: steps) }

    /// The steps from `start` on are run several times in turn.
    public mutating func repeats(from start: Int) {
        for buffer in elements.indices where last[buffer] >= start {
            last[buffer] = max(last[buffer], steps - 1)
            if first[buffer] > start { first[buffer] = start }
        }
    }

    /// The first and the last step that touch a buffer; -1 where it is written before them, the number of steps where it is
    /// read after them.
    func steps(of buffer: Int) -> (first: Int, last: Int) { (first[buffer], last[buffer]) }

    /// Where each buffer begins, and how many elements all of them take: the largest first, each at the lowest place
    /// where it meets no other that is needed at the same time.
    ///
    /// - Parameters:
    ///   - alignment: every buffer begins at a multiple of it.
    ///   - block: no buffer crosses a multiple of it; a multiple of `alignment`, at least as large as every buffer.
    public func arranged(alignment: Int, block: Int = .max) -> (offsets: [Int], elements: Int) {
        var offsets = [Int](repeating: 0, count: elements.count)
        var end = 0
        // By offset.
        var placed: [Int] = []
        for buffer in elements.indices.sorted(by: { (elements[$0], $1) > (elements[$1], $0) }) {
            let size = elements[buffer]
            /// The lowest place from `offset` on.
            func fitting(_ offset: Int) -> Int {
                let aligned = (offset + alignment - 1) / alignment * alignment
                return aligned / block == (aligned + max(1, size) - 1) / block
                    ? aligned : (aligned / block + 1) * block
            }
            var offset = 0
            for other in placed where first[other] <= last[buffer] && first[buffer] <= last[other] {
                if offset + size <= offsets[other] { break }
                offset = max(offset, fitting(offsets[other] + elements[other]))
            }
            offsets[buffer] = offset
            end = max(end, offset + size)
            placed.insert(buffer, at: placed.firstIndex { offsets[$0] > offset } ?? placed.count)
        }
        return (offsets, end)
    }
}
