import FoundationEssentials
import Network
import Reference
import Tensor
import TestSupport
import Testing
import VulkanExecutor
import Weights

@testable import Autodiff

/// First and second derivatives on a device: the GPU if there is one, else the software driver.
@Suite(.serialized) struct VulkanDerivativeTests {
    private static let executor = Result {
        try VulkanExecutor(precision: .fp32, allowSoftware: true, validation: true, cacheDirectory: nil)
    }
    private static let golden = Result { try SafetensorsFile(path: "\(goldenFolder)/gradients.safetensors") }

    /// Against derivatives in double precision, which finite differences agree with (`AutodiffTests`), and against
    /// PyTorch's where it has the function.
    @Test(arguments: derivativeCases)
    func derivatives(_ test: DerivativeCase) throws {
        let executor = try Self.executor.get()
        let file = try Self.golden.get()
        let (_, first, second) = test.graphs()
        for (kind, graph) in [("first", first), ("second", second)] {
            let inputs = test.arguments.map(\.rounded)
            let found = try executor.compile(graph, parameters: [:]).run(inputs).map { PreciseTensor($0) }
            let exact = ReferenceExecutor.evaluate(graph, parameters: [:], inputs: test.arguments).outputs
            #expect(disagreement(found, exact) < 2e-5, "\(kind)")
            guard file.entries["\(test.name).\(kind).0"] != nil else { continue }
            let theirs = try test.shapes.indices.map {
                PreciseTensor(try file.tensor("\(test.name).\(kind).\($0)"))
            }
            #expect(disagreement(Array(found.prefix(theirs.count)), theirs) < 2e-5, "\(kind), PyTorch's")
        }
        #expect(executor.validationMessages.first == nil)
    }
}
