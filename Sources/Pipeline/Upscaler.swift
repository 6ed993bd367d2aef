public import Network
internal import Planning
public import Tensor
internal import Threads
public import Weights

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// When a picture is cut into tiles.
public enum Tiling: Sendable, Hashable {
    /// The whole picture where its memory is within the budget, else the largest tiles that are. A network that needs whole
    /// frames is refused then (`PipelineError.wholeFramesOnly`).
    case automatic
    /// Always the whole picture.
    case off
    /// Tiles whose cores have at most so many input pixels a side; of a network that needs whole frames, only pictures that
    /// are one tile.
    case size(Int)
}

/// Upscales pictures with one model on one executor.
///
/// Owned by one thread at a time. Plans are compiled on the first picture of a size and kept for the next.
public final class Upscaler {
    public let model: Model
    private let descriptor: ModelDescriptor
    private let rules: TileRules
    public let executor: any Executor
    private let tiling: Tiling
    private let memoryBudget: Int
    /// Pixels of tiles or pictures that are worth running as one batch; for tests also where the device does not ask for it.
    var fillingPixels: Int

    /// Plan and layout of the latest picture size.
    private var prepared: TiledPlan?
    /// Tile sizes to try when its device runs out of memory, the largest first.
    private var smaller: [Int?] = []
    /// What is remembered of the last picture; nil when nothing shall be used again.
    private var memory: ReuseMemory?
    /// What was saved so far by not computing unchanged pictures and tiles again.
    public var reuse: ReuseCount? { memory?.count }

    /// - Parameters:
    ///   - memoryBudget: bytes that a plan's activations may take under `Tiling.automatic`; if nil, what the executor has of
    ///     its own, or half of the machine's memory.
    ///   - reuses: whether what did not change since the last picture is taken from its result. The results are the
    ///     same but for rounding.
    public init(
        model: Model, executor: any Executor, tiling: Tiling = .automatic, memoryBudget: Int? = nil,
        reuses: Bool = false
    ) {
        memory = reuses ? ReuseMemory() : nil
        fillingPixels = (executor as? any BatchingExecutor)?.fillingPixels ?? 0
        self.model = model
        descriptor = model.descriptor
        // A model has traits, or there would be none: they were derived for the descriptor.
        guard let traits = try? model.definition.traits() else { preconditionFailure("a model without traits") }
        rules = TileRules(traits)
        self.executor = executor
        self.tiling = tiling
        self.memoryBudget =
            memoryBudget ?? (executor as? any MemoryBoundExecutor)?.memoryBudget ?? Upscaler.halfOfMemory
    }

    private static var halfOfMemory: Int {
        let bytes = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        return bytes > 0 ? bytes / 2 : 4 << 30
    }

    public var scale: Int { descriptor.scale }

    /// The result's shape for a picture `[1, H, W, C]`.
    public func outputShape(_ shape: Shape) -> Shape {
        .nhwc(shape.batch, shape.height * scale, shape.width * scale, descriptor.outputChannels)
    }

    /// How pictures of this size are cut; known after the first one.
    public var tileCount: Int { prepared?.layout.count ?? 0 }
    /// How many tiles are computed at a time.
    public var tilesAtOnce: Int { prepared?.batch ?? 1 }
    /// Bytes that the present plan holds.
    public var memoryBytes: Int { (prepared?.memoryBytes ?? 0) + (memory?.memoryBytes ?? 0) }

    /// Whether a picture of this shape is computed whole, as far as the budget goes.
    func takesWhole(_ shape: Shape) -> Bool {
        switch tiling {
        case .off: true
        case .size: false
        case .automatic: bytes(shape, layout(shape, tile: nil)) <= memoryBudget
        }
    }

    /// Bytes of a plan's activations: as the executor plans them, or else in single precision.
    private func bytes(_ shape: Shape, _ layout: TileLayout, batch: Int = 1) -> Int {
        // A size that the network does not take is refused when it is compiled.
        guard let graph = try? graph(shape, layout, batch: batch) else { return 0 }
        let graphs = stages(graph, layout)?.stages.map(\.graph) ?? [graph]
        return graphs.reduce(0) { sum, graph in
            if let executor = executor as? any MemoryBoundExecutor { return sum + executor.workingBytes(graph) }
            return sum + Planner.plan(graph).arenaElements * MemoryLayout<Float>.size
        }
    }

