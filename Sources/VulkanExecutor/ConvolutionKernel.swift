internal import Compute
internal import Network
internal import Planning
internal import Tensor

/// Which implementation of the tile primitives (Shaders/tile.glsl) convolutions use.
enum Multiplication: Sendable {
    case vectors
    /// Cooperative matrices; half-float storage only.
    case matrices
    /// Multiply-adds on what is fetched from texel buffers, without shared memory: for software drivers.
    case texels

    /// The kernel's name in Shaders/Variants.txt, without the precision.
    var shader: String {
        switch self {
        case .vectors: "convolution"
        case .matrices: "convolution.matrices"
        case .texels: "convolution.texels"
        }
    }

    /// What is left of it for a precision: matrices are of half floats.
    func with(_ precision: StoragePrecision) -> Multiplication {
        precision == .fp16 || self == .texels ? self : .vectors
    }

    /// What is left of it for a convolution: groups, which skip inputs, are done with vectors.
    func fitting(_ step: ConvolutionStep) -> Multiplication { step.groups > 1 && self == .texels ? .vectors : self }

    /// Whether texel buffers are what the device is best at, and it can write 64 bits at a time.
    static func texelsFit(_ capabilities: Capabilities) -> Bool {
        capabilities.quirks.contains(.processorLanes) && capabilities.hasInt64
    }

    /// Whether the kernel was compiled and the device has what it is written for.
    static func matricesFit(_ capabilities: Capabilities) -> Bool {
        KernelLibrary.code("\(Multiplication.matrices.shader).fp16") != nil && capabilities.hasFloat16Arithmetic
            && capabilities.hasVulkanMemoryModel && capabilities.hasSubgroupSizeControl
            && [8, 16, 32, 64].contains(capabilities.subgroupSize)
            && capabilities.maximumGroupSize >= 4 * capabilities.subgroupSize
            && !MatrixFragment.sizes(capabilities).isEmpty && !capabilities.quirks.contains(.unfitMatrices)
    }
}

/// The shape of a workgroup's work in Shaders/tile.glsl.
struct ConvolutionTile: Hashable, Sendable {
    /// Pixels of the result.
    var width = 16
    var height = 8
    /// Quads of output channels.
    var blockQuads: Int
    /// What one invocation sums up: pixels by quads. Of matrices, what a subgroup sums up: rows of the tile by fragments
    /// of channels.
    var pixels: Int
    var quads: Int
    /// Of matrices; nil of vectors.
    var subgroupSize: Int?
    var fragment: MatrixFragment?
    /// Winograd's method: `width` lanes are tiles of 4x4 pixels, and `pixels` counts tiles.
    var isWinograd = false

    var groupSize: Int {
        if let subgroupSize { return height / pixels * subgroupSize }
        return width * height / pixels * (blockQuads / quads)
    }
    var blockChannels: Int { blockQuads * 4 }

    /// Of matrices: bytes of shared memory, for staged pixels and then for the sums on their way out (tile_cooperative.glsl).
    func matrixSharedBytes(stagedWidth: Int, stagedHeight: Int) -> Int {
        guard let fragment else { return 0 }
        let exchanged = height / pixels * fragment.pixels * blockQuads
        return max(stagedWidth * stagedHeight * ConvolutionTile.matrixPitch / 2, exchanged) * 16
    }

    /// Quads from staged pixel to staged pixel of matrices: rows of a matrix start at multiples of 16 bytes, and neighbours
    /// lie in different banks.
    static let matrixPitch = MatrixFragment.chunk / 4 + 2
}

/// How a convolution step is computed: its tile, and how its weights are packed.
struct ConvolutionKernel {
    let step: ConvolutionStep
    let tile: ConvolutionTile
    /// Whether pixels are staged with their halo, once for all taps.
    let staging: Staging
    /// Output channels as the matrix product has them: pixel by pixel of the shuffle, padded.
    let columns: Int
    /// Input channels staged at a time, and how often.
    let chunkChannels: Int
    let chunks: Int
    /// Quads from staged pixel to staged pixel.
    let stagePitch: Int
    let multiplication: Multiplication
    /// What products are summed up in.
    let sums: SumPrecision
    var shader: String { multiplication.shader + (sums == .half ? ".half" : "") }

    enum Staging { case halo, taps }

    var kernelHeight: Int { step.weightShape[2] }
    var kernelWidth: Int { step.weightShape[3] }
    private var outputExtent: Int { step.output.segments[0].extent }

