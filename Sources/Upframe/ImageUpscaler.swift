internal import Network
internal import Pipeline
internal import Synchronization
internal import Tensor
internal import Weights

/// Makes images in memory larger, with one model on one device.
///
/// Safe to share between tasks; images are computed one at a time, each on all that the device has. What the device
/// compiles for an image's size is kept for the next of that size.
public final class ImageUpscaler: Sendable {
    public let model: UpscalingModel
    /// The device as it calls itself: "CPU (AVX-512, 2 threads)".
    public let deviceName: String
    private let upscaler: Mutex<Upscaler>

    /// Opens the device.
    ///
    /// - Throws: `UpframeError` of kind `deviceUnavailable`, or `image` when the model does not take colour images.
    public init(_ model: UpscalingModel, on device: Device = .automatic) async throws(UpframeError) {
        let descriptor = model.model.descriptor
        guard descriptor.inputChannels == 3, descriptor.outputChannels == 3 else {
            throw UpframeError(.image, "\(model.architecture) takes no colour images")
        }
        let executor = try await offPool(otherwise: .device) { try device.open() }
        self.model = model
        deviceName = executor.name
        upscaler = Mutex(Upscaler(model: model.model, executor: executor))
    }

    /// The image, `model.scale` times as wide and as high. One that exceeds the device's memory is computed in tiles.
    ///
    /// A cancelled task throws before its image is begun; an image that was begun is computed to its end.
    ///
    /// - Throws: `UpframeError` of kind `deviceLost` or `device`, after which this upscaler is of no more use where the
    ///   device is a GPU; `outOfMemory`; `image` when the network does not take this size; `cancelled`.
    public func upscale(_ image: RGBImage) async throws(UpframeError) -> RGBImage {
        let cancellation = Cancellation()
        return try await offPool(otherwise: .image, cancellation: cancellation) { [self] in
            let shape = Shape.nhwc(1, image.height, image.width, 3)
            try HostMemory.require(
                Double(image.values.count) * 4 * Double(2 + 2 * model.scale * model.scale),
                for: "an image of \(image.width)x\(image.height)", remedy: "take a smaller one")
            return try upscaler.withLock { upscaler in
                if cancellation.isCancelled { throw UpframeError(.cancelled, "the task was cancelled") }
                let result = try upscaler.upscale(HostTensor(shape, image.values))
                guard result.values.allSatisfy(\.isFinite) else {
                    throw UpframeError(.device, "\(deviceName) computed numbers that are not finite")
                }
                return try RGBImage(width: result.shape.width, height: result.shape.height, values: result.values)
            }
        }
    }
}
