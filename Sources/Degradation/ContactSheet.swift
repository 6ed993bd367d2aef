public import Tensor

/// Samples for people's eyes: beside each other the good picture, what bicubic shrinking would make of it, and what the
/// degradation made of it, both enlarged to the good one's size by repeating pixels. Of clips, the last frame.
///
/// - Parameters:
///   - columns: samples beside each other in a row.
///   - gap: pixels of dark grey between pictures, twice that between samples.
/// - Returns: a picture `[1, H, W, 3]`.
/// - Precondition: there are samples, and all are of one size.
public func contactSheet(_ samples: [Degraded], columns: Int = 1, gap: Int = 4) -> HostTensor {
    precondition(!samples.isEmpty && columns > 0 && gap >= 0, "a contact sheet has samples and columns")
    guard let first = samples[0].high.last?.shape else { preconditionFailure("a sample has frames") }
    let rows = (samples.count + columns - 1) / columns
    let cellWidth = 3 * first.width + 2 * gap
    let width = columns * cellWidth + (columns - 1) * 2 * gap + 2 * gap
    let height = rows * first.height + (rows - 1) * gap + 2 * gap
    var sheet = HostTensor(.nhwc(1, height, width, 3), repeating: 0.12)
    for (number, sample) in samples.enumerated() {
        guard let high = sample.high.last, let low = sample.low.last else { preconditionFailure("a sample has frames") }
        precondition(high.shape == first, "the samples of a sheet have one size")
        let factor = high.shape.height / low.shape.height
        let plain = high.resized(height: low.shape.height, width: low.shape.width, .antialiased).roundedToBytes
        let top = gap + (number / columns) * (first.height + gap)
        let left = gap + (number % columns) * (cellWidth + 2 * gap)
        for (place, picture) in [high, plain.enlargedNearest(factor), low.enlargedNearest(factor)].enumerated() {
            sheet.paste(picture, x: left + place * (first.width + gap), y: top)
        }
    }
    return sheet
}

extension HostTensor {
    /// Copies a picture into this one.
    fileprivate mutating func paste(_ picture: HostTensor, x: Int, y: Int) {
        let length = picture.shape.width * 3
        for row in 0..<picture.shape.height {
            let target = ((y + row) * shape.width + x) * 3
            values.replaceSubrange(
                target..<target + length, with: picture.values[row * length..<(row + 1) * length])
        }
    }
}
