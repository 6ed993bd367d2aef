public import Network
public import Tensor

/// A run of channels inside a pixel: `count` logical channels from physical channel `offset` on. Up to `extent` physical
/// channels belong to it; those past `count` hold finite numbers of no meaning.
public struct ChannelSegment: Hashable, Sendable {
    public var offset: Int
    public var count: Int
    public var extent: Int
}

/// An activation in a buffer: pixels `[N, H, W]`, row-major, `pitch` physical channels apart, of which `segments` are the
/// logical channels in order. All offsets are in elements.
///
/// A value that is no concatenation has one segment. The segments of a concatenation follow one another without a gap,
/// each starting at a multiple of the planner's channel alignment.
public struct View: Hashable, Sendable {
    /// Index into `Program.buffers`.
    public var buffer: Int
    public var batch: Int
    public var height: Int
    public var width: Int
    public var pitch: Int
    public var segments: [ChannelSegment]

    public var channels: Int { segments.reduce(0) { $0 + $1.count } }
    public var pixels: Int { batch * height * width }
    public var shape: Shape { .nhwc(batch, height, width, channels) }
    /// The physical channels from the first segment's start to the last one's end, padding included.
    public var physicalChannels: Range<Int> { segments[0].offset..<(segments.last!.offset + segments.last!.extent) }
    /// For every logical channel its distance from `physicalChannels.lowerBound`; for packing weights.
    public var channelMap: [Int] {
        segments.flatMap { segment in (0..<segment.count).map { segment.offset - segments[0].offset + $0 } }
    }
}

/// A piece of the arena.
public struct Buffer: Hashable, Sendable {
    /// Size in elements.
    public var elements: Int
    /// Whether it holds a dense tensor, in single precision; otherwise views, in the executor's precision.
    public var isTensor: Bool
    /// Place in the arena in elements; a multiple of `PlanningOptions.bufferAlignment`.
    public var offset: Int
    /// The indices of the first and the last step that touch it; -1 for inputs (written before the first step),
    /// `steps.count` for outputs (read after the last).
    public var firstStep: Int
    public var lastStep: Int
}

/// A pointwise function of numbers that are still in registers. Register 0 holds the step's result before the first stage and
/// after the last one.
public struct PointwiseStage: Hashable, Sendable {
    /// Nil to load what `source` says into `target`.
    public var function: PointwiseFunction?
    public var target: Int
    /// The register of the first operand.
    public var left: Int
    public var source: Source

    /// The second operand, or what is loaded.
    public enum Source: Hashable, Sendable {
        case none
        case register(Int)
        /// A parameter `[C]`, or `[1]`, for every pixel.
        case vector(parameter: String)
        /// Another activation, read at (y / upsampling, x / upsampling): nearest upsampling for free.
        case operand(View, upsampling: Int)
    }

    /// The activation that this stage reads, if any.
    public var operand: View? { if case .operand(let view, _) = source { view } else { nil } }
    /// Whether it is a link of a chain: of the result, to the result.
    public var isChained: Bool {
        if case .register = source { return false }
        return function != nil && target == 0 && left == 0
    }
}

/// A convolution with all that is fused into it.
public struct ConvolutionStep: Hashable, Sendable {
    public var input: View
    /// The convolution sees the input with each pixel repeated so many times along both sides (1: as it is).
    public var inputUpsampling: Int
    /// Parameter `[O, I/groups, kH, kW]`.
    public var weight: String
    public var weightShape: Shape
    /// Parameter `[O]`.
    public var bias: String?
    public var stride: Int
    public var padding: Int
    public var groups: Int
    /// After the bias, the O channels are rearranged by a pixel shuffle of this factor (1: none).
    public var pixelShuffle: Int
    /// Applied in order to every element of the output as it lies in `output` (so after the pixel shuffle).
    public var stages: [PointwiseStage]
    public var output: View

    /// The size that the convolution sees.
    public var sourceHeight: Int { input.height * inputUpsampling }
    public var sourceWidth: Int { input.width * inputUpsampling }
    /// The size before the pixel shuffle.
    public var resultHeight: Int { output.height / pixelShuffle }
    public var resultWidth: Int { output.width / pixelShuffle }
    /// Multiply-adds, counted as direct convolution.
    public var multiplyAdds: Int { output.batch * resultHeight * resultWidth * weightShape.count }
}

