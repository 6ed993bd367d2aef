internal import Network
public import Tensor

/// Adaptive augmentation of what a discriminator sees (Karras et al. 2020, "Training generative adversarial networks with
/// limited data"): real and generated pictures go through the same random changes, more of them the surer the
/// discriminator is of what it should not know so well.
///
/// Changes are linear maps whose matrices are inputs of the step: flips, shifts and scaling act along rows and along columns,
/// so each is one product; colours are another; what is cut out is a mask. Derivatives go through them to the generator.
/// A real picture and the generated one of the same place in a batch are changed alike, so that their features can be
/// compared.
///
/// Of the paper's changes, rotations and hue are missing: crops are turned by the loader, and colours come from the input.
public struct Augmentation: Codable, Hashable, Sendable {
    /// Left and right, and above and below.
    public var flips = true
    /// By whole pixels, up to an eighth of the side; mirrored at the border.
    public var shifts = true
    /// By 2 to the power of a normal number of deviation 0.2, about the centre.
    public var scaling = true
    /// Brightness (deviation 0.1), contrast (2 to the power of a normal number of deviation 0.5, about middle gray) and,
    /// of three channels, saturation (deviation 1).
    public var colours = true
    /// A square of half the side becomes middle gray.
    public var cutout = true

    /// The mean sign of the discriminator's verdicts on real pictures that the probability is adjusted towards; nil for a
    /// probability that stays.
    public var target: Float? = 0.6
    /// The probability of each change at the beginning.
    public var start: Float = 0
    /// The largest probability: above it generators learn to draw changed pictures.
    public var largest: Float = 0.8
    /// Within so many pictures the probability goes from 0 to 1 at the fastest.
    public var pictures = 200_000
    /// It is adjusted every so many steps.
    public var interval = 4

    public init() {}

    /// The inputs of a step on pictures of this shape, by name.
    func inputShapes(_ shape: Shape) -> [(name: String, shape: Shape)] {
        let (batch, channels) = (shape.batch, shape.channels)
        var result: [(name: String, shape: Shape)] = []
        if flips || shifts || scaling {
            result.append(("augment.rows", [batch, shape.height, shape.height]))
            result.append(("augment.columns", [batch, shape.width, shape.width]))
        }
        if colours {
            result.append(("augment.colours", [batch, channels, channels]))
            result.append(("augment.offsets", [batch, 1, channels]))
        }
        if cutout { result.append(("augment.mask", .nhwc(batch, shape.height, shape.width, 1))) }
        return result
    }

    /// Draws what one step needs.
    ///
    /// - Parameters:
    ///   - shape: of the pictures that the discriminator reads.
    ///   - p: the probability of each change, for each picture by itself.
    ///   - random: moves on by the same count whatever is drawn.
    public func augmentationInputs(shape: Shape, p: Float, random: inout Philox) -> [String: HostTensor] {
        var tensors = Dictionary(uniqueKeysWithValues: inputShapes(shape).map { ($0.name, HostTensor($0.shape)) })
        for picture in 0..<shape.batch {
            let draw = Draw(random.uniform(Draw.count), p: p)
            func fill(_ name: String, _ values: [Float]) {
                tensors[name]?.values.replaceSubrange(
                    picture * values.count..<(picture + 1) * values.count, with: values)
            }
            fill("augment.rows", resampling(shape.height, draw, flip: draw.flipsRows, shift: draw.shiftRows))
            fill("augment.columns", resampling(shape.width, draw, flip: draw.flipsColumns, shift: draw.shiftColumns))
            let (matrix, offset) = draw.colours(shape.channels)
            fill("augment.colours", matrix)
            fill("augment.offsets", [Float](repeating: offset, count: shape.channels))
            fill("augment.mask", draw.mask(shape))
        }
        return tensors
    }

    /// The matrix that flips, shifts and scales `count` samples: each row has the weights of one new sample.
    private func resampling(_ count: Int, _ draw: Draw, flip: Bool, shift: Double) -> [Float] {
        var matrix = [Float](repeating: 0, count: count * count)
        let middle = Double(count - 1) / 2
        for index in 0..<count {
            var source = Double(index)
            if scaling { source = (source - middle) / draw.scale + middle }
            if shifts { source -= (shift * Double(count) / 8).rounded() }
            if flips && flip { source = Double(count - 1) - source }
            let floor = source.rounded(.down)
            let share = Float(source - floor)
            matrix[index * count + mirrored(Int(floor), count)] += 1 - share
            if share > 0 { matrix[index * count + mirrored(Int(floor) + 1, count)] += share }
        }
        return matrix
    }

    private func mirrored(_ index: Int, _ count: Int) -> Int {
        if count == 1 { return 0 }
        let period = 2 * (count - 1)
        let inside = ((index % period) + period) % period
        return min(inside, period - inside)
    }
}

/// What is drawn for one picture: which changes, and how much of each.
private struct Draw {
    static let count = 24
    let flipsRows, flipsColumns: Bool
    /// From -1 to 1.
    let shiftRows, shiftColumns: Double
    let scale: Double
    private let brightness, contrast, saturation: Double
    /// The centre of what is cut out, in shares of the sides.
    private let hole: (y: Double, x: Double)?

