internal import Media

/// What can be wrong with a data set. `description` is one line: the thing by name, then what to do.
public enum DatasetError: Error, Sendable, Equatable, CustomStringConvertible {
    case missing(path: String)
    case noPictures(path: String)
    case noVideos(path: String)
    /// The file cannot be opened, or not be decoded.
    case unreadable(path: String, reason: String)
    /// Not the size that it had when the data set was opened.
    case changed(path: String)
    case emptyList(path: String)
    case badListLine(path: String, line: Int)
    /// A picture of one folder has no namesake in the other.
    case missingCounterpart(path: String, folder: String)
    /// Two pictures of a folder differ in their endings only.
    case sameName(first: String, second: String)
    case wrongScale(low: String, lowSize: PixelSize, high: String, highSize: PixelSize, scale: Int)
    /// `downscale` is the least factor by which pictures are made smaller before they are cropped.
    case cropTooLarge(path: String, size: PixelSize, side: Int, downscale: Double)
    case cropNotDivisible(side: Int, scale: Int)
    case unknownLength(path: String)
    case tooFewFrames(path: String, frames: Int, needed: Int)

    public var description: String {
        switch self {
        case .missing(let path):
            "\(path): no such file or folder; check the name."
        case .noPictures(let path):
            "\(path): there is no picture in it; name a folder that holds PNG, JPEG, WebP or other pictures."
        case .noVideos(let path):
            "\(path): there is no video in it; name a folder that holds MP4, MKV or other videos."
        case .unreadable(let path, let reason):
            "\(path): cannot be decoded (\(reason)); remove it from the data set or replace it by a sound copy."
        case .changed(let path):
            "\(path): was changed while the data set was in use; start again with files that stay as they are."
        case .emptyList(let path):
            "\(path): lists no pairs; write a line for each: the low picture, a tab, the high one."
        case .badListLine(let path, let line):
            "\(path): line \(line) is no pair; write the low picture, a tab, the high one."
        case .missingCounterpart(let path, let folder):
            "\(path): has no counterpart of that name in \(folder); add it, or remove this one."
        case .sameName(let first, let second):
            "\(first) and \(second): both have the same name but for the ending; remove one."
        case .wrongScale(let low, let lowSize, let high, let highSize, let scale):
            "\(low) is \(lowSize) and \(high) \(highSize), which is not \(scale) times as large; make the high one "
                + "\(lowSize.scaled(scale)), or set the scale that the pairs have."
        case .cropTooLarge(let path, let size, let side, let downscale):
            "\(path): is \(size), too small for a crop of \(side)x\(side)"
                + (downscale > 1 ? " after a reduction by \(downscale)" : "") + "; use a smaller crop or remove it."
        case .cropNotDivisible(let side, let scale):
            "a crop of \(side) pixels cannot be divided by the scale, \(scale); use "
                + "\(max(side / scale, 1) * scale) pixels."
        case .unknownLength(let path):
            "\(path): does not say how long it is, so no place in it can be drawn; "
                + "copy it into a container with an index: ffmpeg -i IN -c copy OUT.mkv."
        case .tooFewFrames(let path, let frames, let needed):
            "\(path): has \(frames) \(frames == 1 ? "frame" : "frames"), and a clip takes \(needed); "
                + "use shorter clips or remove it."
        }
    }
}

/// Width and height in pixels.
public struct PixelSize: Sendable, Hashable, CustomStringConvertible {
    public var width: Int
    public var height: Int

    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    public var description: String { "\(width)x\(height)" }

    func scaled(_ factor: Int) -> PixelSize { PixelSize(width: width * factor, height: height * factor) }
    var pixels: Int { width * height }
}

extension DatasetError {
    /// What the decoder said, without its advice: here the file is one of many, and the advice is another.
    init(_ error: MediaError, path: String) {
        switch error {
        case .missingFile: self = .missing(path: path)
        case .unreadable(_, let reason), .notMedia(_, let reason), .readFailed(_, let reason):
            self = .unreadable(path: path, reason: reason.isEmpty ? "not a picture or video" : reason)
        case .truncated(_, let seconds, let reason), .corrupt(_, let seconds, _, let reason):
            let moment = seconds.map { " near second \(Int($0))" } ?? ""
            self = .unreadable(path: path, reason: (reason.isEmpty ? "damaged" : reason) + moment)
        case .damagedPicture(_, let reason, _): self = .unreadable(path: path, reason: reason)
        case .noVideo: self = .unreadable(path: path, reason: "it holds no picture")
        case .noDecoder(_, let codec): self = .unreadable(path: path, reason: "no decoder for \(codec)")
        default: self = .unreadable(path: path, reason: error.description)
        }
    }
}
