import Network
import OperationCases
import Reference
import Tensor
import Testing

@testable import Weights

/// A network of one re-parameterised convolution, as SPAN's files have it: branches, and a stale sum of them.
private struct Branches: Architecture {
    static let name = "Branches"
    var channels = 3
    /// A share, as the metadata has to keep it.
    var slope = 0.125
    var gain: Float = 0.1
    var isPlain = false

    var input: ImagePort { ImagePort("image", channels: channels) }
    var problem: String? { channels >= 1 && slope <= 1 ? nil : "Branches cannot be so" }

    func build(_ b: inout GraphBuilder, _ x: Value) -> Value {
        b.leakyReLU(b.convolution(x, "body", to: channels), Float(slope))
    }

    static func recognise(_ shapes: [String: Shape]) -> RecognisedArchitecture? {
        guard let skip = shapes["body.sk.weight"], skip.rank == 4 else { return nil }
        let layer = Conv3XC.folded("body.")
        return RecognisedArchitecture(
            architecture: Branches(channels: skip[0]),
            rules: [WeightRule("body.weight", layer.weight), WeightRule("body.bias", layer.bias!)],
            ignored: ["body.eval_conv.weight"])
    }
}

/// Networks with rules in files, and metadata with fractions.
@Suite struct DefinitionTests {
    let scratch = Scratch()

    private func branches(_ prefix: String = "") -> [String: HostTensor] {
        var tensors: [String: HostTensor] = [:]
        for (index, entry) in Conv3XC.shapes(3, 3).sorted(by: { $0.key < $1.key }).enumerated() {
            tensors[prefix + "body." + entry.key] = randomTensor(entry.value, seed: UInt64(index))
        }
        tensors[prefix + "body.eval_conv.weight"] = HostTensor([3, 3, 3, 3], repeating: .nan)
        return tensors
    }

    private func load(_ tensors: [String: HostTensor], _ metadata: [String: String] = [:]) throws -> Model {
        try writeSafetensors(scratch("m.safetensors"), tensors: tensors, metadata: metadata)
        return try Model.load(SafetensorsFile(path: scratch("m.safetensors")), known: [Branches.self])
    }

