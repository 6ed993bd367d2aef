import Media
import TestSupport
import Testing

/// Codes to floats and back, against arithmetic of the test's own and against FFmpeg.
@Suite struct ColorTests {
    /// Kr and Kb as ITU-R BT.601, BT.709 and BT.2020 print them.
    static let weights: [ColorDescription.Matrix: (red: Double, blue: Double)] = [
        .smpte170m: (0.299, 0.114), .bt709: (0.2126, 0.0722), .bt2020ncl: (0.2627, 0.0593),
    ]

    struct Case: Sendable, CustomTestStringConvertible {
        var format: String
        var matrix: ColorDescription.Matrix
        var range: ColorDescription.Range
        var testDescription: String { "\(format) \(matrix.rawValue) \(range)" }
    }

    static let planar: [Case] = [
        "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p12le", "yuv420p16le", "nv12", "p010le", "uyvy422",
    ]
    .flatMap { format in
        [ColorDescription.Matrix.smpte170m, .bt709, .bt2020ncl].flatMap { matrix in
            [ColorDescription.Range.limited, .full].map { Case(format: format, matrix: matrix, range: $0) }
        }
    }

    /// The codes of one RGB colour, by the printed formulas.
    static func codes(_ rgb: (Double, Double, Double), _ matrix: ColorDescription.Matrix, full: Bool, depth: Int)
        throws -> (Double, Double, Double)
    {
        let (red, blue) = try #require(weights[matrix])
        let y = red * rgb.0 + (1 - red - blue) * rgb.1 + blue * rgb.2
        let cb = (rgb.2 - y) / (2 * (1 - blue))
        let cr = (rgb.0 - y) / (2 * (1 - red))
        let unit = Double(1 << (depth - 8))
        if full {
            let top = Double((1 << depth) - 1)
            return (y * top, cb * top + 128 * unit, cr * top + 128 * unit)
        }
        return ((219 * y + 16) * unit, (224 * cb + 128) * unit, (224 * cr + 128) * unit)
    }

