import FoundationEssentials
import Network
import Reference
import Tensor
import TestSupport
import Testing
import Weights

@testable import Autodiff

/// First and second derivatives as PyTorch computes them; see Tests/Golden/make_training.py.
@Suite struct GoldenDerivativeTests {
    private struct Description: Decodable { var cases: [String] }

    @Test func pyTorchAgrees() throws {
        let file = try SafetensorsFile(path: "\(goldenFolder)/gradients.safetensors")
        let names = try JSONDecoder().decode(Description.self, from: Data(file.metadata["golden"]!.utf8)).cases
        let known = Dictionary(uniqueKeysWithValues: derivativeCases.map { ($0.name, $0) })
        #expect(names.count > 60)
        for name in names {
            guard let test = known[name] else {
                Issue.record("no case '\(name)'")
                continue
            }
            let (_, first, second) = test.graphs()
            let arguments = test.arguments
            for (kind, graph) in [("first", first), ("second", second)] {
                let found = ReferenceExecutor.evaluate(graph, parameters: [:], inputs: arguments).outputs
                let expected = try test.shapes.indices.map {
                    PreciseTensor(try file.tensor("\(name).\(kind).\($0)"))
                }
                // The file holds single precision.
                #expect(disagreement(Array(found.prefix(expected.count)), expected) < 1e-6, "\(kind) of \(name)")
            }
        }
        // What PyTorch has no function for; finite differences check these too.
        let missing = Set(known.keys).subtracting(names).filter { !$0.contains("Adjoint") }
        #expect(
            missing == [
                "step", "greater", "floor", "greater, vector", "again", "pad reflect",
                "convolutionWeightGradient 3x3 groups 2",
                "convolutionWeightGradient 3x3 depthwise stride 2",
            ])
    }
}
