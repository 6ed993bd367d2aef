extension DegradationRecipe {
    /// Throws the first setting that makes no sense, by its path of keys. Decoding has done so already.
    public func validate() throws(DegradationError) {
        try Self.chance("clean", clean)
        try Self.require(sharpen.weight.isFinite, "sharpen.weight", "is no number")
        try Self.require((1...255).contains(sharpen.radius), "sharpen.radius", "has to lie in 1 … 255")
        try Self.require(sharpen.threshold >= 0, "sharpen.threshold", "is below 0")
        for (name, order) in [("first", first), ("second", second)] {
            try Self.blur("\(name).blur", order.blur)
            let resize = order.resize
            try Self.weights("\(name).resize.up, down, keep", [resize.up, resize.down, resize.keep])
            try Self.range("\(name).resize.factor", resize.factor, in: 0.01...8)
            try Self.require(
                resize.factor.contains(1), "\(name).resize.factor",
                "has to include 1: larger is drawn above it and smaller below")
            try Self.require(!resize.modes.isEmpty, "\(name).resize.modes", "is empty")
            try Self.chance("\(name).noise.probability", order.noise.probability)
            try Self.chance("\(name).noise.gaussian", order.noise.gaussian)
            try Self.chance("\(name).noise.gray", order.noise.gray)
            try Self.range("\(name).noise.sigma", order.noise.sigma, in: 0...255)
            try Self.range("\(name).noise.poissonScale", order.noise.poissonScale, in: 0...100)
            try Self.chance("\(name).jpeg.probability", order.jpeg.probability)
            let quality = order.jpeg.quality
            try Self.require(
                quality.lowerBound >= 1 && quality.upperBound <= 100, "\(name).jpeg.quality", "has to lie in 1 … 100")
        }
        try Self.codecs("middleCodec", middleCodec)
        try Self.codecs("lastCodec", lastCodec)
        try Self.chance("last.sinc", last.sinc)
        try Self.sizes("last.sizes", last.sizes)
        try Self.chance("last.compressLast", last.compressLast)
        try Self.require(!last.modes.isEmpty, "last.modes", "is empty")
        let steps = [
            ("sigma", walk.sigma), ("rotation", walk.rotation), ("generalisedBeta", walk.generalisedBeta),
            ("plateauBeta", walk.plateauBeta), ("cutoff", walk.cutoff), ("firstResize", walk.firstResize),
            ("secondResize", walk.secondResize), ("noise", walk.noise), ("poissonScale", walk.poissonScale),
            ("quality", walk.quality),
        ]
        for (name, step) in steps {
            try Self.require(step >= 0 && step.isFinite, "walk.\(name)", "is \(step); steps are 0 or larger")
        }
    }

    private static func require(_ condition: Bool, _ key: String, _ reason: String) throws(DegradationError) {
        if !condition { throw .badSetting(key: key, reason: reason) }
    }

    private static func chance(_ key: String, _ value: Double) throws(DegradationError) {
        try require((0...1).contains(value), key, "is \(value); probabilities run from 0 to 1")
    }

    private static func range(
        _ key: String, _ value: ClosedRange<Double>, in limits: ClosedRange<Double>
    ) throws(DegradationError) {
        try require(
            limits.contains(value.lowerBound) && limits.contains(value.upperBound), key,
            "has to lie in \(limits.lowerBound) … \(limits.upperBound)")
    }

    private static func weights(_ key: String, _ values: [Double]) throws(DegradationError) {
        try require(
            values.allSatisfy { $0 >= 0 && $0.isFinite } && values.contains { $0 > 0 }, key,
            "have to be 0 or larger, and one of them above 0")
    }

    private static func sizes(_ key: String, _ value: ClosedRange<Int>) throws(DegradationError) {
        try require(
            value.lowerBound >= 1 && value.upperBound <= BlurKernel.side
                && (value.count > 1 || value.lowerBound % 2 == 1), key,
            "has to lie in 1 … \(BlurKernel.side) and hold an odd number")
    }

    private static func blur(_ key: String, _ blur: Blur) throws(DegradationError) {
        try chance("\(key).probability", blur.probability)
        try chance("\(key).sinc", blur.sinc)
        try sizes("\(key).sizes", blur.sizes)
        try weights("\(key).kinds", blur.kinds.all)
        try range("\(key).sigma", blur.sigma, in: 0.05...50)
        try range("\(key).generalisedBeta", blur.generalisedBeta, in: 0.1...20)
        try range("\(key).plateauBeta", blur.plateauBeta, in: 0.1...20)
    }

    private static func codecs(_ key: String, _ stage: CodecStage) throws(DegradationError) {
        try chance("\(key).probability", stage.probability)
        try require((1...64).contains(stage.stillFrames), "\(key).stillFrames", "has to lie in 1 … 64")
        try require((0...64).contains(stage.stillMotion), "\(key).stillMotion", "has to lie in 0 … 64")
        guard stage.probability > 0 else { return }
        try require(!stage.codecs.isEmpty, "\(key).codecs", "is empty")
        try weights("\(key).codecs: the weights", stage.codecs.map(\.weight))
        for codec in stage.codecs {
            let name = "\(key).codecs: \(codec.encoder)"
            try require(
                (codec.quality == nil) != (codec.bitsPerPixel == nil), name, "needs either quality or bitsPerPixel")
            if let quality = codec.quality { try range("\(name).quality", quality, in: 0...63) }
            if let bits = codec.bitsPerPixel { try range("\(name).bitsPerPixel", bits, in: 0.001...24) }
        }
    }
}
