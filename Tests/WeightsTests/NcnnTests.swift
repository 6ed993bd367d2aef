import Network
import OperationCases
import Reference
import Tensor
import Testing

@testable import Catalogue
@testable import Weights

/// Writes ncnn files as ncnn's converter does, for networks that the tests make up.
struct NcnnWriter {
    var lines: [String] = []
    var bin: [UInt8] = []
    var half = false
    /// The number of blobs so far.
    private var blobs = 0

    mutating func layer(_ type: String, _ inputs: [String], outputs: Int = 1, _ values: String = "") -> [String] {
        let results = (0..<outputs).map { "b\(blobs + $0)" }
        blobs += outputs
        let words = [type, "\(type)_\(lines.count)", "\(inputs.count)", "\(outputs)"] + inputs + results
        lines.append(words.joined(separator: " ") + (values.isEmpty ? "" : " " + values))
        return results
    }

    /// A 3x3 convolution with its weights.
    mutating func convolution(_ x: String, _ name: String, _ parameters: Parameters, _ more: String = "") -> String {
        let (weight, bias) = (parameters[name + ".weight"]!, parameters[name + ".bias"]!)
        append(half ? 0x0130_6B47 : 0)
        if half {
            for value in weight.values { bin += withUnsafeBytes(of: Float16(value).bitPattern) { Array($0) } }
            while bin.count % 4 != 0 { bin.append(0) }
        } else {
            append(weight)
        }
        append(bias)
        let values = "0=\(weight.shape[0]) 1=3 4=1 5=1 6=\(weight.shape.count)"
        return layer("Convolution", [x], values + (more.isEmpty ? "" : " " + more))[0]
    }

    mutating func append(_ word: UInt32) { bin += withUnsafeBytes(of: word.littleEndian) { Array($0) } }
    mutating func append(_ tensor: HostTensor) { for value in tensor.values { append(value.bitPattern) } }

    var param: String { "7767517\n\(lines.count) \(blobs)\n" + lines.joined(separator: "\n") + "\n" }

    func save(_ scratch: Scratch, _ name: String = "m") -> String {
        write(param, scratch("\(name).param"))
        write(bin, scratch("\(name).bin"))
        return scratch("\(name).param")
    }

    static func compact(_ net: SRVGGNetCompact, _ p: Parameters, half: Bool = false, filter: Int = 3) -> NcnnWriter {
        var w = NcnnWriter()
        w.half = half
        let image = w.layer("Input", [])[0]
        let copies = w.layer("Split", [image], outputs: 2)
        var y = copies[1]
        for index in 0...net.convolutions {
            // ncnn's optimiser fuses ReLU into the convolution; both forms are in the wild.
            let fused = net.activation == .relu ? "9=1" : ""
            y = w.convolution(y, "body.\(2 * index)", p, fused)
            if net.activation == .prelu {
                let slopes = p["body.\(2 * index + 1).weight"]!
                y = w.layer("PReLU", [y], "0=\(slopes.values.count)")[0]
                w.append(slopes)
            } else if net.activation == .leakyReLU {
                y = w.layer("ReLU", [y], "0=1.000000e-01")[0]
            }
        }
        y = w.convolution(y, "body.\(2 * (net.convolutions + 1))", p)
        y = w.layer("PixelShuffle", [y], "0=\(net.upscale)")[0]
        let base = w.layer("Interp", [copies[0]], "0=1 1=\(net.upscale).000000e+00 2=\(net.upscale).000000e+00")[0]
        y = w.layer("BinaryOp", [y, base])[0]
        if net.outputScale != net.upscale {
            let factor = Double(net.outputScale) / Double(net.upscale)
            y = w.layer("Interp", [y], "0=\(filter) 1=\(factor) 2=\(factor)")[0]
        }
        return w
    }

    /// - Parameter plain: with scalar products and additions where ncnn's optimiser would write a weighted sum.
    static func rrdbnet(_ net: RRDBNet, _ p: Parameters, plain: Bool, slope: String = "2.000000e-01") -> NcnnWriter {
        var w = NcnnWriter()
        func residual(_ y: String, _ x: String) -> String {
            if !plain { return w.layer("Eltwise", [y, x], "0=1 -23301=2,2.000000e-01,1.000000e+00")[0] }
            let scaled = w.layer("BinaryOp", [y], "0=2 1=1 2=2.000000e-01")[0]
            return w.layer("BinaryOp", [scaled, x], "0=0")[0]
        }
        func activated(_ x: String, _ name: String) -> String {
            if !plain { return w.convolution(x, name, p, "9=2 -23310=1,\(slope)") }
            return w.layer("ReLU", [w.convolution(x, name, p)], "0=\(slope)")[0]
        }
        let first = w.convolution(w.layer("Input", [])[0], "conv_first", p)
        var trunk = first
        for block in 0..<net.blocks {
            var y = trunk
            for dense in 1...3 {
                let name = "body.\(block).rdb\(dense).conv"
                var parts = [y]
                for index in 1...4 {
                    let x = parts.count == 1 ? y : w.layer("Concat", parts, "0=0")[0]
                    parts.append(activated(x, name + "\(index)"))
                }
                y = residual(w.convolution(w.layer("Concat", parts)[0], name + "5", p), y)
            }
            trunk = residual(y, trunk)
        }
        var y = w.layer("BinaryOp", [first, w.convolution(trunk, "conv_body", p)], "0=0")[0]
        for level in 1...net.upsamplings {
            y = w.layer("Interp", [y], "0=1 1=2.000000e+00 2=2.000000e+00")[0]
            y = activated(y, "conv_up\(level)")
        }
        _ = w.convolution(activated(y, "conv_hr"), "conv_last", p)
        return w
    }
}

