// Datasets: where training samples come from.
//
// A sample is a pure function of its index and of the run's seed. Which picture, how much smaller, which corner, which
// way round: all of it is drawn from Philox by counting, nothing from a generator that remembers. So any thread makes any
// sample, in any order, and a run that was stopped goes on with the very samples that it would have had.
//
// The parts:
//   SampleSource     the one thing that a trainer knows: index in, frames out.
//   PairedPictures   low and high pictures, in two folders or by a list.
//   PictureFolder    high pictures; the low side is made by a degradation, elsewhere.
//   VideoFiles       frames, or clips of consecutive ones, at places drawn at random.
//   MixedSources     several of these by weight.
//   Loader           threads that make batches ahead of the trainer, in order.
//   DatasetError     what can be wrong with a data set, in one line that names the file and the remedy.
//
// Inside: `Draw` (numbers by counting), `StoredPicture` and `PictureCache` (decoded pictures, 8 or 16 bits a sample,
// within a budget), `Crop` (a square of a picture, made smaller on the way: only what the square needs is touched).
//
// It refuses: to begin with a data set that it cannot serve to the end, as far as headers tell; to go on past a picture
// that cannot be decoded; and to know what a network or a loss is.

public import Tensor

/// The frames of one sample.
public struct Sample: Sendable {
    /// What the network is to make: one picture, or the consecutive frames of a clip, each `[1, side, side, 3]`, RGB in
    /// 0 … 1.
    public var high: [HostTensor]
    /// What it is given, as many; empty where a degradation is to make it.
    public var low: [HostTensor]

    public init(high: [HostTensor], low: [HostTensor] = []) {
        self.high = high
        self.low = low
    }
}

/// A supply of samples. Any thread may ask for any sample at any time.
public protocol SampleSource: Sendable {
    /// For people: "24 pictures, 101 megapixels".
    var summary: String { get }
    /// Pictures, pairs or files.
    var itemCount: Int { get }
    /// Finds out whether samples of `side` pixels can be made of every item, without decoding anything.
    ///
    /// - Throws: `DatasetError`, for the first item of which it cannot.
    func check(side: Int) throws
    /// Sample `index` of the run with that seed; the same arguments give the same bits. Blocks while it decodes.
    ///
    /// - Parameter side: of the high-resolution crop, in pixels.
    /// - Throws: `DatasetError`.
    /// - Precondition: neither is negative, and `side` is not zero.
    func sample(_ index: Int, seed: UInt64, side: Int) throws -> Sample
}

extension SampleSource {
    public func check(side: Int) throws {}
}

/// The ways in which a sample may be laid: all that a square allows without computing a pixel. Every way is as likely as
/// the others.
public struct Augmentation: Sendable, Hashable {
    /// Left and right changed.
    public var flips: Bool
    /// Turned by quarters.
    public var rotations: Bool

    public init(flips: Bool = true, rotations: Bool = true) {
        self.flips = flips
        self.rotations = rotations
    }

    public static let none = Augmentation(flips: false, rotations: false)
}

/// Pictures that stay decoded when nothing else is said: two gibibytes, about 85 pictures of 4K.
public let defaultCacheBytes = 2 << 30
