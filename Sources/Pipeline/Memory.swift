#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// What the process occupies in main memory.
public struct ProcessMemory: Sendable, Hashable, Codable {
    /// Now.
    public var residentBytes: Int
    /// At most since the process began.
    public var peakBytes: Int

    /// Reads Linux's account of the process; zeros where there is none.
    public static var current: ProcessMemory {
        var memory = ProcessMemory(residentBytes: 0, peakBytes: 0)
        guard let file = fopen("/proc/self/status", "r") else { return memory }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let words = text.split { $0 == " " || $0 == "\t" || $0 == "\n" }
            guard words.count >= 2, let kibibytes = Int(words[1]) else { continue }
            if words[0] == "VmRSS:" { memory.residentBytes = kibibytes << 10 }
            if words[0] == "VmHWM:" { memory.peakBytes = kibibytes << 10 }
        }
        return memory
    }
}
