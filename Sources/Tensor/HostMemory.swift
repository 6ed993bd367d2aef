#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// The machine's memory, as far as this process may take it.
public enum HostMemory {
    /// Bytes that the process may still take: the machine's memory, or what its limit of addresses (`ulimit -v`) leaves,
    /// whichever is less. What other processes hold is not known.
    public static var availableBytes: Int {
        let pages = sysconf(Int32(_SC_PHYS_PAGES))
        let machine = pages > 0 ? pages * sysconf(Int32(_SC_PAGESIZE)) : Int.max
        #if canImport(Glibc)
            var limit = rlimit()
            guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < UInt(Int.max) else {
                return machine
            }
            return min(machine, max(0, Int(limit.rlim_cur) - addressBytes))
        #else
            return machine
        #endif
    }

    #if canImport(Glibc)
        /// Bytes of addresses that the process has in use.
        private static var addressBytes: Int {
            guard let file = fopen("/proc/self/statm", "r") else { return 0 }
            defer { fclose(file) }
            var text = [CChar](repeating: 0, count: 128)
            guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
            return strtol(text, nil, 10) * sysconf(Int32(_SC_PAGESIZE))
        }
    #endif

    /// Throws where `bytes` cannot be had. Arrays that do not fit end the process, so what a user can ask for is asked
    /// about first.
    ///
    /// - Parameters:
    ///   - bytes: a floating-point number, so that products of sizes do not overflow.
    ///   - what: the subject of a message, "a picture of 65536x65536 pixels".
    ///   - remedy: what can be done.
    public static func require(_ bytes: Double, for what: String, remedy: String) throws(MemoryShortage) {
        let available = availableBytes
        if bytes > Double(available) {
            throw MemoryShortage(what: what, bytes: bytes, available: available, remedy: remedy)
        }
    }
}

/// Memory that cannot be had.
public struct MemoryShortage: Error, CustomStringConvertible {
    public let what: String
    public let bytes: Double
    public let available: Int
    public let remedy: String

    public var description: String {
        let needed = (bytes / 1_048_576).rounded(.up)
        let text = Int(exactly: needed).map(String.init) ?? "\(needed)"
        return "\(what) needs \(text) MiB of memory, and \(available >> 20) MiB can be had; \(remedy)"
    }
}
