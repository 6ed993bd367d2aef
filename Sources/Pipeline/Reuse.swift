internal import Tensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// What was saved by not computing again what did not change.
public struct ReuseCount: Sendable, Hashable, Codable {
    /// Pictures seen, and how many of them equalled the one before.
    public var pictures = 0
    public var identicalPictures = 0
    /// Pictures of which only some tiles were computed, how many tiles those were, and how many they had.
    public var partialPictures = 0
    public var computedTiles = 0
    public var tiles = 0

    /// The share of all work that was saved, counting pictures by their tiles.
    public var savedShare: Double {
        guard pictures > 0 else { return 0 }
        let partial = tiles > 0 ? Double(partialPictures) * Double(tiles - computedTiles) / Double(tiles) : 0
        return (Double(identicalPictures) + partial) / Double(pictures)
    }
}

/// A row of the picture in which something changed, and from where to where.
struct ChangedRow {
    var y: Int
    var columns: Range<Int>
}

/// The last picture and its result. Owned by an `Upscaler`.
final class ReuseMemory {
    private var picture = HostTensor([0], [])
    private var result = HostTensor([0], [])
    /// Small tiles for partly changed pictures; made when first needed. nil inside: no use.
    private var pieces: (shape: Shape, plan: TiledPlan?)?
    private(set) var count = ReuseCount()

    var memoryBytes: Int {
        (picture.values.count + result.values.count) * MemoryLayout<Float>.size + (pieces?.plan?.memoryBytes ?? 0)
    }

    enum Changes {
        case everything
        case nothing
        case parts([ChangedRow])
    }

    /// What differs from the remembered picture, compared bit by bit.
    func changes(_ new: HostTensor) -> Changes {
        count.pictures += 1
        guard new.shape == picture.shape else { return .everything }
        let (width, channels) = (new.shape.width, new.shape.channels)
        let rowLength = width * channels
        var rows: [ChangedRow] = []
        picture.withUnsafeValues { old in
            new.withUnsafeValues { new in
                for y in 0..<new.count / max(rowLength, 1) {
                    let (a, b) = (old.baseAddress! + y * rowLength, new.baseAddress! + y * rowLength)
                    if memcmp(a, b, rowLength * MemoryLayout<Float>.size) == 0 { continue }
                    var first = 0
                    while a[first].bitPattern == b[first].bitPattern { first += 1 }
                    var last = rowLength - 1
                    while a[last].bitPattern == b[last].bitPattern { last -= 1 }
                    rows.append(ChangedRow(y: y, columns: first / channels..<last / channels + 1))
                }
            }
        }
        return rows.isEmpty ? .nothing : .parts(rows)
    }

    func countIdentical() { count.identicalPictures += 1 }

    func remember(_ picture: HostTensor, _ result: HostTensor) {
        Self.copy(picture, to: &self.picture)
        Self.copy(result, to: &self.result)
    }

    func copyResult(to target: inout HostTensor) { Self.copy(result, to: &target) }

    /// The plan for small tiles of pictures of this shape; nil where it is of no use.
    func pieces(for shape: Shape, _ compile: () throws -> TiledPlan?) rethrows -> TiledPlan? {
        if let pieces, pieces.shape == shape { return pieces.plan }
        let plan = try compile()
        pieces = (shape, plan)
        return plan
    }

    /// Computes these tiles of the new picture; the rest of the remembered result stays.
    func update(_ new: HostTensor, _ tiles: [TiledPlan.Tile], with pieces: TiledPlan) throws {
        try pieces.run(tiles, of: new, into: &result)
        Self.copy(new, to: &picture)
        count.partialPictures += 1
        count.computedTiles += tiles.count
        count.tiles += pieces.layout.count
    }

    /// Copies into the existing storage: a shared one would be copied at the next write, into new memory.
    private static func copy(_ source: HostTensor, to target: inout HostTensor) {
        if target.shape != source.shape { target = HostTensor(source.shape) }
        source.withUnsafeValues { source in
            target.withUnsafeMutableValues { _ = $0.update(fromContentsOf: source) }
        }
    }
}
