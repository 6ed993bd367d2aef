import Network
import Tensor

@testable import VulkanExecutor

/// A picture's samples, somewhere.
final class FrameMemory {
    let planes: FramePlanes
    private let memory: UnsafeMutableRawPointer

    init(_ format: FrameFormat) {
        let layout = FrameLayout(format)
        memory = .allocate(byteCount: layout.bytes, alignment: 64)
        planes = layout.planes(memory)
    }

    deinit { memory.deallocate() }
}

extension FramePlan {
    /// Waits for a frame and reads it at once.
    func wait(_ ticket: FrameTicket, _ read: (FramePlanes) throws -> Void) throws {
        let frame = try wait(ticket)
        try withExtendedLifetime(frame) { try read(frame.planes) }
    }
}

extension FramePlanes {
    /// Random samples; nearly black ones where a frame is dark.
    func fill(_ frame: Int, isDark: Bool = false) {
        var random = Philox(key: UInt64(frame + 1))
        for (index, plane) in planes.enumerated() {
            for row in 0..<plane.rows {
                let range: Range<Float> = !isDark ? 0..<256 : index == 0 ? 16..<24 : 128..<129
                for (column, value) in random.uniform(plane.rowBytes, in: range).enumerated() {
                    plane.address.storeBytes(
                        of: UInt8(value), toByteOffset: row * plane.stride + column, as: UInt8.self)
                }
            }
        }
    }

    /// All samples, without what lies between rows.
    var bytes: [UInt8] {
        planes.flatMap { plane in
            (0..<plane.rows).flatMap { row in
                UnsafeRawBufferPointer(start: plane.address + row * plane.stride, count: plane.rowBytes).map { $0 }
            }
        }
    }
}

/// A network from 18x10 to twice that, in which bright frames grow beyond half floats, and only those.
func brightnessOverflows(_ frames: Int) -> Graph {
    var b = GraphBuilder()
    let x = b.input("x", .nhwc(frames, 10, 18, 3))
    let large = b.convolution(b.apply(.affine(scale: 60_000, offset: 0), x), "c", to: 3)
    let y = b.apply(.affine(scale: 1 / 60_000, offset: 0), b.apply(.upsampleNearest(factor: 2), large))
    return b.finish([y])
}
