internal import CKernels
internal import COpenBLAS
internal import Network
internal import Planning
internal import Tensor

extension PlanCompiler {
    mutating func lowerConvolution(_ value: Value) throws(ExecutionError) {
        let node = graph[value]
        let operands = node.operands
        let form = ConvolutionForm(graph, value)
        let target = try place(value)
        switch node.operation {
        case .convolution:
            try lowerForward(
                form, x: place(operands[0]), weight: place(operands[1]),
                bias: operands.count == 3 ? place(operands[2]) : nil, to: target)
        case .convolutionTranspose:
            try lowerTranspose(form, g: place(operands[0]), weight: place(operands[1]), to: target)
        default:
            try lowerWeightGradient(form, x: place(operands[0]), g: place(operands[1]), to: target)
        }
    }

    // MARK: The three directions

    private mutating func lowerForward(
        _ form: ConvolutionForm, x: TensorPlace, weight: TensorPlace, bias: TensorPlace?, to target: TensorPlace
    ) throws(ExecutionError) {
        if canWinograd(form, from: form.x.channels, to: form.g.channels) {
            lowerWinograd(
                form, source: x, weight: weight, bias: bias, target: target, inputs: form.x.channels,
                outputs: form.g.channels, isAdjoint: false)
            return
        }
        // [G, O, I, taps] to [G, taps, I, O].
        let (inputs, outputs, taps) = (form.groupInputs, form.groupOutputs, form.taps)
        let packed = newBuffer(form.weight.count)
        appendCopy(
            "pack", from: weight, to: packed,
            [
                Axis(form.groups, outputs * inputs * taps, taps * inputs * outputs), Axis(taps, 1, inputs * outputs),
                Axis(inputs, taps, outputs), Axis(outputs, inputs * taps, 1),
            ])
        for group in 0..<form.groups {
            var gathering = ct_gathering()
            (gathering.batch, gathering.source_height, gathering.source_width) = (
                Int64(form.x.batch), Int64(form.x.height), Int64(form.x.width)
            )
            gathering.source_channels = Int64(form.x.channels)
            (gathering.first_channel, gathering.channels) = (Int64(group * inputs), Int64(inputs))
            (gathering.height, gathering.width) = (Int64(form.g.height), Int64(form.g.width))
            gathering.step = Int64(form.stride)
            (gathering.row_base, gathering.column_base) = (
                Int64(-form.window.margins.top), Int64(-form.window.margins.left)
            )
            (gathering.tap_step, gathering.taps_y, gathering.taps_x) = (
                Int64(form.window.dilation), Int64(form.weight[2]), Int64(form.weight[3])
            )
            appendProduct(
                GatheredProduct(
                    name: "convolution \(form)", gathering: gathering, source: x, weights: packed,
                    weightOffset: group * taps * inputs * outputs, bias: bias, target: target, shape: form.g,
                    firstChannel: group * outputs, lanes: outputs))
        }
    }