    /// A tile's graph in stages; nil where it is computed at once.
    private func stages(_ graph: Graph, _ layout: TileLayout) -> StageCut? {
        rules.isStaged && layout.count > 1 ? StageCut(graph) : nil
    }

    /// A tile's graph in stages, as tiles are computed with it.
    ///
    /// - Throws: `PipelineError.wholeFramesOnly` where the means over tiles are no means over the frame.
    private func cut(_ shape: Shape, _ layout: TileLayout, batch: Int) throws -> StageCut {
        guard let cut = StageCut(try graph(shape, layout, batch: batch)),
            let frame = StageCut(try graph(shape, self.layout(shape, tile: nil), batch: 1)), layout.fits(cut, of: frame)
        else { throw refusal(shape) }
        return cut
    }

    /// How many tiles of a layout to compute at a time: as many as fill the device and fit the budget, in batches that
    /// are as full as can be.
    private func batch(_ shape: Shape, _ layout: TileLayout) -> Int {
        guard layout.count > 1, shape.batch == 1 else { return 1 }
        let pixels = layout.vertical.length * layout.horizontal.length
        var most = min(layout.count, mostAtOnce(pixels))
        // Means of a batch's tiles must be told apart.
        if rules.isStaged, most > 1, (try? graph(shape, layout, batch: 2)).flatMap(StageCut.init) == nil { return 1 }
        while most > 1 && bytes(shape, layout, batch: most) > memoryBudget { most /= 2 }
        let batches = (layout.count + most - 1) / most
        return (layout.count + batches - 1) / batches
    }

    /// How many tiles or pictures of so many pixels fill the device. (Each has commands of its own.)
    private func mostAtOnce(_ pixels: Int) -> Int { min(64, max(1, fillingPixels / pixels)) }

    /// How many pictures of this shape it takes to fill the device, as long as their activations are a small part of the
    /// budget (there may have to be other plans), and do not grow by more than their number (a single large picture's may
    /// be computed in strips).
    func picturesAtOnce(_ shape: Shape) -> Int {
        let layout = layout(shape, tile: nil)
        var most = mostAtOnce(shape.height * shape.width)
        let one = bytes(shape, layout)
        while most > 1 {
            let bytes = bytes(shape, layout, batch: most)
            if bytes <= memoryBudget / 4 && bytes <= most * one { break }
            most /= 2
        }
        return most
    }

    /// Compiles for pictures of this shape, unless that is what it is compiled for.
    ///
    /// - Throws: `ExecutionError`; `GraphError` for a size that the network does not take; `PipelineError.wholeFramesOnly`
    ///   where there would have to be tiles and cannot be. Where the device lacks memory, smaller tiles are tried first.
    public func prepare(_ shape: Shape) throws {
        if prepared?.shape == shape { return }
        prepared = nil
        try prepare(shape, candidates(shape))
    }

    /// What a person should know before frames of this shape are computed: that it takes several passes. Compiles nothing.
    ///
    /// - Throws: `PipelineError.wholeFramesOnly`, as `prepare`.
    func note(for shape: Shape) throws -> String? {
        guard rules.isStaged || rules.obstacle != nil else { return nil }
        let layout = layout(shape, tile: try candidates(shape)[0])
        guard rules.isStaged, layout.count > 1 else { return nil }
        let cut = try cut(shape, layout, batch: 1)
        let factor = Int((cut.relativeWork * 10).rounded())
        return
            "\(descriptor.architecture): frames are cut into \(layout.count) tiles, and its means over the whole frame "
            + "are gathered from all of them: \(cut.stages.count) passes, \(factor / 10).\(factor % 10) times the work of one."
    }

