public import Tensor

/// The generator of CycleGAN (Zhu et al. 2017, after Johnson et al. 2016): one image to another of the same size. Two strided
/// convolutions, residual blocks at a quarter of the size, two transposed convolutions back; instance normalisation behind
/// each, reflected edges.
///
/// Names are those of the published code's `model.` without dropout. Sides are filled up to a multiple of 4.
public struct ResNetGenerator: Architecture {
    public static let name = "ResNetGenerator"

    /// Colour channels in and out.
    public var channels = 3
    /// Channels at full size; twice and four times as many at a half and a quarter.
    public var features = 64
    public var blocks = 9

    public init(channels: Int = 3, features: Int = 64, blocks: Int = 9) {
        (self.channels, self.features, self.blocks) = (channels, features, blocks)
    }

    public var input: ImagePort { ImagePort("image", channels: channels) }

    public var problem: String? {
        Network.problem(
            of: Self.name,
            [
                BoundedHyperparameter("channels", channels, BoundedHyperparameter.channels),
                BoundedHyperparameter("features", features, BoundedHyperparameter.widths),
                BoundedHyperparameter("blocks", blocks, BoundedHyperparameter.depths),
            ])
    }

    public func build(_ b: inout GraphBuilder, _ image: Value) -> Value {
        b.padded(image, toMultipleOf: 4, scale: 1) { b, image in
            // The network's numbers go from -1 to 1.
            var y = b.apply(.affine(scale: 2, offset: -1), image)
            y = normalised(&b, convolution(&b, y, "model.1", to: features, kernel: 7, margin: 3))
            for level in 1...2 {
                let width = features << level
                let weight = b.parameter("model.\(1 + 3 * level).weight", [width, width / 2, 3, 3])
                let bias = b.parameter("model.\(1 + 3 * level).bias", [width])
                y = normalised(&b, b.apply(.convolution(stride: 2, padding: 1, groups: 1), y, weight, bias))
            }
            for block in 0..<blocks {
                let name = "model.\(10 + block).conv_block"
                let inner = normalised(&b, convolution(&b, y, "\(name).1", to: 4 * features, kernel: 3, margin: 1))
                let outer = convolution(&b, inner, "\(name).5", to: 4 * features, kernel: 3, margin: 1)
                y = b.apply(.add, b.instanceNorm(outer), y)
            }
            for level in 0..<2 {
                let (shape, name) = (b.shape(y), "model.\(10 + blocks + 3 * level)")
                let width = shape.channels / 2
                let wider = Operation.convolutionTranspose(
                    stride: 2, padding: 1, groups: 1, height: 2 * shape.height, width: 2 * shape.width)
                y = b.apply(wider, y, b.parameter("\(name).weight", [shape.channels, width, 3, 3]))
                y = normalised(&b, b.apply(.add, y, b.parameter("\(name).bias", [width])))
            }
            y = convolution(&b, y, "model.\(17 + blocks)", to: channels, kernel: 7, margin: 3)
            return b.apply(.affine(scale: 0.5, offset: 0.5), b.apply(.pointwise(.tanh), y))
        }
    }

    /// A convolution of an image with reflected edges.
    private func convolution(
        _ b: inout GraphBuilder, _ x: Value, _ name: String, to output: Int, kernel: Int, margin: Int
    ) -> Value {
        let margins = Margins(top: margin, left: margin, bottom: margin, right: margin)
        let weight = b.parameter("\(name).weight", [output, b.shape(x).channels, kernel, kernel])
        return b.apply(
            .convolution(stride: 1, padding: 0, groups: 1), b.apply(.pad(margins, .reflect), x), weight,
            b.parameter("\(name).bias", [output]))
    }

    private func normalised(_ b: inout GraphBuilder, _ x: Value) -> Value {
        b.apply(.pointwise(.relu), b.instanceNorm(x))
    }

    public static func recognise(_ shapes: [String: Shape]) -> RecognisedArchitecture? {
        guard let first = shapes["model.1.weight"], first.rank == 4, first[2] == 7 else { return nil }
        let blocks = BoundedHyperparameter.depths.first { shapes["model.\(10 + $0).conv_block.1.weight"] == nil }
        let network = ResNetGenerator(channels: first[1], features: first[0], blocks: blocks ?? 0)
        guard network.problem == nil else { return nil }
        let names = network.parameterShapes.map(\.name)
        // Old files keep statistics that instance normalisation never used.
        let stale = shapes.keys.filter { key in
            ["running_mean", "running_var", "num_batches_tracked"].contains { key.hasSuffix(".\($0)") }
        }
        return RecognisedArchitecture(
            architecture: network, rules: names.map { WeightRule($0, .tensor($0)) }, ignored: Set(stale))
    }
}