    private mutating func lowerTranspose(
        _ form: ConvolutionForm, g: TensorPlace, weight: TensorPlace, to target: TensorPlace
    ) throws(ExecutionError) {
        if canWinograd(form, from: form.g.channels, to: form.x.channels) {
            lowerWinograd(
                form, source: g, weight: weight, bias: nil, target: target, inputs: form.g.channels,
                outputs: form.x.channels, isAdjoint: true)
            return
        }
        let (inputs, outputs) = (form.groupInputs, form.groupOutputs)
        let (kernelHeight, kernelWidth, stride) = (form.weight[2], form.weight[3], form.stride)
        // Pixels of equal remainder by the stride read the same taps: those of that remainder, from the first one on.
        for phaseY in 0..<min(stride, form.x.height) {
            for phaseX in 0..<min(stride, form.x.width) {
                let rows = form.phase(phaseY, margin: form.window.margins.top, taps: kernelHeight)
                let columns = form.phase(phaseX, margin: form.window.margins.left, taps: kernelWidth)
                let (tapsY, tapsX) = (rows?.count ?? 0, columns?.count ?? 0)
                let taps = tapsY * tapsX
                let packed = newBuffer(max(1, form.groups * taps * outputs * inputs))
                if taps > 0, let rows, let columns {
                    let all = kernelHeight * kernelWidth
                    appendCopy(
                        "pack", from: weight, to: packed, sourceOffset: rows.first * kernelWidth + columns.first,
                        [
                            Axis(form.groups, outputs * inputs * all, taps * outputs * inputs),
                            Axis(tapsY, rows.step * kernelWidth, tapsX * outputs * inputs),
                            Axis(tapsX, columns.step, outputs * inputs), Axis(outputs, inputs * all, inputs),
                            Axis(inputs, all, 1),
                        ])
                }
                for group in 0..<form.groups {
                    var gathering = ct_gathering()
                    (gathering.batch, gathering.source_height, gathering.source_width) = (
                        Int64(form.g.batch), Int64(form.g.height), Int64(form.g.width)
                    )
                    gathering.source_channels = Int64(form.g.channels)
                    (gathering.first_channel, gathering.channels) = (Int64(group * outputs), Int64(outputs))
                    gathering.height = Int64((form.x.height - phaseY + stride - 1) / stride)
                    gathering.width = Int64((form.x.width - phaseX + stride - 1) / stride)
                    gathering.step = 1
                    (gathering.row_base, gathering.column_base) = (Int64(rows?.base ?? 0), Int64(columns?.base ?? 0))
                    (gathering.tap_step, gathering.taps_y, gathering.taps_x) = (
                        Int64(-(rows?.shift ?? 1)), Int64(tapsY), Int64(tapsX)
                    )
                    appendProduct(
                        GatheredProduct(
                            name: "transposed convolution \(form)", gathering: gathering, source: g, weights: packed,
                            weightOffset: group * taps * outputs * inputs, bias: nil, target: target, shape: form.x,
                            firstChannel: group * inputs, lanes: inputs, step: stride, row: phaseY, column: phaseX))
                }
            }
        }
    }

    private mutating func lowerWeightGradient(
        _ form: ConvolutionForm, x: TensorPlace, g: TensorPlace, to target: TensorPlace
    ) throws(ExecutionError) {
        if canWinogradGradient(form) {
            lowerWinogradGradient(form, x: x, g: g, to: target)
            return
        }
        let (inputs, outputs, taps) = (form.groupInputs, form.groupOutputs, form.taps)
        let depth = taps * inputs
        let pixels = form.g.batch * form.g.height * form.g.width
        // Parts, whose sums are added at the end: enough for the cores, few enough for memory.
        let most = max(1, min(16, (8 << 20) / (depth * outputs)))
        let perPart = blocks(pixels, min(most, max(1, pixels / 256)))
        let parts = blocks(pixels, perPart)
        let perProduct = max(8, min(512, (128 << 10) / (depth + outputs)))
        for group in 0..<form.groups {
            let partial = newBuffer(parts * depth * outputs)
            append(
                "weight gradient \(form)", weightGradientKernel, blocks: parts, reads: [x, g], writes: [partial],
                scratchFloats: perProduct * depth + 64, multiplyAdds: pixels * depth * outputs
            ) { (resolve) throws(ExecutionError) in
                var gathering = ct_gathering()
                gathering.source = UnsafePointer(resolve(x))
                (gathering.batch, gathering.source_height, gathering.source_width) = (
                    Int64(form.x.batch), Int64(form.x.height), Int64(form.x.width)
                )
                gathering.source_channels = Int64(form.x.channels)
                (gathering.first_channel, gathering.channels) = (Int64(group * inputs), Int64(inputs))
                (gathering.height, gathering.width) = (Int64(form.g.height), Int64(form.g.width))
                gathering.step = Int64(form.stride)
                (gathering.row_base, gathering.column_base) = (
                    Int64(-form.window.margins.top), Int64(-form.window.margins.left)
                )
                (gathering.tap_step, gathering.taps_y, gathering.taps_x) = (
                    Int64(form.window.dilation), Int64(form.weight[2]), Int64(form.weight[3])
                )
                return WeightGradientJob(
                    gathering: gathering, gradient: resolve(g) + group * outputs, gradientChannels: form.g.channels,
                    outputs: outputs, partial: resolve(partial), pixels: pixels, perPart: perPart,
                    perProduct: perProduct)
            }
            let whole = newBuffer(depth * outputs)
            appendFold(from: partial, to: whole, outer: 1, parts: parts, inner: depth * outputs)
            // [taps, I, O] to [O, I, taps].
            appendCopy(
                "unpack", from: whole, to: target, targetOffset: group * outputs * depth,
                [Axis(outputs, 1, depth), Axis(inputs, outputs, taps), Axis(taps, inputs * outputs, 1)])
        }
    }

