internal import Tensor

/// ESRGAN's discriminator: five halvings with batch normalisation, then two linear layers; one logit `[N, 1]` a picture.
public struct VGGDiscriminator: Discriminator {
    public static let name = "VGGStyleDiscriminator"

    public var inputChannels = 3
    public var features = 64
    /// The side of the square pictures, a multiple of 32: 128 or 256 in the field.
    public var size = 128

    public init(inputChannels: Int = 3, features: Int = 64, size: Int = 128) {
        (self.inputChannels, self.features, self.size) = (inputChannels, features, size)
    }

    /// The first linear layer's width depends on it.
    public var sides: PictureSides { PictureSides(only: size) }
    public var problem: String? {
        if let problem = Network.problem(
            of: Self.name,
            [
                BoundedHyperparameter("inputChannels", inputChannels, BoundedHyperparameter.channels),
                BoundedHyperparameter("features", features, BoundedHyperparameter.discriminatorWidths),
                BoundedHyperparameter("size", size, 32...4096),
            ])
        {
            return problem
        }
        return size % 32 == 0 ? nil : "\(Self.name)'s 'size' is \(size); it must be a multiple of 32"
    }

    public func judge(_ b: inout GraphBuilder, _ x: Value, _ buffers: inout NetworkBuffers) -> Judgement {
        precondition(
            problem == nil && b.shape(x).height == size && b.shape(x).width == size,
            "pictures are \(b.shape(x)), the discriminator judges \(size)x\(size)")
        var found: [Value] = []
        func convolution(_ x: Value, _ name: String, to output: Int, kernel: Int) -> Value {
            let weight = b.parameter("conv\(name).weight", [output, b.shape(x).channels, kernel, kernel])
            let operation = Operation.convolution(stride: kernel == 4 ? 2 : 1, padding: 1, groups: 1)
            let y = b.leakyReLU(b.batchNorm(b.apply(operation, x, weight), "bn\(name)", &buffers), 0.2)
            found.append(y)
            return y
        }
        var y = b.leakyReLU(b.convolution(x, "conv0_0", to: features), 0.2)
        found.append(y)
        y = convolution(y, "0_1", to: features, kernel: 4)
        for level in 1...4 {
            let width = features << min(level, 3)
            y = convolution(y, "\(level)_0", to: width, kernel: 3)
            y = convolution(y, "\(level)_1", to: width, kernel: 4)
        }
        let shape = b.shape(y)
        // State dicts flatten channels first.
        let flat = b.reshaped(b.apply(.transpose([0, 3, 1, 2]), y), [shape.batch, shape.count / shape.batch])
        let hidden = b.leakyReLU(b.linear(flat, "linear1", to: 100), 0.2)
        found.append(hidden)
        return Judgement(logits: b.linear(hidden, "linear2", to: 1), features: found)
    }
}

extension GraphBuilder {
    /// `x [M, K]` times `name.weight` `[output, K]`, plus `name.bias`.
    public mutating func linear(_ x: Value, _ name: String, to output: Int) -> Value {
        let weight = parameter("\(name).weight", [output, shape(x).lastExtent])
        let y = apply(.product(transposeLeft: false, transposeRight: true), x, weight)
        return apply(.add, y, parameter("\(name).bias", [output]))
    }
}
