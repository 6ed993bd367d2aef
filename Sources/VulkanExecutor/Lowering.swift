internal import Compute
internal import Network
internal import Planning
internal import Tensor

/// Turns steps on views into launches, and collects the constants that they read.
struct Lowering {
    let program: Program
    private let places: ArenaPlaces
    let parameters: Parameters
    let precision: StoragePrecision
    let capabilities: Capabilities
    let multiplication: Multiplication
    let halfSums: HalfSums
    /// How many there are.
    private let convolutions: Int
    private(set) var constants = PlanConstants()
    private(set) var launches: [Launch] = []
    /// Bytes that the step being lowered must move at the least.
    private var leastBytes = 0

    // Ids of specialisation constants, as in Shaders/views.glsl and stages.glsl.
    private enum Constant {
        static let group = 0
        static let targetChannels = 1
        static let targetQuads = 2
        static let sourceQuads = 3
        static let operandQuads = [4, 6]
        static let operandUpsampling = [5, 7]
        static let sourceMap = 8
        static let operandMap = [9, 10]
        static let sourcePairs = 11
        static let targetPairs = 12
        static let stages = 16
        static let own = ConvolutionKernel.firstConstant
    }

    /// Invocations of a workgroup of the kernels that take one quad each.
    private static let pointwiseGroup = 64

    /// - Parameters:
    ///   - steps: all steps of the plan.
    ///   - inputStarts, outputStarts: where the caller's tensors start in a slot's staging memory.
    init(
        _ program: Program, _ steps: [DeviceStep], _ places: ArenaPlaces, _ parameters: Parameters,
        _ precision: StoragePrecision, _ capabilities: Capabilities,
        _ multiplication: Multiplication, _ halfSums: HalfSums, ends: PlanEnds, inputStarts: [Int], outputStarts: [Int]
    ) {
        (self.program, self.places) = (program, places)
        self.parameters = program.vectors(parameters)
        self.precision = precision
        self.capabilities = capabilities
        self.multiplication = multiplication.with(precision)
        self.halfSums = halfSums
        convolutions = program.steps.count { $0.kind == .convolution }
        for (index, port) in program.inputs.enumerated() {
            guard let view = port.view else { continue }
            if let ring = ends.input { upload(ring, to: view) } else { upload(view, inputStarts[index]) }
        }
        // What comes before the plan's steps has negative numbers, what comes after them larger ones.
        for index in launches.indices { launches[index].step = index - launches.count }
        let firstOfStrips = program.strips.map { steps.count - (program.steps.count - $0.firstStep) }
        var stripsBegin = launches.count
        for (index, step) in steps.enumerated() {
            guard case .views(let step) = step.work else { continue }
            if index == firstOfStrips { stripsBegin = launches.count }
            leastBytes = step.leastElements * precision.bytes
            let first = launches.count
            switch step {
            case .convolution(let step): lower(step)
            case .map(let step): lower(step)
            case .move(let step): lower(step)
            case .layout(let step): lower(step)
            case .tensors: preconditionFailure("a step on tensors is no launch")
            }
            for launch in first..<launches.count { launches[launch].step = index }
        }
        if let strips = program.strips {
            launches.replaceSubrange(stripsBegin..., with: stripped(strips, stripsBegin))
        }
        let downloads = launches.count
        for (index, port) in program.outputs.enumerated() {
            guard let view = port.view else { continue }
            if let frame = ends.output { download(view, to: frame) } else { download(view, outputStarts[index]) }
        }
        for index in downloads..<launches.count { launches[index].step = steps.count + index - downloads }
    }

    /// The launches from `first` on, which are the strips' steps, strip by strip.
    private func stripped(_ strips: Strips, _ first: Int) -> [Launch] {
        let tail = Array(launches[first...])
        return strips.rows.flatMap { rows in
            tail.indices.map { index in
                var launch = tail[index]
                launch.work = launch.work * rows[index].count / launch.rows.count
                launch.leastBytes = launch.leastBytes * rows[index].count / launch.rows.count
                launch.rows = rows[index]
                // Winograd's tiles would begin elsewhere than in the whole picture.
                launch.winogradWeights = nil
                // What lies between two of these steps holds the rows of this strip only.
                if index > 0 { launch.source.firstRow = rows[index - 1].lowerBound * tail[index - 1].targetScale }
                if index < tail.count - 1 { launch.target.firstRow = rows[index].lowerBound * launch.targetScale }
                return launch
            }
        }
    }

    private func region(_ view: View) -> Region { Region(view, places, precision) }

    // MARK: Constants

