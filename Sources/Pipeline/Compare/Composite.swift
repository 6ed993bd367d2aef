internal import Media
internal import Tensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// How two pictures are shown in one.
public enum CompositeLayout: Sendable, Hashable {
    /// `a` on the left, `b` on the right, both whole.
    case sideBySide
    /// `a` left of a line and `b` right of it; in a video the line travels to and fro, in a picture it stands in the
    /// middle.
    case wipe
}

/// Writes both as one picture or video, with `a`'s times and `a`'s other streams; `b` is brought to `a`'s size.
struct CompositeWriter {
    private let layout: CompositeLayout
    private let writer: MediaWriter
    private let converter: PixelConverter
    private let shape: Shape
    private let isStill: Bool
    private var fitA: Fit
    private var fitB: Fit
    private var canvas: HostTensor
    /// Seconds from one side to the other and back.
    private static let period = 6.0

    init(
        path: String, layout: CompositeLayout, source: PictureSource, shape: Shape, encoder: EncoderSettings,
        overwrite: Bool
    ) throws {
        self.layout = layout
        self.shape = shape
        isStill = source.video.isStillPicture
        let width = layout == .sideBySide ? 2 * shape.width : shape.width
        let writer = try MediaWriter(
            path: path, source: source.reader, width: width, height: shape.height, settings: encoder,
            overwrite: overwrite)
        self.writer = writer
        converter = try PixelConverter(
            encodingWidth: width, height: shape.height, pixelFormat: writer.pixelFormat, color: writer.color,
            clamps: false)
        canvas = HostTensor(.nhwc(1, shape.height, width, 3))
        fitA = Fit(to: shape)
        fitB = Fit(to: shape)
        source.onPacket = { try writer.write($0) }
    }

    mutating func write(_ a: TimedPicture, _ b: TimedPicture) throws {
        let (left, right) = (fitA.fit(a.pixels), fitB.fit(b.pixels))
        switch layout {
        case .sideBySide: join(left, right)
        case .wipe: divide(left, right, at: isStill ? 0.5 : Self.position(a.seconds))
        }
        let frame = try canvas.withUnsafeValues {
            try converter.frame(
                fromRGB: $0, width: canvas.shape.width, height: canvas.shape.height, timestamp: a.timestamp,
                duration: a.duration)
        }
        try writer.write(frame)
    }

    func finish() throws { try writer.finish() }

    /// From the middle to either side and back, slowing down before it turns.
    private static func position(_ seconds: Double) -> Double {
        0.5 + 0.42 * sin(2 * Double.pi * seconds / period)
    }

    private mutating func join(_ left: HostTensor, _ right: HostTensor) {
        let row = shape.width * 3
        canvas.withUnsafeMutableValues { canvas in
            left.withUnsafeValues { left in
                right.withUnsafeValues { right in
                    for y in 0..<shape.height {
                        let target = canvas.baseAddress! + 2 * y * row
                        target.update(from: left.baseAddress! + y * row, count: row)
                        (target + row).update(from: right.baseAddress! + y * row, count: row)
                    }
                }
            }
        }
    }

    private mutating func divide(_ left: HostTensor, _ right: HostTensor, at share: Double) {
        let width = shape.width
        let column = min(max(Int((share * Double(width)).rounded()), 0), width)
        // Thin, but not so thin that 4:2:0 washes it out.
        let half = max(1, width / 960)
        let line = max(0, column - half)..<min(width, column + half)
        canvas.withUnsafeMutableValues { canvas in
            left.withUnsafeValues { left in
                right.withUnsafeValues { right in
                    for y in 0..<shape.height {
                        let start = y * width * 3
                        let target = canvas.baseAddress! + start
                        target.update(from: left.baseAddress! + start, count: column * 3)
                        (target + column * 3).update(
                            from: right.baseAddress! + start + column * 3, count: (width - column) * 3)
                        // A picture narrower than the line is all picture.
                        if width > 16 {
                            for index in (line.lowerBound * 3)..<(line.upperBound * 3) { target[index] = 1 }
                        }
                    }
                }
            }
        }
    }
}
