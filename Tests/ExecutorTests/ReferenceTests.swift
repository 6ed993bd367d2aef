import Network
import Reference
import Tensor
import TestSupport
import Testing

@Suite struct ReferenceTests {
    /// Every primitive has a case: a new one without a test fails here.
    @Test func everyOperationHasACase() {
        let tested = Set((operationCases + trainingOperationCases).flatMap { $0.graph.nodes.map(\.operation.name) })
        let all = Set(
            [
                Operation.input(name: ""), .parameter(name: ""), .convolution(stride: 1, padding: 1, groups: 1),
                .concatenate,
                .sliceChannels(start: 0, count: 1), .upsampleNearest(factor: 2), .pixelShuffle(factor: 2),
                .pixelUnshuffle(factor: 2), .resize(height: 1, width: 1, .nearest), .pad(Margins(), .zero),
                .crop(Margins()), .constant([]),
                .convolutionTranspose(stride: 1, padding: 1, groups: 1, height: 1, width: 1),
                .convolutionWeightGradient(stride: 1, padding: 1, groups: 1, kernelHeight: 1, kernelWidth: 1),
                .sum(to: []), .mean(to: []), .broadcast(to: []), .reshape([]), .transpose([]),
                .product(transposeLeft: false, transposeRight: false), .sumPool(factor: 1),
                .resizeAdjoint(height: 1, width: 1, .nearest), .padAdjoint(Margins(), .zero), .detach, .again(0),
            ].map(\.name) + PointwiseFunction.Name.allCases.map(\.rawValue))
        #expect(tested == all)
    }

    @Test(arguments: operationCases + networkCases + trainingOperationCases)
    func runs(_ test: OperationCase) throws {
        let plan = try ReferenceExecutor().compile(test.graph, parameters: test.parameters)
        let outputs = try plan.run(test.inputs)
        #expect(outputs.map(\.shape) == plan.outputShapes)
        #expect(outputs.allSatisfy { $0.values.allSatisfy(\.isFinite) })
        #expect(
            outputs.allSatisfy { Set($0.values).count > 1 || $0.values.count < 4 }, "a constant result tests nothing")
    }

    /// A convolution computed by hand.
    @Test func convolutionByHand() throws {
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 2, 2, 1))
        let y = b.convolution(x, "c", to: 1)
        let graph = b.finish([y])
        let parameters: Parameters = [
            "c.weight": HostTensor([1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]), "c.bias": HostTensor([1], [0.5]),
        ]
        let plan = try ReferenceExecutor().compile(graph, parameters: parameters)
        let result = try plan.run([HostTensor(.nhwc(1, 2, 2, 1), [1, 10, 100, 1000])])
        // (0,0): 5*1 + 6*10 + 8*100 + 9*1000 and so on.
        #expect(result[0].values == [9865.5, 8754.5, 6532.5, 5421.5])
    }

    @Test func missingAndMisshapenParametersAreNamed() {
        let graph = SRVGGNetCompact(features: 4, convolutions: 1).graph(.nhwc(1, 2, 2, 3))
        var parameters = randomParameters(graph, seed: 1)
        parameters["body.2.weight"] = HostTensor([4, 4, 1, 1])
        #expect { try ReferenceExecutor().compile(graph, parameters: parameters) } throws: {
            "\($0)".contains("body.2.weight") && "\($0)".contains("[4, 4, 3, 3]")
        }
        parameters["body.2.weight"] = nil
        #expect { try ReferenceExecutor().compile(graph, parameters: parameters) } throws: {
            "\($0)".contains("body.2.weight")
        }
    }
}