    /// The first constants of every kernel.
    private func common(target: View, source: View, own: Int = 0) -> [UInt32] {
        var words = [UInt32](repeating: 0, count: Constant.own + own)
        words[Constant.group] = UInt32(Lowering.pointwiseGroup)
        words[Constant.targetChannels] = UInt32(target.channels)
        words[Constant.targetQuads] = UInt32(target.physicalChannels.count / 4)
        words[Constant.sourceQuads] = UInt32(source.physicalChannels.count / 4)
        for index in 0..<2 {
            words[Constant.operandQuads[index]] = 1
            words[Constant.operandUpsampling[index]] = 1
        }
        return words
    }

    /// The place of a view's channel map in the step's constants plus one; 0 when physical channels are the logical ones.
    private mutating func map(_ view: View, targetQuads: Int, step: Int) -> UInt32 {
        let map = view.channelMap
        if map.enumerated().allSatisfy({ $0 == $1 }) { return 0 }
        // As floats, which are exact up to 2^24; -1 for channels that are not there.
        let count = max((map.count + 3) / 4, targetQuads) * 4
        let values = (0..<count).map { $0 < map.count ? Float(map[$0]) : -1 }
        return UInt32(constants.append(values, count: count, step: step)) + 1
    }

    /// Encodes stages, and returns the activations that they read.
    private mutating func encode(_ stages: [PointwiseStage], target: View, step: Int, into words: inout [UInt32])
        -> [(region: Region, upsampling: Int)]
    {
        precondition(stages.count <= 8, "the kernels have room for 8 stages")
        let quads = target.physicalChannels.count / 4
        var operands: [(region: Region, upsampling: Int)] = []
        func vector(_ name: String) -> [Float] {
            let values = parameters[name]!.values
            return values.count == target.channels ? values : [Float](repeating: values[0], count: target.channels)
        }
        func operand(_ view: View, _ upsampling: Int) -> Int {
            let index = operands.count
            operands.append((region(view), upsampling))
            words[Constant.operandQuads[index]] = UInt32(view.physicalChannels.count / 4)
            words[Constant.operandUpsampling[index]] = UInt32(upsampling)
            words[Constant.operandMap[index]] = map(view, targetQuads: quads, step: step)
            return index
        }
        for (index, stage) in stages.enumerated() {
            let numbers = (stage.function?.numbers ?? []) + [0, 0, 0]
            // As in Shaders/stages.glsl.
            var (source, place, right) = (0, numbers[2].bitPattern, 0)
            switch stage.source {
            case .none: break
            case .vector(let name):
                (source, place) = (1, UInt32(constants.append(vector(name), count: quads * 4, step: step)))
            case .operand(let view, let upsampling): source = 2 + operand(view, upsampling)
            case .register(let register): (source, right) = (4, register)
            }
            let code = stage.function?.code ?? 0
            let at = Constant.stages + 4 * index
            words[at] = UInt32(code | source << 8 | stage.target << 12 | stage.left << 16 | right << 20)
            words[at + 1] = place
            words[at + 2] = numbers[0].bitPattern
            words[at + 3] = numbers[1].bitPattern
        }
        return operands
    }

    // MARK: Steps

    private mutating func lower(_ step: ConvolutionStep) {
        let sums = step.groups == 1 ? halfSums.sums(of: parameters[step.weight]!, layers: convolutions) : .single
        let kernel = ConvolutionKernel(step, capabilities, multiplication, sums: sums)
        let start = constants.beginStep()
        // The kernel expects the bias first.
        _ = constants.append(
            kernel.packedBias(step.bias.map { parameters[$0]! }), count: kernel.columns, step: start)
        var words = common(target: step.output, source: step.input)
        words[Constant.group] = UInt32(kernel.tile.groupSize)
        let operands = encode(step.stages, target: step.output, step: start, into: &words)
        let (source, target) = (region(step.input), region(step.output))
        // Two quads of half floats are 16 bytes.
        if precision == .fp16 {
            let isEven = words[Constant.sourceQuads] % 2 == 0
            words[Constant.sourcePairs] = source.hasPairs && isEven ? 1 : 0
            words[Constant.targetPairs] = target.hasPairs ? 1 : 0
        }
        words += kernel.constants
        // Vector kernels read them in single precision (Shaders/tile_constants.glsl).
        let weights = constants.append(
            weights: kernel.packedWeights(parameters[step.weight]!),
            kernel.multiplication == .vectors ? .fp32 : precision)
        let mayBeWinograd = kernel.multiplication == .texels && ConvolutionKernel.allowsWinograd(step)
        let winogradWeights =
            mayBeWinograd
            ? constants.append(weights: kernel.winogradWeights(parameters[step.weight]!), .fp32) : nil
        launches.append(
            Launch(
                kernel: Kernel(
                    shader: kernel.shader, precision: precision, subgroupSize: kernel.tile.subgroupSize,
                    constants: words),
                source: source, target: target, operands: operands, weights: weights,
                winogradWeights: winogradWeights,
                constants: constants.endStep(start), images: step.output.batch, rows: 0..<step.resultHeight,
                targetScale: step.pixelShuffle, sourceRows: step.inputRows, groups: kernel.groups,
                work: step.multiplyAdds, leastBytes: leastBytes, kind: .convolution,
                label:
                    "convolution \(step.weight) \(step.weightShape[1] * step.groups)->\(step.weightShape[0]) "
                    + "\(step.resultWidth)x\(step.resultHeight)" + (kernel.sums == .half ? ", half sums" : ""),
                convolution: kernel))
    }

