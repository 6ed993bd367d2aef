internal import CVulkan

/// The instance's functions. Names are Vulkan's without their prefix.
struct InstanceFunctions: Sendable {
    let destroyInstance: PFN_vkDestroyInstance
    let enumeratePhysicalDevices: PFN_vkEnumeratePhysicalDevices
    let getProperties: PFN_vkGetPhysicalDeviceProperties
    let getProperties2: PFN_vkGetPhysicalDeviceProperties2
    let getFeatures2: PFN_vkGetPhysicalDeviceFeatures2
    let getMemoryProperties: PFN_vkGetPhysicalDeviceMemoryProperties
    let getQueueFamilyProperties: PFN_vkGetPhysicalDeviceQueueFamilyProperties
    let enumerateExtensions: PFN_vkEnumerateDeviceExtensionProperties
    let createDevice: PFN_vkCreateDevice
    let getDeviceProcAddr: PFN_vkGetDeviceProcAddr
    // There only with their extension.
    let createMessenger: PFN_vkCreateDebugUtilsMessengerEXT?
    let destroyMessenger: PFN_vkDestroyDebugUtilsMessengerEXT?
    let getCooperativeMatrices: PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR?

    init(_ loader: Loader, _ instance: VkInstance) throws(ComputeError) {
        func optional<T>(_ name: String, _ type: T.Type) -> T? {
            loader.getInstanceProcAddr(instance, name).map { unsafeBitCast($0, to: type) }
        }
        func needed<T>(_ name: String, _ type: T.Type) throws(ComputeError) -> T {
            guard let function = optional(name, type) else {
                throw .unsuitable(device: "the Vulkan loader", lacks: "the function \(name)")
            }
            return function
        }
        destroyInstance = try needed("vkDestroyInstance", PFN_vkDestroyInstance.self)
        enumeratePhysicalDevices = try needed("vkEnumeratePhysicalDevices", PFN_vkEnumeratePhysicalDevices.self)
        getProperties = try needed("vkGetPhysicalDeviceProperties", PFN_vkGetPhysicalDeviceProperties.self)
        getProperties2 = try needed("vkGetPhysicalDeviceProperties2", PFN_vkGetPhysicalDeviceProperties2.self)
        getFeatures2 = try needed("vkGetPhysicalDeviceFeatures2", PFN_vkGetPhysicalDeviceFeatures2.self)
        getMemoryProperties = try needed(
            "vkGetPhysicalDeviceMemoryProperties", PFN_vkGetPhysicalDeviceMemoryProperties.self)
        getQueueFamilyProperties = try needed(
            "vkGetPhysicalDeviceQueueFamilyProperties", PFN_vkGetPhysicalDeviceQueueFamilyProperties.self)
        enumerateExtensions = try needed(
            "vkEnumerateDeviceExtensionProperties", PFN_vkEnumerateDeviceExtensionProperties.self)
        createDevice = try needed("vkCreateDevice", PFN_vkCreateDevice.self)
        getDeviceProcAddr = try needed("vkGetDeviceProcAddr", PFN_vkGetDeviceProcAddr.self)
        createMessenger = optional("vkCreateDebugUtilsMessengerEXT", PFN_vkCreateDebugUtilsMessengerEXT.self)
        destroyMessenger = optional("vkDestroyDebugUtilsMessengerEXT", PFN_vkDestroyDebugUtilsMessengerEXT.self)
        getCooperativeMatrices = optional(
            "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR",
            PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR.self)
    }
}