    /// What `appendProduct` is asked for.
    private struct GatheredProduct {
        var name: String
        var gathering: ct_gathering
        var source: TensorPlace
        var weights: TensorPlace
        var weightOffset: Int
        var bias: TensorPlace?
        var target: TensorPlace
        var shape: Shape
        var firstChannel: Int
        var lanes: Int
        /// Results go to every `step`th pixel, from (row, column) on.
        var step = 1
        var row = 0
        var column = 0
    }

    private mutating func appendProduct(_ product: GatheredProduct) {
        let gathering = product.gathering
        let depth = Int(gathering.taps_y * gathering.taps_x * gathering.channels)
        let total = Int(gathering.batch * gathering.height * gathering.width)
        let fitting = max(8, 96 * 1024 / (depth + product.lanes))
        let pixels = max(1, min(fitting, blocks(total, 16)))
        append(
            product.name, gatheredProductKernel, blocks: blocks(total, pixels),
            reads: [product.source, product.weights] + (product.bias.map { [$0] } ?? []), writes: [product.target],
            scratchFloats: pixels * (depth + product.lanes) + 64, multiplyAdds: total * depth * product.lanes
        ) { (resolve) throws(ExecutionError) in
            var gathering = gathering
            gathering.source = UnsafePointer(resolve(product.source))
            return GatheredProductJob(
                gathering: gathering, weights: UnsafePointer(resolve(product.weights) + product.weightOffset),
                bias: product.bias.map { UnsafePointer(resolve($0) + product.firstChannel) },
                target: resolve(product.target) + product.firstChannel, lanes: product.lanes, depth: depth,
                targetHeight: product.shape.height, targetWidth: product.shape.width,
                targetChannels: product.shape.channels, step: product.step, row: product.row, column: product.column,
                pixels: pixels)
        }
    }

    // MARK: Plain products

    mutating func lowerProduct(_ value: Value) throws(ExecutionError) {
        let node = graph[value]
        guard case .product(let left, let right) = node.operation else { return }
        let (a, b) = (graph.shape(node.operands[0]), graph.shape(node.operands[1]))
        let (rows, depth) = matrixExtents(a, transposed: left)
        let columns = matrixExtents(b, transposed: right).columns
        let count = node.shape.count / max(1, rows * columns)
        let perBlock = min(rows, 128)
        let (x, y) = (try place(node.operands[0]), try place(node.operands[1]))
        let target = try place(value)
        append(
            "product \(count)x\(rows)x\(depth)x\(columns)", matrixProductKernel,
            blocks: count * blocks(rows, perBlock), reads: [x, y], writes: [target],
            multiplyAdds: count * rows * depth * columns
        ) { (resolve) throws(ExecutionError) in
            MatrixProductJob(
                a: UnsafePointer(resolve(x)), b: UnsafePointer(resolve(y)), target: resolve(target), rows: rows,
                depth: depth, columns: columns, transposeLeft: left, transposeRight: right, perBlock: perBlock)
        }
    }
}

private struct GatheredProductJob {
    var gathering: ct_gathering
    /// `[depth, lanes]`
    var weights: UnsafePointer<Float>
    var bias: UnsafePointer<Float>?
    /// The first of this group's channels of the first pixel.
    var target: UnsafeMutablePointer<Float>
    var lanes: Int
    var depth: Int
    var targetHeight: Int
    var targetWidth: Int
    var targetChannels: Int
    var step: Int
    var row: Int
    var column: Int
    var pixels: Int
}