    private mutating func lower(_ step: MapStep) {
        let start = constants.beginStep()
        var words = common(target: step.output, source: step.input)
        words[Constant.sourceMap] = map(
            step.input, targetQuads: step.output.physicalChannels.count / 4, step: start)
        let operands = encode(step.stages, target: step.output, step: start, into: &words)
        pointwise(
            "map", words, region(step.input), region(step.output), channels: step.output, operands: operands,
            constants: constants.endStep(start), kind: .pointwise, label: "pointwise stages", sourceRows: { $0 })
    }

    private mutating func lower(_ step: MoveStep) {
        let (input, output) = (step.input, step.output)
        let mode: Int
        var (p0, p1) = (0, 0)
        let all: (Range<Int>) -> Range<Int> = { _ in 0..<input.height }
        var sourceRows = all
        switch step.operation {
        case .sliceChannels(let start, _):
            (mode, p0) = (0, start)
            sourceRows = { $0 }
        case .upsampleNearest(let factor), .pixelShuffle(let factor):
            if case .pixelShuffle = step.operation { mode = 2 } else { mode = 1 }
            p0 = factor
            sourceRows = { $0.lowerBound / factor..<($0.upperBound - 1) / factor + 1 }
        case .pixelUnshuffle(let factor):
            (mode, p0) = (3, factor)
            sourceRows = { $0.lowerBound * factor..<$0.upperBound * factor }
        case .crop(let margins):
            (mode, p0, p1) = (4, margins.top, margins.left)
            sourceRows = { $0.lowerBound + margins.top..<$0.upperBound + margins.top }
        case .pad(let margins, .zero):
            (mode, p0, p1) = (5, margins.top, margins.left)
            sourceRows = { rows in
                let low = min(max(0, rows.lowerBound - margins.top), input.height - 1)
                return low..<max(low + 1, min(input.height, rows.upperBound - margins.top))
            }
        case .pad(let margins, .reflect): (mode, p0, p1) = (6, margins.top, margins.left)
        case .resize(_, _, let filter):
            mode = filter == .nearest ? 7 : filter == .bilinear ? 8 : 9
            // From the row under a result's upper edge (what "nearest" reads) to the one under its centre, and two rows more on
            // each side: the reach of the widest filter.
            sourceRows = { rows in
                let low = rows.lowerBound * input.height / output.height - 2
                let high = (2 * rows.upperBound - 1) * input.height / (2 * output.height) + 3
                return max(0, low)..<min(input.height, high + 1)
            }
        default: preconditionFailure("\(step.operation.name) is no move")
        }
        let start = constants.beginStep()
        var words = common(target: output, source: input, own: 3)
        words[Constant.sourceMap] = map(input, targetQuads: output.physicalChannels.count / 4, step: start)
        for (index, value) in [mode, p0, p1].enumerated() { words[Constant.own + index] = UInt32(value) }
        pointwise(
            "move", words, region(input), region(output), channels: output, constants: constants.endStep(start),
            kind: .move, label: step.operation.name, sourceRows: sourceRows)
    }

    /// Between a view and the dense tensor of the same value.
    private mutating func lower(_ step: LayoutStep) {
        let (memory, start) = places.place(step.tensor)
        let tensor = Region(dense: step.view, memory, start: start)
        if step.makesView {
            upload(step.view, from: tensor, kind: .move, label: "tensor to view")
        } else {
            download(step.view, to: tensor, kind: .move, label: "view to tensor")
        }
    }

    private mutating func upload(_ view: View, _ inputStart: Int) {
        upload(view, from: Region(dense: view, .input, start: inputStart), kind: .transfer, label: "upload")
    }

    private mutating func download(_ view: View, _ outputStart: Int) {
        download(view, to: Region(dense: view, .output, start: outputStart), kind: .transfer, label: "download")
    }

    private mutating func upload(_ view: View, from tensor: Region, kind: LayerTiming.Kind, label: String) {
        let start = constants.beginStep()
        leastBytes = view.shape.count * (4 + precision.bytes)
        pointwise(
            "upload", common(target: view, source: view), tensor, region(view), channels: view,
            constants: constants.endStep(start), kind: kind, label: label, sourceRows: { $0 })
    }

