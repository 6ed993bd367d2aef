/// The numbers behind a colour description: matrices, scales of codes, and the chroma filters.
internal enum ColorMath {
    /// Weights of red and blue in luma (ITU-T H.273, table 4), or nil for YCgCo, which is not of that kind.
    static func lumaWeights(_ matrix: ColorDescription.Matrix) -> (red: Double, blue: Double)? {
        switch matrix {
        case .bt709: (0.2126, 0.0722)
        case .fcc: (0.30, 0.11)
        case .bt470bg, .smpte170m: (0.299, 0.114)
        case .smpte240m: (0.212, 0.087)
        case .bt2020ncl, .bt2020cl: (0.2627, 0.0593)
        case .ycgco: nil
        // Rare or unknown codes: a wrong guess among SDR matrices is small, and 709 is the likeliest.
        default: (0.2126, 0.0722)
        }
    }

    /// Rows r, g, b of (Cb, Cr) weights, in the order of `pixels_to_rgb`.
    static func toRGB(_ matrix: ColorDescription.Matrix) -> [Float] {
        guard let (red, blue) = lumaWeights(matrix) else { return [-1, 1, 1, 0, -1, -1] }
        let green = 1 - red - blue
        return [
            0, 2 * (1 - red), -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green, 2 * (1 - blue), 0,
        ].map { Float($0) }
    }

    /// The 3 x 3 inverse: rows Y, Cb, Cr of (r, g, b) weights.
    static func fromRGB(_ matrix: ColorDescription.Matrix) -> [Float] {
        guard let (red, blue) = lumaWeights(matrix) else {
            return [0.25, 0.5, 0.25, -0.25, 0.5, -0.25, 0.5, 0, -0.5]
        }
        let green = 1 - red - blue
        let cb = 1 / (2 * (1 - blue))
        let cr = 1 / (2 * (1 - red))
        return [
            red, green, blue, -red * cb, -green * cb, (1 - blue) * cb, (1 - red) * cr, -green * cr, -blue * cr,
        ].map { Float($0) }
    }

    /// Codes and values: value = code * scale + bias, for luma (or RGB) in 0 ... 1 and for chroma in -0.5 ... 0.5.
    struct Scale {
        var luma: (scale: Double, bias: Double)
        var chroma: (scale: Double, bias: Double)

        init(depth: Int, range: ColorDescription.Range) {
            let unit = Double(1 << (depth - 8))
            if range == .full {
                let top = Double(1 << depth) - 1
                let middle = Double(1 << (depth - 1))
                luma = (1 / top, 0)
                chroma = (1 / top, -middle / top)
            } else {
                luma = (1 / (219 * unit), -16.0 / 219)
                chroma = (1 / (224 * unit), -128.0 / 224)
            }
        }
    }

    /// Where a chroma sample lies, in luma samples after the first of the two that it covers: 0, a half or 1.
    struct Siting: Hashable {
        var horizontal: Double
        var vertical: Double

        init(_ location: ColorDescription.ChromaLocation) {
            switch location {
            case .unspecified, .left: (horizontal, vertical) = (0, 0.5)
            case .center: (horizontal, vertical) = (0.5, 0.5)
            case .topLeft: (horizontal, vertical) = (0, 0)
            case .top: (horizontal, vertical) = (0.5, 0)
            case .bottomLeft: (horizontal, vertical) = (0, 1)
            case .bottom: (horizontal, vertical) = (0.5, 1)
            }
        }
    }

    /// Upsampling by Catmull-Rom: for even and odd luma positions the weights of chroma samples i - 2 … i + 2.
    static func doubling(siting: Double) -> (even: [Float], odd: [Float]) {
        func phase(_ position: Double) -> [Float] {
            let base = position.rounded(.down)
            let t = position - base
            let weights = [
                ((-0.5 * t + 1) * t - 0.5) * t, (1.5 * t - 2.5) * t * t + 1, ((-1.5 * t + 2) * t + 0.5) * t,
                (0.5 * t - 0.5) * t * t,
            ]
            var row = [Float](repeating: 0, count: 5)
            for (tap, weight) in weights.enumerated() where weight != 0 {
                // Tap 0 sits at base - 1, and the row begins at -2.
                row[Int(base) - 1 + tap + 2] = Float(weight)
            }
            return row
        }
        return (phase(-siting / 2), phase((1 - siting) / 2))
    }

    /// Downsampling: weights of luma positions 2i - 2 … 2i + 3. On a luma sample the 5/3 low-pass, between two the
    /// half-sample interpolator; both are nearly the inverse of `doubling`, so that what is only carried through comes
    /// out as it went in, and both are flat where an enlarged picture has its chroma.
    static func halving(siting: Double) -> [Float] {
        switch siting {
        case 0: [-0.125, 0.25, 0.75, 0.25, -0.125, 0]
        case 1: [0, -0.125, 0.25, 0.75, 0.25, -0.125]
        default: [0, -0.0625, 0.5625, 0.5625, -0.0625, 0]
        }
    }
}
