public import Network
internal import Tensor

// What networks begin with. Every number is a function of (seed, tensor's name, index), so that two networks with a layer
// in common begin with the same layer, whatever else they have.

extension Architecture {
    /// Weights to train from, under the network's own names.
    ///
    /// Convolutions are drawn as He et al. 2015 do ("Kaiming normal", fan in), times `initialScale`; biases are zero, slopes
    /// 0.25 (PyTorch's PReLU).
    public func initialParameters(seed: UInt64) -> Parameters {
        var parameters: Parameters = [:]
        for (name, shape) in parameterShapes {
            parameters[name] = initialTensor(name, shape, seed: seed, scale: initialScale(name), vectors: 0.25)
        }
        return parameters
    }
}

extension Discriminator {
    /// Weights and buffers to train from, under the network's own names.
    ///
    /// - Parameter side: of the pictures that it will judge.
    public func initialParameters(seed: UInt64, side: Int) -> Parameters {
        var builder = GraphBuilder()
        var buffers = NetworkBuffers(isTraining: true)
        let x = builder.input("x", .nhwc(1, side, side, inputChannels))
        _ = build(&builder, x, &buffers)
        var parameters: Parameters = [:]
        for (name, value) in builder.allParameters {
            parameters[name] = initialTensor(name, builder.shape(value), seed: seed, scale: 1, vectors: 1)
        }
        return parameters
    }
}

/// - Parameter vectors: what a vector begins with that is no bias: generators have slopes to learn, discriminators factors
///   of normalisations.
private func initialTensor(_ name: String, _ shape: Shape, seed: UInt64, scale: Float, vectors: Float) -> HostTensor {
    // The state dict's last word says what a tensor is.
    switch name.split(separator: ".").last {
    case "running_mean": return HostTensor(shape)
    case "running_var": return HostTensor(shape, repeating: 1)
    case "bias": return HostTensor(shape)
    case "weight_u", "weight_v":
        var random = NormalNumbers(seed: seed, name: name)
        let values = random.next(shape.count)
        let length = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return HostTensor(shape, values.map { $0 / max(length, 1e-12) })
    default: break
    }
    guard shape.rank > 1 else { return HostTensor(shape, repeating: vectors) }
    var random = NormalNumbers(seed: seed, name: name)
    let fanIn = shape.count / shape[0]
    let deviation = scale * (2 / Float(fanIn)).squareRoot()
    return HostTensor(shape, random.next(shape.count).map { $0 * deviation })
}

/// Standard normal numbers by Box and Muller's method.
private struct NormalNumbers {
    private var random: Philox

    init(seed: UInt64, name: String) {
        // FNV-1a: a stable number for a name.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        random = Philox(key: seed ^ hash)
    }

    mutating func next(_ count: Int) -> [Float] {
        var values: [Float] = []
        values.reserveCapacity(count + 3)
        while values.count < count {
            let four = random.nextUniform4()
            for pair in 0..<2 {
                // In (0, 1]: its logarithm is finite.
                let radius = (-2 * logarithm(1 - Double(four[2 * pair]))).squareRoot()
                let angle = 2 * Double.pi * Double(four[2 * pair + 1])
                values.append(Float(radius * cosine(angle)))
                values.append(Float(radius * sine(angle)))
            }
        }
        values.removeLast(values.count - count)
        return values
    }
}
