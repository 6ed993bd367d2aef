import Network
import OperationCases
import Reference
import Tensor
import Testing

@testable import Weights

/// ncnn networks that are none of our architectures.
@Suite struct NcnnNetworkTests {
    let scratch = Scratch()

    private static let shapes: [String: Shape] = [
        "first.weight": [8, 3, 3, 3], "first.bias": [8], "slopes": [8], "down.weight": [16, 8, 3, 3], "down.bias": [16],
        "up.weight": [8, 4, 3, 3], "up.bias": [8], "last.weight": [12, 8, 3, 3], "last.bias": [12],
    ]

    private static let parameters: Parameters = {
        var parameters: Parameters = [:]
        for (index, entry) in shapes.sorted(by: { $0.key < $1.key }).enumerated() {
            parameters[entry.key] = randomTensor(entry.value, seed: UInt64(index), in: -0.3..<0.3)
        }
        return parameters
    }()

    /// A branch at half the size that is multiplied with the other, and a bilinear skip.
    private func madeUp() -> NcnnWriter {
        let p = Self.parameters
        var w = NcnnWriter()
        let image = w.layer("Split", w.layer("Input", []), outputs: 2)
        var x = w.layer("PReLU", [w.convolution(image[0], "first", p)], "0=8")[0]
        w.append(p["slopes"]!)
        let copies = w.layer("Split", [x], outputs: 2)
        let small = w.convolution(copies[0], "down", p, "3=2")
        let gate = w.convolution(w.layer("PixelShuffle", [small], "0=2")[0], "up", p, "9=4")
        x = w.layer("BinaryOp", [gate, copies[1]], "0=2")[0]
        x = w.layer("PixelShuffle", [w.convolution(x, "last", p)], "0=2")[0]
        let skip = w.layer("Interp", [image[1]], "0=2 1=2.000000e+00 2=2.000000e+00")[0]
        _ = w.layer("BinaryOp", [x, skip], "0=0")
        return w
    }

    /// The same by hand, for sides that may be odd.
    private func byHand(_ shape: Shape) -> Graph {
        var b = GraphBuilder()
        func convolution(_ x: Value, _ name: String, stride: Int = 1) -> Value {
            b.apply(
                .convolution(stride: stride, padding: 1, groups: 1), x,
                b.parameter(name + ".weight", Self.shapes[name + ".weight"]!),
                b.parameter(name + ".bias", Self.shapes[name + ".bias"]!))
        }
        var image = b.input("image", shape)
        let margins = Margins(bottom: shape.height % 2, right: shape.width % 2)
        if margins != Margins() { image = b.apply(.pad(margins, .reflect), image) }
        let first = b.apply(.prelu, convolution(image, "first"), b.parameter("slopes", [8]))
        let small = b.apply(.pixelShuffle(factor: 2), convolution(first, "down", stride: 2))
        let gate = b.apply(.pointwise(.sigmoid), convolution(small, "up"))
        let last = b.apply(.pixelShuffle(factor: 2), convolution(b.apply(.multiply, gate, first), "last"))
        let padded = b.shape(image)
        let skip = b.apply(.resize(height: 2 * padded.height, width: 2 * padded.width, .bilinear), image)
        var y = b.apply(.add, last, skip)
        if margins != Margins() {
            y = b.apply(.crop(Margins(bottom: 2 * margins.bottom, right: 2 * margins.right)), y)
        }
        return b.finish([y])
    }

