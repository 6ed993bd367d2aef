internal import Network
public import Tensor

/// A graph of random operations on random sizes that depends on the seed alone, so that executors meet combinations which
/// nobody thought of.
///
/// Numbers stay within about 8 by construction: a result that could be larger is scaled down. No operation jumps, so that
/// rounding cannot change a result by more than rounding.
public func randomCase(seed: UInt64, kind: RandomGraphKind) -> OperationCase {
    OperationCase("random graph of \(kind.rawValue), seed \(seed)", seed: seed) { b in
        var source = RandomGraph(seed: seed, kind: kind)
        return source.build(&b)
    }
}

/// Which operations a random graph is made of.
public enum RandomGraphKind: String, Sendable, CaseIterable {
    /// What `Planner` makes programs of.
    case inference
    /// Also computed weights, norms, attention, transposed convolutions and other ranks.
    case everything
}

private struct RandomGraph {
    private var random: Philox
    private let kind: RandomGraphKind
    /// Activations so far, with a bound of their size.
    private var values: [(value: Value, bound: Float)] = []
    private var names = 0

    private static let largest: Float = 8

    init(seed: UInt64, kind: RandomGraphKind) {
        random = Philox(key: seed &* 2 &+ (kind == .inference ? 0 : 1))
        self.kind = kind
    }

    mutating func build(_ b: inout GraphBuilder) -> [Value] {
        let shape = Shape.nhwc(draw(1...2), draw(1...13), draw(1...13), draw(of: [1, 2, 3, 4, 5, 8, 16, 17, 20, 32]))
        add(b.input("x", shape), 1)
        if draw(0...3) == 0 { add(b.input("y", shape), 1) }
        for _ in 0..<draw(2...14) { step(&b) }
        var outputs = [values[values.count - 1].value]
        for _ in 0..<draw(of: [0, 0, 1, 2]) { outputs.append(pick().value) }
        return outputs
    }

    // MARK: Drawing

    private mutating func draw(_ range: ClosedRange<Int>) -> Int {
        min(range.upperBound, range.lowerBound + Int(random.nextUniform4()[0] * Float(range.count)))
    }

    private mutating func draw<T>(of choices: [T]) -> T { choices[draw(0...choices.count - 1)] }

    private mutating func number(_ range: ClosedRange<Float>) -> Float {
        range.lowerBound + random.nextUniform4()[0] * (range.upperBound - range.lowerBound)
    }

    private mutating func name(_ stem: String) -> String {
        names += 1
        return "\(stem)\(names)"
    }

    /// A recent value, more often than an old one.
    private mutating func pick() -> (value: Value, bound: Float) {
        draw(0...1) == 0 ? values[values.count - 1] : draw(of: values)
    }

    private mutating func add(_ value: Value, _ bound: Float) { values.append((value, bound)) }

    /// Adds a result, scaled down where it may be too large.
    private mutating func add(_ b: inout GraphBuilder, _ value: Value, _ bound: Float) {
        if bound <= Self.largest { return add(value, bound) }
        add(b.apply(.affine(scale: 1 / bound, offset: 0.1), value), 1.1)
    }

    // MARK: Operations

    private mutating func step(_ b: inout GraphBuilder) {
        let (x, bound) = pick()
        switch draw(0...(kind == .inference ? 9 : 16)) {
        case 0, 1, 2: convolve(&b, x, bound)
        case 3, 4: unary(&b, x, bound)
        case 5, 6: binary(&b, x, bound)
        case 7: concatenate(&b, x)
        case 8, 9: arrange(&b, x, bound)
        case 10: function(&b, x, bound)
        case 11: normalise(&b, x)
        case 12: attend(&b, x, bound)
        case 13: transposed(&b, x, bound)
        case 14: general(&b, x, bound)
        case 15: sample(&b, x, bound)
        default: computedWeight(&b, x, bound)
        }
    }

