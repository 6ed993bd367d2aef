internal import Network
internal import Tensor

/// An ncnn model as operations of `Network`, for an image of any size.
struct NcnnGraph {
    /// The image's size where a network is compared with those that are known; sides that differ, so that they cannot be
    /// mistaken for one another.
    static let picture = Extent(height: 8, width: 12)
    /// Bounds on intermediate shapes, so that shape arithmetic cannot overflow whatever a file asks for.
    private static let largestSide = 1 << 20
    private static let mostChannels = 1 << 20
    /// Factor by which one layer can enlarge.
    private static let largestFactor = 16
    private static let largestKernel = 64
    /// What operations and the like are numbered up to.
    private static let mostKinds = 1000
    private static let mostWeights = 1 << 31

    struct Record {
        let operation: Operation
        let operands: [Value]
        let shape: Shape
        /// The layer that it came from.
        let layer: String
    }

    /// What stands in the .bin file, in its order.
    enum Blob {
        /// Preceded by a flag that tells how it is stored.
        case flagged(name: String, Shape)
        /// Plain 32-bit floats.
        case plain(name: String, Shape)
    }

    private(set) var records: [Record] = []
    private(set) var blobs: [Blob] = []
    private(set) var output = Value(index: 0)
    let path: String
    /// The size of the image that the network reads, and its channels.
    let size: Extent
    let inputChannels: Int
    /// Holds the network's operations, behind those that it was given with.
    private(set) var builder: GraphBuilder
    /// Whether records are kept: where nothing but the image stands before the network, so that their indices are the
    /// values'.
    private let keepsRecords: Bool
    private var values: [String: Value] = [:]

    /// The network for an image of this size.
    init(_ param: NcnnParam, size: Extent) throws(WeightError) {
        let channels = try Self.inputChannels(param)
        var builder = GraphBuilder()
        let image = builder.input("image", .nhwc(1, size.height, size.width, channels))
        try self.init(param, after: builder, image: image)
    }

    /// The network, added to a graph.
    ///
    /// - Parameter image: what the network reads.
    init(_ param: NcnnParam, after builder: GraphBuilder, image: Value) throws(WeightError) {
        path = param.path
        inputChannels = try Self.inputChannels(param)
        size = Extent(height: builder.shape(image).height, width: builder.shape(image).width)
        self.builder = builder
        keepsRecords = builder.count == 1
        var isRead = false
        var consumed: Set<String> = []
        for layer in param.layers {
            var reader = NcnnReader(layer, path: path)
            var operands: [Value] = []
            for input in layer.inputs {
                guard let value = values[input] else {
                    throw reader.problem("its input '\(input)' comes from no layer above")
                }
                operands.append(value)
                consumed.insert(input)
            }
            let results: [Value]
            switch layer.type {
            case "Input":
                guard layer.inputs.isEmpty, !isRead else { throw reader.problem("is a second input") }
                isRead = true
                results = [record(image, .input(name: "image"), [], layer)]
            case "Split":
                guard operands.count == 1 else { throw reader.problem("has \(operands.count) inputs, not 1") }
                results = [Value](repeating: operands[0], count: layer.outputs.count)
            default:
                guard let convert = Self.converters[layer.type] else {
                    throw reader.problem("no known network has such a layer")
                }
                results = [try convert(&self, &reader, operands)]
                try reader.finish()
            }
            guard results.count == layer.outputs.count else {
                throw reader.problem("has \(layer.outputs.count) outputs, not \(results.count)")
            }
            for (name, value) in zip(layer.outputs, results) {
                guard values.updateValue(value, forKey: name) == nil else {
                    throw reader.problem("its output '\(name)' is also another layer's")
                }
            }
        }
        let outputs = values.keys.filter { !consumed.contains($0) }.sorted(by: precedesInBytes)
        guard outputs.count == 1 else {
            throw .corruptHeader(path: path, reason: "the network has \(outputs.count) outputs, not 1")
        }
        output = values[outputs[0]]!
    }

    // MARK: Building

    /// How many channels the network reads: as many as its first convolution.
    private static func inputChannels(_ param: NcnnParam) throws(WeightError) -> Int {
        guard let first = param.layers.first(where: { $0.type == "Convolution" }) else {
            throw .unknownArchitecture(path: param.path, keys: param.layers.map { "\($0.type) \($0.name)" })
        }
        return try inputChannels(first, path: param.path)
    }

