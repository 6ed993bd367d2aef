internal import CVulkan

/// Recorded commands. They may be submitted any number of times, but the next time only when the last has finished (or
/// when nothing outside the list depends on the order). Owned by one thread at a time.
public final class CommandList {
    public let barriers: Int
    public let dispatches: Int

    private let resources: CommandResources
    private var submitted: UInt64 = 0

    init(_ resources: CommandResources, barriers: Int, dispatches: Int) {
        self.resources = resources
        self.barriers = barriers
        self.dispatches = dispatches
    }

    deinit {
        // The resources must not go while the device uses them. If the device is lost there is nothing to wait for.
        if submitted > 0 { try? resources.device.timeline.wait(for: submitted) }
    }

    /// Starts the commands behind everything that was submitted before, and returns at once.
    ///
    /// A list that is still at work is waited for first: a command buffer cannot be pending twice.
    /// - Returns: the device's timeline value that says they are done.
    public func submit() throws(ComputeError) -> UInt64 {
        if submitted > 0 { try resources.device.timeline.wait(for: submitted) }
        submitted = try resources.device.submit(resources.commands)
        return submitted
    }

    /// Runs the commands and blocks until they are done.
    public func run() throws(ComputeError) {
        try resources.device.timeline.wait(for: submit())
    }

    /// The timestamps of the last run, in nanoseconds from an arbitrary start; empty when the device has no clock.
    public func timestamps() throws(ComputeError) -> [Double] { try resources.timestamps() }
}

/// The pools behind a command list, and everything that its commands touch.
final class CommandResources {
    let device: Device
    let commands: VkCommandBuffer
    let queries: VkQueryPool?
    private let queryCount: Int
    private let pool: VkCommandPool
    private let descriptors: VkDescriptorPool
    private var allocations: [ObjectIdentifier: Allocation] = [:]
    private var pipelines: [ObjectIdentifier: Pipeline] = [:]
    /// Of the texel buffers that are bound.
    private var views: [VkBufferView?] = []

    init(_ device: Device, sets: Int, descriptors count: Int, queries: Int) throws(ComputeError) {
        let functions = device.functions
        let scratch = Scratch()
        var poolInfo = VkCommandPoolCreateInfo()
        poolInfo.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO
        poolInfo.queueFamilyIndex = device.queueFamily
        var pool: VkCommandPool?
        try device.check(functions.createCommandPool(device.handle, &poolInfo, nil, &pool), "vkCreateCommandPool")
        var bufferInfo = VkCommandBufferAllocateInfo()
        bufferInfo.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO
        bufferInfo.commandPool = pool
        bufferInfo.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY
        bufferInfo.commandBufferCount = 1
        var commands: VkCommandBuffer?
        var result = functions.allocateCommandBuffers(device.handle, &bufferInfo, &commands)

        var descriptors: VkDescriptorPool?
        if result == VK_SUCCESS {
            // Any of them may turn out to be a texel buffer.
            let sizes = [false, true].map { isTexels in
                VkDescriptorPoolSize(
                    type: Pipeline.descriptorType(isTexels: isTexels), descriptorCount: UInt32(count))
            }
            var info = VkDescriptorPoolCreateInfo()
            info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO
            info.maxSets = UInt32(sets)
            info.poolSizeCount = UInt32(sizes.count)
            info.pPoolSizes = UnsafePointer(scratch.place(array: sizes))
            result = functions.createDescriptorPool(device.handle, &info, nil, &descriptors)
        }
        var queryPool: VkQueryPool?
        if result == VK_SUCCESS && queries > 0 {
            var info = VkQueryPoolCreateInfo()
            info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO
            info.queryType = VK_QUERY_TYPE_TIMESTAMP
            info.queryCount = UInt32(queries)
            result = functions.createQueryPool(device.handle, &info, nil, &queryPool)
        }
        guard result == VK_SUCCESS, let pool, let commands, let descriptors else {
            functions.destroyDescriptorPool(device.handle, descriptors, nil)
            functions.destroyCommandPool(device.handle, pool, nil)
            throw .failed(device: device.name, call: "making command pools", result: result.name)
        }
        self.device = device
        self.commands = commands
        self.pool = pool
        self.descriptors = descriptors
        self.queries = queryPool
        queryCount = queries
        device.counters.add(.recording)
    }

