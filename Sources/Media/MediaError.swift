/// What can go wrong between a file and its pixels. `description` is one line: the thing by name, then what to do.
public enum MediaError: Error, Sendable, Equatable, CustomStringConvertible {
    case missingFile(path: String)
    case isFolder(path: String)
    case unreadable(path: String, reason: String)
    /// The bytes are of no container or picture format that FFmpeg knows.
    case notMedia(path: String, reason: String)
    case noVideo(path: String, streams: String)
    case noDecoder(path: String, codec: String)
    /// The data end before the file says that they do. Every frame before the gap was delivered.
    case truncated(path: String, seconds: Double?, reason: String)
    /// The decoder refused a packet. Every frame before it was delivered.
    case corrupt(path: String, seconds: Double?, packet: Int, reason: String)
    /// A packet of a stream that is copied, which the target's muxer refused.
    case corruptStream(path: String, stream: Int, seconds: Double?, reason: String)
    /// A picture is cut short, or the decoder says that parts of it are damaged. `isLost` where nothing of it could be
    /// decoded though damage is tolerated.
    case damagedPicture(path: String, reason: String, isLost: Bool)
    case readFailed(path: String, reason: String)
    /// `MediaReader.interrupt()` or `Interrupter.interrupt()` was called.
    case interrupted(path: String)

    case noSuchStream(path: String, index: Int, count: Int)
    case noMatchingStream(path: String, specifier: String)
    /// Raw video was asked for without its pixel format or size.
    case rawVideoWithoutShape(path: String)
    case deinterlacingFailed(path: String, reason: String)

    case outputExists(path: String)
    case outputIsInput(path: String)
    case outputIsFolder(path: String)
    case folderMissing(path: String, folder: String)
    case folderNotWritable(path: String, folder: String, reason: String)
    case unknownContainer(path: String)
    case unknownFormat(name: String)
    /// Standard output has no extension to tell its container by.
    case pipeWithoutFormat
    case unknownEncoder(name: String, known: [String])
    case unknownPixelFormat(name: String)
    case encoderRefusesPixelFormat(encoder: String, pixelFormat: String, accepted: [String])
    case encoderRefuses(encoder: String, reason: String)
    case unknownEncoderOption(key: String, encoder: String)
    case badEncoderOption(key: String, value: String, encoder: String)
    case containerRefuses(path: String, reason: String)
    case encodeFailed(path: String, seconds: Double?, reason: String)
    case writeFailed(path: String, reason: String)
    /// Whoever read the pipe that is written to has closed it: no failure, there is just nobody left to write for.
    case readerGone(path: String)
    /// A picture file was to take a second frame.
    case onePictureOnly(path: String)
    case nothingWritten(path: String)
    /// Somebody else made the target while it was being written; the result lies at `keptAt`.
    case targetAppeared(path: String, keptAt: String)

    /// The finished result could not take the target's name; it lies at `keptAt`.
    case resultKept(path: String, keptAt: String, reason: String)
    /// A name longer than the folder's file system takes; `name` is its beginning.
    case nameTooLong(name: String, bytes: Int, longest: Int)
    /// The system has no memory or threads left for a decoder or encoder.
    case noResources(path: String, reason: String)
    /// A playlist or another list of files, which the program does not follow.
    case playlist(path: String)

    /// A frame is not of the format or size that was agreed upon.
    case wrongFrame(expected: String, got: String)
    case unsupportedConversion(pixelFormat: String, reason: String)

