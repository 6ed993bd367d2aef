internal import Synchronization
public import Tensor

/// What a network is, wherever it came from: a name, hyperparameters, and a function that makes its graph for any batch,
/// height and width, with the rules that make the graph's parameters of a file's tensors.
///
/// A value; copies share the traits, which are derived when they are first asked for.
public struct NetworkDefinition: Sendable {
    /// Adds the network to a builder: from one value `[N, H, W, channels]` a port to one value an output.
    public typealias Build = @Sendable (inout GraphBuilder, [Value]) throws(GraphError) -> [Value]

    /// The architecture's name as the field writes it, or the kind of file that describes the network.
    public let name: String
    public let hyperparameters: [String: Hyperparameter]
    public let inputs: [ImagePort]
    /// Names of the outputs, in order. How large they are and how many channels they have follows from the graph.
    public let outputs: [String]
    /// How the parameters are made of a file's tensors; nil where each is the tensor of its own name.
    public let rules: [WeightRule]?
    /// Tensors that may stand beside those of the rules and are not read.
    public let ignored: Set<String>
    /// The architecture whose value the definition was made from; nil where only a file describes the network.
    public let architecture: (any Architecture)?
    private let build: Build
    private let derived = Derived()

    /// - Parameter build: throws `GraphError` for sizes that do not fit. Parameters have the same names and shapes at every
    ///   size.
    public init(
        name: String, hyperparameters: [String: Hyperparameter] = [:], inputs: [ImagePort],
        outputs: [String] = ["image"],
        rules: [WeightRule]? = nil, ignored: Set<String> = [], architecture: (any Architecture)? = nil,
        build: @escaping Build
    ) {
        (self.name, self.hyperparameters) = (name, hyperparameters)
        (self.inputs, self.outputs) = (inputs, outputs)
        (self.rules, self.ignored, self.architecture) = (rules, ignored, architecture)
        self.build = build
    }

    /// The graph for inputs of these shapes, `[N, H, W, channels]` each.
    ///
    /// - Throws: `GraphError` for shapes that the network does not take.
    public func graph(_ shapes: [Shape]) throws(GraphError) -> Graph {
        func mistake(_ reason: String) -> GraphError { GraphError(operation: name, operands: shapes, reason: reason) }
        guard shapes.count == inputs.count else { throw mistake("has \(inputs.count) inputs") }
        var builder = GraphBuilder()
        var values: [Value] = []
        for (port, shape) in zip(inputs, shapes) {
            guard shape.rank == 4, shape.channels == port.channels, !shape.dimensions.contains(0) else {
                throw mistake("reads '\(port.name)' as [N, H, W, \(port.channels)]")
            }
            guard let count = shape.checkedCount, count <= Self.mostElements else {
                throw mistake("'\(port.name)' is too large")
            }
            values.append(builder.input(port.name, shape))
        }
        let results = try build(&builder, values)
        guard results.count == outputs.count else { throw mistake("makes \(results.count) outputs") }
        return builder.finish(results)
    }

    /// The graph for one input.
    public func graph(_ shape: Shape) throws(GraphError) -> Graph { try graph([shape]) }

    /// Elements of the largest input: activations may be 2^20 times as large and still have a count.
    private static let mostElements = 1 << 36

    /// What follows from the graph: scale, channels, sizes, receptive field. Derived once and kept; that takes milliseconds.
    ///
    /// - Throws: `GraphError` for a network that does not make one image of another, and for one that is too large to look
    ///   at.
    public func traits() throws(GraphError) -> NetworkTraits { try found().traits }

    /// Every parameter's name and shape, in the order of first use. Derived with the traits.
    public func parameterShapes() throws(GraphError) -> [(name: String, shape: Shape)] { try found().parameters }

    private func found() throws(GraphError) -> TraitDerivation {
        try derived.result.withLock { kept in
            if let kept { return kept }
            let result = Result { () throws(GraphError) in try TraitDerivation(self) }
            kept = result
            return result
        }.get()
    }

    /// What was derived so far, shared by copies of a definition.
    private final class Derived: Sendable {
        let result = Mutex<Result<TraitDerivation, GraphError>?>(nil)
    }
}

/// An input of a network.
public struct ImagePort: Hashable, Sendable {
    public let name: String
    public let channels: Int
    /// What the numbers of a pixel mean to the network.
    public let colour: ColourAssumption

    public init(_ name: String, channels: Int, colour: ColourAssumption = .gammaRGB) {
        (self.name, self.channels, self.colour) = (name, channels, colour)
    }
}

extension NetworkDefinition {
    /// The same network for every size from one pixel up: the frame's bottom and right edges are reflected up to the size
    /// multiple and the minimum size, and what the network makes of them is cropped off.
    ///
    /// - Throws: `GraphError` as `traits` does.
    public func padded() throws(GraphError) -> NetworkDefinition {
        let traits = try traits()
        let (multiple, least) = (traits.sizeMultiple, traits.minimumSize)
        if multiple == Extent(height: 1, width: 1) && least == multiple { return self }
        let inner = build
        return NetworkDefinition(
            name: name, hyperparameters: hyperparameters, inputs: inputs, outputs: outputs, rules: rules,
            ignored: ignored, architecture: architecture
        ) { (b, values) throws(GraphError) in
            let shape = b.shape(values[0])
            /// The least side from `side` up that the network takes.
            func up(_ side: Int, _ multiple: Int, _ least: Int) -> Int {
                (max(side, least) + multiple - 1) / multiple * multiple
            }
            let bottom = up(shape.height, multiple.height, least.height) - shape.height
            let right = up(shape.width, multiple.width, least.width) - shape.width
            if bottom == 0 && right == 0 { return try inner(&b, values) }
            guard let below = traits.scale.times(bottom == 0 ? 1 : bottom),
                let beside = traits.scale.times(right == 0 ? 1 : right)
            else {
                throw GraphError(
                    operation: "crop", operands: [shape], reason: "by a part of a pixel: the scale is \(traits.scale)")
            }
            var padded: [Value] = []
            for value in values {
                padded.append(try b.tryApply(.pad(Margins(bottom: bottom, right: right), .reflect), [value]))
            }
            var results: [Value] = []
            for result in try inner(&b, padded) {
                let margins = Margins(bottom: bottom == 0 ? 0 : below, right: right == 0 ? 0 : beside)
                results.append(try b.tryApply(.crop(margins), [result]))
            }
            return results
        }
    }
}
