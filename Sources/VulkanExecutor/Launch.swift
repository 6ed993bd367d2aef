internal import Compute
internal import Network
internal import Planning

/// Where the buffers of a plan lie in its arena.
struct ArenaPlaces {
    /// In words of 32 bits, by buffer.
    var offsets: [Int]
    /// Words of the blocks that the arena is cut into.
    var blockWords: Int

    /// The block of a buffer, and the byte there at which it begins.
    func place(_ buffer: Int) -> (memory: Region.Memory, start: Int) {
        (.arena(offsets[buffer] / blockWords), offsets[buffer] % blockWords * 4)
    }
}

/// Memory that a kernel sees as rows of pixels: a view in the arena, or a caller's dense picture.
struct Region {
    enum Memory: Hashable {
        /// A block of the arena.
        case arena(Int)
        case input, places, output
    }

    var memory: Memory
    /// Where it starts, in bytes.
    var start: Int
    /// What kernels count in: a quad of channels in the arena, a float in a dense picture.
    var unitBytes: Int
    /// Units from pixel to pixel, and from a pixel's start to the region's channels.
    var pitch: Int
    var offset: Int
    var batch: Int
    var height: Int
    var width: Int
    /// The row that lies at `start`: of a strip of one image its first one; of one of several images a negative one.
    var firstRow = 0
    /// Where rows do not lie as they do in an activation, so all of the region is always bound.
    var wholeBytes: Int?

    /// A view of the program, its buffer placed.
    init(_ view: View, _ places: ArenaPlaces, _ precision: StoragePrecision) {
        (memory, start) = places.place(view.buffer)
        unitBytes = 4 * precision.bytes
        pitch = view.pitch / 4
        offset = view.segments[0].offset / 4
        (batch, height, width) = (view.batch, view.height, view.width)
    }

    /// One of the region's images, as a region of its own.
    func image(_ index: Int) -> Region {
        var one = self
        one.batch = 1
        // Seen from there, what lies at `start` is so many rows before the first.
        one.firstRow = -index * height
        return one
    }

    /// A dense image of 32-bit floats from byte `start` of some memory on.
    init(dense view: View, _ memory: Memory, start: Int) {
        self.memory = memory
        self.start = start
        unitBytes = 4
        pitch = view.channels
        offset = 0
        (batch, height, width) = (view.batch, view.height, view.width)
    }

    /// Bytes of memory outside the arena that a kernel addresses by itself.
    init(bytes: Range<Int>, _ memory: Memory) {
        self.memory = memory
        start = bytes.lowerBound
        wholeBytes = bytes.count
        (unitBytes, pitch, offset, batch, height, width) = (4, 0, 0, 1, 0, 0)
    }

    /// Whether every pixel begins at an even quad of what is bound.
    var hasPairs: Bool { pitch % 2 == 0 && offset % 2 == 0 }

    /// The bytes from the first row to the last of some rows of some images, the beginning rounded down so that it can
    /// be bound; and the units that are missing in front.
    func bytes(images: Range<Int>, rows: Range<Int>) -> (range: Range<Int>, base: Int) {
        if let wholeBytes { return (start..<start + wholeBytes, 0) }
        let rowUnits = width * pitch
        let first = (images.lowerBound * height + rows.lowerBound - firstRow) * rowUnits * unitBytes / bindingAlignment
        let end = ((images.upperBound - 1) * height + rows.upperBound - firstRow) * rowUnits * unitBytes
        let base = firstRow * rowUnits + first * bindingAlignment / unitBytes
        return (start + first * bindingAlignment..<start + end, base)
    }
}

/// Every device's `Capabilities.bindingAlignment` divides this: Vulkan limits it to 256.
let bindingAlignment = 256

extension StoragePrecision {
    var bytes: Int { self == .fp32 ? 4 : 2 }
}

/// A kernel on some memory: everything that recording needs to know.
struct Launch {
    var kernel: Kernel
    var source: Region
    var target: Region
    /// What stages read, and through which nearest upsampling.
    var operands: [(region: Region, upsampling: Int)] = []
    /// Bytes of the plan's weights and constants.
    var weights: Range<Int>?
    /// The same for Winograd's method; nil where it cannot be used.
    var winogradWeights: Range<Int>?
    var constants: Range<Int>
    /// Images, and rows of the kernel's own grid, to compute.
    var images: Int
    var rows: Range<Int>
    /// Rows of the target for one row of the grid (the factor of a pixel shuffle).
    var targetScale = 1
    /// The rows of the source that rows of the grid need.
    var sourceRows: (Range<Int>) -> Range<Int>
    /// Workgroups for so many rows of so many images.
    var groups: (_ rows: Int, _ images: Int) -> (Int, Int, Int)
    /// Multiply-adds, or elements where there are none: how long it may take.
    var work: Int
    /// Bytes that it must move at the least.
    var leastBytes: Int
    var kind: LayerTiming.Kind
    /// For error messages and reports.
    var label: String
    /// The same for all strips of one step.
    var step = 0
    /// Of convolutions, how they are computed.
    var convolution: ConvolutionKernel?

