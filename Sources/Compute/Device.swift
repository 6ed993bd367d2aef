internal import CVulkan
internal import Synchronization

/// A logical device with one compute queue. Safe to share between threads.
public final class Device: Sendable {
    public let capabilities: Capabilities
    /// The loader's index of its physical device.
    public let index: Int
    public var name: String { capabilities.name }
    public let instance: Instance
    /// Counts submissions; see `Timeline`.
    public let timeline: Timeline

    let functions: DeviceFunctions
    nonisolated(unsafe) let handle: VkDevice
    let queueFamily: UInt32
    let memoryTypes: [MemoryType]
    private let queue: Mutex<Queue>
    /// What was done with this device so far.
    let counters = Counters()
    /// Bytes that may be allocated on it together; the rest is refused as a full device refuses it.
    public let memoryLimit: Int

    /// The queue is used by one thread at a time.
    private struct Queue: @unchecked Sendable {
        let handle: VkQueue
    }

    struct MemoryType: Sendable {
        let flags: VkMemoryPropertyFlags
        let heap: Int
    }

    /// Nil unless it was opened to describe pipelines, and can.
    let pipelineFunctions: PipelineFunctions?

    /// - Parameters:
    ///   - memoryLimit: bytes that buffers may take together; more is refused as if the device were full.
    ///   - describesPipelines: only pipelines are made, for their statistics, and nothing is submitted: so drivers will do that
    ///     compile for a device that is not there.
    /// - Throws: `ComputeError.unsuitable` when the device lacks what this module needs.
    public init(
        _ physical: PhysicalDevice, memoryLimit: Int = .max, describesPipelines: Bool = false
    ) throws(ComputeError) {
        self.memoryLimit = memoryLimit
        let capabilities = physical.capabilities
        if let missing = capabilities.missing { throw .unsuitable(device: capabilities.name, lacks: missing) }
        let instance = physical.instance
        guard let family = Device.computeFamily(instance.functions, physical.handle) else {
            throw .unsuitable(device: capabilities.name, lacks: "a compute queue")
        }

        let scratch = Scratch()
        var queueInfo = VkDeviceQueueCreateInfo()
        queueInfo.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO
        queueInfo.queueFamilyIndex = family
        queueInfo.queueCount = 1
        queueInfo.pQueuePriorities = UnsafePointer(scratch.place(Float(1)))

        let features11 = scratch.place(VkPhysicalDeviceVulkan11Features())
        features11.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES
        features11.pointee.storageBuffer16BitAccess = VkBool32(capabilities.has16BitStorage ? VK_TRUE : VK_FALSE)
        let features12 = scratch.place(VkPhysicalDeviceVulkan12Features())
        features12.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES
        features12.pointee.timelineSemaphore = VkBool32(VK_TRUE)
        features12.pointee.shaderFloat16 = VkBool32(capabilities.hasFloat16Arithmetic ? VK_TRUE : VK_FALSE)
        features12.pointee.vulkanMemoryModel = VkBool32(capabilities.hasVulkanMemoryModel ? VK_TRUE : VK_FALSE)
        features12.pointee.pNext = UnsafeMutableRawPointer(features11)
        if capabilities.hasSubgroupSizeControl {
            let features13 = scratch.place(VkPhysicalDeviceVulkan13Features())
            features13.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES
            features13.pointee.subgroupSizeControl = VkBool32(VK_TRUE)
            features13.pointee.computeFullSubgroups = VkBool32(VK_TRUE)
            features11.pointee.pNext = UnsafeMutableRawPointer(features13)
        }
        var extensions: [String] = []
        var next = UnsafeRawPointer(features12)
        if !capabilities.cooperativeMatrices.isEmpty {
            let matrices = scratch.place(VkPhysicalDeviceCooperativeMatrixFeaturesKHR())
            matrices.pointee.sType = upframe_cooperative_matrix_features_type
            matrices.pointee.cooperativeMatrix = VkBool32(VK_TRUE)
            matrices.pointee.pNext = UnsafeMutableRawPointer(features12)
            next = UnsafeRawPointer(matrices)
            extensions.append(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME)
        }
        let isRobust = capabilities.quirks.contains(.needsRobustness)
        if isRobust && capabilities.hasRobustBuffers {
            let robustness = scratch.place(VkPhysicalDeviceRobustness2FeaturesEXT())
            robustness.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT
            robustness.pointee.robustBufferAccess2 = VkBool32(VK_TRUE)
            robustness.pointee.pNext = UnsafeMutableRawPointer(mutating: next)
            next = UnsafeRawPointer(robustness)
            extensions.append(VK_EXT_ROBUSTNESS_2_EXTENSION_NAME)
        }
        let describesPipelines = describesPipelines && capabilities.hasPipelineStatistics
        if describesPipelines {
            let statistics = scratch.place(VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR())
            statistics.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR
            statistics.pointee.pipelineExecutableInfo = VkBool32(VK_TRUE)
            statistics.pointee.pNext = UnsafeMutableRawPointer(mutating: next)
            next = UnsafeRawPointer(statistics)
            extensions.append(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME)
        }
        var features = VkPhysicalDeviceFeatures()
        features.shaderInt64 = VkBool32(capabilities.hasInt64 ? VK_TRUE : VK_FALSE)
        // Every device has it; robustBufferAccess2 asks for it.
        features.robustBufferAccess = VkBool32(isRobust ? VK_TRUE : VK_FALSE)
        var info = VkDeviceCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO
        info.pEnabledFeatures = UnsafePointer(scratch.place(features))
        info.pNext = next
        info.queueCreateInfoCount = 1
        info.pQueueCreateInfos = UnsafePointer(scratch.place(queueInfo))
        info.enabledExtensionCount = UInt32(extensions.count)
        info.ppEnabledExtensionNames = scratch.place(strings: extensions)

        var created: VkDevice?
        try instance.functions.createDevice(physical.handle, &info, nil, &created)
            .check("vkCreateDevice", device: capabilities.name)
        let functions = try DeviceFunctions(
            instance.functions.getDeviceProcAddr, created!, name: capabilities.name)
        var queue: VkQueue?
        functions.getQueue(created!, family, 0, &queue)

        var memory = VkPhysicalDeviceMemoryProperties()
        instance.functions.getMemoryProperties(physical.handle, &memory)
        memoryTypes = withUnsafeBytes(of: &memory.memoryTypes) { bytes in
            bytes.bindMemory(to: VkMemoryType.self).prefix(Int(memory.memoryTypeCount)).map {
                MemoryType(flags: $0.propertyFlags, heap: Int($0.heapIndex))
            }
        }
        self.capabilities = capabilities
        index = physical.index
        self.instance = instance
        self.functions = functions
        handle = created!
        queueFamily = family
        self.queue = Mutex(Queue(handle: queue!))
        pipelineFunctions =
            describesPipelines ? PipelineFunctions(instance.functions.getDeviceProcAddr, created!) : nil
        timeline = try Timeline(
            functions, created!, deviceName: capabilities.name, counters, isUsed: pipelineFunctions == nil)
    }

