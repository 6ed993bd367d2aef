internal import Network
internal import Planning
internal import Tensor

/// The means over a frame that a network needs before its image can be computed tile by tile: gathered in one run over all
/// tiles for each level of means. Owned by one thread at a time.
final class StagedTiles {
    private let layout: TileLayout
    private var passes: [Pass]
    private var statistics: [Gathered]
    /// For each grid of samples.
    private let shares: [Shares]
    /// The statistics that the image's graph reads, in the order of its inputs.
    private let imageStatistics: [Int]

    /// A run over all tiles.
    private struct Pass {
        let stage: StageCut.Stage
        let plan: any Plan
        /// One batch's tiles, statistics and weights, and what the plan makes of them.
        var inputs: [HostTensor]
        var outputs: [HostTensor]
    }

    /// What tiles own of a grid of samples.
    private struct Shares {
        /// Each tile's share of each of its rows and columns of samples.
        let rows, columns: [[Double]]
        let rowSums, columnSums: [Double]

        /// Samples that a tile owns.
        func sum(_ tile: TiledPlan.Tile) -> Double { rowSums[tile.row] * columnSums[tile.column] }
    }

    /// A statistic of the frame as it is gathered.
    private struct Gathered {
        var statistic: TileStatistic
        /// The statistic whose variance this is; nil for a mean.
        let mean: Int?
        let grid: Int
        /// Numbers for one image.
        let count: Int
    }

    /// - Parameters:
    ///   - cut: of a tile's graph, which `TileLayout.fits`.
    ///   - plans: one for each stage but the last.
    ///   - multiple: of the network's sides, in input pixels.
    /// - Returns: nil where tiles do not start at samples.
    init?(
        _ cut: StageCut, plans: some Collection<any Plan>, layout: TileLayout, multiple: Int, exact: Bool
    ) {
        self.layout = layout
        let batch = plans.first?.inputShapes[0].batch ?? 1
        statistics = cut.statistics.map { statistic in
            let count = statistic.shape.count / batch
            return Gathered(
                statistic: TileStatistic(count: count), mean: statistic.mean, grid: statistic.grid, count: count)
        }
        var shares: [Shares] = []
        for grid in cut.grids {
            let (strides, height, width) = (grid.strides, grid.height, grid.width)
            guard
                let rows = layout.vertical.shares(
                    stride: strides.vertical, extent: height, multiple: multiple, exact: exact),
                let columns = layout.horizontal.shares(
                    stride: strides.horizontal, extent: width, multiple: multiple, exact: exact)
            else { return nil }
            shares.append(
                Shares(
                    rows: rows, columns: columns, rowSums: rows.map { $0.reduce(0, +) },
                    columnSums: columns.map { $0.reduce(0, +) }))
        }
        self.shares = shares
        passes = zip(cut.stages, plans).map { stage, plan in
            Pass(
                stage: stage, plan: plan, inputs: plan.inputShapes.map { HostTensor($0) },
                outputs: plan.outputShapes.map { HostTensor($0) })
        }
        imageStatistics = cut.stages[cut.stages.count - 1].statistics
    }

    var memoryBytes: Int { passes.reduce(0) { $0 + $1.plan.memoryBytes } }

    /// Gathers all statistics of a frame, level by level, and writes those that the image's graph reads to its inputs.
    ///
    /// - Parameter inputs: of the image's plan; the first is the tiles'.
    func gather(_ frame: HostTensor, for inputs: inout [HostTensor]) throws {
        for index in statistics.indices { statistics[index].statistic.reset() }
        let columns = layout.horizontal.starts.count
        for number in passes.indices {
            for (place, index) in passes[number].stage.statistics.enumerated() {
                write(index, to: &passes[number].inputs[1 + place])
            }
            let batch = passes[number].inputs[0].shape.batch
            for first in stride(from: 0, to: layout.count, by: batch) {
                for place in 0..<batch {
                    // Places that are left over hold tiles of before, without weight.
                    let tile = first + place < layout.count ? TiledPlan.tile(first + place, columns) : nil
                    if let tile { layout.take(tile, of: frame, to: &passes[number].inputs[0], as: place) }
                    weigh(tile, in: &passes[number], as: place)
                }
                try passes[number].plan.run(passes[number].inputs, into: &passes[number].outputs)
                for place in 0..<min(batch, layout.count - first) {
                    join(TiledPlan.tile(first + place, columns), passes[number], place)
                }
            }
        }
        for (place, index) in imageStatistics.enumerated() { write(index, to: &inputs[1 + place]) }
    }

