internal import Compute

/// The size of one product of cooperative matrices: `pixels` by `channels` sums, over `depth` input channels.
struct MatrixFragment: Hashable, Sendable {
    var pixels = 16
    var channels = 16
    var depth = 16

    /// Input channels that are staged at a time; every depth divides it.
    static let chunk = 16

    /// The sizes that a device multiplies and the kernels can use: half-float operands, sums of single precision and, where
    /// they are asked for, of half floats as well. The largest product first, and of equal ones that with more pixels, whose
    /// halo is smaller.
    ///
    /// 16x16x16 is AMD's, NVIDIA's and Intel's (Xe2 has 8x16x16), 16x8x16 and 16x8x8 are NVIDIA's, 8x8x8 is llvmpipe's.
    static func sizes(_ capabilities: Capabilities, halfSums: Bool = false) -> [MatrixFragment] {
        func list(_ accumulator: Capabilities.Component) -> Set<MatrixFragment> {
            Set(
                capabilities.cooperativeMatrices.filter {
                    $0.operands == .float16 && $0.accumulator == accumulator && [8, 16].contains($0.m)
                        && [8, 16].contains($0.n) && [8, 16].contains($0.k)
                }.map { MatrixFragment(pixels: $0.m, channels: $0.n, depth: $0.k) })
        }
        var sizes = list(.float32)
        if halfSums { sizes.formIntersection(list(.float16)) }
        return sizes.sorted {
            (-$0.pixels * $0.channels * $0.depth, -$0.pixels, -$0.channels)
                < (-$1.pixels * $1.channels * $1.depth, -$1.pixels, -$1.channels)
        }
    }

    /// The subgroup sizes that matrix kernels are tried with, the driver's own first.
    ///
    /// AMD's compiler takes 32 and 64, and which is faster depends on the layer. Elsewhere there is one size, or what
    /// matrices mean in the others is not said (VK_KHR_cooperative_matrix leaves it to the implementation).
    static func subgroupSizes(_ capabilities: Capabilities) -> [Int] {
        let own = capabilities.subgroupSize
        let isAMD = capabilities.vendorID == 0x1002
        return [own] + [32, 64].filter { isAMD && $0 != own && capabilities.subgroupSizes.contains($0) }
    }
}
