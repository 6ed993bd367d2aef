internal import Network
internal import Tensor

/// The pixels of an image of this size that a position reads, with their weights; nil where the position is not a number.
private func corners(
    _ x: Double, _ y: Double, _ filter: SampleFilter, _ border: SampleBorder, height: Int, width: Int
) -> [(row: Int, column: Int, weight: Double)]? {
    if x.isNaN || y.isNaN { return nil }
    func lines(_ position: Double, _ count: Int) -> [(line: Int, weight: Double)] {
        let position = border == .zeros ? position : min(max(position, 0), Double(count - 1))
        let found: [(line: Double, weight: Double)]
        switch filter {
        case .nearest: found = [(position.rounded(.toNearestOrEven), 1)]
        case .bilinear:
            let below = position.rounded(.down)
            found = [(below, 1 - (position - below)), (below + 1, position - below)]
        }
        return found.filter { $0.weight != 0 && $0.line >= 0 && $0.line <= Double(count - 1) }.map {
            (Int($0.line), $0.weight)
        }
    }
    let columns = lines(x, width)
    return lines(y, height).flatMap { row in columns.map { (row.line, $0.line, row.weight * $0.weight) } }
}

/// x at positions.
func sampled(
    _ x: PreciseTensor, _ positions: PreciseTensor, _ filter: SampleFilter, _ border: SampleBorder, _ shape: Shape
) -> PreciseTensor {
    var values: [Double] = []
    values.reserveCapacity(shape.count)
    for n in 0..<shape.batch {
        for row in 0..<shape.height {
            for column in 0..<shape.width {
                let found = corners(
                    positions[n, row, column, 0], positions[n, row, column, 1], filter, border,
                    height: x.shape.height, width: x.shape.width)
                for channel in 0..<shape.channels {
                    values.append(
                        found.map { $0.reduce(0) { $0 + $1.weight * x[n, $1.row, $1.column, channel] } } ?? .nan)
                }
            }
        }
    }
    return PreciseTensor(shape, values)
}

/// g added up where the nearest sample reads.
func sampledAdjoint(
    _ g: PreciseTensor, _ positions: PreciseTensor, _ border: SampleBorder, _ shape: Shape
) -> PreciseTensor {
    var values = [Double](repeating: 0, count: shape.count)
    for n in 0..<g.shape.batch {
        for row in 0..<g.shape.height {
            for column in 0..<g.shape.width {
                let found = corners(
                    positions[n, row, column, 0], positions[n, row, column, 1], .nearest, border, height: shape.height,
                    width: shape.width)
                for corner in found ?? [] {
                    let pixel = (n * shape.height + corner.row) * shape.width + corner.column
                    for channel in 0..<shape.channels {
                        values[pixel * shape.channels + channel] += g[n, row, column, channel]
                    }
                }
            }
        }
    }
    return PreciseTensor(shape, values)
}
