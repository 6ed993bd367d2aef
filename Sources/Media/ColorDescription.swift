internal import CFFmpeg

/// What the numbers in a frame mean. The codes are those of ITU-T H.273, which containers and codecs carry too; a code
/// without a name here passes through all the same.
public struct ColorDescription: Sendable, Hashable {
    /// How luma and chroma are made of red, green and blue.
    public struct Matrix: RawRepresentable, Sendable, Hashable {
        public var rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let rgb = Matrix(rawValue: 0)
        public static let bt709 = Matrix(rawValue: 1)
        public static let unspecified = Matrix(rawValue: 2)
        public static let fcc = Matrix(rawValue: 4)
        /// 601 as tagged for 625-line material; the same numbers as `smpte170m`.
        public static let bt470bg = Matrix(rawValue: 5)
        /// 601 as tagged for 525-line material.
        public static let smpte170m = Matrix(rawValue: 6)
        public static let smpte240m = Matrix(rawValue: 7)
        public static let ycgco = Matrix(rawValue: 8)
        public static let bt2020ncl = Matrix(rawValue: 9)
        public static let bt2020cl = Matrix(rawValue: 10)
    }

    public enum Range: Int, Sendable, Hashable {
        case unspecified = 0
        case limited = 1
        case full = 2
    }

    public struct Primaries: RawRepresentable, Sendable, Hashable {
        public var rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let bt709 = Primaries(rawValue: 1)
        public static let unspecified = Primaries(rawValue: 2)
        public static let bt470bg = Primaries(rawValue: 5)
        public static let smpte170m = Primaries(rawValue: 6)
        public static let bt2020 = Primaries(rawValue: 9)
    }

    public struct Transfer: RawRepresentable, Sendable, Hashable {
        public var rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let bt709 = Transfer(rawValue: 1)
        public static let unspecified = Transfer(rawValue: 2)
        public static let srgb = Transfer(rawValue: 13)
        public static let pq = Transfer(rawValue: 16)
        public static let hlg = Transfer(rawValue: 18)
    }

    /// Where a subsampled chroma sample lies among the luma samples that share it.
    public enum ChromaLocation: Int, Sendable, Hashable {
        case unspecified = 0
        case left = 1
        case center = 2
        case topLeft = 3
        case top = 4
        case bottomLeft = 5
        case bottom = 6
    }

    /// Which fields were not tagged and were guessed.
    public struct Guesses: OptionSet, Sendable, Hashable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let matrix = Guesses(rawValue: 1)
        public static let range = Guesses(rawValue: 2)
        public static let chromaLocation = Guesses(rawValue: 4)
    }

    public var matrix: Matrix
    public var range: Range
    public var primaries: Primaries
    public var transfer: Transfer
    public var chromaLocation: ChromaLocation
    /// Empty in a description that was read as it stands; filled by `resolved`.
    public var guessed: Guesses

    public init(
        matrix: Matrix = .unspecified, range: Range = .unspecified, primaries: Primaries = .unspecified,
        transfer: Transfer = .unspecified, chromaLocation: ChromaLocation = .unspecified, guessed: Guesses = []
    ) {
        self.matrix = matrix
        self.range = range
        self.primaries = primaries
        self.transfer = transfer
        self.chromaLocation = chromaLocation
        self.guessed = guessed
    }

    /// What players take for an untagged matrix: 601 up to 576 rows, 709 above.
    public static func guessedMatrix(height: Int) -> Matrix {
        height <= 576 ? .smpte170m : .bt709
    }

    /// The same description with every missing field filled as players fill it, and `guessed` saying which.
    /// Primaries and transfer stay as tagged: nothing here computes with them.
    ///
    /// - Parameters:
    ///   - height: rows of the picture; decides between 601 and 709.
    ///   - isRGB: the pixel format stores red, green and blue, so the matrix is `rgb` whatever the tag says.
    ///   - isFullRangeFormat: the pixel format itself says full range (FFmpeg's yuvj family).
    ///   - isFullRangeByDefault: where the tag is missing, codes run over the full range: grey pictures.
    ///   - isPhotograph: JPEG, which is 601 at any height and has its chroma in the centre.
    public func resolved(
        height: Int, isRGB: Bool, isFullRangeFormat: Bool = false, isFullRangeByDefault: Bool = false,
        isPhotograph: Bool = false
    ) -> ColorDescription {
        var color = self
        if isRGB {
            color.matrix = .rgb
            if color.range == .unspecified { color.range = .full }
            return color
        }
        if color.matrix == .unspecified || color.matrix == .rgb {
            color.matrix = isPhotograph ? .smpte170m : Self.guessedMatrix(height: height)
            color.guessed.insert(.matrix)
        }
        if color.range == .unspecified {
            color.range = isFullRangeFormat || isFullRangeByDefault ? .full : .limited
            if !isFullRangeFormat { color.guessed.insert(.range) }
        }
        if color.chromaLocation == .unspecified {
            color.chromaLocation = isPhotograph ? .center : .left
            color.guessed.insert(.chromaLocation)
        }
        return color
    }

    /// The description with the guesses taken out again: what was tagged.
    public var tagged: ColorDescription {
        var color = self
        if guessed.contains(.matrix) { color.matrix = .unspecified }
        if guessed.contains(.range) { color.range = .unspecified }
        if guessed.contains(.chromaLocation) { color.chromaLocation = .unspecified }
        color.guessed = []
        return color
    }

    /// Whether matrix or range had to be guessed; chroma siting is nearly never tagged, and not worth a word.
    public var isGuessed: Bool { !guessed.isDisjoint(with: [.matrix, .range]) }
}

