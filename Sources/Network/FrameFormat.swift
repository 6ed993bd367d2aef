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

/// The memory of one picture in a `FrameFormat`, lent by a plan.
public struct FramePlanes {
    public struct Plane {
        public let address: UnsafeMutableRawPointer
        /// Bytes from row to row, at least `rowBytes`.
        public let stride: Int
        public let rowBytes: Int
        public let rows: Int

        public init(address: UnsafeMutableRawPointer, stride: Int, rowBytes: Int, rows: Int) {
            (self.address, self.stride, self.rowBytes, self.rows) = (address, stride, rowBytes, rows)
        }
    }

    public let planes: [Plane]

    public init(_ planes: [Plane]) { self.planes = planes }
}

/// A frame that a plan made, in the plan's memory. That serves other frames again when this object goes, on whatever
/// thread.
public final class LentFrame: Sendable {
    nonisolated(unsafe) public let planes: FramePlanes
    /// Whether it may be kept while the plan goes on; otherwise it must go before the next frame is submitted or waited
    /// for. Where it may, memory is as fast to read as any, and 64 bytes after each plane belong to it too.
    public let mayBeKept: Bool
    private let giveBack: @Sendable () -> Void

    public init(_ planes: FramePlanes, mayBeKept: Bool, giveBack: @escaping @Sendable () -> Void) {
        (self.planes, self.mayBeKept, self.giveBack) = (planes, mayBeKept, giveBack)
    }

    deinit { giveBack() }
}

/// An executor whose plans take and give pictures as decoders and encoders have them, converted on the device.
public protocol FrameExecutor: Executor {
    /// Compiles a graph of N RGB pictures `[N, H, W, 3]` to as many others. N frames are then computed together, which
    /// fills a large device with small frames.
    ///
    /// - Parameters:
    ///   - input, output: of the sizes of the graph's pictures.
    /// - Throws: `ExecutionError` as `compile` does, and where the device cannot take so large a frame.
    func compile(_ graph: Graph, parameters: Parameters, input: FrameFormat, output: FrameFormat) throws
        -> any FramePlan
}

/// A frame that was submitted and not yet waited for.
public struct FrameTicket: Sendable, Hashable {
    public let number: Int
    public init(number: Int) { self.number = number }
}

/// A graph compiled from frames to frames. Owned by one thread at a time.
///
/// Several frames can be in flight: copying one in or out goes on while the device computes another.
public protocol FramePlan: AnyObject {
    /// Frames that are computed together.
    var framesAtOnce: Int { get }
    /// Frames that can be submitted before the first is waited for: several times `framesAtOnce`.
    var framesInFlight: Int { get }
    /// Frames that were submitted, and not started because their batch is not full.
    var framesWaiting: Int { get }
    /// Whether a frame can be submitted. (A batch that was started before it was full takes no more.)
    var hasRoom: Bool { get }
    var memoryBytes: Int { get }

    /// Lends memory for a frame's samples, and starts it: with those before it, when they are `framesAtOnce`. Blocks for
    /// as long as `write` does, never for the device.
    ///
    /// - Precondition: `hasRoom`.
    /// - Throws: `ExecutionError`, and what `write` throws; the frame is then not started.
    func submit(_ write: (FramePlanes) throws -> Void) throws -> FrameTicket

    /// Blocks until the frame is done, and lends its samples. Frames are waited for in the order in which
    /// they were submitted. A frame whose batch is not full yet is started first, with those that there are; that takes as
    /// long as a full batch.
    ///
    /// - Throws: `ExecutionError`.
    func wait(_ ticket: FrameTicket) throws -> LentFrame
}
