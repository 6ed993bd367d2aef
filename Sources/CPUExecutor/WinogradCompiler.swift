internal import CKernels
internal import Network
internal import Planning
internal import Tensor

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

extension PlanCompiler {
    /// A 3x3 convolution by Winograd's method on tiles of `tile` x `tile` result pixels.
    mutating func compileWinograd(_ step: ConvolutionStep, tile: Int) throws(ExecutionError) {
        let input = physical(step.input)
        let (output, laneOf) = try output(
            step.output, shuffle: step.pixelShuffle, bias: step.bias, stages: step.stages)
        let (outputs, inputs) = (step.weightShape[0], step.weightShape[1])
        let (tilesY, tilesX) = (blocks(step.resultHeight, tile), blocks(step.resultWidth, tile))

        var job = ck_winograd_job()
        (job.input, job.output) = (input, output)
        (job.tile, job.upsampling, job.depth) = (Int32(tile), Int32(step.inputUpsampling), input.extent)
        (job.tiles_y, job.tiles_x) = (Int64(tilesY), Int64(tilesX))
        let chunks = winogradChunks(Int(output.lanes))
        job.chunks = Int32(chunks.count)
        withUnsafeMutableBytes(of: &job.chunk_lanes) { bytes in
            for (index, lanes) in chunks.enumerated() {
                bytes.storeBytes(of: Int32(lanes), toByteOffset: index * 4, as: Int32.self)
            }
        }
        let total = step.output.batch * tilesY * tilesX
        let sharing = shared[step.input.buffer]
        let blocks =
            sharing?.blocks
            ?? TileBlocks(
                total, tile: tile, channels: Int(input.extent) + chunks.max()!, threads: threads)
        (job.blocks, job.tiles_per_block) = (Int64(blocks.count), Int64(blocks.largest))
        if let sharing {
            (job.transformed, job.transformed_depth) = (sharing.memory, Int64(sharing.channels))
            try appendTransforms(step, &job)
        }

        let packed = try memory.allocate(Float.self, count: Int(ck_winograd_weights(&job)))
        parameters[step.weight]!.withUnsafeValues { weights in
            ck_winograd_pack(
                &job, kernels.pointee.panel_lanes, weights.baseAddress, Int64(outputs), Int64(inputs),
                step.input.channelMap.map { Int32($0) }, laneOf.map { Int32($0) }, packed)
        }
        job.weights = UnsafePointer(packed)
        scratchBytes = max(scratchBytes, Int(ck_winograd_scratch(&job)) * MemoryLayout<Float>.stride)
        try append(
            title(step, "winograd \(tile)x\(tile)"), kernels.pointee.winograd, job, blocks: blocks.count,
            multiplyAdds: step.multiplyAdds, access: .winograd(job))
    }
}

/// `lanes` in nearly equal chunks of at most 64, each a multiple of 16.
func winogradChunks(_ lanes: Int) -> [Int] {
    let vectors = lanes / 16
    let count = (vectors + 3) / 4
    return (0..<count).map { (vectors * ($0 + 1) / count - vectors * $0 / count) * 16 }
}

/// How many blocks tiles are shared out to, and how many tiles the largest has.
struct TileBlocks {
    let count: Int
    let largest: Int

    /// As many blocks for every thread, nearly all of one size, so that the threads end together.
    init(_ tiles: Int, atMost most: Int, threads: Int) {
        let perThread = (tiles + most * threads - 1) / (most * threads)
        count = min(tiles, perThread * threads)
        largest = (tiles + count - 1) / count
    }

    /// Blocks of as many tiles of `tile` x `tile` results as half of the second-level cache holds, where each has so many
    /// channels in, transformed, and lanes out, multiplied.
    init(_ tiles: Int, tile: Int, channels: Int, threads: Int) {
        let bytes = (tile + 2) * (tile + 2) * channels * MemoryLayout<Float>.stride
        // The cache's size within reason.
        let size = cacheSize(level: 2)
        let cache = size > 0 ? min(max(size, 256 << 10), 2 << 20) : 512 << 10
        self.init(tiles, atMost: max(6, cache / 2 / bytes), threads: threads)
    }
}

/// Bytes of one of the caches of level 2 or 3; 0 where the system does not say.
func cacheSize(level: Int) -> Int {
    #if os(Linux)
        return max(0, sysconf(Int32(level == 2 ? _SC_LEVEL2_CACHE_SIZE : _SC_LEVEL3_CACHE_SIZE)))
    #else
        return 0
    #endif
}
