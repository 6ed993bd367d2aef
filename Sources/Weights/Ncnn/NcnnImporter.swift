internal import Network
internal import Tensor

/// Reads a model from ncnn's pair of files.
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
        let theirs = try NcnnGraph(NcnnParam(try file.bytes(0..<file.count), path: path))
        let (architecture, pairs) = try recognise(theirs)
        let weights = try ByteFile(path.dropLast(6) + ".bin")
        var blobs = try readBlobs(theirs.blobs, weights)
        var parameters: Parameters = [:]
        for (ours, blob) in pairs.sorted(by: { precedesInBytes($0.key, $1.key) }) {
            guard let tensor = blobs.removeValue(forKey: blob) else { continue }
            try checkFinite(tensor, ours, path: weights.path)
            parameters[ours] = tensor
        }
        return Model(architecture: architecture, parameters: parameters)
    }

    // MARK: Recognition

    private static func recognise(
        _ theirs: NcnnGraph
    ) throws(WeightError) -> (architecture: any Architecture, pairs: [String: String]) {
        guard let architecture = candidate(theirs) else {
            throw .unknownArchitecture(path: theirs.path, keys: theirs.records.map(\.layer))
        }
        let picture = NcnnGraph.picture
        let graph = architecture.graph(.nhwc(1, picture.height, picture.width, architecture.input.channels))
        var matcher = GraphMatcher()
        return (architecture, try matcher.match(theirs, graph, name: type(of: architecture).name))
    }

    /// The one architecture that the file can be, with hyperparameters counted from its layers; the comparison decides.
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
