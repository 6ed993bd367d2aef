internal import CPUExecutor
public import Network
internal import Reference
internal import VulkanExecutor

/// Where a network runs, as people write it: `auto`, `cpu`, `vulkan`, `vulkan:1`, `reference`.
public enum Device: Sendable, Hashable, CustomStringConvertible {
    /// The first Vulkan GPU, else the CPU. Never a software driver.
    case automatic
    case cpu
    /// A Vulkan device: the first GPU, or the one of this index, which may be a software driver.
    case vulkan(Int?)
    /// The scalar definition of right; for checking others.
    case reference

    public init?(_ text: String) {
        switch text {
        case "auto": self = .automatic
        case "cpu": self = .cpu
        case "vulkan": self = .vulkan(nil)
        case "reference": self = .reference
        default:
            guard text.hasPrefix("vulkan:"), let index = Int(text.dropFirst(7)), index >= 0 else { return nil }
            self = .vulkan(index)
        }
    }

    public var description: String {
        switch self {
        case .automatic: "auto"
        case .cpu: "cpu"
        case .vulkan(nil): "vulkan"
        case .vulkan(let index?): "vulkan:\(index)"
        case .reference: "reference"
        }
    }

    /// Opens the device.
    ///
    /// - Parameters:
    ///   - precision: how activations are stored; nil is fp16 on a GPU and fp32 elsewhere. The CPU and the reference
    ///     store fp32 whatever is asked.
    ///   - threads: worker threads of the CPU; nil for one per core.
    ///   - memoryLimit: bytes that all plans on a Vulkan device may take together; nil for all that it has.
    /// - Throws: `ExecutionError.unavailable` when there is no such device, or none that computes right.
    public func open(precision: StoragePrecision? = nil, threads: Int? = nil, memoryLimit: Int? = nil) throws
        -> any Executor
    {
        switch self {
        case .automatic:
            if let gpu = try? VulkanExecutor.devices().first(where: { !$0.isSoftware && $0.problem == nil }) {
                return try VulkanExecutor(
                    device: gpu.index, precision: precision ?? .fp16, allowSoftware: false,
                    memoryLimit: memoryLimit ?? .max)
            }
            return try Device.cpu.open(precision: precision, threads: threads)
        case .cpu:
            return threads.map { CPUExecutor(threads: $0) } ?? CPUExecutor()
        case .vulkan(let index):
            // A software driver only when its index is named.
            return try VulkanExecutor(
                device: index, precision: precision ?? .fp16, allowSoftware: index != nil,
                memoryLimit: memoryLimit ?? .max)
        case .reference:
            return ReferenceExecutor()
        }
    }
}

/// A Vulkan device for a listing.
public struct VulkanDeviceDescription: Sendable, Hashable {
    public var index: Int
    public var name: String
    public var isSoftware: Bool
}

/// Why there are no Vulkan devices, in one line.
public struct VulkanUnavailable: Error, CustomStringConvertible {
    public var description: String
}

extension Device {
    /// Every Vulkan device that the drivers show.
    public static func vulkanDevices() -> Result<[VulkanDeviceDescription], VulkanUnavailable> {
        do {
            return .success(
                try VulkanExecutor.devices().map {
                    VulkanDeviceDescription(index: $0.index, name: $0.name, isSoftware: $0.isSoftware)
                })
        } catch { return .failure(VulkanUnavailable(description: "\(error)")) }
    }
}
