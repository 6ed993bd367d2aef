public import Tensor

/// Residual-in-residual dense blocks: ESRGAN (Wang et al. 2018) and Real-ESRGAN (Wang et al. 2021).
///
/// The network itself multiplies the sides by 2^`upsamplings`; a pixel-unshuffle in front divides them, which is how
/// Real-ESRGAN makes x2 and x1 of it.
public struct RRDBNet: Architecture {
    public static let name = "RRDBNet"

    /// Colour channels in and out.
    public var inputChannels = 3
    public var outputChannels = 3
    /// Width of the trunk (nf).
    public var features = 64
    /// Channels that each convolution of a dense block adds (gc).
    public var growth = 32
    /// Residual-in-residual dense blocks (nb).
    public var blocks = 23
    /// Nearest x2 and convolution, so many times.
    public var upsamplings = 2
    /// Factor of the pixel-unshuffle in front; 1 for none.
    public var unshuffle = 1

    public init(
        inputChannels: Int = 3, outputChannels: Int = 3, features: Int = 64, growth: Int = 32, blocks: Int = 23,
        upsamplings: Int = 2, unshuffle: Int = 1
    ) {
        (self.inputChannels, self.outputChannels) = (inputChannels, outputChannels)
        (self.features, self.growth, self.blocks) = (features, growth, blocks)
        (self.upsamplings, self.unshuffle) = (upsamplings, unshuffle)
    }

    public var input: ImagePort { ImagePort("image", channels: inputChannels) }

    public var problem: String? {
        if let problem = Network.problem(
            of: Self.name,
            [
                BoundedHyperparameter("inputChannels", inputChannels, BoundedHyperparameter.channels),
                BoundedHyperparameter("outputChannels", outputChannels, BoundedHyperparameter.channels),
                BoundedHyperparameter("features", features, BoundedHyperparameter.widths),
                BoundedHyperparameter("growth", growth, BoundedHyperparameter.widths),
                BoundedHyperparameter("blocks", blocks, BoundedHyperparameter.depths),
                BoundedHyperparameter("upsamplings", upsamplings, 0...3),
                BoundedHyperparameter("unshuffle", unshuffle, BoundedHyperparameter.folds),
            ])
        {
            return problem
        }
        return (1 << upsamplings) % unshuffle == 0
            ? nil : "RRDBNet's unshuffle \(unshuffle) does not divide 2^\(upsamplings)"
    }

    /// ESRGAN, section 3.1: dense blocks begin small, and the trunk near the identity.
    public func initialScale(_ parameter: String) -> Float { parameter.contains(".rdb") ? 0.1 : 1 }

    public func build(_ b: inout GraphBuilder, _ image: Value) -> Value {
        b.padded(image, toMultipleOf: unshuffle, scale: (1 << upsamplings) / unshuffle) { b, x in
            let x = unshuffle > 1 ? b.apply(.pixelUnshuffle(factor: unshuffle), x) : x
            let first = b.convolution(x, "conv_first", to: features)
            var trunk = first
            for block in 0..<blocks {
                var y = trunk
                for dense in 1...3 { y = denseBlock(&b, y, "body.\(block).rdb\(dense)") }
                trunk = b.scaledResidual(y, scale: 0.2, trunk)
            }
            var y = b.apply(.add, b.convolution(trunk, "conv_body", to: features), first)
            for level in 0..<upsamplings {
                y = b.apply(.upsampleNearest(factor: 2), y)
                y = b.leakyReLU(b.convolution(y, "conv_up\(level + 1)", to: features), 0.2)
            }
            y = b.leakyReLU(b.convolution(y, "conv_hr", to: features), 0.2)
            return b.convolution(y, "conv_last", to: outputChannels)
        }
    }

    private func denseBlock(_ b: inout GraphBuilder, _ x: Value, _ name: String) -> Value {
        var parts = [x]
        for index in 1...4 {
            let y = b.convolution(b.concatenate(parts), "\(name).conv\(index)", to: growth)
            parts.append(b.leakyReLU(y, 0.2))
        }
        return b.scaledResidual(b.convolution(b.concatenate(parts), "\(name).conv5", to: features), scale: 0.2, x)
    }

    // MARK: Recognition

