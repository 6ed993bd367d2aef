internal import Media

/// Every probability and range of the pipeline. Start from a preset and change what differs; `validate` says what makes
/// no sense.
///
/// As text (any keyed format) a recipe may hold the name of a `preset` and, on any level, only the keys that differ from
/// it; without a name the preset is `real-esrgan`. Ranges are two numbers, `[low, high]`; probabilities and weights run
/// from 0 to 1 and from 0 up. Encoding writes every key, so the encoded form of any recipe lists the keys that are known.
public struct DegradationRecipe: Hashable, Sendable {
    /// The preset that this recipe began as.
    public var preset = "real-esrgan"
    /// The probability that a sample is only made smaller, bicubic and antialiased, and rounded to 8 bits.
    public var clean = 0.0
    public var sharpen = Sharpening()
    public var first = Order()
    /// Between the two orders.
    public var middleCodec = CodecStage()
    public var second = Order()
    /// At the target's size.
    public var last = LastStage()
    /// At the very end.
    public var lastCodec = CodecStage()
    public var walk = RandomWalk()

    public init() {}

    /// The target that pixel losses are measured against, made sharper (`sharpened`); the low picture is made of it too.
    public struct Sharpening: Hashable, Sendable {
        public var enabled = false
        public var weight = 0.5
        /// Side of the window, odd.
        public var radius = 51
        /// In 255ths.
        public var threshold = 10.0
        public init() {}
    }

    /// One order: blur, resize, noise, JPEG. In the second order the JPEG's place is `LastStage.compressLast`'s.
    public struct Order: Hashable, Sendable {
        public var blur = Blur()
        public var resize = Resizing()
        public var noise = Noising()
        public var jpeg = Compression()
        public init() {}
    }

    public struct Blur: Hashable, Sendable {
        public var probability = 1.0
        /// Sides of the window; odd ones are drawn, equally likely.
        public var sizes = 7...21
        /// The probability of a sinc filter in place of one of `kinds`.
        public var sinc = 0.1
        public var kinds = KernelWeights()
        /// Standard deviation, in pixels of the picture at that point.
        public var sigma = 0.2...3.0
        /// Exponents; where the range lies on both sides of 1, each side has half of the draws.
        public var generalisedBeta = 0.5...4.0
        public var plateauBeta = 1.0...2.0
        public init() {}
    }

    public struct KernelWeights: Hashable, Sendable {
        public var isotropic = 0.45
        public var anisotropic = 0.25
        public var generalisedIsotropic = 0.12
        public var generalisedAnisotropic = 0.03
        public var plateauIsotropic = 0.12
        public var plateauAnisotropic = 0.03
        public init() {}
        internal var all: [Double] {
            [
                isotropic, anisotropic, generalisedIsotropic, generalisedAnisotropic, plateauIsotropic,
                plateauAnisotropic,
            ]
        }
    }

    public struct Resizing: Hashable, Sendable {
        /// Weights of larger, smaller and unchanged.
        public var up = 0.2
        public var down = 0.7
        public var keep = 0.1
        /// Of the good picture's size in the first order, of the low picture's in the second. Larger is drawn from 1 to the
        /// upper bound, smaller from the lower bound to 1.
        public var factor = 0.15...1.5
        /// Equally likely.
        public var modes: [ResizeMode] = [.area, .bilinear, .bicubic]
        public init() {}
    }

    public struct Noising: Hashable, Sendable {
        public var probability = 1.0
        /// Given noise, the probability of the Gaussian kind; else Poisson.
        public var gaussian = 0.5
        /// In 255ths.
        public var sigma = 1.0...30.0
        public var poissonScale = 0.05...3.0
        /// The probability of the same noise in all three channels.
        public var gray = 0.4
        public init() {}
    }

    public struct Compression: Hashable, Sendable {
        public var probability = 1.0
        /// 1 … 100; whole numbers are drawn, equally likely.
        public var quality = 30...95
        public init() {}
    }

    public struct LastStage: Hashable, Sendable {
        /// The probability of a sinc filter of a cutoff from pi / 3 to pi.
        public var sinc = 0.8
        public var sizes = 7...21
        /// The probability of (resize, sinc, JPEG); else (JPEG, resize, sinc).
        public var compressLast = 0.5
        /// Of the resize to the low picture's size; equally likely.
        public var modes: [ResizeMode] = [.area, .bilinear, .bicubic]
        public init() {}
    }

    /// A video encoder. A clip goes through as a clip, all frames at one size. A still is made a film of: the picture
    /// moves by whole pixels from frame to frame, along a line that is drawn, and lies at its own place in one frame,
    /// which is drawn too and is the one that is kept. So it comes out as a frame that stands alone, as a predicted one
    /// or as one between two, with the artefacts of its kind. Motions of more than a pixel lag behind at low rates.
    public struct CodecStage: Hashable, Sendable {
        public var probability = 0.0
        /// One is drawn, by weight.
        public var codecs: [Codec] = [
            Codec("libx264", quality: 20...35), Codec("mpeg4", quality: 3...12), Codec("mpeg2video", quality: 3...10),
        ]
        /// The number of frames that are made of a still.
        public var stillFrames = 3
        /// The most by which a still moves from frame to frame, in pixels each way.
        public var stillMotion = 1
        public init() {}
    }

    public struct Codec: Hashable, Sendable {
        /// libav's name: libx264, libx265, libvpx-vp9, mpeg4, mpeg2video.
        public var encoder: String
        public var weight = 1.0
        /// The encoder's own scale: crf, or the quantiser of mpeg4 and mpeg2video. Whole steps are not kept to.
        public var quality: ClosedRange<Double>?
        /// Bits for each pixel of each frame, drawn so that every octave is equally likely. RealBasicVSR's 1e4 … 1e5 bits
        /// a second for 64x64 pixels at 25 frames are 0.1 … 1. Exactly one of the two is given.
        public var bitsPerPixel: ClosedRange<Double>?

        public init(
            _ encoder: String, weight: Double = 1, quality: ClosedRange<Double>? = nil,
            bitsPerPixel: ClosedRange<Double>? = nil
        ) {
            self.encoder = encoder
            self.weight = weight
            self.quality = quality
            self.bitsPerPixel = bitsPerPixel
        }
    }

    /// The largest step of each parameter from one frame of a clip to the next; steps are uniform between minus and plus
    /// it, and a parameter stays in its range. RealBasicVSR's.
    public struct RandomWalk: Hashable, Sendable {
        public var sigma = 0.02
        public var rotation = 0.314
        public var generalisedBeta = 0.05
        public var plateauBeta = 0.1
        public var cutoff = 0.0628
        public var firstResize = 0.015
        public var secondResize = 0.03
        /// Of Gaussian noise, in 255ths.
        public var noise = 0.1
        public var poissonScale = 0.005
        public var quality = 3.0
        public init() {}
    }

    /// The encoders that the recipe may draw and that this FFmpeg has not.
    public var missingEncoders: [String] {
        let used = [middleCodec, lastCodec].filter { $0.probability > 0 }
            .flatMap { $0.codecs.filter { $0.weight > 0 }.map(\.encoder) }
        return Set(used).filter { !CodecRoundTrip.isAvailable($0) }.sorted()
    }
}
