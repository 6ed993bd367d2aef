internal import Tensor

/// A network that judges pictures: the other side of a generator in adversarial training. The value is the
/// hyperparameters. Parameters carry the names of the field's state dicts, after the builder's prefix.
public protocol Discriminator: Codable, Hashable, Sendable {
    static var name: String { get }

    /// Adds the network, which reads pictures `[N, H, W, inputChannels]`.
    ///
    /// - Parameter buffers: what the network remembers besides its trained parameters; each call in training moves it on.
    func judge(_ b: inout GraphBuilder, _ x: Value, _ buffers: inout NetworkBuffers) -> Judgement

    var inputChannels: Int { get }
    /// Which pictures it can judge.
    var sides: PictureSides { get }
    /// What is wrong with these hyperparameters, or nil; asked before anything else when they come from a file.
    var problem: String? { get }
}

/// Sides in pixels that pictures may have: multiples of a number within bounds. Height and width each by themselves.
public struct PictureSides: Hashable, Sendable, CustomStringConvertible {
    public let multiple: Int
    public let smallest: Int
    /// Nil for no bound.
    public let largest: Int?

    /// Multiples of `multiple`, from `smallest` up; both at least 1.
    public init(multiplesOf multiple: Int = 1, from smallest: Int = 1) {
        precondition(multiple >= 1 && smallest >= 1, "sides are multiples of \(multiple) from \(smallest) up")
        (self.multiple, self.smallest, largest) = (multiple, smallest, nil)
    }

    /// One side and no other.
    public init(only side: Int) {
        precondition(side >= 1, "a side of \(side) pixels")
        (multiple, smallest, largest) = (1, side, side)
    }

    public func contains(_ side: Int) -> Bool {
        side % multiple == 0 && side >= smallest && side <= largest ?? .max
    }

    /// What follows "sides are": "multiples of 8", "24 or more", "exactly 128".
    public var description: String {
        if let largest { return "exactly \(largest)" }
        if multiple == 1 { return "\(smallest) or more" }
        return "multiples of \(multiple)" + (smallest > multiple ? " from \(smallest) up" : "")
    }
}

/// Every discriminator that this package knows, with its usual hyperparameters.
public let standardDiscriminators: [any Discriminator] = [UNetDiscriminatorSN(), PatchGAN(), VGGDiscriminator()]

extension Discriminator {
    /// Adds the network: from pictures `[N, H, W, inputChannels]` to logits, one for each place that it judges.
    public func build(_ b: inout GraphBuilder, _ x: Value, _ buffers: inout NetworkBuffers) -> Value {
        judge(&b, x, &buffers).logits
    }
}

/// What a discriminator says of pictures, and by what.
public struct Judgement: Sendable {
    /// One for each place that it judges.
    public let logits: Value
    /// What every layer but the last hands on, after its activation and before anything is added to it, in order: what
    /// pictures are compared by in feature matching.
    public let features: [Value]

    public init(logits: Value, features: [Value]) { (self.logits, self.features) = (logits, features) }
}

/// Tensors of a network that training changes without a gradient: the vectors of spectral norms, running means.
///
/// They are parameters of the graph. A network that is built several times into one graph sees them move on from one time
/// to the next, as if it ran so often; `updates` are what they have become at the end.
public struct NetworkBuffers {
    /// Whether networks are built as they are in training: they use this batch's statistics and move the buffers on.
    public let isTraining: Bool
    private var first: [String: Value] = [:]
    private var current: [String: Value] = [:]

    public init(isTraining: Bool) { self.isTraining = isTraining }

    /// The full names of all buffers that networks asked for.
    public var names: Set<String> { Set(first.keys) }

    public var updates: [ParameterUpdate] {
        first.sorted { $0.key < $1.key }.compactMap { name, parameter in
            current[name] == parameter ? nil : ParameterUpdate(parameter: parameter, value: current[name]!)
        }
    }

    /// The buffer as it is now.
    mutating func read(_ b: inout GraphBuilder, _ name: String, _ shape: Shape) -> Value {
        let full = b.prefix + name
        if let value = current[full] { return value }
        let value = b.parameter(name, shape)
        first[full] = value
        current[full] = value
        return value
    }

    /// Moves a buffer on that was read before.
    mutating func write(_ b: GraphBuilder, _ name: String, _ value: Value) { current[b.prefix + name] = value }
}

extension GraphBuilder {
    /// The weight `name.weight_orig` `[O, I, kH, kW]` divided by an estimate of its largest singular value, as PyTorch's
    /// `spectral_norm` does: one power iteration on `name.weight_u` `[O]` and `name.weight_v` in training, through which
    /// no gradient flows.
    mutating func spectralNormWeight(_ name: String, _ shape: Shape, _ buffers: inout NetworkBuffers) -> Value {
        let weight = parameter("\(name).weight_orig", shape)
        let (rows, columns) = (shape[0], shape.count / shape[0])
        let matrix = reshaped(weight, [rows, columns])
        var u = reshaped(buffers.read(&self, "\(name).weight_u", [rows]), [rows, 1])
        var v = reshaped(buffers.read(&self, "\(name).weight_v", [columns]), [columns, 1])
        if buffers.isTraining {
            let fixed = apply(.detach, matrix)
            v = normalised(apply(.product(transposeLeft: true, transposeRight: false), fixed, u))
            u = normalised(apply(.product(transposeLeft: false, transposeRight: false), fixed, v))
            buffers.write(self, "\(name).weight_u", reshaped(u, [rows]))
            buffers.write(self, "\(name).weight_v", reshaped(v, [columns]))
        }
        let image = apply(.product(transposeLeft: false, transposeRight: false), matrix, v)
        let sigma = total(apply(.multiply, image, u))
        return multiplied(weight, by: apply(.pointwise(.reciprocal), sigma))
    }

    /// `x / max(|x|, 1e-12)`
    private mutating func normalised(_ x: Value) -> Value {
        let length = apply(.clamp(low: 1e-12, high: .greatestFiniteMagnitude), norm(x))
        return multiplied(x, by: apply(.pointwise(.reciprocal), length))
    }

    /// Batch normalisation `name` as PyTorch's: by this batch's statistics in training, and then the running ones move by
    /// a tenth (`momentum` 0.1); by the running ones otherwise.
    mutating func batchNorm(_ x: Value, _ name: String, _ buffers: inout NetworkBuffers) -> Value {
        let channels = shape(x).channels
        var average = reshaped(buffers.read(&self, "\(name).running_mean", [channels]), .nhwc(1, 1, 1, channels))
        var spread = reshaped(buffers.read(&self, "\(name).running_var", [channels]), .nhwc(1, 1, 1, channels))
        if buffers.isTraining {
            let count = Float(shape(x).count / channels)
            let (batchMean, batchVariance) = (mean(x, over: [0, 1, 2]), variance(x, over: [0, 1, 2]))
            for (running, name, now, factor) in [
                (average, "\(name).running_mean", batchMean, 1),
                (spread, "\(name).running_var", batchVariance, count / max(1, count - 1)),
            ] as [(Value, String, Value, Float)] {
                let moved = apply(.add, scaled(running, 0.9), scaled(apply(.detach, now), 0.1 * factor))
                buffers.write(self, name, reshaped(moved, [channels]))
            }
            (average, spread) = (batchMean, batchVariance)
        }
        let normal = normalised(x, mean: average, variance: spread)
        let weighted = apply(.multiply, normal, parameter("\(name).weight", [channels]))
        return apply(.add, weighted, parameter("\(name).bias", [channels]))
    }
}
