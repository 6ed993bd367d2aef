internal import Compute
internal import Network
internal import Synchronization

/// Host memory for frames on their way to the device, in one buffer: commands that were recorded once reach any place in
/// it, for a word tells them where. So frames can be written there long before it is known which slot computes them, and
/// by those who look at them again and again and keep them: decoders.
final class FrameRing: Sendable {
    let layout: FrameLayout
    /// Places that can be lent: all but those that copies may take.
    let lendable: Int
    private let buffer: HostBuffer
    private let state: Mutex<State>

    private struct State {
        var free: [Int]
        var lent = 0
    }

    /// A decoder has as many pictures at work as it has threads, keeps up to 16 to look at, and more are on their way.
    private static let mostLent = 64
    /// Few are not worth it: a decoder would seldom have the luck to get one.
    private static let leastLent = 4
    private static let mostLentBytes = 256 << 20

    /// - Parameters:
    ///   - copies: frames that may be in flight, all of which may have to be copied.
    ///   - lends: whether there should be places to lend besides. There are none where the host would read them slowly,
    ///     nor where they would take more than a small part of the memory.
    /// - Throws: `ComputeError.outOfMemory`, also where the frames in flight do not fit into one binding.
    init(_ executor: VulkanExecutor, _ layout: FrameLayout, copies: Int, lends: Bool) throws(ComputeError) {
        self.layout = layout
        let device = executor.device
        let limit = min(executor.bindingLimit, Int(UInt32.max))
        guard copies * layout.bytes <= limit else {
            throw .outOfMemory(device: device.name, bytes: copies * layout.bytes)
        }
        let room = min(Self.mostLentBytes, executor.memoryBudget / 32, limit - copies * layout.bytes)
        let wanted = min(Self.mostLent, room / layout.bytes)
        var shared: HostBuffer?
        if lends && wanted >= Self.leastLent {
            shared = try? HostBuffer(device, bytes: (copies + wanted) * layout.bytes, use: .exchange)
        }
        lendable = shared == nil ? 0 : wanted
        if let shared {
            buffer = shared
        } else {
            buffer = try HostBuffer(device, bytes: copies * layout.bytes, use: .upload)
        }
        state = Mutex(State(free: Array((0..<copies + lendable).reversed())))
    }

    var bytes: Int { buffer.bytes }
    /// For kernels.
    func slice(_ bytes: Range<Int>) -> BufferSlice { buffer.slice(offset: bytes.lowerBound, bytes: bytes.count) }

    /// One frame's memory. Serves others again when this object goes, on whatever thread.
    final class Place: Sendable {
        fileprivate let ring: FrameRing
        fileprivate let index: Int
        private let isLent: Bool
        var offset: Int { index * ring.layout.bytes }

        fileprivate init(_ ring: FrameRing, _ index: Int, isLent: Bool) {
            (self.ring, self.index, self.isLent) = (ring, index, isLent)
        }

        deinit {
            ring.state.withLock {
                $0.free.append(index)
                if isLent { $0.lent -= 1 }
            }
        }
    }

    /// Copies a frame to a place of its own.
    ///
    /// - Precondition: fewer than `copies` of them are there.
    func copy(_ frame: FramePlanes) throws -> Place {
        guard let index = state.withLock({ $0.free.popLast() }) else {
            preconditionFailure("there are places for all frames in flight")
        }
        let place = Place(self, index, isLent: false)
        try buffer.write { memory in
            guard let base = memory.baseAddress else { preconditionFailure("a frame has memory") }
            frame.copy(to: layout.planes(base + place.offset))
        }
        return place
    }

    /// Memory for a frame that somebody writes; nil while no more can be lent.
    func lend() -> LentMemory? {
        let index = state.withLock { state -> Int? in
            guard state.lent < lendable, let index = state.free.popLast() else { return nil }
            state.lent += 1
            return index
        }
        guard let index else { return nil }
        let place = Place(self, index, isLent: true)
        return LentMemory(buffer.shared + place.offset, bytes: layout.bytes, owner: place)
    }

    /// Where in the ring a frame lies; nil where it lies elsewhere, or otherwise than arranged.
    func offset(of frame: FramePlanes) -> Int? {
        guard lendable > 0, frame.planes.count == layout.starts.count else { return nil }
        let offset = frame.planes[0].address - layout.starts[0] - buffer.shared
        guard offset >= 0, offset < buffer.bytes, offset % layout.bytes == 0 else { return nil }
        let isArranged = frame.planes.indices.allSatisfy { plane in
            frame.planes[plane].address == buffer.shared + offset + layout.starts[plane]
                && frame.planes[plane].stride == layout.strides[plane]
        }
        return isArranged ? offset : nil
    }
}
