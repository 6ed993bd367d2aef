public import Tensor

/// One channel of a picture, row by row.
public struct Plane: Sendable, Equatable {
    public let width: Int
    public let height: Int
    public var values: [Float]

    /// - Precondition: `values.count == width * height`, at least one.
    public init(width: Int, height: Int, values: [Float]) {
        precondition(width > 0 && height > 0 && values.count == width * height, "a plane has width * height values")
        (self.width, self.height, self.values) = (width, height, values)
    }
}

/// What luma is made of.
public struct LumaWeights: Sendable, Hashable {
    public var red: Float
    public var green: Float
    public var blue: Float

    /// - Parameters: the shares of red and blue; green's is the rest.
    public init(red: Float, blue: Float) {
        (self.red, self.green, self.blue) = (red, 1 - red - blue, blue)
    }

    public static let bt601 = LumaWeights(red: 0.299, blue: 0.114)
    public static let bt709 = LumaWeights(red: 0.2126, blue: 0.0722)
    public static let bt2020 = LumaWeights(red: 0.2627, blue: 0.0593)
}

extension HostTensor {
    /// Luma of a picture `[1, H, W, 3]` of gamma-encoded RGB in 0 … 1, in studio swing: 16/255 for black, 235/255 for
    /// white. That is what a video's luma plane holds, and what papers on super-resolution call the Y channel (with the
    /// weights of BT.601); its PSNR is 1.3 dB above that of the same luma stretched to 0 … 1.
    public func luma(_ weights: LumaWeights) -> Plane {
        precondition(shape.batch == 1 && shape.channels == 3, "luma is made of one RGB picture, not of \(shape)")
        let (red, green, blue) = (weights.red * 219 / 255, weights.green * 219 / 255, weights.blue * 219 / 255)
        let count = shape.height * shape.width
        let luma = withUnsafeValues { source in
            [Float](unsafeUninitializedCapacity: count) { target, filled in
                for index in 0..<count {
                    target[index] =
                        red * source[3 * index] + green * source[3 * index + 1] + blue * source[3 * index + 2]
                        + 16.0 / 255
                }
                filled = count
            }
        }
        return Plane(width: shape.width, height: shape.height, values: luma)
    }
}
