extension DegradationRecipe {
    /// Throws when a number lies outside its range (the tables of keys state them), or numbers do not go together.
    public func validate() throws(DegradationError) {
        try checkRanges("")
        for (name, order) in [("first", first), ("second", second)] {
            try Self.sizes("\(name).blur.sizes", order.blur.sizes)
            try Self.weights("\(name).blur.kinds", order.blur.kinds.all)
            let resize = order.resize
            try Self.weights("\(name).resize.up, down, keep", [resize.up, resize.down, resize.keep])
            try Self.require(
                resize.factor.contains(1), "\(name).resize.factor",
                "has to include 1: larger is drawn above it and smaller below")
            try Self.require(!resize.modes.isEmpty, "\(name).resize.modes", "is empty")
        }
        try Self.codecs("middleCodec", middleCodec)
        try Self.codecs("lastCodec", lastCodec)
        try Self.sizes("last.sizes", last.sizes)
        try Self.require(!last.modes.isEmpty, "last.modes", "is empty")
    }

    private static func require(_ condition: Bool, _ key: String, _ reason: String) throws(DegradationError) {
        if !condition { throw .badSetting(key: key, reason: reason) }
    }

    private static func weights(_ key: String, _ values: [Double]) throws(DegradationError) {
        try require(values.contains { $0 > 0 }, key, "are all 0; one of them has to be above")
    }

    private static func sizes(_ key: String, _ value: ClosedRange<Int>) throws(DegradationError) {
        try require(value.count > 1 || value.lowerBound % 2 == 1, key, "has to hold an odd number")
    }

    private static func codecs(_ key: String, _ stage: CodecStage) throws(DegradationError) {
        guard stage.probability > 0 else { return }
        try require(!stage.codecs.isEmpty, "\(key).codecs", "is empty")
        try weights("\(key).codecs: the weights", stage.codecs.map(\.weight))
        for codec in stage.codecs {
            try require(
                (codec.quality == nil) != (codec.bitsPerPixel == nil), "\(key).codecs: \(codec.encoder)",
                "needs either quality or bitsPerPixel")
        }
    }
}
