/// What a file holds, without decoding it.
public struct ContainerDescription: Sendable {
    /// libav's name of the format, such as "mov,mp4,m4a,3gp,3g2,mj2".
    public var format: String
    public var durationSeconds: Double?
    public var streams: [StreamDescription]
    /// The video that would be decoded; nil where there is none.
    public var video: VideoDescription?
    public var metadata: [String: String]
    public var chapters: [Chapter]
}

public enum MediaProbe {
    /// Opens the file, looks, and closes it. Throws `MediaError` for what is not a media file.
    public static func describe(path: String) throws(MediaError) -> ContainerDescription {
        let file = try InputFile(path: path, format: nil, interrupter: Interrupter())
        var video: VideoDescription?
        do {
            video = try file.describeVideo(try file.videoIndex())
        } catch .noVideo {
            video = nil
        }
        return ContainerDescription(
            format: file.formatName, durationSeconds: file.durationSeconds,
            streams: (0..<file.streamCount).map { StreamTemplate(file.stream($0)).description }, video: video,
            metadata: file.metadata, chapters: file.chapters)
    }
}
