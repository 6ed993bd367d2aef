internal import Tensor

/// The convolutions of VGG19 as a measure of likeness: features before the activation, from torchvision's keys
/// (`features.0.weight` …). Its weights are not trained and come from a file.
public struct VGGFeatures: Codable, Hashable, Sendable {
    /// Layers by the field's names, `conv1_2` to `conv5_4`, in order.
    public var layers: [String]

    public init(layers: [String] = ["conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4"]) { self.layers = layers }

    /// How many convolutions stand before each pooling, and their width.
    private static let blocks = [(2, 64), (2, 128), (4, 256), (4, 512), (4, 512)]

    /// Every layer's name.
    public static let layerNames = blocks.enumerated().flatMap { block, size in
        (1...size.0).map { "conv\(block + 1)_\($0)" }
    }

    /// The layers' features of pictures `[N, H, W, 3]` in [0, 1], in the network's order.
    ///
    /// - Precondition: `layers` are names of `layerNames`; the pictures are large enough for the poolings before them.
    public func build(_ b: inout GraphBuilder, _ x: Value) -> [Value] {
        precondition(layers.allSatisfy(Self.layerNames.contains), "\(layers) are not all layers of VGG19")
        // ImageNet's mean and deviation.
        var y = b.apply(.add, x, b.constant([-0.485, -0.456, -0.406], [3]))
        y = b.apply(.multiply, y, b.constant([1 / 0.229, 1 / 0.224, 1 / 0.225], [3]))
        var found: [Value] = []
        var index = 0
        for (block, (count, width)) in Self.blocks.enumerated() {
            for layer in 1...count {
                y = b.convolution(y, "features.\(index)", to: width)
                if layers.contains("conv\(block + 1)_\(layer)") { found.append(y) }
                if found.count == layers.count { return found }
                y = b.apply(.pointwise(.relu), y)
                index += 2
            }
            y = b.maxPool2(y)
            index += 1
        }
        return found
    }
}
