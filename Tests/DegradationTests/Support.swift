import Foundation
import Tensor
import TestSupport
import Testing
import Weights

@testable import Degradation

/// What independent code says; see Tests/Golden/make_degradation.py.
struct Golden: Sendable {
    struct Cases: Decodable, Sendable {
        struct Kernel: Decodable, Sendable {
            var kind: String
            var size: Int
            var sigmaX, sigmaY, rotation, beta: Double

            var kernel: BlurKernel {
                switch kind {
                case "sinc": BlurKernel(.sinc(cutoff: beta), size: size)
                case "gaussian": bell(.gaussian)
                case "generalised": bell(.generalised(beta: beta))
                default: bell(.plateau(beta: beta))
                }
            }

            private func bell(_ form: BlurKernel.Form) -> BlurKernel {
                BlurKernel(.bell(form, sigmaX: sigmaX, sigmaY: sigmaY, rotation: rotation), size: size)
            }
        }
        struct Resize: Decodable, Sendable {
            var height, width: Int
            var mode: ResizeMode
        }
        struct JPEG: Decodable, Sendable {
            var quality: Int
            /// Luma and chroma, row by row.
            var tables: [[Int]]
        }
        var kernels: [Kernel]
        var resizes: [Resize]
        var jpegs: [JPEG]
    }

    let cases: Cases
    let file: SafetensorsFile

    init() throws {
        file = try SafetensorsFile(path: "\(goldenFolder)/degradation.safetensors")
        let text = try #require(file.metadata["golden"])
        cases = try JSONDecoder().decode(Cases.self, from: Data(text.utf8))
    }

    func values(_ name: String) throws -> [Float] { try file.tensor(name).values }

    func picture(_ name: String) throws -> HostTensor {
        let tensor = try file.tensor(name)
        return tensor.reshaped(.nhwc(1, tensor.shape[0], tensor.shape[1], 3))
    }
}

/// Blocks with texture on them, as the Python script draws them.
func blocks(_ height: Int, _ width: Int, seed: UInt64) -> HostTensor {
    let columns = (width + 7) / 8
    var first = Philox(key: seed)
    var second = Philox(key: seed + 1)
    let blocks = first.uniform((height + 7) / 8 * columns * 3)
    let texture = second.uniform(height * width * 3)
    var picture = HostTensor(.nhwc(1, height, width, 3))
    for y in 0..<height {
        for x in 0..<width {
            for c in 0..<3 {
                picture[0, y, x, c] =
                    0.1 + 0.6 * blocks[((y / 8) * columns + x / 8) * 3 + c] + 0.3 * texture[(y * width + x) * 3 + c]
            }
        }
    }
    return picture
}

/// Soft shapes, more like a photograph than `blocks`: what encoders are made for. `shift` moves them.
func scene(_ height: Int, _ width: Int, shift: Int = 0) -> HostTensor {
    var picture = HostTensor(.nhwc(1, height, width, 3))
    for y in 0..<height {
        for x in 0..<width {
            let (u, v) = (Float(x + shift) / 16, Float(y) / 16)
            let wave = 0.5 + 0.3 * sin(u) * cos(v * 1.3)
            let edge: Float = (x + shift + 2 * y) % 48 < 20 ? 0.15 : -0.1
            picture[0, y, x, 0] = wave + edge
            picture[0, y, x, 1] = wave
            picture[0, y, x, 2] = 1 - wave + edge * 0.5
        }
    }
    return picture
}

func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }

func variance(_ values: [Double]) -> Double {
    let middle = mean(values)
    return values.reduce(0) { $0 + ($1 - middle) * ($1 - middle) } / Double(values.count)
}

/// Whether `hits` of `count` are what a probability brings about, within four and a half standard deviations (one false
/// alarm in 150,000; and draws are the same in every run).
func agrees(_ hits: Int, of count: Int, probability: Double) -> Bool {
    let deviation = (Double(count) * probability * (1 - probability)).squareRoot()
    return abs(Double(hits) - Double(count) * probability) <= 4.5 * deviation + 1e-9
}