    /// The same convolution with another tile.
    func with(_ tile: ConvolutionTile, _ capabilities: Capabilities, _ multiplication: Multiplication) -> Launch {
        guard let convolution else { preconditionFailure("only convolutions have tiles") }
        let changed = ConvolutionKernel(
            convolution.step, capabilities, multiplication, tile: tile, sums: convolution.sums)
        var launch = self
        launch.convolution = changed
        launch.kernel.subgroupSize = tile.subgroupSize
        launch.kernel.constants[0] = UInt32(tile.groupSize)
        launch.kernel.constants.replaceSubrange(ConvolutionKernel.firstConstant..., with: changed.constants)
        launch.groups = changed.groups
        return launch
    }

    /// Dispatches of one piece.
    var passes: Int { convolution?.tile.isWinograd == true ? 3 : 1 }

    /// A part that fits into the device's limits.
    struct Piece {
        var images: Range<Int>
        var rows: Range<Int>
    }

    /// Multiply-adds of a part.
    func work(_ piece: Piece) -> Int {
        let rowWork = Double(work) / Double(max(1, rows.count * images))
        return Int(rowWork * Double(piece.rows.count * piece.images.count))
    }

    /// The launch in parts, none of which binds or dispatches more than the device allows. Mostly one.
    ///
    /// - Parameter workLimit: multiply-adds of a part, unless it is as small as parts can be.
    /// - Throws: `ComputeError.unsuitable` when a single row is too much.
    func pieces(
        _ capabilities: Capabilities, bindingLimit: Int, workLimit: Int = .max
    ) throws(ComputeError) -> [Piece] {
        var done: [Piece] = []
        var open = [Piece(images: 0..<images, rows: rows)]
        if let convolution, convolution.tile.isWinograd {
            // The tiles of a piece must fit between its passes. Pieces begin at whole tiles, so that results do not depend
            // on how many there are.
            let starts = stride(from: rows.lowerBound, to: rows.upperBound, by: convolution.winogradRows)
            open = (0..<images).reversed().flatMap { image in
                starts.reversed().map {
                    let end = min($0 + convolution.winogradRows, rows.upperBound)
                    return Piece(images: image..<image + 1, rows: $0..<end)
                }
            }
        }
        // Rows that a workgroup computes would be computed in vain by a part with fewer.
        let leastRows = max(passes > 1 ? 4 : 1, convolution?.tile.height ?? 1)
        while let piece = open.popLast() {
            let isFit = fits(piece, capabilities, bindingLimit)
            let isSmallest = piece.images.count == 1 && piece.rows.count <= leastRows
            if isFit && (work(piece) <= workLimit || isSmallest) {
                done.append(piece)
            } else if piece.images.count > 1 {
                let middle = piece.images.lowerBound + piece.images.count / 2
                open.append(Piece(images: middle..<piece.images.upperBound, rows: piece.rows))
                open.append(Piece(images: piece.images.lowerBound..<middle, rows: piece.rows))
            } else if piece.rows.count > (passes > 1 ? 4 : 1) {
                var half = piece.rows.count / 2
                if passes > 1 { half = (half + 3) / 4 * 4 }
                let middle = piece.rows.lowerBound + half
                open.append(Piece(images: piece.images, rows: middle..<piece.rows.upperBound))
                open.append(Piece(images: piece.images, rows: piece.rows.lowerBound..<middle))
            } else {
                throw .unsuitable(device: capabilities.name, lacks: "room for one row of the picture in one binding")
            }
        }
        return done
    }

    private func fits(_ piece: Piece, _ capabilities: Capabilities, _ bindingLimit: Int) -> Bool {
        let groups = groups(piece.rows.count, piece.images.count)
        let limits = capabilities.maximumGroups
        guard groups.0 <= limits[0], groups.1 <= limits[1], groups.2 <= limits[2] else { return false }
        return regions(piece).allSatisfy { $0.bytes.range.count <= bindingLimit }
    }

    /// Source, target and operands with the bytes that a piece of the launch touches.
    func regions(_ piece: Piece) -> [(region: Region, bytes: (range: Range<Int>, base: Int))] {
        let targetRows = piece.rows.lowerBound * targetScale..<piece.rows.upperBound * targetScale
        var all = [
            (source, source.bytes(images: piece.images, rows: sourceRows(piece.rows))),
            (target, target.bytes(images: piece.images, rows: targetRows)),
        ]
        for (region, upsampling) in operands {
            let rows = targetRows.lowerBound / upsampling..<(targetRows.upperBound - 1) / upsampling + 1
            all.append((region, region.bytes(images: piece.images, rows: rows)))
        }
        return all
    }

    /// The push constants of a piece, as `Push` in Shaders/views.glsl lays them out.
    func pushConstants(_ piece: Piece) -> [UInt32] {
        var words: [UInt32] = []
        for (region, bytes) in regions(piece) {
            words += [bytes.base, region.pitch, region.offset, region.height, region.width].map {
                UInt32(truncatingIfNeeded: $0)
            }
        }
        while words.count < 20 { words.append(0) }
        return words + [piece.images.lowerBound, piece.rows.lowerBound, piece.rows.upperBound].map(UInt32.init)
    }
}
