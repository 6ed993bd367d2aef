internal import Network

/// How a picture is cut into tiles that fit into memory, and how their results are put together.
///
/// All tiles of a picture have the same size, so one compiled plan serves them all: where a tile would stick out it is
/// shifted inwards. An overlap of at least the receptive field makes the result equal to the whole picture's; a smaller
/// one is blended, linearly over the overlap, so that no seam shows.
public struct TileLayout: Sendable, Hashable {
    /// One side's tiles.
    public struct Side: Sendable, Hashable {
        /// Input samples that every tile reads.
        public var length: Int
        /// Where each tile starts.
        public var starts: [Int]
        /// What a tile contributes to an output sample, for every tile and every one of its output samples; over all
        /// tiles a sample's weights sum to 1.
        public var weights: [[Float]]
    }

    public var vertical: Side
    public var horizontal: Side
    public var count: Int { vertical.starts.count * horizontal.starts.count }

    /// - Parameters:
    ///   - height, width: the picture in input pixels.
    ///   - tile: the largest side of a tile's core; nil for the whole picture.
    ///   - overlap: input pixels that a tile reads beyond its core on each inner side.
    ///   - exact: whether the overlap covers the receptive field: every output sample then comes from one tile.
    ///   - grid: tiles start at multiples of it.
    ///   - scale: output samples per input sample.
    public init(height: Int, width: Int, tile: Int?, overlap: Int, exact: Bool, grid: Int, scale: Int) {
        func side(_ count: Int) -> Side {
            TileLayout.side(count, tile: tile ?? count, overlap: overlap, exact: exact, grid: grid, scale: scale)
        }
        vertical = side(height)
        horizontal = side(width)
    }

    private static func side(_ count: Int, tile: Int, overlap: Int, exact: Bool, grid: Int, scale: Int) -> Side {
        func up(_ x: Int) -> Int { (x + grid - 1) / grid * grid }
        let core = up(max(tile, 1))
        // A grid step more, because shifting the last tile onto the grid can take up to one away.
        let margin = up(overlap + grid)
        let length = core + 2 * margin
        guard count > length else {
            return Side(length: count, starts: [0], weights: [[Float](repeating: 1, count: count * scale)])
        }
        // Starts on the grid; the last tile may end up to a grid step before the picture's end, so lengths are such that
        // it ends there exactly.
        let last = (count - length + grid - 1) / grid * grid
        let tileLength = count - last
        let steps = (last + core - 1) / core
        let starts = (0...steps).map { min($0 * core, last) }

        // Borders between neighbours lie in the middle of what both have read.
        var weights = starts.map { _ in [Float](repeating: 0, count: tileLength * scale) }
        for (index, start) in starts.enumerated() {
            for position in 0..<tileLength * scale {
                let x = start * scale + position
                var weight: Float = 1
                if index > 0 {
                    weight = min(weight, ramp(x, from: start, to: starts[index - 1] + tileLength))
                }
                if index + 1 < starts.count {
                    weight = min(weight, 1 - ramp(x, from: starts[index + 1], to: start + tileLength))
                }
                weights[index][position] = weight
            }
        }
        // Where the shifted last tile makes three of them meet, shares are brought back to a sum of 1.
        var sums = [Float](repeating: 0, count: count * scale)
        for (start, weights) in zip(starts, weights) {
            for (position, weight) in weights.enumerated() { sums[start * scale + position] += weight }
        }
        for (index, start) in starts.enumerated() {
            for position in weights[index].indices { weights[index][position] /= sums[start * scale + position] }
        }
        return Side(length: tileLength, starts: starts, weights: weights)

        func ramp(_ x: Int, from: Int, to: Int) -> Float {
            Float(TileLayout.ramp(Double(x) + 0.5, Double(from * scale), Double(to * scale), exact: exact))
        }
    }

    /// How far a position is into the stretch that two neighbours share: 0 before, 1 after.
    private static func ramp(_ position: Double, _ from: Double, _ to: Double, exact: Bool) -> Double {
        let centre = (from + to) / 2
        if exact { return position < centre ? 0 : 1 }
        // The outer quarters are too near to the tiles' borders to be used.
        let width = (to - from) / 2
        return min(max((position - centre) / width + 0.5, 0), 1)
    }
}

extension TileLayout.Side {
    /// Each tile's share of the samples of a value inside the network, for every tile and every one of its samples. Over all
    /// tiles a sample's shares sum to 1: also samples of the padding before a frame's first pixel and behind its last, which
    /// the first and the last tile have.
    ///
    /// - Parameters:
    ///   - stride: input pixels from one sample to the next.
    ///   - extent: samples that a tile has.
    ///   - multiple: of the network's sides; tiles start at multiples of it, and so do the samples' owners change.
    ///   - exact: whether each sample belongs to one tile, as output samples of the layout do.
    /// - Returns: nil where no sample lies at the start of each tile.
    func shares(stride: Ratio, extent: Int, multiple: Int, exact: Bool) -> [[Double]]? {
        func samples(_ pixels: Int) -> Int? { pixels == 0 ? 0 : stride.inverse.times(pixels) }
        if starts.count == 1 { return [[Double](repeating: 1, count: extent)] }
        var offsets: [Int] = []
        for start in starts {
            guard let offset = samples(start) else { return nil }
            offsets.append(offset)
        }
        if exact {
            // Multiples, so that a border lies between the same pixels for every value.
            let inner = starts.indices.dropFirst().map {
                (starts[$0] + starts[$0 - 1] + length) / 2 / multiple * multiple
            }
            var borders = [0]
            for border in inner {
                guard let sample = samples(border) else { return nil }
                borders.append(sample)
            }
            return starts.indices.map { tile in
                let end = tile + 1 < borders.count ? borders[tile + 1] - offsets[tile] : extent
                let own = borders[tile] - offsets[tile]..<end
                return (0..<extent).map { own.contains($0) ? 1 : 0 }
            }
        }
        let pixels = Double(stride.numerator) / Double(stride.denominator)
        var shares = starts.indices.map { tile in
            (0..<extent).map { sample in
                let position = Double(starts[tile]) + (Double(sample) + 0.5) * pixels
                func ramp(_ tile: Int) -> Double {
                    TileLayout.ramp(position, Double(starts[tile]), Double(starts[tile - 1] + length), exact: false)
                }
                return min(tile > 0 ? ramp(tile) : 1, tile + 1 < starts.count ? 1 - ramp(tile + 1) : 1)
            }
        }
        var sums = [Double](repeating: 0, count: offsets[offsets.count - 1] + extent)
        for tile in starts.indices {
            for sample in 0..<extent { sums[offsets[tile] + sample] += shares[tile][sample] }
        }
        for tile in starts.indices {
            for sample in 0..<extent where shares[tile][sample] != 0 {
                shares[tile][sample] /= sums[offsets[tile] + sample]
            }
        }
        return shares
    }
}
