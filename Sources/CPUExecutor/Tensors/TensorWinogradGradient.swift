internal import CKernels
internal import COpenBLAS
internal import Network
internal import Planning
internal import Tensor

// The weight gradient of a 3x3 convolution by Winograd's method on tiles of 4x4 result pixels: where the convolution is
// Aᵀ [(G w Gᵀ) * (Bᵀ x B)] A, its derivative is Gᵀ [(A g Aᵀ) * (Bᵀ x B)] G, summed over tiles. The sum over tiles is one
// matrix product for each of the 36 places: a quarter of the multiplications of the direct way.

extension PlanCompiler {
    /// Whether it pays: both sides of the products must be wide, and there must be tiles to sum over.
    func canWinogradGradient(_ form: ConvolutionForm) -> Bool {
        canWinograd(form, from: form.x.channels, to: form.g.channels)
            && form.g.batch * form.g.height * form.g.width >= 256
    }

    mutating func lowerWinogradGradient(
        _ form: ConvolutionForm, x: TensorPlace, g: TensorPlace, to target: TensorPlace
    ) {
        let (inputs, outputs) = (form.x.channels, form.g.channels)
        let (tilesY, tilesX) = (blocks(form.x.height, 4), blocks(form.x.width, 4))
        let tiles = form.x.batch * tilesY * tilesX
        let places = 36

        func appendSamples(_ source: TensorPlace, _ channels: Int, isGradient: Bool) -> TensorPlace {
            let samples = newBuffer(places * tiles * channels)
            let perBlock = max(1, 2048 / channels)
            append(
                "transform \(isGradient ? "gradient" : "input") \(form)", tensorKernels.pointee.winograd_samples,
                blocks: blocks(tiles, perBlock), reads: [source], writes: [samples]
            ) { (resolve) throws(ExecutionError) in
                var job = ct_winograd_samples_job()
                (job.source, job.target) = (UnsafePointer(resolve(source)), resolve(samples))
                (job.batch, job.height, job.width) = (Int64(form.x.batch), Int64(form.x.height), Int64(form.x.width))
                (job.channels, job.tiles_y, job.tiles_x) = (Int64(channels), Int64(tilesY), Int64(tilesX))
                (job.per_block, job.is_gradient) = (Int64(perBlock), isGradient ? 1 : 0)
                fillMatrix(&job.matrix, isGradient ? WinogradMatrices.results : WinogradMatrices.samples)
                return job
            }
            return samples
        }
        let (ours, theirs) = (
            appendSamples(x, inputs, isGradient: false), appendSamples(g, outputs, isGradient: true)
        )

        // Tiles in parts, so that there is work for all cores and sums stay short; the same parts on every machine.
        let parts = max(1, min(4, tiles / 256))
        let perPart = blocks(tiles, parts)
        let products = newBuffer(parts * places * inputs * outputs)
        append(
            "weight gradient \(form) winograd", tileProductKernel, blocks: parts * places,
            reads: [ours, theirs], writes: [products],
            multiplyAdds: form.x.batch * form.x.height * form.x.width * inputs * outputs * 9
        ) { (resolve) throws(ExecutionError) in
            TileProductJob(
                x: UnsafePointer(resolve(ours)), g: UnsafePointer(resolve(theirs)), target: resolve(products),
                tiles: tiles, perPart: perPart, inputs: inputs, outputs: outputs)
        }
        append(
            "transform weight gradient \(form)", tensorKernels.pointee.winograd_gradient, blocks: inputs,
            reads: [products], writes: [target]
        ) { (resolve) throws(ExecutionError) in
            var job = ct_winograd_gradient_job()
            (job.source, job.target) = (UnsafePointer(resolve(products)), resolve(target))
            (job.inputs, job.outputs, job.parts) = (Int64(inputs), Int64(outputs), Int64(parts))
            fillMatrix(&job.matrix, WinogradMatrices.weights)
            return job
        }
    }
}

/// The three transforms of F(4x4, 3x3) on the points 0, ±√½, ±√2 and infinity, by Cook and Toom: rows belong to points.
private enum WinogradMatrices {
    static let points: [Double] = [0, 0.5.squareRoot(), -(0.5.squareRoot()), 2.0.squareRoot(), -(2.0.squareRoot())]

    /// A: the powers of each point.
    static let results: [[Double]] = points.map { powers($0, 4) } + [[0, 0, 0, 1]]

    /// G: the powers over the product of the distances to the other points.
    static let weights: [[Double]] =
        points.map { (point: Double) -> [Double] in
            let distances = points.filter { $0 != point }.reduce(1.0) { $0 * (point - $1) }
            return powers(point, 3).map { $0 / distances }
        } + [[0, 0, 1]]

    /// Bᵀ: the polynomial that is zero at the other points; at infinity, at all of them.
    static let samples: [[Double]] =
        points.map { point in polynomial(points.filter { $0 != point }) } + [polynomial(points)]

    private static func powers(_ point: Double, _ count: Int) -> [Double] {
        var result = [1.0]
        while result.count < count { result.append(result.last! * point) }
        return result
    }

    private static func polynomial(_ zeros: [Double]) -> [Double] {
        var result = [1.0]
        for zero in zeros {
            var next = [Double](repeating: 0, count: result.count + 1)
            for (power, coefficient) in result.enumerated() {
                next[power + 1] += coefficient
                next[power] -= zero * coefficient
            }
            result = next
        }
        return result
    }
}

/// Writes a matrix of up to 6x6 into one of C's.
private func fillMatrix<Tuple>(_ tuple: inout Tuple, _ rows: [[Double]]) {
    withUnsafeMutableBytes(of: &tuple) { bytes in
        for (row, numbers) in rows.enumerated() {
            for (column, number) in numbers.enumerated() {
                bytes.storeBytes(of: Float(number), toByteOffset: (row * 6 + column) * 4, as: Float.self)
            }
        }
    }
}

private struct TileProductJob {
    /// `[36, tiles, inputs]` and `[36, tiles, outputs]`
    var x: UnsafePointer<Float>
    var g: UnsafePointer<Float>
    /// `[parts, 36, inputs, outputs]`
    var target: UnsafeMutablePointer<Float>
    var tiles: Int
    var perPart: Int
    var inputs: Int
    var outputs: Int
}

private let tileProductKernel: ck_kernel = { job, _, block, _ in
    let job = job!.assumingMemoryBound(to: TileProductJob.self).pointee
    let (part, place) = (Int(block) / 36, Int(block) % 36)
    let first = part * job.perPart
    let count = min(job.perPart, job.tiles - first)
    let start = place * job.tiles + first
    cblas_sgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, Int32(job.inputs), Int32(job.outputs), Int32(count), 1,
        job.x + start * job.inputs, Int32(job.inputs), job.g + start * job.outputs, Int32(job.outputs), 0,
        job.target + (part * 36 + place) * job.inputs * job.outputs, Int32(job.outputs))
}
