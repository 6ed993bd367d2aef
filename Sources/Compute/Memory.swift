internal import CVulkan

/// A buffer with memory of its own.
final class Allocation: Sendable {
    let device: Device
    let bytes: Int
    /// What it counts for on the device.
    private let reserved: Int
    nonisolated(unsafe) let buffer: VkBuffer
    nonisolated(unsafe) let memory: VkDeviceMemory
    /// Where host memory is mapped.
    nonisolated(unsafe) let address: UnsafeMutableRawPointer?
    let isCoherent: Bool
    let isCached: Bool

    /// - Parameter preferences: sets of memory properties, best first; the first that some memory type has, and that has
    ///   room, is taken.
    init(_ device: Device, bytes: Int, preferences: [VkMemoryPropertyFlags], mapped: Bool) throws(ComputeError) {
        precondition(bytes > 0, "a buffer cannot be empty")
        // Cached memory that is not coherent is flushed in whole atoms, so there must be whole atoms.
        let atom = device.capabilities.atomBytes
        let size = (bytes + atom - 1) / atom * atom
        guard size <= device.capabilities.maximumBufferBytes else {
            throw .outOfMemory(device: device.name, bytes: bytes)
        }
        try device.reserve(size)
        var isMade = false
        defer { if !isMade { device.counters.freed(size) } }
        var info = VkBufferCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO
        info.size = VkDeviceSize(size)
        info.usage =
            VK_BUFFER_USAGE_STORAGE_BUFFER_BIT.rawValue | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT.rawValue
            | VK_BUFFER_USAGE_TRANSFER_SRC_BIT.rawValue | VK_BUFFER_USAGE_TRANSFER_DST_BIT.rawValue
        info.sharingMode = VK_SHARING_MODE_EXCLUSIVE
        var buffer: VkBuffer?
        try device.check(
            device.functions.createBuffer(device.handle, &info, nil, &buffer), "vkCreateBuffer", bytes: size)
        var requirements = VkMemoryRequirements()
        device.functions.getBufferRequirements(device.handle, buffer!, &requirements)

        var memory: VkDeviceMemory?
        var flags: VkMemoryPropertyFlags = 0
        for wanted in preferences where memory == nil {
            for (index, type) in device.memoryTypes.enumerated() where memory == nil {
                guard requirements.memoryTypeBits >> UInt32(index) & 1 == 1, type.flags & wanted == wanted else {
                    continue
                }
                var allocate = VkMemoryAllocateInfo()
                allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO
                allocate.allocationSize = requirements.size
                allocate.memoryTypeIndex = UInt32(index)
                var got: VkDeviceMemory?
                if device.functions.allocateMemory(device.handle, &allocate, nil, &got) == VK_SUCCESS {
                    memory = got
                    flags = type.flags
                }
            }
        }
        guard let memory, let buffer else {
            device.functions.destroyBuffer(device.handle, buffer, nil)
            throw .outOfMemory(device: device.name, bytes: bytes)
        }
        var address: UnsafeMutableRawPointer?
        var result = device.functions.bindBuffer(device.handle, buffer, memory, 0)
        if result == VK_SUCCESS && mapped {
            result = device.functions.mapMemory(device.handle, memory, 0, VK_WHOLE_SIZE, 0, &address)
        }
        if result != VK_SUCCESS {
            device.functions.destroyBuffer(device.handle, buffer, nil)
            device.functions.freeMemory(device.handle, memory, nil)
        }
        try device.check(result, "vkBindBufferMemory", bytes: bytes)
        isMade = true
        self.device = device
        self.bytes = bytes
        reserved = size
        self.buffer = buffer
        self.memory = memory
        self.address = address
        isCoherent = flags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT.rawValue != 0
        isCached = flags & VK_MEMORY_PROPERTY_HOST_CACHED_BIT.rawValue != 0
    }

    deinit {
        device.functions.destroyBuffer(device.handle, buffer, nil)
        device.functions.freeMemory(device.handle, memory, nil)
        device.counters.freed(reserved)
    }

    /// The whole mapping as one range; flushing more than was written costs nothing that matters here.
    private var wholeRange: VkMappedMemoryRange {
        var range = VkMappedMemoryRange()
        range.sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE
        range.memory = memory
        range.offset = 0
        range.size = VK_WHOLE_SIZE
        return range
    }

