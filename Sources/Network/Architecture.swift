public import Tensor

/// A family of networks: a short function from hyperparameters to a graph. The value is the hyperparameters; it is what a
/// weight file's metadata stores as JSON. One file and one line in `architectures` each.
public protocol Architecture: Codable, Hashable, Sendable {
    /// The name in weight files and listings, as the field writes it.
    static var name: String { get }

    /// Recognises the architecture from a state dict's keys and shapes, in any naming style that it knows; nil when the
    /// keys are another architecture's.
    static func recognise(_ shapes: [String: Shape]) -> RecognisedArchitecture?

    /// Adds the network to `builder`: from x `[N, H, W, inputChannels]` to `[N, H*scale, W*scale, outputChannels]`, for
    /// any H and W from 1 up.
    func build(_ builder: inout GraphBuilder, _ x: Value) -> Value

    /// Output pixels per input pixel along each side.
    var scale: Int { get }
    var inputChannels: Int { get }
    var outputChannels: Int { get }
    /// The input's sides are padded inside the network to a multiple of this; tiles start at multiples of it.
    var sizeMultiple: Int { get }
    /// What is wrong with these hyperparameters, or nil; asked before `build` when they come from a file.
    var problem: String? { get }
    /// How much smaller than usual the weight of this name begins when the network is trained.
    func initialScale(_ parameter: String) -> Float
}

extension Architecture {
    public func initialScale(_ parameter: String) -> Float { 1 }
}

extension Architecture {
    /// The network as a graph for one input shape `[N, H, W, inputChannels]`: input "image", one output.
    public func graph(_ shape: Shape) -> Graph {
        precondition(shape.channels == inputChannels, "\(Self.name) reads \(inputChannels) channels, not \(shape)")
        var builder = GraphBuilder()
        let x = builder.input("image", shape)
        let y = build(&builder, x)
        return builder.finish([y])
    }

    public var descriptor: ModelDescriptor {
        ModelDescriptor(
            architecture: Self.name, scale: scale, inputChannels: inputChannels, outputChannels: outputChannels,
            sizeMultiple: sizeMultiple, receptiveFieldRadius: receptiveFieldRadius)
    }
}

/// All that a caller needs to know of a model. Nobody asks which model it is. Derived from a graph: keep it, do not ask
/// for it again.
public struct ModelDescriptor: Hashable, Sendable, Codable {
    public var architecture: String
    public var scale: Int
    public var inputChannels: Int
    public var outputChannels: Int
    public var sizeMultiple: Int
    public var receptiveFieldRadius: Int
    /// What the numbers of a pixel mean to the network.
    public var colour: ColourAssumption = .gammaRGB
    /// Storage precisions in which the network's activations stay in range.
    public var precisions: [StoragePrecision] = [.fp32, .fp16]
}

public enum ColourAssumption: String, Hashable, Sendable, Codable {
    /// Gamma-encoded full-range RGB in [0, 1].
    case gammaRGB
}

/// An architecture found in a state dict, and where each of its parameters stands there.
public struct RecognisedArchitecture: Sendable {
    public let architecture: any Architecture
    /// From the architecture's own parameter names to the keys of the state dict.
    public let keys: [String: String]

    public init(architecture: any Architecture, keys: [String: String]) {
        self.architecture = architecture
        self.keys = keys
    }
}

/// Every architecture that this package knows, with its usual hyperparameters.
public let standardArchitectures: [any Architecture] = [RRDBNet(), RealtimeSR(), SRVGGNetCompact()]

public let architectures: [any Architecture.Type] = standardArchitectures.map { type(of: $0) }

/// The first architecture that knows these keys and shapes.
public func recogniseArchitecture(_ shapes: [String: Shape]) -> RecognisedArchitecture? {
    for type in architectures {
        if let found = type.recognise(shapes) { return found }
    }
    return nil
}