/// Pointwise stages on an activation of the output's shape; without stages, a copy.
public struct MapStep: Hashable, Sendable {
    public var input: View
    public var stages: [PointwiseStage]
    public var output: View
}

/// An operation that only moves or resamples pixels or channels: `sliceChannels`, `upsampleNearest`, `pixelShuffle`,
/// `pixelUnshuffle`, `resize`, `pad`, `crop`.
public struct MoveStep: Hashable, Sendable {
    public var operation: Operation
    public var input: View
    public var output: View
}

/// The way between a value's view and its dense tensor.
public struct LayoutStep: Hashable, Sendable {
    public var view: View
    /// The tensor's buffer.
    public var tensor: Int
    /// Whether the view is made of the tensor; otherwise the tensor of the view.
    public var makesView: Bool
}

/// Operations on dense tensors of any rank: several pointwise ones that are computed together, or one of another kind.
public struct TensorStep: Hashable, Sendable {
    /// Indices of nodes, in order.
    public var nodes: [Int]
    /// Buffers of tensors.
    public var reads: [Int]
    public var writes: [Int]
    public var kind: LayerTiming.Kind
    /// Multiply-adds, counted as direct convolution.
    public var multiplyAdds: Int
    /// Elements of all tensors that are read and written.
    public var elements: Int
}

public enum Step: Hashable, Sendable {
    case convolution(ConvolutionStep)
    case map(MapStep)
    case move(MoveStep)
    case layout(LayoutStep)
    case tensors(TensorStep)

    /// The view that the step writes, if it writes one.
    public var output: View? {
        switch self {
        case .convolution(let step): step.output
        case .map(let step): step.output
        case .move(let step): step.output
        case .layout(let step): step.makesView ? step.view : nil
        case .tensors: nil
        }
    }

    /// Every view that the step reads.
    public var reads: [View] {
        switch self {
        case .convolution(let step): [step.input] + step.stages.compactMap(\.operand)
        case .map(let step): [step.input] + step.stages.compactMap(\.operand)
        case .move(let step): [step.input]
        case .layout(let step): step.makesView ? [] : [step.view]
        case .tensors: []
        }
    }

    /// Every buffer that the step reads or writes.
    public var buffers: [Int] {
        let views = (reads + (output.map { [$0] } ?? [])).map(\.buffer)
        return switch self {
        case .tensors(let step): step.reads + step.writes
        case .layout(let step): views + [step.tensor]
        default: views
        }
    }

    /// The buffers that the step writes.
    public var written: [Int] {
        switch self {
        case .tensors(let step): step.writes
        case .layout(let step) where !step.makesView: [step.tensor]
        default: output.map { [$0.buffer] } ?? []
        }
    }

    public var kind: LayerTiming.Kind {
        switch self {
        case .convolution: .convolution
        case .map: .pointwise
        case .move, .layout: .move
        case .tensors(let step): step.kind
        }
    }

    /// Elements that must be read and written at the least: every activation and every weight once.
    public var leastElements: Int {
        let activations = (reads + (output.map { [$0] } ?? [])).reduce(0) { $0 + $1.shape.count }
        return switch self {
        case .convolution(let step): activations + step.weightShape.count
        case .layout: 2 * activations
        case .tensors(let step): step.elements
        default: activations
        }
    }
}

/// Where a caller's tensor goes to or comes from.
public enum Port: Hashable, Sendable {
    case view(View)
    /// A value that steps on tensors give or read.
    case tensor(Value)

    /// The view, if it is one.
    public var view: View? { if case .view(let view) = self { view } else { nil } }
}