    static let colours: [(Double, Double, Double)] = [
        (0, 0, 0), (1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (0.5, 0.5, 0.5),
        (0.75, 0.25, 0.1), (0.2, 0.6, 0.9), (0.01, 0.02, 0.03),
    ]

    /// One flat colour at a time, through every planar format: encoded codes are the formulas' within half a code, and
    /// they come back as the colour within one code.
    @Test(arguments: planar) func flatColours(_ test: Case) throws {
        let depth = [10, 12, 16].first { test.format.hasSuffix("\($0)le") } ?? 8
        let color = ColorDescription(matrix: test.matrix, range: test.range, chromaLocation: .left)
        let (width, height) = (6, 4)
        let encode = try PixelConverter(
            encodingWidth: width, height: height, pixelFormat: test.format, color: color)
        var video = try Self.anyVideo()
        video.color = color
        let decode = PixelConverter(decoding: video)
        for colour in Self.colours {
            let pixel = [Float(colour.0), Float(colour.1), Float(colour.2)]
            let pixels = (0..<width * height).flatMap { _ in pixel }
            let frame = try pixels.withUnsafeBufferPointer {
                try encode.frame(fromRGB: $0, width: width, height: height, timestamp: 7, duration: 1)
            }
            #expect(frame.timestamp == 7)
            let expected = try Self.codes(colour, test.matrix, full: test.range == .full, depth: depth)
            let stored = Self.codes(of: frame, format: test.format)
            let top = Double((1 << depth) - 1)
            // Floats hold 24 bits, so 16-bit codes may round the other way at a half.
            let slack = depth == 16 ? 0.52 : 0.501
            for (got, want) in zip([stored.0, stored.1, stored.2], [expected.0, expected.1, expected.2]) {
                #expect(abs(Double(got) - min(want, top)) <= slack, "\(colour): \(got) for \(want)")
            }
            var back = [Float](repeating: -1, count: pixels.count)
            try back.withUnsafeMutableBufferPointer { try decode.rgb(from: frame, into: $0) }
            // Half a code of luma and half a code of chroma, magnified by at most 2.
            let tolerance = Float(1.7 / (test.range == .full ? top : 219 * Double(1 << (depth - 8))))
            for (a, b) in zip(back, pixels) { #expect(abs(a - b) <= tolerance) }
        }
    }

    /// The first sample of each component.
    static func codes(of frame: VideoFrame, format: String) -> (Int, Int, Int) {
        func wide(_ plane: Int, _ index: Int) -> Int {
            frame.withPlane(plane) { row, _ in Int(row.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) }
        }
        func byte(_ plane: Int, _ index: Int) -> Int {
            frame.withPlane(plane) { row, _ in Int(row.load(fromByteOffset: index, as: UInt8.self)) }
        }
        switch format {
        case "nv12": return (byte(0, 0), byte(1, 0), byte(1, 1))
        case "p010le": return (wide(0, 0) >> 6, wide(1, 0) >> 6, wide(1, 1) >> 6)
        case "uyvy422": return (byte(0, 1), byte(0, 0), byte(0, 2))
        default:
            return format.hasSuffix("le") ? (wide(0, 0), wide(1, 0), wide(2, 0)) : (byte(0, 0), byte(1, 0), byte(2, 0))
        }
    }

    /// A description to be changed by the test: there is no making one without a file.
    static func anyVideo() throws -> VideoDescription {
        let folder = try TemporaryFolder()
        let path = folder.file("any.png")
        try Tools.make(["-f", "lavfi", "-i", "color=size=16x16", "-frames:v", "1", path])
        return try #require(try MediaProbe.describe(path: path).video)
    }

    /// 46,656 colours against FFmpeg's own conversion.
    @Test(arguments: ["bt709", "smpte170m"], ["tv", "pc"]) func agreesWithFFmpeg(_ matrix: String, _ range: String)
        throws
    {
        let folder = try TemporaryFolder()
        let path = folder.file("all.png")
        try Tools.make(["-f", "lavfi", "-i", "haldclutsrc=level=6", "-frames:v", "1", "-pix_fmt", "rgb24", path])
        let reader = try MediaReader(path: path)
        let frame = try #require(try Self.frames(reader).first)
        let (width, height) = (frame.width, frame.height)
        var pixels = [Float](repeating: 0, count: width * height * 3)
        try pixels.withUnsafeMutableBufferPointer {
            try PixelConverter(decoding: reader.video).rgb(from: frame, into: $0)
        }
        let rgb = try Tools.raw(path, "rgb24")
        #expect(zip(pixels, rgb).allSatisfy { abs($0 * 255 - Float($1)) < 0.01 })
        let color = ColorDescription(
            matrix: matrix == "bt709" ? .bt709 : .smpte170m, range: range == "pc" ? .full : .limited)
        let encode = try PixelConverter(encodingWidth: width, height: height, pixelFormat: "yuv444p", color: color)
        let made = try pixels.withUnsafeBufferPointer {
            try encode.frame(fromRGB: $0, width: width, height: height, timestamp: 0, duration: 0)
        }
        let theirs = try Tools.raw(
            path, "yuv444p",
            arguments: [
                "-vf",
                "scale=out_color_matrix=\(matrix):out_range=\(range):"
                    + "flags=accurate_rnd+full_chroma_int+full_chroma_inp,format=yuv444p",
            ])
        let ours = Self.bytes(of: made, planes: 3, widths: [width, width, width], heights: [height, height, height])
        #expect(ours.count == theirs.count)
        let worst = zip(ours, theirs).map { abs(Int($0) - Int($1)) }.max()
        #expect(worst ?? 255 <= 1)
    }

    /// Opacity is read, written, and full where there is none.
    @Test(arguments: ["rgba", "yuva420p", "rgba64be", "yuva444p10le"]) func alpha(_ format: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("in.nut")
        try Tools.make([
            "-f", "lavfi", "-i", "color=red:size=64x8,format=rgba,geq=r=200:g=100:b=50:a=4*X", "-frames:v", "1", "-c:v",
            "rawvideo", "-pix_fmt", format, path,
        ])
        let reader = try MediaReader(path: path)
        let frame = try #require(try Self.frames(reader).first)
        #expect(frame.pixelFormat == format && reader.video.hasAlpha)
        let decode = PixelConverter(decoding: reader.video)
        var (pixels, opacity) = ([Float](repeating: 0, count: 64 * 8 * 3), [Float](repeating: -1, count: 64 * 8))
        try pixels.withUnsafeMutableBufferPointer { try decode.rgb(from: frame, into: $0) }
        try opacity.withUnsafeMutableBufferPointer { try decode.alpha(from: frame, into: $0) }
        // FFmpeg widens eight bits to ten by a shift, which falls short of full by three parts in a thousand.
        for x in 0..<64 { #expect(abs(opacity[64 * 3 + x] - Float(4 * x) / 255) < 1.0 / 255) }
        let encode = try PixelConverter(
            encodingWidth: 64, height: 8, pixelFormat: format, color: reader.video.color)
        let made = try pixels.withUnsafeBufferPointer { pixels in
            try opacity.withUnsafeBufferPointer {
                try encode.frame(fromRGB: pixels, alpha: $0, width: 64, height: 8, timestamp: 0, duration: 0)
            }
        }
        var back = [Float](repeating: -1, count: 64 * 8)
        try back.withUnsafeMutableBufferPointer { try decode.alpha(from: made, into: $0) }
        #expect(back == opacity)
        let opaque = try pixels.withUnsafeBufferPointer {
            try encode.frame(fromRGB: $0, width: 64, height: 8, timestamp: 0, duration: 0)
        }
        try back.withUnsafeMutableBufferPointer { try decode.alpha(from: opaque, into: $0) }
        #expect(back.allSatisfy { $0 == 1 })
    }

    static func frames(_ reader: MediaReader) throws -> [VideoFrame] {
        var frames: [VideoFrame] = []
        while let event = try reader.next() {
            if case .frame(let frame) = event { frames.append(frame) }
        }
        return frames
    }

    static func bytes(of frame: VideoFrame, planes: Int, widths: [Int], heights: [Int]) -> [UInt8] {
        (0..<planes).flatMap { plane in
            frame.withPlane(plane) { row, stride in
                (0..<heights[plane]).flatMap { y in
                    (0..<widths[plane]).map { row.load(fromByteOffset: y * stride + $0, as: UInt8.self) }
                }
            }
        }
    }

    /// A grey ramp and colour bars through the identity: within one code wherever the picture is flat around, and the
    /// ramp everywhere.
    @Test(
        arguments: [
            "yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv411p", "gbrp",
            "gray", "gbrp10le", "rgb24", "bgra", "rgb48be", "pal8",
        ], ["ramp", "bars", "super"])
    func identity(_ format: String, _ pattern: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("in.nut")
        // The SMPTE bars go below black and outside RGB, which only unclamped floats carry.
        let clamps = pattern != "super"
        let source =
            pattern == "ramp"
            ? ["-f", "lavfi", "-i", "color=size=256x32,format=gray,geq=lum=X"]
            : ["-f", "lavfi", "-i", pattern == "bars" ? "pal100bars=size=320x180" : "smptehdbars=size=320x180"]
        try Tools.make(source + ["-frames:v", "1", "-c:v", "rawvideo", "-pix_fmt", format, path])
        let reader = try MediaReader(path: path)
        let frame = try #require(try Self.frames(reader).first)
        #expect(frame.pixelFormat == format)
        let (width, height) = (frame.width, frame.height)
        var pixels = [Float](repeating: 0, count: width * height * 3)
        try pixels.withUnsafeMutableBufferPointer {
            try PixelConverter(decoding: reader.video, clamps: clamps).rgb(from: frame, into: $0)
        }
        // swscale makes no palettes.
        let target = format == "pal8" ? "rgb24" : format
        let encode = try PixelConverter(
            encodingWidth: width, height: height, pixelFormat: target, color: reader.video.color, clamps: clamps)
        let made = try pixels.withUnsafeBufferPointer {
            try encode.frame(fromRGB: $0, width: width, height: height, timestamp: 0, duration: 0)
        }
        let before = Self.samples(of: frame)
        var compared = 0
        var worst = 0
        if format == "pal8" {
            let rgb = try Tools.raw(path, "rgb24")
            let ours = Self.bytes(of: made, planes: 1, widths: [width * 3], heights: [height])
            worst = zip(ours, rgb).map { abs(Int($0) - Int($1)) }.max() ?? 255
            compared = ours.count
        } else {
            let after = Self.samples(of: made)
            for (old, new) in zip(before, after) {
                for y in 0..<old.rows {
                    for x in 0..<old.columns where pattern == "ramp" || Self.isFlat(before, old, x, y) {
                        worst = max(worst, abs(old[x, y] - new[x, y]))
                        compared += 1
                    }
                }
            }
        }
        #expect(worst <= 1)
        #expect(compared > width * height / 10)
    }

    /// One component's samples, with the number of luma columns and rows that one of them covers.
    struct Samples {
        var values: [Int]
        var columns: Int
        var rows: Int
        subscript(x: Int, y: Int) -> Int { values[y * columns + x] }
    }

    /// All components as numbers, through FFmpeg's public names of formats only: planar ones by plane, packed ones as
    /// one wide plane.
    static func samples(of frame: VideoFrame) -> [Samples] {
        let name = frame.pixelFormat
        let isWide = name.contains("10") || name.contains("48")
        let isBigEndian = name.hasSuffix("be")
        let packed = ["rgb24": 3, "bgra": 4, "rgb48be": 3][name] ?? 1
        let (half, quarter) = (name.contains("420") || name.contains("422"), name.contains("411"))
        return (0..<frame.planeCount).map { plane in
            let isChroma = plane > 0 && name.hasPrefix("yuv")
            let columns =
                isChroma ? (half ? (frame.width + 1) / 2 : quarter ? (frame.width + 3) / 4 : frame.width) : frame.width
            let rows = isChroma && name.contains("420") ? (frame.height + 1) / 2 : frame.height
            return frame.withPlane(plane) { row, stride in
                Samples(
                    values: (0..<rows).flatMap { y in
                        (0..<columns * packed).map { x in
                            guard isWide else { return Int(row.load(fromByteOffset: y * stride + x, as: UInt8.self)) }
                            let code = row.loadUnaligned(fromByteOffset: y * stride + 2 * x, as: UInt16.self)
                            return Int(isBigEndian ? code.byteSwapped : code)
                        }
                    }, columns: columns * packed, rows: rows)
            }
        }
    }

    /// Whether every component is constant for nine luma samples around.
    static func isFlat(_ all: [Samples], _ own: Samples, _ x: Int, _ y: Int) -> Bool {
        all.allSatisfy { plane in
            let (cx, cy) = (x * plane.columns / own.columns, y * plane.rows / own.rows)
            let packed = plane.columns > own.columns ? 1 : max(1, plane.columns / max(1, plane.columns))
            let value = plane[cx, cy]
            for dy in -5...5 {
                for dx in -5...5 {
                    let (px, py) = (cx + dx * packed, cy + dy)
                    guard px >= 0, py >= 0, px < plane.columns, py < plane.rows else { continue }
                    if plane[px, py] != value { return all.count == 1 }
                }
            }
            return true
        }
    }
}
