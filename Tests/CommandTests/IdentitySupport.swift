import Foundation
import Network
import Tensor
import TestSupport
import Testing
import Weights

/// A network that copies.
enum IdentityModel: String, CaseIterable, Sendable {
    /// Five convolutions whose kernels are one in the middle.
    case convolutions
    /// Six of them around a nearest doubling.
    case doublingConvolutions
    /// A body that ends in zeros, added to the input.
    case compact
    /// The same, added to the doubled input.
    case doublingCompact

    var scale: Int { self == .convolutions || self == .compact ? 1 : 2 }

    func save(_ folder: Folder) throws -> String {
        let path = folder("\(rawValue).safetensors")
        switch self {
        case .convolutions, .doublingConvolutions:
            let architecture = RRDBNet(features: 4, growth: 2, blocks: 1, upsamplings: scale - 1, unshuffle: 1)
            var parameters: Parameters = [:]
            for (name, shape) in architecture.graph(.nhwc(1, 4, 4, 3)).parameters {
                var values = [Float](repeating: 0, count: shape.count)
                let copies = ["conv_first", "conv_up1", "conv_hr", "conv_last"].contains { name.hasPrefix($0 + ".") }
                if copies, shape.rank == 4 {
                    for channel in 0..<min(shape[0], shape[1]) { values[(channel * shape[1] + channel) * 9 + 4] = 1 }
                }
                parameters[name] = HostTensor(shape, values)
            }
            try Model(architecture: architecture, parameters: parameters).save(path: path)
        case .compact, .doublingCompact:
            let architecture = SRVGGNetCompact(features: 8, convolutions: 1, upscale: scale)
            let graph = architecture.graph(.nhwc(1, 4, 4, 3))
            var parameters = randomParameters(graph, seed: 3)
            for (name, shape) in graph.parameters where name.hasPrefix("body.4") {
                parameters[name] = HostTensor(shape)
            }
            try Model(architecture: architecture, parameters: parameters).save(path: path)
        }
        return path
    }
}

/// A format of pixels, and what its numbers mean.
struct IdentityFormat: Sendable, CustomTestStringConvertible {
    /// FFmpeg's name of a planar format.
    var name: String
    var depth: Int
    var matrix = "rgb"
    var isFull = true
    var halvesWidth = false
    var halvesHeight = false

    var testDescription: String { "\(name) \(matrix) \(isFull ? "full" : "limited")" }

    var isRGB: Bool { matrix == "rgb" }
    var isGrey: Bool { name.hasPrefix("gray") }
    var planes: Int { isGrey ? 1 : 3 }

    /// Shares of red and blue in luma.
    private var luma: (red: Double, blue: Double) {
        switch matrix {
        case "bt709": (0.2126, 0.0722)
        case "bt2020nc": (0.2627, 0.0593)
        default: (0.299, 0.114)
        }
    }

    /// What a colour is in this format; in the order of the planes.
    func codes(_ red: Double, _ green: Double, _ blue: Double) -> [Int] {
        let top = Double((1 << depth) - 1)
        func whole(_ value: Double) -> Int { Int(min(max(value, 0), top).rounded()) }
        // FFmpeg's planar RGB is green, blue, red.
        if isRGB { return [green, blue, red].map { whole($0 * top) } }
        let y = luma.red * red + (1 - luma.red - luma.blue) * green + luma.blue * blue
        let unit = Double(1 << (depth - 8))
        let code = whole(isFull ? y * top : (16 + 219 * y) * unit)
        if isGrey { return [code] }
        let middle = Double(1 << (depth - 1))
        let chroma = [(blue - y) / (2 * (1 - luma.blue)), (red - y) / (2 * (1 - luma.red))].map {
            whole(middle + $0 * (isFull ? top : 224 * unit))
        }
        return [code] + chroma
    }

    /// FFmpeg's words for it.
    var tags: [String] {
        if isRGB { return [] }
        return ["-color_range", isFull ? "pc" : "tv", "-colorspace", matrix == "bt601" ? "smpte170m" : matrix]
    }
}

/// Flat patches: sixteen greys, then the corners of the colour cube at full strength and at three quarters.
struct PatchChart {
    static let side = 16
    static let columns = 8
    static let colors: [(Double, Double, Double)] = {
        let greys = (0..<16).map { (Double($0) / 15, Double($0) / 15, Double($0) / 15) }
        func bars(_ level: Double) -> [(Double, Double, Double)] {
            (0..<8).map { (Double($0 & 1) * level, Double($0 >> 1 & 1) * level, Double($0 >> 2) * level) }
        }
        return greys + bars(1) + bars(0.75)
    }()
    static let width = side * columns
    static let height = side * (colors.count / columns)

    let format: IdentityFormat

    private func size(_ plane: Int, scale: Int) -> (width: Int, height: Int) {
        let isChroma = plane > 0 && !format.isRGB
        return (
            Self.width * scale / (isChroma && format.halvesWidth ? 2 : 1),
            Self.height * scale / (isChroma && format.halvesHeight ? 2 : 1)
        )
    }

    /// The picture as FFmpeg's rawvideo.
    var data: Data {
        var data = Data()
        let codes = Self.colors.map { format.codes($0.0, $0.1, $0.2) }
        for plane in 0..<format.planes {
            let (width, height) = size(plane, scale: 1)
            for y in 0..<height {
                for x in 0..<width {
                    let row = y * Self.height / height / Self.side
                    let column = x * Self.width / width / Self.side
                    let code = codes[row * Self.columns + column][plane]
                    data.append(UInt8(code & 255))
                    if format.depth > 8 { data.append(UInt8(code >> 8)) }
                }
            }
        }
        return data
    }

    /// The largest difference in the middle of every patch of a picture `scale` times as large, and where it is.
    func difference(_ raw: Data, scale: Int) throws -> (largest: Int, where: String) {
        let bytes = [UInt8](raw)
        let sample = format.depth > 8 ? 2 : 1
        var start = 0
        var worst = (largest: 0, where: "")
        for plane in 0..<format.planes {
            let (width, height) = size(plane, scale: scale)
            try #require(bytes.count >= start + width * height * sample)
            let (stepX, stepY) = (width / Self.columns, height / (Self.colors.count / Self.columns))
            for (index, color) in Self.colors.enumerated() {
                let expected = format.codes(color.0, color.1, color.2)[plane]
                let (left, top) = (index % Self.columns * stepX, index / Self.columns * stepY)
                for y in (top + stepY * 3 / 8)..<(top + stepY * 5 / 8) {
                    for x in (left + stepX * 3 / 8)..<(left + stepX * 5 / 8) {
                        let at = start + (y * width + x) * sample
                        let code = Int(bytes[at]) + (sample == 2 ? Int(bytes[at + 1]) << 8 : 0)
                        if abs(code - expected) > worst.largest {
                            worst = (abs(code - expected), "plane \(plane), patch \(index): \(code), not \(expected)")
                        }
                    }
                }
            }
            start += width * height * sample
        }
        try #require(bytes.count == start, "\(bytes.count) bytes, not \(start)")
        return worst
    }
}
