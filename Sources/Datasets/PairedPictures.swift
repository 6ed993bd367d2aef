internal import Tensor

/// Pictures in two sizes: what a network is given, and what it is to make of it.
///
/// Thread-safe. Owns its cache of decoded pictures.
public final class PairedPictures: SampleSource {
    private struct Pair {
        var low: PictureFile
        var high: PictureFile
    }

    private let pairs: [Pair]
    /// High pixels to one low pixel, along each side.
    public let scale: Int
    private let augmentation: Augmentation
    private let cache: PictureCache

    public let summary: String
    public var itemCount: Int { pairs.count }

    /// Two folders, searched with all that is in them. Pictures belong together by their names without the ending; the
    /// low one may have `x4` (the scale) behind its name, as in DIV2K. Reads the header of every picture; blocks.
    ///
    /// - Throws: `DatasetError`, also for a picture without counterpart and for a pair that is not of the scale.
    /// - Precondition: `scale >= 1`.
    public convenience init(
        low: String, high: String, scale: Int, augmentation: Augmentation = Augmentation(),
        cacheBytes: Int = defaultCacheBytes
    ) throws(DatasetError) {
        let lows = try PairedPictures.byName(low)
        let highs = try PairedPictures.byName(high)
        var paths: [(low: String, high: String)] = []
        for (name, path) in highs.sorted(by: { $0.key < $1.key }) {
            guard let counterpart = lows[name] ?? lows[name + "x\(scale)"] else {
                throw .missingCounterpart(path: path, folder: low)
            }
            paths.append((counterpart, path))
        }
        if paths.count < lows.count {
            let used = Set(paths.map(\.low))
            let lonely = lows.values.filter { !used.contains($0) }.min()
            throw .missingCounterpart(path: lonely ?? low, folder: high)
        }
        try self.init(paths, scale: scale, augmentation: augmentation, cacheBytes: cacheBytes)
    }

    /// A text file with a pair on each line: the low picture, a tab (or spaces, where the names have none), the high
    /// one; relative names begin at the list's folder. Empty lines and those that begin with # are passed over.
    ///
    /// - Throws: `DatasetError`.
    /// - Precondition: `scale >= 1`.
    public convenience init(
        list: String, scale: Int, augmentation: Augmentation = Augmentation(), cacheBytes: Int = defaultCacheBytes
    ) throws(DatasetError) {
        guard FileList.exists(list) else { throw .missing(path: list) }
        guard let lines = FileList.lines(of: list) else { throw .unreadable(path: list, reason: "not a text file") }
        let folder = FileList.folder(of: list)
        var paths: [(low: String, high: String)] = []
        for (number, line) in lines.enumerated() {
            let text = line.trimmed
            guard !text.isEmpty, !text.hasPrefix("#") else { continue }
            let parts =
                text.contains("\t")
                ? text.split(separator: "\t").map(\.trimmed) : text.split(separator: " ").map(\.trimmed)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
                throw .badListLine(path: list, line: number + 1)
            }
            paths.append((FileList.join(folder, String(parts[0])), FileList.join(folder, String(parts[1]))))
        }
        guard !paths.isEmpty else { throw .emptyList(path: list) }
        try self.init(paths, scale: scale, augmentation: augmentation, cacheBytes: cacheBytes)
    }

    private init(
        _ paths: [(low: String, high: String)], scale: Int, augmentation: Augmentation, cacheBytes: Int
    ) throws(DatasetError) {
        precondition(scale >= 1)
        var pairs: [Pair] = []
        for path in paths {
            let pair = Pair(low: try PictureFile(path: path.low), high: try PictureFile(path: path.high))
            guard pair.high.size == pair.low.size.scaled(scale) else {
                throw .wrongScale(
                    low: path.low, lowSize: pair.low.size, high: path.high, highSize: pair.high.size, scale: scale)
            }
            pairs.append(pair)
        }
        (self.pairs, self.scale, self.augmentation) = (pairs, scale, augmentation)
        cache = PictureCache(budget: cacheBytes, policy: .first)
        summary = counted(pairs.count, "pair") + " at x\(scale), " + megapixels(pairs.map(\.high.size))
    }

    /// The pictures of a folder by their names without ending.
    private static func byName(_ folder: String) throws(DatasetError) -> [String: String] {
        guard FileList.exists(folder) else { throw .missing(path: folder) }
        guard FileList.isFolder(folder) else { throw .noPictures(path: folder) }
        let names = FileList.names(.pictures, in: folder)
        guard !names.isEmpty else { throw .noPictures(path: folder) }
        var result: [String: String] = [:]
        for name in names {
            let stem = FileList.stem(of: name)
            let path = FileList.join(folder, name)
            if let other = result[stem] { throw .sameName(first: other, second: path) }
            result[stem] = path
        }
        return result
    }

    public func check(side: Int) throws {
        for pair in pairs { try fit(pair, side) }
    }

    private func fit(_ pair: Pair, _ side: Int) throws(DatasetError) {
        guard side % scale == 0 else { throw .cropNotDivisible(side: side, scale: scale) }
        guard min(pair.high.size.width, pair.high.size.height) >= side else {
            throw .cropTooLarge(path: pair.high.path, size: pair.high.size, side: side, downscale: 1)
        }
    }

    public func sample(_ index: Int, seed: UInt64, side: Int) throws -> Sample {
        let number = item(index, of: pairs.count, seed: seed)
        let pair = pairs[number]
        try fit(pair, side)
        let low = try cache.picture(2 * number, pair.low)
        let high = try cache.picture(2 * number + 1, pair.high)
        // Drawn on the grid of the low picture, so that the two show the same.
        let lowSide = side / scale
        var draw = Draw(.crop, seed: seed, index: index)
        let row = draw.below(low.size.height - lowSide + 1)
        let column = draw.below(low.size.width - lowSide + 1)
        let lay = Lay(augmentation, seed: seed, index: index)
        let lowPixels = low.pixels(row..<row + lowSide, column..<column + lowSide)
        let (top, left) = (row * scale, column * scale)
        let highPixels = high.pixels(top..<top + side, left..<left + side)
        return Sample(high: [lay.apply(to: highPixels)], low: [lay.apply(to: lowPixels)])
    }
}

extension StringProtocol {
    /// Without white space at either end.
    var trimmed: SubSequence {
        let rest = drop { $0.isWhitespace }
        guard let last = rest.lastIndex(where: { !$0.isWhitespace }) else { return rest[rest.endIndex...] }
        return rest[...last]
    }
}
