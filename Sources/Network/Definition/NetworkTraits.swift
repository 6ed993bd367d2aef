/// What follows from a network's graph; nothing of it is stated by hand.
public struct NetworkTraits: Hashable, Sendable {
    /// Output pixels per input pixel along each side.
    public var scale: Ratio
    /// Channels of the first input and of the first output.
    public var inputChannels, outputChannels: Int
    /// Sides in input pixels after which the network's own grids repeat: the least common multiple of the numerators of all
    /// strides. Tiles start at multiples of it.
    public var sizeMultiple: Extent
    /// The smallest frame, in input pixels, that the network takes.
    public var minimumSize: Extent
    /// How far an output pixel sees, in input pixels; nil where an operation sees the whole frame.
    public var receptiveField: ReceptiveField?
    /// The operations that read whole frames.
    public var frameReads: [FrameRead]
}

/// How far an output pixel sees along both axes, in input pixels.
public struct ReceptiveField: Hashable, Sendable {
    public var vertical, horizontal: Reach
    public init(vertical: Reach, horizontal: Reach) { (self.vertical, self.horizontal) = (vertical, horizontal) }

    /// The largest of the four reaches.
    public var radius: Int { max(vertical.before, vertical.after, horizontal.before, horizontal.after) }
}

/// An operation that reads a whole frame.
public enum FrameRead: Hashable, Sendable {
    /// A sum over a frame axis. The level is 1, or 1 more than the highest level among what is summed up.
    case statistics(level: Int)
    /// An operation of this name that sums up products over a frame axis, or behind which the frame's axes cannot be told.
    case opaque(operation: String)
}