    /// The tile sizes that come into question for pictures of this shape, the largest first; nil for the whole picture.
    private func candidates(_ shape: Shape) throws -> [Int?] {
        if rules.obstacle != nil {
            // The whole picture, however large, is what `off` asks for.
            let fits =
                switch tiling {
                case .off: true
                case .size(let size): layout(shape, tile: size).count == 1
                case .automatic: takesWhole(shape)
                }
            guard fits else { throw refusal(shape) }
            return [nil]
        }
        switch tiling {
        case .off: return [nil]
        case .size(let size): return [size]
        case .automatic:
            var candidates: [Int?] =
                [nil] + [2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64, 32].map { $0 as Int? }
            // Sizes that cut the picture in the same way are one.
            var seen: Set<[Int]> = []
            candidates = candidates.filter { tile in
                let layout = layout(shape, tile: tile)
                return seen.insert([layout.vertical.length, layout.horizontal.length]).inserted
            }
            let fitting = candidates.drop { tile in
                bytes(shape, layout(shape, tile: tile)) > memoryBudget
            }
            // When even the smallest exceed the budget, they are tried all the same.
            return fitting.isEmpty ? [candidates.last!] : Array(fitting)
        }
    }

    /// The error for a picture that cannot be computed whole and must not be cut.
    private func refusal(_ shape: Shape) -> PipelineError {
        .wholeFramesOnly(
            network: descriptor.architecture, operation: rules.obstacle ?? "mean",
            bytes: bytes(shape, layout(shape, tile: nil)))
    }

    /// Compiles for the first of the tile sizes that the device has room for, and keeps the smaller ones in mind.
    private func prepare(_ shape: Shape, _ candidates: [Int?]) throws {
        for (index, tile) in candidates.enumerated() {
            do {
                prepared = try compile(shape, layout(shape, tile: tile))
                smaller = Array(candidates[(index + 1)...])
                return
            } catch let error as ExecutionError {
                guard case .outOfMemory = error else { throw error }
                // Smaller tiles are no remedy then.
                if rules.obstacle != nil { throw refusal(shape) }
                guard index + 1 < candidates.count else { throw error }
            }
        }
    }

    /// Runs the prepared plan. A device may run out of memory even then (when half floats do not do, or somebody else
    /// takes it): the picture is computed again, in smaller tiles, and so are all that follow.
    private func run(_ picture: HostTensor, into result: inout HostTensor) throws {
        while true {
            do { return try prepared!.run(picture, into: &result) } catch let error as ExecutionError {
                guard case .outOfMemory = error else { throw error }
                if rules.obstacle != nil { throw refusal(picture.shape) }
                guard !smaller.isEmpty else { throw error }
                let candidates = smaller
                // Its memory first.
                prepared = nil
                try prepare(picture.shape, candidates)
            }
        }
    }

    private func compile(_ shape: Shape, _ layout: TileLayout) throws -> TiledPlan {
        func compile(batch: Int) throws -> TiledPlan {
            guard rules.isStaged, layout.count > 1 else {
                let graph = try graph(shape, layout, batch: batch)
                return TiledPlan(
                    shape: shape, layout: layout, scale: scale,
                    plan: try executor.compile(graph, parameters: model.parameters))
            }
            let cut = try cut(shape, layout, batch: batch)
            let plans = try cut.stages.map { stage in
                // Each stage holds the weights of its own layers only.
                let names = Set(stage.graph.parameters.map(\.name))
                return try executor.compile(stage.graph, parameters: model.parameters.filter { names.contains($0.key) })
            }
            guard
                let staged = StagedTiles(
                    cut, plans: plans.dropLast(), layout: layout, multiple: descriptor.sizeMultiple,
                    exact: rules.isExact)
            else { throw refusal(shape) }
            return TiledPlan(
                shape: shape, layout: layout, scale: scale, plan: plans[plans.count - 1], staged: staged)
        }
        let batch = batch(shape, layout)
        do { return try compile(batch: batch) } catch let error as ExecutionError {
            // One at a time takes the least, and smaller tiles are tried after that.
            guard case .outOfMemory = error, batch > 1 else { throw error }
            return try compile(batch: 1)
        }
    }