    @Test(arguments: [(8, 12), (5, 7), (1, 1), (16, 9), (2, 3)]) func runsAtEverySize(_ height: Int, _ width: Int)
        throws
    {
        let model = try Model.load(path: madeUp().save(scratch))
        #expect(model.architecture == nil)
        #expect(model.descriptor.scale == 2 && model.descriptor.sizeMultiple == 2)
        #expect(model.descriptor.inputChannels == 3 && model.descriptor.outputChannels == 3)
        #expect(model.parameterCount == Self.shapes.values.reduce(0) { $0 + $1.count })
        let shape = Shape.nhwc(2, height, width, 3)
        let input = randomTensor(shape, seed: 1, in: 0..<1)
        let found = try ReferenceExecutor().compile(model.graph(shape), parameters: model.parameters).run([input])[0]
        let expected = try ReferenceExecutor().compile(byHand(shape), parameters: Self.parameters).run([input])[0]
        #expect(found.shape == .nhwc(2, 2 * height, 2 * width, 3))
        #expect(largestDifference(found, expected) < 1e-6)
    }

    @Test func receptiveField() throws {
        let model = try Model.load(path: madeUp().save(scratch))
        // By hand, for an odd row p: the last convolution and the gate's read from p - 2 on, the half-sized one from row
        // (p - 3) / 2, which is rows from p - 4 on, and the first one from p - 5 on.
        #expect(model.descriptor.receptiveFieldRadius == 5)
    }

    private func refusal(_ layers: (inout NcnnWriter, String) -> Void) -> String {
        var writer = NcnnWriter()
        layers(&writer, writer.layer("Input", [])[0])
        return weightError { _ = try Model.load(path: writer.save(scratch)) }?.description ?? ""
    }

    /// One line each.
    @Test func networksThatAreNoneForImages() {
        let p = Self.parameters
        let path = scratch("m.param") + ": its network cannot be used: "
        #expect(
            refusal { w, x in _ = w.layer("Interp", [w.convolution(x, "first", p)], "0=2 1=1.5 2=1.5") }
                == path + "makes images 3/2 times as large; the factor must be whole")
        #expect(
            refusal { w, x in _ = w.convolution(x, "first", p, "3=2") }
                == path + "makes images 1/2 times as large; the factor must be whole")
        #expect(
            refusal { w, x in
                let y = w.layer("Interp", [w.convolution(x, "first", p)], "0=1 1=16 2=16")[0]
                _ = w.layer("Interp", [y], "0=1 1=2 2=2")
            } == path + "it makes images 32 times as large; 16 is the most")
        #expect(
            refusal { w, x in _ = w.layer("Interp", [w.convolution(x, "first", p)], "0=2 1=1.3337 2=1.3337") }
                .hasPrefix(path))
    }

    /// A network with four strides fits no image of 8x12 pixels, and runs at every size.
    @Test func deepNetworks() throws {
        let tensors: Parameters = [
            "first.weight": randomTensor([4, 3, 3, 3], seed: 1), "first.bias": randomTensor([4], seed: 2),
            "down.weight": randomTensor([4, 4, 3, 3], seed: 3), "down.bias": randomTensor([4], seed: 4),
        ]
        var w = NcnnWriter()
        let copies = w.layer("Split", [w.convolution(w.layer("Input", [])[0], "first", tensors)], outputs: 2)
        var y = copies[0]
        for _ in 0..<4 { y = w.convolution(y, "down", tensors, "3=2") }
        _ = w.layer("BinaryOp", [w.layer("Interp", [y], "0=1 1=16 2=16")[0], copies[1]], "0=0")
        let model = try Model.load(path: w.save(scratch))
        #expect(model.descriptor.scale == 1 && model.descriptor.sizeMultiple == 16)
        for (height, width) in [(1, 1), (8, 12), (16, 33)] {
            let graph = try model.graph(.nhwc(1, height, width, 3))
            #expect(graph.shape(graph.outputs[0]) == .nhwc(1, height, width, 4))
        }
    }

    /// Only a file of ncnn's can hold it.
    @Test func isNotWrittenAsSafetensors() throws {
        let model = try Model.load(path: madeUp().save(scratch))
        let target = scratch("x.safetensors")
        #expect(
            weightError { try model.save(path: target) }?.description
                == "\(target): cannot be written: the network is of no known architecture; use the file that it was read from"
        )
    }
}
