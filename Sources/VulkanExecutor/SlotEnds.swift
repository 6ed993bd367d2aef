internal import Compute
internal import Network
internal import Planning

/// What a slot reads and writes besides the plan's memory: a caller's tensors, or frames.
final class SlotEnds {
    private enum Input {
        case tensors(HostBuffer)
        /// Frames lie in the ring; where, says a word an image.
        case frames(FrameRing, words: HostBuffer)
    }
    private let input: Input
    let output: HostBuffer
    /// What the images of a batch are read from, as far as it is filled.
    private var frames: [Frame]
    private let images: Int

    private struct Frame {
        var offset: Int
        /// Keeps the memory as it is until the slot is free again.
        var owner: AnyObject
    }

    /// - Throws: `ComputeError.outOfMemory`.
    init(_ device: Device, _ memory: PlanMemory) throws {
        output = try HostBuffer(device, bytes: memory.outputs.bytes, use: .readback)
        images = memory.program.inputs[0].batch
        frames = []
        if let ring = memory.ends.input {
            input = .frames(ring, words: try HostBuffer(device, bytes: images * bindingAlignment, use: .upload))
            frames.reserveCapacity(images)
        } else {
            input = .tensors(try HostBuffer(device, bytes: memory.inputs.bytes, use: .upload))
        }
    }

    /// Of its own.
    var bytes: Int {
        switch input {
        case .tensors(let buffer): buffer.bytes + output.bytes
        case .frames(_, let words): words.bytes + output.bytes
        }
    }

    // MARK: For kernels

    /// The bytes of the word that says where an image's frame lies.
    static func word(_ image: Int) -> Range<Int> { image * bindingAlignment..<image * bindingAlignment + 4 }

    func slice(_ memory: Region.Memory, _ bytes: Range<Int>) -> BufferSlice {
        switch (memory, input) {
        case (.input, .tensors(let buffer)), (.places, .frames(_, let buffer)):
            buffer.slice(offset: bytes.lowerBound, bytes: bytes.count)
        case (.input, .frames(let ring, _)): ring.slice(bytes)
        case (.output, _): output.slice(offset: bytes.lowerBound, bytes: bytes.count)
        case (.arena, _), (.places, .tensors): preconditionFailure("that is no end of this plan")
        }
    }

    // MARK: Filling

    /// Lends the memory of the tensors.
    func fill(_ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        guard case .tensors(let buffer) = input else { preconditionFailure("this plan's inputs are frames") }
        try buffer.write(body)
    }

    /// The next image's frame: where it lies, if that is in the ring; otherwise a copy. The owner is kept until `forget`.
    ///
    /// - Returns: whether it was copied.
    func add(_ frame: FramePlanes, owner: AnyObject) throws -> Bool {
        guard case .frames(let ring, _) = input else { preconditionFailure("this plan's inputs are tensors") }
        precondition(frames.count < images, "the batch is full")
        if let offset = ring.offset(of: frame) {
            frames.append(Frame(offset: offset, owner: owner))
            return false
        }
        let place = try ring.copy(frame)
        frames.append(Frame(offset: place.offset, owner: place))
        return true
    }

    /// The inputs of a slot of another plan with the same ends.
    func adopt(_ other: SlotEnds) throws {
        switch (input, other.input) {
        case (.tensors(let target), .tensors(let source)):
            try source.read { bytes in try target.write { $0.copyMemory(from: bytes) } }
        case (.frames, .frames): frames = other.frames
        default: preconditionFailure("plans of the same ends")
        }
    }

    /// Tells the device where frames lie. Images that have none are computed too: as the first one, so that nothing that
    /// happens to lie somewhere can be too large for half floats.
    func settle() throws {
        guard case .frames(_, let words) = input, let first = frames.first else { return }
        try words.write { memory in
            for image in 0..<images {
                let frame = image < frames.count ? frames[image] : first
                memory.storeBytes(
                    of: UInt32(frame.offset), toByteOffset: SlotEnds.word(image).lowerBound, as: UInt32.self)
            }
        }
    }

    /// The inputs were read.
    func forget() { frames.removeAll(keepingCapacity: true) }
}
