import Glibc
import Network
import Tensor
import Testing

@testable import Weights

private let compact = SRVGGNetCompact(features: 5, convolutions: 2, upscale: 2, activation: .prelu)
private let rrdbnet = RRDBNet(features: 6, growth: 4, blocks: 2)

@Suite struct ModelTests {
    let scratch = Scratch()

    static let architectures: [any Architecture] = [
        compact, rrdbnet,
        SRVGGNetCompact(features: 5, convolutions: 1, upscale: 4, activation: .leakyReLU),
        SRVGGNetCompact(features: 5, convolutions: 0, upscale: 3, activation: .relu),
        SRVGGNetCompact(features: 5, convolutions: 1, upscale: 4, outputScale: 2),
        SRVGGNetCompact(features: 5, convolutions: 1, upscale: 4, outputScale: 3),
        RRDBNet(features: 6, growth: 4, blocks: 1, unshuffle: 2),
        RRDBNet(features: 6, growth: 4, blocks: 1, unshuffle: 4),
        RRDBNet(features: 6, growth: 4, blocks: 1, upsamplings: 3),
    ]

    @Test(arguments: architectures.indices) func saveAndLoad(_ index: Int) throws {
        var model = randomModel(Self.architectures[index], seed: UInt64(index))
        model.metadata = ModelMetadata(
            provenance: .init(name: "n", source: "a/b \"c\"", licence: "MIT", credit: "ü"),
            training: .init(
                recipeHash: "ab", iterations: 5, dataset: "d", metrics: ["psnr": 31.25, "loss": .infinity]))
        try model.save(path: scratch("m.safetensors"))
        let read = try Model.load(path: scratch("m.safetensors"))
        #expect(AnyHashable(read.architecture!) == AnyHashable(model.architecture!))
        #expect(read.parameters == model.parameters)
        #expect(read.metadata == model.metadata)
        #expect(read.descriptor == model.descriptor)

        try model.save(path: scratch("h.safetensors"), dtype: .fp16)
        let half = try Model.load(path: scratch("h.safetensors"))
        #expect(
            half.parameters == model.parameters.mapValues { HostTensor($0.shape, $0.values.map { Float(Float16($0)) }) }
        )
    }

    /// The digest as it is defined in words, computed the plain way.
    @Test func digestIsAsDefined() throws {
        let model = randomModel(compact, seed: 3)
        try model.save(path: scratch("m.safetensors"))
        var bytes: [UInt8] = []
        for name in model.parameters.keys.sorted(by: { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }) {
            let tensor = model.parameters[name]!
            let extents = tensor.shape.dimensions.map(String.init).joined(separator: ",")
            bytes += Array("\(name)\nF32\n\(extents)\n".utf8)
            for value in tensor.values { bytes += withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
        }
        let text = try SafetensorsFile(path: scratch("m.safetensors")).metadata["upframe"]!
        #expect(text.contains("\"sha256\":\"\(sha256(bytes))\""))
    }

    @Test func aChangedTensorIsDamage() throws {
        let path = scratch("m.safetensors")
        try randomModel(compact, seed: 1).save(path: path)
        var bytes = readBytes(path)
        bytes[bytes.count - 100] ^= 1
        write(bytes, path)
        #expect(weightError { _ = try Model.load(path: path) } == .damaged(path: path))
    }

    // MARK: Other programs' files

    @Test func filesOfOtherPrograms() throws {
        let folder = testsFolder + "/Golden/data/files/"
        let new = try Model.load(path: folder + "rrdbnet-new-f32.safetensors")
        #expect(new.architecture as? RRDBNet == rrdbnet)
        let old = try Model.load(path: folder + "rrdbnet-old-f16.safetensors")
        #expect(old.architecture as? RRDBNet == rrdbnet)
        #expect(
            old.parameters == new.parameters.mapValues { HostTensor($0.shape, $0.values.map { Float(Float16($0)) }) })
        let brain = try Model.load(path: folder + "rrdbnet-new-bf16.safetensors")
        for (name, tensor) in new.parameters {
            for (a, b) in zip(tensor.values, brain.parameters[name]!.values) { #expect(abs(a - b) <= abs(a) / 256) }
        }
        let double = try Model.load(path: folder + "compact-f64.safetensors")
        #expect(double.architecture as? SRVGGNetCompact == compact)
    }

    /// The names of the three generations of ESRGAN's code, spelt out rather than derived.
    static func renamed(_ name: String, style: String, blocks: Int, upsamplings: Int) -> String {
        let parts = name.split(separator: ".").map(String.init)
        switch (style, parts[0]) {
        case ("new", _): return name
        case ("mid", "body"): return "RRDB_trunk.\(parts[1]).RDB\(parts[2].dropFirst(3)).\(parts[3]).\(parts[4])"
        case ("mid", "conv_body"): return "trunk_conv.\(parts[1])"
        case ("mid", "conv_hr"): return "HRconv.\(parts[1])"
        case ("mid", "conv_first"), ("mid", "conv_last"): return name
        case ("mid", _): return "upconv\(parts[0].dropFirst(7)).\(parts[1])"
        case (_, "body"): return "model.1.sub.\(parts[1]).RDB\(parts[2].dropFirst(3)).\(parts[3]).0.\(parts[4])"
        case (_, "conv_first"): return "model.0.\(parts[1])"
        case (_, "conv_body"): return "model.1.sub.\(blocks).\(parts[1])"
        case (_, "conv_hr"): return "model.\([2, 5, 8, 11][upsamplings]).\(parts[1])"
        case (_, "conv_last"): return "model.\([4, 7, 10, 13][upsamplings]).\(parts[1])"
        default: return "model.\([3, 6, 9][Int(parts[0].dropFirst(7))! - 1]).\(parts[1])"
        }
    }

    @Test(
        arguments: ["new", "mid", "old"],
        ["", "module.", "params_ema.", "params.module.", "netG.", "state_dict.model."])
    func everyNamingStyle(_ style: String, _ container: String) throws {
        for (upsamplings, unshuffle, blocks) in [(2, 1, 2), (2, 2, 1), (2, 4, 3), (1, 1, 1), (3, 1, 2)] {
            let architecture = RRDBNet(
                features: 6, growth: 4, blocks: blocks, upsamplings: upsamplings, unshuffle: unshuffle)
            let model = randomModel(architecture, seed: 9)
            var tensors: [String: HostTensor] = [:]
            for (name, tensor) in model.parameters {
                let key = Self.renamed(name, style: style, blocks: blocks, upsamplings: upsamplings)
                tensors[container + key] = tensor
            }
            try writeSafetensors(scratch("m.safetensors"), tensors: tensors)
            let read = try Model.load(path: scratch("m.safetensors"))
            #expect(read.architecture as? RRDBNet == architecture)
            #expect(read.parameters == model.parameters)
        }
    }

    @Test(arguments: [SRVGGNetCompact.Kind.prelu, .relu, .leakyReLU], [1, 2, 3, 4])
    func compactWithoutEntry(_ activation: SRVGGNetCompact.Kind, _ upscale: Int) throws {
        let model = randomModel(
            SRVGGNetCompact(features: 7, convolutions: 3, upscale: upscale, activation: activation), seed: 2)
        let tensors = Dictionary(uniqueKeysWithValues: model.parameters.map { ("module." + $0.key, $0.value) })
        try writeSafetensors(scratch("m.safetensors"), tensors: tensors)
        let read = try Model.load(path: scratch("m.safetensors"))
        // Keys cannot tell ReLU from LeakyReLU; the entry that we write can.
        var expected = model.architecture as! SRVGGNetCompact
        if activation == .leakyReLU { expected.activation = .relu }
        #expect(read.architecture as? SRVGGNetCompact == expected)
        #expect(read.parameters == model.parameters)
    }

    @Test func theAveragedNetworkIsPreferred() throws {
        let (plain, averaged) = (randomModel(compact, seed: 1), randomModel(compact, seed: 2))
        var tensors: [String: HostTensor] = [:]
        for (name, tensor) in plain.parameters { tensors["params." + name] = tensor }
        for (name, tensor) in averaged.parameters { tensors["params_ema." + name] = tensor }
        try writeSafetensors(scratch("m.safetensors"), tensors: tensors)
        #expect(try Model.load(path: scratch("m.safetensors")).parameters == averaged.parameters)
    }

    // MARK: Files that must be refused

    private func loadError(_ tensors: [String: HostTensor], metadata: [String: String] = [:]) throws -> WeightError? {
        try writeSafetensors(scratch("m.safetensors"), tensors: tensors, metadata: metadata)
        return weightError { _ = try Model.load(path: scratch("m.safetensors")) }
    }

    @Test func unknownArchitectureNamesSomeKeys() throws {
        let tensors = ["zeta": HostTensor([1]), "alpha.weight": HostTensor([2, 2])]
        let error = try loadError(tensors)
        #expect(error == .unknownArchitecture(path: scratch("m.safetensors"), keys: ["alpha.weight", "zeta"]))
        #expect(error!.description.contains("'alpha.weight'"))
    }

    @Test func aVariantWithMoreTensorsIsRefused() throws {
        var tensors = randomModel(rrdbnet, seed: 1).parameters
        tensors["body.0.rdb1.conv1x1.weight"] = HostTensor([4, 6, 1, 1])
        #expect(
            try loadError(tensors)
                == .unexpectedTensor(
                    path: scratch("m.safetensors"), tensor: "body.0.rdb1.conv1x1.weight", architecture: "RRDBNet"))
    }

    @Test func missingTensor() throws {
        var tensors = randomModel(rrdbnet, seed: 1).parameters
        tensors["body.1.rdb2.conv3.bias"] = nil
        #expect(
            try loadError(tensors)
                == .missingTensor(path: scratch("m.safetensors"), tensor: "body.1.rdb2.conv3.bias", expected: [4]))
    }

    @Test func wrongShape() throws {
        var tensors = randomModel(rrdbnet, seed: 1).parameters
        tensors["conv_hr.weight"] = HostTensor([6, 6, 5, 5])
        #expect(
            try loadError(tensors)
                == .wrongShape(
                    path: scratch("m.safetensors"), tensor: "conv_hr.weight", found: [6, 6, 5, 5],
                    expected: [6, 6, 3, 3]))
    }

    @Test func absurdEntries() throws {
        let tensors = randomModel(compact, seed: 1).parameters
        func entry(_ hyperparameters: String, architecture: String = "SRVGGNetCompact", format: Int = 1) -> [String:
            String]
        {
            [
                "upframe": """
                {"format":\(format),"architecture":"\(architecture)","hyperparameters":\(hyperparameters),"scale":2,
                "colour":"gammaRGB","receptiveFieldRadius":4,"sha256":""}
                """
            ]
        }
        let good =
            #"{"inputChannels":3,"outputChannels":3,"features":5,"convolutions":2,"upscale":2,"activation":"prelu","outputScale":2}"#
        #expect(try loadError(tensors, metadata: entry(good)) == .damaged(path: scratch("m.safetensors")))
        for (metadata, word) in [
            (entry(good.replacing("\"convolutions\":2", with: "\"convolutions\":2000000000")), "convolutions"),
            (entry(good.replacing("\"features\":5", with: "\"features\":-5")), "features"),
            (entry(good.replacing("\"features\":5", with: "\"features\":9223372036854775807")), "features"),
            (
                entry(good.replacing("\"features\":5", with: "\"features\":0")),
                "features' is 0; it must be between 1 and 1024"
            ),
            (entry(good.replacing("\"outputScale\":2", with: "\"outputScale\":3")), "scale"),
            (entry(good.replacing("prelu", with: "gelu")), "not what upframe writes"),
            (entry(good, architecture: "Perceiver"), "Perceiver"),
            (entry(good, format: 9), "newer"),
            (entry("[]"), "hyperparameters"),
            (["upframe": "nonsense"], "no JSON object"),
        ] {
            let error = try loadError(tensors, metadata: metadata)
            guard case .corruptHeader(_, let reason)? = error else {
                Issue.record("\(metadata): \(String(describing: error))")
                continue
            }
            #expect(reason.contains(word), "\(reason)")
        }
        let wider = good.replacing("\"features\":5", with: "\"features\":6")
        guard case .wrongShape? = try loadError(tensors, metadata: entry(wider)) else {
            Issue.record("the entry contradicts the tensors")
            return
        }
    }

    @Test func notWeightFiles() throws {
        let missing = scratch("missing.safetensors")
        #expect(weightError { _ = try Model.load(path: missing) } == .missing(path: missing))
        #expect(weightError { _ = try Model.load(path: scratch.path) } == .directory(path: scratch.path))
        write("", scratch("empty.safetensors"))
        guard case .truncated? = weightError({ _ = try Model.load(path: scratch("empty.safetensors")) }) else {
            Issue.record("an empty file")
            return
        }
        write("Once upon a time there was a text file.", scratch("text"))
        #expect(weightError { _ = try Model.load(path: scratch("text")) } == .notWeights(path: scratch("text")))
        write("Once upon a time there was a text file.", scratch("text.safetensors"))
        guard case .corruptHeader? = weightError({ _ = try Model.load(path: scratch("text.safetensors")) }) else {
            Issue.record("a text file named .safetensors")
            return
        }
        write([0x50, 0x4B, 3, 4, 0, 0, 0, 0, 0, 0], scratch("m.pth"))
        guard case .unsupportedFormat? = weightError({ _ = try Model.load(path: scratch("m.pth")) }) else {
            Issue.record("a checkpoint")
            return
        }
        #expect(mkfifo(scratch("pipe"), 0o600) == 0)
        #expect(weightError { _ = try Model.load(path: scratch("pipe")) } == .notWeights(path: scratch("pipe")))
    }
}