/// A graph made ready to run.
public struct Program: Sendable {
    public let graph: Graph
    public var steps: [Step]
    public var buffers: [Buffer]
    /// Where the caller's inputs are written before, and its outputs read after the steps.
    public var inputs: [Port]
    public var outputs: [Port]
    /// Of every node the buffer in which its value lies as a tensor, if it does; what only names another's elements has that
    /// one's.
    public var tensors: [Int?]
    /// Which pointwise nodes are computed together on tensors, and what they read through.
    public var expressions: Expressions
    /// The arena's size in elements, without what executors need inside their steps.
    public var arenaElements = 0
    /// How the last steps are run; nil where every step is run once, as a whole.
    public var strips: Strips?
    /// Vectors that belong to the graph, under names that steps use as those of parameters.
    public var constants: Parameters = [:]

    init(
        graph: Graph, steps: [Step], inputs: [Port], outputs: [Port], tensors: [Int?], expressions: Expressions,
        contents: [(elements: Int, isTensor: Bool)]
    ) {
        (self.graph, self.steps, self.inputs, self.outputs) = (graph, steps, inputs, outputs)
        (self.tensors, self.expressions) = (tensors, expressions)
        buffers = contents.map {
            Buffer(elements: $0.elements, isTensor: $0.isTensor, offset: 0, firstStep: .max, lastStep: -1)
        }
    }

    /// All that steps name.
    public func vectors(_ parameters: Parameters) -> Parameters { parameters.merging(constants) { $1 } }

    /// The buffers that are written before the first step, and read after the last one.
    public var heldFromStart: [Int] { inputs.compactMap(buffer) }
    public var heldToEnd: [Int] {
        outputs.compactMap(buffer) + graph.guards.compactMap { tensors[$0.index] }
    }

    private func buffer(_ port: Port) -> Int? {
        switch port {
        case .view(let view): view.buffer
        case .tensor(let value): tensors[value.index]
        }
    }

    /// Places the buffers in the arena by lifetime.
    mutating func arrange(alignment: Int) {
        if let strips {
            for (buffer, count) in strips.elements(steps) { buffers[buffer].elements = count }
        }
        var lifetimes = Lifetimes(elements: buffers.map(\.elements), steps: steps.count)
        for (index, step) in steps.enumerated() {
            for buffer in step.buffers { lifetimes.touch(buffer, step: index) }
        }
        for buffer in heldFromStart { lifetimes.holdFromStart(buffer) }
        for buffer in heldToEnd { lifetimes.holdToEnd(buffer) }
        // These steps come round again: what one of them touches is alive during all of them.
        if let strips { lifetimes.repeats(from: strips.firstStep) }
        let (offsets, end) = lifetimes.arranged(alignment: alignment)
        arenaElements = end
        for index in buffers.indices {
            buffers[index].offset = offsets[index]
            (buffers[index].firstStep, buffers[index].lastStep) = lifetimes.steps(of: index)
        }
    }
}

/// What executors differ in.
public struct PlanningOptions: Hashable, Sendable {
    /// Physical channels of a value are rounded up to a multiple of this, but those of up to 4 channels (pictures) to 4.
    public var channelAlignment = 16
    /// Buffers start at multiples of so many elements.
    public var bufferAlignment = 64
    /// Activations that the stages of one step may read, so that a kernel binds a fixed number of them.
    public var maximumOperands = 2
    /// Stages of one step.
    public var maximumStages = 8
    /// Whether parameters may change between runs. All values are tensors then.
    public var parametersChange = false
    /// Whether images come and go as views even where only steps on tensors read or give them: for kernels that convert frames.
    public var portsAreViews = false
    /// Whether a view without padding is a tensor as it is: where both are stored in single precision.
    public var sharesBuffers = true
    /// Pointwise operations on tensors that are computed together.
    public var maximumMembers = 64
    /// Whether expressions on tensors read through slices, shuffles and the like, not only through broadcasts.
    public var readsThroughMoves = false
    /// Whether a convolution reads through a nearest upsampling; otherwise that is a step of its own.
    public var fusesInputUpsampling = true

    /// Elements that the activations between the last, enlarging steps may take together before those are run in
    /// strips; nil where the executor runs steps as a whole only.
    public var stripElements: Int?

    public init() {}

    func physicalChannels(_ count: Int) -> Int {
        count <= 4 ? 4 : (count + channelAlignment - 1) / channelAlignment * channelAlignment
    }
}
