import Network
import Planning
import Reference
import Tensor
import TestSupport
import Testing

@Suite struct ArchitectureTests {
    private func shapes(_ architecture: any Architecture) -> [String: Shape] {
        let graph = architecture.graph(.nhwc(1, 8, 8, architecture.input.channels))
        return Dictionary(uniqueKeysWithValues: graph.parameters.map { ($0.name, $0.shape) })
    }

    private func count(_ architecture: any Architecture) -> Int {
        shapes(architecture).values.reduce(0) { $0 + $1.count }
    }

    /// The published parameter counts.
    @Test func parameterCounts() {
        #expect(count(RRDBNet()) == 16_697_987)
        #expect(count(RRDBNet(blocks: 6)) == 4_467_779)
        #expect(count(RRDBNet(unshuffle: 2)) == 16_703_171)
        #expect(count(SRVGGNetCompact()) == 621_424)
        #expect(count(SRVGGNetCompact(convolutions: 32)) == 1_213_296)
    }

    @Test func workPerPixel() {
        let compact = SRVGGNetCompact().graph(.nhwc(1, 10, 10, 3)).multiplyAdds
        #expect(abs(Double(compact) / 100 - 0.62e6) < 0.01e6)
        let large = RRDBNet().graph(.nhwc(1, 10, 10, 3)).multiplyAdds
        #expect(abs(Double(large) / 100 - 17.9e6) < 0.1e6)
    }

    static let variants: [any Architecture] = [
        RRDBNet(blocks: 1), RRDBNet(features: 20, growth: 12, blocks: 3, unshuffle: 2),
        RRDBNet(features: 8, growth: 4, blocks: 2, unshuffle: 4),
        RRDBNet(features: 8, growth: 4, blocks: 1, upsamplings: 1),
        RRDBNet(features: 8, growth: 4, blocks: 1, upsamplings: 0),
        RRDBNet(features: 8, growth: 4, blocks: 1, upsamplings: 3),
        SRVGGNetCompact(), SRVGGNetCompact(features: 24, convolutions: 8, upscale: 2),
        SRVGGNetCompact(features: 7, convolutions: 0, upscale: 1),
        SRVGGNetCompact(features: 64, convolutions: 3, upscale: 3, activation: .relu),
        RealtimeSR(), RealtimeSR(features: 7, convolutions: 0, upscale: 3, unshuffle: 4),
    ]

    /// Hyperparameters come back from keys and shapes alone.
    @Test(arguments: variants.indices) func recognisedFromItsOwnShapes(_ index: Int) throws {
        let architecture = Self.variants[index]
        let shapes = shapes(architecture)
        let found = try #require(recogniseArchitecture(shapes))
        #expect("\(found.architecture)" == "\(architecture)")
        #expect(Set(found.rules) == Set(shapes.keys.map { WeightRule($0, .tensor($0)) }))
    }

    @Test func anotherNetworkIsNotRecognised() {
        #expect(recogniseArchitecture([:]) == nil)
        #expect(recogniseArchitecture(["layer1.0.conv1.weight": [64, 64, 3, 3], "fc.weight": [10, 512]]) == nil)
        #expect(recogniseArchitecture(["body.0.weight": [64, 3, 3, 3], "body.2.weight": [47, 64, 3, 3]]) == nil)
    }

    /// Computed independently, in shared/specs/design-compiler.md's script and by counting convolutions.
    @Test func receptiveFields() {
        #expect(SRVGGNetCompact().descriptor.receptiveFieldRadius == 18)
        #expect(RRDBNet(blocks: 0, upsamplings: 0).descriptor.receptiveFieldRadius == 4)
        #expect(RRDBNet(blocks: 23).descriptor.receptiveFieldRadius == 349)
        #expect(RealtimeSR().descriptor.receptiveFieldRadius == 21)
    }

