internal import CVulkan

/// What a command does with a binding.
public enum Access: Sendable, Hashable {
    case read, write
}

/// What a texel of a texel buffer is: four floats, which the device converts while it fetches them.
public enum TexelFormat: Sendable, Hashable {
    case float4, half4

    var bytes: Int { self == .float4 ? 16 : 8 }
    var code: VkFormat { self == .float4 ? VK_FORMAT_R32G32B32A32_SFLOAT : VK_FORMAT_R16G16B16A16_SFLOAT }
}

public struct Binding: Sendable {
    public let slice: BufferSlice
    public let access: Access
    /// For a texel buffer's binding; nil for a storage buffer's.
    public let texels: TexelFormat?

    public init(_ slice: BufferSlice, _ access: Access, texels: TexelFormat? = nil) {
        self.slice = slice
        self.access = access
        self.texels = texels
    }

    /// A buffer that is read as texels.
    public static func fetching(_ slice: BufferSlice, _ format: TexelFormat) -> Binding {
        Binding(slice, .read, texels: format)
    }

    public static func reading(_ slice: BufferSlice) -> Binding { Binding(slice, .read) }
    public static func writing(_ slice: BufferSlice) -> Binding { Binding(slice, .write) }
}

/// Records commands that run in order as far as they depend on each other. Used by one thread, then finished.
///
/// Two commands depend on each other when one writes bytes that the other reads or writes. Only then a barrier is put
/// between them, and one barrier serves every command before it, so independent work runs side by side.
public final class CommandRecorder {
    /// Barriers recorded so far; for tests and for reports.
    public private(set) var barriers = 0
    public private(set) var dispatches = 0

    private let device: Device
    private let resources: CommandResources
    private var hazards = HazardTracker()

    /// - Parameter dispatches: how many dispatches will be recorded at most.
    /// - Parameter storageBuffers: how many buffers all of them bind, texel buffers included.
    public init(_ device: Device, dispatches: Int, storageBuffers: Int, timestamps: Int = 0) throws(ComputeError) {
        self.device = device
        resources = try CommandResources(
            device, sets: max(1, dispatches), descriptors: max(1, storageBuffers), queries: timestamps)
        var info = VkCommandBufferBeginInfo()
        info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO
        try device.check(device.functions.beginCommandBuffer(resources.commands, &info), "vkBeginCommandBuffer")
        // The list may run again while an earlier run of it, or another list on the same memory, is still at work: what
        // was submitted before comes first.
        barrier(
            from: VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT.rawValue | VK_PIPELINE_STAGE_TRANSFER_BIT.rawValue)
        barriers = 0
        if timestamps > 0 {
            device.functions.resetQueryPool(resources.commands, resources.queries, 0, UInt32(timestamps))
        }
    }

    /// - Parameters:
    ///   - bindings: one per binding of the pipeline.
    ///   - pushConstants: the bytes of the push-constant block, as 32-bit words.
    ///   - groups: workgroups per axis, within `Capabilities.maximumGroups`.
    public func dispatch(
        _ pipeline: Pipeline, _ bindings: [Binding], pushConstants: [UInt32], groups: (Int, Int, Int)
    ) throws(ComputeError) {
        precondition(bindings.count == pipeline.bindings, "\(pipeline.name) has \(pipeline.bindings) bindings")
        precondition(pushConstants.count * 4 == pipeline.pushConstantBytes, "\(pipeline.name): push constants")
        let limits = device.capabilities.maximumGroups
        precondition(
            groups.0 > 0 && groups.1 > 0 && groups.2 > 0 && groups.0 <= limits[0] && groups.1 <= limits[1]
                && groups.2 <= limits[2], "\(pipeline.name): \(groups) workgroups")
        order(bindings, stage: VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT.rawValue)

        let set = try resources.set(pipeline, bindings)
        let functions = device.functions
        functions.bindPipeline(resources.commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.handle)
        var sets: VkDescriptorSet? = set
        functions.bindSets(
            resources.commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline.layout, 0, 1, &sets, 0, nil)
        if !pushConstants.isEmpty {
            functions.pushConstants(
                resources.commands, pipeline.layout, VK_SHADER_STAGE_COMPUTE_BIT.rawValue, 0,
                UInt32(pushConstants.count * 4), pushConstants)
        }
        functions.dispatch(resources.commands, UInt32(groups.0), UInt32(groups.1), UInt32(groups.2))
        dispatches += 1
    }

