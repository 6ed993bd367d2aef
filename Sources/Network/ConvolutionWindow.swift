/// Which pixels a convolution reads for each of its results: result (i, j) reads rows `i * stride - margins.top + t * dilation`
/// for taps t of the kernel, columns likewise, and zeros outside.
public struct ConvolutionWindow: Hashable, Sendable {
    /// Pixels from one result to the next, along both axes.
    public var stride: Int
    /// Pixels from one tap to the next, along both axes.
    public var dilation: Int
    /// Rows and columns of zeros on each side.
    public var margins: Margins
    /// Into how many groups the channels are cut; each group of outputs reads one group of inputs.
    public var groups: Int

    public init(stride: Int = 1, dilation: Int = 1, margins: Margins = Margins(), groups: Int = 1) {
        (self.stride, self.dilation, self.margins, self.groups) = (stride, dilation, margins, groups)
    }

    public init(stride: Int = 1, padding: Int, dilation: Int = 1, groups: Int = 1) {
        self.init(
            stride: stride, dilation: dilation,
            margins: Margins(top: padding, left: padding, bottom: padding, right: padding), groups: groups)
    }

    /// The margin where it is the same on all sides.
    public var padding: Int? {
        let sides = [margins.top, margins.left, margins.bottom, margins.right]
        return sides.allSatisfy { $0 == sides[0] } ? sides[0] : nil
    }

    /// The pixels from the first tap of a kernel of so many to the last one, both included.
    public func reach(_ taps: Int) -> Int { (taps - 1) * dilation + 1 }
}

// Windows that are alike on all sides.
extension Operation {
    public static func convolution(stride: Int, padding: Int, groups: Int, dilation: Int = 1) -> Operation {
        .convolution(ConvolutionWindow(stride: stride, padding: padding, dilation: dilation, groups: groups))
    }

    public static func convolutionTranspose(
        stride: Int, padding: Int, groups: Int, height: Int, width: Int
    ) -> Operation {
        .convolutionTranspose(
            ConvolutionWindow(stride: stride, padding: padding, groups: groups), height: height, width: width)
    }

    public static func convolutionWeightGradient(
        stride: Int, padding: Int, groups: Int, kernelHeight: Int, kernelWidth: Int
    ) -> Operation {
        .convolutionWeightGradient(
            ConvolutionWindow(stride: stride, padding: padding, groups: groups), kernelHeight: kernelHeight,
            kernelWidth: kernelWidth)
    }
}
