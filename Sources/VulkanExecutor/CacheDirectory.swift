#if canImport(FoundationEssentials)
    internal import FoundationEssentials
#else
    internal import Foundation
#endif

extension VulkanExecutor {
    /// `upframe/vulkan` in the user's cache folder ($XDG_CACHE_HOME, or ~/.cache); nil when there is no home.
    public static var defaultCacheDirectory: String? {
        let environment = ProcessInfo.processInfo.environment
        if let base = environment["XDG_CACHE_HOME"], base.hasPrefix("/") { return "\(base)/upframe/vulkan" }
        return environment["HOME"].map { "\($0)/.cache/upframe/vulkan" }
    }
}