    @Test(arguments: ["", "params_ema.", "module.model."]) func branchesAreFolded(_ container: String) throws {
        let model = try load(branches(container))
        #expect(model.descriptor.architecture == "Branches" && model.descriptor.receptiveFieldRadius == 1)
        let layer = Conv3XC.folded("body.")
        #expect(
            model.parameters == [
                "body.weight": layer.weight.value(branches()), "body.bias": layer.bias!.value(branches()),
            ])
    }

    @Test func partsThatAreMissingOrDoNotFit() throws {
        let path = scratch("m.safetensors")
        func error(_ change: (inout [String: HostTensor]) -> Void) -> WeightError? {
            var tensors = branches()
            change(&tensors)
            return weightError { _ = try load(tensors) }
        }
        #expect(
            error { $0["body.conv.1.bias"] = nil }
                == .missingPart(path: path, tensor: "body.conv.1.bias", parameter: "body.weight"))
        #expect(
            error { $0["body.conv.1.bias"] = nil }?.description
                == "\(path): lacks tensor 'body.conv.1.bias', of which 'body.weight' is made")
        #expect(
            error { $0["body.conv.2.weight"] = HostTensor([3, 5, 1, 1]) }
                == .unfittingParts(
                    path: path, parameter: "body.weight",
                    reason: "a convolution [3, 5, 1, 1] reads 5 channels of one with 6"))
        #expect(
            error { $0["body.conv.1.weight"] = HostTensor([6, 6, 5, 5]) }
                == .unfittingParts(
                    path: path, parameter: "body.weight",
                    reason: "[3, 3, 3, 3] does not fit the first term, which is [3, 3, 5, 5]"))
        #expect(
            error { $0["body.more"] = HostTensor([1]) }
                == .unexpectedTensor(path: path, tensor: "body.more", architecture: "Branches"))
        #expect(
            error { $0["body.sk.bias"]!.values[1] = .infinity }
                == .notFinite(path: path, tensor: "body.sk.bias", value: .infinity))
        // Finite parts whose product is not.
        guard
            case .notFinite(path, "body.weight", _)? = error({
                for index in 0..<3 {
                    let shape = $0["body.conv.\(index).weight"]!.shape
                    $0["body.conv.\(index).weight"] = HostTensor(shape, repeating: 1e30)
                }
            })
        else {
            Issue.record("an infinite product was taken")
            return
        }
    }

    // MARK: Metadata

    @Test func hyperparametersMayBeFractions() throws {
        let architecture = Branches(channels: 2, slope: 0.3, gain: 0.7, isPlain: true)
        let model = randomModel(architecture, seed: 1)
        #expect(
            model.definition.hyperparameters == [
                "channels": .integer(2), "slope": .number(0.3), "gain": .number(0.7), "isPlain": .flag(true),
            ])
        try model.save(path: scratch("m.safetensors"))
        let read = try Model.load(SafetensorsFile(path: scratch("m.safetensors")), known: [Branches.self])
        #expect(read.architecture as? Branches == architecture)
        #expect(read.parameters == model.parameters && read.descriptor == model.descriptor)
        let text = try SafetensorsFile(path: scratch("m.safetensors")).metadata["upframe"]!
        for (old, new, word) in [
            ("0.3", "-4095.5", nil), ("0.3", "1e-9", nil), ("0.3", "2.5", "cannot be so"),
            (
                "0.3", "4097.5",
                "'slope' 4097.5; it must be a whole number between 0 and 4096, or a fraction between -4096"
            ),
            ("0.3", "1e999", "'slope' 1e999"), ("0.3", "-3", "'slope' -3"),
            ("0.3", "\"much\"", "not what upframe writes"),
            ("0.3", "0." + String(repeating: "3", count: 1000), "must be"), ("0.3", "[0.3]", "not what upframe writes"),
            ("\"channels\":2", "\"channels\":2.5", "not what upframe writes"),
            ("0.3", "null", "not what upframe writes"),
        ] as [(String, String, String?)] {
            let changed = text.replacing(
                old.replacing("0.3", with: "\"slope\":0.3"), with: (old == "0.3" ? "\"slope\":" : "") + new)
            #expect(changed != text)
            let error = weightError { _ = try load(model.parameters, ["upframe": changed]) }
            if let word {
                #expect(error?.description.contains(word) == true, "\(new): \(String(describing: error))")
            } else {
                #expect(error == nil, "\(new)")
            }
        }
    }

    /// As commit b4f123a wrote it.
    @Test func olderFilesOpen() throws {
        let architecture = SRVGGNetCompact(features: 5, convolutions: 2, upscale: 2)
        let model = randomModel(architecture, seed: 4)
        let text =
            #"{"architecture":"SRVGGNetCompact","colour":"gammaRGB","format":1,"hyperparameters":{"activation":"prelu","#
            + #""convolutions":2,"features":5,"inputChannels":3,"outputChannels":3,"upscale":2},"provenance":{"name":"n"},"#
            + #""receptiveFieldRadius":4,"scale":2,"sha256":"DIGEST","training":{"iterations":7,"metrics":{"psnr":31.25}}}"#
        try writeSafetensors(scratch("o.safetensors"), tensors: model.parameters, dtype: .fp32) { digest in
            ["upframe": text.replacing("DIGEST", with: digest)]
        }
        let read = try Model.load(path: scratch("o.safetensors"))
        #expect(read.architecture as? SRVGGNetCompact == architecture)
        #expect(read.parameters == model.parameters)
        #expect(read.metadata.provenance?.name == "n" && read.metadata.training?.metrics == ["psnr": 31.25])
        // And what is written has not changed.
        try read.save(path: scratch("n.safetensors"))
        #expect(readBytes(scratch("n.safetensors")) == readBytes(scratch("o.safetensors")))
    }

    @Test func definitionsThatAreNoModels() throws {
        let halving = NetworkDefinition(name: "halving", inputs: [ImagePort("image", channels: 3)]) {
            (b, values) throws(GraphError) in [try b.tryApply(.pixelUnshuffle(factor: 2), [values[0]])]
        }
        #expect(throws: GraphError.self) { try Model(definition: halving, parameters: [:]) }
        let doubling = NetworkDefinition(name: "doubling", inputs: [ImagePort("image", channels: 3)]) {
            (b, values) throws(GraphError) in [try b.tryApply(.upsampleNearest(factor: 2), [values[0]])]
        }
        let model = try Model(definition: doubling, parameters: [:])
        #expect(model.descriptor.scale == 2 && model.architecture == nil)
        guard case .unwritable? = weightError({ try model.save(path: scratch("x.safetensors")) }) else {
            Issue.record("written without an architecture")
            return
        }
    }
}
