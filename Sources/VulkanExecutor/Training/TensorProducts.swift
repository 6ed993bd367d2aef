internal import Network
internal import Planning
internal import Tensor

/// How a product of matrices is shared out; see Shaders/tensor_tile.glsl.
struct ProductTile: Hashable {
    var rows: Int
    var columns: Int
    var rowQuads: Int
    var columnQuads: Int
    var depth = 16

    var threads: Int { rows / (4 * rowQuads) * (columns / (4 * columnQuads)) }

    /// A tile for matrices of so many rows and columns, `count` times.
    ///
    /// - Parameter limits: of the device.
    ///
    /// Wide tiles read less: each operand once for every tile across. But a device has dozens of units, each of which
    /// wants a few workgroups, so small products take small tiles.
    init(rows: Int, columns: Int, count: Int, _ limits: TensorLimits) {
        if let tile = limits.tile {
            self = tile
            depth = limits.productDepth
            return
        }
        func tiles(_ tile: ProductTile) -> Int {
            (rows + tile.rows - 1) / tile.rows * ((columns + tile.columns - 1) / tile.columns) * count
        }
        let fitting = ProductTile.all.filter {
            $0.threads <= limits.threads && ($0.columns == 4 || $0.columns < columns * 2)
                && ($0.rows == 32 || $0.rows < rows * 4)
        }
        let wide = fitting.first { tiles($0) >= 256 }
        self = wide ?? fitting.max { tiles($0) < tiles($1) } ?? ProductTile.all.last!
        depth = limits.productDepth
    }

    private init(_ rows: Int, _ columns: Int, _ rowQuads: Int, _ columnQuads: Int) {
        (self.rows, self.columns, self.rowQuads, self.columnQuads) = (rows, columns, rowQuads, columnQuads)
    }

    /// The widest first.
    static let all = [
        ProductTile(128, 128, 2, 2), ProductTile(128, 64, 2, 1), ProductTile(64, 64, 1, 1), ProductTile(128, 32, 1, 1),
        ProductTile(256, 16, 1, 1), ProductTile(32, 32, 1, 1), ProductTile(256, 8, 1, 1), ProductTile(64, 16, 1, 1),
        ProductTile(256, 4, 1, 1), ProductTile(32, 16, 1, 1), ProductTile(64, 8, 1, 1), ProductTile(64, 4, 1, 1),
        ProductTile(32, 4, 1, 1),
    ]

    /// The first specialisation constants of every product.
    func constants(leftAlongDepth: Bool, rightAlongDepth: Bool) -> [UInt32] {
        [threads, rows, columns, rowQuads, columnQuads, depth].map { UInt32($0) }
            + [leftAlongDepth, rightAlongDepth].map { $0 ? 1 : 0 }
    }
}

extension TensorCompiler {
    mutating func lowerConvolution(_ value: Value) {
        let node = graph[value]
        let form = ConvolutionForm(graph, value)
        let first = operand(node.operands[0])
        let second = operand(node.operands[1])
        switch node.operation {
        case .convolution:
            let bias = node.operands.count == 3 ? operand(node.operands[2]) : nil
            // [G, O, I, taps] to [G, taps, I, O].
            let weight = packed(second, form, outerIsOutput: false)
            appendConvolution(form, isAdjoint: false, source: first, weight: weight, bias: bias, target: value)
        case .convolutionTranspose:
            // [G, O, I, taps] to [G, taps, O, I].
            let weight = packed(second, form, outerIsOutput: true)
            appendConvolution(form, isAdjoint: true, source: first, weight: weight, bias: nil, target: value)
        default: appendWeightGradient(form, x: first, g: second, target: value)
        }
    }

    /// The weights as the kernel reads them. All of one shape are packed together, before the first of them is used.
    private mutating func packed(
        _ weight: TensorReference, _ form: ConvolutionForm, outerIsOutput: Bool
    ) -> TensorReference {
        let (inputs, outputs, taps) = (form.groupInputs, form.groupOutputs, form.taps)
        let group = Axis(form.groups, outputs * inputs * taps, outputs * inputs * taps)
        let tap = Axis(taps, 1, inputs * outputs)
        let input = Axis(inputs, taps, outerIsOutput ? 1 : outputs)
        let output = Axis(outputs, inputs * taps, outerIsOutput ? inputs : 1)
        let axes = Axis.merged([group, tap] + (outerIsOutput ? [output, input] : [input, output]))
        if axes == [Axis(form.weight.count, 1, 1)] { return weight }
        let target = reference(newBuffer(form.weight.count), count: form.weight.count)
        appendCopy(from: weight, to: target, axes, count: form.weight.count, joins: true)
        return target
    }

