internal import Tensor

/// Pictures of which crops are the high side; the low side is made by a degradation.
///
/// Thread-safe. Owns its cache of decoded pictures.
public final class PictureFolder: SampleSource {
    private let files: [PictureFile]
    private let rule: Crop.Rule
    private let augmentation: Augmentation
    private let cache: PictureCache

    public let summary: String
    public var itemCount: Int { files.count }

    /// Reads the header of every picture. Blocks.
    ///
    /// - Parameters:
    ///   - paths: folders, searched with all that is in them, and pictures.
    ///   - downscale: the factors, at least 1, of which one is drawn for each sample; the picture is made smaller by it
    ///     (bicubic, antialiased) before it is cropped. Most photographs show the blocks of their JPEG at their own size.
    ///     Of a picture that would become smaller than the crop the factor is lowered, as far as the range goes.
    ///   - detail: 0 … 1, the share of samples that are the most detailed of four places; skies and walls teach little.
    ///   - cacheBytes: what decoded pictures may take; one that does not fit any more is decoded for each sample.
    /// - Throws: `DatasetError`.
    /// - Precondition: the numbers lie in the ranges given.
    public init(
        _ paths: [String], downscale: ClosedRange<Double> = 1...1, detail: Float = 0,
        augmentation: Augmentation = Augmentation(), cacheBytes: Int = defaultCacheBytes
    ) throws(DatasetError) {
        let found = try FileList.files(.pictures, at: paths)
        guard !found.isEmpty else { throw .noPictures(path: paths.first ?? "the list of folders") }
        var files: [PictureFile] = []
        for path in found { files.append(try PictureFile(path: path)) }
        self.files = files
        self.augmentation = augmentation
        rule = Crop.Rule(downscale: downscale, detail: detail)
        cache = PictureCache(budget: cacheBytes, policy: .first)
        summary = counted(files.count, "picture") + ", " + megapixels(files.map(\.size))
    }

    public func check(side: Int) throws {
        for file in files { try fit(file, side) }
    }

    private func fit(_ file: PictureFile, _ side: Int) throws(DatasetError) {
        guard rule.fits(file.size, side: side) else {
            throw .cropTooLarge(
                path: file.path, size: file.size, side: side, downscale: rule.downscale.lowerBound)
        }
    }

    public func sample(_ index: Int, seed: UInt64, side: Int) throws -> Sample {
        let number = item(index, of: files.count, seed: seed)
        try fit(files[number], side)
        let picture = try cache.picture(number, files[number])
        var draw = Draw(.crop, seed: seed, index: index)
        let crop = rule.crop(picture, side: side, &draw)
        let pixels = crop.pixels(of: [picture], filter: rule.filter)[0]
        return Sample(high: [Lay(augmentation, seed: seed, index: index).apply(to: pixels)])
    }

    /// For tests: pictures decoded so far, and bytes kept.
    var cacheReading: (made: Int, bytes: Int) { cache.reading }
}

/// "1 picture", "24 pictures".
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

func megapixels(_ sizes: [PixelSize]) -> String {
    let pixels = Double(sizes.reduce(0) { $0 + $1.pixels }) / 1e6
    return pixels < 10 ? "\((pixels * 10).rounded() / 10) megapixels" : "\(Int(pixels.rounded())) megapixels"
}
