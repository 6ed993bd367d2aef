internal import Compute
internal import Network
internal import Planning
internal import Tensor

/// What a convolution's products are summed up in. Where matrices multiply half floats, many GPUs (NVIDIA's GeForce, AMD's
/// RDNA) are twice as fast when they sum up in half floats too; others (NVIDIA's data-centre GPUs) are not.
enum SumPrecision: Sendable {
    case single
    /// Half floats within a chunk of 16 input channels, and single precision over the chunks (Shaders/tile_cooperative.glsl).
    case half
}

/// Which layers of a network are summed up in half floats: all whose own weights bear it, where the device is faster so.
///
/// Neither depends on a picture's size, so the parts of a picture, which are computed in plans of their own, come out as
/// the whole picture does.
struct HalfSums: Sendable {
    enum Use: Sendable {
        case never
        /// Where a layer's weights bear it.
        case whereExact
        /// Everywhere; for the self-test, and for tests.
        case always
    }

    var use: Use
    /// What all layers together may lose at most, as a share of their results' own size: one level of 8-bit pictures.
    /// Layers' errors do not know of each other, so together they are as large as one times the root of their number.
    var networkLimit = 1.0 / 256
    /// Input channels of one matrix product: so often sums are rounded.
    var depth = 16

    /// - Parameter layers: convolutions in the network.
    func sums(of weight: HostTensor, layers: Int) -> SumPrecision {
        switch use {
        case .never: .single
        case .always: .half
        case .whereExact:
            HalfSums.error(weight, depth: depth) <= networkLimit / Double(max(1, layers)).squareRoot() ? .half : .single
        }
    }

    /// How far sums in half floats are from exact ones, root mean squares, as a share of the results': tried on random
    /// activations, three times as much above zero as below, as rectifiers leave them.
    ///
    /// A matrix product is exact and its sum rounded once, which is what devices do or better.
    ///
    /// - Parameters:
    ///   - weight: `[outputs, inputs, height, width]`, of one group.
    ///   - depth: input channels of one matrix product.
    static func error(_ weight: HostTensor, depth: Int = 16) -> Double {
        let (outputs, inputs) = (weight.shape[0], weight.shape[1])
        let taps = weight.shape[2] * weight.shape[3]
        let (chunk, trials) = (MatrixFragment.chunk, 4)
        // Some outputs stand for all.
        let stride = max(1, outputs / 16)
        var generator = Philox(key: 0x5353)
        var (lost, total) = (0.0, 0.0)
        weight.withUnsafeValues { values in
            for _ in 0..<trials {
                let samples = generator.uniform(inputs * taps, in: -0.5..<1.5).map { Float(Float16($0)) }
                for output in Swift.stride(from: 0, to: outputs, by: stride) {
                    let row = output * inputs * taps
                    var (exact, rounded) = (0.0, Float(0))
                    for first in Swift.stride(from: 0, to: inputs, by: chunk) {
                        var partial = Float(0)
                        for tap in 0..<taps {
                            for start in Swift.stride(from: first, to: min(first + chunk, inputs), by: depth) {
                                var sum = partial
                                for input in start..<min(start + depth, inputs) {
                                    let product =
                                        Float(Float16(values[row + input * taps + tap])) * samples[input * taps + tap]
                                    sum += product
                                    exact += Double(product)
                                }
                                partial = Float(Float16(sum))
                            }
                        }
                        rounded += partial
                    }
                    lost += (Double(rounded) - exact) * (Double(rounded) - exact)
                    total += exact * exact
                }
            }
        }
        return total > 0 ? (lost / total).squareRoot() : 0
    }
}

extension VulkanExecutor {
    /// How much faster than single precision half floats must be summed up: what promoting them costs, and some.
    static let worthwhileGain = 1.3

    /// Lets layers be summed up in half floats if the device is faster so (measured once, and kept with the tiles) and
    /// passes the self-test in them. Sums in single precision have passed it already, so whatever fails here costs no more
    /// than speed.
    func chooseHalfSums() {
        guard multiplication == .matrices, HalfSums.fit(device.capabilities) else { return }
        let gain = try? tiles.figure("half-sums") {
            try peak(.matrices, .half).flops / peak(.matrices, .single).flops
        }
        guard let gain, gain >= VulkanExecutor.worthwhileGain else { return }
        let depth = MatrixFragment.sizes(device.capabilities, halfSums: true).first?.depth ?? MatrixFragment.chunk
        halfSums = HalfSums(use: .always)
        let isRight = (try? SelfTest(self, cacheDirectory: cacheDirectory).pass()) != nil
        halfSums = HalfSums(use: isRight ? .whereExact : .never, depth: depth)
    }
}

extension HalfSums {
    /// Whether the kernels were compiled and the device has such matrices.
    static func fit(_ capabilities: Capabilities) -> Bool {
        KernelLibrary.code("\(Multiplication.matrices.shader).half.fp16") != nil
            && KernelLibrary.code("peak.matrices.half.fp16") != nil
            && !MatrixFragment.sizes(capabilities, halfSums: true).isEmpty
    }
}
