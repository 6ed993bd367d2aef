/// Where the planes of one picture in a `FrameFormat` lie.
public struct FramePlanes {
    public struct Plane {
        public let address: UnsafeMutableRawPointer
        /// Bytes from row to row, negative where the last row comes first.
        public let stride: Int
        public let rowBytes: Int
        public let rows: Int

        public init(address: UnsafeMutableRawPointer, stride: Int, rowBytes: Int, rows: Int) {
            (self.address, self.stride, self.rowBytes, self.rows) = (address, stride, rowBytes, rows)
        }

        /// Copies the samples, and leaves alone what lies between rows.
        ///
        /// - Precondition: both are of the same size.
        public func copy(to target: Plane) {
            precondition((rowBytes, rows) == (target.rowBytes, target.rows), "planes of different sizes")
            for row in 0..<rows {
                (target.address + row * target.stride).copyMemory(from: address + row * stride, byteCount: rowBytes)
            }
        }
    }

    public let planes: [Plane]

    public init(_ planes: [Plane]) { self.planes = planes }

    /// A picture in memory that begins at `base`.
    public init(_ format: FrameFormat, _ arrangement: FrameArrangement, at base: UnsafeMutableRawPointer) {
        planes = arrangement.starts.indices.map { plane in
            Plane(
                address: base + arrangement.starts[plane], stride: arrangement.strides[plane],
                rowBytes: format.rowBytes(plane: plane), rows: format.extent(plane: plane).height)
        }
    }

    /// Copies the samples of all planes.
    ///
    /// - Precondition: both are of the same format.
    public func copy(to target: FramePlanes) {
        precondition(planes.count == target.planes.count, "pictures of one format have the same planes")
        for (from, to) in zip(planes, target.planes) { from.copy(to: to) }
    }
}

/// How somebody who writes pictures (a decoder) lays them in one piece of memory.
public struct FrameArrangement: Hashable, Sendable {
    /// Bytes from the beginning to each plane's first row, and from row to row.
    public var starts: [Int]
    public var strides: [Int]
    /// Of the whole, with all that the writer may touch besides the picture.
    public var bytes: Int

    public init(starts: [Int], strides: [Int], bytes: Int) {
        (self.starts, self.strides, self.bytes) = (starts, strides, bytes)
    }

    /// One plane after the other, beginning at multiples of 256 bytes; rows at multiples of 64, for copying likes whole cache
    /// lines and kernels need whole words.
    public init(_ format: FrameFormat) {
        self.init(starts: [], strides: [], bytes: 0)
        for plane in 0..<format.planeCount {
            let stride = (format.rowBytes(plane: plane) + 63) / 64 * 64
            starts.append(bytes)
            strides.append(stride)
            bytes += (stride * format.extent(plane: plane).height + 255) / 256 * 256
        }
    }
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

/// Memory of a plan for a frame that somebody is about to write, as fast to read and write as any. It serves other frames
/// again when this object goes, on whatever thread; the memory outlives the plan for as long.
public final class LentMemory: Sendable {
    /// A multiple of 64.
    nonisolated(unsafe) public let address: UnsafeMutableRawPointer
    public let bytes: Int
    private let owner: any AnyObject & Sendable

    /// - Parameter owner: is kept for as long; the memory is its.
    public init(_ address: UnsafeMutableRawPointer, bytes: Int, owner: any AnyObject & Sendable) {
        (self.address, self.bytes, self.owner) = (address, bytes, owner)
    }
}

/// An executor whose plans take and give pictures as decoders and encoders have them, converted on the device.
public protocol FrameExecutor: Executor {
    /// Compiles a graph of N RGB pictures `[N, H, W, 3]` to as many others. N frames are then computed together, which
    /// fills a large device with small frames.
    ///
    /// - Parameters:
    ///   - input, output: of the sizes of the graph's pictures.
    ///   - arrangement: how a decoder lays its pictures, if it would write them into the plan's memory (`FramePlan.lend`).
    /// - Throws: `ExecutionError` as `compile` does, and where the device cannot take so large a frame.
    func compile(
        _ graph: Graph, parameters: Parameters, input: FrameFormat, output: FrameFormat,
        arrangement: FrameArrangement?
    ) throws -> any FramePlan
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

    /// Lends memory for a frame in the arrangement that this was compiled for: what is written there and then submitted
    /// is not copied. Callable from any thread, also when the plan is gone. It gives nil while all that can be spared is
    /// lent; is nil where there is nothing to lend: no arrangement was given, or the host would read the memory slowly.
    var lend: (@Sendable () -> LentMemory?)? { get }

    /// Starts a frame: with those before it, when they are `framesAtOnce`. Never blocks for the device.
    ///
    /// - Parameters:
    ///   - frame: its samples. They are copied, unless they lie in lent memory as arranged: those are read where they
    ///     are, and must stay as they are until the frame was waited for.
    ///   - owner: of what is read where it lies; kept at least until then.
    /// - Precondition: `hasRoom`.
    /// - Throws: `ExecutionError`; the frame is then not started.
    func submit(_ frame: FramePlanes, owner: AnyObject) throws -> FrameTicket

    /// Blocks until the frame is done, and lends its samples. Frames are waited for in the order in which
    /// they were submitted. A frame whose batch is not full yet is started first, with those that there are; that takes as
    /// long as a full batch.
    ///
    /// - Throws: `ExecutionError`.
    func wait(_ ticket: FrameTicket) throws -> LentFrame
}