    func flush() throws(ComputeError) {
        if isCoherent { return }
        var range = wholeRange
        try device.check(device.functions.flushMemory(device.handle, 1, &range), "vkFlushMappedMemoryRanges")
    }

    func invalidate() throws(ComputeError) {
        if isCoherent { return }
        var range = wholeRange
        try device.check(device.functions.invalidateMemory(device.handle, 1, &range), "vkInvalidateMappedMemoryRanges")
    }
}

/// A piece of a buffer, bound to a kernel or copied. Retains the buffer.
public struct BufferSlice: Sendable {
    let allocation: Allocation
    /// In bytes. A slice that is bound must start at a multiple of `Capabilities.bindingAlignment`.
    public let offset: Int
    public let bytes: Int

    init(_ allocation: Allocation, offset: Int, bytes: Int) {
        precondition(
            offset >= 0 && bytes > 0 && offset + bytes <= allocation.bytes,
            "bytes \(offset)..<\(offset + bytes) of a buffer of \(allocation.bytes)")
        self.allocation = allocation
        self.offset = offset
        self.bytes = bytes
    }
}

/// Memory on the device, not visible to the host. Contents are undefined until written.
public final class DeviceBuffer: Sendable {
    public let bytes: Int
    private let allocation: Allocation

    /// - Throws: `ComputeError.outOfMemory`.
    public init(_ device: Device, bytes: Int) throws(ComputeError) {
        self.bytes = bytes
        allocation = try Allocation(
            device, bytes: bytes, preferences: [VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT.rawValue, 0], mapped: false)
    }

    /// - Precondition: the range lies inside the buffer.
    public func slice(offset: Int = 0, bytes: Int? = nil) -> BufferSlice {
        BufferSlice(allocation, offset: offset, bytes: bytes ?? self.bytes - offset)
    }
}

/// Memory that the host and the device both see. Mapped for as long as it lives.
public final class HostBuffer: Sendable {
    public enum Use: Sendable {
        /// Written by the host, read by the device. Reading it on the host may be very slow.
        case upload
        /// Written by the device, read by the host: cached memory where there is any.
        case readback
        /// Written and read by the host at any time, as fast as memory of its own, and read by the device. Some devices
        /// have no such memory.
        case exchange
    }

    public let bytes: Int
    private let allocation: Allocation

    /// - Throws: `ComputeError.outOfMemory`.
    public init(_ device: Device, bytes: Int, use: Use) throws(ComputeError) {
        let visible = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT.rawValue
        let coherent = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT.rawValue
        let cached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT.rawValue
        let preferences =
            switch use {
            case .upload: [visible | coherent, visible]
            case .readback: [visible | cached | coherent, visible | cached, visible]
            case .exchange: [visible | cached | coherent]
            }
        self.bytes = bytes
        allocation = try Allocation(device, bytes: bytes, preferences: preferences, mapped: true)
    }

    public func slice(offset: Int = 0, bytes: Int? = nil) -> BufferSlice {
        BufferSlice(allocation, offset: offset, bytes: bytes ?? self.bytes - offset)
    }

    /// Lends the memory for writing, and makes what was written visible to work submitted afterwards.
    ///
    /// The caller sees to it that the device is not using the memory meanwhile.
    public func write<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) throws -> R {
        let result = try body(UnsafeMutableRawBufferPointer(start: allocation.address, count: bytes))
        try allocation.flush()
        return result
    }

    /// Lends the memory for reading what finished work wrote (after its timeline value was waited for).
    public func read<R>(_ body: (UnsafeRawBufferPointer) throws -> R) throws -> R {
        try body(try lend())
    }

    /// The same memory, valid for as long as the buffer lives and the device is given no work that writes it.
    public func lend() throws(ComputeError) -> UnsafeRawBufferPointer {
        try allocation.invalidate()
        return UnsafeRawBufferPointer(start: allocation.address, count: bytes)
    }

    /// The same memory, valid for as long as the buffer lives. What the host writes there is seen by work submitted
    /// afterwards; the caller sees to it that the device is not reading it meanwhile.
    ///
    /// - Precondition: the memory is coherent, as all for `exchange` is.
    public var shared: UnsafeMutableRawPointer {
        guard allocation.isCoherent, let address = allocation.address else {
            preconditionFailure("only coherent memory is written without telling")
        }
        return address
    }

    /// Whether the host reads it as fast as memory of its own.
    public var isCached: Bool { allocation.isCached }
}
