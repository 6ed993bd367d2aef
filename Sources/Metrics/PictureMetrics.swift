public import Tensor

/// All numbers for one pair of pictures.
public struct PictureMetrics: Sendable, Equatable {
    /// Mean squared errors for a peak of 1: of red, green and blue together, and of luma.
    public var errorRGB: Double
    public var errorY: Double
    /// Of luma.
    public var ssim: Double
    /// Of luma.
    public var multiScale: MultiScaleSSIM

    public var psnrRGB: Double { PSNR.decibels(errorRGB) }
    public var psnrY: Double { PSNR.decibels(errorY) }

    /// - Precondition: two pictures `[1, H, W, 3]` of one size, gamma-encoded RGB in 0 … 1.
    public init(_ a: HostTensor, _ b: HostTensor, luma weights: LumaWeights) {
        precondition(a.shape == b.shape, "\(a.shape) against \(b.shape)")
        let (x, y) = (a.luma(weights), b.luma(weights))
        errorRGB = PSNR.meanSquaredError(a.values, b.values)
        errorY = PSNR.meanSquaredError(x.values, y.values)
        ssim = SSIM.similarity(x, y)
        multiScale = MultiScaleSSIM(x, y)
    }
}
