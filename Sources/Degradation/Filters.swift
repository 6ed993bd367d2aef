internal import CFilters
public import Tensor

/// The index inside `0 ..< count` that `index` mirrors to, the outermost sample not repeated (2 1 | 0 1 2 … ); any
/// distance, also beyond the picture's size.
internal func mirrored(_ index: Int, _ count: Int) -> Int {
    guard count > 1 else { return 0 }
    let period = 2 * (count - 1)
    let place = ((index % period) + period) % period
    return place < count ? place : period - place
}

/// A picture with mirrored margins, from which row kernels read.
private struct Padded {
    let width: Int
    let height: Int
    let values: [Float]

    init(_ picture: HostTensor, rows: Int, columns: Int) {
        let (h, w) = (picture.shape.height, picture.shape.width)
        (width, height) = (w + 2 * columns, h + 2 * rows)
        let (width, height) = (width, height)
        values = [Float](unsafeUninitializedCapacity: width * height * 3) { target, count in
            picture.withUnsafeValues { source in
                for y in 0..<height {
                    let from = mirrored(y - rows, h) * w * 3
                    let to = y * width * 3
                    for x in 0..<columns {
                        let (left, right) = (mirrored(x - columns, w), mirrored(w + x, w))
                        for c in 0..<3 {
                            target[to + x * 3 + c] = source[from + left * 3 + c]
                            target[to + (columns + w + x) * 3 + c] = source[from + right * 3 + c]
                        }
                    }
                    (target.baseAddress! + to + columns * 3).update(from: source.baseAddress! + from, count: w * 3)
                }
            }
            count = width * height * 3
        }
    }
}

extension HostTensor {
    internal func expectPicture() {
        precondition(
            shape.rank == 4 && shape.batch == 1 && shape.channels == 3 && shape.height > 0 && shape.width > 0,
            "\(shape) is not a picture [1, H, W, 3]")
    }

    /// The picture correlated with a kernel, its margins mirrored (the outermost pixel not repeated).
    public func blurred(by kernel: BlurKernel) -> HostTensor {
        expectPicture()
        if kernel.size == 1 { return self }
        if let factor = kernel.factor { return blurred(rowAndColumn: factor.map { Float($0) }) }
        let side = kernel.size
        let weights = kernel.weights.map { Float($0) }
        let padded = Padded(self, rows: side / 2, columns: side / 2)
        return filteringRows(of: padded.values, stride: padded.width * 3) { rows, target in
            filters_correlate(rows, weights, Int32(side), Int32(side), 3, shape.width * 3, target)
        }
    }

    /// The same for a kernel that is the product of a column and an equal row of odd length.
    internal func blurred(rowAndColumn weights: [Float]) -> HostTensor {
        let taps = weights.count
        let padded = Padded(self, rows: 0, columns: taps / 2)
        let across = filteringRows(of: padded.values, stride: padded.width * 3) { rows, target in
            filters_correlate(rows, weights, 1, Int32(taps), 3, shape.width * 3, target)
        }
        return across.mixingRows { y in ((0..<taps).map { mirrored(y - taps / 2 + $0, shape.height) }, weights) }
    }

    /// A picture of this size whose row y `body` makes from the rows y, y + 1 … of `source`.
    private func filteringRows(
        of source: [Float], stride: Int,
        _ body: (UnsafePointer<UnsafePointer<Float>?>, UnsafeMutablePointer<Float>) -> Void
    ) -> HostTensor {
        let (h, w) = (shape.height, shape.width)
        let values = [Float](unsafeUninitializedCapacity: h * w * 3) { target, count in
            source.withUnsafeBufferPointer { source in
                let rows: [UnsafePointer<Float>?] = (0..<source.count / stride).map {
                    source.baseAddress! + $0 * stride
                }
                rows.withUnsafeBufferPointer { rows in
                    for y in 0..<h { body(rows.baseAddress! + y, target.baseAddress! + y * w * 3) }
                }
            }
            count = h * w * 3
        }
        return HostTensor(shape, values)
    }

    /// A picture whose row y is a mixture of rows of this one, as many as `height`.
    internal func mixingRows(height: Int? = nil, _ taps: (Int) -> (rows: [Int], weights: [Float])) -> HostTensor {
        let (h, length) = (height ?? shape.height, shape.width * 3)
        let values = [Float](unsafeUninitializedCapacity: h * length) { target, count in
            withUnsafeValues { source in
                for y in 0..<h {
                    let (indices, weights) = taps(y)
                    let rows: [UnsafePointer<Float>?] = indices.map { source.baseAddress! + $0 * length }
                    filters_mix(rows, weights, Int32(rows.count), length, target.baseAddress! + y * length)
                }
            }
            count = h * length
        }
        return HostTensor(.nhwc(1, h, shape.width, 3), values)
    }

    /// Every element through a function.
    internal func mapped(_ body: (Float) -> Float) -> HostTensor {
        let values = [Float](unsafeUninitializedCapacity: self.values.count) { target, count in
            withUnsafeValues { source in
                for i in 0..<source.count { (target.baseAddress! + i).initialize(to: body(source[i])) }
            }
            count = self.values.count
        }
        return HostTensor(shape, values)
    }

    /// What lies outside 0 … 1, or is no number, brought inside.
    internal var clamped: HostTensor { mapped { $0 > 0 ? min($0, 1) : 0 } }

    /// Clamped to 0 … 1 and rounded to 255ths, as a file of 8 bits holds it.
    public var roundedToBytes: HostTensor {
        mapped { Float(Int32(($0 > 0 ? min($0, 1) : 0) * 255 + 0.5)) * (1 / 255) }
    }
}

/// Unsharp masking with a soft mask, as Real-ESRGAN makes the targets of its pixel losses.
///
/// residual = x - blur(x); where it exceeds the threshold, x + weight * residual is blended in through the blurred mask.
/// - Parameters:
///   - radius: side of the Gaussian window (the next odd number where even); its sigma is OpenCV's for that size,
///     0.3 ((side - 1) / 2 - 1) + 0.8: 8 for 51.
///   - threshold: in 255ths.
/// - Returns: a picture in 0 … 1.
public func sharpened(
    _ picture: HostTensor, weight: Float = 0.5, radius: Int = 51, threshold: Float = 10
) -> HostTensor {
    picture.expectPicture()
    let side = radius | 1
    let sigma = 0.3 * (Double(side - 1) * 0.5 - 1) + 0.8
    let row = BlurKernel.gaussianRow(sigma: sigma, size: side).map { Float($0) }
    let blur = picture.blurred(rowAndColumn: row)
    let count = picture.values.count
    let mask = HostTensor(
        picture.shape,
        [Float](unsafeUninitializedCapacity: count) { target, filled in
            picture.withUnsafeValues { x in
                blur.withUnsafeValues { b in
                    for i in 0..<count { target[i] = abs(x[i] - b[i]) * 255 > threshold ? 1 : 0 }
                }
            }
            filled = count
        })
    let soft = mask.blurred(rowAndColumn: row)
    let values = [Float](unsafeUninitializedCapacity: count) { target, filled in
        picture.withUnsafeValues { x in
            blur.withUnsafeValues { b in
                soft.withUnsafeValues { m in
                    for i in 0..<count {
                        let sharp = min(max(x[i] + weight * (x[i] - b[i]), 0), 1)
                        target[i] = x[i] + m[i] * (sharp - x[i])
                    }
                }
            }
        }
        filled = count
    }
    return HostTensor(picture.shape, values)
}
