/// An image in memory: three floats a pixel, red, green and blue, row by row from the top left. Values are gamma-encoded
/// sRGB, 0 for black and 1 for full.
public struct RGBImage: Sendable, Hashable {
    /// In pixels.
    public let width: Int
    public let height: Int
    /// `height * width * 3` values. A network's results may lie a little outside 0...1.
    public let values: [Float]

    /// - Parameters:
    ///   - width: in pixels.
    ///   - height: in pixels.
    ///   - values: `height * width * 3` finite numbers.
    /// - Throws: `UpframeError` of kind `image` when their number, or one of them, is another.
    public init(width: Int, height: Int, values: [Float]) throws(UpframeError) {
        try Self.check(width, height, values.count)
        if let place = values.firstIndex(where: { !$0.isFinite }) {
            throw UpframeError(.image, "value \(place) of the image is \(values[place]); images hold finite numbers")
        }
        (self.width, self.height, self.values) = (width, height, values)
    }

    /// An image of 8-bit values.
    ///
    /// - Parameters:
    ///   - width: in pixels.
    ///   - height: in pixels.
    ///   - bytes: `height * width * 3` of them, 0 for black and 255 for full.
    /// - Throws: as for floats.
    public init(width: Int, height: Int, bytes: [UInt8]) throws(UpframeError) {
        try Self.check(width, height, bytes.count)
        (self.width, self.height, self.values) = (width, height, bytes.map { Float($0) / 255 })
    }

    /// The image in 8-bit values, rounded to the nearest.
    public var bytes: [UInt8] { values.map { UInt8((min(max($0, 0), 1) * 255).rounded()) } }

    private static func check(_ width: Int, _ height: Int, _ count: Int) throws(UpframeError) {
        let (row, rowIsTooLarge) = width.multipliedReportingOverflow(by: 3)
        let (expected, isTooLarge) = row.multipliedReportingOverflow(by: height)
        guard width > 0, height > 0, !rowIsTooLarge, !isTooLarge, count == expected else {
            throw UpframeError(
                .image, "an image of \(width)x\(height) has three values for each of its pixels, not \(count) in all")
        }
    }
}
