internal import Media
internal import Tensor

/// A decoded picture, RGB, at the depth that it was stored with: 8 bits, or 16 for anything deeper.
struct StoredPicture: Sendable {
    private enum Samples: Sendable {
        case bytes([UInt8])
        case words([UInt16])
    }

    let size: PixelSize
    private let samples: Samples

    var byteCount: Int { Self.byteCount(size, isDeep: isDeep) }

    var isDeep: Bool {
        if case .words = samples { return true }
        return false
    }

    static func byteCount(_ size: PixelSize, isDeep: Bool) -> Int { size.pixels * 3 * (isDeep ? 2 : 1) }

    /// Takes a frame over. The floats in between are a few rows at a time.
    init(_ frame: VideoFrame, _ converter: PixelConverter, isDeep: Bool) throws(MediaError) {
        size = PixelSize(width: frame.width, height: frame.height)
        if isDeep {
            samples = .words(try Self.quantised(frame, converter, 65535))
        } else {
            samples = .bytes(try Self.quantised(frame, converter, 255))
        }
    }

    private static func quantised<Code: FixedWidthInteger & UnsignedInteger>(
        _ frame: VideoFrame, _ converter: PixelConverter, _ maximum: Float
    ) throws(MediaError) -> [Code] {
        var codes = [Code](repeating: 0, count: frame.width * frame.height * 3)
        var index = 0
        try converter.rgb(from: frame, rowsAtATime: 16) { _, pixels in
            codes.withUnsafeMutableBufferPointer { codes in
                // The converter clamps to 0 … 1, so this cannot trap.
                for value in pixels {
                    codes[index] = Code(truncatingIfNeeded: Int32(value * maximum + 0.5))
                    index += 1
                }
            }
        }
        return codes
    }

    /// The pixels of a rectangle, as floats in 0 … 1: `[1, rows, columns, 3]`.
    func pixels(_ rows: Range<Int>, _ columns: Range<Int>) -> HostTensor {
        let count = columns.count * 3
        let shape = Shape.nhwc(1, rows.count, columns.count, 3)
        let values = [Float](unsafeUninitializedCapacity: shape.count) { buffer, filled in
            guard var to = buffer.baseAddress else { return }
            for row in rows {
                let start = (row * size.width + columns.lowerBound) * 3
                switch samples {
                case .bytes(let bytes):
                    bytes.withUnsafeBufferPointer { bytes in
                        let from = bytes.baseAddress! + start
                        for index in 0..<count { to[index] = Float(from[index]) * (1 / 255) }
                    }
                case .words(let words):
                    words.withUnsafeBufferPointer { words in
                        let from = words.baseAddress! + start
                        for index in 0..<count { to[index] = Float(from[index]) * (1 / 65535) }
                    }
                }
                to += count
            }
            filled = shape.count
        }
        return HostTensor(shape, values)
    }

    /// How much is to be seen in a rectangle: the mean difference of green between places `step` pixels apart, looked at
    /// on a grid of 24 x 24 places. In units of the full range.
    func detail(_ rows: Range<Int>, _ columns: Range<Int>, step: Int) -> Float {
        switch samples {
        case .bytes(let bytes): Self.detail(bytes, size.width, rows, columns, step) / 255
        case .words(let words): Self.detail(words, size.width, rows, columns, step) / 65535
        }
    }

    private static func detail<Code: FixedWidthInteger>(
        _ codes: [Code], _ width: Int, _ rows: Range<Int>, _ columns: Range<Int>, _ step: Int
    ) -> Float {
        let places = 24
        let (height, breadth) = (rows.count - step, columns.count - step)
        guard height > 0, breadth > 0 else { return 0 }
        var sum = 0
        codes.withUnsafeBufferPointer { codes in
            for i in 0..<places {
                let y = rows.lowerBound + (2 * i + 1) * height / (2 * places)
                for j in 0..<places {
                    let x = columns.lowerBound + (2 * j + 1) * breadth / (2 * places)
                    let index = (y * width + x) * 3 + 1
                    let here = Int(codes[index])
                    sum += abs(Int(codes[index + 3 * step]) - here) + abs(Int(codes[index + 3 * step * width]) - here)
                }
            }
        }
        return Float(sum) / Float(2 * places * places)
    }
}

/// A picture file whose header was read.
struct PictureFile: Sendable {
    let path: String
    let size: PixelSize
    let isDeep: Bool

    var byteCount: Int { StoredPicture.byteCount(size, isDeep: isDeep) }

    /// Looks into the file. What only decoding tells is found when it is decoded.
    init(path: String) throws(DatasetError) {
        self.path = path
        let video: VideoDescription?
        do {
            video = try MediaProbe.describe(path: path).video
        } catch {
            throw DatasetError(error, path: path)
        }
        guard let video else { throw .unreadable(path: path, reason: "it holds no picture") }
        guard video.codec != "mjpeg" || FileList.bytes(of: path).map(JPEGEnd.isThere) ?? false else {
            throw .unreadable(path: path, reason: "the data end early")
        }
        size = PixelSize(width: video.width, height: video.height)
        isDeep = video.bitDepth > 8
    }

    func decode() throws(DatasetError) -> StoredPicture {
        let picture: StoredPicture
        do throws(MediaError) {
            var options = ReaderOptions(decoderThreads: 1, copiesStreams: false)
            options.deinterlace = .off
            let reader = try MediaReader(path: path, options: options)
            guard case .frame(let frame)? = try reader.next() else {
                throw .damagedPicture(path: path, reason: "no picture came", isLost: true)
            }
            picture = try StoredPicture(frame, PixelConverter(decoding: reader.video), isDeep: isDeep)
        } catch {
            throw DatasetError(error, path: path)
        }
        guard picture.size == size else { throw .changed(path: path) }
        return picture
    }
}