private let gatheredProductKernel: ck_kernel = { job, scratch, block, _ in
    let pointer = job!.assumingMemoryBound(to: GatheredProductJob.self)
    let (job, lanes, depth) = (pointer.pointee, pointer.pointee.lanes, pointer.pointee.depth)
    let (height, width) = (Int(job.gathering.height), Int(job.gathering.width))
    let first = Int(block) * job.pixels
    let rows = min(job.pixels, Int(job.gathering.batch) * height * width - first)
    let matrix = scratch!.assumingMemoryBound(to: Float.self)
    // Straight into the target where its pixels are this product's.
    let isDirect = job.step == 1
    let results = isDirect ? job.target + first * job.targetChannels : matrix + job.pixels * depth
    let pitch = isDirect ? job.targetChannels : lanes
    for row in 0..<rows {
        let to = results + row * pitch
        if let bias = job.bias { to.update(from: bias, count: lanes) } else { to.update(repeating: 0, count: lanes) }
    }
    if depth > 0 {
        withUnsafePointer(to: job.gathering) { ct_gather_rows($0, Int64(first), Int64(rows), matrix) }
        cblas_sgemm(
            CblasRowMajor, CblasNoTrans, CblasNoTrans, Int32(rows), Int32(lanes), Int32(depth), 1, matrix,
            Int32(depth), job.weights, Int32(lanes), 1, results, Int32(pitch))
    }
    if isDirect { return }
    for row in 0..<rows {
        let index = first + row
        let (image, y, x) = (index / (height * width), index / width % height, index % width)
        let pixel =
            (image * job.targetHeight + y * job.step + job.row) * job.targetWidth + x * job.step + job.column
        (job.target + pixel * job.targetChannels).update(from: results + row * lanes, count: lanes)
    }
}

private struct WeightGradientJob {
    var gathering: ct_gathering
    /// The first of this group's channels of the first pixel.
    var gradient: UnsafeMutablePointer<Float>
    var gradientChannels: Int
    var outputs: Int
    /// `[parts, depth, outputs]`
    var partial: UnsafeMutablePointer<Float>
    var pixels: Int
    var perPart: Int
    var perProduct: Int
}

private let weightGradientKernel: ck_kernel = { job, scratch, block, _ in
    let job = job!.assumingMemoryBound(to: WeightGradientJob.self).pointee
    let depth = Int(job.gathering.taps_y * job.gathering.taps_x * job.gathering.channels)
    let matrix = scratch!.assumingMemoryBound(to: Float.self)
    let target = job.partial + Int(block) * depth * job.outputs
    let end = min(job.pixels, (Int(block) + 1) * job.perPart)
    var first = Int(block) * job.perPart
    var beta: Float = 0
    while first < end {
        let rows = min(job.perProduct, end - first)
        withUnsafePointer(to: job.gathering) { ct_gather_rows($0, Int64(first), Int64(rows), matrix) }
        cblas_sgemm(
            CblasRowMajor, CblasTrans, CblasNoTrans, Int32(depth), Int32(job.outputs), Int32(rows), 1, matrix,
            Int32(depth), job.gradient + first * job.gradientChannels, Int32(job.gradientChannels), beta, target,
            Int32(job.outputs))
        beta = 1
        first += rows
    }
}

private struct MatrixProductJob {
    var a: UnsafePointer<Float>
    var b: UnsafePointer<Float>
    var target: UnsafeMutablePointer<Float>
    var rows: Int
    var depth: Int
    var columns: Int
    var transposeLeft: Bool
    var transposeRight: Bool
    var perBlock: Int
}

private let matrixProductKernel: ck_kernel = { job, _, block, _ in
    let job = job!.assumingMemoryBound(to: MatrixProductJob.self).pointee
    let perMatrix = (job.rows + job.perBlock - 1) / job.perBlock
    let (matrix, first) = (Int(block) / perMatrix, Int(block) % perMatrix * job.perBlock)
    let rows = min(job.perBlock, job.rows - first)
    let a = job.a + matrix * job.rows * job.depth + (job.transposeLeft ? first : first * job.depth)
    let b = job.b + matrix * job.depth * job.columns
    cblas_sgemm(
        CblasRowMajor, job.transposeLeft ? CblasTrans : CblasNoTrans, job.transposeRight ? CblasTrans : CblasNoTrans,
        Int32(rows), Int32(job.columns), Int32(job.depth), 1, a,
        Int32(job.transposeLeft ? job.rows : job.depth), b, Int32(job.transposeRight ? job.depth : job.columns), 0,
        job.target + (matrix * job.rows + first) * job.columns, Int32(job.columns))
}