    public var description: String {
        switch self {
        case .missingFile(let path):
            "\(path): no such file; check the name."
        case .isFolder(let path):
            "\(path): is a folder without pictures, not a video; name a file inside it."
        case .unreadable(let path, let reason):
            "\(path): cannot be opened (\(reason)); \(Self.openingRemedy(path, reason))."
        case .notMedia(let path, let reason):
            "\(path): not a media file\(Self.bracketed(reason)); give a video or a picture that ffprobe can read."
        case .noVideo(let path, let streams):
            "\(path): holds no video (\(streams)); give a file with a video stream or a picture."
        case .noDecoder(let path, let codec):
            // What stands in brackets is what a decoder that is there cannot do.
            "\(path): this FFmpeg has no decoder for \(codec); "
                + (codec.hasSuffix(")")
                    ? "get a sound copy of it, or convert it first."
                    : "install a fuller FFmpeg or convert the file first.")
        case .truncated(let path, let seconds, let reason):
            "\(path): the data end early\(Self.moment(seconds))\(Self.bracketed(reason)); get a complete copy of it"
                + (toleranceHelps ? ", or tolerate the damage and take what there is." : ".")
        case .corrupt(let path, let seconds, let packet, let reason):
            "\(path): damaged video at packet \(packet)\(Self.moment(seconds))\(Self.bracketed(reason)); get a sound copy"
                + (toleranceHelps ? ", or tolerate the damage and go on after it." : ".")
        case .corruptStream(let path, let stream, let seconds, let reason):
            "\(path): a damaged packet\(Self.moment(seconds)) in what became stream \(stream)\(Self.bracketed(reason));"
                + " get a sound copy, or tolerate the damage and leave such packets out."
        case .damagedPicture(let path, let reason, _):
            "\(path): is damaged or cut short\(Self.bracketed(reason)); get a sound copy of it"
                + (toleranceHelps ? ", or tolerate the damage and take what can be decoded." : ".")
        case .readFailed(let path, let reason):
            "\(path): reading failed (\(reason)); check the disk or the connection."
        case .interrupted(let path):
            "\(path): reading was interrupted."
        case .noSuchStream(let path, let index, let count):
            "\(path): has no stream \(index); its streams are numbered from 0 to \(count - 1)."
        case .noMatchingStream(let path, let specifier):
            "\(path): has no stream that '\(specifier)' names; ffprobe lists them, and a '?' behind lets it be missing."
        case .rawVideoWithoutShape(let path):
            "\(path): raw video says nothing of itself; give its pixel format and size."
        case .deinterlacingFailed(let path, let reason):
            "\(path): deinterlacing failed (\(reason)); try without deinterlacing."

        case .outputExists(let path):
            "\(path): exists already; choose another name, or allow it to be replaced."
        case .outputIsInput(let path):
            "\(path): is the input itself; choose another output name."
        case .outputIsFolder(let path):
            "\(path): is a folder; name the output file, for example \(path.hasSuffix("/") ? path : path + "/")out.mp4."
        case .folderMissing(let path, let folder):
            "\(path): the folder \(folder) does not exist; make it first."
        case .folderNotWritable(let path, let folder, let reason):
            "\(path): cannot write in the folder \(folder) (\(reason)); choose another folder or mend its permissions."
        case .unknownContainer(let path):
            "\(path): no container is known by this extension; end the name in .mp4, .mkv, .mov, .webm, .png or .jpg."
        case .unknownFormat(let name):
            "no container that can be written is called \(name); try mp4, matroska, mpegts, nut, y4m or rawvideo."
        case .pipeWithoutFormat:
            "standard output has no extension; name its container: matroska, mpegts, nut, mp4, y4m"
                + " or rawvideo."
        case .unknownEncoder(let name, let known):
            "no video encoder is called \(name); try one of: \(known.joined(separator: ", "))."
        case .unknownPixelFormat(let name):
            "no pixel format is called \(name); `ffmpeg -pix_fmts` lists them."
        case .encoderRefusesPixelFormat(let encoder, let pixelFormat, let accepted):
            "the encoder \(encoder) does not take \(pixelFormat); use one of: "
                + accepted.joined(separator: ", ") + "."
        case .encoderRefuses(let encoder, let reason):
            "the encoder \(encoder) cannot be opened (\(reason)); change its options or the size, or choose another"
                + " codec or format."
        case .unknownEncoderOption(let key, let encoder):
            "neither the encoder \(encoder) nor the container has an option \(key);"
                + " `ffmpeg -h encoder=\(encoder)` lists them."
        case .badEncoderOption(let key, let value, let encoder):
            "the encoder \(encoder) does not take \(value) for its option \(key);"
                + " `ffmpeg -h encoder=\(encoder)` lists what it takes."
        case .containerRefuses(let path, let reason):
            "\(path): the container cannot hold this video (\(reason)); choose .mkv or another codec."
        case .encodeFailed(let path, let seconds, let reason):
            "\(path): encoding failed\(Self.moment(seconds)) (\(reason)); try another codec."
        case .writeFailed(let path, let reason):
            "\(path): writing failed (\(reason)); \(Self.writingRemedy(reason))."
        case .readerGone(let path):
            "\(path == "-" ? "standard output" : path): the reader has closed the pipe."
        case .onePictureOnly(let path):
            "\(path): a picture holds one frame only; name a video file, or choose the frame by a start and a duration."
        case .nothingWritten(let path):
            "\(path): there was no frame to write; check the start and the duration."
        case .targetAppeared(let path, let keptAt):
            "\(path): was made by somebody else meanwhile; the result is kept at \(keptAt)."
        case .resultKept(let path, let keptAt, let reason):
            "\(path): the finished result could not take this name (\(reason)); it is kept at \(keptAt)."
        case .nameTooLong(let name, let bytes, let longest):
            "\(name)...: the name has \(bytes) bytes and this folder takes \(longest); choose a shorter one."
        case .noResources(let path, let reason):
            "\(path): there is no room to work on it (\(reason)); free memory, or raise its limit (ulimit -v)."
        case .playlist(let path):
            "\(path): is a list that names other files or addresses, which are not opened from here; give the files or the"
                + " address themselves."
        case .wrongFrame(let expected, let got):
            "a frame of \(got) came where \(expected) was agreed upon; the source changes in mid-stream."
        case .unsupportedConversion(let pixelFormat, let reason):
            "cannot convert pixels of \(pixelFormat) (\(reason)); choose another pixel format."
        }
    }

