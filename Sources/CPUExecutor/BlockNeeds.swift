internal import CKernels

/// The memory that each block of a step reads and writes, so that the next step's blocks need not wait for all of it.
///
/// Per view one range of addresses a block: from the view's first channel of the first pixel of its first row to the last
/// channel of the last pixel, with all that lies between. So two blocks may seem to touch the same memory that do not, but
/// never the other way.
struct BlockAccess {
    /// Per block a range for each view, the views in the same order in all blocks.
    private var read: [[Range<Int>]]
    private var written: [[Range<Int>]]

    /// Of blocks that touch nothing yet.
    init(blocks: Int) {
        read = [[Range<Int>]](repeating: [], count: blocks)
        written = read
    }

    /// `block` reads memory.
    mutating func reads(_ range: Range<Int>, in block: Int) { read[block].append(range) }

    /// `block` writes memory.
    mutating func writes(_ range: Range<Int>, in block: Int) { written[block].append(range) }

    /// `block` reads rows of the flattened `[batch * height]`.
    mutating func reads(_ view: ck_view, rows: Range<Int>, in block: Int) {
        reads(Self.addresses(view, rows), in: block)
    }

    /// `block` ends these rows of results, counted before any pixel shuffle: writes them, and reads the stages' operands.
    mutating func ends(_ output: ck_output, rows: Range<Int>, in block: Int) {
        let r = Int(output.shuffle)
        let shuffled = rows.lowerBound * r..<rows.upperBound * r
        writes(Self.addresses(output.view, shuffled), in: block)
        withUnsafeBytes(of: output.stages) { bytes in
            for stage in bytes.bindMemory(to: ck_stage.self).prefix(Int(output.stage_count))
            where stage.source == CK_OPERAND {
                // Heights are whole multiples, so flattened rows divide like those of one image.
                let u = Int(stage.upsampling)
                let coarse = shuffled.lowerBound / u..<(shuffled.upperBound + u - 1) / u
                reads(Self.addresses(stage.operand, coarse), in: block)
            }
        }
    }

    private static func addresses(_ view: ck_view, _ rows: Range<Int>) -> Range<Int> {
        let rowBytes = Int(view.width * view.pitch) * MemoryLayout<Float>.stride
        let start = Int(bitPattern: view.data)
        // What kernels read of the last pixel past its channels goes to lanes of no meaning.
        let rest = Int(view.pitch - Int64(view.extent)) * MemoryLayout<Float>.stride
        return start + rows.lowerBound * rowBytes..<start + rows.upperBound * rowBytes - rest
    }

    /// Per block of this step which blocks of the step before, `previous`, must be done first; nil for all of them.
    func needs(of previous: BlockAccess) -> [ck_range]? {
        var result = [ck_range](repeating: ck_range(first: .max, last: -1), count: read.count)
        // Per view the blocks' ranges.
        func views(_ ranges: [[Range<Int>]]) -> [[Range<Int>]] {
            (0..<(ranges.first?.count ?? 0)).map { view in ranges.map { $0[view] } }
        }
        func include(_ mine: [Range<Int>], _ theirs: [Range<Int>]) -> Bool {
            let mineEnds = (mine.map(\.lowerBound).min() ?? 0, mine.map(\.upperBound).max() ?? 0)
            let theirEnds = (theirs.map(\.lowerBound).min() ?? 0, theirs.map(\.upperBound).max() ?? 0)
            if mineEnds.0 >= theirEnds.1 || theirEnds.0 >= mineEnds.1 { return true }
            // Blocks go through memory upwards, so that those which meet a range are neighbours.
            for (a, b) in zip(theirs, theirs.dropFirst())
            where a.lowerBound > b.lowerBound || a.upperBound > b.upperBound { return false }
            for (block, range) in mine.enumerated() {
                let first = theirs.partition { $0.upperBound > range.lowerBound }
                let end = theirs.partition { $0.lowerBound >= range.upperBound }
                guard first < end else { continue }
                result[block].first = min(result[block].first, Int32(first))
                result[block].last = max(result[block].last, Int32(end - 1))
            }
            return true
        }
        let (theirWritten, theirRead) = (views(previous.written), views(previous.read))
        for mine in views(read) {
            for theirs in theirWritten where !include(mine, theirs) { return nil }
        }
        for mine in views(written) {
            for theirs in theirWritten + theirRead where !include(mine, theirs) { return nil }
        }
        return result
    }
}

extension [Range<Int>] {
    /// The first index from which on all ranges fulfil `condition`, given that they do so from some index on.
    fileprivate func partition(_ condition: (Range<Int>) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if condition(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

extension BlockAccess {
    /// What Winograd's kernels touch; `transforming` is true for the one that makes shared transforms.
    static func winograd(_ job: ck_winograd_job, transforming: Bool = false) -> BlockAccess {
        let blocks = Int(job.blocks)
        var access = BlockAccess(blocks: blocks)
        let (tile, upsampling) = (Int(job.tile), Int(job.upsampling))
        let (tilesX, tilesY) = (Int(job.tiles_x), Int(job.tiles_y))
        let inputHeight = Int(job.input.height)
        let height = inputHeight * upsampling
        var copy = job
        let transformedBytes = Int(ck_winograd_transformed(&copy)) / blocks * MemoryLayout<Float>.stride
        for block in 0..<blocks {
            let first = Int(ck_winograd_first(&copy, Int64(block))) / tilesX
            let last = (Int(ck_winograd_first(&copy, Int64(block + 1))) - 1) / tilesX
            if let transformed = job.transformed {
                // From a channel on, which lies a little after the block's start.
                let start = Int(bitPattern: transformed) + block * transformedBytes
                let range = start..<start + transformedBytes
                if transforming { access.writes(range, in: block) } else { access.reads(range, in: block) }
            }
            if transforming || job.transformed == nil {
                let from = first / tilesY * inputHeight + max(0, first % tilesY * tile - 1) / upsampling
                let to = last / tilesY * inputHeight + min(inputHeight, (last % tilesY * tile + tile) / upsampling + 1)
                access.reads(job.input, rows: from..<to, in: block)
            }
            if !transforming {
                let from = first / tilesY * height + first % tilesY * tile
                let to = last / tilesY * height + min(height, last % tilesY * tile + tile)
                access.ends(job.output, rows: from..<to, in: block)
            }
        }
        return access
    }

    /// What kernels touch that gather a block of pixels' inputs tap by tap.
    static func gathering(_ job: ck_im2col_job, blocks: Int) -> BlockAccess {
        var access = BlockAccess(blocks: blocks)
        let (width, height) = (Int(job.result_width), Int(job.result_height))
        let inputHeight = Int(job.input.height)
        let (stride, padding, taps) = (Int(job.stride), Int(job.padding), Int(job.kernel_height))
        let total = Int(job.input.batch) * width * height
        for block in 0..<blocks {
            let first = block * Int(job.pixels) / width
            let last = (min((block + 1) * Int(job.pixels), total) - 1) / width
            let from = first % height * stride - padding
            let to = last % height * stride - padding + taps - 1
            let firstRow = min(max(0, from) / Int(job.upsampling), inputHeight - 1)
            let lastRow = min(max(0, to) / Int(job.upsampling), inputHeight - 1)
            access.reads(
                job.input, rows: first / height * inputHeight + firstRow..<last / height * inputHeight + lastRow + 1,
                in: block)
            access.ends(job.output, rows: first..<last + 1, in: block)
        }
        return access
    }
}
