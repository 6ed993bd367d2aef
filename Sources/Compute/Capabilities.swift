internal import CVulkan

/// What a device can do, read once. Only tests change it, to make up devices.
public struct Capabilities: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
        case discrete, integrated, virtual, software, other
    }

    public struct Heap: Sendable, Hashable {
        public let bytes: Int
        public let isDeviceLocal: Bool
    }

    public enum Component: String, Sendable, Hashable {
        case float16, float32, other
    }

    /// A shape of matrix product that a subgroup computes together: C [m, n] += A [m, k] B [k, n].
    public struct CooperativeMatrix: Sendable, Hashable {
        public let m, n, k: Int
        public let operands: Component
        public let accumulator: Component
    }

    public internal(set) var name: String
    public internal(set) var vendorID: UInt32
    public internal(set) var deviceID: UInt32
    public internal(set) var kind: Kind
    public internal(set) var driverName: String
    public internal(set) var driverInfo: String
    public internal(set) var driverVersion: UInt32
    /// Of Vulkan, as (major, minor).
    public internal(set) var apiMajor, apiMinor: Int
    /// Names this device and this build of its driver: the key of everything that is cached for it.
    public internal(set) var identity: String

    public internal(set) var hasFloat16Arithmetic: Bool
    public internal(set) var has16BitStorage: Bool
    public internal(set) var hasInt64: Bool
    public internal(set) var hasTimelineSemaphores: Bool
    public internal(set) var hasBufferDeviceAddress: Bool
    public internal(set) var hasVulkanMemoryModel: Bool
    /// VK_EXT_robustness2's robustBufferAccess2.
    public internal(set) var hasRobustBuffers: Bool
    /// Support of VK_KHR_pipeline_executable_properties: the compiler's statistics of a pipeline.
    public internal(set) var hasPipelineStatistics: Bool

    public internal(set) var subgroupSize: Int
    /// The subgroup sizes that a pipeline can ask for; only `subgroupSize` where it cannot ask.
    public internal(set) var subgroupSizes: ClosedRange<Int>
    /// Whether a pipeline can ask for a subgroup size, and for all subgroups to be full.
    public internal(set) var hasSubgroupSizeControl: Bool
    public internal(set) var sharedMemoryBytes: Int
    public internal(set) var maximumGroupSize: Int
    /// Workgroups of one dispatch, per axis.
    public internal(set) var maximumGroups: [Int]
    public internal(set) var maximumPushConstantBytes: Int
    public internal(set) var maximumStorageBuffers: Int
    /// Bytes that one binding of a storage buffer may span.
    public internal(set) var maximumBindingBytes: Int
    /// Texels that one binding of a texel buffer may span.
    public internal(set) var maximumTexels: Int
    /// Bytes of one allocation and of one buffer.
    public internal(set) var maximumBufferBytes: Int
    /// What a binding's offset must be a multiple of.
    public internal(set) var bindingAlignment: Int
    /// What ranges of cached memory that is not coherent must be multiples of.
    public internal(set) var atomBytes: Int
    public internal(set) var heaps: [Heap]
    /// Nanoseconds a tick; 0 when the device has no clock for compute work.
    public internal(set) var timestampNanoseconds: Double
    /// Empty without VK_KHR_cooperative_matrix.
    public internal(set) var cooperativeMatrices: [CooperativeMatrix]

    public internal(set) var quirks: Set<Quirk>

    /// Computes on the processor (llvmpipe, SwiftShader): for tests, never a good choice.
    public var isSoftware: Bool { kind == .software }

    public var vendor: String { vendorNames[vendorID] ?? "vendor \(String(vendorID, radix: 16))" }

    /// Bytes of the largest heap that lies on the device.
    public var deviceMemoryBytes: Int {
        heaps.filter(\.isDeviceLocal).map(\.bytes).max() ?? heaps.map(\.bytes).max() ?? 0
    }

    /// The first requirement of this module that the device misses; nil when it is fit.
    public var missing: String? {
        if (apiMajor, apiMinor) < (1, 2) { return "Vulkan 1.2" }
        if !hasTimelineSemaphores { return "timeline semaphores" }
        if maximumPushConstantBytes < 128 { return "128 bytes of push constants" }
        return nil
    }
}

private let vendorNames: [UInt32: String] = [
    0x1002: "AMD", 0x10DE: "NVIDIA", 0x8086: "Intel", 0x13B5: "Arm", 0x5143: "Qualcomm", 0x106B: "Apple",
    0x1010: "Imagination", 0x14E4: "Broadcom", 0x10005: "Mesa", 0x1AE0: "Google",
]