    init(_ u: [Float], p: Float) {
        func chosen(_ index: Int) -> Bool { u[index] < p }
        func between(_ index: Int) -> Double { Double(u[index]) * 2 - 1 }
        /// Box and Muller's.
        func normal(_ index: Int) -> Double {
            let radius = (-2 * logarithm(1 - Double(u[index]))).squareRoot()
            return radius * cosine(2 * Double.pi * Double(u[index + 1]))
        }
        flipsRows = chosen(0) && u[1] < 0.5
        flipsColumns = chosen(2) && u[3] < 0.5
        (shiftRows, shiftColumns) = chosen(4) ? (between(5), between(6)) : (0, 0)
        scale = chosen(7) ? power(2, 0.2 * normal(8)) : 1
        brightness = chosen(10) ? 0.1 * normal(11) : 0
        contrast = chosen(13) ? power(2, 0.5 * normal(14)) : 1
        saturation = chosen(16) ? power(2, normal(17)) : 1
        hole = chosen(19) ? (Double(u[20]), Double(u[21])) : nil
    }

    /// The matrix `[C, C]` by which a pixel's row of channels is multiplied, and what is added then.
    func colours(_ channels: Int) -> (matrix: [Float], offset: Float) {
        var matrix = [Float](repeating: 0, count: channels * channels)
        for row in 0..<channels {
            for column in 0..<channels {
                // Along gray nothing changes, across it the saturation counts.
                let gray = channels == 3 ? (1 - saturation) / 3 : 0
                let own = row == column ? (channels == 3 ? saturation : 1) : 0
                matrix[row * channels + column] = Float(contrast * (gray + own))
            }
        }
        return (matrix, Float(0.5 - 0.5 * contrast + brightness))
    }

    func mask(_ shape: Shape) -> [Float] {
        var mask = [Float](repeating: 1, count: shape.height * shape.width)
        guard let hole else { return mask }
        func span(_ centre: Double, _ count: Int) -> Range<Int> {
            let first = Int((centre * Double(count)).rounded(.down)) - count / 4
            return max(0, first)..<max(0, min(count, first + count / 2))
        }
        for y in span(hole.y, shape.height) {
            for x in span(hole.x, shape.width) { mask[y * shape.width + x] = 0 }
        }
        return mask
    }
}

extension GraphBuilder {
    /// Pictures `[N, H, W, C]`, changed by what was drawn.
    ///
    /// - Parameter draws: the inputs of `Augmentation.augmentationInputs`, as far as there are any.
    mutating func augmented(_ pictures: Value, _ draws: [String: Value]) -> Value {
        let shape = shape(pictures)
        let product = Operation.product(transposeLeft: false, transposeRight: false)
        var x = pictures
        if let rows = draws["augment.rows"], let columns = draws["augment.columns"] {
            let lines = apply(product, rows, reshaped(x, [shape.batch, shape.height, shape.width * shape.channels]))
            let turned = apply(.transpose([0, 2, 1, 3]), reshaped(lines, shape))
            let flat = reshaped(turned, [shape.batch, shape.width, shape.height * shape.channels])
            let sheet = Shape.nhwc(shape.batch, shape.width, shape.height, shape.channels)
            x = apply(.transpose([0, 2, 1, 3]), reshaped(apply(product, columns, flat), sheet))
        }
        if let colours = draws["augment.colours"], let offsets = draws["augment.offsets"] {
            let pixels = reshaped(x, [shape.batch, shape.height * shape.width, shape.channels])
            let mixed = apply(product, pixels, colours)
            x = reshaped(apply(.add, mixed, broadcast(offsets, to: self.shape(mixed))), shape)
        }
        if let mask = draws["augment.mask"] {
            let aroundGray = apply(.affine(scale: 1, offset: -0.5), x)
            x = apply(
                .affine(scale: 1, offset: 0.5), apply(.multiply, aroundGray, broadcast(mask, to: shape)))
        }
        return x
    }
}

/// Adjusts the probability of augmentation by how sure the discriminator is of real pictures. Its state belongs into
/// checkpoints.
public struct AugmentationController: Codable, Hashable, Sendable {
    public let settings: Augmentation
    public private(set) var p: Float
    private var signs: Float = 0
    private var steps = 0
    private var pictures = 0

    public init(_ settings: Augmentation) { (self.settings, p) = (settings, settings.start) }

    /// What a step reads, drawn with the probability of now.
    func inputs(shape: Shape, random: inout Philox) -> [String: HostTensor] {
        settings.augmentationInputs(shape: shape, p: p, random: &random)
    }

    /// Takes in a step of the discriminator.
    ///
    /// - Parameters:
    ///   - accuracy: "d.accuracy.real" of the step; twice that less one is the mean sign.
    ///   - pictures: how many real ones it saw.
    public mutating func record(accuracy: Float, pictures: Int) {
        guard let target = settings.target, accuracy.isFinite else { return }
        signs += 2 * accuracy - 1
        steps += 1
        self.pictures += pictures
        guard steps >= settings.interval else { return }
        let excess = signs / Float(steps) - target
        let change = Float(self.pictures) / Float(max(1, settings.pictures))
        p = min(settings.largest, max(0, p + (excess > 0 ? change : excess < 0 ? -change : 0)))
        (signs, steps, self.pictures) = (0, 0, 0)
    }
}
