/// What was drawn for a sample: all that happens to it, in numbers. `description` is for people:
/// "gaussian 13 sigma 1.20 → 77x77 bilinear → …".
public struct DegradationTrace: Hashable, Sendable, CustomStringConvertible {
    public enum Step: Hashable, Sendable, CustomStringConvertible {
        case blur(BlurKernel)
        case resize(width: Int, height: Int, ResizeMode)
        /// Its pixels come from the sample's stream of that number.
        case noise(Noise, stream: UInt64)
        case jpeg(quality: Int)
        /// Of the whole clip.
        case codec(CodecUse)

        public var description: String {
            switch self {
            case .blur(let kernel): kernel.description
            case .resize(let width, let height, let mode): "\(width)x\(height) \(mode.rawValue)"
            case .noise(let noise, _): noise.description
            case .jpeg(let quality): "jpeg \(quality)"
            case .codec(let codec): codec.description
            }
        }
    }

    /// An encoder and its settings, and the film that is made of a still.
    public struct CodecUse: Hashable, Sendable, CustomStringConvertible {
        public enum Rate: Hashable, Sendable {
            case quality(Double)
            case bitsPerPixel(Double)
        }

        public var encoder: String
        public var rate: Rate
        /// A still's film: how many frames, which of them is kept, and the pixels it moves by from one to the next. Clips
        /// leave them alone.
        public var frames: Int
        public var kept: Int
        public var motion: (x: Int, y: Int) {
            get { (motionX, motionY) }
            set { (motionX, motionY) = newValue }
        }
        private var motionX: Int
        private var motionY: Int

        public init(encoder: String, rate: Rate, frames: Int, kept: Int, motion: (x: Int, y: Int)) {
            self.encoder = encoder
            self.rate = rate
            self.frames = frames
            self.kept = kept
            (motionX, motionY) = motion
        }

        public var description: String {
            switch rate {
            case .quality(let value): "\(encoder) quality \(value.brief)"
            case .bitsPerPixel(let bits): "\(encoder) \(bits.brief) bits a pixel"
            }
        }
    }

    /// Nothing but a smaller picture was drawn.
    public var isClean: Bool
    /// In order; each stage holds a step for each frame, or one for the whole clip (codecs).
    public var stages: [[Step]]

    /// The first frame's.
    public var description: String {
        let steps = stages.compactMap { $0.first?.description }
        return (isClean ? "clean: " : "") + steps.joined(separator: " → ")
    }
}
