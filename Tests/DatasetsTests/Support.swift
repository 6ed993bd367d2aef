import Datasets
import Foundation
import Tensor
import TestSupport

/// Files for data sets.
enum Make {
    /// A portable pixmap: the plainest picture that there is. `maximum` above 255 makes it 16 bits deep.
    static func pixmap(
        _ path: String, _ width: Int, _ height: Int, maximum: Int = 255, _ code: (_ y: Int, _ x: Int, _ c: Int) -> Int
    ) throws {
        var data = Data("P6\n\(width) \(height)\n\(maximum)\n".utf8)
        for y in 0..<height {
            for x in 0..<width {
                for c in 0..<3 {
                    let value = code(y, x, c)
                    if maximum > 255 { data.append(UInt8(value >> 8)) }
                    data.append(UInt8(value & 255))
                }
            }
        }
        let folder = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try data.write(to: URL(fileURLWithPath: path))
    }

    /// A picture of noise in blocks, another for each seed.
    static func picture(_ path: String, _ width: Int, _ height: Int, seed: UInt64 = 1) throws {
        let noise = randomTensor(.nhwc(1, height, width, 3), seed: seed, in: 0..<256)
        try pixmap(path, width, height) { y, x, c in Int(noise[0, y / 3, x / 3, c]) }
    }

    static func ffmpeg(_ arguments: [String]) throws {
        try runChecked("ffmpeg", ["-v", "error", "-y", "-nostdin"] + arguments)
    }

    static func text(_ path: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }
}

let bunny = goldenFolder + "/../../../samples/bunny.mp4"

/// What a throwing call throws, as text; nil where it does not.
func message(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return "\(error)"
    }
}

/// All values within 0 … 1, and numbers.
func isPicture(_ tensor: HostTensor, side: Int) -> Bool {
    tensor.shape == .nhwc(1, side, side, 3) && tensor.values.allSatisfy { $0 >= 0 && $0 <= 1 }
}
