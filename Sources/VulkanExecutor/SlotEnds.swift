internal import Compute
internal import Network
internal import Planning

/// What a slot reads and writes besides the plan's memory: a caller's tensors, or frames.
final class SlotEnds {
    private enum Input {
        case tensors(HostBuffer)
        /// A caller's tensors that stay on the device.
        case resident(DeviceBuffer)
        /// Frames lie in the ring; where, says a word an image.
        case frames(FrameRing, words: HostBuffer)
    }
    private enum Output {
        case host(HostBuffer)
        case resident(DeviceBuffer)
    }
    private let device: Device
    private let input: Input
    private let output: Output
    /// What the images of a batch are read from, as far as it is filled.
    private var frames: [Frame]
    private let images: Int

    private struct Frame {
        var offset: Int
        /// Keeps the memory as it is until the slot is free again.
        var owner: AnyObject
    }

    /// - Parameter isResident: tensors lie on the device, so that time is spent on computing alone; for measuring.
    /// - Throws: `ComputeError.outOfMemory`.
    init(_ device: Device, _ memory: PlanMemory, isResident: Bool) throws {
        self.device = device
        images = memory.images
        frames = []
        if isResident {
            precondition(memory.ends.input == nil && memory.ends.output == nil, "frames come from the host")
            input = .resident(try DeviceBuffer(device, bytes: memory.inputs.bytes))
            output = .resident(try DeviceBuffer(device, bytes: memory.outputs.bytes))
            return
        }
        output = .host(try HostBuffer(device, bytes: memory.outputs.bytes, use: .readback))
        if let ring = memory.ends.input {
            input = .frames(ring, words: try HostBuffer(device, bytes: images * bindingAlignment, use: .upload))
            frames.reserveCapacity(images)
        } else {
            input = .tensors(try HostBuffer(device, bytes: memory.inputs.bytes, use: .upload))
        }
    }

    /// Of its own.
    var bytes: Int {
        let inputBytes =
            switch input {
            case .tensors(let buffer), .frames(_, let buffer): buffer.bytes
            case .resident(let buffer): buffer.bytes
            }
        switch output {
        case .host(let buffer): return inputBytes + buffer.bytes
        case .resident(let buffer): return inputBytes + buffer.bytes
        }
    }

    // MARK: For kernels

    /// The bytes of the word that says where an image's frame lies.
    static func word(_ image: Int) -> Range<Int> { image * bindingAlignment..<image * bindingAlignment + 4 }

    func slice(_ memory: Region.Memory, _ bytes: Range<Int>) -> BufferSlice {
        switch (memory, input) {
        case (.input, .tensors(let buffer)), (.places, .frames(_, let buffer)):
            buffer.slice(offset: bytes.lowerBound, bytes: bytes.count)
        case (.input, .resident(let buffer)): buffer.slice(offset: bytes.lowerBound, bytes: bytes.count)
        case (.input, .frames(let ring, _)): ring.slice(bytes)
        case (.output, _):
            switch output {
            case .host(let buffer): buffer.slice(offset: bytes.lowerBound, bytes: bytes.count)
            case .resident(let buffer): buffer.slice(offset: bytes.lowerBound, bytes: bytes.count)
            }
        case (.arena, _), (.places, _): preconditionFailure("that is no end of this plan")
        }
    }

    // MARK: Filling

    /// Lends the memory of the tensors.
    func fill(_ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        switch input {
        case .tensors(let buffer): try buffer.write(body)
        case .resident(let buffer):
            let staging = try HostBuffer(device, bytes: buffer.bytes, use: .upload)
            try staging.write(body)
            try CommandRecorder.copy(staging.slice(), to: buffer.slice(), device)
        case .frames: preconditionFailure("this plan's inputs are frames")
        }
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

    // MARK: Results

    /// Lends the memory of the outputs.
    func read(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        switch output {
        case .host(let buffer): try buffer.read(body)
        case .resident(let buffer):
            let staging = try HostBuffer(device, bytes: buffer.bytes, use: .readback)
            try CommandRecorder.copy(buffer.slice(), to: staging.slice(), device)
            try staging.read(body)
        }
    }

    private var hostOutput: HostBuffer {
        guard case .host(let buffer) = output else { preconditionFailure("the results are on the device") }
        return buffer
    }

    /// Whether outputs can be lent for long.
    var mayLend: Bool { hostOutput.isCached }

    /// The memory of the outputs, for as long as the device is given nothing that writes it.
    func lend() throws -> UnsafeRawBufferPointer { try hostOutput.lend() }
}
