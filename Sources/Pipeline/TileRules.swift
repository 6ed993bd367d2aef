internal import Network

/// Whether frames of a network can be cut into tiles, and how: what follows from its traits.
struct TileRules: Sendable {
    /// The overlap where the receptive field is too large to be covered.
    private static let blendedOverlap = 32
    /// Receptive fields up to this radius are covered by the overlap.
    private static let largestExactRadius = 48

    /// Whether tiles give the whole frame's result, but for rounding; else they are blended.
    let isExact: Bool
    /// Input pixels that a tile reads beyond its core on each inner side.
    let overlap: Int
    /// Whether means over the frame are gathered from all tiles before.
    let isStaged: Bool
    /// The operation that needs whole frames; nil where there can be tiles.
    let obstacle: String?
    /// Whether a change shows within the overlap only, so that the other tiles of a frame need not be computed again.
    var boundsChanges: Bool { isExact && !isStaged && obstacle == nil }

    init(_ traits: NetworkTraits) {
        let radius = traits.tileReach?.radius ?? .max
        isExact = radius <= Self.largestExactRadius
        overlap = isExact ? radius : Self.blendedOverlap
        obstacle = traits.opaqueRead
        isStaged = traits.frameReads.contains { if case .statistics = $0 { true } else { false } }
    }
}