    private mutating func convolve(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let shape = b.shape(x)
        let outputs = draw(of: [1, 3, 4, 7, 12, 16, 20, 24, 32])
        let kernel = draw(of: [(3, 3), (3, 3), (3, 3), (1, 1), (5, 5), (4, 4), (1, 3), (2, 1)])
        let padding = draw(of: [1, 1, 0, 2])
        var window = ConvolutionWindow(padding: padding)
        if kind == .everything {
            window.dilation = draw(of: [1, 1, 1, 2, 3])
            if draw(0...3) == 0 { window.margins.top += draw(0...2) }
            if draw(0...3) == 0 { window.margins.right += draw(0...2) }
        }
        guard shape.height + 2 * padding >= window.reach(kernel.0), shape.width + 2 * padding >= window.reach(kernel.1)
        else { return }
        let stride = draw(of: [1, 1, 1, 2])
        let groups = draw(of: [1, 1, 1, 2, shape.channels])
        guard shape.channels % groups == 0, outputs % groups == 0 else { return }
        let weight = b.parameter(name("w"), [outputs, shape.channels / groups, kernel.0, kernel.1])
        (window.stride, window.groups) = (stride, groups)
        let operation = Operation.convolution(window)
        // Weights have the variance 2 / fan-in: sums of them are seldom larger than thrice what they read.
        if draw(0...1) == 0 { return add(&b, b.apply(operation, x, weight), 3 * bound) }
        add(&b, b.apply(operation, x, weight, b.parameter(name("b"), [outputs])), 3 * bound + 0.5)
    }

    private mutating func unary(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let channels = b.shape(x).channels
        switch draw(0...6) {
        case 0: add(b.leakyReLU(x, draw(of: [0, 0.1, 0.25, 1])), bound)
        case 1: add(b.apply(.prelu, x, b.parameter(name("p"), [draw(of: [1, channels])])), bound)
        case 2:
            let (scale, offset) = (number(-1.5...1.5), number(-0.5...0.5))
            add(&b, b.apply(.affine(scale: scale, offset: offset), x), bound * abs(scale) + 0.5)
        case 3: add(b.apply(.clamp(low: -0.5, high: number(0...0.75)), x), 0.75)
        case 4:
            let name = draw(
                of: PointwiseFunction.Name.allCases.filter { $0.example.operandCount == 2 && $0 != .greater })
            add(&b, b.apply(.pointwise(name.example), x, b.parameter(self.name("v"), [channels])), bound + 0.5)
        default: any(&b, x, bound)
        }
    }

    /// Any smooth or kinked function of one operand, where that is in the range that the function takes.
    private mutating func any(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let function = draw(
            of: PointwiseFunction.Name.allCases.filter {
                $0.example.operandCount == 1 && ![.step, .floor].contains($0)
            }
        )
        .example
        if function.row.isSafeOnPadding { return add(&b, b.apply(.pointwise(function), x), bound + 1) }
        let positive = b.apply(.affine(scale: 1, offset: 0.3), b.apply(.pointwise(.absolute), x))
        if function == .exponential { return add(b.apply(.pointwise(function), b.scaled(x, 2 / bound)), 8) }
        add(&b, b.apply(.pointwise(function), positive), max(bound * bound, 4))
    }

    /// A sum or product with any value of the same shape, perhaps itself.
    private mutating func binary(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let shape = b.shape(x)
        let partners = values.filter { b.shape($0.value) == shape }
        let y = draw(of: partners)
        let function = draw(of: [PointwiseFunction.add, .add, .multiply, .multiply, .maximum, .minimum])
        // A gate, half of the time.
        let gated = function == .multiply && draw(0...1) == 0
        let other = gated ? b.apply(.pointwise(.sigmoid), y.value) : y.value
        let (first, second) = draw(0...1) == 0 ? (x, other) : (other, x)
        add(
            &b, b.apply(.pointwise(function), first, second),
            function == .multiply ? bound * (gated ? 1 : y.bound) : bound + y.bound)
    }

    private mutating func concatenate(_ b: inout GraphBuilder, _ x: Value) {
        let shape = b.shape(x)
        let partners = values.filter {
            let other = b.shape($0.value)
            return (other.batch, other.height, other.width) == (shape.batch, shape.height, shape.width)
        }
        let parts = (0..<draw(2...4)).map { _ in draw(of: partners) }
        guard parts.reduce(0, { $0 + b.shape($1.value).channels }) <= 96 else { return }
        add(b.concatenate(parts.map(\.value)), parts.map(\.bound).max()!)
    }

