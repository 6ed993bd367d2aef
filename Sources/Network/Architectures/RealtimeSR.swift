public import Tensor

/// Upframe's own small networks for real time: a chain of 3x3 convolutions with learnt slopes that works on pixels
/// gathered by a pixel-unshuffle, so that each convolution sees and serves several pixels at once; one pixel-shuffle at
/// the end; and the smoothly enlarged input added, so that the network need only know what a resize does not.
///
/// Tensors are named as in `SRVGGNetCompact`: convolutions at even indices of `body`, slopes at odd ones.
public struct RealtimeSR: Architecture {
    public static let name = "RealtimeSR"

    /// Colour channels in and out.
    public var channels = 3
    /// Width of the body.
    public var features = 32
    /// Convolutions in the body, without the first and the last.
    public var convolutions = 8
    /// Output pixels per input pixel along each side.
    public var upscale = 2
    /// Factor of the pixel-unshuffle in front; 1 for none.
    public var unshuffle = 2
    /// How the input is enlarged for the sum.
    public var skip = ResizeFilter.bilinear

    public init(
        channels: Int = 3, features: Int = 32, convolutions: Int = 8, upscale: Int = 2, unshuffle: Int = 2,
        skip: ResizeFilter = .bilinear
    ) {
        (self.channels, self.features, self.convolutions) = (channels, features, convolutions)
        (self.upscale, self.unshuffle, self.skip) = (upscale, unshuffle, skip)
    }

    public var input: ImagePort { ImagePort("image", channels: channels) }

    public var problem: String? {
        Network.problem(
            of: Self.name,
            [
                BoundedHyperparameter("channels", channels, BoundedHyperparameter.channels),
                BoundedHyperparameter("features", features, BoundedHyperparameter.widths),
                BoundedHyperparameter("convolutions", convolutions, BoundedHyperparameter.depths),
                BoundedHyperparameter("upscale", upscale, BoundedHyperparameter.scales),
                BoundedHyperparameter("unshuffle", unshuffle, BoundedHyperparameter.folds),
            ])
    }

    /// The picture that is added to the enlarged input begins small.
    public func initialScale(_ parameter: String) -> Float {
        parameter == "body.\(2 * (convolutions + 1)).weight" ? 0.1 : 1
    }

    public func build(_ b: inout GraphBuilder, _ image: Value) -> Value {
        b.padded(image, toMultipleOf: unshuffle, scale: upscale) { b, x in
            var y = unshuffle > 1 ? b.apply(.pixelUnshuffle(factor: unshuffle), x) : x
            for index in 0...convolutions {
                y = b.convolution(y, "body.\(2 * index)", to: features)
                y = b.apply(.prelu, y, b.parameter("body.\(2 * index + 1).weight", [features]))
            }
            let factor = upscale * unshuffle
            y = b.convolution(y, "body.\(2 * (convolutions + 1))", to: channels * factor * factor)
            y = b.apply(.pixelShuffle(factor: factor), y)
            let shape = b.shape(x)
            let (height, width) = (shape.height * upscale, shape.width * upscale)
            let enlarged =
                skip == .nearest
                ? b.apply(.upsampleNearest(factor: upscale), x)
                : b.apply(.resize(height: height, width: width, skip), x)
            return b.apply(.add, y, enlarged)
        }
    }

    /// Known without a metadata entry where there is an unshuffle; the skip is then taken for bilinear. (Without one, the
    /// shapes are those of `SRVGGNetCompact`.)
    public static func recognise(_ shapes: [String: Shape]) -> RecognisedArchitecture? {
        guard let first = shapes["body.0.weight"], first.rank == 4, first[2] == 3, first[3] == 3,
            shapes["body.1.weight"]?.rank == 1, let unshuffle = (2...4).first(where: { first[1] == 3 * $0 * $0 })
        else { return nil }
        var last = 0
        while let next = shapes["body.\(last + 2).weight"], next.rank == 4 { last += 2 }
        guard last >= 2, let final = shapes["body.\(last).weight"],
            let upscale = (1...8).first(where: { final[0] == first[1] * $0 * $0 })
        else { return nil }
        let architecture = RealtimeSR(
            features: first[0], convolutions: last / 2 - 1, upscale: upscale, unshuffle: unshuffle)
        guard architecture.problem == nil else { return nil }
        var keys: [String: String] = [:]
        for (name, shape) in architecture.graph(.nhwc(1, unshuffle, unshuffle, 3)).parameters {
            guard shapes[name] == shape else { return nil }
            keys[name] = name
        }
        return RecognisedArchitecture(architecture: architecture, keys: keys)
    }
}
