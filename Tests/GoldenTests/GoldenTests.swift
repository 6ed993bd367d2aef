import Catalogue
import Glibc
import Network
import Tensor
import Testing
import Weights

/// Golden values are other programs' results: PyTorch with spandrel's networks, agreed with by onnxruntime and ncnn.
@Suite struct GoldenTests {
    @Test func theGoldenFilesAreThere() {
        #expect(GoldenCase.names("rrdbnet").count >= 8)
        #expect(GoldenCase.names("compact").count >= 8)
        #expect(GoldenCase.names("realtime").count >= 4)
        #expect(GoldenCase.names("span").count == 2 && GoldenCase.names("resnet").count == 2)
        #expect(GoldenCase.names("realesr").count == ModelCatalogue.entries.count)
    }

    @Test(arguments: GoldenCase.names("rrdbnet", "compact", "realtime"), goldenExecutors)
    func randomNetwork(_ name: String, _ executor: NamedExecutor) throws {
        let golden = try GoldenCase(name)
        let model = try golden.randomModel()
        for key in golden.file.entries.keys where key.hasPrefix("check.") {
            let drawn = model.parameters[String(key.dropFirst("check.".count))]
            #expect(try golden.file.tensor(key) == drawn, "the weights drawn here are not those of the script")
        }
        try compare(model, golden, executor, name)
    }

    /// Networks from files as other trainers write them.
    @Test(arguments: GoldenCase.names("span") + GoldenCase.names("resnet"), goldenExecutors)
    func networkOfAFile(_ name: String, _ executor: NamedExecutor) throws {
        let model = try Model.load(path: "\(GoldenCase.folder)/files/\(name).safetensors")
        try compare(model, GoldenCase(name), executor, name)
    }

    @Test(arguments: GoldenCase.names("realesr"), goldenExecutors)
    func realModel(_ name: String, _ executor: NamedExecutor) throws {
        let golden = try GoldenCase(name)
        let path: String
        do { path = try ModelCatalogue().resolve(golden.description.model!) } catch {
            // Loud, and a failure where machines are asked to check everything.
            let message = "\(name) was NOT compared with its golden values, its weights cannot be had: \(error)"
            print("warning: \(message)")
            if getenv("CI") != nil { Issue.record("\(message)") }
            withKnownIssue { Issue.record("\(message)") }
            return
        }
        let model = try Model.load(path: path)
        // The weights that the script read by itself are these.
        #expect(model.parameterCount == golden.description.parameters)
        var sum = 0.0
        for tensor in model.parameters.values { for value in tensor.values { sum += Double(abs(value)) } }
        #expect(abs(sum - golden.description.sum!) < 1e-6 * sum)
        try compare(model, golden, executor, name)
    }

    private func compare(_ model: Model, _ golden: GoldenCase, _ executor: NamedExecutor, _ name: String) throws {
        let pictures = try golden.pictures()
        #expect(!pictures.isEmpty)
        var largest: Float = 0
        for (input, output) in pictures {
            let graph = try model.graph(input.shape)
            let plan = try executor.open().compile(graph, parameters: model.parameters)
            let difference = largestDifference(try plan.run([input])[0], output)
            #expect(difference <= 1e-4, "\(input.shape) differs by \(difference)")
            largest = max(largest, difference)
        }
        print("golden \(name) on \(executor.name): largest difference \(largest)")
    }

    // MARK: Single operations

    static let operations: [String] = {
        guard let cases = try? GoldenCase("operations").description.cases else { return [] }
        return cases.keys.sorted()
    }()

    @Test func thereAreOperations() { #expect(Self.operations.count > 40) }

    @Test(arguments: goldenExecutors) func operations(_ executor: NamedExecutor) throws {
        let golden = try GoldenCase("operations")
        for name in Self.operations {
            let description = golden.description.cases![name]!
            let x = try golden.file.tensor(name + ".x")
            var builder = GraphBuilder()
            var operands = [builder.input("x", x.shape)]
            var parameters: Parameters = [:]
            for operand in ["weight", "bias"] where golden.file.entries["\(name).\(operand)"] != nil {
                let tensor = try golden.file.tensor("\(name).\(operand)")
                parameters[operand] = tensor
                operands.append(builder.parameter(operand, tensor.shape))
            }
            let operation = try #require(Self.operation(description), "\(name)")
            let y = try builder.tryApply(operation, operands)
            let plan = try executor.open().compile(builder.finish([y]), parameters: parameters)
            let expected = try golden.file.tensor("output.\(name)")
            let difference = largestDifference(try plan.run([x])[0], expected)
            // Measured against the size of the numbers: Winograd's sums lose more than plain ones.
            let size = expected.values.reduce(1) { max($0, abs($1)) }
            #expect(difference <= 1e-5 * size, "\(name) differs by \(difference)")
        }
    }

    private static func operation(_ d: GoldenCase.OperationDescription) -> Network.Operation? {
        switch d.operation {
        case "resize": ResizeFilter(rawValue: d.filter!).map { .resize(height: d.height!, width: d.width!, $0) }
        case "pixelShuffle": .pixelShuffle(factor: d.factor!)
        case "pixelUnshuffle": .pixelUnshuffle(factor: d.factor!)
        case "prelu": .prelu
        case "convolution": .convolution(stride: d.stride!, padding: d.padding!, groups: d.groups!)
        case "pad":
            .pad(
                Margins(top: d.top!, left: d.left!, bottom: d.bottom!, right: d.right!),
                d.mode == "reflect" ? .reflect : .zero)
        case "silu": .pointwise(.silu)
        case "sigmoid": .pointwise(.sigmoid)
        case "tanh": .pointwise(.tanh)
        case "relu": .pointwise(.relu)
        case "leakyReLU": .pointwise(.leakyReLU(slope: d.slope!))
        default: nil
        }
    }
}