    deinit {
        for view in views { device.functions.destroyBufferView(device.handle, view, nil) }
        if let queries { device.functions.destroyQueryPool(device.handle, queries, nil) }
        device.functions.destroyDescriptorPool(device.handle, descriptors, nil)
        device.functions.destroyCommandPool(device.handle, pool, nil)
    }

    func retain(_ slices: [BufferSlice]) {
        for slice in slices { allocations[ObjectIdentifier(slice.allocation)] = slice.allocation }
    }

    /// A descriptor set with these buffers.
    func set(_ pipeline: Pipeline, _ bindings: [Binding]) throws(ComputeError) -> VkDescriptorSet {
        pipelines[ObjectIdentifier(pipeline)] = pipeline
        retain(bindings.map(\.slice))
        let scratch = Scratch()
        var info = VkDescriptorSetAllocateInfo()
        info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO
        info.descriptorPool = descriptors
        info.descriptorSetCount = 1
        info.pSetLayouts = UnsafePointer(scratch.place(VkDescriptorSetLayout?.some(pipeline.setLayout)))
        var set: VkDescriptorSet?
        try device.check(device.functions.allocateSets(device.handle, &info, &set), "vkAllocateDescriptorSets")
        device.counters.add(.descriptorSet)

        let capabilities = device.capabilities
        var writes: [VkWriteDescriptorSet] = []
        for (index, binding) in bindings.enumerated() {
            let slice = binding.slice
            let isTexels = pipeline.texelBuffers.contains(index)
            precondition(isTexels == (binding.texels != nil), "\(pipeline.name): the kind of binding \(index)")
            precondition(slice.offset % capabilities.bindingAlignment == 0, "a binding at byte \(slice.offset)")
            var write = VkWriteDescriptorSet()
            write.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET
            write.dstSet = set
            write.dstBinding = UInt32(index)
            write.descriptorCount = 1
            write.descriptorType = Pipeline.descriptorType(isTexels: isTexels)
            if let format = binding.texels {
                write.pTexelBufferView = UnsafePointer(scratch.place(try view(slice, format)))
            } else {
                precondition(slice.bytes <= capabilities.maximumBindingBytes, "a binding of \(slice.bytes) bytes")
                let buffer = VkDescriptorBufferInfo(
                    buffer: slice.allocation.buffer, offset: VkDeviceSize(slice.offset),
                    range: VkDeviceSize(slice.bytes))
                write.pBufferInfo = UnsafePointer(scratch.place(buffer))
            }
            writes.append(write)
        }
        device.functions.updateSets(device.handle, UInt32(writes.count), writes, 0, nil)
        return set!
    }

    /// A view of a slice as texels; kept as long as the commands.
    private func view(_ slice: BufferSlice, _ format: TexelFormat) throws(ComputeError) -> VkBufferView? {
        let texels = slice.bytes / format.bytes
        precondition(texels > 0 && texels <= device.capabilities.maximumTexels, "a binding of \(texels) texels")
        var info = VkBufferViewCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO
        info.buffer = slice.allocation.buffer
        info.format = format.code
        info.offset = VkDeviceSize(slice.offset)
        info.range = VkDeviceSize(texels * format.bytes)
        var view: VkBufferView?
        try device.check(device.functions.createBufferView(device.handle, &info, nil, &view), "vkCreateBufferView")
        views.append(view)
        return view
    }

    func timestamps() throws(ComputeError) -> [Double] {
        let tick = device.capabilities.timestampNanoseconds
        guard let queries, queryCount > 0, tick > 0 else { return [] }
        var ticks = [UInt64](repeating: 0, count: queryCount)
        try device.check(
            device.functions.getQueryResults(
                device.handle, queries, 0, UInt32(queryCount), queryCount * 8, &ticks, 8,
                VK_QUERY_RESULT_64_BIT.rawValue), "vkGetQueryPoolResults")
        return ticks.map { Double($0) * tick }
    }
}
