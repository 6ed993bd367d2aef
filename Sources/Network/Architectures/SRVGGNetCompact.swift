public import Tensor

/// The compact VGG-style network of Real-ESRGAN's small models (realesr-animevideov3, realesr-general-x4v3) and the
/// community's "Compact" family: a chain of 3x3 convolutions at the input's size, one pixel-shuffle at the end, and the
/// nearest-upsampled input added.
public struct SRVGGNetCompact: Architecture {
    public static let name = "SRVGGNetCompact"

    /// The activation after every convolution but the last.
    public enum Kind: String, Codable, Sendable {
        /// Learnt slopes, one per channel.
        case prelu
        case relu
        /// Slope 0.1.
        case leakyReLU = "leakyrelu"
    }

    public var inputChannels = 3
    public var outputChannels = 3
    /// Width of the body (nf).
    public var features = 64
    /// Convolutions in the body, without the first and the last (n).
    public var convolutions = 16
    /// Factor of the pixel-shuffle.
    public var upscale = 4
    public var activation = Kind.prelu
    /// Output pixels per input pixel after the final bicubic resize; equal to `upscale` where there is none. The
    /// published ncnn files of animevideov3 x2 and x3 are the x4 network with such a resize.
    public var outputScale = 4

    public init(
        inputChannels: Int = 3, outputChannels: Int = 3, features: Int = 64, convolutions: Int = 16, upscale: Int = 4,
        activation: Kind = .prelu, outputScale: Int? = nil
    ) {
        (self.inputChannels, self.outputChannels) = (inputChannels, outputChannels)
        (self.features, self.convolutions, self.upscale) = (features, convolutions, upscale)
        (self.activation, self.outputScale) = (activation, outputScale ?? upscale)
    }

    private enum CodingKeys: String, CodingKey {
        case inputChannels, outputChannels, features, convolutions, upscale, activation, outputScale
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            inputChannels: try values.decode(Int.self, forKey: .inputChannels),
            outputChannels: try values.decode(Int.self, forKey: .outputChannels),
            features: try values.decode(Int.self, forKey: .features),
            convolutions: try values.decode(Int.self, forKey: .convolutions),
            upscale: try values.decode(Int.self, forKey: .upscale),
            activation: try values.decode(Kind.self, forKey: .activation),
            outputScale: try values.decodeIfPresent(Int.self, forKey: .outputScale))
    }

    /// `outputScale` is only written where there is a final resize.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(inputChannels, forKey: .inputChannels)
        try values.encode(outputChannels, forKey: .outputChannels)
        try values.encode(features, forKey: .features)
        try values.encode(convolutions, forKey: .convolutions)
        try values.encode(upscale, forKey: .upscale)
        try values.encode(activation, forKey: .activation)
        if outputScale != upscale { try values.encode(outputScale, forKey: .outputScale) }
    }

    public var input: ImagePort { ImagePort("image", channels: inputChannels) }

    public var problem: String? {
        if let problem = Network.problem(
            of: Self.name,
            [
                BoundedHyperparameter("inputChannels", inputChannels, BoundedHyperparameter.channels),
                BoundedHyperparameter("outputChannels", outputChannels, BoundedHyperparameter.channels),
                BoundedHyperparameter("features", features, BoundedHyperparameter.widths),
                BoundedHyperparameter("convolutions", convolutions, BoundedHyperparameter.depths),
                BoundedHyperparameter("upscale", upscale, BoundedHyperparameter.scales),
                BoundedHyperparameter("outputScale", outputScale, BoundedHyperparameter.scales),
            ])
        {
            return problem
        }
        return inputChannels == outputChannels
            ? nil : "SRVGGNetCompact adds its input to its output, so both need the same number of channels"
    }

    /// The picture that is added to the enlarged input begins small.
    public func initialScale(_ parameter: String) -> Float {
        parameter == "body.\(2 * (convolutions + 1)).weight" ? 0.1 : 1
    }

    public func build(_ b: inout GraphBuilder, _ image: Value) -> Value {
        var y = image
        for index in 0...convolutions {
            y = b.convolution(y, "body.\(2 * index)", to: features)
            switch activation {
            case .prelu:
                y = b.apply(.prelu, y, b.parameter("body.\(2 * index + 1).weight", [features]))
            case .relu: y = b.apply(.pointwise(.relu), y)
            case .leakyReLU: y = b.leakyReLU(y, 0.1)
            }
        }
        y = b.convolution(y, "body.\(2 * (convolutions + 1))", to: outputChannels * upscale * upscale)
        y = b.apply(.pixelShuffle(factor: upscale), y)
        y = b.apply(.add, y, b.apply(.upsampleNearest(factor: upscale), image))
        guard outputScale != upscale else { return y }
        let shape = b.shape(image)
        return b.apply(
            .resize(height: shape.height * outputScale, width: shape.width * outputScale, .bicubic), y)
    }

    public static func recognise(_ shapes: [String: Shape]) -> RecognisedArchitecture? {
        guard let first = shapes["body.0.weight"], first.rank == 4, first[2] == 3, first[3] == 3 else { return nil }
        // Convolutions stand at even indices; slopes, where there are any, at odd ones.
        var last = 0
        while let next = shapes["body.\(last + 2).weight"], next.rank == 4 { last += 2 }
        guard last >= 2, let final = shapes["body.\(last).weight"] else { return nil }
        let hasSlopes = shapes["body.1.weight"]?.rank == 1
        let inputChannels = first[1]
        guard let upscale = (1...8).first(where: { final[0] == inputChannels * $0 * $0 }) else { return nil }
        // Files without slopes do not say which activation they mean; ReLU is what the field's trainers default to.
        let architecture = SRVGGNetCompact(
            inputChannels: inputChannels, outputChannels: inputChannels, features: first[0],
            convolutions: last / 2 - 1, upscale: upscale, activation: hasSlopes ? .prelu : .relu)
        guard architecture.problem == nil else { return nil }
        var keys: [String: String] = [:]
        for (name, _) in architecture.graph(.nhwc(1, 1, 1, inputChannels)).parameters { keys[name] = name }
        guard keys.keys.allSatisfy({ shapes[$0] != nil }) else { return nil }
        return RecognisedArchitecture(architecture: architecture, keys: keys)
    }
}