    /// - Parameters:
    ///   - tile: one of `tiles`; nil takes the first.
    ///   - sums: half floats only with matrices.
    init(
        _ step: ConvolutionStep, _ capabilities: Capabilities, _ multiplication: Multiplication,
        tile: ConvolutionTile? = nil, sums: SumPrecision = .single
    ) {
        self.step = step
        let multiplication = multiplication.fitting(step)
        self.multiplication = multiplication
        self.sums = multiplication == .matrices ? sums : .single
        precondition(step.output.segments.count == 1, "a step writes one segment")
        columns = ConvolutionKernel.columns(step, multiplication)
        self.tile = tile ?? ConvolutionKernel.tiles(step, capabilities, multiplication, sums: sums)[0]
        let inputs = step.input.physicalChannels.count
        chunkChannels = multiplication == .texels || multiplication == .vectors && inputs < 16 ? 4 : 16
        chunks = (inputs + chunkChannels - 1) / chunkChannels
        let (width, height) = (
            self.tile.width + step.weightShape[3] - 1, self.tile.height + step.weightShape[2] - 1
        )
        let shared: Int
        switch multiplication {
        case .vectors:
            // Odd, so that neighbours lie in different banks.
            stagePitch = chunkChannels == 4 ? 1 : chunkChannels / 4 + 1
            shared = width * height * stagePitch * 16
        case .matrices:
            stagePitch = ConvolutionTile.matrixPitch
            shared = self.tile.matrixSharedBytes(stagedWidth: width, stagedHeight: height)
        case .texels:
            (stagePitch, shared) = (1, 0)
        }
        staging = step.stride == 1 && shared <= capabilities.sharedMemoryBytes ? .halo : .taps
    }

    /// Output channels as the product has them. The widest block that wastes none is then a multiple of this.
    private static func columns(_ step: ConvolutionStep, _ multiplication: Multiplication) -> Int {
        let extent = step.output.segments[0].extent
        let needed = step.pixelShuffle > 1 ? step.pixelShuffle * step.pixelShuffle * extent : extent
        if multiplication == .texels { return (needed + 3) / 4 * 4 }
        if multiplication == .matrices { return (needed + 15) / 16 * 16 }
        return needed <= 16 ? 16 : (needed + 31) / 32 * 32
    }

    /// Quads of output channels that an invocation sums up where they are fetched as texels, at most.
    static func texelQuads(columns: Int) -> Int { [4, 3, 2].first { columns / 4 % $0 == 0 } ?? 1 }

    /// The tiles that this convolution can be computed with, a good guess first. Which is best is measured (TileTable).
    ///
    /// How weights are packed does not depend on the tile.
    ///
    /// - Parameter all: also on software drivers; for tests.
    static func tiles(
        _ step: ConvolutionStep, _ capabilities: Capabilities, _ multiplication: Multiplication,
        sums: SumPrecision = .single, all: Bool = false
    ) -> [ConvolutionTile] {
        let multiplication = multiplication.fitting(step)
        let columns = columns(step, multiplication)
        // Few invocations' worth of work for pictures, many for the body.
        let block = columns == 16 ? 4 : columns % 64 == 0 ? 16 : 8
        // Of matrices also 48 channels, which is what an enlargement by 4 ends with, and 16.
        let matrixBlock = [16, 12, 8].first { columns % ($0 * 4) == 0 } ?? 4
        var tiles: [ConvolutionTile]
        switch multiplication {
        case .texels:
            // As many sums as a processor's first-level cache and the compiler bear; a subgroup's pixels side by side.
            let lanes = max(4, capabilities.subgroupSize)
            let quads = texelQuads(columns: columns)
            let fewer = [3, 2, 1].first { $0 < quads && columns / 4 % $0 == 0 } ?? quads
            tiles = [(8, quads), (4, quads), (8, fewer)].map { pixels, quads in
                ConvolutionTile(width: lanes, height: pixels, blockQuads: quads, pixels: pixels, quads: quads)
            }
            if allowsWinograd(step) {
                var tile = tiles[0]
                tile.isWinograd = true
                tiles.insert(tile, at: 0)
            }
        case .vectors:
            tiles = [ConvolutionTile(blockQuads: block, pixels: block == 4 ? 4 : 8, quads: block == 16 ? 2 : 1)]
            // Width, height, pixels and quads of an invocation. Software drivers compile for longer than they gain.
            let shapes =
                capabilities.isSoftware && !all
                ? [(16, 8, 8, 4)]
                : [
                    (16, 8, 8, 2), (16, 8, 8, 4), (16, 8, 4, 2), (16, 8, 4, 4), (8, 8, 4, 2), (8, 8, 4, 4),
                    (16, 16, 8, 2),
                ]
            for quads in [block, block / 2] where quads >= 4 {
                tiles += shapes.map { width, height, pixels, own in
                    ConvolutionTile(width: width, height: height, blockQuads: quads, pixels: pixels, quads: own)
                }
            }
            tiles = tiles.filter { $0.groupSize >= 8 }
        case .matrices:
            tiles = []
            let fragments = MatrixFragment.sizes(capabilities, halfSums: sums == .half)
            // Many products for what is loaded first: four rows of pixels by all channels of the block. Software drivers
            // multiply by hundreds of instructions, of which they cannot compile many.
            let isSoftware = capabilities.isSoftware
            let shapes = isSoftware ? [(4, 1), (8, 2)] : [(16, 4), (8, 4), (16, 2), (8, 2), (32, 4), (4, 1)]
            let blocks = isSoftware ? [2, 4] : [matrixBlock, matrixBlock / 2]
            for (height, rows) in shapes {
                for quads in blocks where columns / 4 % quads == 0 {
                    for fragment in fragments where quads * 4 % fragment.channels == 0 {
                        for subgroupSize in MatrixFragment.subgroupSizes(capabilities) {
                            tiles.append(
                                ConvolutionTile(
                                    width: fragment.pixels, height: height, blockQuads: quads, pixels: rows,
                                    quads: quads * 4 / fragment.channels, subgroupSize: subgroupSize,
                                    fragment: fragment))
                        }
                    }
                }
            }
        }
        var seen: Set<ConvolutionTile> = []
        return tiles.filter { tile in
            if multiplication == .texels { return seen.insert(tile).inserted }
            // What one tap stages must fit; the halo is tried first.
            let shared =
                multiplication == .matrices
                ? tile.matrixSharedBytes(stagedWidth: tile.width, stagedHeight: tile.height)
                : tile.width * tile.height * 5 * 16
            return tile.groupSize <= capabilities.maximumGroupSize && shared <= capabilities.sharedMemoryBytes
                && seen.insert(tile).inserted
        }
    }