    /// - Precondition: both slices have the same size.
    public func copy(_ source: BufferSlice, to target: BufferSlice) {
        precondition(source.bytes == target.bytes, "copy of \(source.bytes) bytes to \(target.bytes)")
        order([.reading(source), .writing(target)], stage: VK_PIPELINE_STAGE_TRANSFER_BIT.rawValue)
        resources.retain([source, target])
        var region = VkBufferCopy(
            srcOffset: VkDeviceSize(source.offset), dstOffset: VkDeviceSize(target.offset),
            size: VkDeviceSize(source.bytes))
        device.functions.copyBuffer(
            resources.commands, source.allocation.buffer, target.allocation.buffer, 1, &region)
    }

    /// Copies at once, behind everything that was submitted before; done when this returns.
    ///
    /// - Precondition: both slices have the same size.
    public static func copy(_ source: BufferSlice, to target: BufferSlice, _ device: Device) throws(ComputeError) {
        let recorder = try CommandRecorder(device, dispatches: 0, storageBuffers: 0)
        recorder.copy(source, to: target)
        try recorder.finish().run()
    }

    /// Notes the time at which everything recorded so far has finished, as timestamp `index`.
    public func timestamp(_ index: Int) {
        device.functions.writeTimestamp(
            resources.commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, resources.queries, UInt32(index))
    }

    /// Ends recording. What the commands wrote to host memory is visible to the host once the list has run.
    public func finish() throws(ComputeError) -> CommandList {
        var memory = VkMemoryBarrier()
        memory.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER
        memory.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT.rawValue | VK_ACCESS_TRANSFER_WRITE_BIT.rawValue
        memory.dstAccessMask = VK_ACCESS_HOST_READ_BIT.rawValue
        device.functions.pipelineBarrier(
            resources.commands,
            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT.rawValue | VK_PIPELINE_STAGE_TRANSFER_BIT.rawValue,
            VK_PIPELINE_STAGE_HOST_BIT.rawValue, 0, 1, &memory, 0, nil, 0, nil)
        try device.check(device.functions.endCommandBuffer(resources.commands), "vkEndCommandBuffer")
        return CommandList(resources, barriers: barriers, dispatches: dispatches)
    }

    /// Puts a barrier where one of the bindings depends on what was recorded since the last one.
    private func order(_ bindings: [Binding], stage: VkPipelineStageFlags) {
        if let stages = hazards.conflict(bindings) {
            barrier(from: stages)
            hazards.clear()
        }
        hazards.note(bindings, stage: stage)
    }

    private func barrier(from stages: VkPipelineStageFlags) {
        var memory = VkMemoryBarrier()
        memory.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER
        if stages & VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT.rawValue != 0 {
            memory.srcAccessMask |= VK_ACCESS_SHADER_WRITE_BIT.rawValue
        }
        if stages & VK_PIPELINE_STAGE_TRANSFER_BIT.rawValue != 0 {
            memory.srcAccessMask |= VK_ACCESS_TRANSFER_WRITE_BIT.rawValue
        }
        memory.dstAccessMask =
            VK_ACCESS_SHADER_READ_BIT.rawValue | VK_ACCESS_SHADER_WRITE_BIT.rawValue
            | VK_ACCESS_TRANSFER_READ_BIT.rawValue | VK_ACCESS_TRANSFER_WRITE_BIT.rawValue
        device.functions.pipelineBarrier(
            resources.commands, stages,
            VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT.rawValue | VK_PIPELINE_STAGE_TRANSFER_BIT.rawValue, 0, 1, &memory, 0,
            nil, 0, nil)
        barriers += 1
    }
}

/// What was read and written since the last barrier.
struct HazardTracker {
    private struct Use {
        let allocation: ObjectIdentifier
        let bytes: Range<Int>
        let access: Access
        let stage: VkPipelineStageFlags
    }

    private var uses: [Use] = []

    /// The stages to wait for, if a binding meets an earlier use and one of the two writes.
    func conflict(_ bindings: [Binding]) -> VkPipelineStageFlags? {
        let meets = bindings.contains { binding in
            let slice = binding.slice
            let bytes = slice.offset..<(slice.offset + slice.bytes)
            return uses.contains {
                $0.allocation == ObjectIdentifier(slice.allocation) && $0.bytes.overlaps(bytes)
                    && ($0.access == .write || binding.access == .write)
            }
        }
        return meets ? uses.reduce(0) { $0 | $1.stage } : nil
    }

    mutating func note(_ bindings: [Binding], stage: VkPipelineStageFlags) {
        for binding in bindings {
            let slice = binding.slice
            uses.append(
                Use(
                    allocation: ObjectIdentifier(slice.allocation),
                    bytes: slice.offset..<(slice.offset + slice.bytes), access: binding.access, stage: stage))
        }
    }

    mutating func clear() { uses.removeAll(keepingCapacity: true) }
}
