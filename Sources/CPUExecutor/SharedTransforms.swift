internal import CKernels
internal import Network
internal import Planning
internal import Tensor

/// Winograd transforms of one buffer's pixels, kept for all convolutions that read them.
///
/// The convolutions of a dense block read the same channels again and again, each with some more. Their transforms take
/// up to a third of the time of a convolution with few outputs, so each channel is transformed once, when the first
/// convolution asks for it, into memory that lasts from step to step.
struct SharedTransforms {
    let blocks: TileBlocks
    /// Physical channels from the start of a pixel that are kept.
    let channels: Int
    let memory: UnsafeMutablePointer<Float>
    /// Which groups of 16 channels are transformed and not written since.
    private(set) var valid: Set<Int> = []

    static let group = 16

    /// The groups that `view` has.
    static func groups(_ view: View) -> Range<Int> {
        let channels = view.physicalChannels
        return channels.lowerBound / group..<(channels.upperBound + group - 1) / group
    }

    /// Marks the groups of `view` as transformed.
    ///
    /// - Returns: those that were not, in runs.
    mutating func take(_ view: View) -> [Range<Int>] {
        var runs: [Range<Int>] = []
        for group in Self.groups(view) where valid.insert(group).inserted {
            if let last = runs.last, last.upperBound == group {
                runs[runs.count - 1] = last.lowerBound..<group + 1
            } else {
                runs.append(group..<group + 1)
            }
        }
        return runs
    }

    /// A step wrote `view`.
    mutating func overwrite(_ view: View) { valid.subtract(Self.groups(view)) }
}

extension PlanCompiler {
    /// Transforms of so many bytes may be kept: three quarters of the third-level cache (12 MB where it is unknown or
    /// small), since those that come from memory gain nothing. Measured on x4plus with 32 MB of it: 6 MB gain 9 %, 20 MB 6 %.
    private static let mostBytes = max(12 << 20, cacheSize(level: 3) / 4 * 3)

    /// Finds the buffers where sharing saves half of the transforms or more.
    func sharedTransforms() throws(ExecutionError) -> [Int: SharedTransforms] {
        struct Candidate {
            var view: View
            var tile: Int
            var lanes = 0
            var channels = 0
            var alone = 0
            var valid: Set<Int> = []
            var together = 0
            var steps: ClosedRange<Int>
        }
        var candidates: [Int: Candidate] = [:]
        var unfit: Set<Int> = []
        for (index, step) in program.steps.enumerated() {
            if case .convolution(let convolution) = step {
                let kernel = kernel(for: convolution)
                let view = convolution.input
                if kernel == .winograd6 || kernel == .winograd4 {
                    let tile = kernel == .winograd6 ? 6 : 4
                    var found = candidates[view.buffer] ?? Candidate(view: view, tile: tile, steps: index...index)
                    let groups = SharedTransforms.groups(view)
                    let same =
                        found.tile == tile && found.view.height == view.height && found.view.width == view.width
                        && found.view.batch == view.batch && found.view.pitch == view.pitch
                    if !same || convolution.inputUpsampling > 1
                        || view.physicalChannels.lowerBound % SharedTransforms.group != 0
                    {
                        unfit.insert(view.buffer)
                    }
                    found.channels = max(found.channels, groups.upperBound * SharedTransforms.group)
                    found.lanes = max(found.lanes, convolution.weightShape[0])
                    found.alone += groups.count
                    for group in groups where found.valid.insert(group).inserted { found.together += 1 }
                    found.steps = found.steps.lowerBound...index
                    candidates[view.buffer] = found
                }
            }
            if let output = step.output { candidates[output.buffer]?.valid.subtract(SharedTransforms.groups(output)) }
        }

        var result: [Int: SharedTransforms] = [:]
        // Memory is used again by buffers whose time comes later.
        var pool: [(memory: UnsafeMutablePointer<Float>, floats: Int, until: Int)] = []
        for (buffer, found) in candidates.sorted(by: { $0.value.steps.lowerBound < $1.value.steps.lowerBound })
        where found.together * 2 <= found.alone && !unfit.contains(buffer) {
            let (tilesY, tilesX) = (blocks(found.view.height, found.tile), blocks(found.view.width, found.tile))
            let total = found.view.batch * tilesY * tilesX
            var job = ck_winograd_job()
            (job.tile, job.tiles_y, job.tiles_x) = (Int32(found.tile), Int64(tilesY), Int64(tilesX))
            job.input.batch = Int64(found.view.batch)
            // Measured on x4plus: 16 tiles are better than 11 and than 31, which reads weights less often.
            let blocks = TileBlocks(total, atMost: 16, threads: threads)
            (job.blocks, job.tiles_per_block) = (Int64(blocks.count), Int64(blocks.largest))
            job.transformed_depth = Int64(found.channels)
            let floats = Int(ck_winograd_transformed(&job))
            guard floats * MemoryLayout<Float>.size <= Self.mostBytes else { continue }
            let free = pool.firstIndex { $0.until < found.steps.lowerBound && $0.floats >= floats }
            let memory: UnsafeMutablePointer<Float>
            if let free {
                memory = pool[free].memory
                pool[free].until = found.steps.upperBound
            } else {
                memory = try self.memory.allocate(Float.self, count: floats + 1024)
                pool.append((memory, floats, found.steps.upperBound))
            }
            result[buffer] = SharedTransforms(
                blocks: blocks, channels: found.channels, memory: memory)
        }
        return result
    }

    /// Steps that transform what `step` reads and nobody has transformed yet; `job` then names the channels that it reads.
    mutating func appendTransforms(
        _ step: ConvolutionStep, _ job: inout ck_winograd_job
    ) throws(ExecutionError) {
        let buffer = step.input.buffer
        let groupFloats = shared[buffer]!.blocks.largest * SharedTransforms.group
        let start = SharedTransforms.groups(step.input).lowerBound
        for run in shared[buffer]!.take(step.input) {
            var transform = job
            transform.input.data += (run.lowerBound - start) * SharedTransforms.group
            transform.depth = Int32(run.count * SharedTransforms.group)
            transform.transformed += run.lowerBound * groupFloats
            try append(
                "winograd transform \(transform.depth) \(step.input.width)x\(step.input.height)",
                kernels.pointee.transform, transform, blocks: Int(job.blocks),
                access: .winograd(transform, transforming: true))
            let moved = step.input.pixels + Int(job.tiles_y * job.tiles_x) * step.input.batch * 64
            steps[steps.count - 1].bytes = moved * Int(transform.depth) * MemoryLayout<Float>.size
        }
        job.transformed += start * groupFloats
    }
}