extension ColorDescription {
    /// For people, by FFmpeg's names: "matrix bt709 (guessed), range tv, …".
    public var summary: String {
        func part(_ what: String, _ name: UnsafePointer<CChar>?, _ guess: Guesses = []) -> String {
            let isGuess = !guess.isEmpty && guessed.contains(guess)
            return "\(what) \(String(optionalCString: name) ?? "unknown")\(isGuess ? " (guessed)" : "")"
        }
        return [
            part("matrix", av_color_space_name(avMatrix), .matrix),
            part("range", av_color_range_name(avRange), .range),
            part("primaries", av_color_primaries_name(avPrimaries)),
            part("transfer", av_color_transfer_name(avTransfer)),
            part("chroma", av_chroma_location_name(avLocation), .chromaLocation),
        ].joined(separator: ", ")
    }

    internal init(
        matrix: AVColorSpace, range: AVColorRange, primaries: AVColorPrimaries, transfer: AVColorTransferCharacteristic,
        location: AVChromaLocation
    ) {
        self.init(
            matrix: Matrix(rawValue: Int(matrix.rawValue)), range: Range(rawValue: Int(range.rawValue)) ?? .unspecified,
            primaries: Primaries(rawValue: Int(primaries.rawValue)),
            transfer: Transfer(rawValue: Int(transfer.rawValue)),
            chromaLocation: ChromaLocation(rawValue: Int(location.rawValue)) ?? .unspecified)
    }

    internal init(_ parameters: AVCodecParameters) {
        self.init(
            matrix: parameters.color_space, range: parameters.color_range, primaries: parameters.color_primaries,
            transfer: parameters.color_trc, location: parameters.chroma_location)
    }

    internal init(_ frame: AVFrame) {
        self.init(
            matrix: frame.colorspace, range: frame.color_range, primaries: frame.color_primaries,
            transfer: frame.color_trc, location: frame.chroma_location)
    }

    internal var avMatrix: AVColorSpace { AVColorSpace(rawValue: numericCast(matrix.rawValue)) }
    internal var avRange: AVColorRange { AVColorRange(rawValue: numericCast(range.rawValue)) }
    internal var avPrimaries: AVColorPrimaries { AVColorPrimaries(rawValue: numericCast(primaries.rawValue)) }
    internal var avTransfer: AVColorTransferCharacteristic {
        AVColorTransferCharacteristic(rawValue: numericCast(transfer.rawValue))
    }
    internal var avLocation: AVChromaLocation { AVChromaLocation(rawValue: numericCast(chromaLocation.rawValue)) }

    internal func tag(_ frame: UnsafeMutablePointer<AVFrame>) {
        frame.pointee.colorspace = avMatrix
        frame.pointee.color_range = avRange
        frame.pointee.color_primaries = avPrimaries
        frame.pointee.color_trc = avTransfer
        frame.pointee.chroma_location = avLocation
    }
}