    /// Whether reading with `ReaderOptions.toleratesDamage` gives what the error keeps back.
    public var toleranceHelps: Bool {
        switch self {
        case .truncated(let path, let seconds, _): seconds != nil && path != "-" && !path.contains("://")
        case .corrupt(_, _, let packet, _): packet != 0
        case .corruptStream: true
        case .damagedPicture(_, _, let isLost): !isLost
        default: false
        }
    }

    /// What is wrong, without the thing's name and the remedy, where libav or the file's bytes say so.
    internal var reason: String {
        switch self {
        case .unreadable(_, let reason), .notMedia(_, let reason), .readFailed(_, let reason),
            .truncated(_, _, let reason), .corrupt(_, _, _, let reason), .damagedPicture(_, let reason, _):
            reason
        default: description
        }
    }

    private static func openingRemedy(_ path: String, _ reason: String) -> String {
        if path.contains("://") { return "check the address and the connection" }
        if reason.contains("Permission denied") || reason.contains("not permitted") { return "check its permissions" }
        if reason.contains("Too many open files") { return "raise the limit on open files (ulimit -n)" }
        if reason.contains("Bad file descriptor") { return "it is closed; give it something to read" }
        return "check the disk"
    }

    private static func writingRemedy(_ reason: String) -> String {
        let full = ["No space left", "Disk quota exceeded", "File too large"].contains { reason.contains($0) }
        if full { return "make room there, or choose another disk" }
        // What a muxer says of times and sizes, not a disk.
        return ["Invalid argument", "Invalid data", "out of range"].contains { reason.contains($0) }
            ? "the container does not take what the input holds; choose another, such as .mkv"
            : "check the disk or the connection"
    }

    internal static func bracketed(_ reason: String) -> String {
        reason.isEmpty ? "" : " (\(reason))"
    }

    internal static func moment(_ seconds: Double?) -> String {
        guard let seconds else { return "" }
        let thousandths = Int((seconds * 1000).rounded())
        let fraction = String(1000 + abs(thousandths) % 1000).dropFirst()
        return " at \(thousandths < 0 ? "-" : "")\(abs(thousandths) / 1000).\(fraction) s"
    }
}
