public import Tensor

/// How `resize` samples. Half-pixel centres (`source = (target + 0.5) * in / out - 0.5`), samples clamped to the border,
/// no antialiasing: PyTorch's `interpolate(align_corners=False)` and ncnn's `Interp`.
public enum ResizeFilter: String, Hashable, Sendable, Codable {
    /// `source = floor(target * in / out)`, PyTorch's "nearest".
    case nearest
    case bilinear
    /// Keys' cubic with a = -0.75, as PyTorch and ncnn use it.
    case bicubic
}

/// How `sample` reads between pixels.
public enum SampleFilter: String, Hashable, Sendable, Codable {
    /// The nearest pixel; in the middle between two the one with the even number.
    case nearest
    case bilinear
}

/// What `sample` reads outside the image.
public enum SampleBorder: String, Hashable, Sendable, Codable {
    case zeros
    /// The pixel on the border that is nearest.
    case border
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
///
/// The set is closed under differentiation: the vector-Jacobian product of every operation is written in operations
/// (`Autodiff`), so derivatives of any order are graphs too. Linear operations come in pairs of adjoints.
public enum Operation: Hashable, Sendable {
    /// An activation given at run time. No operands.
    case input(name: String)
    /// A named, trained tensor. No operands.
    case parameter(name: String)
    /// Numbers that belong to the graph: one for every element, or one for all. No operands.
    case constant([Float])

    /// Cross-correlation: operands x `[N, H, W, I]`, weight `[O, I/groups, kH, kW]`, and optionally bias `[O]`.
    case convolution(ConvolutionWindow)
    /// Any rank. Operands as the function says.
    case pointwise(PointwiseFunction)

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

    // What training needs beyond inference. Tensors of any rank unless said otherwise.

    /// The adjoint of `convolution` in x, which is also the transposed convolution: operands g `[N, h, w, O]` and weight
    /// `[O, I/groups, kH, kW]` to `[N, height, width, I]`, where the convolution of such an activation has g's shape.
    case convolutionTranspose(ConvolutionWindow, height: Int, width: Int)
    /// The adjoint of `convolution` in the weight: operands x `[N, H, W, I]` and g `[N, h, w, O]` to
    /// `[O, I/groups, kernelHeight, kernelWidth]`.
    case convolutionWeightGradient(ConvolutionWindow, kernelHeight: Int, kernelWidth: Int)
    /// Sums along every axis on which the target's extent is 1; ranks are equal.
    case sum(to: Shape)
    /// The mean along every axis on which the target's extent is 1; ranks are equal. It is an operation, and no sum times a
    /// number, because the number would be the frame's size: of a part of a frame, the graph would be another one.
    case mean(to: Shape)
    /// The adjoint of `sum`: repeats along every axis on which x's extent is 1.
    case broadcast(to: Shape)
    /// The same elements in the same order, seen with other extents.
    case reshape(Shape)
    /// Axis i of the result is axis `permutation[i]` of x.
    case transpose([Int])
    /// Matrix products of the last two axes, `[…, M, K]` times `[…, K, N]`, either side transposed before; the other axes
    /// are equal.
    case product(transposeLeft: Bool, transposeRight: Bool)
    /// The adjoint of `upsampleNearest`: the sum of each `factor` x `factor` pixels.
    case sumPool(factor: Int)
    /// The adjoint of `resize` from `[N, height, width, C]`.
    case resizeAdjoint(height: Int, width: Int, ResizeFilter)
    /// The adjoint of `pad`: what was read from a pixel is added up there.
    case padAdjoint(Margins, PadMode)
    /// x, through which no gradient flows.
    case detach
    /// x `[N, H, W, C]` at positions `[N, h, w, 2]` to `[N, h, w, C]`. A position is a column and a row of x in pixels; 0 is
    /// the centre of the first. Where a position is not a number the result is none.
    case sample(SampleFilter, SampleBorder)
    /// The adjoint of the nearest `sample` in x: g `[N, h, w, C]` and positions `[N, h, w, 2]` to `[N, height, width, C]`,
    /// where each pixel is the sum of what was read from it.
    case sampleAdjoint(height: Int, width: Int, SampleBorder)
    /// x itself, but to readers a value of its own: what is computed from it is computed apart from what is computed from
    /// x. Recomputation of activations is made of it; the number tells one such copy from another.
    case again(Int)
}

extension Operation {
    /// The operations without their attributes.
    public enum Kind: String, CaseIterable, Sendable {
        case input, parameter, convolution, pointwise, concatenate, sliceChannels, upsampleNearest, pixelShuffle,
            pixelUnshuffle, resize, pad, crop, constant, convolutionTranspose, convolutionWeightGradient, sum, mean,
            broadcast, reshape, transpose, product, sumPool, resizeAdjoint, padAdjoint, detach, sample,
            sampleAdjoint, again
    }

    public var kind: Kind {
        switch self {
        case .input: .input
        case .parameter: .parameter
        case .convolution: .convolution
        case .pointwise: .pointwise
        case .concatenate: .concatenate
        case .sliceChannels: .sliceChannels
        case .upsampleNearest: .upsampleNearest
        case .pixelShuffle: .pixelShuffle
        case .pixelUnshuffle: .pixelUnshuffle
        case .resize: .resize
        case .pad: .pad
        case .crop: .crop
        case .constant: .constant
        case .convolutionTranspose: .convolutionTranspose
        case .convolutionWeightGradient: .convolutionWeightGradient
        case .sum: .sum
        case .mean: .mean
        case .broadcast: .broadcast
        case .reshape: .reshape
        case .transpose: .transpose
        case .product: .product
        case .sumPool: .sumPool
        case .resizeAdjoint: .resizeAdjoint
        case .padAdjoint: .padAdjoint
        case .detach: .detach
        case .sample: .sample
        case .sampleAdjoint: .sampleAdjoint
        case .again: .again
        }
    }

    /// The operation's name in messages and listings; of a pointwise one, its function's.
    public var name: String {
        if case .pointwise(let function) = self { function.name.rawValue } else { kind.rawValue }
    }
}
