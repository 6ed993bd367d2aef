public import Tensor

// Normalisations and pooling, made of means and pointwise functions; PyTorch's names and constants.

extension GraphBuilder {
    /// `(x - mean) / sqrt(variance + 1e-5)` over each channel of each picture.
    public mutating func instanceNorm(_ x: Value) -> Value {
        normalised(x, mean: mean(x, over: [1, 2]), variance: variance(x, over: [1, 2]))
    }

    /// Normalisation over groups of channels and all pixels of each image, with `name.weight` and `name.bias` where it is
    /// affine.
    public mutating func groupNorm(_ x: Value, _ name: String, groups: Int, affine: Bool = true) -> Value {
        let shape = shape(x)
        let split = reshaped(x, [shape.batch, shape.height * shape.width, groups, shape.channels / groups])
        let normal = normalised(split, mean: mean(split, over: [1, 3]), variance: variance(split, over: [1, 3]))
        if !affine { return reshaped(normal, shape) }
        let weighted = apply(.multiply, reshaped(normal, shape), parameter("\(name).weight", [shape.channels]))
        return apply(.add, weighted, parameter("\(name).bias", [shape.channels]))
    }

    /// Normalisation over the channels of each pixel, or whatever the last axis is, times `weight` `[C]` plus `bias` `[C]`.
    public mutating func layerNorm(_ x: Value, weight: Value, bias: Value, epsilon: Float = 1e-5) -> Value {
        let axes = [shape(x).rank - 1]
        let normal = normalised(x, mean: mean(x, over: axes), variance: variance(x, over: axes), epsilon: epsilon)
        return apply(.add, apply(.multiply, normal, weight), bias)
    }

    /// `x / sqrt(mean(x²) + epsilon)` over the last axis, times `weight` `[C]`.
    public mutating func rmsNorm(_ x: Value, weight: Value, epsilon: Float = 1e-6) -> Value {
        let square = mean(square(x), over: [shape(x).rank - 1])
        let factor = apply(.pointwise(.reciprocalSquareRoot), apply(.affine(scale: 1, offset: epsilon), square))
        let normal = apply(.multiply, x, broadcast(factor, to: shape(x)))
        return apply(.multiply, normal, weight)
    }

    mutating func variance(_ x: Value, over axes: [Int]) -> Value {
        let centred = difference(x, broadcast(mean(x, over: axes), to: shape(x)))
        return mean(square(centred), over: axes)
    }

    mutating func normalised(_ x: Value, mean: Value, variance: Value, epsilon: Float = 1e-5) -> Value {
        let shape = shape(x)
        let centred = difference(x, broadcast(mean, to: shape))
        let deviation = apply(.pointwise(.squareRoot), apply(.affine(scale: 1, offset: epsilon), variance))
        return apply(.multiply, centred, broadcast(apply(.pointwise(.reciprocal), deviation), to: shape))
    }

    /// The largest of each 2x2 pixels; a last odd row or column is dropped.
    public mutating func maxPool2(_ x: Value) -> Value {
        var x = x
        let shape = shape(x)
        if shape.height % 2 == 1 || shape.width % 2 == 1 {
            x = apply(.crop(Margins(bottom: shape.height % 2, right: shape.width % 2)), x)
        }
        let (height, width, channels) = (shape.height / 2, shape.width / 2, shape.channels)
        let quarters = reshaped(
            apply(.pixelUnshuffle(factor: 2), x), .nhwc(shape.batch, height, width * channels, 4))
        var largest = apply(.sliceChannels(start: 0, count: 1), quarters)
        for index in 1..<4 {
            // max(a, b) = a + relu(b - a): on equal numbers the gradient goes to the first.
            let next = apply(.sliceChannels(start: index, count: 1), quarters)
            largest = apply(.add, largest, apply(.pointwise(.relu), difference(next, largest)))
        }
        return reshaped(largest, .nhwc(shape.batch, height, width, channels))
    }
}