    /// How many channels a convolution reads: ncnn states it through the number of weights.
    private static func inputChannels(_ layer: NcnnLayer, path: String) throws(WeightError) -> Int {
        var reader = NcnnReader(layer, path: path)
        let outputs = try reader.integer(0, "outputs", default: 0, in: 1...mostChannels)
        let width = try reader.integer(1, "kernel width", default: 0, in: 1...largestKernel)
        let height = try reader.integer(11, "kernel height", default: width, in: 1...largestKernel)
        let weights = try reader.integer(6, "weights", default: 0, in: 1...mostWeights)
        guard outputs >= 1, width >= 1 else { throw reader.problem("does not state its outputs and kernel") }
        let each = outputs * width * height
        guard weights >= each, weights % each == 0, weights / each <= mostChannels else {
            throw reader.problem("\(weights) weights do not divide among \(outputs) outputs of \(height)x\(width)")
        }
        return weights / each
    }

    private mutating func record(_ value: Value, _ operation: Operation, _ operands: [Value], _ layer: NcnnLayer)
        -> Value
    {
        guard keepsRecords else { return value }
        precondition(value.index == records.count, "every value of the builder is recorded")
        records.append(
            Record(
                operation: operation, operands: operands, shape: builder.shape(value),
                layer: "\(layer.type) \(layer.name)"))
        return value
    }

    mutating func parameter(_ layer: NcnnLayer, _ part: String, _ shape: Shape, flagged: Bool = false) -> Value {
        // Lines are unique where layers' names need not be.
        let name = "\(layer.line).\(part)"
        blobs.append(flagged ? .flagged(name: name, shape) : .plain(name: name, shape))
        return record(builder.parameter(name, shape), .parameter(name: name), [], layer)
    }

    mutating func apply(_ operation: Operation, _ operands: [Value], _ reader: NcnnReader) throws(WeightError) -> Value
    {
        do {
            let value = try builder.tryApply(operation, operands)
            let shape = builder.shape(value)
            guard shape.height <= Self.largestSide, shape.width <= Self.largestSide, shape.channels <= Self.mostChannels
            else { throw reader.problem("its result \(shape) is too large") }
            return record(value, operation, operands, reader.layer)
        } catch let error as GraphError {
            throw reader.problem(error.description)
        } catch {
            throw error as? WeightError ?? reader.problem("\(error)")
        }
    }

    func shape(_ value: Value) -> Shape { builder.shape(value) }

    // MARK: Layers

    typealias Converter = @Sendable (inout NcnnGraph, inout NcnnReader, [Value]) throws(WeightError) -> Value

    private static let converters: [String: Converter] = [
        "Convolution": { (g, r, x) throws(WeightError) in try g.convolution(&r, x) },
        "PReLU": { (g, r, x) throws(WeightError) in
            let slopes = try r.integer(0, "slopes", default: 0, in: 1...mostChannels)
            guard slopes >= 1 else { throw r.problem("does not state its slopes") }
            return try g.apply(.prelu, x + [g.parameter(r.layer, "slope", [slopes])], r)
        },
        "ReLU": { (g, r, x) throws(WeightError) in
            try g.apply(.pointwise(.leakyReLU(slope: r.float(0, "slope", default: 0))), x, r)
        },
        "Sigmoid": { (g, r, x) throws(WeightError) in try g.apply(.pointwise(.sigmoid), x, r) },
        "TanH": { (g, r, x) throws(WeightError) in try g.apply(.pointwise(.tanh), x, r) },
        "Swish": { (g, r, x) throws(WeightError) in try g.apply(.pointwise(.silu), x, r) },
        "Concat": { (g, r, x) throws(WeightError) in
            try r.expect(0, 0, "concatenation along another axis than channels")
            return try g.apply(.concatenate, x, r)
        },
        "PixelShuffle": { (g, r, x) throws(WeightError) in
            try r.expect(1, 0, "another order of channels")
            let factor = try r.integer(0, "factor", default: 1, in: 1...largestFactor)
            return try g.apply(.pixelShuffle(factor: factor), x, r)
        },
        "BinaryOp": { (g, r, x) throws(WeightError) in try g.binary(&r, x) },
        "Eltwise": { (g, r, x) throws(WeightError) in try g.eltwise(&r, x) },
        "Interp": { (g, r, x) throws(WeightError) in try g.interp(&r, x) },
    ]

