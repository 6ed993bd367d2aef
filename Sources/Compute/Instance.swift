internal import CVulkan
internal import Synchronization

/// A connection to the Vulkan loader. Safe to share between threads.
public final class Instance: Sendable {
    /// What the validation layers said, in order. Always empty without validation.
    public var messages: [String] { sink.messages.withLock { $0 } }
    /// Whether this instance checks what it is told.
    public let validates: Bool

    let functions: InstanceFunctions
    nonisolated(unsafe) let handle: VkInstance
    private nonisolated(unsafe) let messenger: VkDebugUtilsMessengerEXT?
    private let sink: MessageSink

    /// - Parameter validation: load VK_LAYER_KHRONOS_validation with its synchronisation checks, and collect what it
    ///   says in `messages`. For tests: everything becomes many times slower.
    /// - Throws: `ComputeError.noLoader`, `.noDriver`, `.noValidationLayer`.
    public init(validation: Bool = false) throws(ComputeError) {
        let loader = try Loader.shared()
        var version: UInt32 = 0
        try loader.enumerateInstanceVersion(&version).check("vkEnumerateInstanceVersion", device: "the Vulkan loader")
        guard version >= vulkanVersion(1, 2) else {
            throw .unsuitable(device: "the Vulkan loader", lacks: "Vulkan 1.2")
        }
        if validation, !Instance.hasValidationLayer(loader) { throw .noValidationLayer }

        let scratch = Scratch()
        let sink = MessageSink()
        var application = VkApplicationInfo()
        application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO
        application.pApplicationName = scratch.place("upframe")
        application.apiVersion = vulkanVersion(1, 3)

        var info = VkInstanceCreateInfo()
        info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO
        info.pApplicationInfo = UnsafePointer(scratch.place(application))
        var messengerInfo = VkDebugUtilsMessengerCreateInfoEXT()
        if validation {
            messengerInfo.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT
            messengerInfo.messageSeverity =
                VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT.rawValue
                | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT.rawValue
            messengerInfo.messageType =
                VK_DEBUG_UTILS_MESSAGE_TYPE_GENERAL_BIT_EXT.rawValue
                | VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT.rawValue
                | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT.rawValue
            messengerInfo.pfnUserCallback = { _, _, data, context in
                if let data, let context, let text = data.pointee.pMessage {
                    Unmanaged<MessageSink>.fromOpaque(context).takeUnretainedValue().add(String(cString: text))
                }
                return VkBool32(VK_FALSE)
            }
            messengerInfo.pUserData = Unmanaged.passUnretained(sink).toOpaque()

            var features = VkValidationFeaturesEXT()
            features.sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT
            let enabled = [VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT]
            features.enabledValidationFeatureCount = UInt32(enabled.count)
            features.pEnabledValidationFeatures = UnsafePointer(scratch.place(array: enabled))
            info.pNext = UnsafeRawPointer(scratch.place(features))
            info.enabledLayerCount = 1
            info.ppEnabledLayerNames = scratch.place(strings: [validationLayer])
            info.enabledExtensionCount = 2
            info.ppEnabledExtensionNames = scratch.place(strings: [
                VK_EXT_DEBUG_UTILS_EXTENSION_NAME, VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME,
            ])
        }

        var created: VkInstance?
        let result = loader.createInstance(&info, nil, &created)
        if result == VK_ERROR_INCOMPATIBLE_DRIVER { throw .noDriver }
        if result == VK_ERROR_EXTENSION_NOT_PRESENT && validation { throw .noValidationLayer }
        try result.check("vkCreateInstance", device: "the Vulkan loader")
        handle = created!
        functions = try InstanceFunctions(loader, created!)
        validates = validation
        self.sink = sink
        var messenger: VkDebugUtilsMessengerEXT?
        if validation, let create = functions.createMessenger {
            try create(created!, &messengerInfo, nil, &messenger)
                .check("vkCreateDebugUtilsMessengerEXT", device: "the Vulkan loader")
        }
        self.messenger = messenger
    }

    deinit {
        if let messenger { functions.destroyMessenger?(handle, messenger, nil) }
        functions.destroyInstance(handle, nil)
    }

    private static func hasValidationLayer(_ loader: Loader) -> Bool {
        let layers = enumerate(of: VkLayerProperties()) { loader.enumerateInstanceLayerProperties($0, $1) }
        guard case .success(let layers) = layers else { return false }
        return layers.contains { string(fromCharacters: $0.layerName) == validationLayer }
    }

    /// Every device that some driver offers, in the loader's order: the n of `--device vulkan:n`.
    ///
    /// - Throws: `ComputeError.noDriver` when there is none.
    public func physicalDevices() throws(ComputeError) -> [PhysicalDevice] {
        let found = enumerate(of: VkPhysicalDevice?.none) { functions.enumeratePhysicalDevices(handle, $0, $1) }
        let handles: [VkPhysicalDevice?]
        switch found {
        case .success(let list): handles = list
        case .failure(let failure) where failure.result == VK_ERROR_INITIALIZATION_FAILED: throw .noDriver
        case .failure(let failure):
            try failure.result.check("vkEnumeratePhysicalDevices", device: "the Vulkan loader")
            handles = []
        }
        if handles.isEmpty { throw .noDriver }
        return handles.enumerated().map { PhysicalDevice(instance: self, handle: $1!, index: $0) }
    }
}

private let validationLayer = "VK_LAYER_KHRONOS_validation"

/// Where the validation layer's callback, which may come from any thread, leaves its messages.
private final class MessageSink: Sendable {
    let messages = Mutex<[String]>([])

    /// Layers before 1.3.255 do not know VK_KHR_cooperative_matrix, and say so of every device that is opened with it.
    func add(_ message: String) {
        let isOfMatrices =
            message.contains("unknown VkStructureType (\(upframe_cooperative_matrix_features_type.rawValue))")
            || message.contains("\(VK_KHR_COOPERATIVE_MATRIX_EXTENSION_NAME) is not supported by this layer")
        if !isOfMatrices { messages.withLock { $0.append(message) } }
    }
}

/// A device that a driver offers.
public struct PhysicalDevice: Sendable {
    /// Its place in the loader's list.
    public let index: Int
    public internal(set) var capabilities: Capabilities

    let instance: Instance
    nonisolated(unsafe) let handle: VkPhysicalDevice

    init(instance: Instance, handle: VkPhysicalDevice, index: Int) {
        self.instance = instance
        self.handle = handle
        self.index = index
        capabilities = Capabilities(instance.functions, handle)
    }
}
