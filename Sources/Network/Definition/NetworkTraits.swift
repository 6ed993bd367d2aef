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
    /// How far an output pixel sees, and each value of which a mean over the frame is taken, when those means are given:
    /// what tiles of a frame have to overlap by. Nil where there is no bound. `receptiveField` where there are no such means.
    public var tileReach: ReceptiveField?
    /// The operations that need whole frames.
    public var frameReads: [FrameRead]

    /// The first operation that needs a whole frame at once, by name; nil where frames can be computed in tiles.
    public var opaqueRead: String? {
        for case .opaque(let operation) in frameReads { return operation }
        return nil
    }
}

/// How far an output pixel sees along both axes, in input pixels.
public struct ReceptiveField: Hashable, Sendable {
    public var vertical, horizontal: Reach
    public init(vertical: Reach, horizontal: Reach) { (self.vertical, self.horizontal) = (vertical, horizontal) }

    /// The largest of the four reaches.
    public var radius: Int { max(vertical.before, vertical.after, horizontal.before, horizontal.after) }

    /// Becomes the smallest that covers both.
    mutating func widen(_ other: ReceptiveField) {
        vertical.widen(other.vertical)
        horizontal.widen(other.horizontal)
    }
}

/// An operation that needs a whole frame.
public enum FrameRead: Hashable, Sendable {
    /// A mean over all rows and columns, which can be gathered tile by tile. The level is 1, or 1 more than the highest level
    /// among what the mean is taken of.
    case statistics(level: Int)
    /// An operation of this name that reads a whole frame at once: it sums up over a frame axis without being a mean over the
    /// frame, or the frame's axes cannot be told behind it, or numbers of it depend on the frame's size.
    case opaque(operation: String)
}