    /// A network that goes on after an enlargement by three, whose every third sample lies on one of the operand's.
    @Test(arguments: [ResizeFilter.bilinear, .bicubic]) func receptiveFieldsThroughResizes(_ filter: ResizeFilter)
        throws
    {
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 12, 12, 1))
        let enlarged = b.apply(.resize(height: 36, width: 36, filter), x)
        let weight = b.parameter("w", [1, 1, 3, 3])
        let graph = b.finish([b.apply(.convolution(stride: 1, padding: 1, groups: 1), enlarged, weight)])
        let field = try #require(graph.receptiveField(scale: 3, period: 3))
        let plan = try ReferenceExecutor().compile(
            graph, parameters: ["w": HostTensor([1, 1, 3, 3], [0.3, 0.5, 0.7, 0.4, 0.9, 0.6, 0.2, 0.8, 0.1])])
        var input = HostTensor(.nhwc(1, 12, 12, 1))
        input[0, 6, 6, 0] = 1
        let output = try plan.run([input])[0]
        let seers = (0..<36).filter { y in (0..<36).contains { output[0, y, $0, 0] != 0 } }.map { $0 / 3 }
        #expect(field.vertical == Reach(before: seers.max()! - 6, after: 6 - seers.min()!))
        #expect(field.horizontal == field.vertical)
    }

    private static let seen: [any Architecture] = [
        SRVGGNetCompact(features: 2, convolutions: 3, upscale: 2),
        SRVGGNetCompact(features: 2, convolutions: 2, upscale: 4, outputScale: 3),
        SRVGGNetCompact(features: 2, convolutions: 2, upscale: 4, outputScale: 2),
        RRDBNet(features: 2, growth: 2, blocks: 0, upsamplings: 1), RRDBNet(features: 2, growth: 2, blocks: 1),
        RRDBNet(features: 2, growth: 2, blocks: 0, upsamplings: 2, unshuffle: 2),
        RealtimeSR(features: 2, convolutions: 2), RealtimeSR(features: 2, convolutions: 1, unshuffle: 4),
        RealtimeSR(features: 2, convolutions: 0, upscale: 3, unshuffle: 2, skip: .bicubic),
        RealtimeSR(features: 2, convolutions: 0, unshuffle: 1, skip: .nearest),
    ]

    /// Measured: with weights above zero, no biases, and one pixel that is not black, exactly what sees the pixel is not black.
    @Test(arguments: seen.indices) func receptiveFieldsAsMeasured(_ index: Int) throws {
        let architecture = Self.seen[index]
        let descriptor = architecture.descriptor
        let (radius, scale, period) = (descriptor.receptiveFieldRadius, descriptor.scale, descriptor.sizeMultiple)
        let side = (2 * radius + 2 * period + period) / period * period
        let graph = architecture.graph(.nhwc(1, side, side, 3))
        var parameters: Parameters = [:]
        for (name, shape) in graph.parameters {
            let value: Float = shape.rank == 4 ? 0.5 : name.hasSuffix("bias") ? 0 : 0.25
            parameters[name] = HostTensor(shape, repeating: value)
        }
        let plan = try ReferenceExecutor().compile(graph, parameters: parameters)
        var furthest = 0
        // Every place of a pixel in the grid of an unshuffle.
        for offset in 0..<period {
            let at = (side / 2) / period * period + offset
            var input = HostTensor(.nhwc(1, side, side, 3))
            input[0, at, at, 0] = 1
            let output = try plan.run([input])[0]
            for y in 0..<output.shape.height {
                for x in 0..<output.shape.width where (0..<3).contains(where: { output[0, y, x, $0] != 0 }) {
                    furthest = max(furthest, abs(y / scale - at), abs(x / scale - at))
                }
            }
        }
        #expect(furthest == radius)
    }

    @Test func shapesOfEverySize() {
        for architecture in Self.variants {
            let scale = architecture.descriptor.scale
            for (height, width) in [(1, 1), (1, 5), (3, 2), (7, 9)] {
                let graph = architecture.graph(.nhwc(1, height, width, 3))
                let expected = Shape.nhwc(1, height * scale, width * scale, 3)
                #expect(graph.shape(graph.outputs[0]) == expected)
            }
        }
    }

    /// From the least side on that a discriminator says it takes, it has something to say.
    @Test func discriminatorsTakeTheirSides() {
        let tested: [(any Discriminator, side: Int, logits: Shape)] = [
            (UNetDiscriminatorSN(features: 2), 8, .nhwc(1, 8, 8, 1)),
            (PatchGAN(features: 2), 24, .nhwc(1, 1, 1, 1)), (PatchGAN(features: 2, layers: 1), 6, .nhwc(1, 1, 1, 1)),
            (VGGDiscriminator(features: 2, size: 64), 64, [1, 1]),
        ]
        for (discriminator, side, logits) in tested {
            #expect(discriminator.problem == nil)
            #expect((1...).first(where: discriminator.sides.contains) == side)
            var b = GraphBuilder()
            var buffers = NetworkBuffers(isTraining: true)
            let judged = discriminator.build(&b, b.input("x", .nhwc(1, side, side, 3)), &buffers)
            #expect(b.shape(judged) == logits)
        }
        #expect(PictureSides().contains(1) && !PictureSides().contains(0))
        #expect((1...64).filter(PictureSides(multiplesOf: 12, from: 36).contains) == [36, 48, 60])
        #expect((1...64).filter(PictureSides(only: 32).contains) == [32])
    }

    @Test func aMistakeInAGraphSaysWhatAndWhy() {
        var b = GraphBuilder()
        let x = b.input("x", .nhwc(1, 4, 4, 3))
        let weight = b.parameter("w", [8, 4, 3, 3])
        #expect { try b.tryApply(.convolution(stride: 1, padding: 1, groups: 1), [x, weight]) } throws: {
            "\($0)".contains("4 channels") && "\($0)".contains("convolution")
        }
        #expect(throws: GraphError.self) { try b.tryApply(.pixelShuffle(factor: 2), [x]) }
        #expect(throws: GraphError.self) { try b.tryApply(.crop(Margins(top: 4)), [x]) }
        #expect(throws: GraphError.self) { try b.tryApply(.add, [x, weight]) }
    }
}
