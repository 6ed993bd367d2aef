internal import Media

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// A moving test clip for benchmarks: gradients that drift under fine texture, encoded as H.264.
public enum SyntheticClip {
    /// Writes `frames` frames at 25 fps. Blocks.
    ///
    /// - Throws: `MediaError`.
    public static func write(_ path: String, width: Int, height: Int, frames: Int) throws {
        // Raw frames first, in YUV4MPEG2, which any FFmpeg reads; then through the package's own reader and writer.
        let raw = path + ".y4m"
        defer { unlink(raw) }
        guard let file = fopen(raw, "wb") else {
            throw MediaError.writeFailed(path: raw, reason: String(cString: strerror(errno)))
        }
        defer { fclose(file) }
        fputs("YUV4MPEG2 W\(width) H\(height) F25:1 Ip A1:1 C420jpeg\n", file)
        let (chromaWidth, chromaHeight) = ((width + 1) / 2, (height + 1) / 2)
        var picture = [UInt8](repeating: 0, count: width * height + 2 * chromaWidth * chromaHeight)
        for frame in 0..<frames {
            var index = 0
            for y in 0..<height {
                for x in 0..<width {
                    let texture = ((x + frame) ^ (y * 3)) & 15
                    picture[index] = UInt8(16 + ((x + 2 * frame) / 4 + y / 3) % 190 + texture)
                    index += 1
                }
            }
            for plane in 0..<2 {
                for y in 0..<chromaHeight {
                    for x in 0..<chromaWidth {
                        picture[index] = UInt8(64 + (x + y * (plane + 1) + 3 * frame) / 2 % 128)
                        index += 1
                    }
                }
            }
            fputs("FRAME\n", file)
            fwrite(picture, 1, picture.count, file)
        }
        fflush(file)

        let reader = try MediaReader(path: raw)
        let writer = try MediaWriter(path: path, source: reader, width: width, height: height, overwrite: true)
        let decoding = PixelConverter(decoding: reader.video)
        let encoding = try PixelConverter(
            encodingWidth: width, height: height, pixelFormat: writer.pixelFormat, color: writer.color)
        var pixels = [Float](repeating: 0, count: width * height * 3)
        while let event = try reader.next() {
            guard case .frame(let frame) = event else { continue }
            let converted = try pixels.withUnsafeMutableBufferPointer { pixels in
                try decoding.rgb(from: frame, into: pixels)
                return try encoding.frame(
                    fromRGB: UnsafeBufferPointer(pixels), width: width, height: height, timestamp: frame.timestamp,
                    duration: frame.duration)
            }
            try writer.write(converted)
        }
        try writer.finish()
    }
}
