internal import CKernels
internal import Network
internal import Planning
internal import Tensor

// Which of Winograd's two methods a layer is computed by.
//
// F(6x6) needs 64 products a tile of 36 results, F(4x4) 36 for 16, and tiles that the picture's end cuts off only those of
// their results. All that a layer does grows with the products, so F(6x6) wins but for pictures so small that the two need as
// many: sides of up to 4 pixels, 7 or 8. Its transforms enlarge rounding, though, the more the deeper the layer is. So the error is measured, with
// the kernel itself on the layer's own weights, and where F(6x6) is off by more than `errorLimit`, the layer is computed by
// F(4x4), which is some six times more precise.

extension PlanCompiler {
    /// The root mean square of the differences that F(6x6) may make, in parts of the results' own. The layers of
    /// animevideov3 make up to 0.4e-5, those of x4plus up to 0.9e-5. (The largest difference of so few results would be
    /// mostly chance.)
    static let errorLimit: Float = 1.5e-5

    /// Whether 4x4 tiles, which are more precise, need no more products for a step's picture.
    static func prefers4(height: Int, width: Int) -> Bool {
        func products(_ side: Int, _ tile: Int) -> Int {
            let rest = side % tile
            let last = rest > 0 ? Int(ck_winograd_results(Int64(rest), Int32(tile))) + 2 : 0
            return side / tile * (tile + 2) + last
        }
        return products(height, 4) * products(width, 4) <= products(height, 6) * products(width, 6)
    }

    /// The names of weights that F(6x6) is not precise enough for.
    func impreciseWeights() throws(ExecutionError) -> Set<String> {
        var seen: Set<String> = []
        var found: Set<String> = []
        for case .convolution(let step) in program.steps
        where can(.winograd6, step) && seen.insert(step.weight).inserted {
            if try winogradError(parameters[step.weight]!, tile: 6) > Self.errorLimit { found.insert(step.weight) }
        }
        return found
    }

    /// The root mean square of the differences between Winograd's and the direct result, in double precision, of the
    /// convolution of one random picture of 6x6 pixels, for up to four of the outputs, over that of the results.
    func winogradError(_ weight: HostTensor, tile: Int) throws(ExecutionError) -> Float {
        let side = 6
        let (all, inputs) = (weight.shape[0], weight.shape[1])
        let depth = (inputs + 15) / 16 * 16
        // Outputs from all over the layer.
        let chosen = (0..<min(4, all)).map { $0 * (all - 1) / max(1, min(4, all) - 1) }
        let scratch = PlanMemory(device: "this machine")
        let samples = try scratch.allocate(Float.self, count: side * side * depth + 1024)
        let results = try scratch.allocate(Float.self, count: side * side * 16 + 1024)
        var generator = Philox(key: 6)
        let random = generator.uniform(side * side * inputs, in: -1..<1)
        for (index, value) in random.enumerated() { samples[index / inputs * depth + index % inputs] = value }

        var job = ck_winograd_job()
        func view(_ data: UnsafeMutablePointer<Float>, _ channels: Int) -> ck_view {
            ck_view(
                data: data, batch: 1, height: Int64(side), width: Int64(side), pitch: Int64(channels),
                channels: Int32(channels), extent: Int32(channels))
        }
        (job.input, job.output.view) = (view(samples, depth), view(results, 16))
        (job.output.shuffle, job.output.group, job.output.lanes) = (1, 16, 16)
        (job.tile, job.upsampling, job.depth, job.chunks) = (Int32(tile), 1, Int32(depth), 1)
        job.chunk_lanes.0 = 16
        job.tiles_y = Int64(blocks(side, tile))
        job.tiles_x = job.tiles_y
        (job.blocks, job.tiles_per_block) = (1, job.tiles_y * job.tiles_x)
        let packed = try scratch.allocate(Float.self, count: Int(ck_winograd_weights(&job)))
        let few = chosen.flatMap { weight.values[$0 * inputs * 9..<($0 + 1) * inputs * 9] }
        ck_winograd_pack(
            &job, kernels.pointee.panel_lanes, few, Int64(chosen.count), Int64(inputs), (0..<inputs).map { Int32($0) },
            (0..<chosen.count).map { Int32($0) }, packed)
        job.weights = UnsafePointer(packed)
        let bytes = Int(ck_winograd_scratch(&job)) * MemoryLayout<Float>.stride
        let working = try scratch.allocate(UInt8.self, count: bytes)
        guard let kernel = kernels.pointee.winograd else { preconditionFailure("every instruction set has it") }
        kernel(&job, working, 0, -1)

        var (errors, squares) = (0.0, 0.0)
        few.withUnsafeBufferPointer { few in
            for y in 0..<side {
                for x in 0..<side {
                    for output in chosen.indices {
                        var sum = 0.0
                        for ky in max(0, 1 - y)..<min(3, side + 1 - y) {
                            for kx in max(0, 1 - x)..<min(3, side + 1 - x) {
                                let pixel = samples + ((y + ky - 1) * side + x + kx - 1) * depth
                                let taps = few.baseAddress! + output * inputs * 9 + ky * 3 + kx
                                for input in 0..<inputs { sum += Double(pixel[input]) * Double(taps[input * 9]) }
                            }
                        }
                        let error = sum - Double(results[(y * side + x) * 16 + output])
                        errors += error * error
                        squares += sum * sum
                    }
                }
            }
        }
        return squares > 0 ? Float((errors / squares).squareRoot()) : 0
    }
}
