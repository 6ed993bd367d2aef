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

    @Option(
        help: ArgumentHelp("Worker threads on the CPU.", valueName: "n"), transform: number(in: OptionRange.threads))
    var threads: Int?

    func validate() throws {
        guard Device.list(device) != nil else {
            throw ValidationError("--device \(device): expected auto, cpu, vulkan, vulkan:N or several, as vulkan:0,1")
        }
        if let precision, StoragePrecision(rawValue: precision) == nil {
            throw ValidationError("--precision \(precision): expected fp16 or fp32")
        }
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
