/// A mean over a frame, and perhaps the variance around it, of several channels: gathered tile by tile in double precision.
///
/// Tiles give means and variances around their own means; two parts are joined by Chan's formula (Chan, Golub and LeVeque
/// 1979), which never takes the difference of two large squares.
struct TileStatistic {
    private(set) var weight = 0.0
    private(set) var means: [Double]
    /// Sums of squared differences from the mean, times their weights.
    private var squares: [Double]

    init(count: Int) {
        means = [Double](repeating: 0, count: count)
        squares = means
    }

    mutating func reset() {
        weight = 0
        for index in means.indices { (means[index], squares[index]) = (0, 0) }
    }

    /// Joins a tile's numbers.
    ///
    /// - Parameters:
    ///   - own: the samples that the tile owns; with 0 nothing is read.
    ///   - means: the tile's.
    ///   - variances: around the tile's means, where they are asked for.
    mutating func join(_ own: Double, means new: UnsafeBufferPointer<Float>, variances: UnsafeBufferPointer<Float>?) {
        guard own > 0 else { return }
        let all = weight + own
        for index in means.indices {
            let difference = Double(new[index]) - means[index]
            means[index] += difference * own / all
            if let variances {
                squares[index] += Double(variances[index]) * own + difference * difference * weight * own / all
            }
        }
        weight = all
    }

    func variance(_ index: Int) -> Double { squares[index] / weight }
}
