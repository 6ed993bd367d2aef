internal import Tensor

/// Real-ESRGAN's discriminator: a U-Net with spectral norm that judges every pixel.
///
/// Logits `[N, H, W, 1]`.
public struct UNetDiscriminatorSN: Discriminator {
    public static let name = "UNetDiscriminatorSN"

    public var inputChannels = 3
    /// Channels at full resolution; eight times as many at the bottom.
    public var features = 64

    public init(inputChannels: Int = 3, features: Int = 64) {
        (self.inputChannels, self.features) = (inputChannels, features)
    }

    /// Three halvings come back to where they began.
    public var sides: PictureSides { PictureSides(multiplesOf: 8) }
    public var problem: String? {
        Network.problem(
            of: Self.name,
            [
                BoundedHyperparameter("inputChannels", inputChannels, BoundedHyperparameter.channels),
                BoundedHyperparameter("features", features, BoundedHyperparameter.discriminatorWidths),
            ])
    }

    public func judge(_ b: inout GraphBuilder, _ x: Value, _ buffers: inout NetworkBuffers) -> Judgement {
        var found: [Value] = []
        func kept(_ x: Value) -> Value {
            found.append(x)
            return x
        }
        func normed(_ x: Value, _ name: String, to output: Int, kernel: Int = 3, stride: Int = 1) -> Value {
            let weight = b.spectralNormWeight(name, [output, b.shape(x).channels, kernel, kernel], &buffers)
            return kept(b.leakyReLU(b.apply(.convolution(stride: stride, padding: 1, groups: 1), x, weight), 0.2))
        }
        func doubled(_ x: Value) -> Value {
            b.apply(.resize(height: b.shape(x).height * 2, width: b.shape(x).width * 2, .bilinear), x)
        }
        var skips = [kept(b.leakyReLU(b.convolution(x, "conv0", to: features), 0.2))]
        for level in 1...3 {
            skips.append(normed(skips.last!, "conv\(level)", to: features << level, kernel: 4, stride: 2))
        }
        var y = skips[3]
        for level in (0...2).reversed() {
            y = b.apply(.add, normed(doubled(y), "conv\(6 - level)", to: features << level), skips[level])
        }
        y = normed(y, "conv7", to: features)
        y = normed(y, "conv8", to: features)
        return Judgement(logits: b.convolution(y, "conv9", to: 1), features: found)
    }
}
