#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004): Gaussian window of 11 x 11 with sigma 1.5, K1 0.01,
/// K2 0.03, a peak of 1, population variances; the mean over all places where the window lies inside the picture.
///
/// Pictures with a side below 11 get the largest odd window that fits.
public enum SSIM {
    /// The similarity, and its part without luminance, of which MS-SSIM is made.
    public struct Terms: Sendable, Equatable {
        public var similarity: Double
        public var contrastAndStructure: Double
    }

    /// Side of the full window.
    public static let window = 11

    /// - Precondition: planes of one size.
    public static func similarity(_ a: Plane, _ b: Plane) -> Double { terms(a, b).similarity }

    public static func terms(_ a: Plane, _ b: Plane) -> Terms {
        precondition(a.width == b.width && a.height == b.height, "SSIM compares pictures of one size")
        let radius = (min(window, a.width, a.height) - 1) / 2
        let kernel = gaussian(radius: radius, sigma: 1.5)
        let (width, height) = (a.width - 2 * radius, a.height - 2 * radius)
        var sums = (similarity: 0.0, contrast: 0.0)
        a.values.withUnsafeBufferPointer { x in
            b.values.withUnsafeBufferPointer { y in
                // The five moments of one row of windows, before the horizontal pass.
                var columns = [Float](repeating: 0, count: 5 * a.width)
                var moments = [Float](repeating: 0, count: 5 * width)
                columns.withUnsafeMutableBufferPointer { columns in
                    moments.withUnsafeMutableBufferPointer { moments in
                        for row in 0..<height {
                            gatherColumns(x, y, row, a.width, kernel, columns)
                            for moment in 0..<5 {
                                blurRow(
                                    UnsafeBufferPointer(
                                        rebasing: columns[(moment * a.width)..<((moment + 1) * a.width)]),
                                    kernel,
                                    UnsafeMutableBufferPointer(
                                        rebasing: moments[(moment * width)..<((moment + 1) * width)])
                                )
                            }
                            let sum = addUp(UnsafeBufferPointer(moments), width)
                            sums.similarity += Double(sum.0)
                            sums.contrast += Double(sum.1)
                        }
                    }
                }
            }
        }
        let count = Double(width * height)
        return Terms(similarity: sums.similarity / count, contrastAndStructure: sums.contrast / count)
    }

    /// Vertical pass: means of x, y, x², y², xy. Counted from mid-grey, so that the variance, a difference of nearly
    /// equal numbers, keeps its digits.
    private static func gatherColumns(
        _ x: UnsafeBufferPointer<Float>, _ y: UnsafeBufferPointer<Float>, _ row: Int, _ width: Int, _ kernel: [Float],
        _ columns: UnsafeMutableBufferPointer<Float>
    ) {
        columns.update(repeating: 0)
        let base = columns.baseAddress!
        let (c0, c1, c2, c3, c4) = (base, base + width, base + 2 * width, base + 3 * width, base + 4 * width)
        for (tap, weight) in kernel.enumerated() {
            let (p, q) = (x.baseAddress! + (row + tap) * width, y.baseAddress! + (row + tap) * width)
            for column in 0..<width {
                let (u, v) = (p[column] - 0.5, q[column] - 0.5)
                c0[column] += weight * u
                c1[column] += weight * v
                c2[column] += weight * u * u
                c3[column] += weight * v * v
                c4[column] += weight * u * v
            }
        }
    }

    private static func blurRow(
        _ source: UnsafeBufferPointer<Float>, _ kernel: [Float], _ target: UnsafeMutableBufferPointer<Float>
    ) {
        target.update(repeating: 0)
        let (from, to) = (source.baseAddress!, target.baseAddress!)
        for (tap, weight) in kernel.enumerated() {
            for column in 0..<target.count { to[column] += weight * from[column + tap] }
        }
    }

    private static func addUp(_ moments: UnsafeBufferPointer<Float>, _ width: Int) -> (Float, Float) {
        let c1: Float = 0.01 * 0.01
        let c2: Float = 0.03 * 0.03
        var similarity: Float = 0
        var contrast: Float = 0
        for column in 0..<width {
            let (u, v) = (moments[column], moments[width + column])
            let varianceX = moments[2 * width + column] - u * u
            let varianceY = moments[3 * width + column] - v * v
            let covariance = moments[4 * width + column] - u * v
            let (x, y) = (u + 0.5, v + 0.5)
            let cs = (2 * covariance + c2) / (varianceX + varianceY + c2)
            contrast += cs
            similarity += cs * (2 * x * y + c1) / (x * x + y * y + c1)
        }
        return (similarity, contrast)
    }

    static func gaussian(radius: Int, sigma: Double) -> [Float] {
        let weights = (-radius...radius).map { exp(-Double($0 * $0) / (2 * sigma * sigma)) }
        let sum = weights.reduce(0, +)
        return weights.map { Float($0 / sum) }
    }
}

/// Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003): SSIM's contrast and structure at five scales, each
/// half of the one before (means of 2 x 2; an odd last row or column is doubled), with luminance at the coarsest.
public struct MultiScaleSSIM: Sendable, Equatable {
    public var similarity: Double
    /// 5, or as many as leave the window of 11 room; the weights of the scales in use are then raised to a sum of 1.
    public var scales: Int

    public static let weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]

    /// How many scales a picture has room for; at least one.
    public static func scales(width: Int, height: Int) -> Int {
        var side = min(width, height)
        var scales = 1
        while scales < weights.count, (side + 1) / 2 >= SSIM.window {
            side = (side + 1) / 2
            scales += 1
        }
        return scales
    }

    /// - Precondition: planes of one size.
    public init(_ a: Plane, _ b: Plane) {
        scales = Self.scales(width: a.width, height: a.height)
        let sum = Self.weights.prefix(scales).reduce(0, +)
        var (x, y) = (a, b)
        var product = 1.0
        for scale in 0..<scales {
            let terms = SSIM.terms(x, y)
            let term = scale == scales - 1 ? terms.similarity : terms.contrastAndStructure
            // Opposite structures give a negative number, of which no power is defined.
            product *= pow(max(0, term), Self.weights[scale] / sum)
            if scale < scales - 1 { (x, y) = (x.halved, y.halved) }
        }
        similarity = product
    }
}

extension Plane {
    /// Half the size, rounded up; means of 2 x 2.
    var halved: Plane {
        let (halfWidth, halfHeight) = ((width + 1) / 2, (height + 1) / 2)
        let result = values.withUnsafeBufferPointer { source in
            [Float](unsafeUninitializedCapacity: halfWidth * halfHeight) { target, filled in
                for y in 0..<halfHeight {
                    let upper = source.baseAddress! + 2 * y * width
                    let lower = source.baseAddress! + min(2 * y + 1, height - 1) * width
                    for x in 0..<halfWidth {
                        let right = min(2 * x + 1, width - 1)
                        target[y * halfWidth + x] = (upper[2 * x] + upper[right] + lower[2 * x] + lower[right]) / 4
                    }
                }
                filled = halfWidth * halfHeight
            }
        }
        return Plane(width: halfWidth, height: halfHeight, values: result)
    }
}
