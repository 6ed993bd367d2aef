internal import Compute
internal import Network
internal import Planning
internal import Tensor

/// One dispatch. A launch is one of them, or the three of Winograd's method (Shaders/winograd.glsl).
struct Pass {
    var kernel: Kernel
    var bindings: [Binding]
    var pushConstants: [UInt32]
    var groups: (Int, Int, Int)

    /// The passes of a piece of a launch.
    ///
    /// - Parameters:
    ///   - ends: memory of a slot; nil for launches that do not touch it.
    ///   - status: receives 1 where a number did not fit.
    static func passes(
        _ launch: Launch, _ piece: Launch.Piece, _ memory: PlanMemory, _ ends: SlotEnds?, _ status: BufferSlice
    ) -> [Pass] {
        func slice(_ region: Region, _ bytes: Range<Int>) -> BufferSlice {
            if case .arena(let block) = region.memory {
                return memory.arena.blocks[block].slice(offset: bytes.lowerBound, bytes: bytes.count)
            }
            guard let ends else { preconditionFailure("a launch between the ends") }
            return ends.slice(region.memory, bytes)
        }
        let slices = launch.regions(piece).map { slice($0.region, $0.bytes.range) }
        let constants = memory.constants.slice(offset: launch.constants.lowerBound, bytes: launch.constants.count)
        let isTexels = !KernelLibrary.texelBuffers(launch.kernel.shader).isEmpty
        func reading(_ slice: BufferSlice?, _ format: TexelFormat) -> Binding {
            // Something must be bound where a kernel does not look.
            isTexels ? .fetching(slice ?? constants, format) : .reading(slice ?? constants)
        }
        let stored: TexelFormat = launch.kernel.precision == .fp16 ? .half4 : .float4
        let weights = launch.weights.map { memory.weights.slice(offset: $0.lowerBound, bytes: $0.count) }
        let whole = Pass(
            kernel: launch.kernel,
            bindings: [
                reading(slices[0], stored), .writing(slices[1]), reading(slices.count > 2 ? slices[2] : nil, stored),
                reading(slices.count > 3 ? slices[3] : nil, stored), reading(weights, stored),
                reading(constants, .float4), .writing(status),
            ],
            pushConstants: launch.pushConstants(piece), groups: launch.groups(piece.rows.count, piece.images.count))
        guard let convolution = launch.convolution, convolution.tile.isWinograd else { return [whole] }
        return winograd(whole, convolution, launch, piece, memory, constants)
    }

    private static func winograd(
        _ whole: Pass, _ convolution: ConvolutionKernel, _ launch: Launch, _ piece: Launch.Piece,
        _ memory: PlanMemory, _ constants: BufferSlice
    ) -> [Pass] {
        guard let packed = launch.winogradWeights, let scratch = memory.scratch else {
            preconditionFailure("Winograd's method needs weights and memory of its own")
        }
        let (across, down) = convolution.winogradTiles(rows: piece.rows.count)
        let tiles = across * down
        let (inputs, outputs) = (convolution.chunks, convolution.columns / 4)
        let tile = convolution.tile
        let samples = scratch.slice(bytes: tiles * inputs * ConvolutionKernel.winogradBytes)
        let sums = scratch.slice(
            offset: PlanMemory.next(0, samples.bytes), bytes: tiles * outputs * ConvolutionKernel.winogradBytes)
        // The view that a kernel has no use for says how many tiles there are.
        func push(_ view: Int) -> [UInt32] {
            var words = whole.pushConstants
            (words[5 * view + 3], words[5 * view + 4]) = (UInt32(down), UInt32(across))
            return words
        }
        func kernel(_ shader: String, _ precision: StoragePrecision, group: Int) -> Kernel {
            var constants = whole.kernel.constants
            constants[0] = UInt32(group)
            return Kernel(shader: shader, precision: precision, constants: constants)
        }
        let group = 64
        func groups(_ quads: Int) -> (Int, Int, Int) { ((across * quads + group - 1) / group, down, 1) }

        let precision = whole.kernel.precision
        let nothing = Binding.fetching(constants, .float4)
        var first = Pass(
            kernel: kernel("winograd_in.texels", precision, group: group), bindings: whole.bindings,
            pushConstants: push(1), groups: groups(inputs % 2 == 0 ? inputs / 2 : inputs))
        first.bindings[1] = .writing(samples)
        first.bindings[4] = nothing
        let (lanes, blocks) = (tile.width, outputs / tile.quads)
        // Blocks of outputs of the same tiles, one after the other.
        let together = [4, 3, 2].first { blocks % $0 == 0 } ?? 1
        var product = Pass(
            kernel: kernel("winograd_product.texels", .fp32, group: lanes * together), bindings: whole.bindings,
            pushConstants: push(0),
            groups: ((tiles + lanes * tile.pixels - 1) / (lanes * tile.pixels), blocks / together, 36))
        product.bindings[0] = .fetching(samples, .float4)
        product.bindings[1] = .writing(sums)
        product.bindings[4] = .fetching(memory.weights.slice(offset: packed.lowerBound, bytes: packed.count), .float4)
        var last = Pass(
            kernel: kernel("winograd_out.texels", precision, group: group), bindings: whole.bindings,
            pushConstants: push(0), groups: groups(outputs % 2 == 0 ? outputs / 2 : outputs))
        last.bindings[0] = .fetching(sums, .float4)
        last.bindings[4] = nothing
        return [first, product, last]
    }
}