/// A logical device's functions, without the loader's dispatch in between.
struct DeviceFunctions: Sendable {
    let destroyDevice: PFN_vkDestroyDevice
    let getQueue: PFN_vkGetDeviceQueue
    let queueSubmit: PFN_vkQueueSubmit
    let waitIdle: PFN_vkDeviceWaitIdle
    let allocateMemory: PFN_vkAllocateMemory
    let freeMemory: PFN_vkFreeMemory
    let mapMemory: PFN_vkMapMemory
    let flushMemory: PFN_vkFlushMappedMemoryRanges
    let invalidateMemory: PFN_vkInvalidateMappedMemoryRanges
    let createBuffer: PFN_vkCreateBuffer
    let destroyBuffer: PFN_vkDestroyBuffer
    let createBufferView: PFN_vkCreateBufferView
    let destroyBufferView: PFN_vkDestroyBufferView
    let getBufferRequirements: PFN_vkGetBufferMemoryRequirements
    let bindBuffer: PFN_vkBindBufferMemory
    let createSemaphore: PFN_vkCreateSemaphore
    let destroySemaphore: PFN_vkDestroySemaphore
    let waitSemaphores: PFN_vkWaitSemaphores
    let getSemaphoreValue: PFN_vkGetSemaphoreCounterValue
    let createShaderModule: PFN_vkCreateShaderModule
    let destroyShaderModule: PFN_vkDestroyShaderModule
    let createSetLayout: PFN_vkCreateDescriptorSetLayout
    let destroySetLayout: PFN_vkDestroyDescriptorSetLayout
    let createPipelineLayout: PFN_vkCreatePipelineLayout
    let destroyPipelineLayout: PFN_vkDestroyPipelineLayout
    let createPipelineCache: PFN_vkCreatePipelineCache
    let destroyPipelineCache: PFN_vkDestroyPipelineCache
    let getPipelineCacheData: PFN_vkGetPipelineCacheData
    let createPipelines: PFN_vkCreateComputePipelines
    let destroyPipeline: PFN_vkDestroyPipeline
    let createDescriptorPool: PFN_vkCreateDescriptorPool
    let destroyDescriptorPool: PFN_vkDestroyDescriptorPool
    let allocateSets: PFN_vkAllocateDescriptorSets
    let updateSets: PFN_vkUpdateDescriptorSets
    let createCommandPool: PFN_vkCreateCommandPool
    let destroyCommandPool: PFN_vkDestroyCommandPool
    let allocateCommandBuffers: PFN_vkAllocateCommandBuffers
    let beginCommandBuffer: PFN_vkBeginCommandBuffer
    let endCommandBuffer: PFN_vkEndCommandBuffer
    let bindPipeline: PFN_vkCmdBindPipeline
    let bindSets: PFN_vkCmdBindDescriptorSets
    let pushConstants: PFN_vkCmdPushConstants
    let dispatch: PFN_vkCmdDispatch
    let pipelineBarrier: PFN_vkCmdPipelineBarrier
    let copyBuffer: PFN_vkCmdCopyBuffer
    let createQueryPool: PFN_vkCreateQueryPool
    let destroyQueryPool: PFN_vkDestroyQueryPool
    let resetQueryPool: PFN_vkCmdResetQueryPool
    let writeTimestamp: PFN_vkCmdWriteTimestamp
    let getQueryResults: PFN_vkGetQueryPoolResults