    private mutating func arrange(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let shape = b.shape(x)
        let isSmall = max(shape.height, shape.width) <= 16
        switch draw(0...6) {
        case 0:
            let start = draw(0...shape.channels - 1)
            add(b.apply(.sliceChannels(start: start, count: draw(1...shape.channels - start)), x), bound)
        case 1 where isSmall: add(b.apply(.upsampleNearest(factor: draw(1...3)), x), bound)
        case 2:
            let factor = draw(of: [2, 2, 3])
            guard isSmall, shape.channels % (factor * factor) == 0 else { return }
            add(b.apply(.pixelShuffle(factor: factor), x), bound)
        case 3:
            let factor = draw(of: [2, 2, 3])
            let (bottom, right) = ((factor - shape.height % factor) % factor, (factor - shape.width % factor) % factor)
            guard shape.channels * factor * factor <= 96 else { return }
            let padded = b.apply(.pad(Margins(bottom: bottom, right: right), draw(of: [.zero, .reflect])), x)
            add(b.apply(.pixelUnshuffle(factor: factor), padded), bound)
        case 4:
            let filter = draw(of: [ResizeFilter.nearest, .bilinear, .bicubic])
            // Keys' cubic overshoots by less than a half of what it reads.
            add(
                &b, b.apply(.resize(height: draw(1...20), width: draw(1...20), filter), x),
                filter == .bicubic ? 2 * bound : bound)
        case 5 where isSmall:
            let margins = Margins(top: draw(0...3), left: draw(0...3), bottom: draw(0...3), right: draw(0...3))
            add(b.apply(.pad(margins, draw(of: [.zero, .reflect])), x), bound)
        default:
            let (top, left) = (draw(0...(shape.height - 1) / 2), draw(0...(shape.width - 1) / 2))
            let margins = Margins(
                top: top, left: left, bottom: draw(0...(shape.height - 1 - top)),
                right: draw(0...(shape.width - 1 - left)))
            add(b.apply(.crop(margins), x), bound)
        }
    }

    private mutating func function(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let positive = b.apply(.affine(scale: 1, offset: 0.5), b.apply(.pointwise(.softplus), x))
        switch draw(0...5) {
        case 0 where bound <= 2: add(b.apply(.pointwise(.exponential), x), 8)
        case 1: add(b.apply(.pointwise(.logarithm), positive), 3)
        case 2: add(b.apply(.pointwise(.squareRoot), positive), 3)
        case 3: add(b.apply(.pointwise(.reciprocal), positive), 2)
        case 4: add(b.apply(.pointwise(.absolute), x), bound)
        default: add(&b, positive, bound + 1.5)
        }
    }

    /// Differences from the mean over some axes, against their mean square or not; or the mean as a factor.
    private mutating func normalise(_ b: inout GraphBuilder, _ x: Value) {
        let shape = b.shape(x)
        let axes = draw(of: [[1, 2], [3], [1, 2, 3], [2], [0, 1, 2]])
        let mean = b.broadcast(b.mean(x, over: axes), to: shape)
        if draw(0...2) == 0 { return add(b.apply(.multiply, x, b.apply(.pointwise(.sigmoid), mean)), 8) }
        let difference = b.difference(x, mean)
        if draw(0...2) == 0 { return add(&b, difference, 16) }
        let variance = b.apply(.affine(scale: 1, offset: 0.1), b.mean(b.square(difference), over: axes))
        let deviation = b.broadcast(b.apply(.pointwise(.squareRoot), variance), to: shape)
        add(&b, b.quotient(difference, deviation), 6)
    }

    private mutating func attend(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let shape = b.shape(x)
        let pixels = shape.height * shape.width
        guard pixels <= 200 else { return }
        let rows = b.apply(.reshape([shape.batch, pixels, shape.channels]), x)
        let scores = b.apply(.product(transposeLeft: false, transposeRight: true), rows, rows)
        let shares = b.apply(
            .pointwise(.exponential),
            b.apply(.pointwise(.tanh), b.apply(.affine(scale: 1 / Float(shape.channels), offset: 0), scores)))
        let sums = b.broadcast(b.sum(shares, over: [2]), to: b.shape(shares))
        let mixed = b.apply(.product(transposeLeft: false, transposeRight: false), b.quotient(shares, sums), rows)
        add(b.apply(.reshape(shape), mixed), bound)
    }