    /// One way in which the field names the same tensors.
    private struct NamingStyle {
        let first: String
        let body: String
        /// Prefix of dense block `rdb` of block `block`.
        let dense: (_ block: Int, _ rdb: Int) -> String
        /// Suffix of a dense block's convolution.
        let convolution: (Int) -> String
        /// Names of the upsampling, "hr" and last convolutions when there are `upsamplings`.
        let tail: (_ upsamplings: Int) -> (up: [String], hr: String, last: String)
    }

    private static func styles(_ shapes: [String: Shape]) -> [NamingStyle] {
        // In the oldest style `conv_body` closes the list of blocks: its index is the number of blocks.
        let oldBlocks = count(from: 0) { shapes["model.1.sub.\($0).RDB1.conv1.0.weight"] != nil }
        return [
            NamingStyle(
                first: "conv_first", body: "conv_body", dense: { "body.\($0).rdb\($1)" }, convolution: { ".conv\($0)" },
                tail: { n in ((0..<n).map { "conv_up\($0 + 1)" }, "conv_hr", "conv_last") }),
            NamingStyle(
                first: "conv_first", body: "trunk_conv", dense: { "RRDB_trunk.\($0).RDB\($1)" },
                convolution: { ".conv\($0)" }, tail: { n in ((0..<n).map { "upconv\($0 + 1)" }, "HRconv", "conv_last") }
            ),
            NamingStyle(
                first: "model.0", body: "model.1.sub.\(oldBlocks)", dense: { "model.1.sub.\($0).RDB\($1)" },
                convolution: { ".conv\($0).0" },
                tail: { n in ((0..<n).map { "model.\(3 * ($0 + 1))" }, "model.\(3 * n + 2)", "model.\(3 * n + 4)") }),
        ]
    }

    private static func count(from start: Int, _ holds: (Int) -> Bool) -> Int {
        var index = start
        while holds(index) { index += 1 }
        return index - start
    }

    public static func recognise(_ shapes: [String: Shape]) -> RecognisedArchitecture? {
        for style in styles(shapes) {
            func weight(_ name: String) -> Shape? {
                guard let shape = shapes["\(name).weight"], shape.rank == 4 else { return nil }
                return shape
            }
            guard let first = weight(style.first), weight(style.body) != nil,
                let growthShape = weight(style.dense(0, 1) + style.convolution(1))
            else { continue }
            // The "hr" convolution's place tells how many upsamplings there are where names are numbered.
            let found = (0...3).reversed().first { n in
                let tail = style.tail(n)
                return (tail.up + [tail.hr, tail.last]).allSatisfy { weight($0) != nil }
            }
            guard let upsamplings = found, let last = weight(style.tail(upsamplings).last) else { continue }
            let blocks = count(from: 0) { weight(style.dense($0, 1) + style.convolution(1)) != nil }
            let outputChannels = last[0]
            guard let unshuffle = [1, 2, 4, 8].first(where: { first[1] == outputChannels * $0 * $0 }) else { continue }

            let architecture = RRDBNet(
                inputChannels: first[1] / (unshuffle * unshuffle), outputChannels: outputChannels, features: first[0],
                growth: growthShape[0], blocks: blocks, upsamplings: upsamplings, unshuffle: unshuffle)
            guard architecture.problem == nil else { continue }
            return RecognisedArchitecture(architecture: architecture, keys: architecture.keys(in: style))
        }
        return nil
    }

    private func keys(in style: NamingStyle) -> [String: String] {
        var names = ["conv_first": style.first, "conv_body": style.body]
        let tail = style.tail(upsamplings)
        for (level, name) in tail.up.enumerated() { names["conv_up\(level + 1)"] = name }
        names["conv_hr"] = tail.hr
        names["conv_last"] = tail.last
        for block in 0..<blocks {
            for dense in 1...3 {
                for index in 1...5 {
                    names["body.\(block).rdb\(dense).conv\(index)"] =
                        style.dense(block, dense) + style.convolution(index)
                }
            }
        }
        var keys: [String: String] = [:]
        for (own, theirs) in names {
            keys["\(own).weight"] = "\(theirs).weight"
            keys["\(own).bias"] = "\(theirs).bias"
        }
        return keys
    }
}
