/// How a picture lies in the memory of a decoder or an encoder, and what its codes mean: all that it takes to make RGB of
/// it, and it of RGB. Numbers only; where they come from (which matrix, which siting) is for those who know video.
///
/// Samples are whole, 8 to 16 bits, all of one depth. A value is `code * scale + bias`. Chroma may have half the columns
/// or rows; it is then widened and narrowed by the filters given here, with the outermost samples repeated.
public struct FrameFormat: Hashable, Sendable {
    public enum Kind: Int, Hashable, Sendable {
        /// Components are luma, blue difference and red difference.
        case lumaAndChroma
        /// One component, luma, which stands for all three colours.
        case grey
        /// Components are red, green and blue.
        case rgb
    }

    /// Where the samples of one component lie in a row of its plane, in bytes.
    public struct Component: Hashable, Sendable {
        public var plane: Int
        /// From one sample to the next, and from the row's start to the first.
        public var step: Int
        public var offset: Int

        public init(plane: Int, step: Int, offset: Int) { (self.plane, self.step, self.offset) = (plane, step, offset) }
    }

    /// A chroma filter along one axis, for chroma of half the size.
    public struct Resampling: Hashable, Sendable {
        /// For even and for odd positions the weights of chroma samples i - 2 … i + 2.
        public var even: [Float]
        public var odd: [Float]
        /// The weights of positions 2i - 2 … 2i + 3 for chroma sample i.
        public var halving: [Float]

        public init(even: [Float], odd: [Float], halving: [Float]) {
            precondition(even.count == 5 && odd.count == 5 && halving.count == 6, "five weights, five, and six")
            (self.even, self.odd, self.halving) = (even, odd, halving)
        }
    }

    public var width: Int
    public var height: Int
    public var kind: Kind
    /// Bits of a code, and bits below it in its sample (P010 has six).
    public var depth: Int
    public var shift = 0
    /// 1, or 2 where `depth` is more than 8.
    public var bytesPerSample: Int
    /// Samples of two bytes have the high one first.
    public var isBigEndian = false
    /// One of grey, else three; all of one step in a plane that they share.
    public var components: [Component]
    /// Opacity, if there is any. It is not read, and written as opaque.
    public var alpha: Component?
    /// Filters where chroma has half the columns, or rows; nil where it has all of them.
    public var horizontal: Resampling?
    public var vertical: Resampling?
    /// Of luma or RGB, 0 … 1, and of chroma, -0.5 … 0.5: value = code * scale + bias.
    public var luma: (scale: Float, bias: Float) {
        get { (numbers[0], numbers[1]) }
        set { (numbers[0], numbers[1]) = newValue }
    }
    public var chroma: (scale: Float, bias: Float) {
        get { (numbers[2], numbers[3]) }
        set { (numbers[2], numbers[3]) = newValue }
    }
    private var numbers: [Float] = [1, 0, 1, 0]
    /// Rows r, g, b of the weights of the two chroma values; luma's weight is 1.
    public var toRGB: [Float] = [0, 0, 0, 0, 0, 0]
    /// Rows luma and chroma of the weights of r, g and b.
    public var fromRGB: [Float] = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    /// Whether RGB is limited to 0 … 1 on the way in and out.
    public var clamps = true

    public init(width: Int, height: Int, kind: Kind, depth: Int, components: [Component]) {
        precondition((8...16).contains(depth), "\(depth) bits")
        precondition(components.count == (kind == .grey ? 1 : 3), "\(components.count) components")
        (self.width, self.height, self.kind, self.depth, self.components) = (width, height, kind, depth, components)
        bytesPerSample = depth > 8 ? 2 : 1
    }

    public var planeCount: Int { (components + [alpha].compactMap { $0 }).map(\.plane).max()! + 1 }

    /// Columns and rows of samples in a plane.
    public func extent(plane: Int) -> (width: Int, height: Int) {
        let holdsChroma = kind == .lumaAndChroma && components.dropFirst().contains { $0.plane == plane }
        return (
            holdsChroma && horizontal != nil ? (width + 1) / 2 : width,
            holdsChroma && vertical != nil ? (height + 1) / 2 : height
        )
    }

    /// The bytes of a row of a plane that hold samples.
    public func rowBytes(plane: Int) -> Int {
        let step = (components + [alpha].compactMap { $0 }).first { $0.plane == plane }?.step ?? bytesPerSample
        return extent(plane: plane).width * step
    }
}