    private mutating func transposed(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let shape = b.shape(x)
        guard max(shape.height, shape.width) <= 12 else { return }
        let (outputs, kernel, stride) = (draw(of: [1, 3, 8, 16]), draw(of: [1, 2, 3, 4]), draw(1...2))
        let padding = draw(0...kernel / 2)
        let (height, width) = (
            (shape.height - 1) * stride + kernel - 2 * padding, (shape.width - 1) * stride + kernel - 2 * padding
        )
        guard height >= 1, width >= 1 else { return }
        let weight = b.parameter(name("w"), [shape.channels, outputs, kernel, kernel])
        let operation = Operation.convolutionTranspose(
            stride: stride, padding: padding, groups: 1, height: height + draw(0...stride - 1), width: width)
        add(&b, b.apply(operation, x, weight), 4 * bound)
    }

    /// Pixels at positions that a value of two channels says, or a parameter, as far as three pixels outside.
    private mutating func sample(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let shape = b.shape(x)
        let border = draw(of: [SampleBorder.zeros, .border])
        let (height, width) = (draw(1...12), draw(1...12))
        let spread = b.apply(.pointwise(.tanh), b.parameter(name("s"), .nhwc(shape.batch, height, width, 2)))
        let scales = [Float(shape.width) / 2 + 3, Float(shape.height) / 2 + 3]
        let centred = b.apply(.multiply, spread, b.constant(scales, [2]))
        let centre = [Float(shape.width - 1) / 2, Float(shape.height - 1) / 2]
        let positions = b.apply(.add, centred, b.constant(centre, [2]))
        add(b.apply(.sample(.bilinear, border), x, positions), bound)
    }

    private mutating func general(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let shape = b.shape(x)
        switch draw(0...4) {
        case 0:
            let order = draw(of: [[0, 2, 1, 3], [3, 2, 1, 0], [0, 3, 1, 2]])
            guard (1...64).contains(shape[order[3]]), shape[order[0]] <= 4 else { return }
            add(b.apply(.transpose(order), x), bound)
        case 1:
            guard shape.height % 2 == 0, shape.width % 2 == 0 else { return }
            add(&b, b.apply(.sumPool(factor: 2), x), 4 * bound)
        case 2:
            add(
                &b, b.apply(.add, x, b.constant((0..<shape.channels).map { Float($0 % 5) / 8 }, [shape.channels])),
                bound + 0.5)
        case 3: add(b.apply(.again(draw(1...3)), b.apply(.detach, x)), bound)
        default: add(&b, b.multiplied(x, by: b.parameter(name("n"), [1])), bound)
        }
    }

    private mutating func computedWeight(_ b: inout GraphBuilder, _ x: Value, _ bound: Float) {
        let shape = b.shape(x)
        let outputs = draw(of: [3, 8, 16])
        let stored = b.parameter(name("w"), [outputs, shape.channels, 3, 3])
        let weight = b.apply(.pointwise(.tanh), b.apply(.affine(scale: 0.5, offset: 0), stored))
        add(&b, b.apply(.convolution(stride: 1, padding: 1, groups: 1), x, weight), 2 * bound)
    }
}

/// The mean of squared differences, against the mean square of what is expected, or against 0.01² where that is less (what
/// is left of numbers that cancel each other is rounding); infinite where one side is not a number.
public func normalisedMeanSquare(_ found: HostTensor, _ expected: HostTensor) -> Double {
    precondition(found.shape == expected.shape, "\(found.shape) against \(expected.shape)")
    var (error, size) = (0.0, 0.0)
    for (x, y) in zip(found.values, expected.values) {
        error += Double(x - y) * Double(x - y)
        size += Double(y) * Double(y)
    }
    if !error.isFinite { return .infinity }
    return error == 0 ? 0 : error / max(size, 1e-4 * Double(expected.values.count))
}