    /// - Parameter isAdjoint: from g to x; otherwise from x to g.
    private mutating func appendConvolution(
        _ form: ConvolutionForm, isAdjoint: Bool, source: TensorReference, weight: TensorReference,
        bias: TensorReference?, target: Value
    ) {
        let weight = full(weight)
        let (from, to) = isAdjoint ? (form.g, form.x) : (form.x, form.g)
        let (depth, columns) =
            isAdjoint ? (form.groupOutputs, form.groupInputs) : (form.groupInputs, form.groupOutputs)
        let phases = isAdjoint ? form.stride * form.stride : 1
        let grid =
            isAdjoint
            ? ((to.height + form.stride - 1) / form.stride, (to.width + form.stride - 1) / form.stride)
            : (to.height, to.width)
        let rows = to.batch * grid.0 * grid.1
        let tile = ProductTile(rows: rows, columns: columns, count: phases * form.groups, limits)
        let numbers = [
            form.stride, form.window.margins.top, form.weight[2], form.weight[3], from.height, from.width,
            from.channels, to.height, to.width, to.channels, grid.0, grid.1, depth, columns,
        ]
        // What taps of a phase are apart, in the kernel and in g; see `ConvolutionForm.phase`.
        let phase = (0..<form.stride).lazy.compactMap {
            form.phase($0, margin: form.window.margins.top, taps: form.stride)
        }.first
        let taps = [form.window.margins.left, form.window.dilation, phase?.step ?? 1, phase?.shift ?? 1]
        let flags = [
            bias != nil, depth % 4 == 0 && from.channels % 4 == 0, columns % 4 == 0,
            columns % 4 == 0 && to.channels % 4 == 0,
        ]
        let constants =
            tile.constants(leftAlongDepth: true, rightAlongDepth: false) + [isAdjoint ? 1 : 0]
            + numbers.map { UInt32($0) } + flags.map { $0 ? 1 : 0 } + taps.map { UInt32($0) }
        let tiles = (blocks(rows, tile.rows), blocks(columns, tile.columns))
        let result = operand(target)
        let workgroups = tiles.0 * tiles.1 * phases * form.groups
        appendDirect(
            "convolution \(isAdjoint ? "adjoint " : "")\(form)",
            .shader(
                "tensor_convolution" + (source.isHalf ? ".from_half" : "") + (result.isHalf ? ".to_half" : ""),
                bindings: 4, words: 4, constants: constants),
            // Something must be bound where there is no bias.
            [source, weight, bias ?? weight, result],
            push: [workgroups, tiles.0, tiles.1, rows].map { UInt32($0) }, workgroups: workgroups,
            multiplyAdds: form.multiplyAdds)
    }

    private mutating func appendWeightGradient(
        _ form: ConvolutionForm, x: TensorReference, g: TensorReference, target: Value
    ) {
        let (rows, columns) = (form.taps * form.groupInputs, form.groupOutputs)
        let pixels = form.g.batch * form.g.height * form.g.width
        let tile = ProductTile(rows: rows, columns: columns, count: form.groups * 64, limits)
        let tiles = (blocks(rows, tile.rows), blocks(columns, tile.columns))
        // Enough parts to fill a large device, as long as each has some work and their sums stay small.
        let count = form.weight.count
        let most = max(
            1,
            min(
                1024 / (tiles.0 * tiles.1 * form.groups), min(16 << 20, limits.bindingWords) / max(1, count),
                pixels / 256))
        let perPart = blocks(blocks(pixels, max(1, most)), tile.depth) * tile.depth
        let parts = max(1, blocks(pixels, max(1, perPart)))
        let numbers = [
            form.stride, form.window.margins.top, form.weight[2], form.weight[3], form.x.height, form.x.width,
            form.x.channels,
            form.g.height, form.g.width, form.g.channels, form.groupInputs, form.groupOutputs,
        ]
        let flags = [
            form.groupInputs % 4 == 0 && form.x.channels % 4 == 0,
            form.groupOutputs % 4 == 0 && form.g.channels % 4 == 0,
        ]
        let constants =
            tile.constants(leftAlongDepth: false, rightAlongDepth: false) + numbers.map { UInt32($0) }
            + flags.map { $0 ? 1 : 0 } + [form.window.margins.left, form.window.dilation].map { UInt32($0) }
        let workgroups = tiles.0 * tiles.1 * parts * form.groups
        let result = operand(target)
        let partial = parts == 1 ? result : reference(newBuffer(parts * count), count: parts * count)
        appendDirect(
            "weight gradient \(form)",
            .shader(
                "tensor_weight_gradient" + (x.isHalf ? ".x_half" : "") + (g.isHalf ? ".g_half" : ""), bindings: 3,
                words: 6, constants: constants), [x, g, partial],
            push: [workgroups, tiles.0, tiles.1, parts, pixels, perPart].map { UInt32($0) }, workgroups: workgroups,
            multiplyAdds: form.multiplyAdds)
        if parts > 1 {
            appendSum(from: partial, to: result, outer: 1, rows: parts, inner: count, joins: false)
        }
    }

    mutating func lowerProduct(_ value: Value) {
        let node = graph[value]
        guard case .product(let transposeLeft, let transposeRight) = node.operation else { return }
        let (left, right) = (graph.shape(node.operands[0]), graph.shape(node.operands[1]))
        let (rows, depth) = matrixExtents(left, transposed: transposeLeft)
        let columns = node.shape.lastExtent
        let count = node.shape.count / max(1, rows * columns)
        let tile = ProductTile(rows: rows, columns: columns, count: count, limits)
        let tiles = (blocks(rows, tile.rows), blocks(columns, tile.columns))
        // Quads along the last axis; every row of every matrix must begin with a whole one.
        let flags = [left.lastExtent % 4 == 0, right.lastExtent % 4 == 0]
        let constants =
            tile.constants(leftAlongDepth: !transposeLeft, rightAlongDepth: transposeRight)
            + flags.map { $0 ? 1 : 0 }
        let workgroups = tiles.0 * tiles.1 * count
        appendDirect(
            "product \(count)x\(rows)x\(depth)x\(columns)",
            .shader("tensor_product", bindings: 3, words: 6, constants: constants),
            [full(operand(node.operands[0])), full(operand(node.operands[1])), operand(value)],
            push: [workgroups, tiles.0, tiles.1, rows, columns, depth].map { UInt32($0) }, workgroups: workgroups,
            multiplyAdds: count * rows * depth * columns)
    }
}
