internal import CVulkan
internal import Synchronization

#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

/// Compiled kernels, kept on disk between runs. Safe to share between threads.
///
/// The file is named after the device and its driver, and starts with the driver's own header; what does not belong to
/// this driver, or is damaged, is ignored. A cache that cannot be read or written costs time, never a result, so nothing
/// here throws.
public final class PipelineCache: Sendable {
    let device: Device
    nonisolated(unsafe) let handle: VkPipelineCache?
    private let path: String?
    /// Whether something was compiled that the file does not hold.
    private let changed = Mutex(false)

    /// - Parameter directory: where the file lies; nil keeps the cache in memory only.
    public init(_ device: Device, directory: String?) {
        self.device = device
        path = directory.map { "\($0)/pipelines-\(device.capabilities.identity).bin" }
        let stored = path.flatMap { FileManager.default.contents(atPath: $0) }.flatMap(PipelineCache.opened) ?? []

        func create(_ data: [UInt8]) -> VkPipelineCache? {
            data.withUnsafeBytes { bytes in
                var info = VkPipelineCacheCreateInfo()
                info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO
                info.initialDataSize = bytes.count
                info.pInitialData = bytes.count == 0 ? nil : bytes.baseAddress
                var cache: VkPipelineCache?
                let result = device.functions.createPipelineCache(device.handle, &info, nil, &cache)
                return result == VK_SUCCESS ? cache : nil
            }
        }
        handle = create(stored) ?? create([])
    }

    deinit {
        if let handle { device.functions.destroyPipelineCache(device.handle, handle, nil) }
    }

    func noteCompilation() { changed.withLock { $0 = true } }

    /// Writes the cache if something was added to it. The file is replaced whole, so that a reader never sees half of it.
    public func save() {
        guard let path, let handle, changed.withLock({ $0 }) else { return }
        var size = 0
        guard device.functions.getPipelineCacheData(device.handle, handle, &size, nil) == VK_SUCCESS, size > 0 else {
            return
        }
        var data = [UInt8](repeating: 0, count: size)
        guard device.functions.getPipelineCacheData(device.handle, handle, &size, &data) == VK_SUCCESS else { return }
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let sealed = PipelineCache.sealed(Array(data.prefix(size)))
        if (try? Data(sealed).write(to: URL(filePath: path), options: .atomic)) != nil {
            changed.withLock { $0 = false }
        }
    }

    // MARK: The file

    // Drivers check the header of their cache, but not all of them check the rest. So the file carries its own length and
    // checksum (FNV-1a, 64 bits): enough against a torn or damaged file, which is all that is to be feared here.

    private static let magic: [UInt8] = Array("upframe1".utf8)

    static func sealed(_ data: [UInt8]) -> [UInt8] {
        var bytes = magic
        withUnsafeBytes(of: checksum(data).littleEndian) { bytes.append(contentsOf: $0) }
        return bytes + data
    }

    /// The driver's data, or nil when the file is not whole.
    static func opened(_ file: Data) -> [UInt8]? {
        let bytes = [UInt8](file)
        guard bytes.count > 16, Array(bytes[..<8]) == magic else { return nil }
        let stored = bytes[8..<16].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let data = Array(bytes[16...])
        return checksum(data) == stored ? data : nil
    }

    private static func checksum(_ data: [UInt8]) -> UInt64 {
        data.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}
