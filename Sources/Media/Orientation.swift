internal import CFFmpeg

/// One of the eight ways to lay a picture: mirrored left to right first or not, then turned clockwise by quarters.
internal struct Orientation: Sendable, Hashable {
    var quarterTurns = 0
    var isMirrored = false

    static let upright = Orientation()

    init(quarterTurns: Int = 0, isMirrored: Bool = false) {
        self.quarterTurns = quarterTurns
        self.isMirrored = isMirrored
    }

    /// From libav's display matrix, nine 32-bit numbers; nil where the picture is turned by something between quarters.
    init?(displayMatrix bytes: [UInt8]) {
        guard bytes.count >= 36 else { return nil }
        let numbers = bytes.withUnsafeBytes { raw in
            (0..<9).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self) }
        }
        // Where the axes of the picture come to lie: x goes to (a, b), y goes to (c, d); y points down.
        let (a, b, c, d) = (numbers[0].signum(), numbers[1].signum(), numbers[3].signum(), numbers[4].signum())
        switch (a, b, c, d) {
        case (1, 0, 0, 1): self.init(quarterTurns: 0)
        case (0, 1, -1, 0): self.init(quarterTurns: 1)
        case (-1, 0, 0, -1): self.init(quarterTurns: 2)
        case (0, -1, 1, 0): self.init(quarterTurns: 3)
        case (-1, 0, 0, 1): self.init(quarterTurns: 0, isMirrored: true)
        case (0, -1, -1, 0): self.init(quarterTurns: 1, isMirrored: true)
        case (1, 0, 0, -1): self.init(quarterTurns: 2, isMirrored: true)
        case (0, 1, 1, 0): self.init(quarterTurns: 3, isMirrored: true)
        default: return nil
        }
    }

    var swapsSides: Bool { quarterTurns % 2 != 0 }

    /// Lays a picture of `channels` floats a pixel.
    func apply(
        _ source: UnsafeBufferPointer<Float>, width: Int, height: Int, channels: Int,
        into target: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(source.count == width * height * channels && target.count == source.count)
        let outWidth = swapsSides ? height : width
        for y in 0..<height {
            for x in 0..<width {
                let mx = isMirrored ? width - 1 - x : x
                let (tx, ty): (Int, Int)
                switch quarterTurns {
                case 1: (tx, ty) = (height - 1 - y, mx)
                case 2: (tx, ty) = (width - 1 - mx, height - 1 - y)
                case 3: (tx, ty) = (y, width - 1 - mx)
                default: (tx, ty) = (mx, y)
                }
                let (from, to) = ((y * width + x) * channels, (ty * outWidth + tx) * channels)
                for channel in 0..<channels { target[to + channel] = source[from + channel] }
            }
        }
    }
}
