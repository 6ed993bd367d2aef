internal import Media
internal import Tensor

/// What travels between stages.
enum Item<Content> {
    /// A packet of another stream; it keeps its place between frames.
    case packet(EncodedPacket)
    case content(Content)
    /// The result before this one stands for this frame too: nothing changed, or there was no time.
    case repeated(VideoFrame)
}

extension Item: Sendable where Content: Sendable {}

/// Pixels, and the frame of the source whose times and tags they carry.
struct Picture {
    /// `[1, H, W, 3]`
    var pixels: HostTensor
    /// Opacity, `[1, H, W, 1]`; nil where all is opaque.
    var alpha: HostTensor?
    var source: VideoFrame
}

/// A frame ready to be encoded, and when the source's frame came.
struct Finished {
    var frame: VideoFrame
    var arrival: Double
}
