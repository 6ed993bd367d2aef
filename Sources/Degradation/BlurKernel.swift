internal import Glibc

/// A blur as numbers: its kind, and the size of its square window.
///
/// The forms are Real-ESRGAN's. With q = (x, y) S^-1 (x, y)^T, S the covariance of standard deviations `sigmaX` and
/// `sigmaY` turned by `rotation`: Gaussian exp(-q / 2), generalised Gaussian exp(-q^beta / 2), plateau 1 / (1 + q^beta);
/// and the circular low-pass filter of a cutoff, cutoff J1(cutoff r) / (2 pi r), which rings as sharpening and
/// recompression do.
public struct BlurKernel: Hashable, Sendable, CustomStringConvertible {
    public enum Form: Hashable, Sendable {
        case gaussian
        case generalised(beta: Double)
        case plateau(beta: Double)
    }

    public enum Kind: Hashable, Sendable {
        /// Standard deviations in pixels; radians, counter-clockwise seen with y downwards as clockwise.
        case bell(Form, sigmaX: Double, sigmaY: Double, rotation: Double)
        /// Radians a pixel: pi lets everything through that a pixel grid holds.
        case sinc(cutoff: Double)
    }

    /// The window that every kernel fits in, padded with zeros.
    public static let side = 21

    public var kind: Kind
    /// Odd, 1 … 21.
    public var size: Int

    public init(_ kind: Kind, size: Int) {
        precondition(size % 2 == 1 && (1...Self.side).contains(size), "a window of \(size)")
        self.kind = kind
        self.size = size
    }

    public static func isotropic(sigma: Double, size: Int, form: Form = .gaussian) -> BlurKernel {
        BlurKernel(.bell(form, sigmaX: sigma, sigmaY: sigma, rotation: 0), size: size)
    }

    /// `size * size` weights that sum to 1, row by row.
    public var weights: [Double] {
        let middle = size / 2
        var values: [Double] = []
        values.reserveCapacity(size * size)
        switch kind {
        case .bell(let form, let sigmaX, let sigmaY, let rotation):
            // S^-1 = U diag(1 / sigma^2) U^T, U the rotation.
            let (c, s) = (cos(rotation), sin(rotation))
            let (p, q) = (1 / (sigmaX * sigmaX), 1 / (sigmaY * sigmaY))
            let (xx, xy, yy) = (c * c * p + s * s * q, c * s * (p - q), s * s * p + c * c * q)
            for y in -middle...middle {
                for x in -middle...middle {
                    let (x, y) = (Double(x), Double(y))
                    let distance = max(0, x * x * xx + 2 * x * y * xy + y * y * yy)
                    switch form {
                    case .gaussian: values.append(exp(-0.5 * distance))
                    case .generalised(let beta): values.append(exp(-0.5 * pow(distance, beta)))
                    case .plateau(let beta): values.append(1 / (1 + pow(distance, beta)))
                    }
                }
            }
        case .sinc(let cutoff):
            for y in -middle...middle {
                for x in -middle...middle {
                    let radius = Double(x * x + y * y).squareRoot()
                    values.append(
                        radius == 0 ? cutoff * cutoff / (4 * .pi) : cutoff * j1(cutoff * radius) / (2 * .pi * radius))
                }
            }
        }
        let sum = values.reduce(0, +)
        return values.map { $0 / sum }
    }

    /// The weights in the middle of a window of 21 x 21.
    public var padded: [Float] {
        let weights = weights
        let margin = (Self.side - size) / 2
        var result = [Float](repeating: 0, count: Self.side * Self.side)
        for y in 0..<size {
            for x in 0..<size { result[(y + margin) * Self.side + x + margin] = Float(weights[y * size + x]) }
        }
        return result
    }

    /// One factor of a kernel that is the product of a column and the same row: `size` weights that sum to 1.
    internal var factor: [Double]? {
        guard case .bell(.gaussian, let sigmaX, let sigmaY, _) = kind, sigmaX == sigmaY else { return nil }
        return Self.gaussianRow(sigma: sigmaX, size: size)
    }

    internal static func gaussianRow(sigma: Double, size: Int) -> [Double] {
        let row = (0..<size).map { exp(-0.5 * Double(($0 - size / 2) * ($0 - size / 2)) / (sigma * sigma)) }
        let sum = row.reduce(0, +)
        return row.map { $0 / sum }
    }

    public var description: String {
        switch kind {
        case .sinc(let cutoff): return "sinc \(size) cutoff \(cutoff.brief)"
        case .bell(let form, let sigmaX, let sigmaY, let rotation):
            let (name, tail) =
                switch form {
                case .gaussian: ("gaussian", "")
                case .generalised(let beta): ("generalised", " beta \(beta.brief)")
                case .plateau(let beta): ("plateau", " beta \(beta.brief)")
                }
            let width =
                sigmaX == sigmaY
                ? "sigma \(sigmaX.brief)" : "sigma \(sigmaX.brief)/\(sigmaY.brief) at \(rotation.brief)"
            return "\(name) \(size) \(width)\(tail)"
        }
    }
}

extension Double {
    /// Two decimals, for people.
    internal var brief: String {
        let hundredths = Int((self * 100).rounded())
        let digits = String(100 + abs(hundredths) % 100).dropFirst()
        return "\(hundredths < 0 ? "-" : "")\(abs(hundredths) / 100).\(digits)"
    }
}
