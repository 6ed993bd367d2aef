/// How large the output shall be.
public enum TargetSize: Sendable, Hashable {
    /// What the model makes of the input.
    case model
    /// So many times the input's sides.
    case scale(Double)
    /// Exactly this.
    case size(width: Int, height: Int)
    /// As large as fits into this, keeping the shape of the picture.
    case fit(width: Int, height: Int)

    /// The output's size in pixels.
    ///
    /// - Parameters:
    ///   - width, height: the input's size.
    ///   - modelScale: what the model multiplies it with.
    ///   - even: whether computed sides are rounded to even numbers, which chroma-subsampled video wants; sides that the
    ///     user gave, or the model makes, are left alone.
    public func pixels(width: Int, height: Int, modelScale: Int, even: Bool) -> (width: Int, height: Int) {
        func side(_ value: Double) -> Int {
            even ? max(2, Int((value / 2).rounded()) * 2) : max(1, Int(value.rounded()))
        }
        switch self {
        case .model: return (width * modelScale, height * modelScale)
        case .size(let width, let height): return (width, height)
        case .scale(let factor):
            // Whole factors give whole sides, odd ones included.
            if factor == factor.rounded() { return (width * Int(factor), height * Int(factor)) }
            return (side(Double(width) * factor), side(Double(height) * factor))
        case .fit(let boxWidth, let boxHeight):
            let factor = min(Double(boxWidth) / Double(width), Double(boxHeight) / Double(height))
            return (
                min(side(Double(width) * factor), boxWidth), min(side(Double(height) * factor), boxHeight)
            )
        }
    }
}
