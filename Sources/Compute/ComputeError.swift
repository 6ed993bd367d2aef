internal import CVulkan

/// What a caller of this module cannot foresee. Descriptions are one line and name the remedy.
public enum ComputeError: Error, Sendable, Hashable, CustomStringConvertible {
    /// libvulkan.so.1 cannot be opened.
    case noLoader
    /// The loader is there, but no driver.
    case noDriver
    /// Only software drivers are there and none was asked for.
    case onlySoftware(name: String, index: Int)
    case noSuchDevice(index: Int, count: Int)
    /// The device lacks something without which nothing here works.
    case unsuitable(device: String, lacks: String)
    /// Validation was asked for, but its layer is not installed.
    case noValidationLayer
    case outOfMemory(device: String, bytes: Int)
    case deviceLost(device: String)
    /// The self-test found wrong results.
    case refused(device: String, reason: String)
    /// A wait took longer than its limit: the device hangs, or is very slow.
    case timeout(device: String, seconds: Double)
    /// Any other failure of a Vulkan call, with the result's name in Vulkan's own words.
    case failed(device: String, call: String, result: String)

    public var description: String {
        switch self {
        case .noLoader, .noDriver:
            "no Vulkan driver was found: install mesa-vulkan-drivers or your GPU's driver"
        case .onlySoftware(let name, let index):
            "the only Vulkan driver is software (\(name), device \(index)): install your GPU's driver, or ask for this one"
        case .noSuchDevice(let index, let count):
            "there is no Vulkan device \(index): "
                + (count == 1 ? "the only one is 0" : "there are 0 to \(count - 1)")
        case .unsuitable(let device, let lacks):
            "\(device) lacks \(lacks): update its driver, or use another device"
        case .noValidationLayer:
            "the Vulkan validation layer is not installed: install vulkan-validationlayers"
        case .outOfMemory(let device, let bytes):
            "\(device) has no room for \((bytes + (1 << 20) - 1) >> 20) MiB: use smaller tiles"
        case .deviceLost(let device):
            "\(device) was lost while computing: update its driver, or use another device"
        case .refused(let device, let reason):
            "\(device) computes wrong results (\(reason)): update its driver, or use another device"
        case .timeout(let device, let seconds):
            "\(device) did not finish within \(Int(seconds)) s: use smaller tiles, or another device"
        case .failed(let device, let call, let result):
            "\(device): \(call) failed with \(result): update its driver, or use another device"
        }
    }
}

/// The results that Vulkan 1.3 calls of this module can return, by value.
private let resultNames: [Int32: String] = [
    VK_SUCCESS.rawValue: "VK_SUCCESS",
    VK_NOT_READY.rawValue: "VK_NOT_READY",
    VK_TIMEOUT.rawValue: "VK_TIMEOUT",
    VK_INCOMPLETE.rawValue: "VK_INCOMPLETE",
    VK_ERROR_OUT_OF_HOST_MEMORY.rawValue: "VK_ERROR_OUT_OF_HOST_MEMORY",
    VK_ERROR_OUT_OF_DEVICE_MEMORY.rawValue: "VK_ERROR_OUT_OF_DEVICE_MEMORY",
    VK_ERROR_INITIALIZATION_FAILED.rawValue: "VK_ERROR_INITIALIZATION_FAILED",
    VK_ERROR_DEVICE_LOST.rawValue: "VK_ERROR_DEVICE_LOST",
    VK_ERROR_MEMORY_MAP_FAILED.rawValue: "VK_ERROR_MEMORY_MAP_FAILED",
    VK_ERROR_LAYER_NOT_PRESENT.rawValue: "VK_ERROR_LAYER_NOT_PRESENT",
    VK_ERROR_EXTENSION_NOT_PRESENT.rawValue: "VK_ERROR_EXTENSION_NOT_PRESENT",
    VK_ERROR_FEATURE_NOT_PRESENT.rawValue: "VK_ERROR_FEATURE_NOT_PRESENT",
    VK_ERROR_INCOMPATIBLE_DRIVER.rawValue: "VK_ERROR_INCOMPATIBLE_DRIVER",
    VK_ERROR_TOO_MANY_OBJECTS.rawValue: "VK_ERROR_TOO_MANY_OBJECTS",
    VK_ERROR_FRAGMENTED_POOL.rawValue: "VK_ERROR_FRAGMENTED_POOL",
    VK_ERROR_OUT_OF_POOL_MEMORY.rawValue: "VK_ERROR_OUT_OF_POOL_MEMORY",
    VK_ERROR_FRAGMENTATION.rawValue: "VK_ERROR_FRAGMENTATION",
    VK_ERROR_INVALID_SHADER_NV.rawValue: "VK_ERROR_INVALID_SHADER_NV",
    VK_ERROR_UNKNOWN.rawValue: "VK_ERROR_UNKNOWN",
]

extension VkResult {
    var name: String { resultNames[rawValue] ?? "VkResult \(rawValue)" }

    /// Throws unless the call succeeded. `bytes` is what an allocating call asked for.
    func check(_ call: String, device: String, bytes: Int = 0) throws(ComputeError) {
        switch self {
        case VK_SUCCESS: return
        case VK_ERROR_DEVICE_LOST: throw .deviceLost(device: device)
        case VK_ERROR_OUT_OF_DEVICE_MEMORY, VK_ERROR_OUT_OF_HOST_MEMORY, VK_ERROR_TOO_MANY_OBJECTS:
            throw .outOfMemory(device: device, bytes: bytes)
        default: throw .failed(device: device, call: call, result: name)
        }
    }
}
