internal import Network
internal import Tensor

/// A plan for one tile or a batch of them, run over all tiles of a picture. Owned by one thread at a time.
final class TiledPlan {
    let shape: Shape
    let resultShape: Shape
    let layout: TileLayout
    let scale: Int
    /// Tiles that are computed at a time.
    let batch: Int
    private let plan: any Plan
    /// What is gathered from all tiles before; nil where the network needs nothing of the kind.
    private let staged: StagedTiles?
    /// One batch's input and output. Where the picture is one tile they are the caller's while it runs, else `nothing`.
    private var input: [HostTensor]
    private var output: [HostTensor]
    private let nothing = HostTensor([0], [])

    /// - Parameters:
    ///   - plan: for a batch of tiles of the layout's lengths, or for the whole picture.
    ///   - staged: gathers what `plan` reads beside a tile.
    init(shape: Shape, layout: TileLayout, scale: Int, plan: any Plan, staged: StagedTiles? = nil) {
        (self.shape, self.layout, self.scale, self.plan) = (shape, layout, scale, plan)
        self.staged = staged
        batch = layout.count == 1 ? 1 : plan.inputShapes[0].batch
        resultShape = .nhwc(
            shape.batch, shape.height * scale, shape.width * scale, plan.outputShapes[0].channels)
        let isWhole = layout.count == 1
        input = isWhole ? [nothing] : plan.inputShapes.map { HostTensor($0) }
        output = isWhole ? [nothing] : plan.outputShapes.map { HostTensor($0) }
    }

    var memoryBytes: Int { plan.memoryBytes + (staged?.memoryBytes ?? 0) }

    /// A tile by its row and column in the layout.
    struct Tile: Hashable {
        var row: Int
        var column: Int
    }

    /// The whole picture.
    func run(_ picture: HostTensor, into result: inout HostTensor) throws {
        if layout.count == 1 {
            // The result's buffer is handed over and back, and the picture's is let go: a shared one would be copied by
            // whoever writes to it next.
            input[0] = picture
            swap(&output[0], &result)
            defer {
                input[0] = nothing
                swap(&output[0], &result)
            }
            try plan.run(input, into: &output)
            return
        }
        try staged?.gather(picture, for: &input)
        result.withUnsafeMutableValues { $0.update(repeating: 0) }
        let columns = layout.horizontal.starts.count
        for first in stride(from: 0, to: layout.count, by: batch) {
            let numbers = first..<min(first + batch, layout.count)
            for number in numbers {
                layout.take(Self.tile(number, columns), of: picture, to: &input[0], as: number - first)
            }
            try plan.run(input, into: &output)
            for number in numbers {
                place(Self.tile(number, columns), from: number - first, in: &result) { $0 += $2 * $1 }
            }
        }
    }

    /// The tile of this number, row by row.
    static func tile(_ number: Int, _ columns: Int) -> Tile { Tile(row: number / columns, column: number % columns) }

    /// Some tiles of an exact layout: overwrites what they own of the result.
    ///
    /// - Precondition: nothing is gathered from other tiles.
    func run(_ tiles: [Tile], of picture: HostTensor, into result: inout HostTensor) throws {
        for first in stride(from: 0, to: tiles.count, by: batch) {
            let tiles = tiles[first..<min(first + batch, tiles.count)]
            // What lies in the places of a batch that is not full is computed and thrown away.
            for (place, tile) in tiles.enumerated() { layout.take(tile, of: picture, to: &input[0], as: place) }
            try plan.run(input, into: &output)
            for (index, tile) in tiles.enumerated() {
                place(tile, from: index, in: &result) { target, value, _ in target = value }
            }
        }
    }

    /// The tiles whose part of the result can see any of the changed pixels, if computing them is clearly less work than
    /// the whole picture.
    ///
    /// - Parameter radius: of the receptive field, in input pixels.
    func worthwhileTiles(_ changed: [ChangedRow], radius: Int, comparedTo whole: TiledPlan) -> [Tile]? {
        let (rows, columns) = (owned(layout.vertical), owned(layout.horizontal))
        var tiles: Set<Tile> = []
        for change in changed {
            let seen = change.columns.lowerBound - radius..<change.columns.upperBound + radius
            for (row, owned) in rows.enumerated() where owned.overlaps(change.y - radius..<change.y + radius + 1) {
                for (column, owned) in columns.enumerated() where owned.overlaps(seen) {
                    tiles.insert(Tile(row: row, column: column))
                }
            }
        }
        func area(_ layout: TileLayout, _ count: Int) -> Int {
            layout.vertical.length * layout.horizontal.length * count
        }
        guard area(layout, tiles.count) * 5 < area(whole.layout, whole.layout.count) * 4 else { return nil }
        return tiles.sorted { ($0.row, $0.column) < ($1.row, $1.column) }
    }

    /// The input pixels under each tile's share of the result, along one side of an exact layout.
    private func owned(_ side: TileLayout.Side) -> [Range<Int>] {
        zip(side.starts, side.weights).map { start, weights in
            guard let first = weights.firstIndex(where: { $0 > 0 }), let last = weights.lastIndex(where: { $0 > 0 })
            else { return start..<start }
            return start + first / scale..<start + last / scale + 1
        }
    }

    /// Brings the computed tile's samples to their places: `body(&target, value, weight)` where the weight is not zero.
    @inline(__always)
    private func place(
        _ tile: Tile, from place: Int, in result: inout HostTensor, _ body: (inout Float, Float, Float) -> Void
    ) {
        let (rows, columns) = (layout.vertical.weights[tile.row], layout.horizontal.weights[tile.column])
        let (top, left) = (layout.vertical.starts[tile.row] * scale, layout.horizontal.starts[tile.column] * scale)
        let channels = output[0].shape.channels
        let stride = result.shape.width * channels
        let start = place * rows.count * columns.count * channels
        output[0].withUnsafeValues { source in
            result.withUnsafeMutableValues { target in
                for (y, rowWeight) in rows.enumerated() where rowWeight != 0 {
                    for (x, columnWeight) in columns.enumerated() where columnWeight != 0 {
                        let from = start + (y * columns.count + x) * channels
                        let to = (top + y) * stride + (left + x) * channels
                        for channel in 0..<channels {
                            body(&target[to + channel], source[from + channel], rowWeight * columnWeight)
                        }
                    }
                }
            }
        }
    }
}

extension TileLayout {
    /// Copies a tile's pixels to a place of a batch.
    func take(_ tile: TiledPlan.Tile, of picture: HostTensor, to target: inout HostTensor, as place: Int) {
        let (top, left) = (vertical.starts[tile.row], horizontal.starts[tile.column])
        let shape = target.shape
        let (rowLength, stride) = (shape.width * shape.channels, picture.shape.width * shape.channels)
        picture.withUnsafeValues { source in
            target.withUnsafeMutableValues { target in
                let target = UnsafeMutableBufferPointer(
                    rebasing: target[place * shape.height * rowLength..<(place + 1) * shape.height * rowLength])
                for y in 0..<shape.height {
                    let from = (top + y) * stride + left * shape.channels
                    let row = UnsafeMutableBufferPointer(rebasing: target[y * rowLength..<(y + 1) * rowLength])
                    _ = row.update(fromContentsOf: source[from..<from + rowLength])
                }
            }
        }
    }
}
