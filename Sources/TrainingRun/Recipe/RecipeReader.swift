internal import Catalogue
internal import Degradation
internal import FoundationEssentials
internal import Network
internal import Training
internal import Yams

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Darwin)
    internal import Darwin
#endif

extension Recipe {
    static let keys = [
        "name", "seed", "steps", "generator", "startFrom", "discriminator", "data", "degradation",
        "validationDegradation", "losses", "perceptual", "adversarial", "optimizer", "discriminatorOptimizer",
        "validation", "checkpoint",
    ]

    /// Reads a recipe file.
    ///
    /// - Parameter overrides: as `--set` takes them, "data.batch=8"; they are applied before anything is checked.
    public init(path: String, overrides: [String] = []) throws(RecipeError) {
        guard let bytes = Self.read(path) else { throw RecipeError(path: path, "no such recipe; check the name") }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw RecipeError(path: path, "not UTF-8 text")
        }
        try self.init(yaml: text, path: path, overrides: overrides)
    }

    /// The beginning of a file, a byte more than what the longest recipe has: the name may be a device's or a film's.
    private static func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: RecipeTree.longest + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        return ferror(file) == 0 ? Array(bytes[..<count]) : nil
    }

    /// Reads a recipe's text.
    ///
    /// Networks are given by `architecture` and their hyperparameters, degradations by a preset's name or by `preset` and
    /// what differs from it. Paths are relative to the recipe's folder, or to the user's where they begin with `~/`.
    ///
    /// - Parameter path: the text's file, for messages and relative paths.
    public init(yaml: String, path: String, overrides: [String] = []) throws(RecipeError) {
        var tree = try RecipeTree(yaml: yaml, path: path)
        for assignment in overrides { try tree.set(assignment) }
        try tree.check(known: Self.keys)
        self.init()
        name = try tree.value("name", over: name)
        seed = try tree.value("seed", over: seed)
        steps = try tree.value("steps", over: steps)
        startFrom = try tree.value("startFrom", over: startFrom)
        losses = try tree.value("losses", over: losses)
        perceptual = try tree.value("perceptual", over: perceptual)
        adversarial = try tree.value("adversarial", over: adversarial)
        optimizer = try tree.value("optimizer", over: optimizer)
        discriminatorOptimizer = try tree.value("discriminatorOptimizer", over: discriminatorOptimizer)
        validation = try tree.value("validation", over: validation)
        checkpoint = try tree.value("checkpoint", over: checkpoint)
        degradation = try Self.degradation(tree, "degradation", over: degradation)
        validationDegradation = try Self.degradation(tree, "validationDegradation", over: validationDegradation)
        data = try Self.data(tree, over: data)

        guard let node = tree.node("generator") else {
            throw RecipeError(
                path: path, "no 'generator'; say which network to train, as 'generator: {architecture: RealtimeSR}'")
        }
        generator = try Self.network(tree, node, "generator", among: standardArchitectures) { type(of: $0).name }
        if let problem = generator.problem { throw tree.problem(node, problem) }
        if let node = tree.node("discriminator") {
            let read = try Self.network(tree, node, "discriminator", among: standardDiscriminators) {
                type(of: $0).name
            }
            if let problem = read.problem { throw tree.problem(node, problem) }
            discriminator = read
        }
        resolvePaths(folder: Self.folder(of: path))
        try check(tree)
    }

    private static func network<N>(
        _ tree: RecipeTree, _ node: Yams.Node, _ place: String, among known: [N], name: (N) -> String
    ) throws(RecipeError) -> N {
        // A bare name means the usual hyperparameters.
        guard let wanted = node.string ?? node.mapping?[Yams.Node("architecture")]?.string else {
            throw tree.problem(
                node, "'\(place)' needs 'architecture', one of \(known.map(name).joined(separator: ", "))")
        }
        guard let standard = known.first(where: { name($0) == wanted }) else {
            let near = NearestNames.of(wanted, among: known.map(name))
            let remedy =
                near.isEmpty
                ? "known are \(known.map(name).joined(separator: ", "))"
                : "did you mean \(near.map { "'\($0)'" }.joined(separator: " or "))?"
            throw tree.problem(node, "'\(wanted)' is no \(place) that is known; \(remedy)")
        }
        if node.mapping == nil { return standard }
        func laid<T: Codable>(_ standard: T) throws(RecipeError) -> T {
            try tree.value(node, place, over: standard, ignoring: ["architecture"])
        }
        guard let codable = standard as? any Codable, let result = try laid(codable) as? N else {
            preconditionFailure("\(wanted) cannot be read from a recipe")
        }
        return result
    }

    private static func degradation(
        _ tree: RecipeTree, _ key: String, over standard: DegradationRecipe
    ) throws(RecipeError) -> DegradationRecipe {
        guard let node = tree.node(key) else { return standard }
        let name = node.string ?? node.mapping?[Yams.Node("preset")]?.string
        var base = standard
        if let name {
            guard let preset = DegradationRecipe.preset(name) else {
                let near = NearestNames.of(name, among: DegradationRecipe.presetNames)
                let remedy =
                    near.isEmpty
                    ? "known are \(DegradationRecipe.presetNames.joined(separator: ", "))"
                    : "did you mean \(near.map { "'\($0)'" }.joined(separator: " or "))?"
                throw tree.problem(node, "'\(name)' is no degradation preset; \(remedy)")
            }
            base = preset
        }
        if node.mapping != nil { base = try tree.value(node, key, over: base, ignoring: ["preset"]) }
        do { try base.validate() } catch { throw tree.problem(node, "'\(key)': \(error)") }
        let missing = base.missingEncoders
        guard missing.isEmpty else {
            throw tree.problem(
                node, "'\(key)' draws \(missing.joined(separator: ", ")), which this FFmpeg cannot encode; leave it out"
            )
        }
        return base
    }

    private static func data(_ tree: RecipeTree, over standard: DataSettings) throws(RecipeError) -> DataSettings {
        guard let node = tree.node("data") else { return standard }
        var data = try tree.value(node, "data", over: standard, ignoring: ["train", "validation"])
        for (name, member) in [("train", \DataSettings.train), ("validation", \DataSettings.validation)] {
            guard let list = node.mapping?[Yams.Node(name)] else { continue }
            data[keyPath: member] = try tree.values(list, "data.\(name)", over: SourceSettings())
        }
        return data
    }

    // MARK: Paths

    private static func folder(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    }

    private mutating func resolvePaths(folder: String) {
        func resolved(_ path: String) -> String {
            if path.hasPrefix("~/") {
                return FileManager.default.homeDirectoryForCurrentUser.path() + path.dropFirst(2)
            }
            return path.isEmpty || path.hasPrefix("/") || folder == "." ? path : folder + "/" + path
        }
        func resolve(_ source: inout SourceSettings) {
            source.pictures = source.pictures.map(resolved)
            source.videos = source.videos.map(resolved)
            (source.low, source.high, source.list) = (
                resolved(source.low), resolved(source.high), resolved(source.list)
            )
        }
        for index in data.train.indices { resolve(&data.train[index]) }
        for index in data.validation.indices { resolve(&data.validation[index]) }
        perceptual.weights = resolved(perceptual.weights)
        // A name of the catalogue is no path.
        if startFrom.contains("/") || startFrom.hasSuffix(".safetensors") { startFrom = resolved(startFrom) }
    }

    // MARK: Sense

    private func check(_ tree: RecipeTree) throws(RecipeError) {
        func fail(_ key: String, _ message: String) -> RecipeError {
            RecipeError(path: tree.path, line: tree.node(key)?.mark?.line, message)
        }
        let network = generator.descriptor
        let scale = network.scale
        let isPath = name.contains("/") || name.unicodeScalars.contains { $0.properties.generalCategory == .control }
        if isPath || ["", ".", ".."].contains(name) || name.utf8.count > 100 {
            throw fail("name", "'name' is part of file names: give a short word, without a slash")
        }
        if data.train.isEmpty { throw fail("data", "'data.train' is empty; name pictures, pairs or videos there") }
        for (index, source) in (data.train + data.validation).enumerated() {
            let place =
                index < data.train.count ? "data.train.\(index)" : "data.validation.\(index - data.train.count)"
            let hasPairs = !source.low.isEmpty || !source.high.isEmpty
            let kinds = [!source.pictures.isEmpty, hasPairs, !source.list.isEmpty, !source.videos.isEmpty]
            guard kinds.count(where: { $0 }) == 1 else {
                throw fail("data", "'\(place)' needs one of 'pictures', 'low' and 'high', 'list' or 'videos'")
            }
            if hasPairs, source.low.isEmpty || source.high.isEmpty {
                throw fail("data", "'\(place)' needs both 'low' and 'high'")
            }
            if source.shrink.count != 2 || source.shrink[1] < source.shrink[0] {
                throw fail("data", "'\(place).shrink' is a range of factors from 1 up, as [2, 4]")
            }
        }
        for (name, side) in [("crop", data.crop), ("firstCrop", data.firstCrop)] {
            if side % scale != 0 {
                throw fail("data", "'data.\(name)' is \(side); with this network it must be a multiple of \(scale)")
            }
        }
        for (key, channels) in [
            ("generator", network.inputChannels), ("generator", network.outputChannels),
            ("discriminator", discriminator?.inputChannels ?? 3),
        ] where channels != 3 {
            let noun = channels == 1 ? "channel" : "channels"
            throw fail(key, "the \(key) works on \(channels) \(noun); pictures have 3")
        }
        if perceptual.weight != 0, perceptual.weights.isEmpty {
            throw fail(
                "perceptual",
                "'perceptual.weights' is missing: name torchvision's VGG19 as a safetensors file, or leave 'perceptual' "
                    + "out and use 'losses.featureMatching' or 'losses.msSSIM' in its place")
        }
        if losses.featureMatching != 0, discriminator == nil {
            throw fail("losses", "'losses.featureMatching' needs a 'discriminator'")
        }
        if rules.pixelLosses.isEmpty, rules.perceptualWeights.isEmpty, discriminator == nil {
            throw fail("losses", "no loss has a weight; give 'losses.l1' one")
        }
        let (smallestKey, smallest) =
            data.firstCrop > 0 && data.firstCrop < data.crop ? ("firstCrop", data.firstCrop) : ("crop", data.crop)
        for (loss, side) in [
            ("losses.msSSIM", losses.msSSIM != 0 ? 176 : 0), ("perceptual", perceptual.weight != 0 ? 16 : 0),
        ]
        where smallest < side {
            throw fail("data", "'\(loss)' needs crops of at least \(side), 'data.\(smallestKey)' is \(smallest)")
        }
        if let problem = cropProblem { throw fail("data", problem) }
        if validation.side % scale != 0 {
            throw fail("validation", "'validation.side' is \(validation.side); it must be a multiple of \(scale)")
        }
        for (key, settings) in [("optimizer", optimizer), ("discriminatorOptimizer", discriminatorOptimizer)] {
            if let problem = settings.problem(steps: steps) {
                throw fail(key, "'\(key).\(problem.key)' \(problem.words)")
            }
        }
    }

    /// Which crop the discriminator cannot judge, or nil.
    var cropProblem: String? {
        guard let discriminator else { return nil }
        let sides = discriminator.sides
        let used = [("crop", data.crop)] + (data.firstCrop > 0 ? [("firstCrop", data.firstCrop)] : [])
        for (key, side) in used where !sides.contains(side) {
            return "\(type(of: discriminator).name) judges pictures whose sides are \(sides); 'data.\(key)' is \(side)"
        }
        return nil
    }
}