    private mutating func convolution(_ r: inout NcnnReader, _ x: [Value]) throws(WeightError) -> Value {
        guard x.count == 1 else { throw r.problem("has \(x.count) inputs, not 1") }
        let inputs = try Self.inputChannels(r.layer, path: path)
        let outputs = try r.integer(0, "outputs", default: 0, in: 1...Self.mostChannels)
        let width = try r.integer(1, "kernel width", default: 0, in: 1...Self.largestKernel)
        let height = try r.integer(11, "kernel height", default: width, in: 1...Self.largestKernel)
        _ = try r.integer(6, "weights", default: 0, in: 1...Self.mostWeights)
        let stride = try r.integer(3, "stride", default: 1, in: 1...16)
        let padding = try r.integer(4, "padding", default: 0, in: 0...64)
        try r.expect(2, 1, "dilation")
        try r.expect(12, 1, "dilation")
        try r.expect(13, stride, "a stride that differs along x and y")
        for key in [14, 15, 16] { try r.expect(key, padding, "padding that differs between sides") }
        try r.expect(8, 0, "8-bit weights")
        try r.expect(18, 0, "padding with another value than 0")
        try r.expect(19, 0, "weights that are not in the file")
        let weight = parameter(r.layer, "weight", [outputs, inputs, height, width], flagged: true)
        var operands = [x[0], weight]
        if try r.integer(5, "bias", default: 0, in: 0...1) != 0 {
            operands.append(parameter(r.layer, "bias", [outputs]))
        }
        let y = try apply(.convolution(stride: stride, padding: padding, groups: 1), operands, r)

        let kind = try r.integer(9, "activation", default: 0, in: 0...Self.mostKinds)
        let values = try r.floats(10, "of the activation")
        switch (kind, values.count) {
        case (0, _): return y
        case (1, _): return try apply(.pointwise(.relu), [y], r)
        case (2, 1): return try apply(.pointwise(.leakyReLU(slope: values[0])), [y], r)
        case (4, _): return try apply(.pointwise(.sigmoid), [y], r)
        default: throw r.problem("its activation (type \(kind)) is not supported")
        }
    }

    private mutating func binary(_ r: inout NcnnReader, _ x: [Value]) throws(WeightError) -> Value {
        let operation = try r.integer(0, "operation", default: 0, in: 0...Self.mostKinds)
        let withScalar = try r.integer(1, "with a number", default: 0, in: 0...1) != 0
        let scalar = try r.float(2, "number", default: 0)
        switch (operation, withScalar) {
        case (0, false): return try apply(.add, x, r)
        case (2, false): return try apply(.multiply, x, r)
        case (0, true): return try apply(.affine(scale: 1, offset: scalar), x, r)
        case (2, true): return try apply(.affine(scale: scalar, offset: 0), x, r)
        default: throw r.problem("its operation (type \(operation)) is not supported")
        }
    }

    /// A product, or a sum with a coefficient for each operand.
    private mutating func eltwise(_ r: inout NcnnReader, _ x: [Value]) throws(WeightError) -> Value {
        let operation = try r.integer(0, "operation", default: 0, in: 0...Self.mostKinds)
        let coefficients = try r.floats(1, "coefficients")
        guard x.count == 2 else { throw r.problem("has \(x.count) inputs, not 2") }
        guard operation == 1 else {
            guard operation == 0, coefficients.isEmpty else {
                throw r.problem("its operation (type \(operation)) is not supported")
            }
            return try apply(.multiply, x, r)
        }
        guard coefficients.isEmpty || coefficients.count == 2 else {
            throw r.problem("has \(coefficients.count) coefficients for 2 inputs")
        }
        var terms = x
        for (index, coefficient) in coefficients.enumerated() where coefficient != 1 {
            terms[index] = try apply(.affine(scale: coefficient, offset: 0), [x[index]], r)
        }
        return try apply(.add, terms, r)
    }

    private mutating func interp(_ r: inout NcnnReader, _ x: [Value]) throws(WeightError) -> Value {
        let kind = try r.integer(0, "filter", default: 0, in: 0...Self.mostKinds)
        let vertical = try r.float(1, "vertical factor", default: 1)
        let horizontal = try r.float(2, "horizontal factor", default: 1)
        try r.expect(3, 0, "a resize to a fixed height")
        try r.expect(4, 0, "a resize to a fixed width")
        try r.expect(5, 0, "a resize to another blob's size")
        try r.expect(6, 0, "a resize with aligned corners")
        guard x.count == 1 else { throw r.problem("has \(x.count) inputs, not 1") }
        guard vertical == horizontal, vertical > 0, vertical <= Float(Self.largestFactor) else {
            throw r.problem("a resize by \(horizontal)x\(vertical) is not supported")
        }
        if kind == 1 {
            guard vertical.rounded() == vertical else {
                throw r.problem("a nearest resize by \(vertical) is not supported")
            }
            return try apply(.upsampleNearest(factor: Int(vertical)), x, r)
        }
        guard kind == 2 || kind == 3 else { throw r.problem("its filter (type \(kind)) is not supported") }
        let shape = shape(x[0])
        let height = Int(Float(shape.height) * vertical)
        let width = Int(Float(shape.width) * horizontal)
        return try apply(.resize(height: height, width: width, kind == 2 ? .bilinear : .bicubic), x, r)
    }
}
