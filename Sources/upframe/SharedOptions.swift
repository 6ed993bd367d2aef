internal import ArgumentParser
internal import Catalogue
internal import Network
internal import Pipeline
internal import Weights

/// Which model, where and how.
struct ModelOptions: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp("The model: a name from 'upframe models', or a weight file.", valueName: "name|file"))
    var model: String?

    @Option(
        help: ArgumentHelp(
            """
            auto, cpu, vulkan, or vulkan:N ('upframe devices' lists them); several share the frames: vulkan:0,1. A \
            software driver is used only when named.
            """,
            valueName: "device"))
    var device = "auto"

    @Option(help: ArgumentHelp("How a GPU stores activations: fp16 or fp32.", valueName: "fp16|fp32"))
    var precision: String?

    @Option(help: ArgumentHelp("Worker threads on the CPU.", valueName: "n"))
    var threads: Int?

    func validate() throws {
        guard Device.list(device) != nil else {
            throw ValidationError("--device \(device): expected auto, cpu, vulkan, vulkan:N or several, as vulkan:0,1")
        }
        if let precision, StoragePrecision(rawValue: precision) == nil {
            throw ValidationError("--precision \(precision): expected fp16 or fp32")
        }
        if let threads, threads < 1 { throw ValidationError("--threads \(threads): expected 1 or more") }
    }

    /// The device, or all of several.
    ///
    /// - Parameter memoryLimit: bytes that the network's plans may take on each; nil for all that there is.
    func openExecutors(memoryLimit: Int?) throws -> [any Executor] {
        try Device.list(device)!.map {
            try $0.open(
                precision: precision.flatMap(StoragePrecision.init), threads: threads, memoryLimit: memoryLimit)
        }
    }

    /// For what runs on one device only.
    func openExecutor() throws -> any Executor {
        guard let device = Device(device) else {
            throw CommandFailure.usage("--device \(device): this command takes one device")
        }
        return try device.open(precision: precision.flatMap(StoragePrecision.init), threads: threads)
    }
}

/// "1280x720"
func parseSize(_ text: String) -> (width: Int, height: Int)? {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false)
    guard parts.count == 2, let width = Int(parts[0]), let height = Int(parts[1]), width > 0, height > 0,
        width <= 65536, height <= 65536
    else { return nil }
    return (width, height)
}

/// "90", "1:30", "0:01:30.5": seconds, not negative.
func parseTime(_ text: String) -> Double? {
    var seconds = 0.0
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard (1...3).contains(parts.count) else { return nil }
    for part in parts {
        guard let value = Double(part), value >= 0, value.isFinite else { return nil }
        seconds = seconds * 60 + value
    }
    return seconds
}
