internal import Network
internal import Pipeline

/// Where a network runs.
public enum Device: Sendable, Hashable, CustomStringConvertible {
    /// The first Vulkan GPU, else the processor. Never a software driver.
    case automatic
    /// The processor, with so many threads; one for each core where nil. The number is brought into 1...1024.
    case cpu(threads: Int? = nil)
    /// A Vulkan device: the one of this index, which may be a software driver, or the first GPU where nil.
    case vulkan(Int? = nil)

    /// "auto", "cpu", "vulkan" or "vulkan:1".
    public var description: String { inner.description }

    /// The processor and every Vulkan device that the drivers show, with their names. Opens none of them; blocks while
    /// drivers are loaded.
    public static func available() -> [(device: Device, name: String)] {
        let vulkan = (try? Pipeline.Device.vulkanDevices().get()) ?? []
        return [(.cpu(), "the processor")] + vulkan.map { (.vulkan($0.index), $0.name) }
    }

    private var inner: Pipeline.Device {
        switch self {
        case .automatic: .automatic
        case .cpu: .cpu
        case .vulkan(let index): .vulkan(index)
        }
    }

    /// Opens the device, which a GPU's self-test makes take a moment. Blocks.
    ///
    /// - Throws: `ExecutionError`.
    func open() throws -> any Executor {
        var threads: Int?
        if case .cpu(let wanted) = self { threads = wanted.map { min(max($0, 1), 1024) } }
        return try inner.open(threads: threads)
    }
}
