import Network
import Reference
import Synchronization
import Tensor
import Testing

/// What follows from graphs, against what is known of the networks by other means.
@Suite struct TraitsTests {
    private struct Known {
        var architecture: any Architecture
        var scale, inputs, outputs, multiple: Int
        var radius: Int?
    }

    /// As the architectures stated themselves before traits were derived: scales and multiples from their hyperparameters,
    /// radii counted in convolutions. Nil: not stated then (a resize in the network).
    private static let known = [
        Known(architecture: SRVGGNetCompact(), scale: 4, inputs: 3, outputs: 3, multiple: 1, radius: 18),
        Known(
            architecture: SRVGGNetCompact(features: 24, convolutions: 8, upscale: 2), scale: 2, inputs: 3, outputs: 3,
            multiple: 1, radius: 10),
        Known(
            architecture: SRVGGNetCompact(
                inputChannels: 1, outputChannels: 1, features: 4, convolutions: 0, upscale: 1), scale: 1, inputs: 1,
            outputs: 1, multiple: 1, radius: 2),
        Known(architecture: SRVGGNetCompact(outputScale: 3), scale: 3, inputs: 3, outputs: 3, multiple: 1),
        Known(architecture: SRVGGNetCompact(outputScale: 2), scale: 2, inputs: 3, outputs: 3, multiple: 1),
        Known(
            architecture: SRVGGNetCompact(features: 4, convolutions: 1, upscale: 16, outputScale: 15), scale: 15,
            inputs: 3, outputs: 3, multiple: 1),
        Known(architecture: RRDBNet(), scale: 4, inputs: 3, outputs: 3, multiple: 1, radius: 349),
        Known(architecture: RRDBNet(unshuffle: 2), scale: 2, inputs: 3, outputs: 3, multiple: 2),
        Known(
            architecture: RRDBNet(
                inputChannels: 4, outputChannels: 1, features: 8, growth: 4, blocks: 1, unshuffle: 4), scale: 1,
            inputs: 4, outputs: 1, multiple: 4),
        Known(
            architecture: RRDBNet(features: 8, growth: 4, blocks: 0, upsamplings: 0), scale: 1, inputs: 3, outputs: 3,
            multiple: 1, radius: 4),
        Known(
            architecture: RRDBNet(features: 8, growth: 4, blocks: 1, upsamplings: 3), scale: 8, inputs: 3, outputs: 3,
            multiple: 1),
        Known(architecture: RealtimeSR(), scale: 2, inputs: 3, outputs: 3, multiple: 2, radius: 21),
        Known(
            architecture: RealtimeSR(features: 7, convolutions: 0, upscale: 3, unshuffle: 4), scale: 3, inputs: 3,
            outputs: 3, multiple: 4, radius: 11),
        Known(
            architecture: RealtimeSR(channels: 1, features: 4, convolutions: 2, unshuffle: 1, skip: .nearest), scale: 2,
            inputs: 1, outputs: 1, multiple: 1, radius: 4),
        Known(
            architecture: RealtimeSR(features: 4, convolutions: 1, upscale: 2, unshuffle: 8), scale: 2, inputs: 3,
            outputs: 3, multiple: 8),
    ]