    /// Writes a tile's weights, which sum to 1; zeros without a tile.
    private func weigh(_ tile: TiledPlan.Tile?, in pass: inout Pass, as place: Int) {
        for (index, grid) in pass.stage.grids.enumerated() {
            let (target, shares) = (pass.inputs.count - pass.stage.grids.count + index, shares[grid])
            let shape = pass.inputs[target].shape
            let sum = tile.map(shares.sum) ?? 0
            pass.inputs[target].withUnsafeMutableValues { weights in
                for y in 0..<shape.height {
                    let start = (place * shape.height + y) * shape.width
                    for x in 0..<shape.width {
                        guard let tile, sum > 0 else {
                            weights[start + x] = 0
                            continue
                        }
                        weights[start + x] = Float(shares.rows[tile.row][y] * shares.columns[tile.column][x] / sum)
                    }
                }
            }
        }
    }

    /// Adds what a pass made of a tile to the statistics.
    private func join(_ tile: TiledPlan.Tile, _ pass: Pass, _ place: Int) {
        for (output, index) in pass.stage.gathered.enumerated() {
            let (own, count) = (shares[statistics[index].grid].sum(tile), statistics[index].count)
            let part = place * count..<(place + 1) * count
            // A variance comes with the tile's mean, which is gathered in the same pass.
            let mean = statistics[index].mean.flatMap { pass.stage.gathered.firstIndex(of: $0) } ?? output
            pass.outputs[mean].withUnsafeValues { means in
                pass.outputs[output].withUnsafeValues { results in
                    statistics[index].statistic.join(
                        own, means: UnsafeBufferPointer(rebasing: means[part]),
                        variances: mean == output ? nil : UnsafeBufferPointer(rebasing: results[part]))
                }
            }
        }
    }

    /// Writes a statistic to all places of a batch.
    private func write(_ index: Int, to target: inout HostTensor) {
        let (statistic, count) = (statistics[index].statistic, statistics[index].count)
        let isVariance = statistics[index].mean != nil
        target.withUnsafeMutableValues { values in
            for start in stride(from: 0, to: values.count, by: count) {
                for element in 0..<count {
                    values[start + element] = Float(
                        isVariance ? statistic.variance(element) : statistic.means[element])
                }
            }
        }
    }
}

extension TileLayout {
    /// Whether means over the samples of tiles are means over those of the frame: the last tile must end with the frame's last
    /// sample, but a network may fill up small frames in another way than large ones.
    ///
    /// - Parameters:
    ///   - cut: of a tile's graph.
    ///   - frame: of the whole frame's.
    func fits(_ cut: StageCut, of frame: StageCut) -> Bool {
        cut.statistics.count == frame.statistics.count
            && zip(cut.statistics, frame.statistics).allSatisfy {
                fills(frame.grids[$1.grid], with: cut.grids[$0.grid])
            }
    }

    private func fills(_ frame: StageCut.Grid, with tile: StageCut.Grid) -> Bool {
        func ends(_ side: Side, _ stride: Ratio, _ own: Int, _ all: Int) -> Bool {
            let start = side.starts[side.starts.count - 1]
            return (start == 0 ? 0 : stride.inverse.times(start)).map { $0 + own == all } ?? false
        }
        return frame.strides == tile.strides && ends(vertical, tile.strides.vertical, tile.height, frame.height)
            && ends(horizontal, tile.strides.horizontal, tile.width, frame.width)
    }
}