    private var stagedWidth: Int { staging == .halo ? tile.width + kernelWidth - 1 : tile.width }
    private var stagedHeight: Int { staging == .halo ? tile.height + kernelHeight - 1 : tile.height }
    private var blocks: Int { columns / tile.blockChannels }

    static let firstConstant = 48

    /// The constants from `firstConstant` on, in the order of Shaders/tile_constants.glsl, convolution.glsl and, of matrices,
    /// tile_cooperative.glsl.
    var constants: [UInt32] {
        // Groups can be passed over where physical channels are the logical ones.
        let isGrouped = step.groups > 1 && step.input.segments.count == 1 && step.pixelShuffle == 1
        var numbers = [
            tile.width, tile.height, tile.blockQuads, tile.pixels, tile.quads, chunkChannels / 4,
            stagePitch, stagedWidth, stagedHeight, columns / 4, kernelHeight,
            kernelWidth, step.stride, step.padding, step.inputUpsampling, staging == .halo ? 1 : 0, chunks, blocks,
            step.pixelShuffle, isGrouped ? step.weightShape[1] : 0,
            isGrouped ? step.weightShape[0] / step.groups : 0,
        ]
        if let fragment = tile.fragment {
            let shared = tile.matrixSharedBytes(stagedWidth: stagedWidth, stagedHeight: stagedHeight)
            numbers += [fragment.pixels, fragment.channels, fragment.depth, shared / 16]
        }
        return numbers.map { UInt32($0) }
    }

    func groups(rows: Int, images: Int) -> (Int, Int, Int) {
        (
            (step.resultWidth + tile.width - 1) / tile.width, (rows + tile.height - 1) / tile.height,
            images * blocks
        )
    }

    // MARK: Packing

    /// The logical output channel of a column; nil for padding.
    func output(_ column: Int) -> Int? {
        guard step.pixelShuffle > 1 else { return column < step.weightShape[0] ? column : nil }
        let area = step.pixelShuffle * step.pixelShuffle
        let (place, channel) = (column / outputExtent, column % outputExtent)
        return place < area && channel < step.output.channels ? channel * area + place : nil
    }

    /// Weights as the kernel reads them, zero where there is no weight: `[chunk][tap][channel in chunk][column]`, for matrices
    /// `[chunk][tap][column][channel in chunk]`, and for texels `[tap][quad of channels][column][4]`.
    func packedWeights(_ weight: HostTensor) -> [Float] {
        let taps = kernelHeight * kernelWidth
        let (outputs, inputs) = (weight.shape[0], weight.shape[1])
        let outputsPerGroup = outputs / step.groups
        let map = step.input.channelMap
        var packed = [Float](repeating: 0, count: chunks * taps * chunkChannels * columns)
        weight.withUnsafeValues { values in
            for column in 0..<columns {
                guard let output = output(column) else { continue }
                let firstInput = output / outputsPerGroup * inputs
                for input in 0..<inputs {
                    let physical = map[firstInput + input]
                    let (chunk, channel) = (physical / chunkChannels, physical % chunkChannels)
                    for tap in 0..<taps {
                        let place =
                            switch multiplication {
                            case .texels: ((tap * chunks + chunk) * columns + column) * 4 + channel
                            case .vectors: ((chunk * taps + tap) * chunkChannels + channel) * columns + column
                            case .matrices:
                                ((chunk * taps + tap) * columns + column) * chunkChannels + channel
                            }
                        packed[place] = values[(output * inputs + input) * taps + tap]
                    }
                }
            }
        }
        return packed
    }

    func packedBias(_ bias: HostTensor?) -> [Float] {
        (0..<columns).map { column in output(column).flatMap { bias?.values[$0] } ?? 0 }
    }
}