    init(_ get: PFN_vkGetDeviceProcAddr, _ device: VkDevice, name deviceName: String) throws(ComputeError) {
        func needed<T>(_ name: String, _ type: T.Type) throws(ComputeError) -> T {
            guard let function = get(device, name) else {
                throw .unsuitable(device: deviceName, lacks: "the function \(name)")
            }
            return unsafeBitCast(function, to: type)
        }
        destroyDevice = try needed("vkDestroyDevice", PFN_vkDestroyDevice.self)
        getQueue = try needed("vkGetDeviceQueue", PFN_vkGetDeviceQueue.self)
        queueSubmit = try needed("vkQueueSubmit", PFN_vkQueueSubmit.self)
        waitIdle = try needed("vkDeviceWaitIdle", PFN_vkDeviceWaitIdle.self)
        allocateMemory = try needed("vkAllocateMemory", PFN_vkAllocateMemory.self)
        freeMemory = try needed("vkFreeMemory", PFN_vkFreeMemory.self)
        mapMemory = try needed("vkMapMemory", PFN_vkMapMemory.self)
        flushMemory = try needed("vkFlushMappedMemoryRanges", PFN_vkFlushMappedMemoryRanges.self)
        invalidateMemory = try needed("vkInvalidateMappedMemoryRanges", PFN_vkInvalidateMappedMemoryRanges.self)
        createBuffer = try needed("vkCreateBuffer", PFN_vkCreateBuffer.self)
        destroyBuffer = try needed("vkDestroyBuffer", PFN_vkDestroyBuffer.self)
        createBufferView = try needed("vkCreateBufferView", PFN_vkCreateBufferView.self)
        destroyBufferView = try needed("vkDestroyBufferView", PFN_vkDestroyBufferView.self)
        getBufferRequirements = try needed("vkGetBufferMemoryRequirements", PFN_vkGetBufferMemoryRequirements.self)
        bindBuffer = try needed("vkBindBufferMemory", PFN_vkBindBufferMemory.self)
        createSemaphore = try needed("vkCreateSemaphore", PFN_vkCreateSemaphore.self)
        destroySemaphore = try needed("vkDestroySemaphore", PFN_vkDestroySemaphore.self)
        waitSemaphores = try needed("vkWaitSemaphores", PFN_vkWaitSemaphores.self)
        getSemaphoreValue = try needed("vkGetSemaphoreCounterValue", PFN_vkGetSemaphoreCounterValue.self)
        createShaderModule = try needed("vkCreateShaderModule", PFN_vkCreateShaderModule.self)
        destroyShaderModule = try needed("vkDestroyShaderModule", PFN_vkDestroyShaderModule.self)
        createSetLayout = try needed("vkCreateDescriptorSetLayout", PFN_vkCreateDescriptorSetLayout.self)
        destroySetLayout = try needed("vkDestroyDescriptorSetLayout", PFN_vkDestroyDescriptorSetLayout.self)
        createPipelineLayout = try needed("vkCreatePipelineLayout", PFN_vkCreatePipelineLayout.self)
        destroyPipelineLayout = try needed("vkDestroyPipelineLayout", PFN_vkDestroyPipelineLayout.self)
        createPipelineCache = try needed("vkCreatePipelineCache", PFN_vkCreatePipelineCache.self)
        destroyPipelineCache = try needed("vkDestroyPipelineCache", PFN_vkDestroyPipelineCache.self)
        getPipelineCacheData = try needed("vkGetPipelineCacheData", PFN_vkGetPipelineCacheData.self)
        createPipelines = try needed("vkCreateComputePipelines", PFN_vkCreateComputePipelines.self)
        destroyPipeline = try needed("vkDestroyPipeline", PFN_vkDestroyPipeline.self)
        createDescriptorPool = try needed("vkCreateDescriptorPool", PFN_vkCreateDescriptorPool.self)
        destroyDescriptorPool = try needed("vkDestroyDescriptorPool", PFN_vkDestroyDescriptorPool.self)
        allocateSets = try needed("vkAllocateDescriptorSets", PFN_vkAllocateDescriptorSets.self)
        updateSets = try needed("vkUpdateDescriptorSets", PFN_vkUpdateDescriptorSets.self)
        createCommandPool = try needed("vkCreateCommandPool", PFN_vkCreateCommandPool.self)
        destroyCommandPool = try needed("vkDestroyCommandPool", PFN_vkDestroyCommandPool.self)
        allocateCommandBuffers = try needed("vkAllocateCommandBuffers", PFN_vkAllocateCommandBuffers.self)
        beginCommandBuffer = try needed("vkBeginCommandBuffer", PFN_vkBeginCommandBuffer.self)
        endCommandBuffer = try needed("vkEndCommandBuffer", PFN_vkEndCommandBuffer.self)
        bindPipeline = try needed("vkCmdBindPipeline", PFN_vkCmdBindPipeline.self)
        bindSets = try needed("vkCmdBindDescriptorSets", PFN_vkCmdBindDescriptorSets.self)
        pushConstants = try needed("vkCmdPushConstants", PFN_vkCmdPushConstants.self)
        dispatch = try needed("vkCmdDispatch", PFN_vkCmdDispatch.self)
        pipelineBarrier = try needed("vkCmdPipelineBarrier", PFN_vkCmdPipelineBarrier.self)
        copyBuffer = try needed("vkCmdCopyBuffer", PFN_vkCmdCopyBuffer.self)
        createQueryPool = try needed("vkCreateQueryPool", PFN_vkCreateQueryPool.self)
        destroyQueryPool = try needed("vkDestroyQueryPool", PFN_vkDestroyQueryPool.self)
        resetQueryPool = try needed("vkCmdResetQueryPool", PFN_vkCmdResetQueryPool.self)
        writeTimestamp = try needed("vkCmdWriteTimestamp", PFN_vkCmdWriteTimestamp.self)
        getQueryResults = try needed("vkGetQueryPoolResults", PFN_vkGetQueryPoolResults.self)
    }
}