    @Test(arguments: known.indices) func architectures(_ index: Int) throws {
        let known = Self.known[index]
        let traits = try known.architecture.definition.traits()
        #expect(traits.scale == Ratio(known.scale))
        #expect(traits.inputChannels == known.inputs && traits.outputChannels == known.outputs)
        #expect(traits.sizeMultiple == Extent(height: known.multiple, width: known.multiple))
        #expect(traits.minimumSize == Extent(height: 1, width: 1))
        let radius = try #require(traits.receptiveField?.radius)
        if let stated = known.radius { #expect(radius == stated) }
        #expect(traits.frameReads.isEmpty)
        let parameters = try known.architecture.definition.parameterShapes().map { "\($0.name) \($0.shape)" }
        #expect(parameters == known.architecture.parameterShapes.map { "\($0.name) \($0.shape)" })
    }

    // MARK: Made-up networks

    /// A network of one image with `channels` channels.
    private func network(
        _ channels: Int = 4, _ build: @escaping @Sendable (inout GraphBuilder, Value) throws(GraphError) -> Value
    ) -> NetworkDefinition {
        NetworkDefinition(name: "made up", inputs: [ImagePort("image", channels: channels)]) {
            (b, values) throws(GraphError) in [try build(&b, values[0])]
        }
    }

    private func traits(
        _ channels: Int = 4, _ build: @escaping @Sendable (inout GraphBuilder, Value) throws(GraphError) -> Value
    ) throws -> NetworkTraits { try network(channels, build).traits() }

    /// Down by two strides, up by two transposed convolutions.
    @Test func stridesAndTransposedConvolutions() throws {
        let definition = network(1) { (b, x) throws(GraphError) in
            var y = x
            for level in 0..<2 {
                let weight = b.parameter("down\(level)", [1, 1, 3, 3])
                y = try b.tryApply(.convolution(stride: 2, padding: 1, groups: 1), [y, weight])
            }
            for level in 0..<2 {
                let (shape, weight) = (b.shape(y), b.parameter("up\(level)", [1, 1, 4, 4]))
                y = try b.tryApply(
                    .convolutionTranspose(
                        stride: 2, padding: 1, groups: 1, height: 2 * shape.height, width: 2 * shape.width),
                    [y, weight])
            }
            return y
        }
        let traits = try definition.traits()
        #expect(traits.scale == 1)
        #expect(traits.sizeMultiple == Extent(height: 4, width: 4))
        // Measured: with weights above zero, what sees the one pixel that is not black is not black.
        let graph = try definition.graph(.nhwc(1, 48, 48, 1))
        var parameters: Parameters = [:]
        for (name, shape) in graph.parameters { parameters[name] = HostTensor(shape, repeating: 0.5) }
        let plan = try ReferenceExecutor().compile(graph, parameters: parameters)
        var reach = Reach(before: 0, after: 0)
        for at in 20..<24 {
            var input = HostTensor(.nhwc(1, 48, 48, 1))
            input[0, at, at, 0] = 1
            let output = try plan.run([input])[0]
            let seers = (0..<48).filter { y in (0..<48).contains { output[0, y, $0, 0] != 0 } }
            reach.before = max(reach.before, seers.max()! - at)
            reach.after = max(reach.after, at - seers.min()!)
        }
        #expect(traits.receptiveField == ReceptiveField(vertical: reach, horizontal: reach))
    }

    @Test func resizeByThreeQuarters() throws {
        let traits = try traits { (b, x) throws(GraphError) in
            let shape = b.shape(x)
            let small = Operation.resize(height: shape.height * 3 / 4, width: shape.width * 3 / 4, .bilinear)
            return try b.tryApply(small, [x])
        }
        #expect(traits.scale == Ratio(3, 4))
        #expect(traits.sizeMultiple == Extent(height: 4, width: 4))
        // A side of one pixel would become none.
        #expect(traits.minimumSize == Extent(height: 2, width: 2))
        #expect(traits.receptiveField?.radius == 1)
    }

    @Test func unshuffleWithoutPadding() throws {
        let definition = network(3) { (b, x) throws(GraphError) in try b.tryApply(.pixelUnshuffle(factor: 4), [x]) }
        let traits = try definition.traits()
        #expect(traits.scale == Ratio(1, 4) && traits.inputChannels == 3 && traits.outputChannels == 48)
        #expect(traits.sizeMultiple == Extent(height: 4, width: 4))
        #expect(traits.minimumSize == Extent(height: 4, width: 4))
        #expect(throws: GraphError.self) { try definition.graph(.nhwc(1, 6, 8, 3)) }
        #expect(throws: GraphError.self) { try ModelDescriptor(definition) }
    }

    /// Only one axis has a grid.
    @Test func axesAreApart() throws {
        let traits = try traits { (b, x) throws(GraphError) in
            let turned = try b.tryApply(.transpose([0, 2, 1, 3]), [x])
            let shape = b.shape(turned)
            let squeezed = try b.tryApply(.resize(height: shape.height / 2, width: shape.width, .bilinear), [turned])
            let wide = try b.tryApply(.resize(height: shape.height, width: shape.width, .bilinear), [squeezed])
            return try b.tryApply(.transpose([0, 2, 1, 3]), [wide])
        }
        #expect(traits.scale == 1)
        #expect(traits.sizeMultiple == Extent(height: 1, width: 2))
        #expect(traits.minimumSize == Extent(height: 1, width: 2))
    }

    @Test func meansOverTheFrame() throws {
        let one = try traits { (b, x) throws(GraphError) in
            b.apply(.add, x, b.broadcast(b.mean(x, over: [1, 2]), to: b.shape(x)))
        }
        #expect(one.scale == 1 && one.receptiveField == nil)
        #expect(one.frameReads == [.statistics(level: 1)])
        // The variance needs the mean, and a second normalisation needs the first.
        let two = try traits { (b, x) throws(GraphError) in b.instanceNorm(b.instanceNorm(x)) }
        #expect(two.frameReads == (1...4).map { .statistics(level: $0) })
        // Rows and columns are one axis there.
        let grouped = try traits { (b, x) throws(GraphError) in b.groupNorm(x, "norm", groups: 2) }
        #expect(grouped.frameReads == [.statistics(level: 1), .statistics(level: 2)])
        let channels = try traits { (b, x) throws(GraphError) in
            b.apply(.add, x, b.broadcast(b.mean(x, over: [3]), to: b.shape(x)))
        }
        #expect(channels.frameReads.isEmpty && channels.receptiveField?.radius == 0)
        #expect(one.opaqueRead == nil && one.tileReach?.radius == 0 && channels.tileReach?.radius == 0)
        // Through the rows and columns that a group normalisation makes one axis of.
        #expect(grouped.tileReach?.radius == 0)
    }

    /// Tiles must cover what the means are taken of, also where the image itself sees less.
    @Test func tilesCoverWhatMeansSee() throws {
        let traits = try traits { (b, x) throws(GraphError) in
            var y = try b.tryApply(.pixelUnshuffle(factor: 2), [x])
            for level in 0..<3 {
                let weight = b.parameter("w\(level)", [16, b.shape(y).channels, 3, 3])
                y = try b.tryApply(.convolution(stride: 1, padding: 1, groups: 1), [y, weight])
            }
            let colour = b.linear(b.reshaped(b.mean(y, over: [1, 2]), [b.shape(x).batch, 16]), "colour", to: 4)
            return b.apply(.add, x, b.broadcast(b.reshaped(colour, .nhwc(b.shape(x).batch, 1, 1, 4)), to: b.shape(x)))
        }
        #expect(traits.sizeMultiple == Extent(height: 2, width: 2) && traits.receptiveField == nil)
        // Three convolutions at half the size, and the two pixels of the last sample.
        let reach = Reach(before: 6, after: 7)
        #expect(traits.tileReach == ReceptiveField(vertical: reach, horizontal: reach))
    }

    /// What is no mean over the frame but reads or knows all of it.
    @Test func whatTilesCannotDo() throws {
        func operation(
            _ build: @escaping @Sendable (inout GraphBuilder, Value) throws(GraphError) -> Value
        ) throws -> String? {
            let traits = try traits(4, build)
            #expect(traits.receptiveField == nil)
            return traits.opaqueRead
        }
        #expect(
            try operation { (b, x) throws(GraphError) in
                b.apply(.add, x, b.broadcast(b.sum(x, over: [1, 2]), to: b.shape(x)))
            } == "sum")
        // A number for each column.
        #expect(
            try operation { (b, x) throws(GraphError) in
                b.apply(.add, x, b.broadcast(b.mean(x, over: [1]), to: b.shape(x)))
            } == "mean")
        // Numbers of the frame's size.
        #expect(
            try operation { (b, x) throws(GraphError) in b.scaled(x, 1 / Float(b.shape(x).height)) } == "affine")
        #expect(
            try operation { (b, x) throws(GraphError) in
                let shape = b.shape(x)
                let rows = b.constant((0..<shape.height).map(Float.init), .nhwc(1, shape.height, 1, 1))
                return b.apply(.add, x, b.broadcast(rows, to: shape))
            } == "constant")
        // The border of what was repeated all over the frame.
        #expect(
            try operation { (b, x) throws(GraphError) in
                let wide = b.broadcast(b.mean(x, over: [1, 2]), to: b.shape(x))
                let weight = b.parameter("w", [4, 4, 3, 3])
                return b.apply(.add, x, try b.tryApply(.convolution(stride: 1, padding: 1, groups: 1), [wide, weight]))
            } == "convolution")
        // A grid that does not grow with the frame.
        #expect(
            try operation { (b, x) throws(GraphError) in
                let shape = b.shape(x)
                let small = try b.tryApply(.resize(height: 6, width: 6, .bilinear), [x])
                let back = try b.tryApply(.resize(height: shape.height, width: shape.width, .nearest), [small])
                return b.apply(.add, x, back)
            } == "resize")
    }

    @Test func attentionIsOpaque() throws {
        let traits = try traits { (b, x) throws(GraphError) in
            let shape = b.shape(x)
            let pixels = b.reshaped(x, [shape.batch, shape.height * shape.width, shape.channels])
            let square = b.apply(.product(transposeLeft: true, transposeRight: false), pixels, pixels)
            let mixed = b.apply(.product(transposeLeft: false, transposeRight: false), pixels, square)
            return b.apply(.add, x, b.reshaped(mixed, shape))
        }
        #expect(traits.frameReads == [.opaque(operation: "product")])
        #expect(traits.receptiveField == nil)
    }

    /// What goes through a matrix of pixels is followed.
    @Test func matricesOfPixels() throws {
        let traits = try traits { (b, x) throws(GraphError) in
            let weight = b.parameter("w", [4, 4, 3, 3])
            let y = try b.tryApply(.convolution(stride: 1, padding: 1, groups: 1), [x, weight])
            let shape = b.shape(y)
            let pixels = b.reshaped(y, [shape.batch * shape.height * shape.width, shape.channels])
            return b.apply(.add, x, b.reshaped(b.linear(pixels, "linear", to: 4), shape))
        }
        #expect(traits.scale == 1 && traits.frameReads.isEmpty && traits.receptiveField?.radius == 1)
    }

    private func reason(_ build: @escaping @Sendable (inout GraphBuilder, Value) throws(GraphError) -> Value) -> String
    {
        do { return "\(try network(4, build).traits())" } catch { return error.reason }
    }

    @Test func networksWithoutAScaleAreRefused() {
        #expect(
            reason { (b, x) throws(GraphError) in
                let weight = b.parameter("w", [4, 4, 3, 3])
                return try b.tryApply(.convolution(stride: 1, padding: 0, groups: 1), [x, weight])
            } == "it makes 238x478 pixels of 240x480, which is not 1 times as large")
        #expect(
            reason { (b, x) throws(GraphError) in
                try b.tryApply(.resize(height: b.shape(x).height, width: 2 * b.shape(x).width, .bilinear), [x])
            } == "its output has 1 rows a row and 2 columns a column of the input")
        #expect(
            reason { (b, x) throws(GraphError) in b.apply(.transpose([0, 2, 1, 3]), x) }
                == "its first output is no image whose rows and columns are the input's")
        #expect(
            reason { (b, x) throws(GraphError) in try b.tryApply(.resize(height: 97, width: 97, .bilinear), [x]) }
                .contains("97/240 rows"))
        #expect(
            reason { (b, x) throws(GraphError) in
                var y = x
                for _ in 0..<4 { y = try b.tryApply(.pixelUnshuffle(factor: 15), [y]) }
                return y
            } != "")
    }

    // MARK: Definitions

    /// Copies share what was derived, and nothing is derived twice.
    @Test func derivedOnce() throws {
        let counter = Counter()
        let definition = network(3) { (b, x) throws(GraphError) in
            counter.count.withLock { $0 += 1 }
            return try b.tryApply(.upsampleNearest(factor: 3), [x])
        }
        let copy = definition
        let first = try definition.traits()
        let count = counter.count.withLock { $0 }
        #expect(try copy.traits() == first && definition.traits() == first && count > 0)
        #expect(counter.count.withLock { $0 } == count)
    }

    private final class Counter: Sendable { let count = Mutex(0) }

    @Test func shapesAreChecked() {
        let definition = SRVGGNetCompact(features: 2, convolutions: 0, upscale: 2).definition
        for shape: Shape in [
            .nhwc(1, 4, 4, 4), .nhwc(0, 4, 4, 3), .nhwc(1, 0, 4, 3), [4, 4, 3], .nhwc(1, 1 << 30, 1 << 30, 3),
        ] {
            #expect(throws: GraphError.self) { try definition.graph(shape) }
        }
        #expect(throws: GraphError.self) { try definition.graph([.nhwc(1, 4, 4, 3), .nhwc(1, 4, 4, 3)]) }
    }

    /// A padded network takes every size, and at its own sizes is what it was.
    @Test func paddedNetworks() throws {
        let bare = network(3) { (b, x) throws(GraphError) in
            let small = try b.tryApply(.pixelUnshuffle(factor: 4), [x])
            return try b.tryApply(.pixelShuffle(factor: 8), [b.apply(.concatenate, small, small, small, small)])
        }
        let padded = try bare.padded()
        #expect(try padded.traits().minimumSize == Extent(height: 1, width: 1))
        #expect(try padded.traits().scale == 2)
        for (height, width) in [(1, 1), (3, 9), (8, 4), (5, 12)] {
            let graph = try padded.graph(.nhwc(1, height, width, 3))
            #expect(graph.shape(graph.outputs[0]) == .nhwc(1, 2 * height, 2 * width, 3))
        }
        #expect(try padded.graph(.nhwc(1, 8, 4, 3)).nodes == bare.graph(.nhwc(1, 8, 4, 3)).nodes)
    }

    /// What a weight file's metadata has, without a text in between.
    @Test func hyperparametersAreThoseOfTheCoding() {
        #expect(
            RealtimeSR(skip: .bicubic).hyperparameters == [
                "channels": .integer(3), "features": .integer(32), "convolutions": .integer(8), "upscale": .integer(2),
                "unshuffle": .integer(2), "skip": .text("bicubic"),
            ])
        #expect(SRVGGNetCompact().hyperparameters["outputScale"] == nil)
        #expect(SRVGGNetCompact(outputScale: 3).hyperparameters["outputScale"] == .integer(3))
    }

    @Test func ratios() {
        #expect(Ratio(6, 4) == Ratio(3, 2) && Ratio(4, 2).whole == 2 && Ratio(3, 2).inverse == Ratio(2, 3))
        #expect(Ratio(3, 2).multiplied(by: Ratio(4, 9)) == Ratio(2, 3))
        #expect(Ratio(3, 2).times(4) == 6 && Ratio(3, 2).times(5) == nil)
        #expect(Ratio(.max).multiplied(by: 2) == nil)
        #expect(Ratio(.max, 3).multiplied(by: Ratio(3, .max)) == 1)
    }
}
