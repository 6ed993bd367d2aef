public import Network
internal import Planning
public import Tensor
public import Weights

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// When a picture is cut into tiles.
public enum Tiling: Sendable, Hashable {
    /// The whole picture where its memory is within the budget, else the largest tiles that are.
    case automatic
    /// Always the whole picture.
    case off
    /// Tiles whose cores have at most so many input pixels a side.
    case size(Int)
}

/// Upscales pictures with one model on one executor.
///
/// Owned by one thread at a time. Plans are compiled on the first picture of a size and kept for the next.
public final class Upscaler {
    public let model: Model
    public let executor: any Executor
    private let tiling: Tiling
    private let memoryBudget: Int

    /// Plan and layout of the latest picture size.
    private var prepared: Prepared?
    private struct Prepared {
        let shape: Shape
        let layout: TileLayout
        let plan: any Plan
        /// One tile's input and output; empty where the picture is one tile.
        var input: [HostTensor]
        var output: [HostTensor]
    }

    /// - Parameter memoryBudget: bytes that a plan's activations may take under `Tiling.automatic`; half of the
    ///   machine's memory if nil.
    public init(model: Model, executor: any Executor, tiling: Tiling = .automatic, memoryBudget: Int? = nil) {
        self.model = model
        self.executor = executor
        self.tiling = tiling
        self.memoryBudget = memoryBudget ?? Upscaler.halfOfMemory
    }

    private static var halfOfMemory: Int {
        let bytes = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        return bytes > 0 ? bytes / 2 : 4 << 30
    }

    public var scale: Int { model.descriptor.scale }

    /// The result's shape for a picture `[1, H, W, C]`.
    public func outputShape(_ shape: Shape) -> Shape {
        .nhwc(shape.batch, shape.height * scale, shape.width * scale, model.descriptor.outputChannels)
    }

    /// How pictures of this size are cut; known after the first one.
    public var tileCount: Int { prepared?.layout.count ?? 0 }
    /// Bytes that the present plan holds.
    public var memoryBytes: Int { prepared?.plan.memoryBytes ?? 0 }

    /// Compiles for pictures of this shape, unless that is what it is compiled for.
    ///
    /// - Throws: `ExecutionError`. Where the device lacks memory, smaller tiles are tried first.
    public func prepare(_ shape: Shape) throws {
        if prepared?.shape == shape { return }
        prepared = nil
        var candidates: [Int?]
        switch tiling {
        case .off: candidates = [nil]
        case .size(let size): candidates = [size]
        case .automatic:
            candidates = [nil] + [2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64, 32].map { $0 as Int? }
            let fitting = candidates.drop { tile in
                let layout = layout(shape, tile: tile)
                let graph = graph(shape, layout)
                return Planner.plan(graph).arenaElements * MemoryLayout<Float>.size > memoryBudget
            }
            // When even the smallest exceed the budget, they are tried all the same.
            candidates = fitting.isEmpty ? [candidates.last!] : Array(fitting)
        }
        for (index, tile) in candidates.enumerated() {
            let layout = layout(shape, tile: tile)
            do {
                let plan = try executor.compile(graph(shape, layout), parameters: model.parameters)
                let whole = layout.count == 1
                prepared = Prepared(
                    shape: shape, layout: layout, plan: plan,
                    input: whole ? [] : plan.inputShapes.map { HostTensor($0) },
                    output: whole ? [] : plan.outputShapes.map { HostTensor($0) })
                return
            } catch let error as ExecutionError {
                guard case .outOfMemory = error, index + 1 < candidates.count else { throw error }
            }
        }
    }

    /// Tiles start on this grid, on which every executor's blocks lie alike: the least common multiple of the Winograd
    /// tile sizes, so that a tile's sums are the whole picture's, bit for bit.
    private static let blockGrid = 12
    /// The overlap where the receptive field is too large to be covered.
    private static let blendedOverlap = 32
    /// Receptive fields up to this radius are covered by the overlap.
    private static let largestExactRadius = 48

    private func layout(_ shape: Shape, tile: Int?) -> TileLayout {
        let radius = model.descriptor.receptiveFieldRadius
        let exact = radius <= Upscaler.largestExactRadius
        let multiple = model.descriptor.sizeMultiple
        return TileLayout(
            height: shape.height, width: shape.width, tile: tile, overlap: exact ? radius : Upscaler.blendedOverlap,
            exact: exact, grid: Upscaler.blockGrid * multiple, scale: scale)
    }

    private func graph(_ shape: Shape, _ layout: TileLayout) -> Graph {
        model.architecture.graph(
            .nhwc(shape.batch, layout.vertical.length, layout.horizontal.length, shape.channels))
    }

    /// Upscales one picture.
    ///
    /// - Parameters:
    ///   - picture: `[1, H, W, C]`, gamma-encoded full-range RGB in [0, 1].
    ///   - result: `[1, H*scale, W*scale, C]`, overwritten. Values may lie outside [0, 1]; leaving for pixels clamps them.
    public func upscale(_ picture: HostTensor, into result: inout HostTensor) throws {
        try prepare(picture.shape)
        precondition(result.shape == outputShape(picture.shape), "the result is \(result.shape)")
        guard let plan = prepared?.plan, let layout = prepared?.layout else { return }
        if layout.count == 1 {
            var outputs = [result]
            // Hand the buffer over instead of sharing it, or writing would copy it.
            result = HostTensor([0], [])
            defer { result = outputs[0] }
            try plan.run([picture], into: &outputs)
            return
        }
        result.withUnsafeMutableValues { $0.update(repeating: 0) }
        for (row, top) in layout.vertical.starts.enumerated() {
            for (column, left) in layout.horizontal.starts.enumerated() {
                copyTile(from: picture, top: top, left: left)
                try plan.run(prepared!.input, into: &prepared!.output)
                addTile(
                    to: &result, top: top * scale, left: left * scale, layout.vertical.weights[row],
                    layout.horizontal.weights[column])
            }
        }
    }

    public func upscale(_ picture: HostTensor) throws -> HostTensor {
        var result = HostTensor(outputShape(picture.shape))
        try upscale(picture, into: &result)
        return result
    }

    private func copyTile(from picture: HostTensor, top: Int, left: Int) {
        let shape = prepared!.input[0].shape
        let (rowLength, stride) = (shape.width * shape.channels, picture.shape.width * shape.channels)
        picture.withUnsafeValues { source in
            prepared!.input[0].withUnsafeMutableValues { target in
                for y in 0..<shape.height {
                    let from = (top + y) * stride + left * shape.channels
                    let row = UnsafeMutableBufferPointer(rebasing: target[y * rowLength..<(y + 1) * rowLength])
                    _ = row.update(fromContentsOf: source[from..<from + rowLength])
                }
            }
        }
    }

    private func addTile(to result: inout HostTensor, top: Int, left: Int, _ rows: [Float], _ columns: [Float]) {
        let tile = prepared!.output[0]
        let channels = tile.shape.channels
        let stride = result.shape.width * channels
        tile.withUnsafeValues { source in
            result.withUnsafeMutableValues { target in
                for (y, rowWeight) in rows.enumerated() where rowWeight != 0 {
                    for (x, columnWeight) in columns.enumerated() where columnWeight != 0 {
                        let weight = rowWeight * columnWeight
                        let from = (y * columns.count + x) * channels
                        let to = (top + y) * stride + (left + x) * channels
                        for channel in 0..<channels { target[to + channel] += weight * source[from + channel] }
                    }
                }
            }
        }
    }
}
