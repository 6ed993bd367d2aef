public import Tensor

/// Resizes pictures, separably: rows are mixed first, then samples within the row.
///
/// Made once for a pair of sizes. Has scratch memory: one thread at a time.
public final class Resampler {
    /// `[N, H, W, C]`, what is read: of a window, only what it needs.
    public let source: Shape
    /// `[N, h, w, C]`
    public let target: Shape
    private let rows: ResizeAxis
    private let columns: ResizeAxis
    /// One row, resized vertically, and room behind it for a read of whole vectors.
    private var row: [Float]

    /// - Precondition: the shapes `[N, H, W, C]` agree in N and C, and no extent is zero.
    public convenience init(from source: Shape, to target: Shape, filter: AntialiasedFilter = .lanczos) {
        precondition(source.channels == target.channels && source.batch == target.batch)
        self.init(
            rows: ResizeAxis(from: source.height, to: target.height, filter: filter),
            columns: ResizeAxis(from: source.width, to: target.width, filter: filter), channels: source.channels,
            batch: source.batch)
    }

    /// For windows: pictures of `rows.source` x `columns.source` become those of `rows.window` x `columns.window`.
    public init(rows: ResizeAxis, columns: ResizeAxis, channels: Int, batch: Int = 1) {
        (self.rows, self.columns) = (rows, columns)
        source = .nhwc(batch, rows.source.count, columns.source.count, channels)
        target = .nhwc(batch, rows.window.count, columns.window.count, channels)
        row = [Float](repeating: 0, count: columns.source.count * channels + SIMD16<Float>.scalarCount)
    }

    /// - Precondition: the tensors have the sizes that this was made for.
    public func resize(_ picture: HostTensor, into result: inout HostTensor) {
        precondition(picture.shape == source && result.shape == target)
        let stride = source.width * source.channels
        picture.withUnsafeValues { input in
            result.withUnsafeMutableValues { output in
                row.withUnsafeMutableBufferPointer { row in
                    guard let input = input.baseAddress, var to = output.baseAddress, let row = row.baseAddress else {
                        return
                    }
                    for image in 0..<source.batch {
                        let picture = input + image * source.height * stride
                        for y in 0..<target.height {
                            mix(picture, stride, y, row)
                            narrow(row, to)
                            to += target.width * target.channels
                        }
                    }
                }
            }
        }
    }

    /// Row `y` of the result, as wide as the source. Each run of samples is kept in registers over all taps.
    private func mix(_ picture: UnsafePointer<Float>, _ stride: Int, _ y: Int, _ to: UnsafeMutablePointer<Float>) {
        let top = picture + Int(rows.first[y]) * stride
        rows.weights.withUnsafeBufferPointer { all in
            let weights = all[Int(rows.start[y])..<Int(rows.start[y + 1])]
            var x = 0
            while x + 16 <= stride {
                var sum = SIMD16<Float>()
                var from = UnsafeRawPointer(top + x)
                for weight in weights {
                    sum += weight * from.loadUnaligned(as: SIMD16<Float>.self)
                    from += stride * 4
                }
                UnsafeMutableRawPointer(to + x).storeBytes(of: sum, as: SIMD16<Float>.self)
                x += 16
            }
            while x < stride {
                var sum: Float = 0
                var from = top + x
                for weight in weights {
                    sum += weight * from.pointee
                    from += stride
                }
                to[x] = sum
                x += 1
            }
        }
    }

    /// One row to its new width.
    private func narrow(_ row: UnsafePointer<Float>, _ to: UnsafeMutablePointer<Float>) {
        let channels = source.channels
        columns.weights.withUnsafeBufferPointer { all in
            columns.first.withUnsafeBufferPointer { first in
                columns.start.withUnsafeBufferPointer { start in
                    var to = to
                    for x in 0..<target.width {
                        let weights = all[Int(start[x])..<Int(start[x + 1])]
                        let from = row + Int(first[x]) * channels
                        if channels == 3 {
                            // Four lanes for three channels: the fourth is read, from the next pixel or from the room
                            // behind the row, and left.
                            var sum = SIMD4<Float>()
                            var from = UnsafeRawPointer(from)
                            for weight in weights {
                                sum += weight * from.loadUnaligned(as: SIMD4<Float>.self)
                                from += 12
                            }
                            (to[0], to[1], to[2]) = (sum[0], sum[1], sum[2])
                        } else {
                            for channel in 0..<channels {
                                var sum: Float = 0
                                var from = from + channel
                                for weight in weights {
                                    sum += weight * from.pointee
                                    from += channels
                                }
                                to[channel] = sum
                            }
                        }
                        to += channels
                    }
                }
            }
        }
    }
}
