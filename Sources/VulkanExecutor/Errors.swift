internal import Compute
internal import Network

extension ExecutionError {
    /// The executors' common error for one of the device.
    init(_ error: ComputeError) {
        switch error {
        case .outOfMemory(let device, let bytes): self = .outOfMemory(device: device, bytes: bytes)
        case .deviceLost(let device): self = .deviceLost(device: device)
        case .failed(let device, let call, let result):
            self = .device(
                device: device, message: "\(call) failed with \(result): update its driver, or use --device cpu")
        case .timeout(let device, _), .unsuitable(let device, _), .refused(let device, _):
            let text = error.description
            let message = text.hasPrefix(device) ? String(text.dropFirst(device.count + 1)) : text
            self = .device(device: device, message: message)
        case .noLoader, .noDriver, .onlySoftware, .noSuchDevice, .noValidationLayer:
            self = .device(device: "Vulkan", message: error.description)
        }
    }
}

/// The errors of the device as the executors' common error.
func translatingErrors<R>(_ body: () throws -> R) throws -> R {
    do { return try body() } catch let error as ComputeError { throw ExecutionError(error) }
}
