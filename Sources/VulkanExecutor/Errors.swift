internal import Compute
internal import Network

extension ExecutionError {
    /// The executors' common error for one of the device.
    init(_ error: ComputeError) {
        switch error {
        case .outOfMemory(let device, let bytes): self = .outOfMemory(device: device, bytes: bytes)
        case .deviceLost(let device): self = .deviceLost(device: device)
        case .failed(let device, let call, let result): self = .failed(device: device, call: call, result: result)
        case .timeout(let device, let seconds): self = .timeout(device: device, seconds: seconds)
        case .noLoader, .noDriver:
            self = .unavailable(
                device: "Vulkan",
                reason: "no driver was found: install mesa-vulkan-drivers or your GPU's driver", instead: ["cpu"])
        case .onlySoftware(let name, let index):
            self = .unavailable(
                device: "Vulkan", reason: "the only driver is software (\(name)): install your GPU's driver",
                instead: ["cpu", "vulkan:\(index)"])
        case .noSuchDevice(let index, let count):
            self = .unavailable(
                device: "vulkan:\(index)",
                reason: "there is no such device: "
                    + (count == 1 ? "the only one is vulkan:0" : "there are vulkan:0 to vulkan:\(count - 1)"),
                instead: [])
        case .unsuitable(let device, let lacks):
            self = .unavailable(device: device, reason: "it lacks \(lacks): update its driver", instead: ["cpu"])
        case .refused(let device, let reason):
            self = .unavailable(
                device: device, reason: "it computes wrong results (\(reason)): update its driver", instead: ["cpu"])
        case .noValidationLayer: self = .unavailable(device: "Vulkan", reason: error.description, instead: [])
        }
    }
}

/// The errors of the device as the executors' common error.
func translatingErrors<R>(_ body: () throws -> R) throws -> R {
    do { return try body() } catch let error as ComputeError { throw ExecutionError(error) }
}

/// As `translatingErrors`, for callers that state the type of what they throw.
///
/// - Parameter device: the name for errors of another kind, of which there are none where only the device can fail.
func executionErrors<R>(device: String, _ body: () throws -> R) throws(ExecutionError) -> R {
    do { return try translatingErrors(body) } catch let error as ExecutionError { throw error } catch {
        throw .device(device: device, message: "\(error)")
    }
}
