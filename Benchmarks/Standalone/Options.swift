import CPUExecutor
import Network
import Reference
import VulkanExecutor

/// The command line is wrong.
struct UsageError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// Parsed by hand: an argument parser would be larger than the program.
struct CommandLineOptions {
    var command = ""
    var arguments: [String] = []
    var device = "cpu"
    var threads: Int?
    var instructionSet: CPUExecutor.InstructionSet?
    var precision = StoragePrecision.fp16
    var seconds: Double?
    var rounds: Int?
    var json = false
    var layers = false
    var tiles = false
    var code = false

    init(_ words: [String]) throws {
        var rest = words[...]
        func value(_ name: String) throws -> String {
            guard let value = rest.popFirst() else { throw UsageError("\(name) needs a value") }
            return value
        }
        while let word = rest.popFirst() {
            switch word {
            case "--device": device = try value(word)
            case "--threads":
                guard let count = Int(try value(word)), count >= 1 else { throw UsageError("--threads: 1 or more") }
                threads = count
            case "--isa":
                let sets: [String: CPUExecutor.InstructionSet] = [
                    "portable": .portable, "avx2": .avx2, "avx512": .avx512,
                ]
                guard let set = sets[try value(word)] else { throw UsageError("--isa: portable, avx2 or avx512") }
                guard set.isSupported else { throw UsageError("this machine has no \(set.rawValue)") }
                instructionSet = set
            case "--precision":
                guard let found = StoragePrecision(rawValue: try value(word)) else {
                    throw UsageError("--precision: fp16 or fp32")
                }
                precision = found
            case "--seconds":
                guard let found = Double(try value(word)), found > 0 else { throw UsageError("--seconds: above 0") }
                seconds = found
            case "--rounds":
                guard let count = Int(try value(word)), count >= 1 else { throw UsageError("--rounds: 1 or more") }
                rounds = count
            case "--json": json = true
            case "--layers": layers = true
            case "--tiles": tiles = true
            case "--code": code = true
            default:
                if word.hasPrefix("-") { throw UsageError("unknown option \(word)") }
                if command.isEmpty { command = word } else { arguments.append(word) }
            }
        }
        if command.isEmpty { throw UsageError("no command") }
    }

    /// The index of the Vulkan device that is named; nil for "vulkan", or where none is.
    func vulkanIndex() throws -> Int? {
        if device == "vulkan" || device == "cpu" { return nil }
        guard device.hasPrefix("vulkan:"), let index = Int(device.dropFirst(7)) else {
            throw UsageError("--device \(device): expected vulkan or vulkan:N")
        }
        return index
    }

    func openExecutor() throws -> any Executor {
        switch device {
        case "cpu": return CPUExecutor(threads: threads, instructionSet: instructionSet)
        case "reference": return ReferenceExecutor()
        case "vulkan": return try VulkanExecutor(precision: precision)
        default:
            guard device.hasPrefix("vulkan:"), let index = Int(device.dropFirst(7)) else {
                throw UsageError("--device \(device): expected cpu, vulkan, vulkan:N or reference")
            }
            return try VulkanExecutor(device: index, precision: precision, allowSoftware: true)
        }
    }
}

/// "320x180"
func parseSize(_ text: String) throws -> (width: Int, height: Int) {
    let parts = text.split(separator: "x").map { Int($0) ?? 0 }
    guard parts.count == 2, parts.allSatisfy({ (1...16384).contains($0) }) else {
        throw UsageError("'\(text)' is no size: expected WxH")
    }
    return (parts[0], parts[1])
}
