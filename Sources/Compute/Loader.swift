internal import CVulkan
internal import Glibc

/// The Vulkan loader, opened once a process and never closed: drivers do not survive being unloaded.
struct Loader: Sendable {
    let getInstanceProcAddr: PFN_vkGetInstanceProcAddr
    let enumerateInstanceVersion: PFN_vkEnumerateInstanceVersion
    let enumerateInstanceLayerProperties: PFN_vkEnumerateInstanceLayerProperties
    let enumerateInstanceExtensionProperties: PFN_vkEnumerateInstanceExtensionProperties
    let createInstance: PFN_vkCreateInstance

    private static let opened: Loader? = Loader(library: "libvulkan.so.1")

    static func shared() throws(ComputeError) -> Loader {
        guard let opened else { throw .noLoader }
        return opened
    }

    /// Nil when there is no such library, or it is older than Vulkan 1.1.
    init?(library: String) {
        guard let handle = dlopen(library, RTLD_NOW | RTLD_LOCAL), let symbol = dlsym(handle, "vkGetInstanceProcAddr")
        else { return nil }
        let get = unsafeBitCast(symbol, to: PFN_vkGetInstanceProcAddr.self)
        func global<T>(_ name: String, _ type: T.Type) -> T? {
            get(nil, name).map { unsafeBitCast($0, to: type) }
        }
        guard let version = global("vkEnumerateInstanceVersion", PFN_vkEnumerateInstanceVersion.self),
            let layers = global(
                "vkEnumerateInstanceLayerProperties", PFN_vkEnumerateInstanceLayerProperties.self),
            let extensions = global(
                "vkEnumerateInstanceExtensionProperties", PFN_vkEnumerateInstanceExtensionProperties.self),
            let create = global("vkCreateInstance", PFN_vkCreateInstance.self)
        else { return nil }
        getInstanceProcAddr = get
        enumerateInstanceVersion = version
        enumerateInstanceLayerProperties = layers
        enumerateInstanceExtensionProperties = extensions
        createInstance = create
    }
}

/// Version numbers as Vulkan packs them (the macros are not imported).
func vulkanVersion(_ major: UInt32, _ minor: UInt32) -> UInt32 { major << 22 | minor << 12 }

/// Calls one of Vulkan's "how many, then all" functions until it has given everything.
func enumerate<T>(
    of empty: T, _ call: (UnsafeMutablePointer<UInt32>, UnsafeMutablePointer<T>?) -> VkResult
) -> Result<[T], EnumerationFailure> {
    while true {
        var count: UInt32 = 0
        var result = call(&count, nil)
        guard result == VK_SUCCESS else { return .failure(EnumerationFailure(result: result)) }
        var items = [T](repeating: empty, count: Int(count))
        if count == 0 { return .success([]) }
        result = items.withUnsafeMutableBufferPointer { call(&count, $0.baseAddress) }
        if result == VK_INCOMPLETE { continue }
        guard result == VK_SUCCESS else { return .failure(EnumerationFailure(result: result)) }
        return .success(Array(items.prefix(Int(count))))
    }
}

struct EnumerationFailure: Error {
    let result: VkResult
}
