internal import Resampling
internal import Tensor

/// A square of a picture that is to be made smaller first.
struct Crop: Equatable {
    let source: PixelSize
    /// The whole picture's size after the reduction.
    let target: PixelSize
    /// The corner, in the smaller picture.
    let row: Int
    let column: Int
    let side: Int

    /// How crops are drawn.
    struct Rule: Sendable {
        /// Factors by which pictures are made smaller, both at least 1.
        var downscale: ClosedRange<Double>
        /// The share of samples that are the most detailed of `candidates`.
        var detail: Double
        var filter = AntialiasedFilter.bicubic

        static let candidates = 4

        init(downscale: ClosedRange<Double>, detail: Float) {
            precondition(downscale.lowerBound >= 1 && downscale.upperBound.isFinite, "pictures are made smaller only")
            precondition((0...1).contains(detail), "a share lies between 0 and 1")
            (self.downscale, self.detail) = (downscale, Double(detail))
        }

        /// Whether a picture is large enough.
        func fits(_ size: PixelSize, side: Int) -> Bool {
            reduced(size, by: downscale.lowerBound, side: side).width >= side
                && reduced(size, by: downscale.lowerBound, side: side).height >= side
        }

        /// The size after a reduction, which stops where the crop would no longer fit.
        func reduced(_ size: PixelSize, by factor: Double, side: Int) -> PixelSize {
            let most = Double(min(size.width, size.height)) / Double(side)
            let factor = max(downscale.lowerBound, min(factor, most))
            return PixelSize(
                width: max(1, Int((Double(size.width) / factor).rounded())),
                height: max(1, Int((Double(size.height) / factor).rounded())))
        }

        /// Draws a crop of a picture that fits.
        func crop(_ picture: StoredPicture, side: Int, _ draw: inout Draw) -> Crop {
            let target = reduced(picture.size, by: draw.number(in: downscale), side: side)
            let isChosen = draw.unit() < detail
            func candidate() -> Crop {
                Crop(
                    source: picture.size, target: target, row: draw.below(target.height - side + 1),
                    column: draw.below(target.width - side + 1), side: side)
            }
            var best = candidate()
            guard isChosen else { return best }
            let step = max(1, Int((Double(picture.size.width) / Double(target.width)).rounded()))
            var most = picture.detail(best.sourceRows, best.sourceColumns, step: step)
            for _ in 1..<Self.candidates {
                let other = candidate()
                let detail = picture.detail(other.sourceRows, other.sourceColumns, step: step)
                if detail > most { (best, most) = (other, detail) }
            }
            return best
        }
    }

    /// About the part of the picture that the square shows.
    var sourceRows: Range<Int> { part(row, source.height, target.height) }
    var sourceColumns: Range<Int> { part(column, source.width, target.width) }

    private func part(_ start: Int, _ whole: Int, _ target: Int) -> Range<Int> {
        start * whole / target..<max((start + side) * whole / target, start * whole / target + 1)
    }

    /// The square itself, `[1, side, side, 3]`, of each of several pictures of one size: the same as that part of the whole
    /// picture made smaller, limited to 0 … 1.
    func pixels(of pictures: [StoredPicture], filter: AntialiasedFilter) -> [HostTensor] {
        guard source != target else {
            return pictures.map { $0.pixels(row..<row + side, column..<column + side) }
        }
        let rows = ResizeAxis(from: source.height, to: target.height, keeping: row..<row + side, filter: filter)
        let columns = ResizeAxis(from: source.width, to: target.width, keeping: column..<column + side, filter: filter)
        let resampler = Resampler(rows: rows, columns: columns, channels: 3)
        return pictures.map { picture in
            var result = HostTensor(.nhwc(1, side, side, 3))
            resampler.resize(picture.pixels(rows.source, columns.source), into: &result)
            result.withUnsafeMutableValues { values in
                for index in values.indices { values[index] = min(max(values[index], 0), 1) }
            }
            return result
        }
    }
}

/// How a sample is laid: mirrored left to right first or not, then turned clockwise by quarters.
struct Lay: Equatable {
    var quarterTurns = 0
    var isMirrored = false

    init(quarterTurns: Int = 0, isMirrored: Bool = false) {
        (self.quarterTurns, self.isMirrored) = (quarterTurns, isMirrored)
    }

    /// Numbers are drawn whether they are used or not: what is allowed changes nothing else of a sample.
    init(_ augmentation: Augmentation, seed: UInt64, index: Int) {
        var draw = Draw(.orientation, seed: seed, index: index)
        let (turns, mirrored) = (draw.below(4), draw.below(2) == 1)
        self.init(quarterTurns: augmentation.rotations ? turns : 0, isMirrored: augmentation.flips && mirrored)
    }

    /// - Precondition: the picture is square, `[1, side, side, C]`.
    func apply(to picture: HostTensor) -> HostTensor {
        guard self != Lay() else { return picture }
        let (side, channels) = (picture.shape.width, picture.shape.channels)
        precondition(picture.shape.height == side && picture.shape.batch == 1, "only squares can be turned")
        let last = side - 1
        // Where the first pixel of a row of the result comes from, and how far the next one lies, in pixels.
        func walk(_ y: Int) -> (start: Int, step: Int) {
            // Turned clockwise by a quarter, the result's row y is the source's column y, from the bottom up.
            let (row, column, dy, dx) =
                switch quarterTurns {
                case 1: (last, y, -1, 0)
                case 2: (last - y, last, 0, -1)
                case 3: (0, last - y, 1, 0)
                default: (y, 0, 0, 1)
                }
            return isMirrored ? (row * side + last - column, dy * side - dx) : (row * side + column, dy * side + dx)
        }
        return picture.withUnsafeValues { from in
            let values = [Float](unsafeUninitializedCapacity: picture.shape.count) { to, filled in
                var index = 0
                for y in 0..<side {
                    let (start, step) = walk(y)
                    var at = start * channels
                    for _ in 0..<side {
                        for channel in 0..<channels { to[index + channel] = from[at + channel] }
                        index += channels
                        at += step * channels
                    }
                }
                filled = picture.shape.count
            }
            return HostTensor(picture.shape, values)
        }
    }
}
