internal import Network
internal import Tensor

/// Reads a model from ncnn's pair of files: as the architecture that it is, or as the network that the file describes.
enum NcnnImporter {
    /// Whether a file that begins with these bytes is a .param file.
    static func recognises(_ start: [UInt8]) -> Bool {
        start.starts(with: Array(NcnnParam.magic.utf8)) && (start.count == 7 || start[7] == 0x0A || start[7] == 0x0D)
    }

    static func load(param file: ByteFile) throws(WeightError) -> Model {
        let path = file.path
        guard path.hasSuffix(".param") else {
            throw .unsupportedFormat(
                path: path, format: "an ncnn graph", remedy: "name it NAME.param, with NAME.bin beside it")
        }
        guard file.count <= NcnnParam.largestFile else {
            throw .corruptHeader(
                path: path, reason: "it has \(file.count) bytes; a graph has \(NcnnParam.largestFile) at most")
        }
        let param = try NcnnParam(try file.bytes(0..<file.count), path: path)
        let theirs = try graph(param)
        let definition =
            if let known = theirs.size == NcnnGraph.picture ? recognise(theirs) : nil { known } else {
                try network(param, inputChannels: theirs.inputChannels)
            }
        let weights = try ByteFile(path.dropLast(6) + ".bin")
        let blobs = try readBlobs(theirs.blobs, weights)
        var parameters: Parameters = [:]
        for rule in definition.rules ?? [] {
            let value = rule.value.value(blobs)
            try checkFinite(value, rule.parameter, path: weights.path)
            parameters[rule.parameter] = value
        }
        do { return try Model(definition: definition, parameters: parameters) } catch {
            throw .unusableNetwork(path: path, reason: error.reason)
        }
    }

    // MARK: Networks

    /// The network for an image of 8x12 pixels, or for a larger one where it does not take that.
    private static func graph(_ param: NcnnParam) throws(WeightError) -> NcnnGraph {
        do { return try NcnnGraph(param, size: NcnnGraph.picture) } catch {
            if let larger = try? NcnnGraph(param, size: Extent(height: 240, width: 480)) { return larger }
            throw error
        }
    }

    /// The network as the file describes it, for images of any size: their right and bottom edges are reflected up to sizes
    /// that suit the network's strides. Its parameters are the file's blobs.
    ///
    /// - Throws: `WeightError.unusableNetwork` where it does not make one image of another, larger by a whole factor.
    private static func network(_ param: NcnnParam, inputChannels: Int) throws(WeightError) -> NetworkDefinition {
        @Sendable func build(_ builder: inout GraphBuilder, _ values: [Value]) throws(GraphError) -> [Value] {
            do throws(WeightError) {
                let graph = try NcnnGraph(param, after: builder, image: values[0])
                builder = graph.builder
                return [graph.output]
            } catch {
                throw GraphError(
                    operation: "ncnn", operands: values.map { builder.shape($0) }, reason: error.description)
            }
        }
        func define(_ rules: [WeightRule]) -> NetworkDefinition {
            NetworkDefinition(
                name: "ncnn", inputs: [ImagePort("image", channels: inputChannels)], rules: rules,
                build: { (b, values) throws(GraphError) in try build(&b, values) })
        }
        do throws(GraphError) {
            let rules = try define([]).parameterShapes().map { WeightRule($0.name, .tensor($0.name)) }
            let definition = try define(rules).padded()
            let scale = try ModelDescriptor(definition).scale
            guard scale <= largestScale else {
                throw GraphError(
                    operation: "ncnn", operands: [],
                    reason: "it makes images \(scale) times as large; \(largestScale) is the most")
            }
            return definition
        } catch {
            throw .unusableNetwork(path: param.path, reason: error.reason)
        }
    }

    /// Output pixels per input pixel that a network may have, as our own architectures.
    private static let largestScale = 16

    // MARK: Recognition