@Suite struct NcnnTests {
    let scratch = Scratch()

    static let compacts = [
        SRVGGNetCompact(features: 5, convolutions: 2, upscale: 2),
        SRVGGNetCompact(features: 4, convolutions: 0, upscale: 3, activation: .relu),
        SRVGGNetCompact(features: 4, convolutions: 1, upscale: 4, activation: .leakyReLU),
        SRVGGNetCompact(features: 4, convolutions: 1, upscale: 4, outputScale: 2),
        SRVGGNetCompact(features: 4, convolutions: 1, upscale: 4, outputScale: 3),
        SRVGGNetCompact(features: 4, convolutions: 1, upscale: 1),
    ]

    @Test(arguments: compacts, [false, true]) func compact(_ net: SRVGGNetCompact, half: Bool) throws {
        let model = randomModel(net, seed: 1)
        let read = try Model.load(path: NcnnWriter.compact(net, model.parameters, half: half).save(scratch))
        #expect(read.architecture as? SRVGGNetCompact == net)
        let expected = model.parameters.mapValues { tensor in
            half && tensor.shape.rank == 4
                ? HostTensor(tensor.shape, tensor.values.map { Float(Float16($0)) }) : tensor
        }
        #expect(read.parameters == expected)
        // Either file of the pair may be named.
        #expect(try Model.load(path: scratch("m.bin")).parameters == expected)
    }

    @Test(arguments: [false, true], [1, 2, 3]) func rrdbnet(plain: Bool, upsamplings: Int) throws {
        let net = RRDBNet(features: 6, growth: 4, blocks: 3, upsamplings: upsamplings)
        let model = randomModel(net, seed: 1)
        let read = try Model.load(path: NcnnWriter.rrdbnet(net, model.parameters, plain: plain).save(scratch))
        #expect(read.architecture as? RRDBNet == net)
        #expect(read.parameters == model.parameters)
    }

    // MARK: Networks that are not what they look like

    private func error(_ writer: NcnnWriter) -> WeightError? {
        weightError { _ = try Model.load(path: writer.save(scratch)) }
    }

    private func refusedLayer(_ writer: NcnnWriter) -> String? {
        let error = error(writer)
        guard case .unknownLayer(_, let layer, _)? = error else { return error?.description }
        return layer
    }

    /// What a layer's kind or parameters cannot be is refused, and the layer named.
    @Test func layersThatAreNotKnownAreRefused() {
        let compact = SRVGGNetCompact(features: 4, convolutions: 1, upscale: 4, outputScale: 2)
        let p = randomModel(compact, seed: 1).parameters
        #expect(refusedLayer(.compact(compact, p, filter: 4)) == "Interp Interp_10", "an unknown filter")
        var writer = NcnnWriter.compact(compact, p)
        writer.lines[10] += " 6=1"
        #expect(refusedLayer(writer) == "Interp Interp_10", "aligned corners")
        writer = .compact(compact, p)
        writer.lines[9] += " 0=1"
        #expect(refusedLayer(writer) == "BinaryOp BinaryOp_9", "a difference in place of the sum")
        writer = .compact(compact, p)
        writer.lines[9] = writer.lines[9].replacing("BinaryOp ", with: "Softmax ")
        #expect(refusedLayer(writer) == "Softmax BinaryOp_9")
        writer = .compact(compact, p)
        writer.lines[2] += " 77=1"
        #expect(refusedLayer(writer) == "Convolution Convolution_2", "an unknown parameter")
    }

    /// Whether a file is read as a network of its own, and computes what the named one does not.
    private func isAnother(_ writer: NcnnWriter, _ known: Model) throws -> Bool {
        let read = try Model.load(path: writer.save(scratch))
        guard read.architecture == nil else { return false }
        let shape = Shape.nhwc(1, 6, 5, 3)
        let input = randomTensor(shape, seed: 1, in: 0..<1)
        func result(_ model: Model) throws -> HostTensor {
            try ReferenceExecutor().compile(model.graph(shape), parameters: model.parameters).run([input])[0]
        }
        return largestDifference(try result(read), try result(known)) > 1e-4
    }