    deinit {
        // Everything that was submitted is retained by its command list, which waited for it; this is for the driver's
        // own threads.
        if pipelineFunctions == nil { _ = functions.waitIdle(handle) }
        timeline.destroy()
        functions.destroyDevice(handle, nil)
    }

    /// Reserves bytes within the limit.
    func reserve(_ bytes: Int) throws(ComputeError) {
        if counters.allocated(bytes) > memoryLimit {
            counters.freed(bytes)
            throw .outOfMemory(device: name, bytes: bytes)
        }
    }

    /// What was done so far; see `DeviceActivity`.
    public var activity: DeviceActivity { counters.reading }

    private static func computeFamily(_ functions: InstanceFunctions, _ device: VkPhysicalDevice) -> UInt32? {
        var count: UInt32 = 0
        functions.getQueueFamilyProperties(device, &count, nil)
        var families = [VkQueueFamilyProperties](repeating: VkQueueFamilyProperties(), count: Int(count))
        functions.getQueueFamilyProperties(device, &count, &families)
        return families.firstIndex { $0.queueFlags & VK_QUEUE_COMPUTE_BIT.rawValue != 0 }.map(UInt32.init)
    }

    func check(_ result: VkResult, _ call: String, bytes: Int = 0) throws(ComputeError) {
        if result == VK_ERROR_DEVICE_LOST { lose() }
        try result.check(call, device: name, bytes: bytes)
    }

    /// Notes that the device is lost: from now on submissions throw `ComputeError.deviceLost`. Tests call it in the place
    /// of a driver.
    func lose() { timeline.isLost.store(true, ordering: .relaxed) }

    /// Hands a recorded command buffer to the queue and returns the timeline's value that says it is done. Does not
    /// block. Submissions run in order.
    func submit(_ commands: VkCommandBuffer) throws(ComputeError) -> UInt64 {
        precondition(pipelineFunctions == nil, "\(name) was opened to describe pipelines")
        // Nested instead of placed in a `Scratch`: this is called for every frame, and allocates nothing.
        let outcome = queue.withLock { queue -> (VkResult, UInt64) in
            let value = timeline.next()
            let result = withUnsafePointer(to: value) { value in
                var timelineInfo = VkTimelineSemaphoreSubmitInfo()
                timelineInfo.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO
                timelineInfo.signalSemaphoreValueCount = 1
                timelineInfo.pSignalSemaphoreValues = value
                return withUnsafePointer(to: timelineInfo) { timelineInfo in
                    withUnsafePointer(to: VkCommandBuffer?.some(commands)) { commands in
                        withUnsafePointer(to: timeline.handle) { semaphore in
                            var info = VkSubmitInfo()
                            info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO
                            info.pNext = UnsafeRawPointer(timelineInfo)
                            info.commandBufferCount = 1
                            info.pCommandBuffers = commands
                            info.signalSemaphoreCount = 1
                            info.pSignalSemaphores = semaphore
                            // A driver that has lost the device says so again, or hangs.
                            if timeline.isLost.load(ordering: .relaxed) { return VK_ERROR_DEVICE_LOST }
                            return functions.queueSubmit(queue.handle, 1, &info, nil)
                        }
                    }
                }
            }
            if result != VK_SUCCESS { timeline.takeBack() } else { counters.add(.submission) }
            return (result, value)
        }
        try check(outcome.0, "vkQueueSubmit")
        return outcome.1
    }
}