    /// The architecture that the network is exactly, if any, with rules that find its parameters among the blobs.
    private static func recognise(_ theirs: NcnnGraph) -> NetworkDefinition? {
        guard let architecture = candidate(theirs) else { return nil }
        let picture = NcnnGraph.picture
        let graph = architecture.graph(.nhwc(1, picture.height, picture.width, architecture.input.channels))
        var matcher = GraphMatcher()
        guard let pairs = try? matcher.match(theirs, graph, name: type(of: architecture).name) else { return nil }
        return RecognisedArchitecture(architecture: architecture, keys: pairs).definition
    }

    /// The one architecture that the file can be, with hyperparameters counted from its layers; a comparison decides.
    private static func candidate(_ theirs: NcnnGraph) -> (any Architecture)? {
        var weights: [Shape] = []
        var upsamplings = 0
        var shuffle: Int?
        var slopes = false
        var firstSlope: Float?
        for record in theirs.records {
            switch record.operation {
            case .convolution: weights.append(theirs.records[record.operands[1].index].shape)
            case .upsampleNearest: upsamplings += 1
            case .pixelShuffle(let factor): shuffle = factor
            case .pointwise(.prelu): slopes = true
            case .pointwise(.leakyReLU(let slope)): firstSlope = firstSlope ?? slope
            default: break
            }
        }
        guard weights.count >= 2 else { return nil }
        let (inputs, features) = (weights[0][1], weights[0][0])
        let outputs = theirs.shape(theirs.output)
        let architecture: any Architecture
        if let shuffle {
            guard outputs.height % NcnnGraph.picture.height == 0 else { return nil }
            architecture = SRVGGNetCompact(
                inputChannels: inputs, outputChannels: inputs, features: features, convolutions: weights.count - 2,
                upscale: shuffle, activation: slopes ? .prelu : firstSlope == 0 ? .relu : .leakyReLU,
                outputScale: outputs.height / NcnnGraph.picture.height)
        } else {
            // First, trunk's end, one after each upsampling, and two at the end stand outside the dense blocks.
            let inBlocks = weights.count - 4 - upsamplings
            guard inBlocks >= 15, inBlocks % 15 == 0 else { return nil }
            architecture = RRDBNet(
                inputChannels: inputs, outputChannels: outputs.channels, features: features, growth: weights[1][0],
                blocks: inBlocks / 15, upsamplings: upsamplings)
        }
        return architecture.problem == nil ? architecture : nil
    }

    // MARK: Weights

    /// Reads the .bin file whole.
    private static func readBlobs(_ blobs: [NcnnGraph.Blob], _ file: ByteFile) throws(WeightError) -> [String:
        HostTensor]
    {
        var offset = 0
        var tensors: [String: HostTensor] = [:]
        func values<T: BitwiseCopyable>(_ type: T.Type, _ count: Int) throws(WeightError) -> [T] {
            let values = try file.elements(type, count: count, at: offset)
            // 16-bit data are filled up to a multiple of four bytes.
            offset += (count * MemoryLayout<T>.stride + 3) & ~3
            return values
        }
        for blob in blobs {
            switch blob {
            case .plain(let name, let shape):
                tensors[name] = HostTensor(shape, try values(Float.self, shape.count))
            case .flagged(let name, let shape):
                switch try values(UInt32.self, 1)[0] {
                case 0: tensors[name] = HostTensor(shape, try values(Float.self, shape.count))
                case 0x0130_6B47:
                    tensors[name] = HostTensor(shape, try values(UInt16.self, shape.count).map(floatFromHalf))
                case 0x000D_4B38:
                    throw .unsupportedFormat(
                        path: file.path, format: "quantised to 8 bits", remedy: "use the model's fp16 or fp32 file")
                case let flag:
                    throw .corruptHeader(
                        path: file.path,
                        reason:
                            "weights at byte \(offset - 4) are stored in an unknown way (0x\(String(flag, radix: 16)))")
                }
            }
        }
        guard offset == file.count else {
            if offset > file.count {
                throw .truncated(path: file.path, expectedBytes: offset, foundBytes: file.count)
            }
            throw .corruptHeader(
                path: file.path, reason: "it holds \(file.count - offset) bytes more than the network's \(offset)")
        }
        return tensors
    }
}