    /// Networks that nearly are those that we know run as what they are.
    @Test func networksThatResembleOthersAreNotMistaken() throws {
        let compact = SRVGGNetCompact(features: 4, convolutions: 1, upscale: 4, outputScale: 2)
        let model = randomModel(compact, seed: 1)
        let p = model.parameters
        #expect(try isAnother(.compact(compact, p, filter: 2), model), "a bilinear end")
        var writer = NcnnWriter.compact(compact, p)
        writer.lines[2] += " 9=1"
        #expect(try isAnother(writer, model), "a ReLU too many")

        let rrdbnet = RRDBNet(features: 6, growth: 4, blocks: 2)
        let other = randomModel(rrdbnet, seed: 1)
        let q = other.parameters
        #expect(try isAnother(.rrdbnet(rrdbnet, q, plain: false, slope: "1.000000e-01"), other))
        writer = .rrdbnet(rrdbnet, q, plain: false)
        let sum = writer.lines.firstIndex { $0.hasPrefix("Eltwise") }!
        writer.lines[sum] = writer.lines[sum].replacing("2.000000e-01", with: "3.000000e-01")
        #expect(try isAnother(writer, other))
        for line in [sum, writer.lines.firstIndex { $0.hasPrefix("Concat") }!] {
            writer = .rrdbnet(rrdbnet, q, plain: false)
            var words = writer.lines[line].split(separator: " ")
            words.swapAt(4, 5)
            writer.lines[line] = words.joined(separator: " ")
            #expect(try isAnother(writer, other), "operands in another order")
        }
        // What is in its place is known as before.
        #expect(try !isAnother(.rrdbnet(rrdbnet, q, plain: true), other))
    }

    @Test func badPairs() throws {
        let net = SRVGGNetCompact(features: 4, convolutions: 1, upscale: 2)
        let p = randomModel(net, seed: 1).parameters
        var writer = NcnnWriter.compact(net, p)
        writer.bin.removeLast()
        guard case .truncated(scratch("m.bin"), _, _)? = error(writer) else {
            Issue.record("a short .bin")
            return
        }
        writer = .compact(net, p)
        writer.bin += [0, 0, 0, 0]
        guard case .corruptHeader(scratch("m.bin"), _)? = error(writer) else {
            Issue.record("a long .bin")
            return
        }
        for (flag, word) in [(UInt32(0x000D_4B38), "8 bits"), (0x1234, "0x1234")] {
            writer = .compact(net, p)
            writer.bin.replaceSubrange(0..<4, with: withUnsafeBytes(of: flag.littleEndian) { Array($0) })
            #expect(error(writer)?.description.contains(word) == true)
        }
        writer = .compact(net, p)
        writer.lines.removeLast()
        write(writer.param.replacing("7767517\n8 ", with: "7767517\n9 "), scratch("x.param"))
        #expect(weightError { _ = try Model.load(path: scratch("x.param")) } != nil)
        write(NcnnWriter.compact(net, p).param, scratch("alone.param"))
        #expect(
            weightError { _ = try Model.load(path: scratch("alone.param")) } == .missing(path: scratch("alone.bin")))
    }

    @Test func damagedFilesNeverCrash() throws {
        let net = SRVGGNetCompact(features: 2, convolutions: 1, upscale: 2)
        let model = randomModel(net, seed: 1)
        let writer = NcnnWriter.compact(net, model.parameters)
        let text = Array(writer.param.utf8)
        var random = Philox(key: 4)
        let rrdb = RRDBNet(features: 2, growth: 1, blocks: 1)
        let long = Array(NcnnWriter.rrdbnet(rrdb, randomModel(rrdb, seed: 1).parameters, plain: false).param.utf8)
        for round in 0..<3000 {
            var damaged = round % 2 == 0 ? text : long
            for _ in 0...Int(random.nextUniform4()[0] * 4) {
                let draw = random.nextUniform4()
                let index = Int(draw[0] * Float(damaged.count)) % damaged.count
                switch draw[1] {
                case ..<0.3: damaged[index] = UInt8(draw[2] * 256)
                case ..<0.6: damaged.insert(UInt8(ascii: "9"), at: index)
                case ..<0.8: damaged.remove(at: index)
                case ..<0.9: damaged.removeSubrange(index..<min(damaged.count, index + 30))
                default: damaged.insert(contentsOf: Array(" -23310=1,7 ".utf8), at: index)
                }
            }
            write(damaged, scratch("d.param"))
            write(writer.bin, scratch("d.bin"))
            do {
                let read = try Model.load(path: scratch("d.param"))
                let named = (try? read.definition.parameterShapes())?.map { ($0.name, $0.shape) } ?? []
                #expect(read.parameters.mapValues(\.shape) == Dictionary(uniqueKeysWithValues: named))
            } catch {
                #expect(error.description.hasPrefix(scratch("d.")) && !error.description.contains("\n"), "\(error)")
            }
        }
        for length in stride(from: 0, to: writer.bin.count, by: 7) {
            write(text, scratch("d.param"))
            write(Array(writer.bin[..<length]), scratch("d.bin"))
            guard case .truncated? = weightError({ _ = try Model.load(path: scratch("d.param")) }) else {
                Issue.record("a .bin of \(length) bytes")
                return
            }
        }
    }
}