    private mutating func download(_ view: View, to tensor: Region, kind: LayerTiming.Kind, label: String) {
        let start = constants.beginStep()
        var words = common(target: view, source: view)
        let quads = (view.channels + 3) / 4
        leastBytes = view.shape.count * (4 + precision.bytes)
        words[Constant.targetQuads] = UInt32(quads)
        words[Constant.sourceMap] = map(view, targetQuads: quads, step: start)
        pointwise(
            "download", words, region(view), tensor, channels: view, constants: constants.endStep(start), kind: kind,
            label: label, sourceRows: { $0 })
    }

    /// Decoders' frames, one after the other, to the pictures that the network reads. Where a frame lies in the ring, a word
    /// says that comes with it.
    private mutating func upload(_ ring: FrameRing, to view: View) {
        let frame = ring.layout
        precondition(view.channels == 3, "a frame is an RGB picture, not \(view.shape)")
        precondition(
            view.width == frame.format.width && view.height == frame.format.height,
            "a frame of \(frame.format.width)x\(frame.format.height) for \(view.shape)")
        let start = constants.beginStep()
        let numbers = frame.inputNumbers
        _ = constants.append(numbers, count: numbers.count, step: start)
        let constants = constants.endStep(start)
        let elements = view.shape.count / view.batch
        leastBytes = frame.sampleBytes + elements * precision.bytes
        for image in 0..<view.batch {
            append(
                "frame_in", common(target: view, source: view) + frame.inputConstants, across: view.width,
                source: Region(bytes: 0..<ring.bytes, .input), target: region(view).image(image),
                operands: [(Region(bytes: SlotEnds.word(image), .places), 1)], constants: constants, images: 1,
                rows: view.height, work: elements,
                kind: .transfer, label: "frame to RGB", sourceRows: { $0 })
        }
    }

    /// The network's pictures to encoders' frames, one launch a plane.
    private mutating func download(_ view: View, to frame: FrameLayout) {
        precondition(view.channels == 3, "a frame is an RGB picture, not \(view.shape)")
        precondition(
            view.width == frame.format.width && view.height == frame.format.height,
            "a frame of \(frame.format.width)x\(frame.format.height) for \(view.shape)")
        let numbers = frame.outputNumbers
        for plane in frame.starts.indices {
            let start = constants.beginStep()
            _ = constants.append(numbers, count: numbers.count, step: start)
            var words = common(target: view, source: view)
            words[Constant.sourceMap] = map(view, targetQuads: 1, step: start)
            let constants = constants.endStep(start)
            leastBytes =
                frame.range(plane: plane).count + view.shape.count / view.batch * precision.bytes / frame.starts.count
            for image in 0..<view.batch {
                let range = frame.range(plane: plane, of: image)
                append(
                    "frame_out", words + frame.outputConstants(plane: plane),
                    across: (frame.format.rowBytes(plane: plane) + 3) / 4, source: region(view).image(image),
                    target: Region(bytes: range, .output), constants: constants, images: 1,
                    rows: frame.format.extent(plane: plane).height, work: range.count, kind: .transfer,
                    label: "RGB to plane \(plane)", sourceRows: { frame.sourceRows($0, plane: plane) })
            }
        }
    }

    /// A kernel with one invocation a quad of the target.
    private mutating func pointwise(
        _ shader: String, _ words: [UInt32], _ source: Region, _ target: Region, channels view: View,
        operands: [(region: Region, upsampling: Int)] = [], constants: Range<Int>,
        kind: LayerTiming.Kind, label: String, sourceRows: @escaping (Range<Int>) -> Range<Int>
    ) {
        append(
            shader, words, across: view.width * Int(words[Constant.targetQuads]), source: source, target: target,
            operands: operands, constants: constants, images: view.batch, rows: view.height, work: view.shape.count,
            kind: kind, label: label, sourceRows: sourceRows)
    }

    /// A kernel with `across` invocations in each of some rows.
    private mutating func append(
        _ shader: String, _ words: [UInt32], across invocations: Int, source: Region, target: Region,
        operands: [(region: Region, upsampling: Int)] = [], constants: Range<Int>, images: Int, rows: Int, work: Int,
        kind: LayerTiming.Kind, label: String, sourceRows: @escaping (Range<Int>) -> Range<Int>
    ) {
        let across = (invocations + Lowering.pointwiseGroup - 1) / Lowering.pointwiseGroup
        launches.append(
            Launch(
                kernel: Kernel(shader: shader, precision: precision, constants: words), source: source, target: target,
                operands: operands, weights: nil, constants: constants, images: images, rows: 0..<rows,
                sourceRows: sourceRows, groups: { rows, images in (across, rows, images) }, work: work,
                leastBytes: leastBytes, kind: kind, label: label))
    }
}
