// Resampling: pictures brought to another size without aliasing.
//
// When a picture shrinks, the filter is widened by the factor, so that what the smaller picture cannot show is averaged
// away and does not come back as moiré; when it grows, the filter interpolates. This is the way of Pillow and of
// MATLAB's imresize, and what "bicubic downscaling" means in the super-resolution literature. (PyTorch's interpolation
// is another thing: it does not widen.) At the border the filter is cut and its weights are scaled up again.
//
// The parts: `AntialiasedFilter` (the kernels), `ResizeAxis` (which samples make up which along one side), `Resampler`
// (both sides, made once for a pair of sizes), `resized` (for those who do it once). A `ResizeAxis` can keep a window of
// the result: the samples outside the source that it names are then never touched, and what comes out is the very same
// as that part of the whole.

public import Tensor

/// What weighs the samples around a place.
public enum AntialiasedFilter: String, Sendable, Hashable, CaseIterable {
    /// The mean over the area of the new sample: a box. The nearest sample when a picture grows.
    case area
    /// A triangle.
    case bilinear
    /// Keys' cubic convolution with a = -0.5 (IEEE Trans. ASSP 29, 1981), as MATLAB and Pillow have it.
    case bicubic
    /// Sinc windowed by sinc, three lobes.
    case lanczos

    /// Half of the kernel's extent, in samples of the coarser of the two grids.
    public var support: Double {
        switch self {
        case .area: 0.5
        case .bilinear: 1
        case .bicubic: 2
        case .lanczos: 3
        }
    }
}

/// Brings `x`, `[N, H, W, C]`, to `[N, height, width, C]`. Bicubic and Lanczos overshoot at edges: the result may lie a
/// little outside the range of `x`. For many pictures of one size keep a `Resampler`.
///
/// - Precondition: no extent is zero.
public func resized(_ x: HostTensor, height: Int, width: Int, filter: AntialiasedFilter) -> HostTensor {
    var result = HostTensor(.nhwc(x.shape.batch, height, width, x.shape.channels))
    Resampler(from: x.shape, to: result.shape, filter: filter).resize(x, into: &result)
    return result
}