// MARK: Reading

extension Capabilities {
    init(_ functions: InstanceFunctions, _ device: VkPhysicalDevice) {
        var basic = VkPhysicalDeviceProperties()
        functions.getProperties(device, &basic)
        let scratch = Scratch()
        let extensions = Capabilities.extensions(functions, device)

        // Structures of versions that the driver does not speak stay as they are: zero.
        let subgroup = scratch.place(VkPhysicalDeviceSubgroupProperties())
        subgroup.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES
        let identifiers = scratch.place(VkPhysicalDeviceIDProperties())
        identifiers.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES
        identifiers.pointee.pNext = UnsafeMutableRawPointer(subgroup)
        let maintenance3 = scratch.place(VkPhysicalDeviceMaintenance3Properties())
        maintenance3.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES
        maintenance3.pointee.pNext = UnsafeMutableRawPointer(identifiers)
        let driver = scratch.place(VkPhysicalDeviceDriverProperties())
        driver.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES
        driver.pointee.pNext = UnsafeMutableRawPointer(maintenance3)
        let maintenance4 = scratch.place(VkPhysicalDeviceMaintenance4Properties())
        maintenance4.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES
        maintenance4.pointee.pNext = UnsafeMutableRawPointer(driver)
        let sizes = scratch.place(VkPhysicalDeviceSubgroupSizeControlProperties())
        sizes.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES
        sizes.pointee.pNext = UnsafeMutableRawPointer(maintenance4)
        var properties = VkPhysicalDeviceProperties2()
        properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2
        let speaks12 = basic.apiVersion >= vulkanVersion(1, 2)
        let speaks13 = basic.apiVersion >= vulkanVersion(1, 3)
        properties.pNext =
            speaks13
            ? UnsafeMutableRawPointer(sizes)
            : speaks12 ? UnsafeMutableRawPointer(driver) : UnsafeMutableRawPointer(maintenance3)
        functions.getProperties2(device, &properties)
        let limits = properties.properties.limits

        let features11 = scratch.place(VkPhysicalDeviceVulkan11Features())
        features11.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES
        let features12 = scratch.place(VkPhysicalDeviceVulkan12Features())
        features12.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES
        features12.pointee.pNext = UnsafeMutableRawPointer(features11)
        let features13 = scratch.place(VkPhysicalDeviceVulkan13Features())
        features13.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES
        if speaks13 { features11.pointee.pNext = UnsafeMutableRawPointer(features13) }
        let matrices = scratch.place(VkPhysicalDeviceCooperativeMatrixFeaturesKHR())
        matrices.pointee.sType = upframe_cooperative_matrix_features_type
        var features = VkPhysicalDeviceFeatures2()
        features.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2
        if speaks12 { features.pNext = UnsafeMutableRawPointer(features12) }
        if extensions.contains(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME) {
            matrices.pointee.pNext = features.pNext
            features.pNext = UnsafeMutableRawPointer(matrices)
        }
        let robustness = scratch.place(VkPhysicalDeviceRobustness2FeaturesEXT())
        robustness.pointee.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT
        if extensions.contains(VK_EXT_ROBUSTNESS_2_EXTENSION_NAME) {
            robustness.pointee.pNext = features.pNext
            features.pNext = UnsafeMutableRawPointer(robustness)
        }
        functions.getFeatures2(device, &features)

        var memory = VkPhysicalDeviceMemoryProperties()
        functions.getMemoryProperties(device, &memory)
        heaps = withUnsafeBytes(of: &memory.memoryHeaps) { bytes in
            bytes.bindMemory(to: VkMemoryHeap.self).prefix(Int(memory.memoryHeapCount)).map { heap in
                Heap(
                    bytes: Int(clamping: heap.size),
                    isDeviceLocal: heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT.rawValue != 0)
            }
        }

        name = string(fromCharacters: basic.deviceName)
        vendorID = basic.vendorID
        deviceID = basic.deviceID
        driverVersion = basic.driverVersion
        apiMajor = Int(basic.apiVersion >> 22 & 0x7F)
        apiMinor = Int(basic.apiVersion >> 12 & 0x3FF)
        driverName = string(fromCharacters: driver.pointee.driverName)
        driverInfo = string(fromCharacters: driver.pointee.driverInfo)
        identity =
            hexadecimal(basic.pipelineCacheUUID) + "-" + hexadecimal(identifiers.pointee.driverUUID).prefix(16) + "-"
            + String(basic.vendorID, radix: 16) + "-" + String(basic.deviceID, radix: 16) + "-"
            + String(basic.driverVersion, radix: 16)
        switch basic.deviceType {
        case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: kind = .discrete
        case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: kind = .integrated
        case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: kind = .virtual
        case VK_PHYSICAL_DEVICE_TYPE_CPU: kind = .software
        default: kind = .other
        }

        let yes = VkBool32(VK_TRUE)
        hasFloat16Arithmetic = features12.pointee.shaderFloat16 == yes
        has16BitStorage = features11.pointee.storageBuffer16BitAccess == yes
        hasInt64 = features.features.shaderInt64 == yes
        hasTimelineSemaphores = features12.pointee.timelineSemaphore == yes
        hasBufferDeviceAddress = features12.pointee.bufferDeviceAddress == yes
        hasRobustBuffers = robustness.pointee.robustBufferAccess2 == yes
        hasPipelineStatistics = extensions.contains(VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME)
        hasVulkanMemoryModel = features12.pointee.vulkanMemoryModel == yes

        let isForCompute =
            sizes.pointee.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT.rawValue != 0
        hasSubgroupSizeControl =
            features13.pointee.subgroupSizeControl == yes && features13.pointee.computeFullSubgroups == yes
            && isForCompute
        (subgroupSize, subgroupSizes) = Capabilities.subgroups(
            size: Int(subgroup.pointee.subgroupSize),
            range: hasSubgroupSizeControl
                ? (Int(sizes.pointee.minSubgroupSize), Int(sizes.pointee.maxSubgroupSize)) : nil)
        sharedMemoryBytes = Int(limits.maxComputeSharedMemorySize)
        maximumGroupSize = Int(limits.maxComputeWorkGroupInvocations)
        maximumGroups = [
            Int(limits.maxComputeWorkGroupCount.0), Int(limits.maxComputeWorkGroupCount.1),
            Int(limits.maxComputeWorkGroupCount.2),
        ]
        maximumPushConstantBytes = Int(limits.maxPushConstantsSize)
        maximumStorageBuffers = Int(limits.maxPerStageDescriptorStorageBuffers)
        maximumBindingBytes = Int(limits.maxStorageBufferRange)
        let allocation = Int(clamping: maintenance3.pointee.maxMemoryAllocationSize)
        let buffer = speaks13 ? Int(clamping: maintenance4.pointee.maxBufferSize) : Int.max
        maximumBufferBytes = min(allocation, buffer)
        maximumTexels = Int(limits.maxTexelBufferElements)
        bindingAlignment = max(
            4, Int(limits.minStorageBufferOffsetAlignment), Int(limits.minTexelBufferOffsetAlignment))
        atomBytes = max(1, Int(limits.nonCoherentAtomSize))
        timestampNanoseconds =
            limits.timestampComputeAndGraphics == yes ? Double(limits.timestampPeriod) : 0
        cooperativeMatrices =
            matrices.pointee.cooperativeMatrix == yes ? Capabilities.matrices(functions, device) : []
        quirks = []
        quirks = Quirk.found(self)
    }

