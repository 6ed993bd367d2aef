internal import Media

/// What the numbers mean: the five tags of ITU-T H.273, and the static metadata of HDR.
struct ColorCheck {
    let source: PictureInventory
    let target: PictureInventory

    func run(_ list: inout FindingList) {
        let (a, b) = (source.color, target.color)
        // Between RGB and YUV, matrix and range are the conversion's own.
        let converted = source.video.isRGB != target.video.isRGB
        let isGrey = source.isGrey || target.isGrey
        compare("matrix", a.matrix.rawValue, b.matrix.rawValue, unset: [2], Self.matrices, mayDiffer: converted, &list)
        if effectiveRange(source) == 1, effectiveRange(target) == 0, !target.video.isRGB {
            list.add("range", "limited", "not said", .ok, "limited is what is not said")
        } else {
            compareRange(converted: converted || isGrey, &list)
        }
        compare(
            "primaries", a.primaries.rawValue, b.primaries.rawValue, unset: [2], Self.primaries, mayDiffer: false, &list
        )
        compare(
            "transfer", a.transfer.rawValue, b.transfer.rawValue, unset: [2], Self.transfers, mayDiffer: false, &list)
        compareSiting(&list)
        compareHDR(&list)
    }

    private func compareRange(converted: Bool, _ list: inout FindingList) {
        compare(
            "range", effectiveRange(source), effectiveRange(target), unset: [0], ["not said", "limited", "full"],
            mayDiffer: converted, &list)
    }

    /// RGB without a tag is full range, and so is FFmpeg's yuvj family.
    private func effectiveRange(_ picture: PictureInventory) -> Int {
        if picture.color.range != .unspecified { return picture.color.range.rawValue }
        return picture.video.isRGB || picture.video.pixelFormat.hasPrefix("yuvj") ? 2 : 0
    }

    private func compare(
        _ what: String, _ a: Int, _ b: Int, unset: Set<Int>, _ names: [String], mayDiffer: Bool,
        _ list: inout FindingList
    ) {
        func name(_ code: Int) -> String { names.indices.contains(code) ? names[code] : "code \(code)" }
        if a == b {
            if !unset.contains(a) { list.add(what, name(a), name(b), .ok) }
        } else if unset.contains(a) {
            list.add(what, "not said", name(b), .expected, "guessed as players do, now written")
        } else if mayDiffer {
            list.add(what, name(a), unset.contains(b) ? "not said" : name(b), .expected, "converted")
        } else if unset.contains(b) {
            list.add(what, name(a), "not said", .lost)
        } else if Self.sameMeaning(what, a, b) {
            list.add(what, name(a), name(b), .ok, "two names of the same numbers")
        } else {
            list.add(what, name(a), name(b), .changed)
        }
    }

    /// 601 has two codes, one for each kind of television; 709's curve has four.
    private static func sameMeaning(_ what: String, _ a: Int, _ b: Int) -> Bool {
        switch what {
        case "matrix": Set([a, b]).isSubset(of: [5, 6])
        case "transfer": Set([a, b]).isSubset(of: [1, 6, 14, 15])
        default: false
        }
    }

    private func compareSiting(_ list: inout FindingList) {
        var (a, b) = (source.color.chromaLocation, target.color.chromaLocation)
        // Where chroma has all rows, only its column is a place.
        if source.chromaHeightShift == 0 { a = a.column }
        if target.chromaHeightShift == 0 { b = b.column }
        // Only halved chroma has a place of its own.
        guard source.chromaWidthShift > 0, target.chromaWidthShift > 0 else { return }
        // Left is what everyone takes for granted, and decoders say it unasked.
        if a == .left, b == .unspecified {
            list.add("chroma siting", "left", "not said", .ok, "left is what is not said")
            return
        }
        let names = ["not said", "left", "centre", "top left", "top", "bottom left", "bottom"]
        // Between 4:2:0 and 4:2:2 the vertical half of the place has no meaning.
        let differs = source.chromaHeightShift != target.chromaHeightShift
        compare("chroma siting", a.rawValue, b.rawValue, unset: [0], names, mayDiffer: differs, &list)
    }

    private func compareHDR(_ list: inout FindingList) {
        switch (source.masteringDisplay, target.masteringDisplay) {
        case (let a?, let b?):
            list.add("mastering display", "\(a)", "\(b)", Self.agree(a, b) ? .ok : .changed)
        case (let a, let b): list.compare("mastering display", a.map { "\($0)" }, b.map { "\($0)" })
        }
        list.compare(
            "light level", source.lightLevel.map { "\($0)" }, target.lightLevel.map { "\($0)" }, added: .expected)
    }

    /// Bitstreams count in 1/50000 and in 1/10000 cd/m2, Matroska in floats.
    private static func agree(_ a: MasteringDisplay, _ b: MasteringDisplay) -> Bool {
        guard a.chromaticities.count == b.chromaticities.count, (a.luminance == nil) == (b.luminance == nil) else {
            return false
        }
        let points = zip(a.chromaticities, b.chromaticities).allSatisfy { abs($0 - $1) <= 1.01 / 50000 }
        guard points, let x = a.luminance, let y = b.luminance else { return points }
        return abs(x.lowerBound - y.lowerBound) <= 1.01e-4
            && abs(x.upperBound - y.upperBound) <= 1.01e-4 + x.upperBound * 1e-6
    }

    private static let matrices = [
        "rgb", "bt709", "not said", "code 3", "fcc", "bt470bg", "smpte170m", "smpte240m", "ycgco", "bt2020ncl",
        "bt2020cl",
    ]
    private static let primaries = [
        "code 0", "bt709", "not said", "code 3", "bt470m", "bt470bg", "smpte170m", "smpte240m", "film", "bt2020",
        "smpte428", "smpte431", "smpte432",
    ]
    private static let transfers = [
        "code 0", "bt709", "not said", "code 3", "gamma22", "gamma28", "smpte170m", "smpte240m", "linear", "log100",
        "log316", "iec61966-2-4", "bt1361e", "srgb", "bt2020-10", "bt2020-12", "pq", "smpte428", "hlg",
    ]
}

extension ColorDescription.ChromaLocation {
    /// The place without its row.
    fileprivate var column: Self {
        switch self {
        case .left, .topLeft, .bottomLeft: .left
        case .center, .top, .bottom: .center
        default: self
        }
    }
}
