import Network
import Tensor
import TestSupport
import Weights

/// Networks that take means over the frame, each in a way of its own.
enum StagedNetwork: String, CaseIterable, Sendable {
    case squeezeExcite, instanceNorm, groupNorm, twoNorms, behindStride, behindUnshuffle, channelsFirst, padded,
        sharedAxis, layerNorm, unlikeGrids

    /// Passes over the tiles, the image's included.
    var passes: Int { self == .twoNorms ? 3 : 2 }

    func model() throws -> Model { try anySizeModel(name: rawValue) { (b, x) throws(GraphError) in try build(&b, x) } }

    private func build(_ b: inout GraphBuilder, _ x: Value) throws(GraphError) -> Value {
        var y = b.leakyReLU(b.convolution(x, "first", to: 12), 0.1)
        switch self {
        case .squeezeExcite: y = excited(&b, y, "gate")
        case .instanceNorm: y = b.instanceNorm(y)
        case .groupNorm: y = b.groupNorm(y, "norm", groups: 3)
        case .twoNorms: y = b.instanceNorm(b.leakyReLU(b.convolution(b.instanceNorm(y), "middle", to: 12), 0.2))
        case .behindStride:
            let small = b.parameter("down", [12, 12, 3, 3])
            y = excited(&b, try b.tryApply(.convolution(stride: 2, padding: 1, groups: 1), [y, small]), "gate")
            y = b.apply(.upsampleNearest(factor: 2), y)
        case .behindUnshuffle:
            y = excited(&b, try b.tryApply(.pixelUnshuffle(factor: 2), [y]), "gate")
            y = b.apply(.pixelShuffle(factor: 2), y)
        case .channelsFirst:
            // As networks are that come from files of the other order.
            let turned = b.apply(.transpose([0, 3, 1, 2]), y)
            let mean = b.broadcast(b.mean(turned, over: [2, 3]), to: b.shape(turned))
            y = b.apply(.transpose([0, 2, 3, 1]), b.difference(turned, mean))
        case .padded:
            // Samples that lie outside the frame count for the mean.
            let wide = b.apply(.pad(Margins(top: 3, left: 2, bottom: 1, right: 5), .reflect), y)
            y = b.difference(y, b.broadcast(b.mean(wide, over: [1, 2]), to: b.shape(y)))
        case .sharedAxis:
            let shape = b.shape(y)
            let rows = b.reshaped(y, [shape.batch, shape.height, shape.width * shape.channels])
            let norm = b.difference(rows, b.broadcast(b.mean(rows, over: [1, 2]), to: b.shape(rows)))
            y = b.reshaped(norm, shape)
        case .layerNorm:
            y = b.groupNorm(y, "norm", groups: 1)
        case .unlikeGrids:
            // Means of one level over samples of two sizes, and one that the image needs alone.
            let small = b.parameter("down", [12, 12, 4, 4])
            let half = try b.tryApply(.convolution(stride: 2, padding: 1, groups: 1), [y, small])
            let gate = b.apply(.add, b.mean(half, over: [1, 2]), b.mean(b.square(y), over: [1, 2]))
            y = b.apply(.multiply, y, b.broadcast(b.apply(.pointwise(.sigmoid), gate), to: b.shape(y)))
        }
        return b.apply(.pixelShuffle(factor: 2), b.convolution(y, "last", to: 12))
    }

    /// Squeeze-and-excitation (Hu et al. 2018).
    private func excited(_ b: inout GraphBuilder, _ x: Value, _ name: String) -> Value {
        let channels = b.shape(x).channels
        let squeezed = b.leakyReLU(b.convolution(b.mean(x, over: [1, 2]), "\(name).0", to: 4, kernel: 1), 0)
        let gate = b.apply(.pointwise(.sigmoid), b.convolution(squeezed, "\(name).1", to: channels, kernel: 1))
        return b.apply(.multiply, x, b.broadcast(gate, to: b.shape(x)))
    }
}

/// A network for frames of any size, with random weights.
func anySizeModel(
    name: String, _ build: @escaping @Sendable (inout GraphBuilder, Value) throws(GraphError) -> Value
) throws -> Model {
    let bare = NetworkDefinition(name: name, inputs: [ImagePort("image", channels: 3)]) {
        (b, values) throws(GraphError) in [try build(&b, values[0])]
    }
    let definition = try bare.padded()
    let parameters = randomParameters(try definition.graph(.nhwc(1, 16, 16, 3)), seed: 5)
    return try Model(definition: definition, parameters: parameters)
}

/// A frame whose tiles have very different means: it grows brighter to the right, and one corner is much brighter still.
func unevenFrame(_ height: Int, _ width: Int, seed: UInt64 = 1) -> HostTensor {
    var frame = randomTensor(.nhwc(1, height, width, 3), seed: seed, in: 0..<0.3)
    for y in 0..<height {
        for x in 0..<width {
            for channel in 0..<3 {
                frame[0, y, x, channel] += Float(x) / Float(width) + (y < height / 3 && x < width / 4 ? 4 : 0)
            }
        }
    }
    return frame
}