    private static func extensions(_ functions: InstanceFunctions, _ device: VkPhysicalDevice) -> Set<String> {
        let found = enumerate(of: VkExtensionProperties()) { functions.enumerateExtensions(device, nil, $0, $1) }
        guard case .success(let list) = found else { return [] }
        return Set(list.map { string(fromCharacters: $0.extensionName) })
    }

    private static func matrices(_ functions: InstanceFunctions, _ device: VkPhysicalDevice) -> [CooperativeMatrix] {
        guard let get = functions.getCooperativeMatrices else { return [] }
        var empty = VkCooperativeMatrixPropertiesKHR()
        empty.sType = upframe_cooperative_matrix_properties_type
        guard case .success(let list) = enumerate(of: empty, { get(device, $0, $1) }) else { return [] }
        func component(_ type: VkComponentTypeKHR) -> Component {
            switch type {
            case VK_COMPONENT_TYPE_FLOAT16_KHR: .float16
            case VK_COMPONENT_TYPE_FLOAT32_KHR: .float32
            default: .other
            }
        }
        return list.filter { $0.scope == VK_SCOPE_SUBGROUP_KHR && $0.AType == $0.BType && $0.CType == $0.ResultType }
            .map {
                CooperativeMatrix(
                    m: Int($0.MSize), n: Int($0.NSize), k: Int($0.KSize), operands: component($0.AType),
                    accumulator: component($0.CType))
            }
    }
}
