internal import Tensor

/// The discriminator of pix2pix: judges overlapping patches, 70 pixels wide with three layers.
public struct PatchGAN: Discriminator {
    public static let name = "PatchGAN"

    public enum Normalisation: String, Codable, Sendable {
        case none, instance, batch
    }

    public var inputChannels = 3
    public var features = 64
    /// How many layers halve the picture.
    public var layers = 3
    public var normalisation = Normalisation.instance

    public init(
        inputChannels: Int = 3, features: Int = 64, layers: Int = 3, normalisation: Normalisation = .instance
    ) {
        (self.inputChannels, self.features) = (inputChannels, features)
        (self.layers, self.normalisation) = (layers, normalisation)
    }

    /// After the halvings two convolutions take a pixel each, and one is left.
    public var sides: PictureSides { PictureSides(from: 3 << layers) }
    public var problem: String? {
        Network.problem(
            of: Self.name,
            [
                BoundedHyperparameter("inputChannels", inputChannels, BoundedHyperparameter.channels),
                BoundedHyperparameter("features", features, BoundedHyperparameter.discriminatorWidths),
                BoundedHyperparameter("layers", layers, 1...8),
            ])
    }

    public func judge(_ b: inout GraphBuilder, _ x: Value, _ buffers: inout NetworkBuffers) -> Judgement {
        /// `model.index` with a 4x4 kernel; batch normalisation has a bias of its own.
        func convolution(_ x: Value, _ index: Int, to output: Int, stride: Int, bias: Bool) -> Value {
            let weight = b.parameter("model.\(index).weight", [output, b.shape(x).channels, 4, 4])
            let operation = Operation.convolution(stride: stride, padding: 1, groups: 1)
            return bias
                ? b.apply(operation, x, weight, b.parameter("model.\(index).bias", [output]))
                : b.apply(operation, x, weight)
        }
        var y = b.leakyReLU(convolution(x, 0, to: features, stride: 2, bias: true), 0.2)
        var found = [y]
        var index = 2
        for layer in 1...layers {
            y = convolution(
                y, index, to: features << min(layer, 3), stride: layer < layers ? 2 : 1,
                bias: normalisation != .batch)
            switch normalisation {
            case .none: index += 2
            case .instance:
                y = b.instanceNorm(y)
                index += 3
            case .batch:
                y = b.batchNorm(y, "model.\(index + 1)", &buffers)
                index += 3
            }
            y = b.leakyReLU(y, 0.2)
            found.append(y)
        }
        return Judgement(logits: convolution(y, index, to: 1, stride: 1, bias: true), features: found)
    }
}
