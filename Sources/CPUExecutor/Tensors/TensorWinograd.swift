internal import CKernels
internal import Network
internal import Planning
internal import Tensor

// 3x3 convolutions of stride 1 and their adjoints in x by Winograd's method: the adjoint is a convolution with the weight
// turned by half a turn and its channels exchanged. Weights are transformed in every run, by all threads.

extension PlanCompiler {
    /// Whether a convolution from so many channels to so many can be done this way.
    func canWinograd(_ form: ConvolutionForm, from inputs: Int, to outputs: Int) -> Bool {
        form.isPlain3x3 && inputs % 16 == 0 && outputs % 16 == 0 && outputs <= 64 * Int(ck_maximum_chunks)
    }

    /// - Parameters:
    ///   - source: an activation of `form`'s size; `inputs` channels.
    ///   - isAdjoint: whether the weight is read turned and exchanged.
    mutating func lowerWinograd(
        _ form: ConvolutionForm, source: TensorPlace, weight: TensorPlace, bias: TensorPlace?, target: TensorPlace,
        inputs: Int, outputs: Int, isAdjoint: Bool
    ) {
        let tile = 6
        let (batch, height, width) = (form.x.batch, form.x.height, form.x.width)
        let (tilesY, tilesX) = (blocks(height, tile), blocks(width, tile))
        let chunks = winogradChunks(outputs)

        var job = ck_winograd_job()
        (job.tile, job.upsampling, job.depth) = (Int32(tile), 1, Int32(inputs))
        (job.tiles_y, job.tiles_x) = (Int64(tilesY), Int64(tilesX))
        job.chunks = Int32(chunks.count)
        fill32(&job.chunk_lanes, chunks)
        job.output.lanes = Int32(outputs)
        let total = batch * tilesY * tilesX
        let tiles = TileBlocks(total, tile: tile, channels: inputs + chunks.max()!, threads: threads)
        (job.blocks, job.tiles_per_block) = (Int64(tiles.count), Int64(tiles.largest))

        // Transformed weights.
        let packed = newBuffer(Int(ck_winograd_weights(&job)))
        let panelLanes = kernels.pointee.panel_lanes
        let panels = chunks.reduce(0) { $0 + $1 / Int(ck_panel(Int32($1), panelLanes)) }
        let inputsPerBlock = 16
        append(
            "transform weights \(form)", tensorKernels.pointee.winograd_pack,
            blocks: panels * blocks(inputs, inputsPerBlock), reads: [weight], writes: [packed]
        ) { (resolve) throws(ExecutionError) in
            var pack = ct_winograd_pack_job()
            (pack.weights, pack.packed) = (UnsafePointer(resolve(weight)), resolve(packed))
            (pack.tile, pack.panel_lanes, pack.chunks) = (Int32(tile), panelLanes, Int32(chunks.count))
            fill32(&pack.chunk_lanes, chunks)
            (pack.inputs, pack.inputs_per_block) = (Int64(inputs), Int64(inputsPerBlock))
            pack.output_stride = Int64(isAdjoint ? 9 : inputs * 9)
            pack.input_stride = Int64(isAdjoint ? outputs * 9 : 9)
            pack.flipped = isAdjoint ? 1 : 0
            return pack
        }

        let scratch = Int(ck_winograd_scratch(&job))
        let shape = job
        append(
            "\(isAdjoint ? "transposed " : "")convolution \(form) winograd", kernels.pointee.winograd,
            blocks: tiles.count, reads: [source, packed] + (bias.map { [$0] } ?? []), writes: [target],
            scratchFloats: scratch, multiplyAdds: batch * height * width * inputs * outputs * 9
        ) { (resolve) throws(ExecutionError) in
            var job = shape
            func view(_ place: TensorPlace, _ channels: Int) -> ck_view {
                ck_view(
                    data: resolve(place), batch: Int64(batch), height: Int64(height), width: Int64(width),
                    pitch: Int64(channels), channels: Int32(channels), extent: Int32(channels))
            }
            job.input = view(source, inputs)
            job.output.view = view(target, outputs)
            (job.output.shuffle, job.output.group) = (1, Int32(outputs))
            job.output.bias = bias.map { UnsafePointer(resolve($0)) }
            job.weights = UnsafePointer(resolve(packed))
            return job
        }
    }
}

/// Writes a short list into one of C's arrays of 32-bit numbers.
private func fill32<Tuple>(_ tuple: inout Tuple, _ values: [Int]) {
    withUnsafeMutableBytes(of: &tuple) { bytes in
        for (index, value) in values.enumerated() {
            bytes.storeBytes(of: Int32(value), toByteOffset: index * 4, as: Int32.self)
        }
    }
}
