public import Tensor

/// The Swift Parameter-free Attention Network (Wan et al. 2024): six blocks of three convolutions at the input's size, each
/// gated by its own result, `(y + x) * (sigmoid(y) - 1/2)`; one pixel-shuffle at the end.
///
/// The published code trains every 3x3 convolution as a chain of three with a branch beside them (Conv3XC). Here it is the one
/// convolution that they amount to: files with the chain are folded when they are read.
public struct SPAN: Architecture {
    public static let name = "SPAN"

    /// Colour channels in and out.
    public var channels = 3
    public var features = 48
    /// Output pixels per input pixel along each side.
    public var upscale = 4
    /// Normalisation of the image in front: DIV2K's mean colour subtracted, values scaled to a range of 255.
    public var isNormalised = true

    public init(channels: Int = 3, features: Int = 48, upscale: Int = 4, isNormalised: Bool = true) {
        (self.channels, self.features, self.upscale) = (channels, features, upscale)
        self.isNormalised = isNormalised
    }

    private static let blocks = 6
    private static let meanColour: [Float] = [0.4488, 0.4371, 0.4040]

    public var input: ImagePort { ImagePort("image", channels: channels) }

    public var problem: String? {
        if let problem = Network.problem(
            of: Self.name,
            [
                BoundedHyperparameter("channels", channels, BoundedHyperparameter.channels),
                BoundedHyperparameter("features", features, BoundedHyperparameter.widths),
                BoundedHyperparameter("upscale", upscale, BoundedHyperparameter.scales),
            ])
        {
            return problem
        }
        return isNormalised && channels != 3 ? "SPAN's normalisation is for 3 'channels', not \(channels)" : nil
    }

    public func build(_ b: inout GraphBuilder, _ image: Value) -> Value {
        var x = image
        if isNormalised {
            let offset = b.constant(Self.meanColour.map { -255 * $0 }, [channels])
            x = b.apply(.add, b.apply(.affine(scale: 255, offset: 0), x), offset)
        }
        let first = b.convolution(x, "conv_1", to: features)
        var (y, outputs, inner) = (first, [Value](), first)
        for block in 1...Self.blocks {
            let input = y
            inner = b.apply(.pointwise(.silu), b.convolution(input, "block_\(block).c1_r", to: features))
            y = b.apply(.pointwise(.silu), b.convolution(inner, "block_\(block).c2_r", to: features))
            y = b.convolution(y, "block_\(block).c3_r", to: features)
            let attention = b.apply(.affine(scale: 1, offset: -0.5), b.apply(.pointwise(.sigmoid), y))
            y = b.apply(.multiply, b.apply(.add, y, input), attention)
            outputs.append(y)
        }
        let last = b.convolution(y, "conv_2", to: features)
        // The published code hands on the sixth block's first result, which its activation has overwritten by then.
        y = b.convolution(b.concatenate([first, last, outputs[0], inner]), "conv_cat", to: features, kernel: 1)
        y = b.convolution(y, "upsampler.0", to: channels * upscale * upscale)
        return b.apply(.pixelShuffle(factor: upscale), y)
    }

    public static func recognise(_ shapes: [String: Shape]) -> RecognisedArchitecture? {
        guard let first = shapes["conv_1.sk.weight"], first.rank == 4, shapes["block_6.c3_r.sk.weight"] != nil,
            let final = shapes["upsampler.0.weight"],
            let upscale = BoundedHyperparameter.scales.first(where: { final[0] == first[1] * $0 * $0 })
        else { return nil }
        let network = SPAN(
            channels: first[1], features: first[0], upscale: upscale, isNormalised: shapes["no_norm"] == nil)
        guard network.problem == nil else { return nil }
        var rules: [WeightRule] = []
        var ignored: Set = ["no_norm"]
        let chains = ["conv_1", "conv_2"] + (1...blocks).flatMap { block in (1...3).map { "block_\(block).c\($0)_r" } }
        for name in chains {
            let layers = (0...2).map { WeightedLayer("\(name).conv.\($0)") }
            let chain = layers[0].then(layers[1]).then(layers[2])
            let branch = WeightedLayer("\(name).sk")
            rules.append(
                WeightRule("\(name).weight", .sum([chain.weight, .centred(branch.weight, height: 3, width: 3)])))
            rules.append(WeightRule("\(name).bias", .sum([chain, branch].compactMap(\.bias))))
            // The same folded by the training code, perhaps before its last step.
            ignored.formUnion(["\(name).eval_conv.weight", "\(name).eval_conv.bias"])
        }
        for name in ["conv_cat", "upsampler.0"].flatMap({ ["\($0).weight", "\($0).bias"] }) {
            rules.append(WeightRule(name, .tensor(name)))
        }
        return RecognisedArchitecture(architecture: network, rules: rules, ignored: ignored)
    }
}
