public import Tensor

/// A family of networks: a short function from hyperparameters to a graph. The value is the hyperparameters; it is what a
/// weight file's metadata stores as JSON. One file and one line in `standardArchitectures` each.
public protocol Architecture: Codable, Hashable, Sendable {
    /// The name in weight files and listings, as the field writes it.
    static var name: String { get }

    /// Recognises the architecture from a state dict's keys and shapes, in any naming style that it knows; nil when the
    /// keys are another architecture's.
    static func recognise(_ shapes: [String: Shape]) -> RecognisedArchitecture?

    /// Adds the network to `builder`: from `input`, `[N, H, W, channels]`, to one image, for any H and W from 1 up.
    func build(_ builder: inout GraphBuilder, _ x: Value) -> Value

    /// The image that the network reads.
    var input: ImagePort { get }
    /// What is wrong with these hyperparameters, or nil; asked before `build` when they come from a file.
    var problem: String? { get }
    /// How much smaller than usual the weight of this name begins when the network is trained.
    func initialScale(_ parameter: String) -> Float
}

extension Architecture {
    public func initialScale(_ parameter: String) -> Float { 1 }

    /// The network as a graph for one input shape `[N, H, W, channels]`: input "image", one output.
    ///
    /// - Precondition: the input has the network's channels.
    public func graph(_ shape: Shape) -> Graph {
        precondition(shape.channels == input.channels, "\(Self.name) reads \(input.channels) channels, not \(shape)")
        var builder = GraphBuilder()
        let x = builder.input(input.name, shape)
        let y = build(&builder, x)
        return builder.finish([y])
    }

    /// Every parameter of the network and its shape, in the order of first use.
    public var parameterShapes: [(name: String, shape: Shape)] {
        // Parameters do not depend on the image's size.
        graph(.nhwc(1, 1, 1, input.channels)).parameters
    }

    /// The network, whose parameters are a file's tensors of the same names.
    public var definition: NetworkDefinition { definition(rules: nil) }

    /// The network, with rules that make its parameters of a file's tensors.
    public func definition(rules: [WeightRule]?, ignored: Set<String> = []) -> NetworkDefinition {
        NetworkDefinition(
            name: Self.name, hyperparameters: hyperparameters, inputs: [input], rules: rules, ignored: ignored,
            architecture: self
        ) { (builder, values) throws(GraphError) in [build(&builder, values[0])] }
    }

    /// The network's descriptor, derived from its graph at every call: callers keep it.
    ///
    /// - Precondition: `problem` is nil.
    public var descriptor: ModelDescriptor {
        do { return try ModelDescriptor(definition) } catch { preconditionFailure("\(error)") }
    }
}

/// All that a caller needs to know of a network that makes one image of another, larger by a whole factor. Nobody asks which
/// network it is.
public struct ModelDescriptor: Hashable, Sendable, Codable {
    public var architecture: String
    /// Output pixels per input pixel along each side.
    public var scale: Int
    public var inputChannels: Int
    public var outputChannels: Int
    /// Tiles start at multiples of it, in input pixels.
    public var sizeMultiple: Int
    /// Radius of the receptive field in input pixels; `Int.max` where an operation reads the whole frame.
    public var receptiveFieldRadius: Int
    /// What the numbers of a pixel mean to the network.
    public var colour: ColourAssumption = .gammaRGB
    /// Storage precisions in which the network's activations stay in range.
    public var precisions: [StoragePrecision] = [.fp32, .fp16]

    /// - Throws: `GraphError` for a network that is something else.
    public init(_ definition: NetworkDefinition) throws(GraphError) {
        let traits = try definition.traits()
        func mistake(_ reason: String) -> GraphError {
            GraphError(operation: definition.name, operands: [], reason: reason)
        }
        guard definition.inputs.count == 1, definition.outputs.count == 1 else {
            throw mistake(
                "has \(definition.inputs.count) inputs and \(definition.outputs.count) outputs; it must have 1 of each")
        }
        guard let scale = traits.scale.whole else {
            throw mistake("makes images \(traits.scale) times as large; the factor must be whole")
        }
        architecture = definition.name
        self.scale = scale
        (inputChannels, outputChannels) = (traits.inputChannels, traits.outputChannels)
        let (height, width) = (traits.sizeMultiple.height, traits.sizeMultiple.width)
        guard let multiple = leastCommonMultiple(height, width) else {
            throw mistake("\(height)x\(width) is too large")
        }
        sizeMultiple = multiple
        receptiveFieldRadius = traits.receptiveField?.radius ?? .max
        colour = definition.inputs[0].colour
    }
}

public enum ColourAssumption: String, Hashable, Sendable, Codable {
    /// Gamma-encoded full-range RGB in [0, 1].
    case gammaRGB
}

/// An architecture found in a state dict, and how its parameters are made of what stands there.
public struct RecognisedArchitecture: Sendable {
    public let architecture: any Architecture
    /// One for every parameter of the architecture.
    public let rules: [WeightRule]
    /// Tensors that may stand there and are not read.
    public let ignored: Set<String>

    public init(architecture: any Architecture, rules: [WeightRule], ignored: Set<String> = []) {
        (self.architecture, self.rules, self.ignored) = (architecture, rules, ignored)
    }

    /// - Parameter keys: from the architecture's own parameter names to the keys of the state dict.
    public init(architecture: any Architecture, keys: [String: String]) {
        self.init(architecture: architecture, rules: keys.map { WeightRule($0.key, .tensor($0.value)) })
    }

    public var definition: NetworkDefinition { architecture.definition(rules: rules, ignored: ignored) }
}

/// Every architecture that this package knows, with its usual hyperparameters.
public let standardArchitectures: [any Architecture] = [
    RRDBNet(), RealtimeSR(), SRVGGNetCompact(), SPAN(), ResNetGenerator(),
]

public let architectures: [any Architecture.Type] = standardArchitectures.map { type(of: $0) }

/// The first architecture that knows these keys and shapes.
public func recogniseArchitecture(
    _ shapes: [String: Shape], among known: [any Architecture.Type] = architectures
) -> RecognisedArchitecture? {
    for type in known {
        if let found = type.recognise(shapes) { return found }
    }
    return nil
}
