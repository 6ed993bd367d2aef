/// A pointwise non-linearity without parameters.
public enum Activation: Hashable, Sendable {
    /// `x < 0 ? slope * x : x`; `slope` 0 is ReLU.
    case leakyReLU(slope: Float)
    /// `1 / (1 + exp(-x))`
    case sigmoid
    /// `x * sigmoid(x)`
    case silu
    case tanh

    public static let relu = Activation.leakyReLU(slope: 0)
}

/// How `resize` samples. Half-pixel centres (`source = (target + 0.5) * in / out - 0.5`), samples clamped to the border,
/// no antialiasing: PyTorch's `interpolate(align_corners=False)` and ncnn's `Interp`.
public enum ResizeFilter: String, Hashable, Sendable, Codable {
    /// `source = floor(target * in / out)`, PyTorch's "nearest".
    case nearest
    case bilinear
    /// Keys' cubic with a = -0.75, as PyTorch and ncnn use it.
    case bicubic
}

/// What `pad` writes outside the picture.
public enum PadMode: Hashable, Sendable {
    case zero
    /// Mirror without repeating the edge sample. Where the pad is as large as the side or larger the mirror goes on back
    /// and forth (NumPy's "reflect"); a side of one sample is repeated.
    case reflect
}

/// Rows and columns added or removed on each side of an activation.
public struct Margins: Hashable, Sendable {
    public var top, left, bottom, right: Int
    public init(top: Int = 0, left: Int = 0, bottom: Int = 0, right: Int = 0) {
        (self.top, self.left, self.bottom, self.right) = (top, left, bottom, right)
    }
}

/// One primitive of the graph. Activations are `[N, H, W, C]`.
public enum Operation: Hashable, Sendable {
    /// An activation given at run time. No operands.
    case input(name: String)
    /// A named, trained tensor. No operands.
    case parameter(name: String)

    /// Cross-correlation: operands x `[N, H, W, I]`, weight `[O, I/groups, kH, kW]`, and optionally bias `[O]`. Zero
    /// padding of `padding` on all sides.
    case convolution(stride: Int, padding: Int, groups: Int)
    /// `a + b`: equal shapes, or b a vector `[C]` added to every pixel.
    case add
    /// `a * b`, shapes as `add`.
    case multiply
    /// `x * scale + offset`
    case affine(scale: Float, offset: Float)
    case activation(Activation)
    /// `x < 0 ? w * x : x`: operands x and w `[C]`, or `[1]` for all channels.
    case prelu
    case clamp(low: Float, high: Float)

    /// Joins activations of equal N, H, W along channels.
    case concatenate
    /// `count` channels from `start` on.
    case sliceChannels(start: Int, count: Int)
    /// Every pixel becomes `factor` x `factor` equal ones.
    case upsampleNearest(factor: Int)
    /// `[N, H, W, C*r*r]` to `[N, H*r, W*r, C]`; channel `c*r*r + dy*r + dx` goes to pixel (dy, dx) (Shi et al. 2016;
    /// PyTorch's order).
    case pixelShuffle(factor: Int)
    /// The inverse: `[N, H*r, W*r, C]` to `[N, H, W, C*r*r]`, the same channel order.
    case pixelUnshuffle(factor: Int)
    case resize(height: Int, width: Int, ResizeFilter)
    case pad(Margins, PadMode)
    case crop(Margins)
}

extension Operation {
    /// The operation's name in messages and listings.
    public var name: String {
        switch self {
        case .input: "input"
        case .parameter: "parameter"
        case .convolution: "convolution"
        case .add: "add"
        case .multiply: "multiply"
        case .affine: "affine"
        case .activation: "activation"
        case .prelu: "prelu"
        case .clamp: "clamp"
        case .concatenate: "concatenate"
        case .sliceChannels: "sliceChannels"
        case .upsampleNearest: "upsampleNearest"
        case .pixelShuffle: "pixelShuffle"
        case .pixelUnshuffle: "pixelUnshuffle"
        case .resize: "resize"
        case .pad: "pad"
        case .crop: "crop"
        }
    }
}