    /// Tiles start on this grid, on which every executor's blocks lie alike: the least common multiple of the Winograd
    /// tile sizes. So a tile's sums are the whole picture's, bit for bit, but near its borders: there Winograd's blocks
    /// contain what the tile does not see, and though no value depends on that, rounding does. It spreads by one block a
    /// layer, further than the overlap where there are more than about six layers.
    private static let blockGrid = 12

    private func layout(_ shape: Shape, tile: Int?) -> TileLayout {
        TileLayout(
            height: shape.height, width: shape.width, tile: tile,
            overlap: rules.overlap, exact: rules.isExact,
            grid: Upscaler.blockGrid * descriptor.sizeMultiple, scale: scale)
    }

    private func graph(_ shape: Shape, _ layout: TileLayout, batch: Int) throws(GraphError) -> Graph {
        try model.graph(
            .nhwc(shape.batch * batch, layout.vertical.length, layout.horizontal.length, shape.channels))
    }

    /// Upscales one picture.
    ///
    /// - Parameters:
    ///   - picture: `[1, H, W, C]`, gamma-encoded full-range RGB in [0, 1].
    ///   - result: `[1, H*scale, W*scale, C]`, overwritten. Values may lie outside [0, 1]; leaving for pixels clamps them.
    public func upscale(_ picture: HostTensor, into result: inout HostTensor) throws {
        _ = try upscale(picture, into: &result, leavingUnchanged: false)
    }

    /// As `upscale`; when the picture equals the last one and `leavesUnchanged` is set, `result` is left as it is.
    ///
    /// - Returns: whether it was left.
    func upscale(_ picture: HostTensor, into result: inout HostTensor, leavingUnchanged leavesUnchanged: Bool) throws
        -> Bool
    {
        try prepare(picture.shape)
        precondition(result.shape == prepared!.resultShape, "the result is \(result.shape)")
        guard let memory else {
            try run(picture, into: &result)
            return false
        }
        switch memory.changes(picture) {
        case .everything:
            try run(picture, into: &result)
            memory.remember(picture, result)
        case .nothing:
            memory.countIdentical()
            if leavesUnchanged { return true }
            memory.copyResult(to: &result)
        case .parts(let rows):
            // Tiles for what changed, where a change does not show all over the frame and few enough are needed to save
            // anything.
            guard rules.boundsChanges,
                let pieces = try memory.pieces(for: picture.shape, { try compilePieces(picture.shape) }),
                let tiles = pieces.worthwhileTiles(
                    rows, radius: descriptor.receptiveFieldRadius, comparedTo: prepared!)
            else {
                try run(picture, into: &result)
                memory.remember(picture, result)
                return false
            }
            try memory.update(picture, tiles, with: pieces)
            memory.copyResult(to: &result)
        }
        return false
    }

    /// As `upscale`, leaving the memory of the last picture alone.
    func upscaleApart(_ picture: HostTensor) throws -> HostTensor {
        try prepare(picture.shape)
        var result = HostTensor(outputShape(picture.shape))
        try run(picture, into: &result)
        return result
    }

    /// Seconds that a picture takes, measured on this one after a run to warm up; leaves the memory of the last picture
    /// alone.
    func measure(_ picture: HostTensor) throws -> Double {
        try prepare(picture.shape)
        var result = HostTensor(outputShape(picture.shape))
        try run(picture, into: &result)
        let start = monotonicSeconds()
        try run(picture, into: &result)
        return monotonicSeconds() - start
    }

    /// The cores of the tiles in which a partly changed picture is computed: small, so that little is computed for
    /// nothing, but not so small that overlaps outweigh cores.
    private static let pieceSize = 96

    /// A plan for small tiles; nil where the picture is too small to have several.
    private func compilePieces(_ shape: Shape) throws -> TiledPlan? {
        let layout = layout(shape, tile: Upscaler.pieceSize)
        return layout.count > 1 ? try compile(shape, layout) : nil
    }

    public func upscale(_ picture: HostTensor) throws -> HostTensor {
        var result = HostTensor(outputShape(picture.shape))
        try upscale(picture, into: &result)
        return result
    }
}
