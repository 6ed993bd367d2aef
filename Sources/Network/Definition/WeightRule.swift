public import Tensor

/// How one parameter of a network is made of a file's tensors.
public struct WeightRule: Hashable, Sendable {
    /// The parameter's name in the graph.
    public let parameter: String
    public let value: WeightExpression

    public init(_ parameter: String, _ value: WeightExpression) { (self.parameter, self.value) = (parameter, value) }
}

/// A tensor computed from tensors of a weight file. Convolution weights are `[O, I, kH, kW]`, without groups.
///
/// `shape` checks an expression before data are read; `Weights` evaluates it, in double precision.
public indirect enum WeightExpression: Hashable, Sendable {
    /// The file's tensor of this name.
    case tensor(String)
    /// Numbers in row-major order: one for every element, or one for all.
    case constant([Float], Shape)
    /// Axis i of the result is axis `order[i]`.
    case permuted(WeightExpression, _ order: [Int])
    /// The same elements in the same order, with other extents.
    case reshaped(WeightExpression, Shape)
    /// Reversed along these axes.
    case flipped(WeightExpression, axes: [Int])
    case sliced(WeightExpression, axis: Int, Range<Int>)
    case concatenated([WeightExpression], axis: Int)
    /// The sum of tensors of equal shape: branches that read the same and are added up.
    case sum([WeightExpression])
    /// The product with one number, or along an axis with a vector of its extent.
    case scaled(WeightExpression, by: WeightExpression, axis: Int?)
    /// A convolution's weight in the middle of zeros, `[O, I, height, width]`. Margins are equal on both sides.
    case centred(WeightExpression, height: Int, width: Int)
    /// Two convolutions as one, whose kernel has the extents of both less 1. The same result everywhere if the second one
    /// pads nothing, and all padding stands before the first.
    case chained(WeightedLayer, then: WeightedLayer, LayerPart)
    /// A convolution and the batch normalisation behind it as one convolution.
    case batchNormalised(WeightedLayer, BatchStatistics, LayerPart)
    /// A weight divided by its largest singular value as PyTorch's `spectral_norm` estimates it: `u · W v`, where W is the
    /// weight as a matrix `[O, …]`, u `[O]` and v `[…]`.
    case spectrallyNormalised(WeightExpression, u: WeightExpression, v: WeightExpression)
}

/// The tensors of a convolution: weight `[O, I, kH, kW]` and bias `[O]`, zero if nil.
public struct WeightedLayer: Hashable, Sendable {
    public let weight: WeightExpression
    public let bias: WeightExpression?

    public init(weight: WeightExpression, bias: WeightExpression?) { (self.weight, self.bias) = (weight, bias) }

    /// The tensors `name.weight` and `name.bias`.
    public init(_ name: String) { self.init(weight: .tensor("\(name).weight"), bias: .tensor("\(name).bias")) }

    /// Two convolutions as one; see `WeightExpression.chained`.
    public func then(_ second: WeightedLayer) -> WeightedLayer {
        WeightedLayer(weight: .chained(self, then: second, .weight), bias: .chained(self, then: second, .bias))
    }
}

/// Which tensor of a combined convolution an expression is.
public enum LayerPart: Hashable, Sendable {
    case weight, bias
}

/// What a batch normalisation does in inference: `(x - mean) / sqrt(variance + epsilon) * weight + bias`, vectors `[O]`.
public struct BatchStatistics: Hashable, Sendable {
    public let mean, variance: WeightExpression
    /// 1 if nil.
    public let weight: WeightExpression?
    /// 0 if nil.
    public let bias: WeightExpression?
    public let epsilon: Double

    public init(
        mean: WeightExpression, variance: WeightExpression, weight: WeightExpression?, bias: WeightExpression?,
        epsilon: Double = 1e-5
    ) {
        (self.mean, self.variance, self.weight, self.bias) = (mean, variance, weight, bias)
        self.epsilon = epsilon
    }

    /// The tensors of a PyTorch module: `name.running_mean`, `name.running_var`, `name.weight`, `name.bias`.
    public init(_ name: String, epsilon: Double = 1e-5) {
        self.init(
            mean: .tensor("\(name).running_mean"), variance: .tensor("\(name).running_var"),
            weight: .tensor("\(name).weight"), bias: .tensor("\(name).bias"), epsilon: epsilon)
    }

    /// The expressions in use.
    public var vectors: [WeightExpression] { [mean, variance] + [weight, bias].compactMap(\.self) }
}

/// Why an expression has no value.
public enum WeightRuleError: Error, Hashable {
    case missing(tensor: String)
    /// The operands' shapes do not fit one another.
    case mismatch(reason: String)
}

extension WeightExpression {
    /// The expressions that this one reads.
    public var operands: [WeightExpression] {
        func tensors(_ layer: WeightedLayer) -> [WeightExpression] { [layer.weight] + (layer.bias.map { [$0] } ?? []) }
        switch self {
        case .tensor, .constant: return []
        case .permuted(let x, _), .reshaped(let x, _), .flipped(let x, _), .sliced(let x, _, _), .centred(let x, _, _):
            return [x]
        case .concatenated(let list, _), .sum(let list): return list
        case .scaled(let x, let factor, _): return [x, factor]
        case .chained(let first, let second, _): return tensors(first) + tensors(second)
        case .batchNormalised(let layer, let statistics, _): return tensors(layer) + statistics.vectors
        case .spectrallyNormalised(let x, let u, let v): return [x, u, v]
        }
    }

    /// The names of all tensors that the expression reads.
    public var tensors: Set<String> {
        if case .tensor(let name) = self { return [name] }
        return operands.reduce(into: []) { $0.formUnion($1.tensors) }
    }

    /// The same expression of tensors of other names.
    public func renamed(_ name: (String) -> String) -> WeightExpression {
        func inner(_ x: WeightExpression) -> WeightExpression { x.renamed(name) }
        func inner(_ layer: WeightedLayer) -> WeightedLayer {
            WeightedLayer(weight: inner(layer.weight), bias: layer.bias.map(inner))
        }
        switch self {
        case .tensor(let key): return .tensor(name(key))
        case .constant: return self
        case .permuted(let x, let order): return .permuted(inner(x), order)
        case .reshaped(let x, let shape): return .reshaped(inner(x), shape)
        case .flipped(let x, let axes): return .flipped(inner(x), axes: axes)
        case .sliced(let x, let axis, let range): return .sliced(inner(x), axis: axis, range)
        case .concatenated(let list, let axis): return .concatenated(list.map(inner), axis: axis)
        case .sum(let list): return .sum(list.map(inner))
        case .scaled(let x, let factor, let axis): return .scaled(inner(x), by: inner(factor), axis: axis)
        case .centred(let x, let height, let width): return .centred(inner(x), height: height, width: width)
        case .chained(let first, let second, let part): return .chained(inner(first), then: inner(second), part)
        case .batchNormalised(let layer, let s, let part):
            return .batchNormalised(
                inner(layer),
                BatchStatistics(
                    mean: inner(s.mean), variance: inner(s.variance), weight: s.weight.map(inner),
                    bias: s.bias.map(inner), epsilon: s.epsilon), part)
        case .spectrallyNormalised(let x, let u, let v):
            return .spectrallyNormalised(inner(x), u: inner(u), v: inner(v))
        }
    }
}