extension CommandRecorder {
    func dispatch(_ pass: Pass, _ kernels: KernelLibrary) throws {
        try dispatch(
            try kernels.pipeline(pass.kernel), pass.bindings, pushConstants: pass.pushConstants, groups: pass.groups)
    }
}

// MARK: Winograd's shapes and weights

extension ConvolutionKernel {
    /// Bytes of a quad of channels at all places of a tile.
    static let winogradBytes = 36 * 16
    /// Bytes of transformed samples and sums at most, so that they stay in a processor's second-level caches (with 16 MiB
    /// the products took 15 % longer). A single row of tiles may take more.
    private static let scratchLimit = 5 << 18

    /// Whether Winograd's method can do a step, and is then what does it. Whatever it depends on must be the same for a
    /// picture and for a part of it.
    static func allowsWinograd(_ step: ConvolutionStep) -> Bool {
        step.weightShape[2] == 3 && step.weightShape[3] == 3 && step.stride == 1 && step.padding == 1
            && step.groups == 1 && step.input.physicalChannels.count >= 16
    }

    /// Tiles of 4x4 results, across and down.
    func winogradTiles(rows: Int) -> (across: Int, down: Int) { ((step.resultWidth + 3) / 4, (rows + 3) / 4) }

    /// Rows of results that are done at a time: a multiple of 4.
    var winogradRows: Int {
        let row = winogradTiles(rows: 4).across * (chunks + columns / 4) * ConvolutionKernel.winogradBytes
        return max(1, ConvolutionKernel.scratchLimit / row) * 4
    }

    /// Bytes for the samples and sums of so many rows.
    func winogradScratch(rows: Int) -> Int {
        let tiles = winogradTiles(rows: min(rows, winogradRows))
        let bytes = tiles.across * tiles.down * ConvolutionKernel.winogradBytes
        return PlanMemory.next(0, bytes * chunks) + bytes * columns / 4
    }

    /// Transformed weights, `[36][block of columns][quad of inputs][column in block][4 inputs]`, so that an invocation reads
    /// them one after the other; computed in double precision, because their rounding is every result's.
    func winogradWeights(_ weight: HostTensor) -> [Float] {
        let points = [0, 0.5.squareRoot(), -0.5.squareRoot(), 2.0.squareRoot(), -2.0.squareRoot()]
        var rows = points.map { point in
            let distances = points.reduce(1.0) { $1 == point ? $0 : $0 * (point - $1) }
            return [1 / distances, point / distances, point * point / distances]
        }
        rows.append([0, 0, 1])
        var packed = [Float](repeating: 0, count: 36 * chunks * columns * 4)
        let inputs = weight.shape[1]
        let map = step.input.channelMap
        let block = ConvolutionKernel.texelQuads(columns: columns) * 4
        weight.withUnsafeValues { values in
            packed.withUnsafeMutableBufferPointer { packed in
                for column in 0..<columns {
                    guard let output = output(column) else { continue }
                    for input in 0..<inputs {
                        let start = (output * inputs + input) * 9
                        let (quad, channel) = (map[input] / 4, map[input] % 4)
                        for (i, row) in rows.enumerated() {
                            let half = (0..<3).map { x in
                                (0..<3).reduce(0.0) { $0 + row[$1] * Double(values[start + $1 * 3 + x]) }
                            }
                            for (j, row) in rows.enumerated() {
                                let sum = half[0] * row[0] + half[1] * row[1] + half[2] * row[2]
                                let row = (((i * 6 + j) * columns / block + column / block) * chunks + quad) * block
                                packed[(row + column % block) * 4 + channel] = Float(sum)
                            }
                        }
                    }
                }
            }
        }
        return packed
    }
}
